#!/bin/bash
# dev: vm --outputs 640x480 --sleeps
# dev: timeout 240
# The machine is suspended to memory and wakes up: while a client is scanned out directly, and while a client's
# fence is pending, composed and full screen. Clients go on and get all their buffers back, none of them early; the
# monitor shows what it showed before, and what is drawn afterwards when that is done; nothing is torn, no flip late,
# and no file descriptor left behind.
#
# The sleep is a real one (S3), and virtio-gpu's driver (Linux 7.2) does nothing about it: the device keeps what it
# has. A driver that switches its outputs off, and on again as they were, is not tried.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/kms.sh
. "$(dirname "$0")/kms.sh"

if [ "${SIGNALBOX_LAB-}" != 1 ]; then
	echo "only the lab's machine is put to sleep"
	exit 77
fi

# A seat that is bound to a virtual terminal: it is not switched for a sleep.
export LIBSEAT_BACKEND=builtin SEATD_VTBOUND=1

nap() {
	lab-sleep || fail "the machine does not sleep"
}

# tiny's, when it has answered somebody and has no other client. Without buffers: how many of its own it draws to
# depends on what was composed so far.
idle_fds() {
	wayland-info >/dev/null || fail "tiny does not answer"
	count_fds "$tiny_pid" dmabuf
}

frame_of() { # PALETTE
	"$tear_oracle" "$picture" | sed -n "s/.* palette $1 frame \([0-9]*\): whole.*/\1/p"
}

# Or until the client has ended because its fence has.
wait_frame() { # NUMBER
	local tries=0
	until
		capture awake
		[ "$(frame_of 1)" = "$1" ]
	do
		! grep -q 'Connection timed out' "$work/$held.log" || return 1
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "$held does not show frame $1: $("$tear_oracle" "$picture")"
		sleep 0.1
	done
}

# A client that draws its second frame when the machine goes to sleep, is stopped then, and goes on afterwards.
sleep_with_pending_fence() { # NAME OPTION...
	held=$1
	shift
	WAYLAND_DEBUG=client "$sync_client" --name "$held" --palette 1 --late 2000 --fence vgem --hold 2 \
		--stats "$work/$held" "$@" 2>"$work/$held.log" &
	client=$!
	local tries=0
	until [ "$(grep -c '\.attach(' "$work/$held.log")" = 2 ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "$held has not committed its second frame"
		sleep 0.1
	done
	kill -STOP $client
	wait_frame 0
	capture before
	nap
	capture after
	[ "$(frame_of 1)" = 0 ] || fail "$held: another frame than the one before: $("$tear_oracle" "$picture")"
	cmp "$SBX_OUT/$test_name"-{before,after}.ppm || fail "$held: another picture than before"
	kill -CONT $client
	if ! wait_frame 1; then
		# A fence of vgem ends after ten seconds, and on a busy machine it may take those to wake up.
		naps_lost=$((naps_lost + 1))
		[ $naps_lost -lt 4 ] || fail "$held: no sleep was short enough"
		wait $client
		sleep_with_pending_fence "$held" "$@"
		return
	fi
	end_client "$held"
	[ "$(stat_of "$work/$held" sync)" = vgem ] || fail "$held: no fence of vgem"
	[ "$(stat_of "$work/$held" frames)" = 2 ] || fail "$held: not two frames were drawn"
	[ "$(stat_of "$work/$held" released)" = 1 ] || fail "$held: the replaced buffer was not released"
}

naps_lost=0
begin_with
start_tiny --stats "$work/tiny" --schedule auto

start_client scanout --memory dumb --fullscreen --fence cpu
wait_windows 1
for i in 1 2; do
	goes_on 60 || fail "there is no new frame"
	nap
done
goes_on 60 || fail "the monitor stands still"
whole scanout
end_client scanout
# One that is lost with each sleep would be two more. The last one is kept.
[ "$(stat_of "$work/scanout" released)" -ge $(($(stat_of "$work/scanout" frames) - 2)) ] || fail "a buffer was lost"
idle=$(idle_fds)

"$sync_client" --name ready --size 128x96 --palette 0 --hold 1 &
ready=$!
wait_windows 1
sleep_with_pending_fence composed --size 128x96
end $ready ready
sleep_with_pending_fence fullscreen --memory dumb --fullscreen
# One that is lost with each sleep would be two more.
now=$(idle_fds)
[ "$now" -lt $((idle + 2)) ] || fail "tiny has $now file descriptors, and had $idle before"

# The control: one who says "ready" before it draws is seen to tear after sleeps, too.
control_tears
wayland-info >/dev/null || fail "tiny does not answer"
stop_tiny

[ "$(count_log 'Modesetting with')" = 1 ] || fail "the seat was taken away"
for name in counter.{loans,waits_lost} output.Virtual-1.{dropped,refused,late_flips}; do
	[ "$(stat_of "$work/tiny" "$name")" = 0 ] || fail "$name is $(stat_of "$work/tiny" "$name")"
done
[ "$(stat_of "$work/tiny" output.Virtual-1.scanned_out)" -ge 10 ] || fail "nothing was scanned out directly"
rm -f "$SBX_OUT/$test_name"-*
