#include <signal.h>
#include <stdlib.h>

#include "check/cases.h"
#include "check/compositor.h"
#include "check/expect.h"
#include "check/witness.h"
#include "linux-drm-syncobj-v1-client.h"
#include "xdg-shell-client.h"

static struct surface *a_window(struct check *check) {
	return window_open(client_open(check));
}

// A client of which nobody says that it must not get an error.
static struct surface *a_bad_window(struct check *check) {
	struct surface *window = a_window(check);
	client_may_fail(window->client);
	return window;
}

static void settle(struct client *client) {
	client_try_roundtrip(client, client->check->env->patience_ms);
	check_pause(client->check, 50);
}

// Requests that change what a held commit was made for.

static void held_nothing(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	surface_commit_nothing(window);
	settle(window->client);
	frame_signal(held);
	expect_served(window->client);
	window_configure_again(window);
	show(window);
}

static void held_first_nothing(struct check *check) {
	struct surface *window = a_bad_window(check);
	struct frame *held = hold(window);
	surface_commit_nothing(window);
	settle(window->client);
	frame_signal(held);
	settle(window->client);
}

static void held_nothing_buffer_nothing(struct check *check) {
	struct surface *window = a_bad_window(check);
	show(window);
	struct frame *held = hold(window);
	surface_commit_nothing(window);
	put(window);
	surface_commit_nothing(window);
	settle(window->client);
	frame_signal(held);
	settle(window->client);
}

static void held_nothing_twice(struct check *check) {
	struct surface *window = a_bad_window(check);
	show(window);
	struct frame *first = hold(window);
	surface_commit_nothing(window);
	surface_commit_empty(window);
	struct frame *second = hold(window);
	surface_commit_nothing(window);
	surface_commit_empty(window);
	settle(window->client);
	frame_signal(second);
	settle(window->client);
	frame_signal(first);
	settle(window->client);
}

static void held_role_destroyed(struct check *check) {
	struct surface *window = a_bad_window(check);
	show(window);
	struct frame *held = hold(window);
	surface_destroy_role(window);
	settle(window->client);
	frame_signal(held);
	settle(window->client);
}

static void held_role_again(struct check *check) {
	struct surface *window = a_bad_window(check);
	show(window);
	struct frame *held = hold(window);
	surface_destroy_role(window);
	struct xdg_surface *xdg =
		xdg_wm_base_get_xdg_surface(window->client->wm_base, window->wl);
	xdg_surface_get_toplevel(xdg);
	surface_commit_empty(window);
	settle(window->client);
	frame_signal(held);
	settle(window->client);
}

static void held_surface_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	surface_destroy(window);
	settle(window->client);
	frame_signal(held);
	expect_served(window->client);
}

static void held_all_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	timeline_destroy_object(held->acquire.timeline);
	timeline_destroy_object(held->release.timeline);
	buffer_destroy_object(held->buffer);
	surface_destroy_sync(window);
	surface_destroy(window);
	settle(window->client);
	frame_signal(held);
	expect_served(window->client);
}

static void held_buffer_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	buffer_destroy_object(held->buffer);
	settle(window->client);
	frame_signal(held);
	expect_served(window->client);
	show(window);
	expect_released(held);
}

static void held_disconnect(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	client_roundtrip(window->client);
	client_close(window->client);
	check_pause(check, 50);
	frame_signal(held);
	expect_served(client_open(check));
}

static void held_child_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *held = hold(child);
	put(window);
	surface_destroy(child);
	settle(window->client);
	frame_signal(held);
	expect_served(window->client);
	show(window);
}

static void held_child_role_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *held = hold(child);
	surface_commit_empty(window);
	surface_destroy_role(child);
	surface_commit_empty(window);
	settle(window->client);
	frame_signal(held);
	expect_served(window->client);
}

static void held_parent_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *held_child = hold(child), *held = hold(window);
	surface_destroy(window);
	settle(window->client);
	frame_signal(held);
	frame_signal(held_child);
	expect_served(window->client);
}

static void held_parent_unmapped(struct check *check) {
	struct surface *window = a_bad_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *held = hold(child);
	put(window);
	surface_commit_nothing(window);
	put(window);
	surface_commit_nothing(window);
	settle(window->client);
	frame_signal(held);
	settle(window->client);
}

