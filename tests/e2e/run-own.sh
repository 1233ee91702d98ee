#!/bin/bash
# dev: vm --outputs 640x440
# A compositor that uses signalbox by itself: `signalbox run` leaves it alone, and wlroots asks us what to
# wait for. The control: with wlroots loaded before us it does not, and that is said.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"

own=$tiny
cat >"$work/joined-tiny" <<END
#!/bin/sh
exec "$SBX_BUILD/tools/signalbox" run -- "$own" "\$@"
END
chmod +x "$work/joined-tiny"
tiny=$work/joined-tiny
start_tiny
grep -qx 'signalbox: tiny is not joined: it uses signalbox already' "$work/tiny.log" ||
	fail "it was not left alone"
grep -q 'wlroots asks signalbox what to wait for' "$work/tiny.log" || fail "wlroots does not ask"
"$sync_client" --size 128x128 --hold 3 --stats "$work/stats" &
client=$!
wait_windows 1
end "$client" sync-client
[ "$(stat_of "$work/stats" sync)" = ready ] || fail "no explicit sync"
stop_tiny

tiny=$own
tiny_env+=("LD_PRELOAD=libwlroots-0.20.so")
start_tiny
grep -q 'wlroots does not ask signalbox what to wait for: libsignalbox is linked behind it' \
	"$work/tiny.log" || fail "control: nobody noticed that wlroots does not ask"
stop_tiny
rm -f "$SBX_OUT/$test_name"-*.*
