#include <poll.h>
#include <unistd.h>

#include "check/capture.h"
#include "check/cases.h"
#include "check/expect.h"
#include "linux-drm-syncobj-v1-client.h"
#include "xdg-shell-client.h"

// While it is shown.

static void not_while_shown(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	expect_not_released(frame);
	expect_stays(frame);
	expect_not_released(frame);
}

static void not_while_next_is_held(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	hold(window);
	expect_not_released(frame);
}

static void after_pending(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window), *next = frame_new(window);
	struct fence *fence = frame_fence(next);
	frame_commit(next);
	// Whether the old buffer is read again until the fence signals is the compositor's choice.
	check_pause(check, check->env->quiet_ms);
	fence_signal(fence);
	expect_released(frame);
	expect_not_released(next);
}

static void not_by_empty_commits(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	for (int i = 0; i < 10; i++) {
		surface_commit_empty(window);
		check_pause(check, 5);
	}
	expect_not_released(frame);
}

static void not_by_other_surface(struct check *check) {
	struct client *client = client_open(check);
	struct surface *one = window_open(client), *two = window_open(client);
	struct frame *frame = show(one);
	for (int i = 0; i < 4; i++) {
		show(two);
	}
	expect_not_released(frame);
}

static void not_by_sync_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	surface_destroy_sync(window);
	client_flush(window->client);
	expect_not_released(frame);
	expect_stays(frame);
}

static void not_by_timeline_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	timeline_destroy_object(frame->acquire.timeline);
	timeline_destroy_object(frame->release.timeline);
	client_flush(window->client);
	expect_not_released(frame);
}

static void not_while_held(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	expect_not_released(held);
	frame_signal(held);
	expect_shown(held);
	expect_not_released(held);
}

// Every way in which a loan can end.

static void after_replaced(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window);
	show(window);
	expect_released(first);
}

static void after_replaced_by_held(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *second = hold(window);
	expect_not_released(first);
	frame_signal(second);
	expect_released(first);
	expect_not_released(second);
}

static void after_attach_nothing(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	surface_commit_nothing(window);
	expect_released(frame);
}

static void after_remapped(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window);
	surface_commit_nothing(window);
	window_configure_again(window);
	show(window);
	expect_released(first);
}

static void after_role_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	surface_destroy(window);
	expect_released(frame);
}

static void after_sync_and_surface_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	surface_destroy_sync(window);
	surface_destroy(window);
	expect_released(frame);
}

static void after_sync_destroyed_and_replaced(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window);
	surface_destroy_sync(window);
	struct frame *implicit = frame_new(window);
	frame_commit(implicit);
	expect_shown(implicit);
	expect_released(first);
}

static void after_timelines_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window);
	timeline_destroy_object(first->acquire.timeline);
	timeline_destroy_object(first->release.timeline);
	show(window);
	expect_released(first);
}

static void after_buffer_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window);
	buffer_destroy_object(first->buffer);
	client_flush(window->client);
	expect_not_released(first);
	show(window);
	expect_released(first);
}

static void after_disconnect(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	client_close(window->client);
	expect_released(frame);
}

static void after_disconnect_held(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *shown = show(window), *held = hold(window);
	client_roundtrip(window->client);
	client_close(window->client);
	expect_released(shown);
	expect_released(held);
}

static void after_error(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	client_may_fail(window->client);
	// Points without a buffer.
	surface_set_acquire(window, frame->acquire);
	surface_commit(window);
	expect_released(frame);
}

struct victim {
	struct timeline *acquire, *release;
	int shown_fd; // marked once the picture is on the screen
};

static void show_and_stay(struct check *check, void *data) {
	const struct victim *victim = data;
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	struct timeline acquire = *victim->acquire, release = *victim->release;
	acquire.object = timeline_import(&acquire, window->client);
	release.object = timeline_import(&release, window->client);
	frame->acquire = (struct point){ &acquire, 1 };
	frame->release = (struct point){ &release, 1 };
	frame_commit(frame);
	expect_shown(frame);
	check_mark_set(victim->shown_fd);
	check_pause(check, 3600000);
}

