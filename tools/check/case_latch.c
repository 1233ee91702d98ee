#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check/capture.h"
#include "check/cases.h"
#include "check/expect.h"
#include "check/witness.h"
#include "xdg-shell-client.h"

// When is content shown?

static void signalled(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *second = show(window);
	expect_gone(first);
	expect_stays(second);
}

static void unmaterialised(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *second = hold(window);
	expect_hidden(second);
	expect_stays(first);
	frame_signal(second);
	expect_shown(second);
	expect_gone(first);
}

static void first_content(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = hold(window);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
}

static void pending(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	struct fence *fence = frame_fence(frame);
	frame_commit(frame);
	expect_hidden_while_pending(frame);
	fence_signal(fence);
	expect_shown(frame);
}

static void pending_first_content(struct check *check) {
	struct surface *window = a_window(check);
	capture_open(check);
	struct frame *frame = frame_new(window);
	struct fence *fence = frame_fence(frame);
	frame_commit(frame);
	expect_hidden_while_pending(frame);
	fence_signal(fence);
	expect_shown(frame);
}

static void materialises_later(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = hold(window);
	expect_hidden(frame);
	struct fence *fence = frame_fence(frame);
	expect_hidden_while_pending(frame);
	fence_signal(fence);
	expect_shown(frame);
}

static void fence_signalled_before(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	struct fence *fence = frame_fence(frame);
	fence_signal(fence);
	frame_commit(frame);
	expect_shown(frame);
}

static void fence_given_up(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *late = frame_new(window);
	frame_fence(late);
	frame_commit(late);
	// vgem's kernel side gives up after 10 s and signals the fence.
	check_doing(check, "waiting for the kernel to give up a fence");
	check_pause(check, 11000);
	expect_served(window->client);
	struct frame *next = show(window);
	expect_released(first);
	expect_released(late);
	expect_stays(next);
}

static void earlier_point_is_not_enough(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	frame->acquire.value = 3;
	frame_commit(frame);
	point_signal((struct point){ frame->acquire.timeline, 1 });
	point_signal((struct point){ frame->acquire.timeline, 2 });
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
}

static void later_point_is_enough(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	frame->acquire.value = 5;
	frame_commit(frame);
	expect_hidden(frame);
	point_signal((struct point){ frame->acquire.timeline, 9 });
	expect_shown(frame);
}

static void signal_in_child(struct check *check, void *data) {
	frame_signal(data);
}

static void other_process_signals(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = hold(window);
	expect_hidden(frame);
	check_fork(check, signal_in_child, frame);
	expect_shown(frame);
}

static void drawn_after_commit(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *frame = hold(window);
	// The same place in the picture, as it was; the events are those of the whole commit.
	struct frame early = *frame;
	early.commit = NULL;
	frame->colour = check_colour(check);
	buffer_fill(frame->buffer, frame->colour);
	expect_stays(first);
	frame_signal(frame);
	expect_shown(frame);
	expect_hidden(&early);
}

// Order.

static void order(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frames[4] = { show(window) };
	for (int i = 1; i < 4; i++) {
		frames[i] = hold(window);
	}
	for (int i = 1; i < 4; i++) {
		expect_stays(frames[i - 1]);
		frame_signal(frames[i]);
		expect_shown(frames[i]);
	}
}

// Not on the screen. The events of a commit that was overtaken may come with those of the later one.
static void expect_overtaken(const struct frame *frame) {
	struct frame seen = *frame;
	seen.commit = NULL;
	expect_hidden(&seen);
}

static void out_of_order(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *first = hold(window);
	expect_hidden(first);
	struct frame *second = hold(window);
	frame_signal(second);
	// The second may be shown now or wait for its turn; the first may not.
	expect_overtaken(first);
	frame_signal(first);
	expect_shown(second);
	expect_stays(second);
	expect_released(first);
}

