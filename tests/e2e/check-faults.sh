#!/bin/bash
# Checks can fail: with each fault of tests/check/faults/faults.list committed on purpose inside
# tiny, and so inside our protocol code, the checks named there are not met. By default the first
# check of the eight faults in $usual; with SBX_CHECK_FAULTS=first that of every fault; with
# SBX_CHECK_FAULTS=all every line, and before that a run of all checks without a fault, which must
# be met; docs/conformance.md has the command.
# SBX_CHECK_FAULTS="FAULT [FAULT]..." are the lines of these.
# dev: vm --outputs 640x480
# dev: timeout 900
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

list=$(dirname "$0")/../check/faults/faults.list
faults=$SBX_BUILD/tests/check/libcheck-faults.so
usual=' acquire-ignored acquire-first release-never release-at-commit errors-ignored low-word points-stay dies '
declare -A begun=()
failed=0
SBX_CHECK_FAULTS=${SBX_CHECK_FAULTS-}
# SBX_CHECK_COMPOSITOR=labwc: the same inside wlroots' protocol code.
compositor=${SBX_CHECK_COMPOSITOR:-$tiny}
options=() # more of them for the tool

run_check() { # FAULT [CHECK]...
	local fault=$1 only=()
	shift
	[ $# = 0 ] || only=(--only "$(IFS=,; echo "$*")")
	rm -f "$work/spared"
	# What must happen does not happen here: no use to wait for it as long as for a slow machine.
	lab-seat "$SBX_BUILD/tools/signalbox" check "${only[@]}" "${options[@]}" --seed 1 --patience 2500 \
		--start "env CHECK_FAULT=$fault CHECK_FAULT_SPARED=$work/spared LD_PRELOAD=$faults $compositor" \
		>"$work/out" 2>"$work/err"
}

complain() { # FAULT CHECK WHAT
	echo "$test_name: $1: $2 $3" >&2
	grep -A 3 "ok [0-9]* - $2\b" "$work/out" >&2 || cat "$work/err" >&2
	failed=1
}

judge() { # FAULT CHECK...
	local fault=$1 mark=+ check
	shift
	run_check "$fault" "$@"
	for check in "$@"; do
		if ! grep -q "^not ok [0-9]* - $check$" "$work/out"; then
			complain "$fault" "$check" "did not fail"
			mark=-
		fi
	done
	echo "$mark$fault $*"
}

judge_first() { # FAULT CHECK...
	if [ -z "${begun[$1]-}" ]; then
		begun[$1]=yes
		judge "$1" "$2"
	fi
}

# Every check is met where nothing is broken, with the same options.
control() {
	run_check none
	if grep -A 3 '^not ok' "$work/out" >&2 || ! grep -q '^ok' "$work/out"; then
		failed=1
	fi
	echo "none: $(grep -c '^ok' "$work/out") met, $(grep -c '^not ok' "$work/out") not met"
}

# With --fresh it is started again after each check that it has not met.
count_starts() {
	options=(--fresh --log "$work/log")
	run_check acquire-ignored latch/unmaterialised latch/first-content release/after-replaced
	options=()
	if [ "$(grep -c 'tiny is ready' "$work/log")" != 3 ]; then
		echo "$test_name: not started anew: $(cat "$work/out" "$work/err" "$work/log")" >&2
		failed=1
	fi
}

[ "$SBX_CHECK_FAULTS" != all ] || control
[ "$compositor" != "$tiny" ] || count_starts
while read -r fault checks; do
	fault=${fault#+}
	case " $SBX_CHECK_FAULTS " in
	'  ')
		[[ $usual == *" $fault "* ]] || continue
		how=judge_first
		;;
	' first ') how=judge_first ;;
	' all ' | *" $fault "*) how=judge ;;
	*) continue ;;
	esac
	# shellcheck disable=SC2086
	[ -z "$checks" ] || "$how" "$fault" $checks </dev/null
done < <(grep -v '^#' "$list")
[ $failed = 0 ] || exit 1
