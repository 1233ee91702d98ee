#!/bin/bash
# dev: vm --outputs 640x480,800x600
# Two monitors: a window is dragged from one to the other, while a second one stays.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/input.sh
. "$(dirname "$0")/input.sh"

width=1440
height=600

# Captures a monitor until exactly one window is on it, and that is of the palette, at the place.
wait_on() { # HEAD PALETTE PLACE
	local tries=0
	until
		capture "$1" "$1"
		"$tear_oracle" --windows 1 "$picture" >"$work/oracle" &&
			grep -q "at $3 palette $2 " "$work/oracle"
	do
		tries=$((tries + 1))
		[ $tries -lt 40 ] || fail "monitor $1: $(cat "$work/oracle")"
		sleep 0.2
	done
}

start_tiny
"$sync_client" --size 256x192 --palette 0 --stats "$work/stays" &
stays=$!
wait_windows 1
"$sync_client" --size 256x192 --palette 1 --late 30 --stats "$work/moves" &
moves=$!
wait_windows 2
drag left 300 100 1000 200
wait_on 0 0 16,16
wait_on 1 1 348,116
for i in 1 2 3 4; do
	capture a$i 0
	capture b$i 1
done
"$tear_oracle" --windows 1 "$SBX_OUT/$test_name"-[ab][1-4].ppm || fail "torn, or not to be judged"
end "$moves" sync-client
end "$stays" sync-client
stop_tiny
for name in stays moves; do
	[ "$(stat_of "$work/$name" early_releases)" = 0 ] || fail "$name: released while in use"
done
rm -f "$SBX_OUT/$test_name"-*