// The later content may be shown at once or in its turn, with the update before it applied in the
// same instant: the acquire point forbids to sample, not to apply.
static void ready_behind_held(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	expect_hidden(held);
	struct frame *ready = put(window);
	expect_overtaken(held);
	frame_signal(held);
	expect_shown(ready);
	expect_stays(ready);
	expect_released(held);
}

static void signalled_in_reverse(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frames[5];
	for (int i = 0; i < 5; i++) {
		frames[i] = hold(window);
	}
	for (int i = 4; i >= 0; i--) {
		frame_signal(frames[i]);
		check_pause(check, 10);
	}
	expect_shown(frames[4]);
	expect_stays(frames[4]);
	for (int i = 0; i < 4; i++) {
		expect_released(frames[i]);
	}
}

static void empty_commit_after(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *held = hold(window);
	for (int i = 0; i < 3; i++) {
		surface_commit_empty(window);
	}
	expect_hidden(held);
	expect_stays(first);
	frame_signal(held);
	expect_shown(held);
}

static void implicit_after_held(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	expect_hidden(held);
	surface_destroy_sync(window);
	struct frame *implicit = frame_new(window);
	frame_commit(implicit);
	expect_overtaken(held);
	frame_signal(held);
	expect_shown(implicit);
	expect_stays(implicit);
}

static void bigger_buffer(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window);
	window->width = window->height = WINDOW_SIZE + 32;
	struct frame *held = hold(window);
	expect_hidden(held);
	expect_stays(first);
	frame_signal(held);
	expect_shown(held);
	expect_gone(first);
}

// Events of a commit that is held.

static void no_frame_event(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	check_pause(check, check->env->quiet_ms);
	if (held->commit->done) {
		check_fail(check, "the frame event came before the acquire point was signalled");
	}
	frame_signal(held);
	expect_shown(held);
}

static bool frame_done(void *data) {
	return ((struct frame *)data)->commit->done;
}

static void frame_event_after(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	check_pause(check, 50);
	frame_signal(held);
	if (!check_wait(check, frame_done, held, check->env->patience_ms)) {
		check_fail(check, "the frame event did not come within %u ms of the signal",
			check->env->patience_ms);
	}
}

static void no_presentation(struct check *check) {
	struct surface *window = a_window(check);
	if (!window->client->presentation) {
		check_skip(check, "the compositor has no wp_presentation");
	}
	show(window);
	struct frame *held = hold(window);
	check_pause(check, check->env->quiet_ms);
	if (held->commit->presented) {
		check_fail(check, "the commit was reported as presented before its signal");
	}
	frame_signal(held);
	expect_shown(held);
}

static bool feedback_given(void *data) {
	const struct commit *commit = ((struct frame *)data)->commit;
	return commit->presented || commit->discarded;
}

static void presentation_after(struct check *check) {
	struct surface *window = a_window(check);
	if (!window->client->presentation) {
		check_skip(check, "the compositor has no wp_presentation");
	}
	show(window);
	struct frame *held = hold(window);
	check_pause(check, 50);
	uint64_t signal_ns = now_ns();
	frame_signal(held);
	if (!check_wait(check, feedback_given, held, check->env->patience_ms)) {
		check_fail(check, "no presentation feedback within %u ms of the signal",
			check->env->patience_ms);
	}
	if (held->commit->presented && held->commit->presented_ns < signal_ns) {
		check_fail(check, "the time of presentation lies before the signal");
	}
}

// A hold concerns its own surface.

static void other_surface(struct check *check) {
	struct client *client = client_open(check);
	struct surface *one = window_open(client), *two = window_open(client);
	struct frame *held = hold(one);
	for (int i = 0; i < 5; i++) {
		show(two);
	}
	expect_hidden(held);
	frame_signal(held);
	expect_shown(held);
}

static void own_requests(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *held = hold(window);
	for (int i = 0; i < 20; i++) {
		client_roundtrip(window->client);
	}
	expect_hidden(held);
}