static void after_kill(struct check *check) {
	struct victim victim = { timeline_new(check), timeline_new(check), check_mark_new(check) };
	struct point release = { victim.release, 1 };
	point_signal((struct point){ victim.acquire, 1 });
	pid_t pid = check_fork(check, show_and_stay, &victim);
	check_mark_wait(check, victim.shown_fd, "another client's content is shown");
	expect_unsignalled(release, "the release point of a buffer in use");
	check_kill(pid);
	expect_signalled(release, "the release point of a killed client");
}

static void same_buffer(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	struct point first = frame->release;
	frame_next_points(frame);
	frame_signal(frame);
	frame_commit(frame);
	expect_signalled(first, "the first release point of a buffer that was committed again");
	expect_not_released(frame);
}

static void same_buffer_many(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	struct point first = frame->release;
	struct point releases[5];
	for (int i = 0; i < 5; i++) {
		// A timeline for each, so that no later point can stand in for an earlier one.
		releases[i] = (struct point){ timeline_open(window->client), 1 };
		frame->release = releases[i];
		frame->acquire.value++;
		frame_signal(frame);
		frame_commit(frame);
	}
	expect_shown(frame);
	show(window);
	expect_signalled(first, "the first release point");
	for (int i = 0; i < 5; i++) {
		expect_signalled(releases[i], "a release point of a buffer committed five times");
	}
}

static void burst(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frames[10];
	show(window);
	for (int i = 0; i < 10; i++) {
		frames[i] = put(window);
	}
	expect_shown(frames[9]);
	for (int i = 0; i < 9; i++) {
		expect_released(frames[i]);
	}
	expect_not_released(frames[9]);
}

static void held_then_replaced(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *held = hold(window), *last = put(window);
	frame_signal(held);
	expect_shown(last);
	expect_released(first);
	expect_released(held);
	expect_not_released(last);
}

static void held_then_nothing(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *shown = show(window), *held = hold(window);
	surface_commit_nothing(window);
	check_pause(check, 50);
	frame_signal(held);
	expect_released(held);
	expect_released(shown);
}

static void held_then_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *shown = show(window), *held = hold(window);
	surface_destroy(window);
	expect_released(shown);
	// It was never read: the compositor need not wait for a signal that may never come.
	expect_released(held);
}

static void held_first_then_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *held = hold(window);
	client_roundtrip(window->client);
	surface_destroy(window);
	expect_released(held);
}

static void high_release_value(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	frame->release.value = UINT64_MAX;
	frame_signal(frame);
	frame_commit(frame);
	expect_shown(frame);
	expect_not_released(frame);
	show(window);
	expect_released(frame);
}

static void only_its_own_point(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	frame->release.value = 5;
	frame_signal(frame);
	frame_commit(frame);
	expect_shown(frame);
	show(window);
	expect_released(frame);
	expect_unsignalled((struct point){ frame->release.timeline, 6 },
		"the point after the release point");
}

// Hidden windows.

static void under_another_window(struct check *check) {
	struct client *client = client_open(check);
	struct surface *window = window_open(client);
	struct frame *first = show(window);
	struct surface *cover = window_open_fullscreen(client);
	show(cover);
	put(window);
	expect_released(first);
}

static void minimised(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window);
	xdg_toplevel_set_minimized(window->toplevel);
	client_roundtrip(window->client);
	check_pause(check, 100);
	put(window);
	expect_released(first);
}

static void no_role(struct check *check) {
	struct surface *surface = surface_new(client_open(check));
	struct frame *frame = put(surface);
	client_roundtrip(surface->client);
	surface_commit_nothing(surface);
	expect_released(frame);
}

// Subsurfaces.

static struct surface *a_child(struct surface *window, struct frame **frame) {
	struct surface *child = subsurface_open(window);
	*frame = put(child);
	surface_commit_empty(window);
	expect_shown(*frame);
	return child;
}

static void subsurface_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame;
	show(window);
	struct surface *child = a_child(window, &frame);
	surface_destroy(child);
	surface_commit_empty(window);
	expect_gone(frame);
	expect_released(frame);
}

static void subsurface_nothing(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame;
	show(window);
	struct surface *child = a_child(window, &frame);
	surface_commit_nothing(child);
	expect_not_released(frame);
	surface_commit_empty(window);
	expect_released(frame);
}

