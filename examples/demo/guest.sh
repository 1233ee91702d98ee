#!/bin/bash
# What `./dev demo` shows, from inside the lab VM (or on a machine with a GPU): tiny on a real
# display, clients side by side, the monitor's picture, and a table of what it all cost. Finds the
# build in $SBX_BUILD and writes to $SBX_OUT.
set -u

: "${SBX_BUILD:?}" "${SBX_OUT:?}"
captures=10
work=$(mktemp -d)
names=()
pids=()

clean_up() {
	local running
	running=$(jobs -p)
	# shellcheck disable=SC2086
	[ -z "$running" ] || kill -KILL $running 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT

fail() {
	echo "demo: $*" >&2
	[ ! -e "$work/tiny.log" ] || grep -v ' Hz' "$work/tiny.log" | tail -n 20 >&2
	exit 1
}

# Ends a process with SIGTERM and wants 0 of it.
end() { # PID NAME
	kill -TERM "$1" || fail "$2 is gone already"
	wait "$1" || fail "$2 ended with status $?: $(cat "$work/$2.log")"
}

start_tiny() {
	local waited=0
	# shellcheck disable=SC2016
	DISPLAY_FILE=$work/display lab-seat "$SBX_BUILD/examples/tiny/tiny" --stats "$work/tiny" \
		-s 'echo "$WAYLAND_DISPLAY" >"$DISPLAY_FILE.new" && mv "$DISPLAY_FILE.new" "$DISPLAY_FILE"' \
		>"$work/tiny.log" 2>&1 &
	tiny_pid=$!
	while [ ! -e "$work/display" ]; do
		kill -0 $tiny_pid 2>/dev/null || fail "tiny did not start"
		[ $waited -lt 600 ] || fail "tiny is not ready after 60 s"
		sleep 0.1
		waited=$((waited + 1))
	done
	WAYLAND_DISPLAY=$(cat "$work/display")
	export WAYLAND_DISPLAY
}

start_client() { # NAME OPTION...
	local name=$1
	shift
	"$SBX_BUILD/examples/sync-client/sync-client" --name "$name" --stats "$work/$name" "$@" \
		>"$work/$name.log" 2>&1 &
	names+=("$name")
	pids+=($!)
}

judge() { # FILE...
	"$SBX_BUILD/tests/e2e/tear-oracle" "$@"
}

# Waits until the windows of all sync-clients that were started are on the monitor. (Of the shm
# client's pixels the oracle knows nothing.)
wait_windows() {
	local tries=0
	until lab-screendump wait && judge --windows ${#names[@]} "$SBX_OUT/wait.ppm" >"$work/judged"; do
		tries=$((tries + 1))
		[ $tries -lt 80 ] || fail "not all windows appeared: $(tail -n 3 "$work/judged")"
		sleep 0.1
	done
	rm -f "$SBX_OUT/wait".*
}

take_captures() {
	local i
	for ((i = 1; i < captures; i++)); do
		lab-screendump "capture-$i" || fail "no screendump"
		sleep 0.2
	done
	lab-screendump demo || fail "no screendump"
	judge "$SBX_OUT"/capture-*.ppm "$SBX_OUT/demo.ppm" >"$work/judged"
	rm -f "$SBX_OUT"/capture-* "$SBX_OUT/demo.ppm"
}

stat_of() { # FILE NAME
	sed -n "s/^$2 //p" "$work/$1"
}

ms() { # MICROSECONDS
	awk -v us="$1" 'BEGIN { printf "%.1f", us / 1000 }'
}

# How the client's lateness is made.
describe() { # NAME
	case $(stat_of "$1" sync) in
	ready) echo "drawn before the commit" ;;
	vgem) echo "$(stat_of "$1" late_ms) ms late, kernel fence" ;;
	cpu) echo "$(stat_of "$1" late_ms) ms late, no fence yet" ;;
	*) echo "no explicit sync" ;;
	esac
}

print_client() { # NAME PALETTE
	local judged torn seconds
	judged=$(grep -c "palette $2 " "$work/judged")
	torn=$(grep -c "palette $2 .*TORN" "$work/judged")
	seconds=$(($(stat_of "$1" elapsed_us) / 1000))
	printf '%-9s  %-25s %6d %6s  %7s %7s  %7s %7s  %d of %d\n' "$1" "$(describe "$1")" \
		"$(stat_of "$1" frames)" \
		"$(awk -v f="$(stat_of "$1" frames)" -v s=$seconds 'BEGIN { printf "%.1f", f * 1000 / s }')" \
		"$(ms "$(stat_of "$1" acquire_mean_us)")" "$(ms "$(stat_of "$1" acquire_p95_us)")" \
		"$(ms "$(stat_of "$1" release_p50_us)")" "$(ms "$(stat_of "$1" release_p95_us)")" \
		"$torn" "$judged"
}

print_table() {
	local i frames
	echo
	printf '%-9s  %-25s %6s %6s  %15s  %15s  %s\n' \
		client 'its frames are' frames 'a s' 'acquire wait ms' 'release wait ms' torn
	printf '%-9s  %-25s %6s %6s  %7s %7s  %7s %7s  %s\n' '' '' '' '' mean 95% median 95% 'of seen'
	for i in "${!names[@]}"; do
		print_client "${names[$i]}" "$i"
	done
	frames=$(stat_of tiny frames)
	[ "$frames" -gt 0 ] || fail "tiny drew nothing"
	awk -v frames="$frames" -v io="$(stat_of tiny ioctls)" -v cpu="$(stat_of tiny frame_cpu_ns)" \
		-v max="$(stat_of tiny frame_cpu_max_ns)" -v all="$(stat_of tiny process_cpu_ns)" 'BEGIN {
		printf "\ncompositor: %d frames; a frame: %.1f sync ioctls, ", frames, io / frames
		printf "%.2f ms CPU of the main thread (at most %.1f), ", cpu / frames / 1e6, max / 1e6
		printf "%.0f ms of all threads\n", all / frames / 1e6
	}'
}

start_tiny
start_client express --size 480x352 --palette 0
wait_windows
start_client goods --size 480x352 --palette 1 --late 40 --fence cpu
wait_windows
start_client mail --size 480x320 --palette 2 --late 30 --fence vgem
wait_windows
weston-simple-shm >/dev/null 2>&1 &
shm_pid=$!
take_captures
for i in "${!pids[@]}"; do
	end "${pids[$i]}" "${names[$i]}"
done
kill -TERM $shm_pid
wait $shm_pid
end $tiny_pid tiny

print_table
tail -n 1 "$work/judged" | sed 's/judged \(.*\) torn \(.*\)/windows judged in '$captures' captures: \1, torn: \2/'
grep -q '^judged [1-9][0-9]* torn 0$' "$work/judged" || fail "torn: $(grep TORN "$work/judged")"
