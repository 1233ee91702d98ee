#!/bin/sh
# Runs the bench and keeps what it says in $SBX_OUT. `./dev bench` calls this where it is to run: on
# the machine itself or inside the lab VM. It finds the build in $SBX_BUILD; arguments are options of
# signalbox-bench.
set -eu
build=${SBX_BUILD:-build}
out=${SBX_OUT:-.}
exec "$build/bench/signalbox-bench" --markdown "$out/bench.md" --json "$out/bench.json" "$@"
