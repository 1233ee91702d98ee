#include <drm.h>
#include <errno.h>
#include <wayland-client-protocol.h>
#include <wlr/types/wlr_compositor.h>
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "sync/fd.h"
#include "sync/timeline.h"
#include "sync/uapi.h"
#include "trace/counter.h"
#include "xdg-shell-client-protocol.h"

struct wanted {
	struct test_window *window;
	int width;
};

static bool shows_width(void *data) {
	const struct wanted *wanted = data;
	return test_window_content(wanted->window) == wanted->width;
}

static void expect_content(struct test_window *window, int width) {
	struct wanted wanted = { window, width };
	test_pump_until(window->client->compositor, shows_width, &wanted);
	assert_int_equal(test_window_content(window), width);
}

static bool is_released(void *data) {
	const struct wanted *wanted = data;
	return test_state(wanted->window->client, &wanted->window->release, (uint64_t)wanted->width) ==
		SBX_POINT_SIGNALLED;
}

static void expect_released(struct test_window *window, int value) {
	struct wanted wanted = { window, value };
	assert_true(test_pump_until(window->client->compositor, is_released, &wanted));
}

static void expect_owed(struct test_window *window, uint64_t value) {
	test_pump(window->client->compositor);
	assert_int_equal(test_state(window->client, &window->release, value), SBX_POINT_UNMATERIALISED);
}

/* A window that shows 1 (acquire and release points 1). */
static void open_showing(struct protocol_lab *lab, struct test_window *window) {
	test_window_open(lab->client, window);
	test_signal(lab->client, &window->acquire, 1);
	test_show(window, 1, 1, 1);
	assert_int_equal(test_window_content(window), 1);
}

/* wlroots keeps what it shows where it cannot take what was committed. */
static void test_not_taken(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	// The first point stays owed for longer than later ones: they need a timeline of their own.
	struct test_timeline first = window.release;
	test_timeline_create(lab->client, &window.release);
	lab->compositor->refuses_textures = true;
	for (uint64_t value = 2; value <= 3; value++) {
		test_signal(lab->client, &window.acquire, value);
		test_show(&window, (int)value, value, value);
		assert_int_equal(test_window_content(&window), 1);
		expect_released(&window, (int)value);
		test_compositor_lose_textures(lab->compositor);
		test_pump(lab->compositor);
		assert_int_equal(test_state(lab->client, &first, 1), SBX_POINT_UNMATERIALISED);
	}
	lab->compositor->refuses_textures = false;
	test_signal(lab->client, &window.acquire, 4);
	test_show(&window, 4, 4, 4);
	expect_content(&window, 4);
	test_pump(lab->compositor);
	assert_int_equal(test_state(lab->client, &first, 1), SBX_POINT_SIGNALLED);
	expect_owed(&window, 4);
	test_timeline_destroy(&first);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Waiting */

static void test_signalled(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_signal(lab->client, &window.acquire, 2);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 2);
	test_pump(lab->compositor);
	uint64_t fds = sbx_counter_read(SBX_COUNT_FDS);
	uint64_t registrations = sbx_counter_read(SBX_COUNT_REGISTRATIONS);
	uint64_t waits = sbx_counter_read(SBX_COUNT_IOCTL_SYNCOBJ_WAIT);
	uint64_t ioctls = sbx_counter_ioctls();
	unsigned commits = lab->compositor->commit_count;
	test_attach(&window, buffer, 2, 2);
	wl_surface_commit(window.wl_surface);
	// The very next dispatch.
	wl_display_flush(lab->client->display);
	wl_event_loop_dispatch(lab->compositor->loop, 0);
	assert_int_equal(test_window_content(&window), 2);
	assert_int_equal(lab->compositor->commit_count - commits, 1);
	assert_int_equal(sbx_counter_read(SBX_COUNT_REGISTRATIONS), registrations);
	assert_int_equal(sbx_counter_read(SBX_COUNT_IOCTL_SYNCOBJ_WAIT) - waits, 1);
	// Asked once, and the one before was released; the timelines were told apart.
	assert_true(sbx_counter_ioctls() - ioctls <= 3);
	assert_int_equal(sbx_counter_read(SBX_COUNT_FDS), fds);
	wl_buffer_destroy(buffer);
	test_window_close(&window);
	protocol_lab_check(lab);
}

