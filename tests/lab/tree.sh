# shellcheck shell=bash
# The Debian tree that `./dev` builds and boots: where it is, how it is made.
# Sourced by dev, which sets $root (the checkout) and $lab (this folder).

: "${root:?}" "${lab:?}"
suite=forky
cache=${XDG_CACHE_HOME:-$HOME/.cache}/signalbox
need_mb=4500

say() {
	printf 'dev: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit 1
}

package_list() {
	sed 's/#.*//' "$lab/packages" | tr -s ' \t\n' '\n' | sed '/^$/d'
}

# The tree's place names what is in it: a changed list is another tree.
tree_path() {
	local list
	if [ -n "${SIGNALBOX_TREE-}" ]; then
		printf '%s\n' "$SIGNALBOX_TREE"
	else
		list=$({ echo "$suite"; package_list; } | sha256sum)
		printf '%s/tree-%s\n' "$cache" "${list:0:12}"
	fi
}

# --- the mirror, from this machine's own apt configuration -----------------------

# Prints "URI SUITE" for each package source in the files of the old format.
one_line_sources() {
	sed -E 's/#.*//; s/\[[^]]*\]//' "$@" /dev/null | awk '$1 == "deb" { print $2, $3 }'
}

# The same for .sources files: stanzas, several URIs and suites in each.
deb822_sources() {
	awk -v OFS=' ' '
		function flush(  i, j, n, m, uri, suite) {
			n = split(field["uris"], uri, " ")
			m = split(field["suites"], suite, " ")
			if (field["types"] ~ /(^| )deb( |$)/ && tolower(field["enabled"]) != "no") {
				for (i = 1; i <= n; i++) {
					for (j = 1; j <= m; j++) {
						print uri[i], suite[j]
					}
				}
			}
			split("", field)
		}
		FNR == 1 { flush() }
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		/^[ \t]/ { field[name] = field[name] " " $0; next }
		{
			name = tolower($0)
			sub(/[ \t]*:.*/, "", name)
			sub(/^[^:]*:[ \t]*/, "")
			gsub(/[ \t]+/, " ")
			field[name] = $0
		}
		END { flush() }' "$@" /dev/null
}

# The first of the machine's package sources that is a Debian archive; $1 is apt's folder.
mirror_in() {
	local apt=$1 uri dist found=''
	{
		one_line_sources "$apt"/sources.list "$apt"/sources.list.d/*.list || true
		deb822_sources "$apt"/sources.list.d/*.sources || true
	} 2>/dev/null | while read -r uri dist; do
		[ -z "$found" ] || continue
		case "$dist" in
		bullseye | bookworm | trixie | forky | sid | oldstable | stable | testing | unstable) ;;
		*) continue ;;
		esac
		case "$uri" in
		mirror+file:*) uri=$(sed -E 's/#.*//; s/[ \t].*//; /^$/d; q' "${uri#mirror+file:}") ;;
		esac
		case "$uri" in
		*security*) ;;
		http://* | https://* | ftp://* | file:/*)
			found=${uri%/}
			printf '%s\n' "$found"
			;;
		esac
	done
}

find_mirror() {
	if [ -n "${SIGNALBOX_MIRROR-}" ]; then
		printf '%s\n' "$SIGNALBOX_MIRROR"
	else
		mirror_in "${APT_FOLDER:-/etc/apt}"
	fi
}

# --- what must be true before it starts ------------------------------------------

check_architecture() {
	[ "$(uname -m)" = x86_64 ] ||
		die "the tree and its VM are for x86_64, this machine is $(uname -m)"
}

