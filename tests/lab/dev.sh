#!/bin/bash
# Tests of ./dev itself, as TAP. They make no tree and boot nothing: programs that would
# are replaced by short scripts at the front of PATH.
# shellcheck disable=SC2016 # those scripts are quoted here, and expand when they run

set -u

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
number=0

check() { # NAME STATUS
	number=$((number + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		sed 's/^/# /' "$scratch/output"
	fi
}

# Runs ./dev from an empty cache with the replacements; output and status are kept.
dev() {
	status=0
	env -i PATH="$path" HOME="$scratch/home" \
		APT_FOLDER="$scratch/apt" SIGNALBOX_NATIVE=0 LANG=C.UTF-8 \
		"$root/dev" "$@" >"${output:-$scratch/output}" 2>&1 <&- || status=$?
}

says() { # TEXT
	grep -qF -- "$1" "$scratch/output"
}

# Checks that the last ./dev ended with a status and said something.
expect() { # NAME STATUS TEXT
	[ "$status" -eq "$2" ] && says "$3"
	check "$1" $?
}

# By renaming: what is there may be a link to the machine's own program.
replace() { # PROGRAM SCRIPT
	mkdir -p "$scratch/bin"
	printf '#!/bin/bash\n%s\n' "$2" >"$scratch/new"
	chmod +x "$scratch/new"
	mv -f "$scratch/new" "$scratch/bin/$1"
}

fresh() {
	rm -rf "${scratch:?}/bin" "${scratch:?}/home" "${scratch:?}/apt"
	path=$scratch/bin:/usr/sbin:/usr/bin:/sbin:/bin
	mkdir -p "$scratch/home" "$scratch/apt/sources.list.d"
	echo 'deb http://mirror.test/debian stable main' >"$scratch/apt/sources.list"
	replace uname 'echo x86_64'
	replace id 'echo 0'
	# mmdebstrap runs in a mount namespace of its own, which needs rights.
	replace unshare 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
	replace df 'echo; echo "disk 9 9 99999 9% /"'
	replace mmdebstrap 'exit 1'
}

mirror() { # FILE NAME, stdin: the file; prints the mirror found in it
	rm -rf "$scratch/apt"
	mkdir -p "$scratch/apt/sources.list.d"
	cat >"$scratch/apt/$1"
	env root="$root" lab="$root/tests/lab" bash -c '. "$lab/tree.sh"; mirror_in "$1"' _ "$scratch/apt" \
		2>"$scratch/output"
}

expect_mirror() { # NAME WANTED FOUND
	echo "wanted '$2', found '$3'" >>"$scratch/output"
	[ "$2" = "$3" ]
	check "$1" $?
}

fresh
dev help
expect "help says what there is" 0 "usage: ./dev COMMAND"
dev
expect "no command: usage and status 2" 2 "usage: ./dev COMMAND"
dev frobnicate
expect "an unknown command: usage and status 2" 2 "unknown command: frobnicate"

expect_mirror "one-line sources" http://a.test/debian "$(mirror sources.list <<'END'
# deb http://commented.test/debian stable main
deb http://a.test/debian/ bookworm main contrib
deb http://a.test/debian-security bookworm-security main
END
)"
expect_mirror "one-line sources with options, after another vendor's" \
	https://b.test/debian "$(mirror sources.list.d/x.list <<'END'
deb [arch=amd64 signed-by=/k.gpg] https://vendor.test/apt stable-vendor main
deb-src http://src.test/debian bookworm main
deb [ arch=amd64 ] https://b.test/debian trixie main # comment
deb http://later.test/debian trixie main
END
)"
expect_mirror "deb822 with a comment, several suites and stanzas" \
	http://c.test/debian "$(mirror sources.list.d/debian.sources <<'END'
Types: deb
URIs: https://vendor.test/node
Suites: nodistro
Components: main

Types: deb deb-src
# a comment in the stanza
URIs: http://c.test/debian
 http://d.test/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/x.gpg

Types: deb
URIs: http://c.test/debian-security
Suites: bookworm-security
END
)"
expect_mirror "deb822: not the disabled, not the sources" \
	http://f.test/debian "$(mirror sources.list.d/debian.sources <<'END'
Enabled: no
Types: deb
URIs: http://disabled.test/debian
Suites: stable

Types: deb-src
URIs: http://sources.test/debian
Suites: stable

