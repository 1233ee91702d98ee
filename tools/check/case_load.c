#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "check/cases.h"
#include "check/compositor.h"
#include "check/expect.h"
#include "check/witness.h"

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
		client_flush(window->client);
		check_mark_set(*(int *)data);
		// Long enough for a busy compositor to read the commit before the signal.
		check_pause(check, check_random(check, 60));
		frame_signal(held);
		check_pause(check, check_random(check, 8));
		buffer_destroy(frame->buffer);
		buffer_destroy(held->buffer);
	}
}

// Every second one only after it has committed, or a slow machine would see none that has.
static void kill_at_random(struct check *check, unsigned times) {
	for (unsigned i = 0; i < times; i++) {
		check->random += i;
		int committed_fd = check_mark_new(check);
		pid_t pid = check_fork(check, busy_client, &committed_fd);
		if (i % 2 == 0) {
			check_mark_wait(check, committed_fd, "another client commits");
		}
		check_pause(check, 20 + check_random(check, 300));
		check_kill(pid);
		close(committed_fd);
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
	client_flush(window->client);
	check_mark_set(*(int *)data);
	check_pause(check, 3600000);
}

static void killed_pending(struct check *check) {
	fence_signal(fence_new(check)); // skips where there is no vgem
	struct witness *witness = witness_start(check);
	int committed_fd = check_mark_new(check);
	pid_t pid = check_fork(check, commit_pending_and_stay, &committed_fd);
	check_mark_wait(check, committed_fd, "another client commits with a pending fence");
	check_pause(check, 100);
	check_kill(pid);
	expect_witness_undisturbed(witness, 500);
}

static void hold_and_stay(struct check *check, void *data) {
	struct surface *window = a_window(check);
	show(window);
	hold(window);
	client_flush(window->client);
	check_mark_set(*(int *)data);
	check_pause(check, 3600000);
}

static void stopped(struct check *check) {
	struct witness *witness = witness_start(check);
	int committed_fd = check_mark_new(check);
	pid_t pid = check_fork(check, hold_and_stay, &committed_fd);
	check_mark_wait(check, committed_fd, "another client commits what is held");
	kill(pid, SIGSTOP);
	expect_witness_undisturbed(witness, 800);
	check_kill(pid);
	expect_served(client_open(check));
}

#define SURVIVE(why) QUALITY("no client may end the session: " why)
#define OTHERS QUALITY("one client's load must not be another's: a bound for each client, or " \
	"its protocol error, is what helps")
#define NO_LEAK QUALITY("a session runs for weeks: what a client leaves behind adds up")

const struct check_case load_cases[] = {
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
};

const size_t load_case_count = sizeof(load_cases) / sizeof(load_cases[0]);
