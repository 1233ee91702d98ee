#!/bin/bash
# dev: vm --outputs 640x440
# dev: timeout 300
# Debian's labwc with `signalbox run`: three windows at a time.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/run.sh
. "$(dirname "$0")/run.sh"

mkdir "$work/labwc"
cat >"$work/labwc/rc.xml" <<END
<labwc_config>
  <core><decoration>server</decoration></core>
  <windowRules>
    <windowRule identifier="shm"><action name="MoveTo" x="20" y="30"/></windowRule>
    <windowRule identifier="implicit"><action name="MoveTo" x="330" y="40"/></windowRule>
    <windowRule identifier="explicit"><action name="MoveTo" x="100" y="220"/></windowRule>
  </windowRules>
</labwc_config>
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

start_control labwc -C "$work/labwc" -s "$work/announce"
play control ready
start_joined labwc -d -C "$work/labwc" -s "$work/announce"
play joined ready
expect_same joined-two control-two control-three
expect_same joined-three control-three control-two
expect_sharp joined-three
rm -f "$SBX_OUT/$test_name"-now.*
