#include <fcntl.h>
#include <unistd.h>
#include <wayland-client-protocol.h>
#include "harness/protocol_lab.h"
#include "linux-drm-syncobj-v1-client-protocol.h"

#define SURFACE "wp_linux_drm_syncobj_surface_v1"
#define MANAGER "wp_linux_drm_syncobj_manager_v1"

static void set_acquire(struct test_window *window, struct test_timeline *timeline, uint64_t value) {
	wp_linux_drm_syncobj_surface_v1_set_acquire_point(window->sync, timeline->object,
		(uint32_t)(value >> 32), (uint32_t)value);
}

static void set_release(struct test_window *window, struct test_timeline *timeline, uint64_t value) {
	wp_linux_drm_syncobj_surface_v1_set_release_point(window->sync, timeline->object,
		(uint32_t)(value >> 32), (uint32_t)value);
}

static void test_acquire_without_buffer(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_surface_open(lab->client, &window);
	set_acquire(&window, &window.acquire, 0x700000009);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(lab->client, SURFACE, WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_BUFFER,
		"acquire 30064771081 wl_surface#");
	test_window_close(&window);
}

static void test_release_without_buffer(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 1);
	test_show(&window, 8, 1, 1);
	assert_int_equal(test_window_content(&window), 8);
	// Also where the surface has content from before.
	set_release(&window, &window.release, 17);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(lab->client, SURFACE, WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_BUFFER,
		"release 17");
	test_window_close(&window);
}

static void test_no_acquire(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_surface_open(lab->client, &window);
	wl_surface_attach(window.wl_surface, NULL, 0, 0);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 8);
	wl_surface_attach(window.wl_surface, buffer, 0, 0);
	set_release(&window, &window.release, 1);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(lab->client, SURFACE,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_ACQUIRE_POINT, "acquire wl_surface#");
	wl_buffer_destroy(buffer);
	test_window_close(&window);
}

static void test_no_release(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_surface_open(lab->client, &window);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 8);
	wl_surface_attach(window.wl_surface, buffer, 0, 0);
	set_acquire(&window, &window.acquire, 1);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(lab->client, SURFACE,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_RELEASE_POINT, "release wl_surface#");
	wl_buffer_destroy(buffer);
	test_window_close(&window);
}

static void test_unsupported(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_surface_open(lab->client, &window);
	struct wl_buffer *buffer = test_buffer_shm(lab->client, 8);
	test_attach(&window, buffer, 1, 2);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(lab->client, SURFACE,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_UNSUPPORTED_BUFFER, "8x4 dma-buf");
	wl_buffer_destroy(buffer);
	test_window_close(&window);
}

static void expect_conflict(struct protocol_lab *lab, uint64_t acquire, uint64_t release,
		const char *words) {
	struct test_window window;
	test_surface_open(lab->client, &window);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 8);
	wl_surface_attach(window.wl_surface, buffer, 0, 0);
	set_acquire(&window, &window.acquire, acquire);
	set_release(&window, &window.acquire, release);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(lab->client, SURFACE,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_CONFLICTING_POINTS, words);
	wl_buffer_destroy(buffer);
	test_window_close(&window);
}

static void test_conflict_equal(void **state) {
	expect_conflict(*state, 5, 5, "acquire release 5");
}

static void test_conflict_greater(void **state) {
	expect_conflict(*state, 0x100000000, 7, "4294967296 7");
}

static void test_one_timeline(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 1);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 8);
	wl_surface_attach(window.wl_surface, buffer, 0, 0);
	set_acquire(&window, &window.acquire, 1);
	set_release(&window, &window.acquire, 2);
	test_commit(&window);
	assert_true(test_client_roundtrip(lab->client));
	assert_int_equal(test_window_content(&window), 8);
	wl_buffer_destroy(buffer);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Commit with acquire point 3 and release point 3 of one syncobj that was imported twice. */
