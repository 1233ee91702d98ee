#!/bin/bash
# dev: timeout 240
# One client is always 150 ms late beside one at full rate, on a 60 Hz output. Held until its fence is
# signalled (signalled), or latched only if it can be expected in time (deadline), it delays itself
# alone: the output goes on, and so does the other client. Latched at once (materialised) it stops the
# output with each frame: the control, without which the rest would prove nothing.
#
# Judged is what a machine's own slowness cannot do: the share of time in which the output stood still
# for two thirds of the lateness or longer, compared with the time when the fast client is alone in the
# same run. Where frames take long anyway (emulation, a busy machine), the client is later in proportion.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

uptime_s() {
	cut -d' ' -f1 /proc/uptime
}

# Prints "frames longest_ms median_ms stalled_percent" of the frames shown between two times. A frame
# that took STALL_MS or more to be followed by the next one stalled the output for so long.
measure() { # FROM TO STALL_MS
	awk -v from="$1" -v to="$2" -v stall="$3" '
		$3 < from || $3 > to { next }
		last != "" {
			gap = ($3 - last) * 1000
			gaps[++n] = gap
			longest = gap > longest ? gap : longest
			stalled += gap >= stall ? gap : 0
		}
		{ last = $3 }
		END {
			for (i = 2; i <= n; i++) {
				for (j = i; j > 1 && gaps[j - 1] > gaps[j]; j--) {
					swap = gaps[j]; gaps[j] = gaps[j - 1]; gaps[j - 1] = swap
				}
			}
			printf "%d %d %d %d\n", n, longest, gaps[int((n + 1) / 2)],
				100 * stalled / ((to - from) * 1000)
		}' "$work/presented"
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
	"$sync_client" --name fast --size 64x64 --palette 0 --stats "$work/fast" >"$work/fast.log" 2>&1 &
	fast=$!
	wait_frames 30 "$work/presented"
	alone_from=$(uptime_s)
	sleep 4
	alone_to=$(uptime_s)
	read -r _ _ median_ms _ < <(measure "$alone_from" "$alone_to" 1000000)
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
	read -r frames longest_ms median_ms alone_percent < <(measure "$alone_from" "$alone_to" $((late_ms * 2 / 3)))
	echo "$1, alone: $frames frames, median $median_ms ms, longest $longest_ms, stalled $alone_percent %"
	read -r frames longest_ms median_ms with_percent < <(measure "$with_from" "$with_to" $((late_ms * 2 / 3)))
	echo "$1, beside a client $late_ms ms late ($(stat_of "$work/slow" frames) frames): $frames frames," \
		"median $median_ms ms, longest $longest_ms, stalled $with_percent %;" \
		"of the fast one's $(stat_of "$work/fast" frames) $(stat_of "$work/fast" discarded) never shown"
	[ "$frames" -gt 0 ] || fail "nothing was shown"
}

run_policy materialised
[ "$with_percent" -ge 50 ] || fail "the control: the slow client does not stop the output"
for policy in signalled deadline; do
	run_policy $policy
	[ "$with_percent" -le $((alone_percent + 20)) ] || fail "the slow client stops the output ($policy)"
	[ "$(stat_of "$work/tiny" "latched_$policy")" -gt 0 ] || fail "nothing was latched by the policy"
done
echo "deadline: $(stat_of "$work/tiny" predicted) predicted, $(stat_of "$work/tiny" predictions_kept)" \
	"kept, $(stat_of "$work/tiny" predictions_broken) broken"
rm -f "$SBX_OUT/$test_name"-*
