#!/bin/bash
# dev: vm --outputs 640x440
# dev: timeout 300
# Debian's cage with `signalbox run`: one window after the other, each over the whole screen. cage never
# offers explicit sync by itself.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/run.sh
. "$(dirname "$0")/run.sh"

# cage waits for its first client, and ends with that one's status.
mkfifo "$work/end"
end_cage() {
	echo >"$work/end"
	wait_compositor
}

play() { # NAME SYNC
	start_shm
	keep "$1-shm"
	end_shm "$client_pid"
	start_dmabuf implicit 1 --no-points
	keep "$1-implicit"
	end_dmabuf "$client_pid" implicit implicit
	start_dmabuf explicit 1 --palette 1
	keep "$1-explicit"
	end_dmabuf "$client_pid" explicit "$2"
	end_cage
}

start_control cage -- sh -c "'$work/announce'; exec cat '$work/end'"
! wayland-info | grep wp_linux_drm_syncobj_manager_v1 || fail "cage offers explicit sync by itself"
play control implicit
start_joined cage -d -- sh -c "'$work/announce'; exec cat '$work/end'"
play joined ready
for name in shm implicit explicit; do
	other=shm
	[ $name != shm ] || other=implicit
	expect_same joined-$name control-$name control-$other
done
expect_sharp joined-explicit
rm -f "$SBX_OUT/$test_name"-now.*