static void held_deep_tree(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = window;
	for (int i = 0; i < 40; i++) {
		child = subsurface_open(child);
		child->width = child->height = 8;
		put(child);
	}
	struct frame *held = hold(child);
	put(window);
	settle(window->client);
	frame_signal(held);
	expect_served(window->client);
	show(window);
}

// Points that turn on their owner.

static void circle(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *second = frame_new(window);
	struct witness *witness = witness_start(check);
	// The second waits for the release of the first, which waits for the second.
	second->acquire = first->release;
	frame_commit(second);
	expect_not_released(first);
	expect_witness_undisturbed(witness, 400);
	surface_destroy(window);
	expect_released(first);
}

static void waits_for_itself(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = frame_new(window), *next = frame_new(window);
	// Each waits for the other's end.
	struct point mine = frame->release;
	frame->acquire = next->release;
	next->acquire = mine;
	frame_commit(frame);
	frame_commit(next);
	expect_served(window->client);
	expect_hidden(frame);
	expect_hidden(next);
}

static void reset_while_held(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = frame_new(window);
	point_signal((struct point){ held->acquire.timeline, 1 });
	held->acquire.value = 2;
	frame_commit(held);
	settle(window->client);
	timeline_reset(held->acquire.timeline);
	expect_hidden(held);
	frame_signal(held);
	expect_shown(held);
}

static void reset_after_latch(struct check *check) {
	struct surface *window = a_window(check), *other = a_window(check);
	struct frame *frame = show(window);
	timeline_reset(frame->acquire.timeline);
	// Each of these draws the window again.
	for (int i = 0; i < 4; i++) {
		show(other);
	}
	expect_stays(frame);
	show(window);
	expect_released(frame);
}

static void reset_pending(struct check *check) {
	struct surface *window = a_window(check), *other = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	struct fence *fence = frame_fence(frame);
	frame_commit(frame);
	settle(window->client);
	timeline_reset(frame->acquire.timeline);
	expect_hidden_while_pending(frame);
	fence_signal(fence);
	expect_served(window->client);
	show(other);
	show(window);
	expect_released(frame);
}

static void reset_release(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	point_signal((struct point){ frame->release.timeline, 5 });
	timeline_reset(frame->release.timeline);
	show(window);
	expect_released(frame);
}

static void client_signals_release(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	point_signal((struct point){ frame->release.timeline, 1000 });
	expect_stays(frame);
	show(window);
	expect_served(window->client);
}

static void handles_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	settle(window->client);
	// Nobody can signal it now, except the compositor.
	timeline_destroy_handle(held->acquire.timeline);
	timeline_destroy_object(held->acquire.timeline);
	expect_hidden(held);
	surface_destroy(window);
	expect_served(window->client);
	expect_released(held);
}

// Too much of everything.

// The same buffer with ever later points of two timelines, none of them ever signalled.
static struct frame *flood(struct surface *window, unsigned count) {
	struct frame *frame = frame_new(window);
	for (unsigned i = 0; i < count && !window->client->gone; i++) {
		frame_next_points(frame);
		surface_attach(window, frame->buffer);
		surface_set_acquire(window, frame->acquire);
		surface_set_release(window, frame->release);
		wl_surface_commit(window->wl);
		if (i % 64 == 0) {
			client_flush(window->client);
			check_pause(window->client->check, 0);
		}
	}
	client_flush(window->client);
	return frame;
}

#define FLOOD_STEP 40

static void held_hundreds(struct check *check) {
	struct witness *witness = witness_start(check);
	struct surface *window = a_bad_window(check);
	show(window);
	struct frame *last = flood(window, 500);
	client_try_roundtrip(window->client, check->env->patience_ms);
	expect_witness_undisturbed(witness, 600);
	if (!window->client->gone) {
		frame_signal(last);
	}
	expect_witness_undisturbed(witness, 600);
}

// How many held commits, up to `most`, before the compositor ends the client? In steps.
static unsigned count_until_refused(struct check *check, unsigned most) {
	struct surface *window = a_bad_window(check);
	unsigned held = 0;
	while (held < most && !window->client->gone) {
		flood(window, FLOOD_STEP);
		client_try_roundtrip(window->client, check->env->patience_ms);
		held += FLOOD_STEP;
	}
	client_close(window->client);
	return held;
}