static void second_client(struct check *check) {
	struct witness *witness = witness_start(check);
	struct surface *window = a_window(check);
	show(window);
	hold(window);
	expect_witness_undisturbed(witness, 800);
}

static void pending_second_client(struct check *check) {
	struct witness *witness = witness_start(check);
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	struct fence *fence = frame_fence(frame);
	frame_commit(frame);
	expect_witness_undisturbed(witness, 1500);
	fence_signal(fence);
}

static void pending_round_trip(struct check *check) {
	struct surface *window = a_window(check), *other = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	struct fence *fence = frame_fence(frame);
	frame_commit(frame);
	unsigned longest_ms = 0;
	check_doing(check, "asking a second client whether it is served");
	for (int i = 0; i < 20; i++) {
		uint64_t start = now_ns();
		client_roundtrip(other->client);
		longest_ms = ms_since(start) > longest_ms ? ms_since(start) : longest_ms;
		check_pause(check, 20);
	}
	fence_signal(fence);
	check_note(check, "another client's longest round trip beside a pending fence: %u ms",
		longest_ms);
	unsigned limit_ms = 300 + check->env->patience_ms / 10;
	if (longest_ms > limit_ms) {
		check_fail_slow(check, "another client's wl_display.sync took %u ms while a fence was "
			"pending", longest_ms);
	}
}

// Subsurfaces.

static void subsurface_desync_held(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	wl_subsurface_set_desync(child->sub);
	struct frame *old = put(child);
	surface_commit_empty(window);
	expect_shown(old);
	struct frame *held = hold(child);
	struct frame *parent = show(window);
	expect_hidden(held);
	expect_stays(old);
	expect_stays(parent);
	frame_signal(held);
	expect_shown(held);
}

static void subsurface_holds_parent(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *old = show(window);
	struct surface *child = subsurface_open(window);
	struct frame *held = hold(child);
	struct frame *parent = put(window);
	expect_hidden(parent);
	expect_hidden(held);
	expect_stays(old);
	frame_signal(held);
	expect_shown(parent);
	expect_shown(held);
}

static void parent_holds_subsurface(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *frame = put(child);
	struct frame *parent = hold(window);
	expect_hidden(frame);
	expect_hidden(parent);
	frame_signal(parent);
	expect_shown(parent);
	expect_shown(frame);
}

static void subsurface_empty_after_held(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *held = hold(child);
	// The cached states merge: the wait must not be lost with it.
	surface_commit_empty(child);
	surface_commit_empty(window);
	expect_hidden(held);
	frame_signal(held);
	expect_shown(held);
}

static void subsurface_set_desync(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *held = hold(child);
	wl_subsurface_set_desync(child->sub);
	surface_commit_empty(window);
	expect_hidden(held);
	frame_signal(held);
	expect_shown(held);
}

static void subsurface_tree(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct surface *grandchild = subsurface_open(child);
	struct frame *held = hold(grandchild);
	struct frame *middle = put(child), *top = put(window);
	expect_hidden(held);
	expect_hidden(middle);
	expect_hidden(top);
	frame_signal(held);
	expect_shown(top);
	expect_shown(middle);
	expect_shown(held);
}

// Full screen: the buffer may be scanned out.

static void fullscreen(struct check *check) {
	struct surface *window = window_open_fullscreen(client_open(check));
	struct frame *first = show(window), *second = hold(window);
	expect_hidden(second);
	expect_stays(first);
	frame_signal(second);
	expect_shown(second);
}

static void fullscreen_pending(struct check *check) {
	struct surface *window = window_open_fullscreen(client_open(check));
	show(window);
	struct frame *frame = frame_new(window);
	struct fence *fence = frame_fence(frame);
	frame_commit(frame);
	expect_hidden_while_pending(frame);
	fence_signal(fence);
	expect_shown(frame);
}

// Many frames.

