#!/bin/bash
# dev: vm --outputs 640x440
# dev: timeout 300
# Debian's sway with `signalbox run`: three windows at a time.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/run.sh
. "$(dirname "$0")/run.sh"

cat >"$work/config" <<END
default_border pixel 3
default_floating_border pixel 3
client.focused #8040c0 #8040c0 #ffffff #8040c0 #8040c0
for_window [app_id="shm"] floating enable, move absolute position 20 20
for_window [app_id="implicit"] floating enable, move absolute position 330 30
for_window [app_id="explicit"] floating enable, move absolute position 100 180
exec $work/announce
END

play() { # NAME SYNC
	start_shm
	local shm=$client_pid implicit
	start_dmabuf implicit 1 --no-points
	implicit=$client_pid
	keep "$1-two"
	start_dmabuf explicit 2 --palette 1
	keep "$1-three"
	end_dmabuf "$client_pid" explicit "$2"
	end_dmabuf "$implicit" implicit implicit
	end_shm "$shm"
	stop_compositor
}

start_control sway -c "$work/config"
play control ready
start_joined sway -d -c "$work/config"
play joined ready
expect_same joined-two control-two control-three
expect_same joined-three control-three control-two
expect_sharp joined-three
rm -f "$SBX_OUT/$test_name"-now.*
