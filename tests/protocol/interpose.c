#include <drm.h>
#include <errno.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_linux_drm_syncobj_v1.h>
#include <wlr/types/wlr_scene.h>
#include "harness/kernel_fake.h"
#include "harness/peer_timeline.h"
#include "harness/protocol_lab.h"
#include "loan/offer.h"
#include "loan/promise.h"
#include "protocol/interpose.h"
#include "sync/fd.h"
#include "sync/uapi.h"

static struct wlr_linux_drm_syncobj_surface_v1_state *ask(struct test_window *window) {
	return wlr_linux_drm_syncobj_v1_get_surface_state(test_window_peer(window));
}

static enum sbx_point_state state_of(struct protocol_lab *lab,
		const struct wlr_drm_syncobj_timeline *timeline, uint64_t value) {
	struct sbx_point point = { .handle = timeline->handle, .value = value };
	enum sbx_point_state state = SBX_POINT_INVALID;
	kernel_fake.paused = true;
	assert_int_equal(sbx_points_query(lab->sync->sync, &point, 1, &state), 0);
	kernel_fake.paused = false;
	return state;
}

/* What wlroots is told to wait for. */
static enum sbx_point_state answered(struct protocol_lab *lab, struct test_window *window) {
	struct wlr_linux_drm_syncobj_surface_v1_state *state = ask(window);
	assert_non_null(state);
	assert_non_null(state->acquire_timeline);
	return state_of(lab, state->acquire_timeline, state->acquire_point);
}

static void open_showing(struct protocol_lab *lab, struct test_window *window) {
	test_window_open(lab->client, window);
	test_signal(lab->client, &window->acquire, 1);
	test_show(window, 1, 1, 1);
	assert_int_equal(test_window_content(window), 1);
}

static void open_pending(struct protocol_lab *lab, struct test_window *window, struct test_fence *fence) {
	sbx_syncobj_manager_set_policy(lab->compositor->manager, SBX_LATCH_MATERIALISED);
	open_showing(lab, window);
	test_fence_pend(lab, window, 2, fence);
	test_show(window, 2, 2, 2);
	assert_int_equal(test_window_content(window), 2);
}

static void test_asked(void **state) {
	assert_true(sbx_interpose_is_asked());
}

static void test_nothing_on_loan(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	assert_null(ask(&window));
	test_window_close(&window);
	protocol_lab_check(lab);
}

static void test_signalled(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window, other;
	open_showing(lab, &window);
	open_showing(lab, &other);
	assert_int_equal(answered(lab, &window), SBX_POINT_SIGNALLED);
	assert_true(sbx_offer_is_ready(ask(&window)->acquire_timeline));
	// One for all: what is ready costs nothing.
	assert_ptr_equal(ask(&window)->acquire_timeline, ask(&other)->acquire_timeline);
	// The content goes, and so does the answer.
	test_attach(&window, NULL, 0, 0);
	test_commit(&window);
	assert_null(ask(&window));
	test_window_close(&window);
	test_window_close(&other);
	protocol_lab_check(lab);
}

