#!/bin/bash
# dev: sanitizers too
# tiny on two virtual outputs of ours, at 59.94 and 144 Hz, which show the same: a late client is captured
# whole from both, and gets no buffer back before both have let go of it.

# wlroots allocates on the render node, where the lab's virtio-gpu, which has no GPU, allows
# nothing. Here, and for this test alone, that name leads to the primary node.
if [ "${SIGNALBOX_LAB-}" = 1 ] && [ -z "${SBX_OWN_MOUNTS-}" ]; then
	SBX_OWN_MOUNTS=1 exec unshare --mount "$0"
elif [ -n "${SBX_OWN_MOUNTS-}" ]; then
	mount --bind /dev/dri/card0 /dev/dri/renderD128 || exit 1
fi
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

# Captures an output until the oracle finds that many whole windows.
capture_whole() { # OUTPUT COUNT
	local tries=0
	until
		grim -o "$1" -t ppm "$work/grim.ppm" && "$tear_oracle" --windows "$2" "$work/grim.ppm"
	do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "no $2 whole windows on $1"
		sleep 0.2
	done
}

export WLR_BACKENDS=none
start_tiny --mirror --headless 400x300@60000/1001,300x240@144 --stats "$work/tiny"
"$sync_client" --size 256x192 --late 30 --stats "$work/stats" &
client=$!
for i in 1 2 3 4; do
	capture_whole VIRTUAL-1 1
	capture_whole VIRTUAL-2 1
done
grim -o VIRTUAL-2 -t ppm "$work/other.ppm" || fail "the second output cannot be captured"
[ "$(head -c 15 "$work/other.ppm" | tr '\n' ' ' | cut -d' ' -f2,3)" = "300 240" ] ||
	fail "the second output has another size"
end "$client" sync-client
[ "$(stat_of "$work/stats" early_releases)" = 0 ] || fail "released while in use"
[ "$(stat_of "$work/stats" early_shows)" = 0 ] || fail "shown before it was drawn"
[ "$(stat_of "$work/stats" frames)" -ge 3 ] || fail "the client made fewer than 3 frames"
stop_tiny
for i in 1 2; do
	[ "$(stat_of "$work/tiny" output.VIRTUAL-$i.frames)" -ge 4 ] || fail "too few frames on VIRTUAL-$i"
	[ "$(stat_of "$work/tiny" output.VIRTUAL-$i.dropped)" = 0 ] || fail "a frame of VIRTUAL-$i was dropped"
done