check_space() {
	local free
	free=$(df -Pm "$cache" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$need_mb" ] ||
		die "not enough space in $cache: the tree needs $need_mb MB, $free MB are free" \
			"(XDG_CACHE_HOME chooses another place)"
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# Installs what makes trees; an ordinary user is told the command instead.
check_tools() {
	local missing=()
	have mmdebstrap || missing+=(mmdebstrap)
	[ "$(id -u)" -eq 0 ] || have newuidmap || missing+=(uidmap)
	[ ${#missing[@]} -gt 0 ] || return 0
	have apt-get || die "this needs mmdebstrap, which this system does not offer through apt"
	[ "$(id -u)" -eq 0 ] || die "please run: sudo apt-get install ${missing[*]}"
	say "installing ${missing[*]}"
	{
		apt-get update || true
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
	} </dev/null >>"$log" 2>&1 || explain_failure "cannot install ${missing[*]}"
}

# --- making it --------------------------------------------------------------------

# The last lines of the log in plain words.
explain_failure() { # WHAT
	local why
	case "$(tail -n 60 "$log")" in
	*"No space left on device"*) why="no space left on the device" ;;
	*"Temporary failure resolving"* | *"Could not resolve"* | *"Network is unreachable"*)
		why="no network (the mirror's name does not resolve)" ;;
	*"Could not connect"* | *"Connection timed out"* | *"Connection failed"*)
		why="no network (the mirror does not answer)" ;;
	*"is not signed"* | *NO_PUBKEY* | *"signatures couldn't be verified"*)
		why="the mirror's signature does not verify (is debian-archive-keyring current?)" ;;
	*" 404 "* | *" 403 "* | *"does not have a Release file"* | *"Unable to locate package"*)
		why="the mirror refuses: it does not carry $suite, or not all of it" ;;
	*) why=$(grep -E '^(E:|W:|error|mmdebstrap:)' "$log" | tail -n 1) ;;
	esac
	die "$1: ${why:-no reason given}. Log: $log"
}

elapsed() { # FROM
	printf '%d:%02d' $(((SECONDS - $1) / 60)) $(((SECONDS - $1) % 60))
}

# What apt and dpkg are doing now, from the log.
current_phase() {
	awk '
		/newly installed/ { split("", count); total = $3 }
		/^I: (running apt-get update|extracting archives|installing essential)/ {
			phase = substr($0, 4)
		}
		/^Get:/ { phase = "downloading" }
		/^Unpacking / { phase = "unpacking" }
		/^Setting up / { phase = "setting up" }
		/^(Get:|Unpacking |Setting up )/ { count[phase]++ }
		/^Processing triggers/ { phase = "finishing" }
		END {
			if (count[phase] > 0) {
				phase = phase " " count[phase] (total > 0 ? " of " total : "") " packages"
			}
			print phase == "" ? "starting" : phase
		}' "$log"
}

