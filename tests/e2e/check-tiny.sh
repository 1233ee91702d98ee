#!/bin/bash
# tiny, with our protocol code and our renderer, meets every check of `signalbox check`; TAP and JSON
# say so, and the exit status too. That the checks can fail is seen by check-faults.sh.
# dev: vm --outputs 640x480
# dev: timeout 900
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

check() {
	"$SBX_BUILD/tools/signalbox" check --seed 1 "$@"
}

# What is not met beside other tests on a busy machine must be met by itself.
check_all() {
	local again
	if ! check >"$work/tap"; then
		again=$(sed -n 's/^not ok [0-9]* - \([a-z0-9/-]*\).*/\1/p' "$work/tap" | paste -sd,)
		[ -n "$again" ] || fail "$(cat "$work/tap")"
		echo "once more, by themselves: $again"
		check --only "$again" >"$work/again" || fail "$(grep -A 3 '^not ok' "$work/tap" "$work/again")"
	fi
	[ "$(grep -cE '^(not )?ok ' "$work/tap")" = "$(check --list | sed -n 's/ checks$//p')" ] ||
		fail "$(cat "$work/tap")"
}

start_tiny
check_all
! grep -q SKIP "$work/tap" || fail "skipped in the lab: $(grep SKIP "$work/tap")"

# The other ways to see and to make what is shown.
few=conformance/one-timeline,latch/unmaterialised,release/not-while-shown,release/after-replaced
check --only $few --capture wlr --buffers udmabuf >"$work/tap" || fail "$(cat "$work/tap")"
grep -q '^#.*udmabuf.*wlr-screencopy' "$work/tap" || fail "$(cat "$work/tap")"
check --only $few --capture none >"$work/tap" || fail "$(cat "$work/tap")"

check --json --only latch/signalled >"$work/json" 2>"$work/summary" || fail "$(cat "$work/summary")"
python3 - "$work/json" <<'END' || fail "$(cat "$work/json")"
import json, sys
report = json.load(open(sys.argv[1]))
assert report['summary']['met'] == 1 and report['results'][0]['verdict'] == 'met'
END
check --only no-such-check 2>"$work/usage"
[ $? = 2 ] || fail "an unknown name is no usage error"
WAYLAND_DISPLAY=wayland-none check 2>"$work/usage"
[ $? = 3 ] || fail "without a compositor the status is not 3"
stop_tiny

# Ended from outside: what is known by then is summed up, and no compositor stays behind.
mkdir "$work/runtime"
XDG_RUNTIME_DIR=$work/runtime lab-seat "$SBX_BUILD/tools/signalbox" check --seed 1 --start "$tiny" \
	--only latch >"$work/tap" 2>&1 &
waited=0
until grep -q '^ok 1 ' "$work/tap"; do
	[ $waited -lt 600 ] || fail "no check is over after 60 s: $(cat "$work/tap")"
	sleep 0.1
	waited=$((waited + 1))
done
kill -TERM $!
wait $!
[ $? = 1 ] || fail "interrupted, the status is not 1"
grep -q '^Bail out! interrupted' "$work/tap" && grep -q '^# .*STOPPED .*did not run' "$work/tap" &&
	grep -q 'checks met' "$work/tap" || fail "$(cat "$work/tap")"
[ -z "$(ls "$work/runtime")" ] || fail "left behind: $(ls "$work/runtime")"