static void expect_new_client(struct check *check, unsigned held) {
	check_doing(check, "connecting a new client beside %u held commits", held);
	struct client *other = client_try_open(check);
	if (!other) {
		check_fail(check, "a new client is not served beside %u held commits", held);
	}
	client_close(other);
}

// What counts is the moment just before the compositor refuses more, when there is nothing left
// for anybody else.
static void held_thousands(struct check *check) {
	unsigned most = count_until_refused(check, 5000);
	check_pause(check, check->env->quiet_ms);
	struct surface *window = a_bad_window(check);
	unsigned held = most > 2 * FLOOD_STEP ? most - 2 * FLOOD_STEP : 0;
	flood(window, held);
	client_try_roundtrip(window->client, check->env->patience_ms);
	expect_new_client(check, held);
	while (held < most && !window->client->gone) {
		flood(window, 2);
		client_try_roundtrip(window->client, check->env->patience_ms);
		held += 2;
		expect_new_client(check, held);
	}
	check_note(check, "%u held commits of one client%s", held,
		window->client->gone ? ", then it was ended" : "");
}

// A round that must leave nothing in the compositor.
typedef void (*round_func)(struct check *check, void *data);

#define LEAK_ROUNDS 3

static bool leaves_nothing(struct check *check, round_func round, void *data,
		unsigned long more_kb, const char *what) {
	struct usage before = compositor_usage_or_skip(check);
	round(check, data);
	bool settled = compositor_fds_settle(check, before.fds);
	struct usage after = compositor_usage_or_skip(check);
	char growth[200] = "";
	usage_tell_growth(&before, &after, growth, sizeof(growth));
	check_note(check, "%s: fds %u -> %u (more: %s), memory %+ld kB", what, before.fds, after.fds,
		growth, (long)after.memory_kb - (long)before.memory_kb);
	return settled && after.memory_kb <= before.memory_kb + more_kb;
}

// A pool that has to grow once grows in the first round and not in the next; a leak goes on.
static void expect_nothing_left(struct check *check, round_func round, void *data,
		unsigned long more_kb, const char *what) {
	for (int i = 0; i < LEAK_ROUNDS; i++) {
		if (leaves_nothing(check, round, data, more_kb, what)) {
			return;
		}
	}
	check_fail(check, "each of %d rounds left something behind; %s", LEAK_ROUNDS,
		check->result->notes[check->result->note_count - 1]);
}

static void hold_thousands_and_go(struct check *check, void *data) {
	struct surface *window = a_bad_window(check);
	show(window);
	flood(window, 2000);
	client_try_roundtrip(window->client, check->env->patience_ms);
	client_close(window->client);
}

static void held_thousands_then_gone(struct check *check) {
	expect_nothing_left(check, hold_thousands_and_go, NULL, 4096,
		"a client gone with 2,000 held commits");
}

static void held_surfaces(struct check *check) {
	struct witness *witness = witness_start(check);
	struct client *client = client_open(check);
	client_may_fail(client);
	struct frame *frames[60];
	unsigned count = 0;
	while (count < 60 && !client->gone) {
		struct surface *surface = surface_new(client);
		surface->width = surface->height = 16;
		frames[count++] = hold(surface);
	}
	expect_witness_undisturbed(witness, 500);
	for (unsigned i = 0; i < count; i++) {
		frame_signal(frames[i]);
	}
	expect_witness_undisturbed(witness, 300);
}

static void pending_fences(struct check *check) {
	struct witness *witness = witness_start(check);
	struct surface *window = a_bad_window(check);
	show(window);
	struct fence *fences[24];
	for (int i = 0; i < 24; i++) {
		struct frame *frame = frame_new(window);
		fences[i] = frame_fence(frame);
		frame_commit(frame);
	}
	expect_witness_undisturbed(witness, 1000);
	for (int i = 23; i >= 0; i--) {
		fence_signal(fences[i]);
	}
	expect_witness_undisturbed(witness, 300);
}

static void import_thousands(struct client *client, unsigned count, bool keep) {
	for (unsigned i = 0; i < count && !client->gone; i++) {
		struct timeline *timeline = timeline_open(client);
		if (!keep) {
			timeline_destroy_object(timeline);
		}
		timeline_destroy_handle(timeline);
		if (i % 8 == 0) {
			client_flush(client);
			check_pause(client->check, 0);
		}
	}
	client_try_roundtrip(client, client->check->env->patience_ms);
}

