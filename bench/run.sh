#!/bin/sh
# Runs the bench and keeps what it says in $SBX_OUT. `./dev bench` calls this where it is to run: on
# the machine itself or inside the lab VM.
# Usage: bench/run.sh [BUILD_DIR] [options of signalbox-bench]
set -eu
build=${1:-build}
[ $# -eq 0 ] || shift
out=${SBX_OUT:-.}
exec "$build/bench/signalbox-bench" --markdown "$out/bench.md" --json "$out/bench.json" "$@"
