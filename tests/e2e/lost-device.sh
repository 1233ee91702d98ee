#!/bin/bash
# dev: timeout 180
# The Vulkan device is lost, twice, under clients that draw with acquire points: tiny makes another renderer
# in the same process and goes on. No client is disconnected or waits for ever, nothing half drawn is seen,
# and no file descriptor is lost with a device. A layer (lose-device.c) injects the loss.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

layer=$SBX_BUILD/tests/e2e
export SBX_LOSE_DEVICE=$work/lose

frames_shown() {
	wait_windows 2
	"$tear_oracle" --windows 2 "$picture" | grep -o 'frame [0-9]*'
}

# Until both clients' windows are on the monitor and show another frame than before. Making a renderer takes
# its time.
wait_shown() {
	local tries=0
	frames_shown >"$work/before"
	until frames_shown >"$work/after" && paste "$work/before" "$work/after" | awk '$2 == $4 { exit 1 }'; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "a client stands still: $(paste "$work/before" "$work/after")"
		sleep 0.5
	done
}

lose_device() { # TIMES
	local tries=0
	touch "$SBX_LOSE_DEVICE"
	until [ "$(grep -c 'is lost; nothing more' "$work/tiny.log")" = "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "the device is not lost"
		sleep 0.1
	done
}

VK_ADD_LAYER_PATH=$layer VK_INSTANCE_LAYERS=VK_LAYER_SIGNALBOX_lose_device start_tiny
"$sync_client" --name ready --size 128x96 --palette 0 --stats "$work/ready" &
ready=$!
"$sync_client" --name late --size 128x96 --late 40 --fence vgem --palette 1 --stats "$work/late" &
late=$!
wait_shown
before=$(count_fds "$(pgrep -x tiny)")
for times in 1 2; do
	lose_device $times
	wait_shown
	for i in 1 2 3; do
		capture $times-$i
	done
done
after=$(count_fds "$(pgrep -x tiny)")
end $ready ready
end $late late
stop_tiny
"$tear_oracle" --windows 2 "$SBX_OUT/$test_name"-[12]-[1-3].ppm || fail "torn, or not to be judged"
[ "$(grep -c 'render: drawing with' "$work/tiny.log")" = 3 ] || fail "not three renderers: $(cat "$work/tiny.log")"
for name in ready late; do
	[ "$(stat_of "$work/$name" early_releases)" = 0 ] || fail "$name: released while in use"
	[ "$(stat_of "$work/$name" early_shows)" = 0 ] || fail "$name: shown before it was drawn"
done
# One that is lost with each device would be two more; one more or less comes and goes.
[ "$after" -lt $((before + 2)) ] || fail "$before file descriptors before, $after after"
rm -f "$SBX_OUT/$test_name"-*.ppm
