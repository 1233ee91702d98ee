#!/bin/bash
# dev: sanitizers too
# A recording of real frames on a real display holds each of them from the client's commit to the
# monitor, in order, with the GPU's times among the CPU's; and is what Perfetto takes.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

check=$(dirname "$0")/../trace/perfetto.py

# The file is replaced as a whole: whatever is there is complete.
wait_for_file() { # FILE
	local tries=0
	until [ -e "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "$1 was not written"
		sleep 0.1
	done
}

tiny_env+=("SIGNALBOX_TRACE=$work/trace.json" SIGNALBOX_TRACE_SIGNAL=USR1)
start_tiny
"$sync_client" --name late --size 256x192 --palette 1 --late 30 --fence vgem --stats "$work/late" &
late=$!
"$sync_client" --name ready --size 256x192 --palette 0 --stats "$work/ready" &
ready=$!
wait_windows 2
capture later
[ ! -e "$work/trace.json" ] || fail "written before anybody asked"
kill -USR1 "$tiny_pid"
wait_for_file "$work/trace.json"
"$check" --complete 3 "$work/trace.json" || fail "the recording made on a signal"
mv "$work/trace.json" "$SBX_OUT/$test_name-signal.json"
end $late sync-client
end $ready sync-client
stop_tiny
"$check" --complete 5 "$work/trace.json" || fail "the recording made at exit"
"$SBX_BUILD/tools/signalbox" trace "$work/trace.json" >"$work/table" || fail "no table"
tail -n 20 "$work/table"
[ "$(grep -c 'sync-client' "$work/table")" -ge 10 ] || fail "fewer than 10 loans in the table"
# Whose fence was late: it waited 30 ms, and says so. (Waits are longer here than asked for, never shorter.)
awk '$2 == "sync-client" && $4 != "-" && $5 - $4 >= 20 { n++ } END { exit n < 3 }' "$work/table" ||
	fail "no fence was pending for as long as its client says"
cp "$work/trace.json" "$SBX_OUT/$test_name.json"