#define TEAR_FRAMES 24
#define TEAR_BUFFERS 3

struct tear_frame {
	struct frame *frame;
	uint32_t earlier; // what is still in its buffer where it is not drawn yet
};

static bool is_seen(const struct image *image, const struct frame *frame, uint32_t colour) {
	unsigned area = (unsigned)(frame->buffer->width * frame->buffer->height);
	return image_count(image, colour) > area / 32;
}

// A frame is whole when nothing of another one is seen, nor of what its buffer held before.
static void expect_whole(struct check *check, const struct tear_frame frames[TEAR_BUFFERS],
		int number) {
	const struct image *image = capture_take(check);
	unsigned seen = 0;
	for (int i = 0; i < TEAR_BUFFERS; i++) {
		seen += is_seen(image, frames[i].frame, frames[i].frame->colour);
		seen += is_seen(image, frames[i].frame, frames[i].earlier);
	}
	if (seen > 1) {
		check_fail(check, "frame %d: a capture mixes two frames", number);
	}
}

// First the commit, then the drawing: who does not wait shows a part of it.
static void draw_slowly(struct check *check, struct tear_frame frames[TEAR_BUFFERS], int number) {
	struct frame *frame = frames[number % TEAR_BUFFERS].frame;
	int height = frame->buffer->height;
	expect_released(frame);
	frame_next_points(frame);
	frames[number % TEAR_BUFFERS].earlier = frame->colour;
	frame->colour = check_colour(check);
	frame_commit(frame);
	buffer_fill_rows(frame->buffer, 0, height / 2, frame->colour);
	expect_whole(check, frames, number);
	buffer_fill_rows(frame->buffer, height / 2, height, frame->colour);
	frame_signal(frame);
	expect_whole(check, frames, number);
}

static void whole_frames(struct check *check) {
	if (!capture_is_possible(check)) {
		check_skip(check, "half-drawn frames can only be seen in captures");
	}
	struct surface *window = a_window(check);
	struct tear_frame frames[TEAR_BUFFERS];
	for (int i = 0; i < TEAR_BUFFERS; i++) {
		frames[i].frame = frame_new(window);
		frames[i].earlier = frames[i].frame->colour;
		point_signal(frames[i].frame->release);
	}
	for (int i = 0; i < TEAR_FRAMES; i++) {
		draw_slowly(check, frames, i);
	}
	check_note(check, "%d frames drawn after their commit, none shown half drawn",
		TEAR_FRAMES);
}

#define LATENCY_FRAMES 120

static bool frame_latched(void *data) {
	const struct commit *commit = ((struct frame *)data)->commit;
	return commit->done || commit->presented;
}

static void latency(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frames[3];
	for (int i = 0; i < 3; i++) {
		frames[i] = frame_new(window);
		point_signal(frames[i]->release);
	}
	unsigned us[LATENCY_FRAMES];
	for (int i = 0; i < LATENCY_FRAMES; i++) {
		struct frame *frame = frames[i % 3];
		expect_released(frame);
		frame_next_points(frame);
		frame_commit(frame);
		client_roundtrip(window->client);
		check_doing(check, "waiting for frame %d to be latched after its signal", i);
		uint64_t start = now_ns();
		frame_signal(frame);
		if (!check_wait(check, frame_latched, frame, check->env->patience_ms)) {
			check_fail(check, "frame %d was not latched within %u ms of its signal", i,
				check->env->patience_ms);
		}
		us[i] = (unsigned)((now_ns() - start) / 1000);
	}
	check_note_latency(check, "signal to frame event", us, LATENCY_FRAMES);
	unsigned limit_us = 100000 + 6 * check->env->frame_us;
	if (percentile(us, LATENCY_FRAMES, 50) > limit_us) {
		check_fail_slow(check, "half of the frames took longer than %u ms from the signal to the "
			"frame event", limit_us / 1000);
	}
}

