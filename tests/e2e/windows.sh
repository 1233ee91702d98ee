#!/bin/bash
# What a user does to windows, with the VM's keyboard and tablet: focus, move, resize, fullscreen,
# close. The oracle says where windows are, for it finds them by what is in them.
# shellcheck source=tests/e2e/common.sh disable=SC2119
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/e2e/input.sh
. "$(dirname "$0")/input.sh"

width=1024
height=768

# The window of that palette as WxH+X+Y; nothing if it is not there.
where() { # PALETTE
	"$tear_oracle" "$picture" | sed -n "s/.*: \([0-9]*x[0-9]*\) at \(.*\),\(.*\) palette $1 .*/\1+\2+\3/p"
}

expect() { # PALETTE PLACE WHAT
	local tries=0
	until capture now && [ "$(where "$1")" = "$2" ]; do
		tries=$((tries + 1))
		[ $tries -lt 40 ] || fail "$3: window $1 is at \"$(where "$1")\", not at \"$2\""
		sleep 0.2
	done
	echo "$3: ok"
}

start_tiny
"$sync_client" --size 256x192 --palette 0 &
first=$!
expect 0 256x192+16+16 "first window"
"$sync_client" --size 192x192 --palette 1 &
second=$!
expect 1 192x192+288+16 "second window, next to the first"

drag left 100 100 400 300
expect 0 256x192+316+216 "moved"
drag right 560 400 600 450
expect 0 296x242+316+216 "resized at the lower right corner"
drag right 320 220 340 250
expect 0 276x212+336+246 "resized at the upper left corner"

with_alt tab
with_alt f
expect 1 ${width}x$height+0+0 "the other one, fullscreen"
with_alt f
expect 1 192x192+288+16 "and back"
with_alt q
wait $second || fail "the closed client ended with status $?"
expect 1 "" "closed"
expect 0 276x212+336+246 "the first one stays"

# Nobody is there to answer after this.
send "$(key_event alt true)"
send "$(key_event esc true)"
send "$(key_event esc false)"
send "$(key_event alt false)"
wait "$tiny_pid" || fail "tiny ended with status $?"
wait $first
[ $? -eq 1 ] || fail "a client did not notice that tiny ended"
rm -f "$SBX_OUT/$test_name"-*
