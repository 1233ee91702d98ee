#!/bin/bash
# Side by side on real mode setting, with the same clients: wlroots' own explicit sync (labwc and cage with its
# GLES2 renderer), the same compositors with `signalbox run`, and tiny. Prints, as tables,
#  - how long after its replacement a buffer is released, composed and scanned out directly,
#  - what becomes of a client at full rate when one beside it is 150 ms late with each frame, or six times what
#    a frame takes, where that is more: everything is emulated,
#  - how much earlier OUT_FENCE_PTR would say that a buffer is free.
#	./dev vm --outputs 640x480 --timeout 3000 -- env SBX_BUILD=$PWD/build bench/kms.sh [SECONDS [PART...]]
# Each case takes so many seconds (10); the parts are release, slow and out_fence. Finds the build in $SBX_BUILD, writes logs to $SBX_OUT.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/../tests/e2e/common.sh"
# shellcheck source=tests/e2e/run.sh
. "$(dirname "$0")/../tests/e2e/run.sh"

seconds=${1:-10}
all=(wlroots signalbox tiny) # tiny is a compositor itself
parts=(release slow out_fence)
[ $# -lt 2 ] || parts=("${@:2}")

mkdir "$work/labwc"
echo '<labwc_config><core><decoration>server</decoration></core></labwc_config>' >"$work/labwc/rc.xml"
mkfifo "$work/end"

start() { # WHOSE labwc|cage
	local command=(labwc -d -C "$work/labwc" -s "$work/announce")
	[ "$2" = labwc ] || command=(cage -D -- sh -c "'$work/announce'; exec cat '$work/end'")
	case $1 in
	wlroots) start_control "${command[@]}" ;;
	signalbox) start_joined "${command[@]}" ;;
	tiny) start_tiny --stats "$work/tiny" ;;
	esac
}

stop() { # WHOSE labwc|cage
	if [ "$1" = tiny ]; then
		stop_tiny
		return
	fi
	[ "$2" = labwc ] || echo >"$work/end"
	if [ "$2" = labwc ]; then
		stop_compositor
	else
		wait_compositor
	fi
	unset WAYLAND_DISPLAY
	cp "$compositor_log" "$SBX_OUT/$test_name-$1-$2.log"
}

run_client() { # NAME OPTION...
	local name=$1
	shift
	"$sync_client" --name "$name" --stats "$work/$name" --presented "$work/$name.presented" "$@" \
		>"$work/$name.log" 2>&1
}

ms() { # FILE NAME
	awk -v name="$2" '$1 == name { printf "%.1f", $2 / 1000 }' "$1"
}

# Whether frames went to the screen as they were.
scanned() { # WHOSE
	if [ "$1" = tiny ]; then
		sed -n 's/^output\.Virtual-1\.scanned_out //p' "$work/tiny"
	else
		grep -c 'Direct scan-out enabled' "$compositor_log"
	fi
}

release_row() { # WHOSE COMPOSITOR WHAT OPTION...
	local whose=$1 compositor=$2 what=$3
	shift 3
	start "$whose" "$compositor"
	run_client one --seconds "$seconds" "$@" || fail_here "the client failed"
	stop "$whose" "$compositor"
	[ "$whose" != tiny ] || compositor=tiny
	echo "| $what | $compositor, $whose | $(stat_of "$work/one" sync) | $(scanned "$whose")" \
		"| $(stat_of "$work/one" frames) | $(ms "$work/one" release_p50_us) | $(ms "$work/one" release_p95_us)" \
		"| $(ms "$work/one" release_max_us) | $(stat_of "$work/one" early_releases) |"
}

# "frames a second | longest gap in ms | share of time in gaps of STALL_MS or longer" between two times.
gaps() { # FILE FROM TO STALL_MS
	awk -v from="$2" -v to="$3" -v stall="$4" '
		function note(at) {
			gap = (at - last) * 1000
			longest = gap > longest ? gap : longest
			stalled += gap >= stall ? gap : 0
			last = at
		}
		BEGIN { last = from }
		$1 >= from && $1 <= to { n++; note($1) }
		END {
			note(to)
			printf "%.1f | %d | %d %%", n / (to - from), longest, 100 * stalled / ((to - from) * 1000)
		}' "$1"
}

