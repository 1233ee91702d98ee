# shellcheck shell=bash disable=SC2154
# A display driver with faults (tests/harness/kms_fault.c) under tiny, and a client whose frames are followed on
# the monitor; sourced after common.sh.

export SBX_KMS_FAULT=$work/faults
tiny_env+=("LD_PRELOAD=$SBX_BUILD/tests/harness/kms-fault.so" "SBX_KMS_FAULT=$SBX_KMS_FAULT")

# Faults are put there at once, never half written.
fault() { # LINE...
	printf '%s\n' "$@" >"$work/faults.new"
	mv "$work/faults.new" "$SBX_KMS_FAULT"
}

begin_with() { # LINE...
	: >"$SBX_KMS_FAULT.log"
	fault "$@"
}

done_faults() { # PATTERN
	grep -c "^$1" "$SBX_KMS_FAULT.log"
}

# Waits until the log of faults has a line that matches so often.
wait_faults() { # COUNT PATTERN
	local tries=0
	while [ "$(done_faults "$2")" -lt "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "$2 did not happen $1 times: $(sort "$SBX_KMS_FAULT.log" | uniq -c)"
		sleep 0.1
	done
}

start_client() { # NAME OPTION...
	local name=$1
	shift
	"$sync_client" --size 256x192 --late 20 --stats "$work/$name" "$@" &
	client=$!
}

end_client() { # NAME
	end "$client" sync-client
	[ "$(stat_of "$work/$1" early_releases)" = 0 ] || fail "$1: released while in use"
	[ "$(stat_of "$work/$1" early_shows)" = 0 ] || fail "$1: shown before it was drawn"
}

whole() { # NAME [HEAD]
	local i
	for i in 1 2 3; do
		capture "$1$i" "${2-0}"
	done
	"$tear_oracle" --windows 1 "$SBX_OUT/$test_name-$1"[1-3].ppm || fail "$1: torn, or not to be judged"
}

# Whether the window shows another frame within that time.
goes_on() { # SECONDS [HEAD]
	local until=$((SECONDS + $1)) first='' now
	while [ $SECONDS -lt $until ]; do
		capture now "${2-0}"
		now=$("$tear_oracle" --windows 1 "$picture" | sed -n 's/.* frame \([0-9]*\): whole.*/\1/p')
		first=${first:-$now}
		[ "$now" = "$first" ] || return 0
		sleep 0.1
	done
	return 1
}

wait_log() { # TEXT
	local tries=0
	until grep -q "$1" "$work/tiny.log"; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "tiny does not say: $1"
		sleep 0.1
	done
}

count_log() { # TEXT
	grep -c "$1" "$work/tiny.log"
}

# One who says "ready" before it draws is seen to tear.
control_tears() {
	local control tries=0
	"$sync_client" --size 256x192 --late 120 --no-wait-control &
	control=$!
	until
		capture control
		"$tear_oracle" --windows 1 "$picture" | grep -q TORN
	do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "the control: not seen to tear"
	done
	end $control control
}
