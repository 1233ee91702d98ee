#!/bin/bash
# dev: timeout 240
# One client is always 150 ms late beside one at full rate, on a 60 Hz output. Held until its fence is
# signalled (signalled), or latched only if it can be expected in time (deadline), it delays itself
# alone: the output goes on, and so does the other client. Latched at once (materialised) it stops the
# output with each frame: the control, without which the rest would prove nothing.
#
# Judged is what a machine's own slowness cannot do, each compared with the time when the fast client is
# alone in the same run:
# - the share of time in which the output stood still for two thirds of the lateness or longer, and the
#   share in which it showed nothing new of the fast client;
# - how many frames of the fast client were shown a second.
# Of the time beside the slow one the best third counts: other load comes and goes, the slow client does not.
# None of the fast client's frames may be missing. Where frames take long anyway (emulation, a busy
# machine), the slow client is later in proportion.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

uptime_s() {
	cut -d' ' -f1 /proc/uptime
}

# Prints "frames longest_ms median_ms stalled_percent" of the frames in FILE that were shown between two
# times. One that took STALL_MS or more to be followed by the next stalled what it is of for so long.
measure() { # FILE FROM TO STALL_MS
	awk -v from="$2" -v to="$3" -v stall="$4" '
		$NF < from || $NF > to { next }
		last != "" {
			gap = ($NF - last) * 1000
			gaps[++n] = gap
			longest = gap > longest ? gap : longest
			stalled += gap >= stall ? gap : 0
		}
		{ last = $NF }
		END {
			for (i = 2; i <= n; i++) {
				for (j = i; j > 1 && gaps[j - 1] > gaps[j]; j--) {
					swap = gaps[j]; gaps[j] = gaps[j - 1]; gaps[j - 1] = swap
				}
			}
			printf "%d %d %d %d\n", n, longest, gaps[int((n + 1) / 2)],
				100 * stalled / ((to - from) * 1000)
		}' "$1"
}

# Prints stalled_percent of the best third between two times.
least_stalled() { # FILE FROM TO STALL_MS
	local i from to percent least=100
	for i in 0 1 2; do
		read -r from to < <(awk -v from="$2" -v to="$3" -v i=$i 'BEGIN {
			third = (to - from) / 3
			printf "%.3f %.3f\n", from + i * third, from + (i + 1) * third
		}')
		read -r _ _ _ percent < <(measure "$1" "$from" "$to" "$4")
		least=$((percent < least ? percent : least))
	done
	echo $least
}

# Prints "rate best_percent": frames in FILE a second between the first two times, and how many in percent
# of that there were between the others, in the best third.
compare() { # FILE FROM TO WITH_FROM WITH_TO
	awk -v from="$2" -v to="$3" -v with_from="$4" -v with_to="$5" '
		$NF >= from && $NF < to { alone++ }
		$NF >= with_from && $NF < with_to { n[int(3 * ($NF - with_from) / (with_to - with_from))]++ }
		END {
			rate = alone / (to - from)
			for (i = 0; i < 3; i++) {
				best = n[i] > best ? n[i] : best
			}
			printf "%d %d\n", rate, 100 * (best / ((with_to - with_from) / 3)) / rate
		}' "$1"
}

wait_frames() { # COUNT FILE
	local tries=0
	until [ "$(wc -l <"$2")" -ge "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || fail "the output shows nothing"
		sleep 0.1
	done
}

run_policy() { # POLICY
	local fast slow alone_from alone_to with_from with_to
	rm -f "$work/presented"
	start_tiny --policy "$1" --size 640x480@60 --stats "$work/tiny" --presented "$work/presented"
	"$sync_client" --name fast --size 64x64 --palette 0 --stats "$work/fast" --presented "$work/shown" \
		>"$work/fast.log" 2>&1 &
	fast=$!
	wait_frames 30 "$work/presented"
	alone_from=$(uptime_s)
	sleep 4
	alone_to=$(uptime_s)
	read -r _ _ median_ms _ < <(measure "$work/presented" "$alone_from" "$alone_to" 1000000)
	late_ms=$((median_ms * 6 > 1500 ? 1500 : median_ms * 6 > 150 ? median_ms * 6 : 150))
	"$sync_client" --name slow --size 64x64 --palette 1 --late $late_ms --fence vgem \
		--stats "$work/slow" >"$work/slow.log" 2>&1 &
	slow=$!
	wait_windows 2
	with_from=$(uptime_s)
	sleep $((4 + late_ms * 12 / 1000))
	with_to=$(uptime_s)
	end $slow slow
	end $fast fast
	stop_tiny
	[ "$(stat_of "$work/slow" sync)" = vgem ] || fail "the slow client has no real fences"
	[ "$(stat_of "$work/slow" early_shows)" = 0 ] || fail "the slow client was shown before it was drawn"
	local stall_ms=$((late_ms * 2 / 3)) sent shown
	read -r frames longest_ms median_ms alone_percent < <(
		measure "$work/presented" "$alone_from" "$alone_to" $stall_ms)
	read -r _ _ _ fast_alone_percent < <(measure "$work/shown" "$alone_from" "$alone_to" $stall_ms)
	echo "$1, alone: $frames frames, median $median_ms ms, longest $longest_ms, stalled $alone_percent %," \
		"the fast one $fast_alone_percent %"
	read -r frames longest_ms median_ms _ < <(measure "$work/presented" "$with_from" "$with_to" $stall_ms)
	with_percent=$(least_stalled "$work/presented" "$with_from" "$with_to" $stall_ms)
	fast_with_percent=$(least_stalled "$work/shown" "$with_from" "$with_to" $stall_ms)
	read -r rate kept_percent < <(compare "$work/shown" "$alone_from" "$alone_to" "$with_from" "$with_to")
	sent=$(stat_of "$work/fast" frames)
	shown=$(stat_of "$work/fast" presented)
	echo "$1, beside a client $late_ms ms late ($(stat_of "$work/slow" frames) frames): $frames frames," \
		"median $median_ms ms, longest $longest_ms, stalled $with_percent %" \
		"in the best third, the fast one $fast_with_percent %;" \
		"$kept_percent % of its $rate frames a second alone; of its $sent frames $shown shown," \
		"$(stat_of "$work/fast" discarded) not"
	[ "$frames" -gt 0 ] || fail "nothing was shown"
	[ "$(stat_of "$work/fast" discarded)" = 0 ] || fail "frames of the fast client were discarded ($1)"
	# When it was ended, its three buffers were on their way.
	[ "$shown" -ge $((sent - 3)) ] || fail "frames of the fast client were lost ($1)"
}

run_policy materialised
[ "$with_percent" -ge 50 ] || fail "the control: the slow client does not stop the output"
[ "$fast_with_percent" -ge 50 ] || fail "the control: the slow client does not stop the fast one"
[ "$kept_percent" -lt 50 ] || fail "the control: the fast client loses no frames"
for policy in signalled deadline; do
	run_policy $policy
	[ "$with_percent" -le $((alone_percent + 20)) ] || fail "the slow client stops the output ($policy)"
	[ "$fast_with_percent" -le $((fast_alone_percent + 20)) ] ||
		fail "the slow client stops the fast one ($policy)"
	[ "$kept_percent" -ge 50 ] || fail "the fast client loses frames by the slow one ($policy)"
	[ "$(stat_of "$work/tiny" "latched_$policy")" -gt 0 ] || fail "nothing was latched by the policy"
done
rm -f "$SBX_OUT/$test_name"-*