static void subsurface_superseded(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *shown;
	show(window);
	struct surface *child = a_child(window, &shown);
	struct frame *first = put(child), *second = put(child);
	surface_commit_empty(window);
	expect_shown(second);
	expect_released(shown);
	expect_released(first);
	expect_not_released(second);
}

static void subsurface_never_applied(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *shown;
	show(window);
	struct surface *child = a_child(window, &shown);
	struct frame *cached = put(child);
	client_roundtrip(window->client);
	surface_destroy(child);
	expect_released(shown);
	expect_released(cached);
}

static void subsurface_parent_goes(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame;
	show(window);
	struct surface *child = a_child(window, &frame);
	surface_destroy(window);
	surface_destroy(child);
	expect_released(frame);
}

// Full screen.

static void fullscreen(struct check *check) {
	struct surface *window = window_open_fullscreen(client_open(check));
	struct frame *first = show(window), *second = show(window);
	expect_released(first);
	expect_not_released(second);
	show(window);
	expect_released(second);
}

static void fullscreen_nothing(struct check *check) {
	struct surface *window = window_open_fullscreen(client_open(check));
	struct frame *frame = show(window);
	surface_commit_nothing(window);
	expect_released(frame);
}

// Reuse: what is drawn after the release must not be seen where the old content was.

#define REUSE_FRAMES 20

static void drawn_after_release(struct check *check) {
	if (!capture_is_possible(check)) {
		check_skip(check, "what should not be seen can only be looked for in captures");
	}
	struct surface *window = a_window(check);
	struct frame *frames[2] = { show(window), frame_new(window) };
	uint32_t poison = check_colour(check);
	for (int i = 1; i <= REUSE_FRAMES; i++) {
		struct frame *frame = frames[i % 2], *old = frames[(i + 1) % 2];
		// Renewing takes colours in turn: never that of the poison.
		do {
			frame_renew(frame);
		} while (frame->colour == poison);
		frame_signal(frame);
		frame_commit(frame);
		expect_released(old);
		client_roundtrip(window->client);
		// A client draws into whatever is free, and be it what it has just committed.
		for (int k = 0; k < 2; k++) {
			if (point_is_signalled(frames[k]->release)) {
				buffer_fill(frames[k]->buffer, poison);
			}
		}
		if (image_count(capture_take(check), poison) > WINDOW_SIZE) {
			check_fail(check, "frame %d: what was drawn after the release is on the screen", i);
		}
	}
}

// Latency.

#define LATENCY_FRAMES 300


// Waits on the eventfd where the kernel has it: polling would round the numbers up.
static bool wait_released(struct client *client, struct point point) {
	struct check *check = client->check;
	int fd = point_watch(point);
	uint64_t start = now_ns();
	bool released = false;
	while (!(released = point_is_signalled(point)) &&
			ms_since(start) < check->env->patience_ms) {
		struct pollfd fds[2] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = client_fd(client), .events = POLLIN },
		};
		poll(fds, 2, 2);
		if (fds[1].revents) {
			check_pause(check, 0);
		}
	}
	if (fd >= 0) {
		close(fd);
	}
	return released;
}

static void measure(struct surface *window, const char *what) {
	struct check *check = window->client->check;
	struct frame *frames[3];
	unsigned us[LATENCY_FRAMES];
	for (int i = 0; i < 3; i++) {
		frames[i] = frame_new(window);
	}
	frame_signal(frames[2]);
	frame_commit(frames[2]);
	for (int i = 0; i < LATENCY_FRAMES; i++) {
		struct frame *frame = frames[i % 3], *old = frames[(i + 2) % 3];
		frame_next_points(frame);
		frame_signal(frame);
		uint64_t start = now_ns();
		frame_commit(frame);
		check_doing(check, "waiting for the release of frame %d", i);
		if (!wait_released(window->client, old->release)) {
			check_fail(check, "frame %d: the replaced buffer was not released within %u ms", i,
				check->env->patience_ms);
		}
		us[i] = (unsigned)((now_ns() - start) / 1000);
	}
	check_note_latency(check, what, us, LATENCY_FRAMES);
	unsigned limit_us = 100000 + 6 * check->env->frame_us;
	if (percentile(us, LATENCY_FRAMES, 95) > limit_us) {
		check_fail_slow(check, "one release in twenty took longer than %u ms from the commit that "
			"replaced the buffer", limit_us / 1000);
	}
}

