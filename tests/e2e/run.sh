# shellcheck shell=bash disable=SC2034
# Unmodified compositors with `signalbox run`; sourced after common.sh. Each is started twice, with
# wlroots' own GLES2 renderer and with signalbox, and must show the same.

signalbox=$SBX_BUILD/tools/signalbox
picture_diff=$SBX_BUILD/tests/e2e/picture-diff
compositor_pid=
compositor_log=
# Options for `signalbox run`.
run_options=()

# The window of a client of shared memory is filled with this.
shm_color=305080
# Both clients of sync-client's leave this frame there.
last_frame=5

# Starts a compositor on the VM's monitor. It is to write its WAYLAND_DISPLAY to $DISPLAY_FILE, with
# announce.
start_compositor() { # COMMAND...
	local waited=0
	rm -f "$work/display"
	unset WAYLAND_DISPLAY
	export DISPLAY_FILE=$work/display
	lab-seat "$@" >"$compositor_log" 2>&1 &
	compositor_pid=$!
	while [ ! -e "$work/display" ]; do
		kill -0 "$compositor_pid" 2>/dev/null || fail_here "$1 did not start"
		[ $waited -lt 2400 ] || fail_here "$1 is not ready after 240 s"
		sleep 0.1
		waited=$((waited + 1))
	done
	WAYLAND_DISPLAY=$(cat "$work/display")
	export WAYLAND_DISPLAY
}

fail_here() {
	[ ! -e "$compositor_log" ] || cp "$compositor_log" "$SBX_OUT/$test_name.log"
	[ ! -e "$compositor_log" ] || tail -n 40 "$compositor_log" >&2
	fail "$@"
}

# What the compositor runs first: the name of its socket, and its environment, for children.
cat >"$work/announce" <<'END'
#!/bin/sh
env >"$DISPLAY_FILE.env"
echo "$WAYLAND_DISPLAY" >"$DISPLAY_FILE.new" && mv "$DISPLAY_FILE.new" "$DISPLAY_FILE"
END
chmod +x "$work/announce"

# With wlroots' own renderer, as the control; and with signalbox.
start_control() { # COMMAND...
	compositor_log=$work/control.log
	start_compositor env WLR_RENDERER=gles2 WLR_RENDERER_ALLOW_SOFTWARE=1 "$@"
}

start_joined() { # COMMAND...
	compositor_log=$work/joined.log
	# Its own explicit sync is not what clients get: this renderer of wlroots' has none.
	start_compositor env WLR_RENDERER=pixman "$signalbox" run "${run_options[@]}" -- "$@"
	grep -qx "signalbox: $1 is joined: renderer, explicit sync" "$compositor_log" ||
		fail_here "$1 was not joined"
	grep -q 'render: .*DRM node .*, explicit sync: yes' "$compositor_log" ||
		fail_here "$1 does not draw with signalbox"
	! grep -qE '^(LD_PRELOAD|SIGNALBOX_RUN)' "$work/display.env" ||
		fail_here "its children have the preload"
	wayland-info | grep -q wp_linux_drm_syncobj_manager_v1 || fail_here "no explicit sync is offered"
}

stop_compositor() {
	kill -TERM "$compositor_pid" || fail_here "the compositor is gone already"
	wait_compositor
}

wait_compositor() {
	wait "$compositor_pid" || fail_here "the compositor ended with status $?"
	if grep -E 'Validation Error|VUID-|SYNC-HAZARD|signalbox bug|Sanitizer|runtime error' \
		"$compositor_log" >&2; then
		fail_here "its log holds this"
	fi
}

# Captures until a command says that all is there.
wait_for() { # WHAT COMMAND...
	local what=$1 tries=0
	shift
	until capture now && "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail_here "$what is not on the monitor"
		sleep 0.3
	done
}

# Its text, too, which comes a frame later: 20 columns in reverse.
shows_shm() {
	[ "$("$picture_diff" --count $shm_color "$picture")" -gt 1000 ] &&
		[ "$("$picture_diff" --count ffffff "$picture")" -gt 1000 ]
}

# So many windows of sync-client, each whole, and with its last frame.
shows_frames() { # COUNT
	"$tear_oracle" --windows "$1" "$picture" >"$work/oracle" &&
		[ "$(grep -c "frame $((last_frame - 1)): whole" "$work/oracle")" = "$1" ]
}

start_shm() {
	foot --app-id=shm --title=shm --window-size-pixels=280x200 \
		-o "colors-dark.background=$shm_color" -o colors-dark.foreground=ffffff -o cursor.blink=no \
		-o csd.preferred=none sh -c 'printf "\033[7m%20s\033[0m\n" "shared memory"; exec sleep 1000' >"$work/foot.log" 2>&1 &
	client_pid=$!
	wait_for "foot" shows_shm
}

start_dmabuf() { # NAME WINDOWS OPTION...
	local name=$1 windows=$2
	shift 2
	"$sync_client" --name "$name" --size 192x160 --hold $last_frame --stats "$work/$name" "$@" &
	client_pid=$!
	wait_for "$name" shows_frames "$windows"
}

# The client ends well, was synchronised so, and saw nothing early.
end_dmabuf() { # PID NAME SYNC
	end "$1" "$2"
	[ "$(stat_of "$work/$2" sync)" = "$3" ] || fail_here "$2: $(stat_of "$work/$2" sync), not $3"
	[ "$(stat_of "$work/$2" frames)" = $last_frame ] || fail_here "$2 did not get to its last frame"
	[ "$(stat_of "$work/$2" early_releases)" = 0 ] || fail_here "$2: released while in use"
}

end_shm() { # PID
	kill -TERM "$1"
	wait "$1"
}

# Keeps what the monitor shows, when it has come to rest.
keep() { # NAME
	cp "$picture" "$work/$1.ppm"
	capture now
	until cmp -s "$picture" "$work/$1.ppm"; do
		cp "$picture" "$work/$1.ppm"
		sleep 0.3
		capture now
	done
}

# The picture is that of the control; with what it is not, as the control of this comparison.
expect_same() { # PICTURE CONTROL OTHER
	"$picture_diff" "$work/$1.ppm" "$work/$2.ppm" || {
		cp "$work/$1.ppm" "$SBX_OUT/$test_name-$1.ppm"
		cp "$work/$2.ppm" "$SBX_OUT/$test_name-$2.ppm"
		fail "$1 is not as with wlroots' renderer"
	}
	! "$picture_diff" "$work/$1.ppm" "$work/$3.ppm" >/dev/null || fail "$3 looks like $1"
}

# One byte more by two is seen, and by one is not. The byte in the middle is not a number near 255 in
# any of these pictures' places.
expect_sharp() { # PICTURE
	python3 - "$work/$1.ppm" "$work/by-one.ppm" "$work/by-two.ppm" <<'END'
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
at = len(data) // 2
step = 1 if data[at] < 250 else -1
for path in sys.argv[2:]:
	data[at] += step
	open(path, 'wb').write(data)
END
	"$picture_diff" "$work/$1.ppm" "$work/by-one.ppm" || fail "1/255 is too much for the comparison"
	! "$picture_diff" "$work/$1.ppm" "$work/by-two.ppm" || fail "2/255 is too little for the comparison"
}