# The median time between two frames, in ms.
median_gap() { # FILE FROM TO
	awk -v from="$2" -v to="$3" '
		$1 < from || $1 > to { next }
		last != "" { printf "%d\n", ($1 - last) * 1000 }
		{ last = $1 }' "$1" | sort -n | awk '{ gap[NR] = $1 } END { print gap[int((NR + 1) / 2)] + 0 }'
}

uptime_s() {
	cut -d' ' -f1 /proc/uptime
}

slow_row() { # WHOSE
	local whose=$1 compositor=labwc alone_from alone_to with_from with_to fast slow late_ms stall_ms
	start "$whose" labwc
	run_client fast --size 64x64 --palette 0 --seconds $((2 * seconds + 15)) &
	fast=$!
	sleep 5
	alone_from=$(uptime_s)
	sleep "$seconds"
	alone_to=$(uptime_s)
	late_ms=$(($(median_gap "$work/fast.presented" "$alone_from" "$alone_to") * 6))
	late_ms=$((late_ms > 150 ? late_ms : 150))
	stall_ms=$((late_ms * 2 / 3))
	run_client slow --size 64x64 --palette 1 --late "$late_ms" --fence vgem --seconds $((seconds + 6)) &
	slow=$!
	sleep 4
	with_from=$(uptime_s)
	sleep "$seconds"
	with_to=$(uptime_s)
	wait $slow || fail_here "the slow client failed"
	wait $fast || fail_here "the fast client failed"
	stop "$whose" labwc
	[ "$whose" != tiny ] || compositor=tiny
	echo "| $compositor, $whose | alone | | $(gaps "$work/fast.presented" "$alone_from" "$alone_to" $stall_ms) |"
	echo "| $compositor, $whose | beside one $late_ms ms late | $(stat_of "$work/slow" sync)" \
		"| $(gaps "$work/fast.presented" "$with_from" "$with_to" $stall_ms) |"
}

out_fence_row() { # WHAT OPTION...
	local what=$1 env=("${tiny_env[@]}")
	shift
	tiny_env+=("LD_PRELOAD=$SBX_BUILD/bench/out-fence.so" "SBX_OUT_FENCE=$work/out-fence")
	start_tiny
	run_client one --seconds "$seconds" "$@" || fail "the client failed"
	stop_tiny
	tiny_env=("${env[@]}")
	echo "| $what | $(stat_of "$work/out-fence" flips) | $(stat_of "$work/out-fence" unsignalled)" \
		"| $(stat_of "$work/out-fence" refused) | $(ms "$work/out-fence" earlier_p50_us)" \
		"| $(ms "$work/out-fence" earlier_p95_us) | $(ms "$work/out-fence" earlier_max_us) |"
}

release_table() {
	local who
	echo "| buffers | compositor | fences | scanned out | frames | p50 ms | p95 ms | max ms | early |"
	echo "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
	for who in "${all[@]}"; do
		release_row "$who" labwc composed --size 256x192
	done
	for who in "${all[@]}"; do
		release_row "$who" labwc "full screen" --memory dumb --fullscreen
	done
	# labwc may not scan out directly; cage with wlroots' own code has no explicit sync.
	for who in wlroots signalbox; do
		release_row "$who" cage "full screen" --memory dumb --fullscreen
	done
}

slow_table() {
	local who
	echo "| compositor | the fast client | fences | frames a second | longest gap, ms | time in gaps of 2/3 of that |"
	echo "| --- | --- | --- | ---: | ---: | ---: |"
	for who in "${all[@]}"; do
		slow_row "$who"
	done
}

out_fence_table() {
	echo "| buffers | flips | fence later | refused | earlier, p50 ms | p95 ms | max ms |"
	echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
	out_fence_row composed --size 256x192
	out_fence_row "full screen" --memory dumb --fullscreen
}

for part in "${parts[@]}"; do
	"${part}_table"
	echo
done