static void commit_twice_imported(struct test_window *window, struct test_timeline *again) {
	test_timeline_import_again(window->client, &window->acquire, again);
	struct wl_buffer *buffer = test_buffer_dmabuf(window->client, 8);
	wl_surface_attach(window->wl_surface, buffer, 0, 0);
	set_acquire(window, &window->acquire, 3);
	set_release(window, again, 3);
	wl_surface_commit(window->wl_surface);
	wl_buffer_destroy(buffer);
}

static void test_imported_twice(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_timeline again;
	test_window_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 3);
	commit_twice_imported(&window, &again);
	test_client_expect_error(lab->client, SURFACE,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_CONFLICTING_POINTS, "3 same");
	test_timeline_destroy(&again);
	test_window_close(&window);
}

/* Nobody can tell before the point is there. */
static void test_imported_twice_held(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_timeline again;
	test_window_open(lab->client, &window);
	commit_twice_imported(&window, &again);
	assert_true(test_client_roundtrip(lab->client));
	test_signal(lab->client, &window.acquire, 3);
	test_client_expect_error(lab->client, SURFACE,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_CONFLICTING_POINTS, "3 same");
	test_timeline_destroy(&again);
	test_window_close(&window);
}

/* Two timelines whose values run in step, as Mesa has them, and points used again. */
static void test_two_timelines_in_step(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	for (uint64_t value = 1; value < 8; value++) {
		test_signal(lab->client, &window.acquire, value);
		test_show(&window, 8, value, value);
		assert_true(test_client_roundtrip(lab->client));
	}
	test_show(&window, 9, 6, 6);
	assert_true(test_client_roundtrip(lab->client));
	assert_int_equal(test_window_content(&window), 9);
	test_window_close(&window);
	protocol_lab_check(lab);
}

static void test_no_surface(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_surface_open(lab->client, &window);
	wl_surface_destroy(window.wl_surface);
	window.wl_surface = NULL;
	set_acquire(&window, &window.acquire, 12);
	test_client_expect_error(lab->client, SURFACE,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_SURFACE, "acquire 12");
	test_window_close(&window);
}

static void test_inert_object_can_go(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_surface_open(lab->client, &window);
	set_acquire(&window, &window.acquire, 12);
	wl_surface_destroy(window.wl_surface);
	window.wl_surface = NULL;
	test_window_close(&window);
	assert_true(test_client_roundtrip(lab->client));
	protocol_lab_check(lab);
}

static void test_surface_exists(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_surface_open(lab->client, &window);
	struct wp_linux_drm_syncobj_surface_v1 *second =
		wp_linux_drm_syncobj_manager_v1_get_surface(lab->client->syncobj, window.wl_surface);
	test_client_expect_error(lab->client, MANAGER,
		WP_LINUX_DRM_SYNCOBJ_MANAGER_V1_ERROR_SURFACE_EXISTS, "wl_surface#");
	wp_linux_drm_syncobj_surface_v1_destroy(second);
	test_window_close(&window);
}

