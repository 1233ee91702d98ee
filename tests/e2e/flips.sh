#!/bin/bash
# dev: vm --outputs 640x480
# dev: timeout 240
# Adaptive sync and frames that are shown at once, which the lab's driver does neither of: what it says of that, and
# what it answers, is played (kms.sh); it flips at its vblank. No frame that is to be shown at once brings a fence,
# what is refused is shown at the vblank, nothing is delayed, and nothing is given back early, composed and scanned
# out directly.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/kms.sh
. "$(dirname "$0")/kms.sh"

output_stat() { # NAME
	stat_of "$work/tiny" "output.Virtual-1.$1"
}

# The driver flips at its vblank, and the kernel dates a flip with that vblank. Where its timer is late, a frame that was
# drawn and committed meanwhile seems to have been shown before; sync-client allows for that by the time between two
# vblanks, which with adaptive sync it is not told (0). So early_shows says nothing where that is played. Pictures do,
# and that no fence goes with a frame that is to be shown at once.
end_played_client() { # NAME
	end "$client" sync-client
	[ "$(stat_of "$work/$1" early_releases)" = 0 ] || fail "$1: released while in use"
}

# The control, and what a monitor gets that can do nothing of it.
begin_with
start_tiny --adaptive-sync --tearing --schedule 10 --stats "$work/tiny"
start_client plain
wait_windows 1
goes_on 60 || fail "the monitor stands still"
end_client plain
stop_tiny
[ "$(done_faults async)" = 0 ] || fail "frames were to be shown at once, and the driver cannot"
[ "$(done_faults 'vrr on')" = 0 ] || fail "adaptive sync went on, and the monitor cannot"
[ "$(output_stat torn)" = 0 ] || fail "the stats know of torn frames"
[ "$(output_stat delay_us)" -gt 0 ] || fail "the control: the last frame was not delayed"

# Adaptive sync: frames begin with their frame events.
begin_with vrr
start_tiny --adaptive-sync --schedule 10 --stats "$work/tiny"
start_client adaptive
wait_windows 1
goes_on 60 || fail "the monitor stands still"
whole adaptive
end_played_client adaptive
start_client scanout --memory dumb --fullscreen
wait_windows 1
goes_on 60 || fail "direct scanout stands still"
whole scanout
end_played_client scanout
stop_tiny
[ "$(done_faults 'vrr on')" -ge 1 ] || fail "adaptive sync did not go on"
[ "$(output_stat scanned_out)" -ge 1 ] || fail "nothing was scanned out directly"
[ "$(output_stat delay_us)" = 0 ] || fail "a frame was delayed with adaptive sync"

# Frames that are shown at once.
begin_with async vrr
start_tiny --adaptive-sync --tearing --schedule auto --stats "$work/tiny"
start_client tearing
wait_windows 1
wait_faults 3 async
whole tearing
# Refused in the commit, then in the test: at the vblank, and it goes on.
fault async vrr "tear EINVAL 2"
wait_faults 1 'tear '
goes_on 60 || fail "a refusal stops the monitor"
end_played_client tearing
start_client scanout --memory dumb --fullscreen
wait_windows 1
fault async vrr
before=$(done_faults async)
wait_faults $((before + 3)) async
whole scanout
fault async vrr "tear-test EINVAL"
wait_faults 1 tear-test
goes_on 60 || fail "a refusal in the test stops the monitor"
before=$(done_faults passed)
wait_faults $((before + 3)) passed
end_played_client scanout
stop_tiny
[ "$(done_faults 'async fence')" = 0 ] || fail "frames that are shown at once bring fences"
[ "$(done_faults 'passed fence')" -ge 1 ] || fail "the control: no frame that is shown at the vblank brings a fence"
[ "$(output_stat torn)" -ge 6 ] || fail "the stats know of $(output_stat torn) frames that were shown at once"
[ "$(output_stat scanned_out)" -ge 3 ] || fail "nothing was scanned out directly"
[ "$(output_stat refuses_fences)" = 0 ] || fail "fences are blamed"
[ "$(output_stat delay_us)" = 0 ] || fail "a frame that is shown at once was delayed"
rm -f "$SBX_OUT/$test_name"-*.ppm
