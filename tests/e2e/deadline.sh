#!/bin/bash
# dev: timeout 240
# The policy DEADLINE with a client that can be predicted: it is always late by the same, with fences of
# the kernel's, beside one that keeps the output busy. Its commits are latched before they are signalled,
# and shown a frame earlier than those of the same client under SIGNALLED; never before they are drawn,
# and never torn.
#
# It is done just after the second moment for rendering. For that to be expected of it, what the machine
# itself adds must be small against a refresh period: the output is a slow one, and slower on a machine where
# nothing can be expected of anybody at that rate.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

vblanks=${SBX_DEADLINE_VBLANKS-120}

run_policy() { # POLICY HZ
	local regular busy i late_ms=$((1050 / $2))
	start_tiny --policy "$1" --size "640x480@$2" --stats "$work/tiny"
	"$sync_client" --name busy --size 64x64 --palette 0 --stats "$work/busy" >"$work/busy.log" 2>&1 &
	busy=$!
	"$sync_client" --name regular --size 256x192 --palette 1 --late $late_ms --fence vgem \
		--stats "$work/$1" >"$work/regular.log" 2>&1 &
	regular=$!
	wait_windows 2
	sleep $((vblanks / $2))
	for i in 1 2 3 4; do
		capture "$1-$i"
	done
	end $regular regular
	end $busy busy
	stop_tiny
	"$tear_oracle" --windows 2 "$SBX_OUT/$test_name-$1"-[1-4].ppm >"$work/oracle" ||
		fail "torn, or not to be judged ($1): $(tail -n 4 "$work/oracle")"
	[ "$(stat_of "$work/$1" sync)" = vgem ] || fail "the client has no real fences"
	[ "$(stat_of "$work/$1" early_shows)" = 0 ] || fail "shown before it was drawn ($1)"
	[ "$(stat_of "$work/$1" early_releases)" = 0 ] || fail "released while in use ($1)"
	echo "$2 Hz, drawn $late_ms ms after the commit, $1: $(stat_of "$work/$1" presented) frames," \
		"commit to drawn $(ms "$1" acquire_p50_us) ms (median)," \
		"commit to monitor $(ms "$1" latency_p50_us) ms (10 % $(ms "$1" latency_p10_us)," \
		"95 % $(ms "$1" latency_p95_us))"
}

ms() { # FILE NAME
	awk -v us="$(stat_of "$work/$1" "$2")" 'BEGIN { printf "%.1f", us / 1000 }'
}

for hz in ${SBX_DEADLINE_HZ-20 8 3}; do
	run_policy signalled "$hz"
	[ "$(stat_of "$work/tiny" predicted)" = 0 ] || fail "something was predicted under SIGNALLED"
	run_policy deadline "$hz"
	predicted=$(stat_of "$work/tiny" predicted)
	kept=$(stat_of "$work/tiny" predictions_kept)
	broken=$(stat_of "$work/tiny" predictions_broken)
	echo "$hz Hz: $predicted predicted, $kept kept, $broken broken"
	shown=$(stat_of "$work/deadline" presented)
	[ $((kept * 3)) -lt $((shown * 2)) ] || break
done
[ "$kept" -gt 0 ] || fail "nothing was predicted, or not kept"
[ "$kept" -gt "$broken" ] || fail "more predictions were broken than kept"
# The median tells only if most were predicted, which other load can prevent.
if [ $((kept * 3)) -ge $((shown * 2)) ]; then
	[ "$(stat_of "$work/deadline" latency_p50_us)" -lt "$(stat_of "$work/signalled" latency_p50_us)" ] ||
		fail "nothing is shown earlier than under SIGNALLED"
else
	echo "too few were predicted to compare"
fi
rm -f "$SBX_OUT/$test_name"-*
