#!/bin/bash
# peers.sh NAME...: runs every check of `signalbox check` against these compositors, one after the
# other, inside the lab VM (docs/conformance.md has the commands). TAP goes to
# $SBX_OUT/NAME.tap, JSON to $SBX_OUT/NAME.json with PEERS_FORMAT=json, and the compositor's log to
# NAME.log. PEERS_OPTIONS are more options for the tool, e.g. "--only latch".
set -u

: "${SBX_OUT:?}"
build=${SBX_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
check=$build/tools/signalbox
format=${PEERS_FORMAT:-tap}
read -ra options <<<"${PEERS_OPTIONS-}"

run_on() { # SEAT NAME COMMAND
	[ "$format" != json ] || options+=(--json)
	$1 "$check" check --seed 1 --fresh --log "$SBX_OUT/$2.log" --start "$3" "${options[@]}" \
		>"$SBX_OUT/$2.$format" 2>"$SBX_OUT/$2.err"
	echo "$2: exit status $?"
	grep -E 'checks met|died' "$SBX_OUT/$2.tap" "$SBX_OUT/$2.err" 2>/dev/null
}

on_seat() { # NAME COMMAND
	run_on lab-seat "$@"
}

# They take the first DRM device that they find, and vgem, which the tool needs, has no GPU.
without_vgem() { # COMMAND
	local node hidden=''
	for node in /dev/dri/card1 /dev/dri/renderD129; do
		[ ! -e $node ] || hidden+="mount --bind /dev/null $node && "
	done
	echo "unshare --mount sh -c \"${hidden}exec $1\""
}

settings=$(mktemp -d)
cat >"$settings/hyprland.conf" <<'END'
misc {
	disable_hyprland_logo = true
	disable_splash_rendering = true
}
animations {
	enabled = false
}
debug {
	disable_logs = true
}
END

for name in "$@"; do
	case $name in
	tiny) on_seat tiny "$build/examples/tiny/tiny" ;;
	labwc | sway | cage | phoc | wlmaker | weston)
		# A configuration of nothing, so that nothing else is started.
		declare -A arguments=([sway]='-c /dev/null' [cage]='-- sleep 100000' [phoc]='-E "sleep 100000"')
		on_seat "$name" "$name ${arguments[$name]-}"
		;;
	kwin)
		on_seat kwin "$(without_vgem "dbus-run-session kwin_wayland --virtual --width 640 \
--height 480 --no-lockscreen --no-global-shortcuts")"
		;;
	mutter)
		on_seat mutter "$(without_vgem "dbus-run-session mutter --headless --wayland --no-x11 \
--virtual-monitor 640x480")"
		;;
	hyprland) on_seat hyprland "Hyprland --i-am-really-stupid -c $settings/hyprland.conf" ;;
	mir) on_seat mir "miral-shell --platform-display-libs mir:gbm-kms --idle-timeout 0 \
--console-provider none" ;;
	*) echo "peers.sh: how is $name started?" >&2 ;;
	esac
done
rm -rf "$settings"
