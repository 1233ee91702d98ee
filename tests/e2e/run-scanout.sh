#!/bin/bash
# dev: vm --outputs 640x440
# dev: timeout 300
# Direct scanout of what is latched before it is drawn: the monitor waits for the client's fence. cage with
# `signalbox run --policy materialised` shows one late client over the whole screen, which wlroots gives to
# KMS as it is. The control: with nothing told to wlroots, the same must tear.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/run.sh
. "$(dirname "$0")/run.sh"

mkfifo "$work/end"
run_options=(--policy materialised)

play() { # NAME
	local i
	"$sync_client" --late 200 --fence vgem --palette 1 --stats "$work/$1" &
	client_pid=$!
	wait_windows 1
	for i in 1 2 3 4 5 6 7 8; do
		capture "$1-$i"
	done
	end "$client_pid" sync-client
	[ "$(stat_of "$work/$1" sync)" = vgem ] || fail_here "$1: not synchronised by vgem's fences"
	grep -q 'Direct scan-out enabled' "$compositor_log" || fail_here "$1: no direct scanout"
	echo >"$work/end"
	wait_compositor
	"$tear_oracle" --windows 1 "$SBX_OUT/$test_name-$1"-[1-8].ppm
}

start_joined cage -d -- sh -c "'$work/announce'; exec cat '$work/end'"
play fenced || fail "torn, or not to be judged"
[ "$(stat_of "$work/fenced" early_shows)" = 0 ] || fail "shown before it was drawn"

# What `signalbox run` does, with the control in front.
compositor_log=$work/control.log
start_compositor env LD_PRELOAD="$SBX_BUILD/tests/e2e/libunfenced.so:$SBX_BUILD/tools/libsignalbox-preload.so" \
	SIGNALBOX_RUN=join SIGNALBOX_RUN_POLICY=materialised \
	cage -d -- sh -c "'$work/announce'; exec cat '$work/end'"
grep -q 'wlroots asks signalbox what to wait for' "$compositor_log" || fail_here "the control is noticed"
play control
[ $? -eq 1 ] || fail "the oracle did not see that unfenced scanout tears"
rm -f "$SBX_OUT/$test_name"-*
