#!/bin/bash
# Side by side on real mode setting, with the same clients: wlroots' own explicit sync (labwc and cage with its
# GLES2 renderer), the same compositors with `signalbox run`, and tiny. Prints, as tables,
#  - how long after its replacement a buffer is released, composed and scanned out directly,
#  - how many vertical blanks pass without a new frame of a client at full rate: alone, beside one that is in
#    time, and beside one that is 150 ms late with each frame. Everything is emulated: the monitor has few of
#    them a second, so that a frame is mostly in time (SBX_SLOW_HZ, 8),
#  - how much earlier OUT_FENCE_PTR would say that a buffer is free.
#	./dev vm --outputs 640x480 --timeout 3000 -- env SBX_BUILD=$PWD/build bench/kms.sh [SECONDS [PART...]]
# Each case takes so many seconds (10); the parts are release, slow and out_fence. Finds the build in $SBX_BUILD, writes logs to $SBX_OUT.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/../tests/e2e/common.sh"
# shellcheck source=tests/e2e/run.sh
. "$(dirname "$0")/../tests/e2e/run.sh"

seconds=${1:-10}
hz=${SBX_SLOW_HZ:-8}
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

start_client() { # NAME OPTION...
	local name=$1
	shift
	rm -f "$work/$name.presented"
	"$sync_client" --name "$name" --stats "$work/$name" --presented "$work/$name.presented" "$@" \
		>"$work/$name.log" 2>&1 &
	client_pid=$!
}

run_client() { # NAME OPTION...
	start_client "$@"
	wait "$client_pid"
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

# "vblanks | missed" between two times: how many there were, and how many showed no new frame. It begins with the
# last frame before that, and ends with the first one after it.
missed() { # FILE FROM TO
	awk -v from="$2" -v to="$3" '
		$2 <= from { first = $1; next }
		last == "" { shown++ }
		$2 >= to && last == "" { last = $1 }
		END {
			if (first == "" || last == "") {
				printf "? | ?"
			} else {
				printf "%d | %d", last - first, last - first - shown
			}
		}' "$1"
}

# "frames a second | longest gap in ms" between two times.
gaps() { # FILE FROM TO
	awk -v from="$2" -v to="$3" '
		function note(at) {
			gap = (at - last) * 1000
			longest = gap > longest ? gap : longest
			last = at
		}
		BEGIN { last = from }
		$2 >= from && $2 <= to { n++; note($2) }
		END {
			note(to)
			printf "%.1f | %d", n / (to - from), longest
		}' "$1"
}

uptime_s() {
	cut -d' ' -f1 /proc/uptime
}

# The preload stays in the compositor alone.
start_slowly() { # WHOSE
	export LD_PRELOAD=$SBX_BUILD/bench/slow-mode.so SBX_SLOW_HZ=$hz
	start "$1" labwc
	unset LD_PRELOAD
}

wait_frames() { # COUNT FILE
	local tries=0
	until [ -e "$2" ] && [ "$(wc -l <"$2")" -ge "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || fail_here "no frames of $2"
		sleep 0.1
	done
}

# What the fast client has from now on.
fast_row() { # COMPOSITOR WHAT OTHER
	local from to
	from=$(uptime_s)
	sleep "$seconds"
	to=$(uptime_s)
	sleep 3 # the first frame after that
	echo "| $1 | $2 | $3 | $(missed "$work/fast.presented" "$from" "$to")" \
		"| $(gaps "$work/fast.presented" "$from" "$to") |"
}

beside_row() { # COMPOSITOR WHAT OPTION...
	local compositor=$1 what=$2
	shift 2
	start_client other --size 64x64 --palette 1 "$@"
	wait_frames 5 "$work/other.presented"
	fast_row "$compositor" "$what" '' >"$work/row"
	end "$client_pid" other
	sed "s/|  |/| $(stat_of "$work/other" sync), $(stat_of "$work/other" frames) frames |/" "$work/row"
}

slow_row() { # WHOSE
	local whose=$1 compositor="labwc, $1" fast
	[ "$whose" != tiny ] || compositor=tiny
	start_slowly "$whose"
	start_client fast --size 64x64 --palette 0
	fast=$client_pid
	wait_frames 10 "$work/fast.presented"
	fast_row "$compositor" alone ''
	beside_row "$compositor" "beside one in time"
	beside_row "$compositor" "beside one 150 ms late" --late 150 --fence vgem
	end "$fast" fast
	stop "$whose" labwc
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
	echo "At $hz Hz; load $(cut -d' ' -f1-3 /proc/loadavg) in here."
	echo
	echo "| compositor | the fast client | the other | vblanks | missed | frames a second | longest gap, ms |"
	echo "| --- | --- | --- | ---: | ---: | ---: | ---: |"
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
