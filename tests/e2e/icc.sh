#!/bin/bash
# dev: vm --outputs 640x480
# dev: timeout 240
# The monitor has a profile: what it shows goes through it. A file that is none is refused.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

# Waits until the last pixel on the monitor, where only the floor is, has this colour or nearly.
wait_floor() { # RED GREEN BLUE
	local tries=0 is
	until
		capture floor
		read -ra is <<<"$(tail -c 3 "$picture" | od -An -tu1)"
		[ $((is[0] - $1)) -ge -2 ] && [ $((is[0] - $1)) -le 2 ] &&
			[ $((is[1] - $2)) -ge -2 ] && [ $((is[1] - $2)) -le 2 ] &&
			[ $((is[2] - $3)) -ge -2 ] && [ $((is[2] - $3)) -le 2 ]
	do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "the floor is ${is[*]}, not $*"
		sleep 0.3
	done
	echo "floor ${is[*]}"
}

# The floor is 0.055, 0.075, 0.110 (examples/tiny/output.c).
start_tiny
wait_floor 14 19 28
stop_tiny
# A power of 1.8 in place of 2.2: 0.055^(2.2 / 1.8) and so on.
"$SBX_BUILD/tests/e2e/icc-profile" 1.8 >"$work/18.icc" || fail "no profile"
start_tiny --icc "$work/18.icc"
wait_floor 7 11 17
stop_tiny
lab-seat "$tiny" --icc /dev/null >"$work/tiny.log" 2>&1 && fail "it started with a profile that is none"
grep -q "cannot be used as an ICC profile" "$work/tiny.log" || fail "it does not say why"
rm -f "$SBX_OUT/$test_name"-*.ppm
