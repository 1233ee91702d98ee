#!/bin/bash
# Clients that are killed in the middle of a frame, with a pending fence and with a point that
# will never exist, leave the picture of the others alone.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

start_tiny
"$sync_client" --size 256x192 --stats "$work/stats" &
survivor=$!
wait_windows 1
for fence in vgem cpu vgem cpu; do
	"$sync_client" --size 128x128 --late 1000 --fence $fence --palette 1 &
	victim=$!
	# It is late by a second: one second after its start it is in the middle of a frame.
	sleep 1
	kill -KILL $victim
	wait $victim 2>/dev/null
	capture $fence
	"$tear_oracle" "$picture" || fail "the survivor's picture is not whole"
done
before=$(grep -o 'frame [0-9]*' <("$tear_oracle" "$picture") | head -n 1)
capture end
after=$(grep -o 'frame [0-9]*' <("$tear_oracle" --windows 1 "$picture") | head -n 1)
[ "$before" != "$after" ] || fail "the survivor stands still at $before"
end "$survivor" sync-client
[ "$(stat_of "$work/stats" early_releases)" = 0 ] || fail "released while in use"
stop_tiny
rm -f "$SBX_OUT/$test_name"-*.ppm
