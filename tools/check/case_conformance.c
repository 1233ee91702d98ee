#include "check/cases.h"
#include "check/expect.h"

// Values.

static void acquire_zero(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	point_signal((struct point){ frame->acquire.timeline, 5 });
	frame->acquire.value = 0;
	frame_commit(frame);
	expect_shown(frame);
}

static void release_zero(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	frame->release.value = 0;
	frame_signal(frame);
	frame_commit(frame);
	expect_shown(frame);
	show(window);
	expect_released(frame);
}

static void acquire_backwards(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = frame_new(window), *second = frame_new(window);
	struct timeline *timeline = first->acquire.timeline;
	point_signal((struct point){ timeline, 10 });
	first->acquire.value = 10;
	second->acquire = (struct point){ timeline, 3 };
	frame_commit(first);
	expect_shown(first);
	frame_commit(second);
	expect_shown(second);
}

static void far_apart(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	frame->acquire.value = UINT64_MAX;
	frame->release.value = 1;
	frame_commit(frame);
	expect_hidden(frame);
	point_signal((struct point){ frame->acquire.timeline, UINT64_MAX - 1 });
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
	show(window);
	expect_released(frame);
}

// Double-buffering.

static void acquire_replaced(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	struct timeline *never = timeline_open(window->client);
	surface_set_acquire(window, (struct point){ never, 1 });
	frame_signal(frame);
	frame_commit(frame);
	expect_shown(frame);
}

static void acquire_replaced_by_pending(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	struct timeline *signalled = timeline_open(window->client);
	point_signal((struct point){ signalled, 1 });
	surface_set_acquire(window, (struct point){ signalled, 1 });
	frame_commit(frame);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
}

static void release_replaced(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	struct point old = { timeline_open(window->client), 1 };
	surface_set_release(window, old);
	frame_signal(frame);
	frame_commit(frame);
	expect_shown(frame);
	show(window);
	expect_released(frame);
	expect_unsignalled(old, "the release point that had been replaced");
}

static void points_wait_for_commit(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *second = frame_new(window);
	frame_signal(second);
	frame_attach(second);
	client_flush(window->client);
	expect_stays(first);
	expect_not_released(first);
	expect_unsignalled(second->release, "a release point that is not committed yet");
	expect_hidden(second);
	frame_commit(second);
	expect_shown(second);
	expect_released(first);
}

static void points_before_attach(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	surface_set_release(window, frame->release);
	surface_set_acquire(window, frame->acquire);
	surface_attach(window, frame->buffer);
	frame_signal(frame);
	frame_commit(frame);
	expect_shown(frame);
}

// Objects destroyed.

static void timelines_destroyed_before_commit(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	frame_attach(frame);
	timeline_destroy_object(frame->acquire.timeline);
	timeline_destroy_object(frame->release.timeline);
	surface_commit(window);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
	show(window);
	expect_released(frame);
}

static void timelines_destroyed_while_held(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = hold(window);
	timeline_destroy_object(frame->acquire.timeline);
	timeline_destroy_object(frame->release.timeline);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
	show(window);
	expect_released(frame);
}

static void sync_destroyed_while_held(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = show(window), *held = hold(window);
	surface_destroy_sync(window);
	client_flush(window->client);
	expect_hidden(held);
	expect_stays(first);
	frame_signal(held);
	expect_shown(held);
}

static void sync_destroyed_with_pending(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	frame_attach(frame);
	surface_destroy_sync(window);
	surface_commit(window);
	// Whether the pending points still count is the compositor's choice; an error is not.
	expect_served(window->client);
	frame_signal(frame);
	expect_shown(frame);
}

static void implicit_again(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	surface_destroy_sync(window);
	struct frame *frame = frame_new(window);
	frame_commit(frame);
	expect_shown(frame);
}

static void explicit_later(struct check *check) {
	struct surface *window = a_window(check);
	surface_destroy_sync(window);
	struct frame *implicit = frame_new(window);
	frame_commit(implicit);
	expect_shown(implicit);
	surface_get_sync(window);
	struct frame *frame = hold(window);
	expect_stays(implicit);
	frame_signal(frame);
	expect_shown(frame);
}

