#!/bin/bash
# Checks can fail: with each fault of tests/check/faults/faults.list committed on purpose inside
# tiny, the checks named there are not met. By default the first check of a few faults; with
# SBX_CHECK_FAULTS=all everything, which takes half an hour in an unloaded lab.
# dev: timeout 600
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

list=$(dirname "$0")/../check/faults/faults.list
faults=$SBX_BUILD/tests/check/libcheck-faults.so
few=' acquire-ignored release-never release-at-commit errors-wrong '
failed=0

judge() { # FAULT CHECK...
	local fault=$1 checks
	shift
	if [ "${SBX_CHECK_FAULTS-}" != all ]; then
		[ "$few" != "${few/ $fault / }" ] || return
		few=${few/ $fault / }
		set -- "$1"
	fi
	checks=$(IFS=,; echo "$*")
	# A failure takes the time that a success is given, so each fault has a compositor to itself.
	lab-seat "$SBX_BUILD/tools/signalbox" check --only "$checks" --seed 1 \
		--start "env CHECK_FAULT=$fault LD_PRELOAD=$faults $tiny" >"$work/out" 2>"$work/err"
	for check in "$@"; do
		if ! grep -q "^not ok [0-9]* - $check$" "$work/out"; then
			echo "$test_name: $fault: $check did not fail" >&2
			grep -A 3 "ok [0-9]* - $check\b" "$work/out" >&2 || cat "$work/err" >&2
			failed=1
		fi
	done
	echo "$fault: $(grep -c '^not ok' "$work/out") of $# not met"
}

while read -r fault checks; do
	fault=${fault#+}
	# shellcheck disable=SC2086
	case $fault in
	''|'#'*) ;;
	*) judge "$fault" $checks </dev/null ;;
	esac
done <"$list"
[ $failed = 0 ] || exit 1