static void latency(struct check *check) {
	measure(a_window(check), "replaced to released, windowed");
}

static void latency_fullscreen(struct check *check) {
	measure(window_open_fullscreen(client_open(check)), "replaced to released, full-screen");
}

static void two_buffers(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frames[2] = { show(window), frame_new(window) };
	// No frame events: releases alone pace this client.
	for (int i = 1; i < 200; i++) {
		struct frame *frame = frames[i % 2];
		frame_next_points(frame);
		frame_signal(frame);
		frame_commit(frame);
		expect_released(frames[(i + 1) % 2]);
	}
	expect_shown(frames[199 % 2]);
}

#define SURFACE "wp_linux_drm_syncobj_surface_v1"
#define IN_USE TEXT(SURFACE ".set_release_point", "Set the timeline point that must be " \
	"signalled by the compositor when it has finished its usage of the buffer attached with " \
	"wl_surface.attach for the relevant commit.")
#define MUST_END IN_USE
#define REUSE TEXT(SURFACE ".set_release_point", "Once the timeline point is signaled, and " \
	"assuming the associated buffer is not pending release from other wl_surface.commit " \
	"requests, no additional explicit or implicit synchronization with the compositor is " \
	"required to safely re-use the buffer.")
#define NOT_AFFECTED TEXT(SURFACE ".destroy", \
	"Any timeline point set by this object before the last commit will not be affected.")
#define TIMELINE_GONE TEXT("wp_linux_drm_syncobj_timeline_v1.destroy", "Other objects are not " \
	"affected by this request, in particular timeline points set by set_acquire_point and " \
	"set_release_point are not unset.")
#define CLIENT_GONE QUALITY("a buffer may outlive the client that committed it: its other " \
	"owners (a window's child process, Xwayland, a sandbox's host) wait for the same point")

