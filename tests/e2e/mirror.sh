#!/bin/bash
# dev: vm --outputs 640x480,800x600
# dev: sanitizers too
# One window on two monitors, whose vblanks are not the same: whole on both, and no buffer is given back
# before both have let go of it.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

start_tiny --mirror --stats "$work/tiny"
"$sync_client" --size 256x192 --late 30 --fence vgem --stats "$work/client" &
client=$!
wait_windows 1
for i in 1 2 3 4 5 6; do
	capture "a$i" 0
	capture "b$i" 1
done
end "$client" sync-client
stop_tiny
"$tear_oracle" --windows 1 "$SBX_OUT/$test_name"-[ab][1-6].ppm || fail "torn, or not to be judged"
[ "$(stat_of "$work/client" early_releases)" = 0 ] || fail "released while in use"
[ "$(stat_of "$work/client" early_shows)" = 0 ] || fail "shown before it was drawn"
for i in 1 2; do
	[ "$(stat_of "$work/tiny" output.Virtual-$i.frames)" -ge 4 ] || fail "too few frames on monitor $i"
done
rm -f "$SBX_OUT/$test_name"-*.ppm
