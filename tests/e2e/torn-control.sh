#!/bin/bash
# The control of untorn.sh: a client that says "ready" and draws afterwards must be caught, or the
# oracle and the way to it prove nothing.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

start_tiny
"$sync_client" --size 256x192 --late 120 --no-wait-control &
client=$!
wait_windows 1
for i in 1 2 3 4 5 6 7 8; do
	capture $i
done
end "$client" sync-client
stop_tiny
"$tear_oracle" --windows 1 "$SBX_OUT/$test_name"-[1-8].ppm
[ $? -eq 1 ] || fail "the oracle did not see that the control client tears"
rm -f "$SBX_OUT/$test_name"-*.ppm
