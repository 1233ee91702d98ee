#!/bin/bash
# dev: vm --outputs 640x480
# dev: timeout 240
# To a text console with Ctrl+Alt+F2, and back: the seat is taken away from tiny and its outputs go, while a flip or
# a client's fence is pending. The client's buffers are all given back, none of them early, nothing that is torn or
# old is on the monitor afterwards, and no file descriptor is left behind.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/input.sh
. "$(dirname "$0")/input.sh"
# shellcheck source=tests/e2e/kms.sh
. "$(dirname "$0")/kms.sh"

width=640
height=480
# Virtual terminals are for one seat daemon: tiny's own, in the place of the lab's.
export LIBSEAT_BACKEND=builtin SEATD_VTBOUND=1
# Cursors that a picture of the monitor shows.
export WLR_NO_HARDWARE_CURSORS=1

# On a text console it is the kernel that listens.
press_switch() { # NUMBER
	send "$(key_event ctrl true)" "$(key_event alt true)" "$(key_event "f$1" true)"
	send "$(key_event "f$1" false)" "$(key_event alt false)" "$(key_event ctrl false)"
}

wait_terminal() { # NUMBER
	local tries=0 active
	until read -r active </sys/class/tty/tty0/active && [ "$active" = "tty$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "no switch to terminal $1"
		sleep 0.05
	done
}

leave() {
	press_switch 2
	wait_terminal 2
	local tries=0
	while
		capture away
		"$tear_oracle" "$picture" | grep -q ' at '
	do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "the text console is not on the monitor"
		sleep 0.1
	done
	[ -z "$(outputs)" ] || fail "tiny has outputs although it is not on the monitor"
}

outputs() {
	wayland-info -i wl_output | grep 'name: Virtual'
}

come_back() { # WINDOWS
	press_switch 1
	wait_terminal 1
	wait_windows "$1"
}

# The frame that a window of that palette shows.
frame_of() { # PALETTE
	"$tear_oracle" "$picture" | sed -n "s/.* palette $1 frame \([0-9]*\): whole.*/\1/p"
}

wait_attached() { # COUNT
	local tries=0
	until [ "$(grep -c '\.attach(' "$work/held.log")" = "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "the client has not committed $1 frames"
		sleep 0.1
	done
}

# Scanned out directly. The first time the flip of what was committed does not happen before the seat is gone.
begin_with
start_tiny --stats "$work/tiny"
start_client scanout --memory dumb --fullscreen
wait_windows 1
goes_on 60 || fail "there is no new frame"
tiny_fds=$(count_fds "$tiny_pid")
client_fds=$(count_fds "$client")
for trouble in stuck ''; do
	fault "$trouble"
	[ -z "$trouble" ] || wait_faults 1 "$trouble"
	leave
	fault
	come_back 1
	goes_on 60 || fail "after \"$trouble\": the monitor stands still"
done
whole scanout
# One that is lost with each switch would be two more; one more or less comes and goes.
[ "$(count_fds "$tiny_pid")" -lt $((tiny_fds + 2)) ] || fail "tiny had $tiny_fds file descriptors before"
[ "$(count_fds "$client")" -lt $((client_fds + 2)) ] || fail "the client had $client_fds file descriptors before"
end_client scanout

# Composed. The last frame is committed before the switch and drawn after it, by a client that is held up until
# then: it is the one that is seen when tiny is back.
"$sync_client" --name ready --size 128x96 --palette 0 --hold 1 &
ready=$!
wait_windows 1
WAYLAND_DEBUG=client "$sync_client" --name held --size 128x96 --palette 1 --late 3000 --fence cpu --hold 2 \
	--stats "$work/held" 2>"$work/held.log" &
client=$!
wait_attached 2
kill -STOP $client
leave
kill -CONT $client
sleep 4
come_back 2
[ "$(frame_of 1)" = 1 ] || fail "an old frame: $("$tear_oracle" "$picture")"

# Nothing changes any more: the same picture, the cursor in it.
point 200 150
sleep 1
capture before
leave
come_back 2
sleep 1
capture after
cmp "$SBX_OUT/$test_name"-{before,after}.ppm || fail "another picture than before"
end $ready ready
end_client held
[ "$(stat_of "$work/held" frames)" = 2 ] || fail "not two frames were drawn"
[ "$(stat_of "$work/held" released)" = 1 ] || fail "the replaced buffer was not released"

# The control: one who says "ready" before it draws is seen to tear after switches, too.
control_tears

# It may be ended there.
leave
stop_tiny
press_switch 1
wait_terminal 1
rm -f "$SBX_OUT/$test_name"-*