static void timelines_kept(struct check *check) {
	struct witness *witness = witness_start(check);
	struct client *client = client_open(check);
	client_may_fail(client);
	import_thousands(client, 6000, true);
	check_doing(check, "connecting a new client beside 6,000 timelines");
	struct client *other = client_try_open(check);
	if (!other) {
		check_fail(check, "a new client is not served beside 6,000 timelines");
	}
	show(window_open(other));
	expect_witness_undisturbed(witness, 400);
}

static void churn_timelines(struct check *check, void *client) {
	import_thousands(client, 5000, false);
}

static void timelines_churned(struct check *check) {
	struct client *client = client_open(check);
	import_thousands(client, 500, false);
	expect_nothing_left(check, churn_timelines, client, 2048,
		"5,000 timelines imported and destroyed");
}

static void leave_timelines_behind(struct check *check, void *data) {
	for (int i = 0; i < 4; i++) {
		struct client *client = client_open(check);
		client_may_fail(client);
		import_thousands(client, 600, true);
		client_close(client);
	}
}

static void timelines_left_behind(struct check *check) {
	client_close(client_open(check));
	check_pause(check, 100);
	expect_nothing_left(check, leave_timelines_behind, NULL, 4096,
		"4 clients gone with 600 timelines each");
}

static void churn_surfaces(struct check *check, void *data) {
	struct client *client = data;
	for (int i = 0; i < 1000; i++) {
		struct surface *surface = surface_new(client);
		surface_destroy_sync(surface);
		surface_get_sync(surface);
		if (i % 2) {
			surface_destroy_sync(surface);
		}
		surface_destroy(surface);
	}
	client_roundtrip(client);
}

static void surfaces_churned(struct check *check) {
	expect_nothing_left(check, churn_surfaces, client_open(check), 2048,
		"1,000 surface objects made and destroyed");
}

static void set_points_often(struct check *check, void *data) {
	struct frame *frame = data;
	struct surface *window = frame->surface;
	frame_renew(frame);
	for (int i = 0; i < 20000; i++) {
		surface_set_acquire(window, frame->acquire);
		surface_set_release(window, frame->release);
		if (i % 100 == 0) {
			client_flush(window->client);
		}
	}
	frame_signal(frame);
	frame_commit(frame);
	expect_shown(frame);
}

static void points_set_again(struct check *check) {
	struct usage usage;
	struct frame *frame = show(a_window(check));
	if (compositor_usage(check->env->compositor, &usage)) {
		expect_nothing_left(check, set_points_often, frame, 4096,
			"points set 20,000 times in one commit");
	} else {
		set_points_often(check, frame);
	}
}

static bool frame_released(struct frame *frame) {
	return point_is_signalled(frame->release);
}

static bool oldest_released(void *data) {
	return frame_released(data);
}

static void draw_frames(struct surface *window, struct frame *frames[3], unsigned count) {
	struct check *check = window->client->check;
	for (unsigned i = 0; i < count; i++) {
		struct frame *frame = frames[i % 3];
		if (!check_wait(check, oldest_released, frame, check->env->patience_ms)) {
			check_fail(check, "frame %u: a replaced buffer was not released", i);
		}
		frame_next_points(frame);
		frame_commit(frame);
		frame_signal(frame);
	}
}

struct drawing {
	struct surface *window;
	struct frame *frames[3];
};

static void draw_many(struct check *check, void *data) {
	struct drawing *drawing = data;
	draw_frames(drawing->window, drawing->frames, 400);
}

static void frames_leave_nothing(struct check *check) {
	struct drawing drawing = { .window = a_window(check) };
	for (int i = 0; i < 3; i++) {
		drawing.frames[i] = frame_new(drawing.window);
		point_signal(drawing.frames[i]->release);
	}
	draw_frames(drawing.window, drawing.frames, 60);
	client_roundtrip(drawing.window->client);
	check_pause(check, check->env->quiet_ms);
	expect_nothing_left(check, draw_many, &drawing, 2048, "400 frames held and shown");
}

// Clients that end badly.

