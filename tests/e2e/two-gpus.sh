#!/bin/bash
# dev: vm --outputs 320x256 --second-gpu 320x256
# dev: timeout 200
# Two GPUs with a monitor each, which show the same; the Vulkan device is neither. Clients' buffers are memory of
# one GPU, of the other, and two kinds that the Vulkan device is made to refuse (lose-device.c), so that the CPU
# copies them. Never torn on either monitor, never given back early, no fd left behind. Then a full-screen client
# of each GPU: its own GPU's plane shows the buffer itself, the other's refuses it and says why.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

layer=$SBX_BUILD/tests/e2e
export SBX_REFUSE_MEMORY='vgem udmabuf'
# wlroots then has no renderer for the second GPU, whose KMS gets what we give it. With wlr_output_init_render() in
# place of sbx_output_init_render() its monitor stays dark.
export WLR_RENDERER=pixman

# The N-th card whose device's path has that in it.
card_of() { # WORD N
	local card seen=0
	for card in /sys/class/drm/card?; do
		case $(readlink -f "$card/device") in
		*"$1"*)
			seen=$((seen + 1))
			[ $seen != "$2" ] || basename "$card"
			;;
		esac
	done
}

start_client() { # NAME OPTION...
	local name=$1
	shift
	"$sync_client" --name "$name" --late 20 --stats "$work/$name" "$@" &
	pids+=($!)
	names+=("$name")
}

first=/dev/dri/$(card_of /pci 1) second=/dev/dri/$(card_of /pci 2) vgem=/dev/dri/$(card_of vgem 1)
[ -c "$first" ] && [ -c "$second" ] && [ -c "$vgem" ] || fail "not two GPUs and vgem: $(ls /dev/dri)"

# Windows.
pids=() names=()
VK_ADD_LAYER_PATH=$layer VK_INSTANCE_LAYERS=VK_LAYER_SIGNALBOX_lose_device start_tiny --mirror --stats "$work/tiny"
"$sync_client" --frames 2 >/dev/null || fail "no client can draw"
before=$(count_fds "$(pgrep -x tiny)")
start_client first --size 128x96 --palette 0 --memory dumb
start_client second --size 128x96 --palette 1 --memory dumb --node "$second"
start_client vgem --size 128x96 --palette 2 --memory dumb --node "$vgem"
start_client udmabuf --size 128x96 --palette 3 --memory udmabuf --no-points
wait_windows 4 gpu
wait_windows 4 gpu2
for i in 1 2 3; do
	capture "a$i" 0 gpu
	capture "b$i" 0 gpu2
done
for i in "${!pids[@]}"; do
	end "${pids[$i]}" "${names[$i]}"
done
sleep 1
after=$(count_fds "$(pgrep -x tiny)")
"$tear_oracle" --windows 4 "$SBX_OUT/$test_name"-[ab][1-3].ppm || fail "torn, or not to be judged"
for name in "${names[@]}"; do
	[ "$(stat_of "$work/$name" frames)" -ge 4 ] || fail "$name made fewer than 4 frames"
	[ "$(stat_of "$work/$name" early_releases)" = 0 ] || fail "$name: released while in use"
	[ "$(stat_of "$work/$name" early_shows)" = 0 ] || fail "$name: shown before it was drawn"
done
grep -q 'are copied by the CPU' "$work/tiny.log" || fail "nothing was copied"
[ "$after" -le "$before" ] || fail "$after fds are open, and $before were before the clients came"

# Full screen, of one GPU after the other.
full_screen() { # NAME NODE
	pids=() names=()
	start_client "$1" --size 128x96 --fullscreen --memory dumb --node "$2"
	wait_windows 1 gpu
	wait_windows 1 gpu2
	for i in 1 2; do
		capture "$1-a$i" 0 gpu
		capture "$1-b$i" 0 gpu2
	done
	"$tear_oracle" --windows 1 "$SBX_OUT/$test_name-$1"-[ab][1-2].ppm || fail "torn, or not to be judged"
}

full_screen full-first "$first"
end "${pids[0]}" full-first
full_screen full-second "$second"
stop_tiny
wait "${pids[0]}"
[ "$(stat_of "$work/full-first" early_releases)" = 0 ] || fail "released while on the first monitor"

# The first GPU's monitor is the first one; the last full-screen client was the second GPU's.
mapfile -t outputs < <(sed -n 's/^output\.\(.*\)\.scanout .*/\1/p' "$work/tiny" | sort)
one=${outputs[0]} two=${outputs[1]}
[ "$(stat_of "$work/tiny" "output.$one.scanout")" = test ] || fail "not refused: $(grep "^output.$one" "$work/tiny")"
[ "$(stat_of "$work/tiny" "output.$two.scanout")" = active ] ||
	fail "not scanned out: $(grep "^output.$two" "$work/tiny")"
for name in "$one" "$two"; do
	[ "$(stat_of "$work/tiny" "output.$name.way")" = commit ] || fail "$name: the commits had no fence"
	[ "$(stat_of "$work/tiny" "output.$name.scanned_out")" -ge 2 ] || fail "$name scanned nothing out"
	[ "$(stat_of "$work/tiny" "output.$name.refused")" = 0 ] || fail "$name refused commits"
done
rm -f "$SBX_OUT/$test_name"-*