// Sharing.

static void two_surfaces_one_timeline(struct check *check) {
	struct client *client = client_open(check);
	struct surface *one = window_open(client), *two = window_open(client);
	struct frame *first = frame_new(one), *second = frame_new(two);
	second->acquire = (struct point){ first->acquire.timeline, 2 };
	frame_commit(first);
	frame_commit(second);
	frame_signal(first);
	expect_shown(first);
	expect_hidden(second);
	frame_signal(second);
	expect_shown(second);
}

static void two_clients_one_timeline(struct check *check) {
	struct surface *one = a_window(check), *two = a_window(check);
	struct frame *first = frame_new(one), *second = frame_new(two);
	struct timeline shared = *first->acquire.timeline;
	shared.object = timeline_import(first->acquire.timeline, two->client);
	second->acquire = (struct point){ &shared, 1 };
	frame_commit(first);
	frame_commit(second);
	expect_hidden(first);
	expect_hidden(second);
	frame_signal(first);
	expect_shown(first);
	expect_shown(second);
}

// Subsurfaces.

static void subsurface_is_cached(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *frame = put(child);
	expect_hidden(frame);
	surface_commit_empty(window);
	expect_shown(frame);
	expect_not_released(frame);
}

static void subsurface_release(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *first = put(child);
	surface_commit_empty(window);
	expect_shown(first);
	expect_not_released_in_tree(first);
	// Who has made a copy may have released it.
	bool copied = point_is_signalled(first->release);
	struct frame *second = put(child);
	if (!copied) {
		expect_unsignalled(first->release, "the release point of what is still shown");
	}
	surface_commit_empty(window);
	expect_shown(second);
	expect_released(first);
}

static void subsurface_desync(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	wl_subsurface_set_desync(child->sub);
	surface_commit_empty(window);
	struct frame *frame = hold(child);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
	struct frame *next = put(child);
	expect_shown(next);
	expect_released(frame);
}

static void no_role(struct check *check) {
	struct surface *surface = surface_new(client_open(check));
	struct frame *first = put(surface), *second = put(surface);
	expect_served(surface->client);
	expect_released(first);
	expect_hidden(second);
}

#define MANAGER "wp_linux_drm_syncobj_manager_v1"
#define SURFACE "wp_linux_drm_syncobj_surface_v1"
#define TIMELINE "wp_linux_drm_syncobj_timeline_v1"
#define ALL_VALUES TEXT(SURFACE ".set_acquire_point", \
	"The 64-bit unsigned value combined from point_hi and point_lo is the point value.")
#define TIMELINE_GONE TEXT(TIMELINE ".destroy", "Other objects are not affected by this " \
	"request, in particular timeline points set by set_acquire_point and set_release_point " \
	"are not unset.")
#define ACQUIRE_BUFFERED TEXT(SURFACE ".set_acquire_point", "The acquire point is " \
	"double-buffered state, and will be applied on the next wl_surface.commit request for " \
	"the associated surface.")