static void window_and_gone(struct check *check, bool announce) {
	struct surface *window = a_window(check);
	client_may_fail(window->client);
	show(window);
	hold(window);
	hold(window);
	if (announce) {
		// Points without a buffer: an error ends the connection.
		surface_set_acquire(window, (struct point){ timeline_open(window->client), 1 });
		surface_commit(window);
	}
	client_try_roundtrip(window->client, check->env->patience_ms);
	client_close(window->client);
}

static void windows_and_gone(struct check *check, void *announce) {
	for (int i = 0; i < 12; i++) {
		window_and_gone(check, announce != NULL);
	}
}

static void disconnects(struct check *check) {
	window_and_gone(check, false);
	check_pause(check, check->env->quiet_ms);
	expect_nothing_left(check, windows_and_gone, NULL, 4096, "12 clients gone with held commits");
}

static void errors(struct check *check) {
	window_and_gone(check, true);
	check_pause(check, check->env->quiet_ms);
	expect_nothing_left(check, windows_and_gone, check, 4096,
		"12 clients ended by a protocol error");
}

// Commits as fast as it can, in every state there is, until it is killed.
static void busy_client(struct check *check, void *data) {
	struct surface *window = a_bad_window(check);
	struct surface *child = subsurface_open(window);
	for (;;) {
		struct frame *frame = put(window);
		struct frame *held = hold(child);
		surface_commit_empty(window);
		check_pause(check, check_random(check, 8));
		frame_signal(held);
		check_pause(check, check_random(check, 8));
		buffer_destroy(frame->buffer);
		buffer_destroy(held->buffer);
	}
}

static void kill_at_random(struct check *check, unsigned times) {
	for (unsigned i = 0; i < times; i++) {
		check->random += i;
		pid_t pid = check_fork(check, busy_client, NULL);
		check_pause(check, 20 + check_random(check, 300));
		check_kill(pid);
	}
}

static void killed(struct check *check) {
	struct witness *witness = witness_start(check);
	kill_at_random(check, 12);
	expect_witness_undisturbed(witness, 400);
}

static void kill_ten(struct check *check, void *data) {
	kill_at_random(check, 10);
}

static void killed_leave_nothing(struct check *check) {
	kill_at_random(check, 2);
	check_pause(check, check->env->quiet_ms);
	expect_nothing_left(check, kill_ten, NULL, 8192, "10 clients killed at random moments");
}

static void commit_pending_and_stay(struct check *check, void *data) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	frame_fence(frame);
	frame_commit(frame);
	check_pause(check, 3600000);
}

static void killed_pending(struct check *check) {
	fence_signal(fence_new(check)); // skips where there is no vgem
	struct witness *witness = witness_start(check);
	pid_t pid = check_fork(check, commit_pending_and_stay, NULL);
	check_pause(check, 600);
	check_kill(pid);
	expect_witness_undisturbed(witness, 500);
}

static void hold_and_stay(struct check *check, void *data) {
	struct surface *window = a_window(check);
	show(window);
	hold(window);
	check_pause(check, 3600000);
}

static void stopped(struct check *check) {
	struct witness *witness = witness_start(check);
	pid_t pid = check_fork(check, hold_and_stay, NULL);
	check_pause(check, 400);
	kill(pid, SIGSTOP);
	expect_witness_undisturbed(witness, 800);
	check_kill(pid);
	expect_served(client_open(check));
}

// Random requests.

#define RANDOM_MS 4000
#define RANDOM_REQUESTS 200
#define RANDOM_FRAMES 4

struct scene {
	struct check *check;
	struct client *client;
	struct surface *surfaces[3]; // two windows, and a subsurface of the first
	struct frame *frames[3][RANDOM_FRAMES];
	bool careful; // nothing that a protocol forbids
};

static void scene_open(struct scene *scene) {
	scene->client = client_open(scene->check);
	client_may_fail(scene->client);
	scene->surfaces[0] = window_open(scene->client);
	scene->surfaces[1] = window_open(scene->client);
	scene->surfaces[2] = subsurface_open(scene->surfaces[0]);
	for (int i = 0; i < 3; i++) {
		scene->surfaces[i]->width = scene->surfaces[i]->height = 32;
		for (int j = 0; j < RANDOM_FRAMES; j++) {
			scene->frames[i][j] = frame_new(scene->surfaces[i]);
		}
	}
}

