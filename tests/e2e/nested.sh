#!/bin/bash
# dev: vm --outputs 640x480
# dev: timeout 300
# A tiny in a window of another tiny, with explicit sync between the two and without, while its window is
# resized, hidden and closed; and a compositor with wlroots' own renderer in such a window.

# wlroots allocates on the render node, where the lab's virtio-gpu, which has no GPU, allows
# nothing. Here, and for this test alone, that name leads to the primary node.
if [ "${SIGNALBOX_LAB-}" = 1 ] && [ -z "${SBX_OWN_MOUNTS-}" ]; then
	SBX_OWN_MOUNTS=1 exec unshare --mount "$0"
elif [ -n "${SBX_OWN_MOUNTS-}" ]; then
	mount --bind /dev/dri/card0 /dev/dri/renderD128 || exit 1
fi
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/input.sh
. "$(dirname "$0")/input.sh"

width=640
height=480

# The parent on the monitor; a nested tiny, and in that a client.
start_both() {
	unset WLR_BACKENDS
	start_tiny
	outer=$WAYLAND_DISPLAY
	outer_pid=$tiny_pid
	cp "$work/tiny.log" "$work/outer.log"
	export WLR_BACKENDS=wayland
	start_tiny --size 320x240 --stats "$work/nested"
	nested_pid=$tiny_pid
	"$sync_client" --size 256x192 --late 20 --stats "$work/client" &
	client=$!
	wait_windows 1
}

end_client() {
	end "$client" sync-client
	[ "$(stat_of "$work/client" early_releases)" = 0 ] || fail "released while in use"
	[ "$(stat_of "$work/client" early_shows)" = 0 ] || fail "shown before it was drawn"
}

back_to_parent() {
	tiny_pid=$outer_pid
	WAYLAND_DISPLAY=$outer
	unset WLR_BACKENDS
}

# The one window of the parent is closed: nothing is left for the nested tiny to show, and it ends.
close_nested() {
	WAYLAND_DISPLAY=$outer with_alt q
	wait "$nested_pid" || fail "the nested tiny ended with status $?"
	if grep -E 'Validation Error|VUID-|SYNC-HAZARD|signalbox bug|Sanitizer|runtime error' \
		"$work/tiny.log" >&2; then
		fail "the nested tiny's log holds this"
	fi
}

expect_way() { # WAY
	grep -q "^output.WL-1.way $1$" "$work/nested" ||
		fail "frames did not go to the parent by way of \"$1\": $(grep ^output "$work/nested")"
}

whole() { # NAME
	local i
	for i in 1 2 3; do
		capture "$1$i"
	done
	"$tear_oracle" --windows 1 "$SBX_OUT/$test_name-$1"[1-3].ppm || fail "$1: torn, or not to be judged"
}

# With points, resized, hidden behind another window, and shown again.
start_both
whole explicit
WAYLAND_DISPLAY=$outer drag right 330 250 380 290
wait_windows 1
whole resized
WAYLAND_DISPLAY=$outer "$sync_client" --fullscreen --size 256x192 --palette 2 --frames 40 ||
	fail "the window that hides it did not get its frames"
wait_windows 1
whole again
end_client
stop_tiny
expect_way commit
back_to_parent
stop_tiny

# Without.
export SIGNALBOX_EXPLICIT_SYNC=0
start_both
unset SIGNALBOX_EXPLICIT_SYNC
whole implicit
close_nested # with its client still there
wait "$client"
back_to_parent
stop_tiny

# Another compositor, which draws with the CPU.
start_tiny
WLR_BACKENDS=wayland WLR_RENDERER=pixman labwc -d >"$work/labwc.log" 2>&1 &
labwc=$!
tries=0
until grep -q "WL-1" "$work/labwc.log" || [ $tries -gt 300 ]; do
	kill -0 "$labwc" 2>/dev/null || fail "labwc did not start: $(tail -n 5 "$work/labwc.log")"
	tries=$((tries + 1))
	sleep 0.1
done
wayland-info >/dev/null || fail "tiny does not answer"
with_alt q
wayland-info >/dev/null || fail "tiny does not answer"
kill -TERM "$labwc" 2>/dev/null
wait "$labwc"
stop_tiny
rm -f "$SBX_OUT/$test_name"-*.ppm
