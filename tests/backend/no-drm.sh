#!/bin/bash
# tiny on two virtual outputs on a machine that may have no DRM device at all: pixman draws into shared
# memory. Its client is a tiny nested in it, whose frames are shared memory, too. Finds the build in
# $SBX_BUILD.
set -u

: "${SBX_BUILD:?}"
for program in wayland-info grim; do
	if ! command -v "$program" >/dev/null; then
		echo "skipped: no $program"
		exit 77
	fi
done
work=$(mktemp -d)
export XDG_RUNTIME_DIR=$work WLR_RENDERER=pixman WLR_BACKENDS=none
tiny=$SBX_BUILD/examples/tiny/tiny
trap 'kill -KILL $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT

fail() {
	echo "no-drm: $*"
	tail -n 20 "$work"/*.log
	exit 1
}

wait_for() { # COMMAND...
	local tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || fail "waited in vain: $*"
		sleep 0.1
	done
}

stat_of() { # FILE NAME
	sed -n "s/^$2 //p" "$work/$1"
}

# shellcheck disable=SC2016 # expanded by tiny's shell
DISPLAY_FILE=$work/display "$tiny" --renderer wlroots --headless 320x240@60000/1001,200x150@144 \
	--schedule 4000 --stats "$work/stats" \
	-s 'echo "$WAYLAND_DISPLAY" >"$DISPLAY_FILE.new" && mv "$DISPLAY_FILE.new" "$DISPLAY_FILE"' \
	>"$work/tiny.log" 2>&1 &
outer=$!
wait_for test -e "$work/display"
WAYLAND_DISPLAY=$(cat "$work/display")
export WAYLAND_DISPLAY
wayland-info -i wl_output >"$work/outputs" || fail "no wl_output"
grep -q 'refresh: 59.940 Hz' "$work/outputs" || fail "$(cat "$work/outputs")"
grep -q 'refresh: 144.000 Hz' "$work/outputs" || fail "$(cat "$work/outputs")"

WLR_BACKENDS=wayland "$tiny" --renderer wlroots --size 160x120 --stats "$work/nested" \
	--presented "$work/presented" >"$work/nested.log" 2>&1 &
nested=$!
grim -o VIRTUAL-1 -t ppm "$work/picture.ppm" || fail "no picture"
[ "$(head -c 15 "$work/picture.ppm" | tr '\n' ' ')" = "P6 320 240 255 " ] || fail "not a picture of 320x240"
wait_for test -s "$work/presented"
kill -TERM "$nested" && wait "$nested" || fail "the nested tiny ended badly"
kill -TERM "$outer" && wait "$outer" || fail "tiny ended badly"
[ "$(stat_of stats output.VIRTUAL-1.way)" = none ] || fail "a fence for what the CPU drew"
[ "$(stat_of stats output.VIRTUAL-1.frames)" -ge 1 ] || fail "no frame on VIRTUAL-1"
[ "$(stat_of nested output.WL-1.frames)" -ge 1 ] || fail "no frame from the nested tiny"
! grep -E 'signalbox bug|driver bug' "$work"/*.log || fail "a bug was logged"