static void random_commit(struct scene *scene, int i) {
	struct frame *frame = scene->frames[i][check_random(scene->check, RANDOM_FRAMES)];
	frame_next_points(frame);
	if (check_random(scene->check, 2)) {
		frame_signal(frame);
	}
	frame_commit(frame);
}

static void random_unmap(struct scene *scene, int i) {
	struct surface *surface = scene->surfaces[i];
	surface_commit_nothing(surface);
	if (surface->toplevel && scene->careful) {
		// Mapped again only after a configure event, which waits for what is held.
		for (int j = 0; j < RANDOM_FRAMES; j++) {
			frame_signal(scene->frames[i][j]);
		}
		surface->configured = false;
		surface_commit_empty(surface);
		for (int j = 0; j < 20 && !surface->configured && !scene->client->gone; j++) {
			check_pause(scene->check, 5);
		}
	}
}

static void random_sync(struct scene *scene, int i) {
	struct surface *surface = scene->surfaces[i];
	if (surface->sync) {
		surface_destroy_sync(surface);
	}
	surface_get_sync(surface);
}

static void random_timeline(struct scene *scene, int i) {
	struct frame *frame = scene->frames[i][check_random(scene->check, RANDOM_FRAMES)];
	struct timeline *timeline =
		check_random(scene->check, 2) ? frame->acquire.timeline : frame->release.timeline;
	timeline_destroy_object(timeline);
	timeline->object = timeline_import(timeline, scene->client);
}

static void random_mode(struct scene *scene) {
	struct wl_subsurface *sub = scene->surfaces[2]->sub;
	if (check_random(scene->check, 2)) {
		wl_subsurface_set_sync(sub);
	} else {
		wl_subsurface_set_desync(sub);
	}
}

static void random_pieces(struct scene *scene, int i) {
	struct surface *surface = scene->surfaces[i];
	struct frame *frame = scene->frames[i][check_random(scene->check, RANDOM_FRAMES)];
	switch (check_random(scene->check, 5)) {
	case 0:
		surface_set_acquire(surface, frame->acquire);
		break;
	case 1:
		surface_set_release(surface, frame->release);
		break;
	case 2:
		surface_attach(surface, frame->buffer);
		break;
	case 3:
		surface_attach(surface, NULL);
		break;
	default:
		timeline_reset(frame->acquire.timeline);
	}
}

// What breaks a rule, now and then.
static void random_careless(struct scene *scene, int i) {
	switch (check_random(scene->check, 4)) {
	case 0:
	case 1:
		// Mapped again without waiting to be configured.
		random_unmap(scene, i);
		break;
	case 2:
		// Seldom: the error that follows ends the round.
		if (check_random(scene->check, 30) == 0) {
			random_pieces(scene, i);
		}
		break;
	default:
		check_pause(scene->check, check_random(scene->check, 4));
	}
}

static void random_allowed(struct scene *scene, int i) {
	switch (check_random(scene->check, 10)) {
	case 0:
		frame_signal(scene->frames[i][check_random(scene->check, RANDOM_FRAMES)]);
		break;
	case 1:
		surface_commit_empty(scene->surfaces[i]);
		break;
	case 2:
		random_unmap(scene, i);
		break;
	case 3:
		random_sync(scene, i);
		break;
	case 4:
		random_timeline(scene, i);
		break;
	case 5:
		random_mode(scene);
		break;
	default:
		random_commit(scene, i);
	}
}

static void random_request(struct scene *scene) {
	int i = (int)check_random(scene->check, 3);
	if (!scene->careful && check_random(scene->check, 4) == 0) {
		random_careless(scene, i);
	} else {
		random_allowed(scene, i);
	}
}

static void random_rounds(struct check *check, bool careful) {
	uint64_t start = now_ns();
	unsigned rounds = 0, requests = 0;
	while (ms_since(start) < RANDOM_MS) {
		struct scene scene = { .check = check, .careful = careful };
		check_doing(check, "random requests, round %u", rounds);
		scene_open(&scene);
		for (int i = 0; i < RANDOM_REQUESTS && !scene.client->gone; i++) {
			random_request(&scene);
			requests++;
		}
		client_try_roundtrip(scene.client, check->env->patience_ms);
		client_close(scene.client);
		rounds++;
	}
	check_note(check, "%u random requests in %u rounds", requests, rounds);
}

