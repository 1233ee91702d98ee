#!/bin/bash
# dev: vm --outputs 640x480
# dev: timeout 200
# Direct scanout, switched on and off: a full-screen client's buffers are shown by the display itself, and
# by the renderer when it is a window. Never torn, and no buffer is given back while it is on the monitor.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/input.sh
. "$(dirname "$0")/input.sh"

width=640
height=480

start_tiny --stats "$work/tiny"
"$sync_client" --memory dumb --fullscreen --late 20 --size 256x192 --stats "$work/client" &
client=$!
wait_windows 1
for i in 1 2 3 4 5 6 7 8; do
	capture "$i"
	with_alt f
	wait_windows 1
done
end "$client" sync-client
stop_tiny
"$tear_oracle" --windows 1 "$SBX_OUT/$test_name"-[1-8].ppm || fail "torn, or not to be judged"
[ "$(stat_of "$work/client" early_releases)" = 0 ] || fail "released while in use"
[ "$(stat_of "$work/client" early_shows)" = 0 ] || fail "shown before it was drawn"
name=$(sed -n 's/^output\.\(.*\)\.scanned_out .*/\1/p' "$work/tiny")
scanned=$(stat_of "$work/tiny" "output.$name.scanned_out")
frames=$(stat_of "$work/tiny" "output.$name.frames")
[ "$scanned" -ge 4 ] || fail "only $scanned of $frames frames were scanned out directly: $(grep "^output" "$work/tiny")"
[ "$((frames - scanned))" -ge 4 ] || fail "only $((frames - scanned)) frames were composed"
echo "$scanned of $frames frames were scanned out directly"
rm -f "$SBX_OUT/$test_name"-*.ppm