const struct check_case release_cases[] = {
	{ "release/not-while-shown", IN_USE,
		"the release point of the buffer on the screen is not signalled", not_while_shown },
	{ "release/not-while-next-held", IN_USE,
		"not while its successor is held, either", not_while_next_is_held },
	{ "release/not-by-empty-commits", IN_USE, "commits without a buffer release nothing",
		not_by_empty_commits },
	{ "release/not-by-other-surface", IN_USE, "another surface's commits release nothing",
		not_by_other_surface },
	{ "release/not-by-sync-destroyed", NOT_AFFECTED,
		"destroying the surface's sync object releases nothing", not_by_sync_destroyed },
	{ "release/not-by-timeline-destroyed", TIMELINE_GONE,
		"destroying the timeline objects releases nothing", not_by_timeline_destroyed },
	{ "release/not-while-held", IN_USE,
		"a held buffer is not released before it was shown and replaced", not_while_held },

	{ "release/after-replaced", MUST_END, "released after the next commit was shown",
		after_replaced },
	{ "release/after-replaced-by-held", MUST_END,
		"released after the held successor was signalled, not before",
		after_replaced_by_held },
	{ "release/after-replaced-by-pending", MUST_END,
		"released after the successor's pending fence has signalled; the successor is not",
		after_pending },
	{ "release/after-nothing", MUST_END,
		"released after an attach of nothing", after_attach_nothing },
	{ "release/after-remapped", MUST_END,
		"released, at the latest, when the window is mapped again with another buffer",
		after_remapped },
	{ "release/after-surface-destroyed", MUST_END,
		"released after role and surface were destroyed", after_role_destroyed },
	{ "release/after-all-destroyed", MUST_END,
		"released after sync object, role and surface were destroyed",
		after_sync_and_surface_destroyed },
	{ "release/after-sync-destroyed", NOT_AFFECTED,
		"after the sync object went, released when an implicit commit replaces the buffer",
		after_sync_destroyed_and_replaced },
	{ "release/after-timelines-destroyed", TIMELINE_GONE,
		"released although the timeline objects went before", after_timelines_destroyed },
	{ "release/after-buffer-destroyed", MUST_END,
		"a wl_buffer destroyed while shown is released when replaced, not before",
		after_buffer_destroyed },
	{ "release/after-disconnect", CLIENT_GONE, "released after the client disconnected",
		after_disconnect },
	{ "release/after-disconnect-held", CLIENT_GONE,
		"shown and held buffers are released after the client disconnected",
		after_disconnect_held },
	{ "release/after-error", CLIENT_GONE, "released after the client's protocol error",
		after_error },
	{ "release/after-kill", CLIENT_GONE, "released after the client was killed", after_kill },
	{ "release/same-buffer", MUST_END,
		"the same buffer committed again: the first commit's point is signalled, the second's "
		"not",
		same_buffer },
	{ "release/same-buffer-many", MUST_END,
		"the same buffer committed six times, then replaced: all six points are signalled",
		same_buffer_many },
	{ "release/burst", MUST_END,
		"of ten commits at once all but the last are released", burst },
	{ "release/held-then-replaced", MUST_END,
		"a held commit with a signalled one behind it: released after the signal",
		held_then_replaced },
	{ "release/held-then-nothing", MUST_END,
		"a held commit with an unmap behind it: both buffers are released after the signal",
		held_then_nothing },
	{ "release/held-then-destroyed",
		QUALITY("a buffer that was never read can be given back at once"),
		"a held commit whose surface is destroyed is released, signalled or not",
		held_then_destroyed },
	{ "release/held-first-then-destroyed",
		QUALITY("a buffer that was never read can be given back at once"),
		"the same for the first commit of a window", held_first_then_destroyed },
	{ "release/largest-value",
		TEXT(SURFACE ".set_release_point",
			"The 64-bit unsigned value combined from point_hi and point_lo is the point value."),
		"release point 2^64-1 is signalled when replaced, not before", high_release_value },
	{ "release/only-its-own-point", MUST_END,
		"release point 5 is signalled, point 6 of the timeline is not", only_its_own_point },

	{ "release/covered",
		QUALITY("a client that waits for its buffers must not freeze because it is covered"),
		"a window under a full-screen one gets its replaced buffer back",
		under_another_window },
	{ "release/minimised",
		QUALITY("a client that waits for its buffers must not freeze because it is minimised"),
		"a minimised window gets its replaced buffer back", minimised },
	{ "release/no-role", MUST_END,
		"a surface without a role gets its buffer back after an attach of nothing", no_role },

	{ "release/subsurface-destroyed", MUST_END,
		"released after the subsurface was destroyed", subsurface_destroyed },
	{ "release/subsurface-nothing", MUST_END,
		"an attach of nothing to a synchronised subsurface releases with the parent's commit",
		subsurface_nothing },
	{ "release/subsurface-superseded", MUST_END,
		"of two commits in a subsurface's cache the first is released unread",
		subsurface_superseded },
	{ "release/subsurface-never-applied", MUST_END,
		"a commit still in the cache when its subsurface is destroyed is released",
		subsurface_never_applied },
	{ "release/subsurface-parent-destroyed", MUST_END,
		"released after parent and subsurface were destroyed", subsurface_parent_goes },

	{ "release/fullscreen", IN_USE,
		"full-screen: not released while shown, released when replaced", fullscreen },
	{ "release/fullscreen-nothing", MUST_END,
		"full-screen: released after an attach of nothing", fullscreen_nothing },

	{ "release/drawn-after", REUSE,
		"what is drawn into a buffer after its release is never captured",
		drawn_after_release },
	{ "release/two-buffers", MUST_END,
		"a client with two buffers, paced by releases alone, draws 200 frames", two_buffers },
	{ "release/latency",
		QUALITY("a buffer that comes back late costs the client a frame or memory"),
		"95 % of 300 buffers come back within 100 ms and six frame times", latency,
		.limit_s = 120 },
	{ "release/latency-fullscreen",
		QUALITY("a buffer that comes back late costs the client a frame or memory"),
		"the same in full screen", latency_fullscreen, .limit_s = 120 },
};

const size_t release_case_count = sizeof(release_cases) / sizeof(release_cases[0]);
