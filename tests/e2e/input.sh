# shellcheck shell=bash
# The VM's keyboard and tablet; sourced after common.sh. The tablet spans the whole layout of
# outputs, $width by $height.

send() { # JSON...
	local IFS=,
	lab-host qmp "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[$*]}}" \
		>/dev/null || fail "no input events"
}

# Sends events and waits until tiny has seen them: one that is busy reads keyboard and tablet
# later, in whichever order. A client that was answered proves that its loop has gone round.
event() { # JSON...
	send "$@"
	wayland-info >/dev/null || fail "tiny does not answer"
}

key_event() { # QCODE true|false
	echo "{\"type\":\"key\",\"data\":{\"down\":$2,\"key\":{\"type\":\"qcode\",\"data\":\"$1\"}}}"
}

key() { # QCODE true|false
	event "$(key_event "$1" "$2")"
}

with_alt() { # QCODE
	key alt true
	key "$1" true
	key "$1" false
	key alt false
}

point() { # X Y
	: "${width:?}" "${height:?}"
	event "{\"type\":\"abs\",\"data\":{\"axis\":\"x\",\"value\":$((($1 * 32768 + 16384) / width))}}" \
		"{\"type\":\"abs\",\"data\":{\"axis\":\"y\",\"value\":$((($2 * 32768 + 16384) / height))}}"
}

button() { # left|right true|false
	event "{\"type\":\"btn\",\"data\":{\"down\":$2,\"button\":\"$1\"}}"
}

drag() { # BUTTON X Y TO_X TO_Y
	point "$2" "$3"
	key alt true
	button "$1" true
	point $((($2 + $4) / 2)) $((($3 + $5) / 2))
	point "$4" "$5"
	button "$1" false
	key alt false
}