static void random_requests(struct check *check) {
	random_rounds(check, false);
}

static void random_careful(struct check *check) {
	random_rounds(check, true);
}

#define SURVIVE(why) QUALITY("no client may end the session: " why)
#define OTHERS QUALITY("one client's load must not be another's: a bound for each client, or " \
	"its protocol error, is what helps")
#define NO_LEAK QUALITY("a session runs for weeks: what a client leaves behind adds up")

const struct check_case abuse_cases[] = {
	{ "abuse/held-nothing",
		SURVIVE("commits are judged when they come and applied later"),
		"a held commit, an attach of nothing, then the signal: the compositor lives and the "
		"window can be mapped again",
		held_nothing },
	{ "abuse/held-first-nothing",
		SURVIVE("commits are judged when they come and applied later"),
		"the same with a window's first content: lives, whatever it answers",
		held_first_nothing },
	{ "abuse/held-nothing-buffer-nothing",
		SURVIVE("commits are judged when they come and applied later"),
		"held commit, nothing, buffer, nothing, then the signal: lives, whatever it answers",
		held_nothing_buffer_nothing },
	{ "abuse/held-nothing-twice",
		SURVIVE("commits are judged when they come and applied later"),
		"two rounds of held commit, nothing, empty; the later one is signalled first: lives",
		held_nothing_twice },
	{ "abuse/held-role-destroyed",
		SURVIVE("a held commit may outlive the role it was made for"),
		"the window's role is destroyed, then the held commit signalled: lives",
		held_role_destroyed },
	{ "abuse/held-role-again",
		SURVIVE("a held commit may outlive the role it was made for"),
		"the role is destroyed and made anew, then the held commit signalled: lives",
		held_role_again },
	{ "abuse/held-surface-destroyed",
		SURVIVE("a held commit may outlive its surface"),
		"the surface is destroyed, then the held commit signalled: lives and serves",
		held_surface_destroyed },
	{ "abuse/held-all-destroyed",
		SURVIVE("a held commit may outlive every object it was made with"),
		"every object is destroyed, then the held commit signalled: lives and serves",
		held_all_destroyed },
	{ "abuse/held-buffer-destroyed",
		SURVIVE("a held commit may outlive its buffer"),
		"the wl_buffer is destroyed, then the held commit signalled: lives, serves, releases",
		held_buffer_destroyed },
	{ "abuse/held-disconnect",
		SURVIVE("a held commit may outlive its client"),
		"the client disconnects, then the held commit is signalled: lives", held_disconnect },
	{ "abuse/held-child-destroyed",
		SURVIVE("a parent's commit may depend on a child that goes"),
		"a synchronised child with a held commit is destroyed after its parent's commit: "
		"lives, the parent is shown",
		held_child_destroyed },
	{ "abuse/held-child-role-destroyed",
		SURVIVE("a held commit may outlive the role it was made for"),
		"the subsurface role goes while its commit is held: lives and serves",
		held_child_role_destroyed },
	{ "abuse/held-parent-destroyed",
		SURVIVE("a held commit may outlive its parent surface"),
		"the parent goes while its and its child's commits are held: lives and serves",
		held_parent_destroyed },
	{ "abuse/held-parent-unmapped",
		SURVIVE("commits are judged when they come and applied later"),
		"a child's held commit holds its parent's unmaps and maps; then the signal: lives",
		held_parent_unmapped },
	{ "abuse/deep-tree",
		SURVIVE("trees of surfaces are walked"),
		"40 nested subsurfaces, the innermost held, then signalled: lives and serves",
		held_deep_tree },

	{ "abuse/circle",
		QUALITY("points can be made to wait for each other"),
		"a commit that waits for its predecessor's release harms nobody; when its surface "
		"goes, all is released",
		circle },
	{ "abuse/mutual-wait",
		QUALITY("points can be made to wait for each other"),
		"two commits that wait for each other's release are not shown; the client is served",
		waits_for_itself },
	{ "abuse/reset-held",
		QUALITY("a client can reset its syncobj at any time"),
		"a timeline reset while a commit waits for it: shown after the signal, not before",
		reset_while_held },
	{ "abuse/reset-after-latch",
		QUALITY("a client can reset its syncobj at any time"),
		"a timeline reset after its content was shown: stays, is replaced, is released",
		reset_after_latch },
	{ "abuse/reset-pending",
		QUALITY("a client can reset its syncobj at any time"),
		"a timeline reset while its fence is pending: never shown unsignalled, compositor and "
		"both clients go on, released at last",
		reset_pending },
	{ "abuse/reset-release",
		QUALITY("a client can reset its syncobj at any time"),
		"a release timeline reset while the buffer is shown: its point is signalled",
		reset_release },
	{ "abuse/client-signals-release",
		QUALITY("a client can signal any point of its syncobj"),
		"a release point that the client signals itself changes nothing",
		client_signals_release },
	{ "abuse/handles-destroyed",
		QUALITY("a client can leave the compositor the only owner of a syncobj"),
		"a commit that nobody can signal any more is not shown, and released when destroyed",
		handles_destroyed },

	{ "abuse/held-hundreds", OTHERS,
		"500 held commits of one surface, then all signalled: a second client keeps its frame "
		"rate",
		held_hundreds },
	{ "abuse/held-thousands", OTHERS,
		"beside 5,000 held commits a new client is served", held_thousands, .limit_s = 60 },
	{ "abuse/held-thousands-gone", NO_LEAK,
		"after a client with 2,000 held commits went, the compositor's fds are back",
		held_thousands_then_gone, .limit_s = 60 },
	{ "abuse/held-surfaces", OTHERS,
		"60 surfaces with held commits, then all signalled: a second client keeps its frame "
		"rate",
		held_surfaces },
	{ "abuse/pending-fences", OTHERS,
		"24 commits with pending fences: a second client keeps its frame rate",
		pending_fences, .limit_s = 60 },
	{ "abuse/timelines-thousands", OTHERS,
		"beside 6,000 timelines of one client a new one is served, and a second one keeps its "
		"frame rate",
		timelines_kept, .limit_s = 60 },
	{ "abuse/timelines-churn", NO_LEAK,
		"5,000 timelines imported and destroyed leave no fd and no memory",
		timelines_churned, .limit_s = 60 },
	{ "abuse/timelines-left", NO_LEAK,
		"clients that go with 600 timelines each leave no fd and no memory",
		timelines_left_behind, .limit_s = 60 },
	{ "abuse/surfaces-churn", NO_LEAK,
		"1,000 surface objects made and destroyed leave no fd and no memory",
		surfaces_churned },
	{ "abuse/points-set-again", NO_LEAK,
		"points set 20,000 times before one commit: the last ones count, nothing is left",
		points_set_again },
	{ "abuse/frames", NO_LEAK,
		"400 frames, each held for a moment, leave no fd and no memory",
		frames_leave_nothing, .limit_s = 60 },

	{ "abuse/disconnects", NO_LEAK,
		"12 clients that disconnect with held commits leave nothing", disconnects,
		.limit_s = 60 },
	{ "abuse/errors", NO_LEAK,
		"12 clients ended by a protocol error with held commits leave nothing", errors,
		.limit_s = 60 },
	{ "abuse/killed",
		SURVIVE("clients die at any moment"),
		"12 busy clients killed at random moments: a second client keeps its frame rate",
		killed, .limit_s = 60 },
	{ "abuse/killed-leave-nothing", NO_LEAK,
		"10 busy clients killed at random moments leave nothing", killed_leave_nothing,
		.limit_s = 60 },
	{ "abuse/killed-pending", OTHERS,
		"a client killed while its fence is pending: a second client keeps its frame rate",
		killed_pending, .limit_s = 60 },
	{ "abuse/stopped", OTHERS,
		"a stopped client with a held commit: a second client keeps its frame rate", stopped },

	{ "abuse/random-careful",
		SURVIVE("what the protocols allow comes in any order"),
		"random requests that break no rule, for 4 s: lives and serves", random_careful },
	{ "abuse/random-requests",
		SURVIVE("what the protocols forbid comes too"),
		"random requests, some of them errors, for 4 s: lives and serves", random_requests },
};

const size_t abuse_case_count = sizeof(abuse_cases) / sizeof(abuse_cases[0]);
