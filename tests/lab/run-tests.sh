#!/bin/bash
# Tests of run-tests, as TAP: that it counts what really happened. The build folder is
# made up; each of its tests is a line of shell.
# shellcheck disable=SC2016 # which expands when it runs

set -u

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/build/meson-info"
number=0

# Runs one test that is this line of shell; checks the counts and the text printed.
expect() { # NAME SHELL COUNTS TEXT [SUITE]...
	local name=$1 shell=$2 counts=$3 text=$4 suites
	shift 4
	suites=$(printf ',"signalbox:%s"' "$@")
	number=$((number + 1))
	rm -rf "$scratch/results" "$scratch/logs"
	printf '%s' "$shell" >"$scratch/script"
	cat >"$scratch/build/meson-info/intro-tests.json" <<END
[{"name": "it", "cmd": ["bash", "$scratch/script"], "env": {"FROM": "meson"}, "workdir": null,
"timeout": 1, "is_parallel": true, "suite": ["signalbox:one"$suites]}]
END
	"$lab/run-tests" --results "$scratch/results" "$scratch/build:one" >"$scratch/output" 2>&1
	if grep -qxF "$counts it" "$scratch/results" && grep -qF "$text" "$scratch/output" &&
		[ "$(tail -n 1 "$scratch/results")" = "end $scratch/build:one" ]; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		sed 's/^/# /' "$scratch/output" "$scratch/results"
	fi
}

expect "a pass" 'true' "1 0 0" "ok     it"
expect "a failure shows its output" 'echo why; exit 3' "0 1 0" "    | why"
expect "a failure's status" 'exit 3' "0 1 0" "exit status 3"
expect "a crash without a word" 'kill -SEGV $$' "0 1 0" "killed by SIGSEGV"
expect "a test that hangs" 'sleep 60' "0 1 0" "ran out of time"
expect "and one whose child hangs" 'sleep 60 & exit 0' "1 0 0" "ok     it"
expect "a skip gives its reason" 'echo no such device; exit 77' "0 0 1" "skipped: no such device"
expect "the environment that Meson sets" '[ "$FROM" = meson ]' "1 0 0" "ok     it"
expect "TAP counts case by case" \
	'echo 1..3; echo ok 1 - a; echo "ok 2 - # SKIP b"; echo not ok 3 - c; exit 1' "1 1 1" "failed: c"
expect "TAP, then a crash" 'echo 1..2; echo ok 1 - a; kill -ABRT $$' "1 1 0" "killed by SIGABRT"
expect "TAP that lacks cases" 'echo 1..3; echo ok 1 - a' "1 2 0" "2 cases of the plan did not run"
expect "a sanitizer's message" 'echo "a.c:3:1: runtime error: bad" >&2' "0 1 0" "runtime error"
expect "a message of Vulkan validation" 'echo VUID-vkQueueSubmit-x' "0 1 0" "VUID-"
expect "and in a case of several" 'echo 1..1; echo ok 1 - a; echo VUID-a' "1 1 0" "VUID-"
expect "an expected failure" 'exit 1' "1 0 0" "ok     it" should-fail
expect "an expected failure that passes" 'true' "0 1 0" "was expected to fail" should-fail
expect "an expected failure that crashes" 'kill -SEGV $$' "0 1 0" "killed by SIGSEGV" should-fail

echo "1..$number"
