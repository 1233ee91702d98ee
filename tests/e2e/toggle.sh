#!/bin/bash
# dev: vm --outputs 640x480
# dev: timeout 240
# Direct scanout on and off every second, for $SBX_E2E_SECONDS (10; 60 by hand): one client, full screen and as
# a window in turn, and every picture of the monitor that there is time for. None is torn, and no buffer is
# given back while it is in use. The control: who says "ready" before drawing is caught, in both forms.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/input.sh
. "$(dirname "$0")/input.sh"

width=640
height=480
verdicts=$work/verdicts

toggle() {
	send "$(key_event alt true)" "$(key_event f true)" "$(key_event f false)" "$(key_event alt false)"
	toggles=$((toggles + 1))
}

# Hundredths of a second.
read_clock() {
	local _
	read -r now _ </proc/uptime
	now=${now/./}
}

# As it is, without a PNG beside it, which takes longer than all the rest.
shoot() { # NUMBER
	lab-host qmp '{"execute":"screendump","arguments":{"device":"gpu","head":0,"filename":"'"$SBX_OUT/$test_name-$(printf %04d "$1").ppm"'"}}' \
		>/dev/null || fail "no screendump"
}

play() { # SECONDS OPTION...
	local seconds=$1 now due end
	shift
	toggles=0 pictures=0
	rm -f "$work/tiny" "$work/client" "$SBX_OUT/$test_name"-*
	start_tiny --stats "$work/tiny"
	"$sync_client" --memory dumb --fullscreen --size 256x192 --stats "$work/client" "$@" &
	client=$!
	wait_windows 1
	rm -f "$SBX_OUT/$test_name"-*
	read_clock
	due=$now end=$((now + seconds * 100))
	while [ "$now" -lt $end ] || [ $pictures -lt 10 ]; do
		if [ "$now" -ge $due ]; then
			toggle
			due=$((due + 100))
		fi
		pictures=$((pictures + 1))
		shoot $pictures
		read_clock
	done
	end "$client" sync-client
	stop_tiny
	"$tear_oracle" "$SBX_OUT/$test_name"-*.ppm >"$verdicts"
}

# How many pictures of full screens (640x480) or windows are so.
count() { # SIZE whole|TORN
	grep -c ": $1 at .*: $2" "$verdicts"
}

# How often one form followed the other, as seen.
changes() {
	grep -o ': [0-9]*x[0-9]* at' "$verdicts" | uniq | wc -l
}

play "${SBX_E2E_SECONDS:-10}" --late 20
full=$(count 640x480 whole)
window=$(count 256x192 whole)
torn=$(grep -c TORN "$verdicts")
scanned=$(stat_of "$work/tiny" output.Virtual-1.scanned_out)
frames=$(stat_of "$work/tiny" output.Virtual-1.frames)
echo "$toggles switches, of which $(changes) were seen; of $pictures pictures $full are whole full screens," \
	"$window whole windows, $torn torn; $scanned of $frames frames were scanned out"
[ "$torn" = 0 ] || fail "torn: $(grep TORN "$verdicts" | head -n 3)"
[ "$full" -ge 1 ] || fail "no full screens were seen"
[ "$window" -ge 1 ] || fail "no windows were seen"
[ "$scanned" -ge "$toggles" ] || fail "too few frames were scanned out directly"
[ $((frames - scanned)) -ge "$toggles" ] || fail "too few frames were composed"
[ "$(stat_of "$work/client" early_releases)" = 0 ] || fail "released while in use"
[ "$(stat_of "$work/client" early_shows)" = 0 ] || fail "shown before it was drawn"

play 10 --late 120 --no-wait-control
full=$(count 640x480 TORN)
window=$(count 256x192 TORN)
echo "the control: of $pictures pictures $full are torn full screens, $window torn windows"
[ "$full" -ge 1 ] || fail "the oracle did not see that the control client tears, full screen"
[ "$window" -ge 1 ] || fail "the oracle did not see that the control client tears, as a window"
rm -f "$SBX_OUT/$test_name"-*