static void test_held(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	unsigned frames = window.frames;
	test_show(&window, 2, 2, 2);
	test_pump_for(lab->compositor, 50);
	assert_int_equal(test_window_content(&window), 1);
	assert_int_equal(window.frames, frames);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 1);
	expect_owed(&window, 1);
	test_signal(lab->client, &window.acquire, 2);
	expect_content(&window, 2);
	expect_released(&window, 1);
	expect_owed(&window, 2);
	assert_true(test_client_roundtrip(lab->client));
	assert_int_equal(window.frames, frames + 1);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* The control of all that comes: without waiting, content shows that is not finished. */
static void test_materialised_policy(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	sbx_syncobj_surface_set_policy(lab->compositor->manager, test_window_peer(&window),
		SBX_LATCH_MATERIALISED);
	test_show(&window, 2, 2, 2);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(test_window_content(&window), 1);
	test_fence_pend(lab, &window, 2, &fence);
	expect_content(&window, 2);
	// One more, whose fence is there already.
	struct test_fence next;
	test_fence_pend(lab, &window, 3, &next);
	test_show(&window, 3, 3, 3);
	assert_int_equal(test_window_content(&window), 3);
	test_fence_signal(lab, &fence, 0);
	test_fence_signal(lab, &next, 0);
	test_window_close(&window);
	protocol_lab_check(lab);
}