/* A second object after the first: the points that were set for a commit went with the first. */
static void test_object_again(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	set_acquire(&window, &window.acquire, 1);
	set_release(&window, &window.release, 1);
	wp_linux_drm_syncobj_surface_v1_destroy(window.sync);
	window.sync = wp_linux_drm_syncobj_manager_v1_get_surface(lab->client->syncobj, window.wl_surface);
	wl_surface_commit(window.wl_surface);
	assert_true(test_client_roundtrip(lab->client));
	test_signal(lab->client, &window.acquire, 2);
	test_show(&window, 8, 2, 2);
	assert_int_equal(test_window_content(&window), 8);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Without an object, buffers need no points. */
static void test_implicit_after_object(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 1);
	test_show(&window, 8, 1, 1);
	wp_linux_drm_syncobj_surface_v1_destroy(window.sync);
	window.sync = NULL;
	test_pump(lab->compositor);
	assert_int_equal(test_window_content(&window), 8);
	assert_int_equal(test_state(lab->client, &window.release, 1), SBX_POINT_UNMATERIALISED);
	struct wl_buffer *buffer = test_buffer_shm(lab->client, 9);
	wl_surface_attach(window.wl_surface, buffer, 0, 0);
	test_commit(&window);
	assert_int_equal(test_window_content(&window), 9);
	assert_int_equal(test_state(lab->client, &window.release, 1), SBX_POINT_SIGNALLED);
	wl_buffer_destroy(buffer);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Points set twice for one commit: the first are as if they had never been. */
static void test_points_replaced(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_timeline other;
	test_window_open(lab->client, &window);
	test_timeline_create(lab->client, &other);
	set_acquire(&window, &other, 50);
	set_release(&window, &other, 51);
	test_signal(lab->client, &window.acquire, 1);
	test_show(&window, 8, 1, 1);
	assert_int_equal(test_window_content(&window), 8);
	test_show(&window, 9, 1, 2);
	assert_int_equal(test_state(lab->client, &window.release, 1), SBX_POINT_SIGNALLED);
	assert_int_equal(test_state(lab->client, &other, 50), SBX_POINT_UNMATERIALISED);
	test_timeline_destroy(&other);
	test_window_close(&window);
	protocol_lab_check(lab);
}

/* Another commit in between: points belong to the commit that they were set for. */
static void test_points_are_not_kept(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 1);
	test_show(&window, 8, 1, 1);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 9);
	wl_surface_attach(window.wl_surface, buffer, 0, 0);
	wl_surface_commit(window.wl_surface);
	test_client_expect_error(lab->client, SURFACE,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_ACQUIRE_POINT, NULL);
	wl_buffer_destroy(buffer);
	test_window_close(&window);
}

static void test_invalid_timeline(void **state) {
	struct protocol_lab *lab = *state;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct wp_linux_drm_syncobj_timeline_v1 *object =
		wp_linux_drm_syncobj_manager_v1_import_timeline(lab->client->syncobj, fd);
	close(fd);
	test_client_expect_error(lab->client, MANAGER,
		WP_LINUX_DRM_SYNCOBJ_MANAGER_V1_ERROR_INVALID_TIMELINE, "timeline syncobj");
	wp_linux_drm_syncobj_timeline_v1_destroy(object);
}

#define CASES(KIND) \
	KIND("surface: acquire point without a buffer", test_acquire_without_buffer), \
	KIND("surface: release point without a buffer", test_release_without_buffer), \
	KIND("surface: buffer without an acquire point", test_no_acquire), \
	KIND("surface: buffer without a release point", test_no_release), \
	KIND("surface: shm buffer with points", test_unsupported), \
	KIND("surface: equal points of one timeline", test_conflict_equal), \
	KIND("surface: acquire point after release point", test_conflict_greater), \
	KIND("surface: one timeline in order is fine", test_one_timeline), \
	KIND("surface: one syncobj imported twice", test_imported_twice), \
	KIND("surface: one syncobj imported twice, held", test_imported_twice_held), \
	KIND("surface: two timelines in step are fine", test_two_timelines_in_step), \
	KIND("surface: points after the wl_surface", test_no_surface), \
	KIND("surface: an inert object can be destroyed", test_inert_object_can_go), \
	KIND("surface: two objects", test_surface_exists), \
	KIND("surface: an object after another", test_object_again), \
	KIND("surface: implicit after explicit", test_implicit_after_object), \
	KIND("surface: points replaced within a commit", test_points_replaced), \
	KIND("surface: points are for one commit", test_points_are_not_kept), \
	KIND("surface: not a syncobj", test_invalid_timeline)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = { CASES(PROTOCOL_FAKE) };
	const struct CMUnitTest lab[] = { CASES(PROTOCOL_LAB) };
	return suite_run(argc, argv, "protocol/surface", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
