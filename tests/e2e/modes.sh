#!/bin/bash
# dev: vm --outputs 640x480
# dev: timeout 240
# Another mode for the monitor (Alt and -, Alt and =) while a client is scanned out directly, while its fence is
# pending, and while a flip is told to nobody: nothing torn, nothing given back early, and in each mode the client
# is scanned out directly again.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/input.sh
. "$(dirname "$0")/input.sh"
# shellcheck source=tests/e2e/kms.sh
. "$(dirname "$0")/kms.sh"

# Until the client fills a monitor of another size than the last one.
wait_resized() {
	local tries=0 size
	until
		capture resized
		size=$(sed -n '2{p;q}' "$picture" | tr ' ' x)
		[ "$size" != "$last_size" ] && "$tear_oracle" --windows 1 "$picture" | grep -q ": $size at 0,0 "
	do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "the monitor is $size, and $("$tear_oracle" "$picture")"
		sleep 0.1
	done
	last_size=$size
}

# A smaller mode, or a larger one.
change_mode() { # minus|equal
	with_alt "$1"
	wait_resized
	goes_on 60 || fail "the monitor stands still"
	whole "$last_size"
}

last_size=
begin_with
start_tiny --stats "$work/tiny"
start_client scanout --memory dumb --fullscreen
wait_resized
[ "$last_size" = 640x480 ] || fail "the first mode is $last_size"
change_mode equal
fault "noflip 1"
wait_faults 1 noflip
change_mode minus
end_client scanout

# Most of the time a fence is pending.
start_client late --memory dumb --fullscreen --late 90 --fence vgem
wait_windows 1
change_mode equal
end_client late
stop_tiny
[ "$(grep -c 'Modesetting with' "$work/tiny.log")" -ge 4 ] || fail "the mode was not changed"
[ "$(stat_of "$work/tiny" output.Virtual-1.scanned_out)" -ge 10 ] || fail "nothing was scanned out directly"
rm -f "$SBX_OUT/$test_name"-*.ppm
