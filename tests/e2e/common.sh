# shellcheck shell=bash disable=SC2034
# What the end-to-end tests share; sourced by them, inside the lab VM. They find the build in
# $SBX_BUILD and write to $SBX_OUT. SBX_E2E_RENDERER=wlroots lets tiny use wlroots' renderer, to
# see what a test says of it; SBX_E2E_TINY_OPTIONS are more options for tiny.
set -u

: "${SBX_BUILD:?}" "${SBX_OUT:?}"
test_name=$(basename "$0" .sh)
work=$(mktemp -d)
tiny=$SBX_BUILD/examples/tiny/tiny
sync_client=$SBX_BUILD/examples/sync-client/sync-client
tear_oracle=$SBX_BUILD/tests/e2e/tear-oracle
bad_client=$SBX_BUILD/tests/e2e/bad-client
tiny_pid=

# Mesa's gbm unloads its driver while that still points to memory, which LeakSanitizer then takes
# for lost (592 bytes, Mesa 26.1). Loaded from the start, it stays.
tiny_env=()
if grep -q __asan_init "$tiny"; then
	tiny_env=("LD_PRELOAD=$(echo /usr/lib/*/gbm/dri_gbm.so)"
		"ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0")
fi

clean_up() {
	local pids
	pids=$(jobs -p)
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT

fail() {
	echo "$test_name: $*" >&2
	[ ! -e "$work/tiny.log" ] || cp "$work/tiny.log" "$SBX_OUT/$test_name-tiny.log"
	[ ! -e "$work/tiny.log" ] || grep -v ' Hz' "$work/tiny.log" | tail -n 40 >&2
	exit 1
}

# Starts tiny on the VM's monitor (or, with WLR_BACKENDS set, elsewhere) and waits until clients
# can connect; WAYLAND_DISPLAY is then its own.
start_tiny() { # [OPTION]...
	local run='' waited=0
	[ -n "${WLR_BACKENDS-}" ] || run=lab-seat
	rm -f "$work/display"
	# shellcheck disable=SC2016,SC2086
	DISPLAY_FILE=$work/display $run env "${tiny_env[@]}" "$tiny" --renderer "${SBX_E2E_RENDERER:-signalbox}" ${SBX_E2E_TINY_OPTIONS-} "$@" \
		-s 'echo "$WAYLAND_DISPLAY" >"$DISPLAY_FILE.new" && mv "$DISPLAY_FILE.new" "$DISPLAY_FILE"' \
		>"$work/tiny.log" 2>&1 &
	tiny_pid=$!
	while [ ! -e "$work/display" ]; do
		kill -0 "$tiny_pid" 2>/dev/null || fail "tiny did not start"
		[ $waited -lt 1200 ] || fail "tiny is not ready after 120 s"
		sleep 0.1
		waited=$((waited + 1))
	done
	WAYLAND_DISPLAY=$(cat "$work/display")
	export WAYLAND_DISPLAY
}

# Ends a process with SIGTERM and wants 0 of it.
end() { # PID NAME
	kill -TERM "$1" || fail "$2 is gone already"
	wait "$1" || fail "$2 ended with status $?"
}

# The next one is not to be nested in what is gone.
stop_tiny() {
	end "$tiny_pid" tiny
	unset WAYLAND_DISPLAY
	if grep -E 'Validation Error|VUID-|SYNC-HAZARD|signalbox bug|Sanitizer|runtime error' \
		"$work/tiny.log" >&2; then
		fail "tiny's log holds this"
	fi
}

# What the monitor shows, to $SBX_OUT/TEST-NAME.ppm.
capture() { # NAME [HEAD [GPU]]
	lab-screendump "$test_name-$1" "${2-0}" "${3-gpu}" || fail "no screendump"
	picture=$SBX_OUT/$test_name-$1.ppm
}

# Captures until that many sync-client windows are seen, whole or torn.
wait_windows() { # COUNT [GPU]
	local tries=0
	until
		capture start 0 "${2-gpu}"
		"$tear_oracle" --windows "$1" "$picture" >"$work/oracle"
		[ $? != 2 ]
	do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "no $1 windows on the monitor of ${2-gpu}: $(tail -n 3 "$work/oracle")"
		sleep 0.3
	done
}

# A number that a program wrote with --stats.
stat_of() { # FILE NAME
	sed -n "s/^$2 //p" "$1"
}

# A process's descriptors, the fewest of twenty times, and without fences and the waiters' eventfds, which come and go,
# nor those whose links match.
count_fds() { # PID [PATTERN]
	local i
	for i in {1..20}; do
		find "/proc/$1/fd" -mindepth 1 -printf '%l\n' 2>/dev/null | grep -vcE "sync_file|eventfd${2:+|$2}"
		sleep 0.1
	done | sort -n | head -n 1
}