static void test_pending_fence(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	uint64_t registrations = sbx_counter_read(SBX_COUNT_REGISTRATIONS);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	test_pump_for(lab->compositor, 50);
	assert_int_equal(test_window_content(&window), 1);
	// The fence is an fd that can be watched: nothing the kernel would not forget.
	assert_int_equal(sbx_counter_read(SBX_COUNT_REGISTRATIONS), registrations);
	test_fence_signal(lab, &fence, 0);
	expect_content(&window, 2);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* First nothing, then a fence, then done. */
static void test_late_fence(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	test_show(&window, 2, 2, 2);
	test_fence_pend(lab, &window, 2, &fence);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(test_window_content(&window), 1);
	test_fence_signal(lab, &fence, 0);
	expect_content(&window, 2);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* A client that takes its fence back after the commit does not stop us, nor make us show early. */
static void test_reset(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	assert_int_equal(sbx_point_reset(lab->sync->sync, test_point(&window.acquire, 0)), 0);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(test_window_content(&window), 1);
	test_fence_signal(lab, &fence, 0);
	expect_content(&window, 2);
	test_window_close(&window);
	protocol_lab_check(lab);
}

static void test_others_go_on(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window slow, fast;
	open_showing(lab, &slow);
	open_showing(lab, &fast);
	test_show(&slow, 2, 2, 2);
	for (int i = 2; i < 10; i++) {
		test_signal(lab->client, &fast.acquire, (uint64_t)i);
		test_show(&fast, i, (uint64_t)i, (uint64_t)i);
		assert_int_equal(test_window_content(&fast), i);
	}
	assert_int_equal(test_window_content(&slow), 1);
	test_window_close(&slow);
	test_window_close(&fast);
	protocol_lab_check(lab);
}

static void test_in_order(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	unsigned commits = lab->compositor->commit_count;
	for (int i = 2; i < 5; i++) {
		test_show(&window, i, (uint64_t)i, (uint64_t)i);
	}
	for (int i = 2; i < 5; i++) {
		test_signal(lab->client, &window.acquire, (uint64_t)i);
		expect_content(&window, i);
		assert_int_equal(lab->compositor->commit_count - commits, i - 1);
	}
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* A later commit is ready first: what it overtakes is applied, but never seen, and released. */
static void test_superseded(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_timeline other;
	open_showing(lab, &window);
	test_timeline_create(lab->client, &other);
	unsigned frames = window.frames;
	test_show(&window, 2, 2, 2);
	test_show(&window, 3, 3, 3);
	struct test_timeline own = window.acquire;
	window.acquire = other;
	test_signal(lab->client, &window.acquire, 4);
	test_show(&window, 4, 4, 4);
	assert_int_equal(test_window_content(&window), 4);
	expect_released(&window, 2);
	expect_released(&window, 3);
	expect_owed(&window, 4);
	assert_int_equal(protocol_lab_stats(lab).superseded, 2);
	assert_true(test_client_roundtrip(lab->client));
	assert_int_equal(window.frames, frames + 3);
	test_timeline_destroy(&own);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Commits without a buffer wait behind the one with it, and overtake nothing. */
static void test_state_in_line(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	unsigned commits = lab->compositor->commit_count;
	test_show(&window, 2, 2, 2);
	wl_surface_damage(window.wl_surface, 0, 0, 1, 1);
	test_commit(&window);
	test_pump_for(lab->compositor, 10);
	assert_int_equal(lab->compositor->commit_count, commits);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 2);
	test_signal(lab->client, &window.acquire, 2);
	expect_content(&window, 2);
	assert_int_equal(lab->compositor->commit_count, commits + 2);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Unmapping and going */

/*
 * What kills labwc and sway with wlroots' own implementation, by an assertion in its xdg code: there the
 * second and the third commit were checked as if the first had not been held.
 */
static void test_unmap_among_held(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_show(&window, 2, 2, 2);
	test_attach(&window, NULL, 0, 0);
	test_commit(&window);
	// All is applied: nothing shows, and everything has been released.
	assert_int_equal(test_window_content(&window), 0);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 0);
	expect_released(&window, 1);
	expect_released(&window, 2);
	test_show(&window, 3, 3, 3);
	test_attach(&window, NULL, 0, 0);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(lab->client, "xdg_surface", XDG_SURFACE_ERROR_UNCONFIGURED_BUFFER, NULL);
	test_signal(lab->client, &window.acquire, 9);
	test_pump_for(lab->compositor, 20);
	test_window_close(&window);
}

static void test_map_again(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	for (int round = 0; round < 3; round++) {
		uint64_t value = 2 + (uint64_t)round * 2;
		test_show(&window, 2, value, value);
		test_attach(&window, NULL, 0, 0);
		test_commit(&window);
		unsigned configures = window.configures;
		test_commit(&window);
		assert_true(test_client_roundtrip(lab->client));
		assert_int_equal(window.configures, configures + 1);
		test_signal(lab->client, &window.acquire, value + 1);
		test_show(&window, 3, value + 1, value + 1);
		expect_content(&window, 3);
	}
	test_window_close(&window);
	protocol_lab_check(lab);
}

static void test_role_destroyed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	// The commit that would map it is held.
	test_show(&window, 2, 2, 2);
	xdg_toplevel_destroy(window.toplevel);
	window.toplevel = NULL;
	xdg_surface_destroy(window.xdg_surface);
	window.xdg_surface = NULL;
	assert_true(test_client_roundtrip(lab->client));
	assert_int_equal(protocol_lab_stats(lab).held_commits, 0);
	test_signal(lab->client, &window.acquire, 2);
	test_pump_for(lab->compositor, 10);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* The role goes and comes again, and what was held for the first must not meet the second. */
static void test_role_again(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_show(&window, 2, 2, 2);
	xdg_toplevel_destroy(window.toplevel);
	xdg_surface_destroy(window.xdg_surface);
	window.toplevel = NULL;
	test_attach(&window, NULL, 0, 0);
	test_commit(&window);
	window.xdg_surface = xdg_wm_base_get_xdg_surface(lab->client->wm_base, window.wl_surface);
	assert_true(test_client_roundtrip(lab->client));
	test_signal(lab->client, &window.acquire, 2);
	test_pump_for(lab->compositor, 10);
	assert_true(test_client_roundtrip(lab->client));
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* What a surface without a role has committed must not meet the role that it gets later. */
static void test_role_late(void **state) {
	struct protocol_lab *lab = *state;
	for (int unmapped = 0; unmapped < 2; unmapped++) {
		struct test_window window;
		test_surface_open(lab->client, &window);
		test_show(&window, 2, 2, 2);
		test_attach(&window, NULL, 0, 0);
		window.xdg_surface = xdg_wm_base_get_xdg_surface(lab->client->wm_base, window.wl_surface);
		window.toplevel = xdg_surface_get_toplevel(window.xdg_surface);
		if (unmapped) {
			test_commit(&window);
		}
		assert_true(test_client_roundtrip(lab->client));
		test_signal(lab->client, &window.acquire, 2);
		test_pump_for(lab->compositor, 10);
		assert_true(test_client_roundtrip(lab->client));
		expect_content(&window, 0);
		expect_released(&window, 2);
		assert_int_equal(protocol_lab_stats(lab).held_commits, 0);
		test_window_close(&window);
	}
	protocol_lab_check(lab);
}

static void test_surface_destroyed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_show(&window, 2, 2, 2);
	test_show(&window, 3, 3, 3);
	wp_linux_drm_syncobj_surface_v1_destroy(window.sync);
	xdg_toplevel_destroy(window.toplevel);
	xdg_surface_destroy(window.xdg_surface);
	wl_surface_destroy(window.wl_surface);
	window.sync = NULL;
	window.toplevel = NULL;
	window.xdg_surface = NULL;
	window.wl_surface = NULL;
	assert_true(test_client_roundtrip(lab->client));
	for (int value = 1; value <= 3; value++) {
		expect_released(&window, value);
	}
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Nobody is there any more to be told, but the kernel's points are, and are signalled. */
static void test_client_gone(void **state) {
	struct protocol_lab *lab = *state;
	struct test_client *client = test_client_create(lab->compositor, lab->sync->sync);
	struct test_window window, survivor;
	open_showing(lab, &survivor);
	test_window_open(client, &window);
	test_signal(client, &window.acquire, 1);
	test_show(&window, 1, 1, 1);
	test_show(&window, 2, 2, 2);
	wl_client_destroy(client->peer);
	test_pump(lab->compositor);
	assert_int_equal(test_state(client, &window.release, 1), SBX_POINT_SIGNALLED);
	assert_int_equal(test_state(client, &window.release, 2), SBX_POINT_SIGNALLED);
	assert_int_equal(test_window_content(&survivor), 1);
	assert_int_equal(protocol_lab_stats(lab).loans, 1);
	test_window_close(&window);
	test_client_destroy(client);
	test_window_close(&survivor);
	protocol_lab_check(lab);
}

/* Objects are handles: what was committed does not care for them. */
static void test_objects_destroyed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_show(&window, 2, 2, 2);
	wp_linux_drm_syncobj_surface_v1_destroy(window.sync);
	window.sync = NULL;
	wp_linux_drm_syncobj_timeline_v1_destroy(window.acquire.object);
	wp_linux_drm_syncobj_timeline_v1_destroy(window.release.object);
	window.acquire.object = window.release.object = NULL;
	assert_true(test_client_roundtrip(lab->client));
	test_pump_for(lab->compositor, 10);
	assert_int_equal(test_window_content(&window), 1);
	expect_owed(&window, 1);
	test_signal(lab->client, &window.acquire, 2);
	expect_content(&window, 2);
	expect_released(&window, 1);
	expect_owed(&window, 2);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Subsurfaces */

static void show_subsurface(struct protocol_lab *lab, struct test_window *parent,
		struct test_window *child) {
	open_showing(lab, parent);
	test_subsurface_open(parent, child);
	test_signal(lab->client, &child->acquire, 1);
	test_show(child, 1, 1, 1);
	assert_int_equal(test_window_content(child), 0);
	wl_surface_commit(parent->wl_surface);
	test_pump(lab->compositor);
	assert_int_equal(test_window_content(child), 1);
}

static void test_parent_waits(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window parent, child;
	show_subsurface(lab, &parent, &child);
	test_show(&child, 2, 2, 2);
	test_signal(lab->client, &parent.acquire, 2);
	test_show(&parent, 2, 2, 2);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(test_window_content(&parent), 1);
	assert_int_equal(test_window_content(&child), 1);
	unsigned before = lab->compositor->commit_count;
	test_signal(lab->client, &child.acquire, 2);
	expect_content(&parent, 2);
	assert_int_equal(test_window_content(&child), 2);
	assert_int_equal(lab->compositor->commit_count, before + 2);
	test_window_close(&child);
	test_window_close(&parent);
	protocol_lab_check(lab);
}

/* Without points of its own. */
static void test_shm_parent_waits(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window parent, child;
	show_subsurface(lab, &parent, &child);
	wp_linux_drm_syncobj_surface_v1_destroy(parent.sync);
	parent.sync = NULL;
	test_show(&child, 2, 2, 2);
	struct wl_buffer *buffer = test_buffer_shm(lab->client, 2);
	wl_surface_attach(parent.wl_surface, buffer, 0, 0);
	test_commit(&parent);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(test_window_content(&parent), 1);
	test_signal(lab->client, &child.acquire, 2);
	expect_content(&parent, 2);
	assert_int_equal(test_window_content(&child), 2);
	wl_buffer_destroy(buffer);
	test_window_close(&child);
	test_window_close(&parent);
	protocol_lab_check(lab);
}

static void test_desync_parent_goes_on(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window parent, child;
	show_subsurface(lab, &parent, &child);
	wl_subsurface_set_desync(child.subsurface);
	test_show(&child, 2, 2, 2);
	test_signal(lab->client, &parent.acquire, 2);
	test_show(&parent, 2, 2, 2);
	assert_int_equal(test_window_content(&parent), 2);
	assert_int_equal(test_window_content(&child), 1);
	test_signal(lab->client, &child.acquire, 2);
	expect_content(&child, 2);
	test_window_close(&child);
	test_window_close(&parent);
	protocol_lab_check(lab);
}

static void test_grandchild(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window parent, child, grandchild;
	show_subsurface(lab, &parent, &child);
	test_subsurface_open(&child, &grandchild);
	test_show(&grandchild, 2, 2, 2);
	test_signal(lab->client, &child.acquire, 2);
	test_show(&child, 2, 2, 2);
	wl_surface_commit(parent.wl_surface);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(test_window_content(&child), 1);
	test_signal(lab->client, &grandchild.acquire, 2);
	expect_content(&child, 2);
	assert_int_equal(test_window_content(&grandchild), 2);
	test_window_close(&grandchild);
	test_window_close(&child);
	test_window_close(&parent);
	protocol_lab_check(lab);
}

/* What a parent waits for goes: the parent goes on. */
static void test_child_destroyed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window parent, child;
	show_subsurface(lab, &parent, &child);
	test_show(&child, 2, 2, 2);
	test_signal(lab->client, &parent.acquire, 2);
	test_show(&parent, 2, 2, 2);
	assert_int_equal(test_window_content(&parent), 1);
	test_window_close(&child);
	expect_content(&parent, 2);
	test_window_close(&parent);
	protocol_lab_check(lab);
}

static uint32_t number_of(void *proxy) {
	return wl_proxy_get_id(proxy);
}

/*
 * The client goes while a parent waits for a child that is older than it. Its objects go by their numbers:
 * xdg_wm_base, and the parent's role with it; the child, for which nobody has to wait then; the parent.
 */
static void test_client_of_waiting_parent_gone(void **state) {
	struct protocol_lab *lab = *state;
	struct test_client *client = test_client_create(lab->compositor, lab->sync->sync);
	struct test_window parent, child, older, survivor;
	open_showing(lab, &survivor);
	// Numbers that are free again are given out first, and would be smaller than xdg_wm_base's.
	test_surface_open(client, &older);
	test_surface_open(client, &child);
	test_window_open(client, &parent);
	assert_true(number_of(client->wm_base) < number_of(child.wl_surface));
	assert_true(number_of(child.wl_surface) < number_of(parent.wl_surface));
	child.subsurface = wl_subcompositor_get_subsurface(client->subcompositor, child.wl_surface,
		parent.wl_surface);
	test_signal(client, &child.acquire, 1);
	test_show(&child, 1, 1, 1);
	test_signal(client, &parent.acquire, 2);
	test_show(&parent, 1, 1, 1);
	assert_int_equal(test_window_content(&child), 1);
	test_show(&child, 2, 2, 2);
	test_show(&parent, 2, 2, 2);
	assert_int_equal(test_window_content(&parent), 1);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 2);
	wl_client_destroy(client->peer);
	test_pump(lab->compositor);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 0);
	for (uint64_t value = 1; value <= 2; value++) {
		assert_int_equal(test_state(client, &child.release, value), SBX_POINT_SIGNALLED);
		assert_int_equal(test_state(client, &parent.release, value), SBX_POINT_SIGNALLED);
	}
	assert_int_equal(test_window_content(&survivor), 1);
	test_window_close(&child);
	test_window_close(&parent);
	test_window_close(&older);
	test_client_destroy(client);
	test_window_close(&survivor);
	protocol_lab_check(lab);
}

/* The parent unmaps while it waits for a child. */
static void test_waiting_parent_unmaps(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window parent, child;
	show_subsurface(lab, &parent, &child);
	test_show(&child, 2, 2, 2);
	test_signal(lab->client, &parent.acquire, 2);
	test_show(&parent, 2, 2, 2);
	test_attach(&parent, NULL, 0, 0);
	test_commit(&parent);
	assert_int_equal(test_window_content(&parent), 0);
	test_signal(lab->client, &child.acquire, 2);
	test_pump_for(lab->compositor, 10);
	assert_true(test_client_roundtrip(lab->client));
	test_window_close(&child);
	test_window_close(&parent);
	protocol_lab_check(lab);
}

/* Failures */

static void test_failed_fence(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	unsigned frames = window.frames;
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	test_fence_signal(lab, &fence, -EIO);
	assert_true(test_client_roundtrip(lab->client));
	// Not shown, but the client hears that it may draw again, and gets its buffer back.
	assert_int_equal(test_window_content(&window), 1);
	assert_int_equal(window.frames, frames + 1);
	expect_released(&window, 2);
	assert_int_equal(protocol_lab_stats(lab).failed, 1);
	test_signal(lab->client, &window.acquire, 3);
	test_show(&window, 3, 3, 3);
	expect_content(&window, 3);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* It was to be the first: there is nothing to keep, and the window is not mapped. */
static void test_failed_first(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	test_window_open(lab->client, &window);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	test_fence_signal(lab, &fence, -EIO);
	assert_true(test_client_roundtrip(lab->client));
	assert_int_equal(test_window_content(&window), 0);
	assert_false(test_window_peer(&window)->mapped);
	test_signal(lab->client, &window.acquire, 3);
	test_show(&window, 3, 3, 3);
	expect_content(&window, 3);
	assert_true(test_window_peer(&window)->mapped);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* The second of two that are held fails, before the first is done. */
static void test_failed_second(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_timeline other;
	struct test_fence fence;
	open_showing(lab, &window);
	test_timeline_create(lab->client, &other);
	test_show(&window, 2, 2, 2);
	struct test_timeline own = window.acquire;
	window.acquire = other;
	test_fence_pend(lab, &window, 3, &fence);
	test_show(&window, 3, 3, 3);
	test_fence_signal(lab, &fence, -EIO);
	assert_int_equal(test_window_content(&window), 1);
	test_signal(lab->client, &own, 2);
	expect_content(&window, 2);
	test_pump_for(lab->compositor, 10);
	assert_int_equal(test_window_content(&window), 2);
	expect_owed(&window, 4);
	test_timeline_destroy(&own);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* No eventfd to be had: asked for on a timer, never shown unwaited. */
static void test_no_eventfd(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	kernel_fake.eventfd_error = -EMFILE;
	test_show(&window, 2, 2, 2);
	test_pump_for(lab->compositor, 50);
	assert_int_equal(test_window_content(&window), 1);
	test_signal(lab->client, &window.acquire, 2);
	expect_content(&window, 2);
	kernel_fake.eventfd_error = 0;
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* The fence cannot be exported: then the point itself is waited for. */
static void test_no_export(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	test_fence_pend(lab, &window, 2, &fence);
	kernel_fake.broken_request = SBX_UAPI_HANDLE_TO_FD;
	kernel_fake.broken_error = -EMFILE;
	test_show(&window, 2, 2, 2);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(test_window_content(&window), 1);
	test_fence_signal(lab, &fence, 0);
	expect_content(&window, 2);
	kernel_fake.broken_request = 0;
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* The question itself fails for a while. */
static void test_no_answer(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_signal(lab->client, &window.acquire, 2);
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT;
	kernel_fake.broken_error = -ENOMEM;
	test_show(&window, 2, 2, 2);
	test_pump_for(lab->compositor, 50);
	assert_int_equal(test_window_content(&window), 1);
	kernel_fake.broken_request = 0;
	expect_content(&window, 2);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/*
 * A story with everything in it. Setting up is another one: an import that fails is the client's end.
 * Returns whether the failure asked for has happened.
 */
static bool tell_story(struct protocol_lab *lab, unsigned fail_at, int error) {
	struct test_window window;
	struct test_fence fence;
	test_window_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 1);
	kernel_fake_fail(fail_at, error);
	test_show(&window, 1, 1, 1);
	expect_content(&window, 1);
	test_show(&window, 2, 2, 2);
	test_fence_pend(lab, &window, 2, &fence);
	test_pump(lab->compositor);
	assert_int_equal(test_window_content(&window), 1);
	expect_owed(&window, 1);
	test_fence_signal(lab, &fence, 0);
	expect_content(&window, 2);
	expect_released(&window, 1);
	test_fence_pend(lab, &window, 3, &fence);
	test_show(&window, 3, 3, 3);
	assert_int_equal(test_window_content(&window), 2);
	expect_owed(&window, 2);
	test_fence_signal(lab, &fence, 0);
	expect_content(&window, 3);
	expect_released(&window, 2);
	test_attach(&window, NULL, 0, 0);
	test_commit(&window);
	expect_released(&window, 3);
	bool failed = kernel_fake_failed();
	assert_int_equal(wl_display_get_error(lab->client->display), 0);
	test_window_close(&window);
	protocol_lab_check(lab);
	return failed;
}

/*
 * Each call into the kernel fails once: the story ends the same way, with nothing shown before it was
 * signalled, and nothing released that was not replaced.
 */
static void test_sweep(void **state) {
	struct protocol_lab *lab = *state;
	static const int errors[] = { -ENOMEM, -EMFILE, -EIO };
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		unsigned n = 0;
		while (tell_story(lab, n, errors[i])) {
			n++;
		}
		assert_true(n > 10);
	}
}

/* Bounds */

static void test_too_many_held(void **state) {
	struct protocol_lab *lab = *state;
	struct test_client *client = test_client_create(lab->compositor, lab->sync->sync);
	struct test_window window, survivor;
	open_showing(lab, &survivor);
	test_window_open(client, &window);
	struct wl_buffer *buffer = test_buffer_dmabuf(client, 8);
	for (unsigned i = 0; i < SBX_SYNCOBJ_DEFAULT_HELD_COMMITS; i++) {
		test_attach(&window, buffer, 5000, i + 1);
		wl_surface_commit(window.wl_surface);
		assert_true(i % 32 != 0 || test_client_roundtrip(client));
	}
	assert_true(test_client_roundtrip(client));
	assert_int_equal(protocol_lab_stats(lab).held_commits, SBX_SYNCOBJ_DEFAULT_HELD_COMMITS);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(client, "wl_display", WL_DISPLAY_ERROR_IMPLEMENTATION, "256 waiting");
	wl_buffer_destroy(buffer);
	test_window_close(&window);
	test_client_destroy(client);
	// And nobody else notices.
	test_signal(lab->client, &survivor.acquire, 2);
	test_show(&survivor, 2, 2, 2);
	assert_int_equal(test_window_content(&survivor), 2);
	test_window_close(&survivor);
	protocol_lab_check(lab);
}

static void test_too_many_timelines(void **state) {
	struct protocol_lab *lab = *state;
	struct test_client *client = test_client_create(lab->compositor, lab->sync->sync);
	struct test_timeline timeline;
	test_timeline_create(client, &timeline);
	int fd = -1;
	assert_int_equal(sbx_timeline_export(timeline.own, &fd), 0);
	static struct wp_linux_drm_syncobj_timeline_v1 *objects[SBX_SYNCOBJ_DEFAULT_TIMELINES];
	size_t count = 0;
	for (; count < SBX_SYNCOBJ_DEFAULT_TIMELINES - 1; count++) {
		objects[count] = wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, fd);
		assert_true(count % 16 != 0 || test_client_roundtrip(client));
	}
	assert_true(test_client_roundtrip(client));
	// One goes, one comes.
	wp_linux_drm_syncobj_timeline_v1_destroy(objects[--count]);
	objects[count++] = wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, fd);
	assert_true(test_client_roundtrip(client));
	objects[count++] = wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, fd);
	test_client_expect_error(client, "wl_display", WL_DISPLAY_ERROR_IMPLEMENTATION, "2048 timelines");
	while (count > 0) {
		wp_linux_drm_syncobj_timeline_v1_destroy(objects[--count]);
	}
	sbx_fd_close(&fd);
	test_timeline_destroy(&timeline);
	test_client_destroy(client);
	protocol_lab_check(lab);
}

#define CASES(KIND) \
	KIND("latch: already signalled", test_signalled), \
	KIND("latch: held until signalled", test_held), \
	KIND("latch: policy materialised", test_materialised_policy), \
	KIND("latch: a pending fence", test_pending_fence), \
	KIND("latch: a fence that comes late", test_late_fence), \
	KIND("latch: the client takes its fence back", test_reset), \
	KIND("latch: a held commit delays its own surface only", test_others_go_on), \
	KIND("latch: in order", test_in_order), \
	KIND("latch: superseded", test_superseded), \
	KIND("latch: state without a buffer waits in line", test_state_in_line), \
	KIND("latch: unmap among held commits", test_unmap_among_held), \
	KIND("latch: unmap and map again", test_map_again), \
	KIND("latch: the role goes", test_role_destroyed), \
	KIND("latch: the role comes again", test_role_again), \
	KIND("latch: the role comes late", test_role_late), \
	KIND("latch: the surface goes", test_surface_destroyed), \
	KIND("latch: the client goes", test_client_gone), \
	KIND("latch: the objects go", test_objects_destroyed), \
	KIND("latch: a parent waits for its child", test_parent_waits), \
	KIND("latch: a parent without points waits for its child", test_shm_parent_waits), \
	KIND("latch: a desynchronised child's parent goes on", test_desync_parent_goes_on), \
	KIND("latch: a grandchild", test_grandchild), \
	KIND("latch: the child goes", test_child_destroyed), \
	KIND("latch: the client of a waiting parent goes", test_client_of_waiting_parent_gone), \
	KIND("latch: the waiting parent unmaps", test_waiting_parent_unmaps), \
	KIND("latch: no eventfd", test_no_eventfd), \
	KIND("latch: no export", test_no_export), \
	KIND("latch: no answer", test_no_answer), \
	KIND("latch: content that cannot be taken", test_not_taken), \
	KIND("latch: too many held commits", test_too_many_held), \
	KIND("latch: too many timelines", test_too_many_timelines)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		CASES(PROTOCOL_FAKE),
		PROTOCOL_FAKE("latch: a fence fails", test_failed_fence),
		PROTOCOL_FAKE("latch: the first fence fails", test_failed_first),
		PROTOCOL_FAKE("latch: the second fence fails", test_failed_second),
		PROTOCOL_FAKE("latch: every call fails once", test_sweep),
	};
	const struct CMUnitTest lab[] = { CASES(PROTOCOL_LAB) };
	return suite_run(argc, argv, "protocol/latch", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
