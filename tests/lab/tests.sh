# shellcheck shell=bash
# What `./dev test` does: four builds; the host's tests in two of them; a minute of the
# fuzzer; then one boot of the lab VM for what needs its devices, and beside it further
# boots for e2e tests, one for each kind of hardware that they ask for. Sourced by dev.
#
# A Meson test belongs to a run by its suite:
#	project		runs here, once
#	host		runs here, normal and sanitizer build
#	lab		runs in the VM, normal build, with Vulkan validation
#	lab-asan	runs in the VM, sanitizer build (a test may be in both)
#	should-fail	beside another: its failure is what is expected
# tests/e2e/*.sh run in the VM. They find the build in $SBX_BUILD, put files into
# $SBX_OUT and may call lab-screendump; exit status 77 is a skip. Comments ask for more:
#	# dev: vm --outputs 1024x768,800x600	options of the VM
#	# dev: timeout 60			seconds, before the VM's slowness (default 120)
#	# dev: sanitizers too			a second time with the sanitizer build

: "${root:?}" "${lab:?}"

results=$root/out/test/results
expected=()
only=()

# Runs groups of tests here; see run-tests for what a group is.
test_here() { # GROUP...
	expected+=("$@")
	in_env python3 "$lab/run-tests" --results "$results" --jobs "$(nproc)" \
		"${only[@]}" "$@" </dev/null || say "the tests ended early"
}

test_in_lab() { # RESULTS [VM OPTION]... -- GROUP...
	local file=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	SIGNALBOX_VALIDATION=1 in_lab build --timeout 2700 "${options[@]}" -- \
		python3 "$lab/run-tests" --results "$file" --jobs 2 --slow 4 "${only[@]}" "$@" </dev/null ||
		say "the lab ended early"
}

# The VM options that an e2e script asks for.
vm_options_of() { # SCRIPT
	sed -n 's/^# dev: vm //p' "$1" | head -n 1
}

# Prints the e2e groups of the scripts that ask for exactly these VM options.
e2e_groups() { # OPTIONS
	local script normal=() sanitizers=()
	for script in tests/e2e/*.sh; do
		if [ ! -x "$script" ] || [ "$(vm_options_of "$script")" != "$1" ]; then
			continue
		fi
		normal+=("$script")
		! grep -q '^# dev: sanitizers too' "$script" || sanitizers+=("$script")
	done
	local IFS=,
	[ ${#normal[@]} -eq 0 ] || echo "build:e2e:${normal[*]}"
	[ ${#sanitizers[@]} -eq 0 ] || echo "build-asan:e2e:${sanitizers[*]}"
}

all_vm_options() {
	local script
	for script in tests/e2e/*.sh; do
		[ ! -x "$script" ] || vm_options_of "$script"
	done | sort -u
}

test_builds() {
	local ok=0
	build_quietly "normal build" build || ok=1
	CC=clang build_quietly "clang build" build-clang || ok=1
	build_quietly "sanitizer build" build-asan -Db_sanitize=address,undefined || ok=1
	return "$ok"
}

# About a minute of the fuzzer: one test, if it is asked for. The same inputs each time: a test fails for what
# was changed, and not by chance. `./dev fuzz` looks further.
test_fuzz() {
	local log=$root/out/test/fuzz.log folder=out/test/fuzz
	case " ${only[*]-} " in
	'  ' | *fuzz*) ;;
	*) return 0 ;;
	esac
	expected+=(fuzz)
	mkdir -p out/fuzz
	if build_fuzz && run_fuzz "$folder" -seed=1 -runs=10000 -max_total_time=300 >"$log" 2>&1 </dev/null; then
		echo "ok     fuzz"
		printf '1 0 0 fuzz\nend fuzz\n' >>"$results"
	else
		echo "not ok fuzz (log: $log)"
		printf '0 1 0 fuzz\nend fuzz\n' >>"$results"
	fi
}

# Prints the last line and says with its status whether all is well: a group that did not
# reach its end counts as one failure, and so does a run in which nothing ran.
summary() {
	local group
	for group in "${expected[@]}"; do
		if ! grep -qxF "end $group" "$results"; then
			echo "not ok ${group%:tests/*}: did not run to its end"
			echo "0 1 0 $group" >>"$results"
		fi
	done
	awk '$1 != "end" { passed += $1; failed += $2; skipped += $3 }
		END {
			printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
			exit failed > 0 || passed == 0
		}' "$results"
}

# Prints and removes the first line; fails when there is none.
take_line() { # FILE
	{
		flock 9
		[ -s "$1" ] || return 1
		head -n 1 "$1"
		sed -i 1d "$1"
	} 9>"$1.lock"
}

# Boots a VM for each line of $queue, the options that scripts ask for, until none is left.
work_off() {
	local options words groups
	while options=$(take_line "$queue"); do
		read -ra words <<<"$options"
		mapfile -t groups < <(e2e_groups "$options")
		test_in_lab "$results.e2e${options//[^a-z0-9]/_}" "${words[@]}" -- "${groups[@]}"
	done
}

# Most of the time such a VM waits for its monitor's next frame. Two run at a time, with a file each: what one of
# them appends to a shared one, the other's cache may overwrite. Those with most scripts come first.
test_all_in_lab() {
	local options groups main=(build:lab build-asan:lab-asan) queue=$out/queue
	expected+=("${main[@]}")
	while read -r options; do
		mapfile -t groups < <(e2e_groups "$options")
		expected+=("${groups[@]}")
		echo "$(tr -cd , <<<"${groups[*]}" | wc -c) $options"
	done < <(echo && all_vm_options) > >(sort -rn | cut -d' ' -f2- >"$queue")
	wait $!
	{
		test_in_lab "$results.main" -- "${main[@]}"
		work_off
	} &
	! machine_has_gpu build 2>/dev/null || wait # there is one display only
	work_off
	wait
	cat "$results".* >>"$results"
}

run_all_tests() { # [NAME]...
	local name
	for name in "$@"; do
		only+=(--only "$name")
	done
	out=$root/out/test
	rm -rf "$out"
	mkdir -p "$out"
	: >"$results"
	if ! test_builds; then
		printf '\n0 passed, 1 failed, 0 skipped\n'
		return 1
	fi
	test_here build:project build:host build-asan:host
	test_fuzz
	test_all_in_lab
	summary
}
