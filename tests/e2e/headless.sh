#!/bin/bash
# dev: sanitizers too
# tiny without a monitor; what it composes is captured through its own screencopy. And in a tiny
# that is itself nested there, which commits its frames with points of its own.

# wlroots allocates on the render node, where the lab's virtio-gpu, which has no GPU, allows
# nothing. Here, and for this test alone, that name leads to the primary node.
if [ "${SIGNALBOX_LAB-}" = 1 ] && [ -z "${SBX_OWN_MOUNTS-}" ]; then
	SBX_OWN_MOUNTS=1 exec unshare --mount "$0"
elif [ -n "${SBX_OWN_MOUNTS-}" ]; then
	mount --bind /dev/dri/card0 /dev/dri/renderD128 || exit 1
fi
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

# Captures until the oracle finds a whole window.
capture_whole() {
	local tries=0
	until
		grim -t ppm "$work/grim.ppm" && "$tear_oracle" --windows 1 "$work/grim.ppm"
	do
		tries=$((tries + 1))
		[ $tries -lt 40 ] || fail "no whole window to capture"
		sleep 0.3
	done
}

export WLR_BACKENDS=headless
start_tiny --size 400x300
"$sync_client" --size 256x192 &
client=$!
capture_whole
end "$client" sync-client

outer=$WAYLAND_DISPLAY
outer_pid=$tiny_pid
export WLR_BACKENDS=wayland
start_tiny --size 320x240
"$sync_client" --size 256x192 --late 30 --stats "$work/stats" &
client=$!
capture_whole
WAYLAND_DISPLAY=$outer capture_whole
end "$client" sync-client
[ "$(stat_of "$work/stats" early_releases)" = 0 ] || fail "released while in use"
stop_tiny
tiny_pid=$outer_pid
stop_tiny