types: deb
uris: http://f.test/debian
suites: stable
END
)"
echo "http://list.test/debian priority:1" >"$scratch/list"
expect_mirror "a list of mirrors, as in cloud images" http://list.test/debian \
	"$(mirror sources.list.d/debian.sources <<END
Types: deb
URIs: mirror+file:$scratch/list
Suites: bookworm
END
)"
expect_mirror "a machine without Debian's archive" "" "$(mirror sources.list <<'END'
deb http://archive.ubuntu.test/ubuntu noble main
END
)"

fresh
replace uname 'echo riscv64'
dev build
expect "another architecture" 1 "for x86_64, this machine is riscv64"

fresh
replace df 'echo; echo "disk 9 9 12 9% /"'
dev build
expect "no space" 1 "not enough space in $scratch/home/.cache/signalbox: the tree needs"

fresh
: >"$scratch/apt/sources.list"
dev build
expect "no mirror" 1 "set SIGNALBOX_MIRROR"

# A machine without mmdebstrap: all other programs, as links.
without_mmdebstrap() {
	fresh
	rm "$scratch/bin/mmdebstrap"
	path=$scratch/bin:$scratch/links
	rm -rf "${scratch:?}/links"
	mkdir "$scratch/links"
	ln -s -t "$scratch/links" /usr/sbin/* /usr/bin/* 2>/dev/null
	rm -f "$scratch/links/mmdebstrap"
}

without_mmdebstrap
replace id 'echo 1000'
dev build
expect "an ordinary user is told what to install" 1 "please run: sudo apt-get install mmdebstrap"

without_mmdebstrap
replace apt-get 'case "$*" in
	*install*mmdebstrap*) mv "${0%/*}/later" "${0%/*}/mmdebstrap" ;;
	esac'
replace later 'echo "E: it was called" >&2; exit 1'
dev build
expect "root gets it installed" 1 "installing mmdebstrap"
says "E: it was called"
check "and it is used at once" $?

failing() { # NAME MMDEBSTRAP'S MESSAGE, TEXT
	fresh
	replace mmdebstrap "echo \"$2\" >&2; exit 1"
	dev build
	expect "$1" 1 "$3"
}
failing "no network" "E: Temporary failure resolving 'mirror.test'" "no network"
failing "a mirror that does not answer" "E: Could not connect to mirror.test:80" "no network"
failing "a mirror without the suite" \
	"E: The repository 'x forky Release' does not have a Release file." "the mirror refuses"
failing "a bad signature" "W: GPG error: NO_PUBKEY 1234" "does not verify"
failing "a full disk later" "cp: write error: No space left on device" "no space left"
failing "anything else: the last error" "E: the moon is in the wrong phase" "wrong phase. Log: "

fresh
replace mmdebstrap '
	case "$*" in
	*Check-Valid-Until*) mkdir -p "${@: -2:1}/made" ;;
	*) echo "E: Release file for x is expired (invalid since 3d)." >&2; exit 1 ;;
	esac'
replace setpriv 'echo "entered $*"'
dev shell true
expect "an expired index: said, and tried again without the check" 0 "past its Valid-Until date"
says "entered" && compgen -G "$scratch/home/.cache/signalbox/tree-*/made" >/dev/null
check "the tree is in its place and is entered" $?
[ ! -e "$(compgen -G "$scratch/home/.cache/signalbox/tree-*.part")" ]
check "nothing unfinished is left" $?
dev shell true
[ "$status" -eq 0 ] && ! says "making"
check "the second time the tree is there" $?

fresh
mkdir -p "$scratch/home/.cache/signalbox"
replace mmdebstrap 'touch "$HOME/begun"
	for i in {1..600}; do [ -e "$HOME/go" ] && break; sleep 0.1; done
	mkdir -p "${@: -2:1}/made"'
replace setpriv 'true'
within_a_minute() { # COMMAND...
	for _ in {1..600}; do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}
(output=$scratch/first-output; dev shell true; echo "$status" >"$scratch/first") &
within_a_minute test -e "$scratch/home/begun"
(dev shell true; echo "$status" >"$scratch/second") &
within_a_minute says "waiting for it" 2>/dev/null
waits=$?
touch "$scratch/home/go"
wait
[ $waits -eq 0 ] && [ "$(<"$scratch/first")" -eq 0 ] && [ "$(<"$scratch/second")" -eq 0 ]
check "two at once: the second waits for the first" $?

echo "1..$number"
