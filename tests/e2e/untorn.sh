#!/bin/bash
# dev: sanitizers too
# From a client's fence to the monitor: what two late clients (a pending vgem fence, a point that
# does not exist yet) and a punctual one draw is never seen half done.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

start_client() { # NAME OPTION...
	local name=$1
	shift
	"$sync_client" --name "$name" --size 256x192 --stats "$work/$name" "$@" &
	pids+=($!)
}

check_client() { # NAME SYNC
	[ "$(stat_of "$work/$1" sync)" = "$2" ] || fail "$1 was not synchronised by $2"
	[ "$(stat_of "$work/$1" frames)" -ge 10 ] || fail "$1 made fewer than 10 frames"
	[ "$(stat_of "$work/$1" early_releases)" = 0 ] || fail "$1: released while in use"
	[ "$(stat_of "$work/$1" early_shows)" = 0 ] || fail "$1: shown before it was drawn"
}

pids=()
start_tiny --stats "$work/tiny"
start_client vgem --late 40 --fence vgem --palette 1
start_client cpu --late 40 --fence cpu --palette 2
start_client ready --palette 0
wait_windows 3
for i in 1 2 3 4 5 6 7 8; do
	capture $i
done
for pid in "${pids[@]}"; do
	end "$pid" sync-client
done
stop_tiny
"$tear_oracle" --windows 3 "$SBX_OUT/$test_name"-[1-8].ppm || fail "torn, or not to be judged"
check_client vgem vgem
check_client cpu cpu
check_client ready ready
rm -f "$SBX_OUT/$test_name"-*.ppm
