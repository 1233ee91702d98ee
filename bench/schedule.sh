#!/bin/bash
# Prints how old frames are when they are shown, and how many vblanks were missed, for the schedules of
# struct sbx_output: tiny on a virtual output, and a client that draws a new frame each time it may.
#	bench/schedule.sh [HZ[,HZ...]]...
# Several rates in one word: so many outputs at once, which show the same.
# With a DRM device our renderer draws, and the client is sync-client; without one, wlroots' pixman renderer
# and weston-simple-shm. Finds the build in $SBX_BUILD.
set -u

: "${SBX_BUILD:?}"
seconds=10

# wlroots allocates on the render node, where the lab's virtio-gpu, which has no GPU, allows nothing. Here
# that name leads to the primary node.
if [ "${SIGNALBOX_LAB-}" = 1 ] && [ -z "${SBX_OWN_MOUNTS-}" ]; then
	SBX_OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
elif [ -n "${SBX_OWN_MOUNTS-}" ]; then
	mount --bind /dev/dri/card0 /dev/dri/renderD128 || exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: "${XDG_RUNTIME_DIR:=$work}"
export XDG_RUNTIME_DIR

renderer=signalbox
client="$SBX_BUILD/examples/sync-client/sync-client --size 256x192"
if ! compgen -G '/dev/dri/card*' >/dev/null; then
	export WLR_RENDERER=pixman
	renderer=wlroots
	client=weston-simple-shm
fi

measure() { # HZ[,HZ...] SCHEDULE
	local rates rate outputs='' number=0
	IFS=, read -ra rates <<<"$1"
	for rate in "${rates[@]}"; do
		outputs+=${outputs:+,}640x480@$rate
	done
	"$SBX_BUILD/examples/tiny/tiny" --renderer $renderer --mirror --headless "$outputs" --schedule "$2" \
		--stats "$work/stats" --exit-after $((seconds * 1000)) --start "exec $client" \
		>"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; return 1; }
	for rate in "${rates[@]}"; do
		number=$((number + 1))
		report "$rate" "$2" $number
	done
}

report() { # HZ SCHEDULE NUMBER
	awk -v hz="$1" -v schedule="$2" -v prefix="output.VIRTUAL-$3." '
		index($0, prefix) == 1 { value[substr($1, length(prefix) + 1)] = $2 }
		END {
			printf "| %s | %s | %d | %.2f ms | %d | %.2f ms | %.2f ms |\n", hz, schedule,
				value["shown"], value["age_us"] / 1000, value["missed_vblanks"],
				value["cpu_us"] / 1000, value["gpu_us"] / 1000
		}' "$work/stats"
}

echo "| Hz | schedule | frames | rendering to screen, mean | vblanks missed | CPU, expected | GPU, expected |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
for hz in "${@:-60}"; do
	measure "$hz" off
	measure "$hz" auto
done