# Shows that until process $1 ends: each second on a terminal, else every 15 s.
show_progress() { # PID STARTED
	local tick=0
	while kill -0 "$1" 2>/dev/null; do
		if [ -t 2 ]; then
			printf '\r\033[Kdev: %s %s' "$(elapsed "$2")" "$(current_phase)" >&2
		elif [ $((tick % 15)) -eq 14 ]; then
			say "$(elapsed "$2") $(current_phase)"
		fi
		tick=$((tick + 1))
		sleep 1
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

mmdebstrap_options() {
	local packages proxy
	packages=$(package_list | paste -sd, -)
	printf '%s\n' --verbose --variant=minbase --components=main --format=directory \
		"--include=$packages" \
		'--aptopt=APT::Install-Recommends "false"' \
		'--aptopt=Acquire::Languages "none"' \
		'--aptopt=Acquire::Retries "3"' \
		--dpkgopt=force-unsafe-io \
		--dpkgopt=path-exclude=/usr/share/man/* \
		--dpkgopt=path-exclude=/usr/share/doc/* \
		--dpkgopt=path-exclude=/usr/share/locale/* \
		--dpkgopt=path-exclude=/usr/share/help/* \
		--dpkgopt=path-exclude=/usr/share/info/*
	for proxy in http https; do
		local value=''
		eval "$(apt-config shell value "Acquire::$proxy::Proxy" 2>/dev/null)"
		[ -z "$value" ] || printf '%s\n' "--aptopt=Acquire::$proxy::Proxy \"$value\""
	done
	[ "$(id -u)" -eq 0 ] || echo --mode=unshare
}

# Downloaded packages stay in the cache until the tree is complete, so that an
# interrupted run does not fetch them again. Only root can share the folder with apt.
keep_downloads() {
	local archives=/var/cache/apt/archives
	[ "$(id -u)" -eq 0 ] || return 0
	mkdir -p "$cache/archives/partial"
	printf '%s\n' --skip=download/empty --skip=essential/unlink --skip=cleanup/apt/cache \
		"--setup-hook=mkdir -p \"\$1$archives\"; mount --bind '$cache/archives' \"\$1$archives\"" \
		"--customize-hook=umount \"\$1$archives\""
}

run_mmdebstrap() { # TARGET MIRROR [OPTION]...
	local target=$1 mirror=$2 options=() own started=$SECONDS
	shift 2
	# What a hook mounts, and whatever apt runs, must not outlive this script. An ordinary
	# user's mmdebstrap makes namespaces of its own: there it is the process group.
	own=(setsid)
	[ "$(id -u)" -ne 0 ] || own=(unshare --mount --pid --fork --kill-child --mount-proc --)
	mapfile -t options < <(mmdebstrap_options; keep_downloads)
	remove_tree "$target"
	"${own[@]}" mmdebstrap "${options[@]}" "$@" "$suite" "$target" "$mirror" \
		</dev/null >>"$log" 2>&1 &
	maker=$!
	show_progress "$maker" "$started"
	wait "$maker"
}

stop_maker() {
	[ -z "${maker-}" ] || kill -KILL -- "-$maker" "$maker" 2>/dev/null || :
}

remove_tree() { # PATH
	[ -e "$1" ] || return 0
	if [ "$(id -u)" -eq 0 ]; then
		rm -rf --one-file-system "$1"
	else
		unshare --map-auto --map-root-user rm -rf "$1" 2>/dev/null || rm -rf "$1"
	fi
}

make_tree() { # TREE
	local tree=$1 mirror started=$SECONDS
	mirror=$(find_mirror)
	[ -n "$mirror" ] || die "this machine's apt has no Debian mirror: set SIGNALBOX_MIRROR to one"
	check_space
	check_tools
	say "making a Debian $suite tree, once (2 to 4 minutes); log: $log"
	if ! run_mmdebstrap "$tree.part" "$mirror"; then
		grep -qE 'Release file .* (is expired|is not valid anymore)|E: Release file' "$log" ||
			explain_failure "cannot make the tree"
		say "the mirror's index is past its Valid-Until date: trying again without that check" \
			"(signatures are still verified)"
		run_mmdebstrap "$tree.part" "$mirror" '--aptopt=Acquire::Check-Valid-Until "false"' ||
			explain_failure "cannot make the tree"
	fi
	mv "$tree.part" "$tree"
	rm -rf "$cache/archives"
	say "the tree is ready after $(elapsed "$started"): $tree"
}

# Keeps the two trees used last; older ones are of package lists that are gone.
remove_old_trees() {
	local stamp
	find "$cache" -maxdepth 1 -name 'tree-*.used' -printf '%T@ %p\n' | sort -rn | tail -n +3 |
		while read -r _ stamp; do
			say "removing an old tree: ${stamp%.used}"
			remove_tree "${stamp%.used}"
			rm -f "$stamp"
		done
}

# Makes the tree unless it is there. Sets $tree.
ensure_tree() {
	tree=$(tree_path)
	if [ -d "$tree" ]; then
		[ -n "${SIGNALBOX_TREE-}" ] || touch "$tree.used"
		return 0
	fi
	[ -z "${SIGNALBOX_TREE-}" ] || die "SIGNALBOX_TREE is $tree, which does not exist"
	check_architecture
	mkdir -p "$cache" || die "cannot make $cache"
	log=$cache/tree.log
	exec 7>"$cache/lock"
	if ! flock -n 7; then
		say "another ./dev is making the tree: waiting for it"
		flock 7
	fi
	if [ ! -d "$tree" ]; then
		: >"$log"
		trap stop_maker EXIT
		make_tree "$tree"
		trap - EXIT
		touch "$tree.used"
		remove_old_trees
	fi
	exec 7>&-
}

# Removes every tree and what belongs to them.
remove_all_trees() {
	local dir
	[ -d "$cache" ] || return 0
	exec 7>"$cache/lock"
	flock -n 7 || die "another ./dev is making the tree"
	for dir in "$cache"/tree-*; do
		[[ "${dir##*/}" =~ ^tree-([0-9a-f]{12}|peers)(\.part)?$ ]] || continue
		say "removing $dir"
		remove_tree "$dir"
		rm -f "$dir.used"
	done
	rm -rf "$cache/tree.log" "$cache/archives"
	exec 7>&-
}

# Runs a command in the tree, in the checkout; the git folder it belongs to is there too, and
# the session's sockets for what runs nested.
in_tree() { # [--bind DIR]... COMMAND...
	local git binds=(--bind "$root")
	git=$(git -C "$root" rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || git=
	case "$git" in
	'' | "$root"/*) ;;
	*) binds+=(--bind "$git") ;;
	esac
	[ ! -d "${XDG_RUNTIME_DIR-}" ] || binds+=(--bind "$XDG_RUNTIME_DIR")
	while [ "$1" = --bind ]; do
		binds+=(--bind "$2")
		shift 2
	done
	setpriv --pdeathsig TERM "$lab/enter" "$tree" "${binds[@]}" -- "$@"
}
