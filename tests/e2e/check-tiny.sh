#!/bin/bash
# `signalbox check` in tiny: a few checks of each group are met, TAP and JSON say so, and the
# exit status too. That these checks can fail is seen by check-faults.sh.
# dev: timeout 300
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

checks=conformance/one-timeline,conformance/no-buffer-both,conformance/import-pipe
checks+=,latch/unmaterialised,latch/pending,latch/order
checks+=,release/not-while-shown,release/after-replaced,release/after-kill
checks+=,abuse/held-surface-destroyed,abuse/killed

start_tiny
"$SBX_BUILD/tools/signalbox" check --only "$checks" --seed 1 >"$work/tap" ||
	fail "$(cat "$work/tap")"
[ "$(grep -c '^ok ' "$work/tap")" = 11 ] || fail "$(cat "$work/tap")"
! grep -q SKIP "$work/tap" || fail "skipped in the lab: $(grep SKIP "$work/tap")"
"$SBX_BUILD/tools/signalbox" check --json --only latch/signalled >"$work/json" 2>"$work/summary" ||
	fail "$(cat "$work/summary")"
python3 - "$work/json" <<'EOF' || fail "$(cat "$work/json")"
import json, sys
report = json.load(open(sys.argv[1]))
assert report['summary']['met'] == 1 and report['results'][0]['verdict'] == 'met'
EOF
"$SBX_BUILD/tools/signalbox" check --only no-such-check 2>"$work/usage"
[ $? = 2 ] || fail "an unknown name is no usage error"
WAYLAND_DISPLAY=wayland-none "$SBX_BUILD/tools/signalbox" check 2>"$work/usage"
[ $? = 3 ] || fail "without a compositor the status is not 3"
stop_tiny
