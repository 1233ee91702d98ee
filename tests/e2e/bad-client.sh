#!/bin/bash
# Bad dma-bufs, bad points and a fence that fails: each is refused (or borne) as the protocol says,
# and meanwhile another client's picture goes on unharmed.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

frame_of_survivor() {
	"$tear_oracle" "$picture" | sed -n 's/.*palette 0 frame \([0-9]*\): whole.*/\1/p'
}

start_tiny
"$sync_client" --size 256x192 --stats "$work/stats" &
survivor=$!
wait_windows 1
last=$(frame_of_survivor)
failed=0
for name in $("$bad_client" --list); do
	"$bad_client" "$name" || failed=$((failed + 1))
	capture "$name"
	frame=$(frame_of_survivor)
	[ -n "$frame" ] || fail "$name: the survivor's picture is not whole"
	[ "$frame" != "$last" ] || fail "$name: the survivor stands still at frame $frame"
	last=$frame
	rm -f "${picture%.ppm}".*
done
end "$survivor" sync-client
[ "$(stat_of "$work/stats" early_releases)" = 0 ] || fail "released while in use"
stop_tiny
[ $failed -eq 0 ] || fail "$failed cases were not answered as expected"