static void lateness(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frames[3];
	for (int i = 0; i < 3; i++) {
		frames[i] = frame_new(window);
		point_signal(frames[i]->release);
	}
	// A random delay between commit and signal, in every relation to the refresh.
	for (int i = 0; i < 40; i++) {
		struct frame *frame = frames[i % 3];
		expect_released(frame);
		frame_next_points(frame);
		frame_commit(frame);
		check_pause(check, check_random(check, 30));
		if (frame->commit->done || frame->commit->presented) {
			check_fail(check, "frame %d was latched before its signal", i);
		}
		frame_signal(frame);
	}
	struct frame *last = frames[39 % 3];
	if (!check_wait(check, frame_latched, last, check->env->patience_ms)) {
		check_fail(check, "the last frame was not latched after its signal");
	}
}

#define SURFACE "wp_linux_drm_syncobj_surface_v1"
#define MUST_WAIT TEXT(SURFACE ".set_acquire_point", "Set the timeline point that must be " \
	"signalled before the compositor may sample from the buffer attached with " \
	"wl_surface.attach.")
#define PER_SURFACE TEXT("wp_linux_drm_syncobj_manager_v1", "This global is a factory " \
	"interface, allowing clients to request explicit synchronization for buffers on a " \
	"per-surface basis.")
#define EARLIER_TOO TEXT(SURFACE ".set_release_point", \
	"signaling a timeline point also signals every previous point")
#define IN_ORDER CORE("wl_surface.commit", "The content update is placed at the end of a " \
	"per-surface queue until it becomes active.")
#define ATOMIC CORE("wl_surface.commit", "If the graph that's reachable by a candidate does " \
	"not have any unsatisfied constraints, the entire graph must be applied atomically.")
#define FRAME_EVENT CORE("wl_surface.frame", \
	"The frame request will take effect on the next wl_surface.commit.")
#define PRESENTED CORE("wp_presentation_feedback.presented", "The associated content update " \
	"was displayed to the user at the indicated time")