/* What reached wlroots unsignalled is waited for, whatever the client does to its syncobj. */
static void test_pending(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_pending(lab, &window, &fence);
	assert_int_equal(answered(lab, &window), SBX_POINT_MATERIALISED);
	struct wlr_drm_syncobj_timeline *timeline = ask(&window)->acquire_timeline;
	kernel_fake.paused = true;
	assert_int_equal(sbx_point_reset(lab->sync->sync, test_point(&window.acquire, 2)), 0);
	kernel_fake.paused = false;
	assert_int_equal(answered(lab, &window), SBX_POINT_MATERIALISED);
	assert_ptr_equal(ask(&window)->acquire_timeline, timeline);
	assert_int_not_equal(timeline->handle, test_point(&window.acquire, 2).handle);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(answered(lab, &window), SBX_POINT_SIGNALLED);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* If wlroots cannot be given something to wait for, the content waits. */
static void test_no_offer(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	sbx_syncobj_manager_set_policy(lab->compositor->manager, SBX_LATCH_MATERIALISED);
	open_showing(lab, &window);
	test_fence_pend(lab, &window, 2, &fence);
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_CREATE;
	kernel_fake.broken_error = -ENOMEM;
	test_show(&window, 2, 2, 2);
	test_pump(lab->compositor);
	kernel_fake.broken_request = 0;
	assert_int_equal(test_window_content(&window), 1);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(test_window_content(&window), 2);
	assert_int_equal(answered(lab, &window), SBX_POINT_SIGNALLED);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* wlroots itself: its scene takes what we say. */
static void test_scene(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_pending(lab, &window, &fence);
	struct wlr_scene *scene = wlr_scene_create();
	struct wlr_scene_surface *node = wlr_scene_surface_create(&scene->tree, test_window_peer(&window));
	assert_ptr_equal(node->buffer->WLR_PRIVATE.wait_timeline, ask(&window)->acquire_timeline);
	assert_int_equal(state_of(lab, node->buffer->WLR_PRIVATE.wait_timeline,
		node->buffer->WLR_PRIVATE.wait_point), SBX_POINT_MATERIALISED);
	test_fence_signal(lab, &fence, 0);
	test_signal(lab->client, &window.acquire, 3);
	test_show(&window, 3, 3, 3);
	assert_true(sbx_offer_is_ready(node->buffer->WLR_PRIVATE.wait_timeline));
	test_window_close(&window);
	test_pump(lab->compositor);
	wlr_scene_node_destroy(&scene->tree.node);
	protocol_lab_check(lab);
}

/* A snapshot keeps what it waits for longer than the loan, and than the manager. */
static void test_outlived(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_pending(lab, &window, &fence);
	struct wlr_drm_syncobj_timeline *timeline =
		wlr_drm_syncobj_timeline_ref(ask(&window)->acquire_timeline);
	test_window_close(&window);
	test_pump(lab->compositor);
	assert_int_equal(state_of(lab, timeline, SBX_OFFER_POINT), SBX_POINT_MATERIALISED);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(state_of(lab, timeline, SBX_OFFER_POINT), SBX_POINT_SIGNALLED);
	wlr_drm_syncobj_timeline_unref(timeline);
	protocol_lab_check(lab);

	struct test_compositor *compositor =
		test_compositor_create(sbx_sync_get_drm_fd(lab->sync->sync), NULL);
	struct test_client *client = test_client_create(compositor, lab->sync->sync);
	test_window_open(client, &window);
	test_signal(client, &window.acquire, 1);
	test_show(&window, 1, 1, 1);
	timeline = wlr_drm_syncobj_timeline_ref(ask(&window)->acquire_timeline);
	test_window_close(&window);
	test_client_destroy(client);
	test_compositor_destroy(compositor);
	assert_int_equal(timeline->handle, 0);
	wlr_drm_syncobj_timeline_unref(timeline);
}

/* The cursor's way: the release point waits for the buffer, which it does by itself. */
static void test_release_with_buffer(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	struct wlr_buffer *buffer = wlr_buffer_lock(test_window_peer(&window)->buffer->source);
	assert_true(wlr_linux_drm_syncobj_v1_state_signal_release_with_buffer(ask(&window), buffer));
	test_signal(lab->client, &window.acquire, 2);
	test_show(&window, 2, 2, 2);
	test_pump(lab->compositor);
	assert_int_equal(test_state(lab->client, &window.release, 1), SBX_POINT_UNMATERIALISED);
	wlr_buffer_unlock(buffer);
	test_pump(lab->compositor);
	assert_int_equal(test_state(lab->client, &window.release, 1), SBX_POINT_SIGNALLED);
	test_window_close(&window);
	protocol_lab_check(lab);
}

static bool add_release_point(struct test_window *window, const struct peer_timeline *timeline,
		uint64_t point) {
	return wlr_linux_drm_syncobj_v1_state_add_release_point(ask(window), timeline->wlr, point,
		window->client->compositor->loop);
}

static void replace(struct protocol_lab *lab, struct test_window *window, int with) {
	test_signal(lab->client, &window->acquire, (uint64_t)with);
	test_show(window, with, (uint64_t)with, (uint64_t)with);
	test_pump(lab->compositor);
}

static bool is_first_released(void *data) {
	struct test_window *window = data;
	return test_state(window->client, &window->release, 1) == SBX_POINT_SIGNALLED;
}

/* A reader that wlroots names: another renderer, or a display engine that has the buffer no more. */
static void test_release_point(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct peer_timeline timeline;
	peer_timeline_create(&timeline, lab->sync->sync);
	open_showing(lab, &window);
	assert_true(add_release_point(&window, &timeline, 7));
	assert_true(add_release_point(&window, &timeline, 8));
	replace(lab, &window, 2);
	peer_timeline_signal(&timeline, 7);
	test_pump(lab->compositor);
	assert_int_equal(test_state(lab->client, &window.release, 1), SBX_POINT_UNMATERIALISED);
	peer_timeline_signal(&timeline, 8);
	assert_true(test_pump_until(lab->compositor, is_first_released, &window));
	test_window_close(&window);
	peer_timeline_destroy(&timeline);
	protocol_lab_check(lab);
}

/* The output goes before its point comes: nobody is left to wait for. */
static void test_release_point_goes(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct peer_timeline timeline;
	peer_timeline_create(&timeline, lab->sync->sync);
	open_showing(lab, &window);
	assert_true(add_release_point(&window, &timeline, 1));
	replace(lab, &window, 2);
	assert_int_equal(test_state(lab->client, &window.release, 1), SBX_POINT_UNMATERIALISED);
	peer_timeline_destroy(&timeline);
	assert_true(test_pump_until(lab->compositor, is_first_released, &window));
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Our renderer's own points: it tells the loans by itself. */
static void test_release_point_spared(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct peer_timeline timeline;
	peer_timeline_create(&timeline, lab->sync->sync);
	sbx_promise_spare(timeline.wlr);
	open_showing(lab, &window);
	assert_true(add_release_point(&window, &timeline, 1));
	replace(lab, &window, 2);
	assert_int_equal(test_state(lab->client, &window.release, 1), SBX_POINT_SIGNALLED);
	test_window_close(&window);
	peer_timeline_destroy(&timeline);
	protocol_lab_check(lab);
}

/* wlroots' own, where there is none of ours: nothing here, and its own implementation on a device. */
static void test_passed_on(void **state) {
	struct protocol_lab *lab = *state;
	int drm_fd = sbx_sync_get_drm_fd(lab->sync->sync);
	struct wlr_linux_drm_syncobj_manager_v1 *ours =
		wlr_linux_drm_syncobj_manager_v1_create(lab->compositor->display, 1, drm_fd);
	assert_non_null(ours);
	assert_ptr_equal(ours->global, sbx_syncobj_manager_get_global(lab->compositor->manager));

	struct wl_display *display = wl_display_create();
	struct wlr_linux_drm_syncobj_manager_v1 *theirs =
		wlr_linux_drm_syncobj_manager_v1_create(display, 1, drm_fd);
	assert_int_equal(theirs != NULL, lab->sync->vgem_fd >= 0);
	assert_ptr_not_equal(theirs, ours);
	wl_display_destroy(display);
}

#define INTERPOSE_TESTS(CASE) \
	CASE("interpose: wlroots asks us", test_asked), \
	CASE("interpose: nothing on loan", test_nothing_on_loan), \
	CASE("interpose: content that is signalled", test_signalled), \
	CASE("interpose: content that is not", test_pending), \
	CASE("interpose: nothing to offer", test_no_offer), \
	CASE("interpose: wlr_scene", test_scene), \
	CASE("interpose: an offer outlives what it was for", test_outlived), \
	CASE("interpose: release with the buffer", test_release_with_buffer), \
	CASE("interpose: a release point", test_release_point), \
	CASE("interpose: a release point that never comes", test_release_point_goes), \
	CASE("interpose: our renderer's release point", test_release_point_spared), \
	CASE("interpose: passed on", test_passed_on)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = { INTERPOSE_TESTS(PROTOCOL_FAKE) };
	const struct CMUnitTest lab[] = { INTERPOSE_TESTS(PROTOCOL_LAB) };
	return suite_run(argc, argv, "protocol/interpose", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
