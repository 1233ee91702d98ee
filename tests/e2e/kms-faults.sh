#!/bin/bash
# dev: vm --outputs 640x480,800x600
# dev: timeout 240
# A display driver that refuses: fences, commits, flips that are never told of, a monitor that is pulled
# out in the middle of one. What is shown stays whole, goes on, no buffer is given back early, and tiny lives.
# The control: with wlroots' own commit in the place of ours, a refused fence stops the monitor.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/kms.sh
. "$(dirname "$0")/kms.sh"

# The control: who does what wlroots does shows no frame as long as fences are refused.
begin_with
SBX_KMS_NAIVE=1 start_tiny
start_client control
wait_windows 1
fault "fence EPERM"
wait_faults 1 fence
! goes_on 4 || fail "the control: a refused fence does no harm"
fault
goes_on 60 || fail "the control: it was not the refused fence"
end "$client" sync-client
stop_tiny

# Fences are refused: learned (at the third time, where wlroots' log is no terminal: it forgets the errno),
# said once; frames then go out without one.
begin_with "fence EPERM"
start_tiny --stats "$work/tiny"
start_client refused
wait_windows 1
whole refused
goes_on 60 || fail "a refused fence stops the monitor"
[ "$(done_faults fence)" -ge 1 ] || fail "no commit brought a fence"
[ "$(done_faults fence)" -le 4 ] || fail "fences were tried $(done_faults fence) times"
[ "$(count_log 'refuses a commit with a fence')" = 1 ] || fail "the refusal was not said once"
[ "$(done_faults 'passed fence')" = 0 ] || fail "a fence got through"
end_client refused
stop_tiny
grep -q '^output\..*\.refuses_fences 1$' "$work/tiny" || fail "the stats do not know of the refusal"

# Commits are refused now and then, composed ones and direct scanout: tried again, nothing lost.
begin_with "commit EBUSY 3"
start_tiny --stats "$work/tiny"
start_client busy
wait_faults 3 commit
wait_windows 1
fault "commit ENOSPC 3"
wait_faults 6 commit
goes_on 60 || fail "ENOSPC stops the monitor"
whole busy
end_client busy
start_client scanout --memory dumb --fullscreen
wait_windows 1
for error in EBUSY ENOSPC EINVAL; do
	before=$(done_faults commit)
	fault "commit $error 2"
	wait_faults $((before + 2)) commit
	goes_on 60 || fail "$error stops direct scanout"
done
whole scanout
[ "$(count_log 'refuses a commit with a fence')" -le 1 ] || fail "said more than once"

# A flip that has happened and that nobody is told of: the monitor goes on by itself.
fault "noflip 1"
wait_faults 1 noflip
wait_log 'nobody was told'
wayland-info >/dev/null || fail "tiny does not answer"
goes_on 60 || fail "a lost flip stops the monitor"
whole lost

# One that does not happen: while the kernel is busy with it, nothing is given back and nothing is tried that
# would have to wait for it.
fault stuck
wait_faults 1 'stuck refused'
! goes_on 3 || fail "the control: the monitor goes on without its flip"
wayland-info >/dev/null || fail "tiny does not answer"
fault
goes_on 60 || fail "a flip that is over stops the monitor"
[ "$(done_faults 'stuck blocked')" = 0 ] || fail "tiny would have been blocked"
whole stuck
end_client scanout
[ "$(stat_of "$work/scanout" release_max_us)" -ge 4000000 ] || fail "released while the screen was stuck"
stop_tiny
[ "$(stat_of "$work/tiny" output.Virtual-1.lost_flips)" -ge 2 ] || fail "the stats do not know of the lost flips"
grep -q '^output\..*\.scanned_out [1-9]' "$work/tiny" || fail "nothing was scanned out directly"

# A monitor is pulled out in mid-frame, and comes back.
mkdir -p /run/udev/rules.d
echo 'SUBSYSTEM=="drm", ENV{SYNTH_ARG_HOTPLUG}=="1", ENV{HOTPLUG}="1"' >/run/udev/rules.d/99-lab-hotplug.rules
udevadm control --reload
hotplug() {
	echo "change 12345678-1234-1234-1234-123456789abc HOTPLUG=1" >/sys/class/drm/card0/uevent
	udevadm settle
}
outputs() {
	wayland-info -i wl_output | grep -c 'name: Virtual'
}
wait_outputs() { # COUNT
	local tries=0
	until [ "$(outputs)" = "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "there are $(outputs) outputs, not $1"
		sleep 0.1
	done
}
# The window goes to the monitor that is left, and stays there when the other one is back.
wait_on_second() {
	local tries=0
	until
		capture second 1
		"$tear_oracle" --windows 1 "$picture" >"$work/oracle"
	do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "no window on the second monitor: $(tail -n 3 "$work/oracle")"
		sleep 0.2
	done
}
begin_with
start_tiny --stats "$work/tiny"
wait_outputs 2
start_client unplugged --memory dumb --fullscreen
wait_windows 1
fault "noflip 1" "unplug 1" # the flip is not over when the monitor goes
wait_faults 1 noflip
hotplug
wait_outputs 1
wait_on_second
goes_on 60 1 || fail "the second monitor stands still"
fault
hotplug
wait_outputs 2
whole unplugged 1
end_client unplugged
stop_tiny
grep -q '^output\.Virtual-2.*\.scanned_out [1-9]' "$work/tiny" || fail "nothing was scanned out directly"
rm -f "$SBX_OUT/$test_name"-*.ppm