const struct check_case latch_cases[] = {
	{ "latch/signalled", MUST_WAIT,
		"content whose point is signalled replaces the earlier content, and stays",
		signalled },
	{ "latch/unmaterialised", MUST_WAIT,
		"content stays away while its point has no fence; shown after the CPU signals it",
		unmaterialised },
	{ "latch/first-content", MUST_WAIT,
		"a window's first content is not shown before its point is signalled, and then is",
		first_content },
	{ "latch/pending", MUST_WAIT,
		"content stays away while its fence is pending, and is shown after the fence",
		pending },
	{ "latch/pending-first-content", MUST_WAIT,
		"the same for a window's first content", pending_first_content },
	{ "latch/materialises-later", MUST_WAIT,
		"content whose point gets a fence after the commit waits for that fence",
		materialises_later },
	{ "latch/fence-signalled-before", MUST_WAIT,
		"a fence that has signalled before the commit is not waited for",
		fence_signalled_before },
	{ "latch/fence-given-up",
		QUALITY("GPUs hang: after a long time the kernel gives up and signals the fence"),
		"after a fence was given up the window goes on, and every release point is signalled",
		fence_given_up, .limit_s = 60 },
	{ "latch/earlier-point", MUST_WAIT,
		"an earlier point of the timeline is not enough", earlier_point_is_not_enough },
	{ "latch/later-point", EARLIER_TOO, "a later point of the timeline is enough",
		later_point_is_enough },
	{ "latch/other-process", MUST_WAIT, "it makes no difference which process signals",
		other_process_signals },
	{ "latch/drawn-after-commit", MUST_WAIT,
		"what is drawn between commit and signal is shown; what was there before is not",
		drawn_after_commit },

	{ "latch/order", IN_ORDER, "three held commits, signalled in order, are shown in order",
		order },
	{ "latch/out-of-order", MUST_WAIT,
		"of two held commits the second is signalled first: the first is not shown before "
		"its signal, the second stays at last",
		out_of_order },
	{ "latch/behind-held", IN_ORDER,
		"behind a held commit a signalled one: the held one is not shown unsignalled, nor after "
		"the later one, which stays at last",
		ready_behind_held },
	{ "latch/reverse", IN_ORDER,
		"five held commits signalled in reverse: the last one stays, the others are released",
		signalled_in_reverse },
	{ "latch/empty-commit-after", MUST_WAIT,
		"empty commits behind a held one do not show it", empty_commit_after },
	{ "latch/implicit-after-held", IN_ORDER,
		"an implicit commit behind a held one: the held one is not shown unsignalled, and the "
		"implicit one stays at last",
		implicit_after_held },
	{ "latch/size-follows", MUST_WAIT,
		"a held buffer of another size changes nothing before its signal", bigger_buffer },

	{ "latch/no-frame-event", FRAME_EVENT,
		"the frame event of a held commit does not come before its signal", no_frame_event },
	{ "latch/frame-event-after", FRAME_EVENT, "the frame event comes after the signal",
		frame_event_after },
	{ "latch/no-presentation", PRESENTED,
		"a held commit is not reported as presented", no_presentation },
	{ "latch/presentation-after", PRESENTED,
		"feedback comes after the signal, with a time after the signal", presentation_after },

	{ "latch/other-surface", PER_SURFACE,
		"another surface of the same client is shown while one is held", other_surface },
	{ "latch/own-requests", PER_SURFACE,
		"the client whose commit is held is answered", own_requests },
	{ "latch/second-client",
		QUALITY("a client that is late must delay nobody else"),
		"a second client keeps its frame rate while a commit is held", second_client },
	{ "latch/pending-second-client",
		QUALITY("a client whose GPU work takes long must delay nobody else"),
		"a second client keeps its frame rate while a fence is pending",
		pending_second_client },
	{ "latch/pending-round-trip",
		QUALITY("a client whose GPU work takes long must not stop the compositor's loop"),
		"another client's wl_display.sync is answered at once while a fence is pending",
		pending_round_trip, .limit_s = 60 },

	{ "latch/subsurface-desync", PER_SURFACE,
		"a desynchronised subsurface is held alone: its parent goes on, its old content stays",
		subsurface_desync_held },
	{ "latch/subsurface-holds-parent", ATOMIC,
		"a parent's commit is not shown without its synchronised child's held content",
		subsurface_holds_parent },
	{ "latch/parent-holds-subsurface", ATOMIC,
		"a synchronised child's content is not shown before its parent's held commit",
		parent_holds_subsurface },
	{ "latch/subsurface-empty-after", MUST_WAIT,
		"an empty commit behind a subsurface's held one does not lose the wait",
		subsurface_empty_after_held },
	{ "latch/subsurface-set-desync", MUST_WAIT,
		"desynchronising a subsurface does not show what is held", subsurface_set_desync },
	{ "latch/subsurface-tree", ATOMIC,
		"a grandchild's held content holds the whole synchronised tree", subsurface_tree },

	{ "latch/fullscreen", MUST_WAIT,
		"full-screen content waits for its point, where it may be scanned out", fullscreen },
	{ "latch/fullscreen-pending", MUST_WAIT,
		"full-screen content waits for its pending fence", fullscreen_pending },

	{ "latch/whole-frames", MUST_WAIT,
		"frames drawn slowly after their commit are never captured half drawn",
		whole_frames },
	{ "latch/latency",
		QUALITY("time between the signal and the next frame is latency for the user"),
		"half of the frames are latched within 100 ms and six frame times of their signal",
		latency },
	{ "latch/random-lateness", MUST_WAIT,
		"40 commits signalled after random delays: none is latched before its signal",
		lateness },
};

const size_t latch_case_count = sizeof(latch_cases) / sizeof(latch_cases[0]);