const struct check_case conformance_cases[] = {
	{ "conformance/acquire-zero",
		QUALITY("point 0 is a legal value, and a signalled point implies every earlier one"),
		"acquire point 0 of a timeline that has signalled 5 is not waited for", acquire_zero },
	{ "conformance/release-zero",
		QUALITY("point 0 is a legal value"),
		"a release at point 0 signals the timeline", release_zero },
	{ "conformance/acquire-backwards",
		TEXT(SURFACE ".set_release_point",
			"signaling a timeline point also signals every previous point"),
		"point 3 of a timeline that has signalled 10 is signalled", acquire_backwards },
	{ "conformance/values-far-apart", ALL_VALUES,
		"acquire 2^64-1 is not satisfied by 2^64-2; release 1 on another timeline works",
		far_apart },
	{ "conformance/acquire-replaced",
		TEXT(SURFACE ".set_acquire_point", "If an acquire point has already been attached "
			"during the same commit cycle, the new point replaces the old one."),
		"only the last acquire point is waited for", acquire_replaced },
	{ "conformance/acquire-replaced-by-pending",
		TEXT(SURFACE ".set_acquire_point", "If an acquire point has already been attached "
			"during the same commit cycle, the new point replaces the old one."),
		"the last acquire point is waited for although an earlier one was signalled",
		acquire_replaced_by_pending },
	{ "conformance/release-replaced",
		TEXT(SURFACE ".set_release_point", "If a release point has already been attached "
			"during the same commit cycle, the new point replaces the old one."),
		"the last release point is signalled, the replaced one never", release_replaced },
	{ "conformance/points-wait-for-commit", ACQUIRE_BUFFERED,
		"points and buffer without a commit change nothing: content stays, nothing released",
		points_wait_for_commit },
	{ "conformance/points-before-attach", ACQUIRE_BUFFERED,
		"the order of set points and attach within a commit makes no difference",
		points_before_attach },
	{ "conformance/timeline-destroyed-pending", TIMELINE_GONE,
		"points set before the timeline objects went are waited for and signalled",
		timelines_destroyed_before_commit },
	{ "conformance/timeline-destroyed-held", TIMELINE_GONE,
		"points committed before the timeline objects went are waited for and signalled",
		timelines_destroyed_while_held },
	{ "conformance/sync-destroyed-held",
		TEXT(SURFACE ".destroy", "Any timeline point set by this object before the last "
			"commit will not be affected."),
		"a commit that was held stays held, and is shown after its signal",
		sync_destroyed_while_held },
	{ "conformance/sync-destroyed-pending",
		TEXT(SURFACE ".destroy", "Any timeline point set by this object with "
			"set_acquire_point or set_release_point since the last commit may be discarded "
			"by the compositor."),
		"points still pending when the object goes do not make the next commit an error",
		sync_destroyed_with_pending },
	{ "conformance/implicit-again",
		TEXT(SURFACE, "As long as the wp_linux_drm_syncobj_surface_v1 object is alive, the "
			"compositor may ignore implicit synchronization"),
		"after the object went, a commit without points is shown", implicit_again },
	{ "conformance/explicit-later",
		TEXT(MANAGER ".get_surface", "Instantiate an interface extension for the given "
			"wl_surface to provide explicit synchronization."),
		"a surface that was implicit before waits for the acquire point once it is explicit",
		explicit_later },
	{ "conformance/two-surfaces-one-timeline",
		TEXT(SURFACE ".set_acquire_point", "Set the timeline point that must be signalled "
			"before the compositor may sample from the buffer attached with "
			"wl_surface.attach."),
		"two surfaces wait each for its own point of one timeline",
		two_surfaces_one_timeline },
	{ "conformance/two-clients-one-timeline",
		QUALITY("a syncobj may be shared between processes, as X clients and Xwayland do"),
		"one syncobj imported by two clients: both wait, both are shown",
		two_clients_one_timeline },
	{ "conformance/subsurface-cached", ACQUIRE_BUFFERED,
		"a synchronised subsurface's signalled commit is shown with its parent's, not before",
		subsurface_is_cached },
	{ "conformance/subsurface-release",
		TEXT(SURFACE ".set_release_point", "Set the timeline point that must be signalled by "
			"the compositor when it has finished its usage of the buffer attached with "
			"wl_surface.attach for the relevant commit."),
		"a subsurface's buffer is released when its successor is applied, not when cached",
		subsurface_release },
	{ "conformance/subsurface-desync", ACQUIRE_BUFFERED,
		"a desynchronised subsurface waits, shows and releases by itself", subsurface_desync },
	{ "conformance/no-role",
		TEXT(MANAGER ".get_surface", "Instantiate an interface extension for the given "
			"wl_surface to provide explicit synchronization."),
		"a surface without a role takes points, shows nothing and releases what is replaced",
		no_role },
};

const size_t conformance_case_count = sizeof(conformance_cases) / sizeof(conformance_cases[0]);
