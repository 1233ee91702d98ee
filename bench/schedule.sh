#!/bin/bash
# Prints how old a frame is when it is shown, and how many vblanks were missed, for the schedules of
# struct sbx_output: a virtual output, and a client that draws a new frame each time it may.
#	bench/schedule.sh [HZ]...
# The lab VM's GPU is its emulated CPU: refresh rates are low there so that a frame fits into a period.
set -u

: "${SBX_BUILD:?}"
# wlroots allocates on the render node, where the lab's virtio-gpu, which has no GPU, allows nothing. Here
# that name leads to the primary node.
if [ "${SIGNALBOX_LAB-}" = 1 ] && [ -z "${SBX_OWN_MOUNTS-}" ]; then
	SBX_OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
elif [ -n "${SBX_OWN_MOUNTS-}" ]; then
	mount --bind /dev/dri/card0 /dev/dri/renderD128 || exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

measure() { # HZ SCHEDULE
	"$SBX_BUILD/examples/tiny/tiny" --headless "320x240@$1" --schedule "$2" --stats "$work/stats" \
		--run "$SBX_BUILD/examples/sync-client/sync-client --size 256x192 --frames 60" \
		>"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; return 1; }
	awk -v hz="$1" -v schedule="$2" '
		/^output\.VIRTUAL-1\./ { sub(/^output\.VIRTUAL-1\./, ""); value[$1] = $2 }
		END {
			printf "| %s | %s | %d | %.1f ms | %d | %.1f ms | %.1f ms |\n", hz, schedule,
				value["shown"], value["age_us"] / 1000, value["missed_vblanks"],
				value["cpu_us"] / 1000, value["gpu_us"] / 1000
		}' "$work/stats"
}

echo "| Hz | schedule | frames | rendering to screen, mean | vblanks missed | CPU, expected | GPU, expected |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
for hz in "${@:-4}"; do
	measure "$hz" off
	measure "$hz" auto
done
