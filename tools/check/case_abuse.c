#include <stdlib.h>

#include "check/cases.h"
#include "check/expect.h"
#include "check/witness.h"
#include "linux-drm-syncobj-v1-client.h"
#include "xdg-shell-client.h"

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

#define SURVIVE(why) QUALITY("no client may end the session: " why)

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
};

const size_t abuse_case_count = sizeof(abuse_cases) / sizeof(abuse_cases[0]);
