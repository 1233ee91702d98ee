#include <drm.h>
#include <errno.h>
#include <wayland-client-protocol.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "loan/loan.h"
#include "loan/reader.h"
#include "sync/fd.h"
#include "sync/uapi.h"
#include "trace/counter.h"

/* The client's wlr_buffer behind the window's content. */
static struct wlr_buffer *content(struct test_window *window) {
	return test_window_peer(window)->buffer->source;
}

static enum sbx_point_state release_state(struct test_window *window, uint64_t value) {
	test_pump(window->client->compositor);
	return test_state(window->client, &window->release, value);
}

/* Show a buffer whose acquire point is signalled; all values are `value`. */
static void show(struct test_window *window, uint64_t value) {
	test_signal(window->client, &window->acquire, value);
	test_show(window, (int)value, value, value);
	assert_int_equal(test_window_content(window), (int)value);
}

static void open_showing(struct protocol_lab *lab, struct test_window *window) {
	test_window_open(lab->client, window);
	show(window, 1);
}

struct awaited {
	struct test_window *window;
	uint64_t value;
	enum sbx_point_state state;
};

static bool has_state(void *data) {
	const struct awaited *awaited = data;
	return release_state(awaited->window, awaited->value) == awaited->state;
}

static void await_release(struct test_window *window, uint64_t value, enum sbx_point_state state) {
	struct awaited awaited = { window, value, state };
	assert_true(test_pump_until(window->client->compositor, has_state, &awaited));
}

static void close_and_check(struct protocol_lab *lab, struct test_window *window) {
	test_window_close(window);
	protocol_lab_check(lab);
}

/* Ends */

static void test_replaced(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	for (uint64_t value = 2; value < 20; value++) {
		assert_int_equal(release_state(&window, value - 1), SBX_POINT_UNMATERIALISED);
		show(&window, value);
		assert_int_equal(release_state(&window, value - 1), SBX_POINT_SIGNALLED);
		assert_int_equal(protocol_lab_stats(lab).loans, 1);
	}
	close_and_check(lab, &window);
}

static void test_nothing_attached(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_attach(&window, NULL, 0, 0);
	test_commit(&window);
	assert_int_equal(release_state(&window, 1), SBX_POINT_SIGNALLED);
	close_and_check(lab, &window);
}

static void test_state_only(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	wl_surface_set_opaque_region(window.wl_surface, NULL);
	test_commit(&window);
	assert_int_equal(release_state(&window, 1), SBX_POINT_UNMATERIALISED);
	close_and_check(lab, &window);
}

/* The same buffer again is another loan: the first ends. */
static void test_same_buffer(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 3);
	test_signal(lab->client, &window.acquire, 10);
	for (uint64_t value = 1; value <= 5; value++) {
		test_attach(&window, buffer, value, value);
		test_commit(&window);
		assert_true(value == 1 || release_state(&window, value - 1) == SBX_POINT_SIGNALLED);
		assert_int_equal(release_state(&window, value), SBX_POINT_UNMATERIALISED);
	}
	wl_buffer_destroy(buffer);
	close_and_check(lab, &window);
}

/* A release point of 0 is the whole syncobj: whoever asks for it gets it, and harms nobody (D15). */
static void test_value_zero(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_signal(window.client, &window.acquire, 2);
	test_show(&window, 2, 2, 0);
	assert_int_equal(test_window_content(&window), 2);
	show(&window, 3);
	await_release(&window, 0, SBX_POINT_SIGNALLED);
	assert_int_equal(protocol_lab_stats(lab).loans, 1);
	close_and_check(lab, &window);
}

/*
 * The client draws into a buffer again only when it has its release point, and signals the acquire point
 * of its next commit only then: a held commit's own lock must not keep the release point back.
 */
static void test_committed_early(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 3);
	struct wl_buffer *other = test_buffer_dmabuf(lab->client, 4);
	test_signal(lab->client, &window.acquire, 1);
	test_attach(&window, buffer, 1, 1);
	test_commit(&window);
	struct wlr_buffer *held = wlr_buffer_lock(content(&window));
	test_signal(lab->client, &window.acquire, 2);
	test_attach(&window, other, 2, 2);
	test_commit(&window);
	test_attach(&window, buffer, 3, 3);
	test_commit(&window);
	// A plane shows it still.
	test_pump_for(lab->compositor, 20);
	assert_int_equal(release_state(&window, 1), SBX_POINT_UNMATERIALISED);
	wlr_buffer_unlock(held);
	await_release(&window, 1, SBX_POINT_SIGNALLED);
	assert_int_equal(test_window_content(&window), 4);
	test_signal(lab->client, &window.acquire, 3);
	await_release(&window, 2, SBX_POINT_SIGNALLED);
	assert_int_equal(test_window_content(&window), 3);
	wl_buffer_destroy(buffer);
	wl_buffer_destroy(other);
	close_and_check(lab, &window);
}

/* One buffer on two surfaces: each has its own loan. */
static void test_two_surfaces(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window first, second;
	test_window_open(lab->client, &first);
	test_window_open(lab->client, &second);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 3);
	test_signal(lab->client, &first.acquire, 1);
	test_signal(lab->client, &second.acquire, 1);
	test_attach(&first, buffer, 1, 1);
	test_commit(&first);
	test_attach(&second, buffer, 1, 1);
	test_commit(&second);
	show(&first, 2);
	assert_int_equal(release_state(&first, 1), SBX_POINT_SIGNALLED);
	assert_int_equal(release_state(&second, 1), SBX_POINT_UNMATERIALISED);
	show(&second, 2);
	assert_int_equal(release_state(&second, 1), SBX_POINT_SIGNALLED);
	wl_buffer_destroy(buffer);
	test_window_close(&first);
	close_and_check(lab, &second);
}

/* Holders and readers */

static void test_holder(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	struct wlr_buffer *buffer = wlr_buffer_lock(content(&window));
	show(&window, 2);
	test_pump_for(lab->compositor, 50);
	assert_int_equal(release_state(&window, 1), SBX_POINT_UNMATERIALISED);
	assert_int_equal(protocol_lab_stats(lab).loans, 2);
	wlr_buffer_unlock(buffer);
	assert_int_equal(release_state(&window, 1), SBX_POINT_SIGNALLED);
	close_and_check(lab, &window);
}

static void test_holder_outlives_client(void **state) {
	struct protocol_lab *lab = *state;
	struct test_client *client = test_client_create(lab->compositor, lab->sync->sync);
	struct test_window window;
	test_window_open(client, &window);
	show(&window, 1);
	struct wlr_buffer *buffer = wlr_buffer_lock(content(&window));
	wl_client_destroy(client->peer);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(release_state(&window, 1), SBX_POINT_UNMATERIALISED);
	wlr_buffer_unlock(buffer);
	assert_int_equal(release_state(&window, 1), SBX_POINT_SIGNALLED);
	test_window_close(&window);
	test_client_destroy(client);
	protocol_lab_check(lab);
}

/* A pending reader: the point is materialised as soon as the content is replaced, and signalled by it. */
static void test_reader(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	test_fence_create(lab, &fence);
	assert_true(sbx_syncobj_buffer_add_reader(content(&window), fence.sync_file));
	sbx_fd_close(&fence.sync_file);
	assert_int_equal(release_state(&window, 1), SBX_POINT_UNMATERIALISED);
	show(&window, 2);
	assert_int_equal(release_state(&window, 1), SBX_POINT_MATERIALISED);
	assert_int_equal(protocol_lab_stats(lab).loans, 1);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(release_state(&window, 1), SBX_POINT_SIGNALLED);
	close_and_check(lab, &window);
}

static void add_readers(struct protocol_lab *lab, struct test_window *window, struct test_fence *fences,
		int count) {
	for (int i = 0; i < count; i++) {
		test_fence_create(lab, &fences[i]);
		assert_true(sbx_syncobj_buffer_add_reader(content(window), fences[i].sync_file));
		sbx_fd_close(&fences[i].sync_file);
	}
}

static void expect_after_all(struct protocol_lab *lab, struct test_window *window,
		struct test_fence *fences, int count) {
	for (int i = count - 1; i >= 0; i--) {
		assert_int_not_equal(release_state(window, 1), SBX_POINT_SIGNALLED);
		test_fence_signal(lab, &fences[i], 0);
	}
	await_release(window, 1, SBX_POINT_SIGNALLED);
}

static void test_readers(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fences[5];
	open_showing(lab, &window);
	add_readers(lab, &window, fences, 5);
	show(&window, 2);
	assert_int_equal(release_state(&window, 1), SBX_POINT_MATERIALISED);
	expect_after_all(lab, &window, fences, 5);
	close_and_check(lab, &window);
}

/* Each output's passes: only the latest of a queue is kept. */
static void test_queue(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	uint64_t fds = sbx_counter_read(SBX_COUNT_FDS);
	static const int queue;
	for (uint64_t value = 1; value <= 20; value++) {
		test_fence_create(lab, &fence);
		struct sbx_reader *reader = sbx_reader_create(&queue, value, &fence.sync_file);
		assert_true(sbx_buffer_add_reader(content(&window), reader));
		sbx_reader_unref(reader);
		assert_int_equal(sbx_counter_read(SBX_COUNT_FDS), fds + 1);
		if (value < 20) {
			test_fence_signal(lab, &fence, 0);
		}
	}
	show(&window, 2);
	assert_int_equal(release_state(&window, 1), SBX_POINT_MATERIALISED);
	assert_int_equal(sbx_counter_read(SBX_COUNT_FDS), fds);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(release_state(&window, 1), SBX_POINT_SIGNALLED);
	close_and_check(lab, &window);
}

/* A pass of which nobody knows yet when it will be done. */
static void test_open_reader(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	struct sbx_reader *reader = sbx_reader_create_open(NULL, 0);
	assert_true(sbx_buffer_add_reader(content(&window), reader));
	show(&window, 2);
	test_pump_for(lab->compositor, 50);
	assert_int_equal(release_state(&window, 1), SBX_POINT_UNMATERIALISED);
	assert_int_equal(protocol_lab_stats(lab).ending, 1);
	sbx_reader_close(reader);
	sbx_reader_unref(reader);
	await_release(&window, 1, SBX_POINT_SIGNALLED);
	close_and_check(lab, &window);
}

/* A pass reads it after it was replaced, as a snapshot is: it counts. */
static void test_late_reader(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	struct wlr_buffer *buffer = wlr_buffer_lock(content(&window));
	show(&window, 2);
	test_fence_create(lab, &fence);
	assert_true(sbx_syncobj_buffer_add_reader(buffer, fence.sync_file));
	sbx_fd_close(&fence.sync_file);
	wlr_buffer_unlock(buffer);
	assert_int_equal(release_state(&window, 1), SBX_POINT_MATERIALISED);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(release_state(&window, 1), SBX_POINT_SIGNALLED);
	close_and_check(lab, &window);
}

static void test_failed_reader(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	add_readers(lab, &window, &fence, 1);
	test_fence_signal(lab, &fence, -EIO);
	show(&window, 2);
	await_release(&window, 1, SBX_POINT_SIGNALLED);
	close_and_check(lab, &window);
}

/* What the renderer asks */

static void test_acquire_fence(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	int fd = -1;
	open_showing(lab, &window);
	assert_int_equal(sbx_buffer_get_acquire_fence(content(&window), &fd), 0);
	assert_int_equal(fd, -1);
	assert_true(sbx_buffer_is_on_loan(content(&window)));
	sbx_syncobj_manager_set_policy(lab->compositor->manager, SBX_LATCH_MATERIALISED);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	assert_int_equal(test_window_content(&window), 2);
	assert_int_equal(sbx_buffer_get_acquire_fence(content(&window), &fd), 0);
	assert_true(fd >= 0);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(sbx_buffer_get_acquire_fence(content(&window), &fd), 0);
	assert_int_equal(fd, -1);
	close_and_check(lab, &window);
}

/* A snapshot of content that is replaced before its fence signals. */
static void test_acquire_fence_of_replaced(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	int fd = -1;
	open_showing(lab, &window);
	sbx_syncobj_manager_set_policy(lab->compositor->manager, SBX_LATCH_MATERIALISED);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	struct wlr_buffer *snapshot = wlr_buffer_lock(content(&window));
	test_attach(&window, NULL, 0, 0);
	test_commit(&window);
	assert_int_equal(test_window_content(&window), 0);
	assert_int_equal(sbx_buffer_get_acquire_fence(snapshot, &fd), 0);
	assert_true(fd >= 0);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(sbx_buffer_get_acquire_fence(snapshot, &fd), 0);
	assert_int_equal(fd, -1);
	wlr_buffer_unlock(snapshot);
	close_and_check(lab, &window);
}

static void test_failed_acquire_fence(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	int fd = -1;
	open_showing(lab, &window);
	sbx_syncobj_manager_set_policy(lab->compositor->manager, SBX_LATCH_MATERIALISED);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	test_fence_signal(lab, &fence, -EIO);
	assert_int_equal(sbx_buffer_get_acquire_fence(content(&window), &fd), -EAGAIN);
	close_and_check(lab, &window);
}

/* Failures: never early, never lost */

static void fail_for_a_while(struct protocol_lab *lab, unsigned long request, int error, int readers) {
	struct test_window window;
	struct test_fence fences[3];
	open_showing(lab, &window);
	add_readers(lab, &window, fences, readers);
	kernel_fake.broken_request = request;
	kernel_fake.broken_error = error;
	show(&window, 2);
	test_pump_for(lab->compositor, 20);
	kernel_fake.paused = true;
	kernel_fake.broken_request = 0;
	kernel_fake.paused = false;
	expect_after_all(lab, &window, fences, readers);
	close_and_check(lab, &window);
}

static void test_import_fails(void **state) {
	fail_for_a_while(*state, SBX_UAPI_FD_TO_HANDLE, -ENOMEM, 1);
}

static void test_merge_fails(void **state) {
	fail_for_a_while(*state, SYNC_IOC_MERGE, -ENOMEM, 3);
}

/* The import never works: then the readers are waited for, and the point is signalled from the CPU. */
static void test_import_always_fails(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fences[2];
	open_showing(lab, &window);
	add_readers(lab, &window, fences, 2);
	kernel_fake.broken_request = SYNC_IOC_MERGE;
	kernel_fake.broken_error = -ENOMEM;
	show(&window, 2);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(release_state(&window, 1), SBX_POINT_UNMATERIALISED);
	test_fence_signal(lab, &fences[1], 0);
	test_fence_signal(lab, &fences[0], 0);
	await_release(&window, 1, SBX_POINT_SIGNALLED);
	kernel_fake.broken_request = 0;
	close_and_check(lab, &window);
}

static void test_signal_fails(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_signal(lab->client, &window.acquire, 2);
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL;
	kernel_fake.broken_error = -ENOMEM;
	test_show(&window, 2, 2, 2);
	test_pump_for(lab->compositor, 20);
	assert_int_equal(release_state(&window, 1), SBX_POINT_UNMATERIALISED);
	assert_int_equal(protocol_lab_stats(lab).ending, 1);
	kernel_fake.broken_request = 0;
	await_release(&window, 1, SBX_POINT_SIGNALLED);
	close_and_check(lab, &window);
}

/* The device is gone: nothing can be told to anybody, and nothing is kept. */
static void test_device_gone(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL;
	kernel_fake.broken_error = -ENODEV;
	test_attach(&window, NULL, 0, 0);
	test_commit(&window);
	assert_int_equal(protocol_lab_stats(lab).loans, 0);
	kernel_fake.broken_request = 0;
	close_and_check(lab, &window);
}

/* The compositor ends while a buffer is held and read: the point is the reader's. */
static void test_shutdown(void **state) {
	struct protocol_lab *lab = *state;
	struct test_compositor *compositor =
		test_compositor_create(sbx_sync_get_drm_fd(lab->sync->sync),
			&(struct sbx_syncobj_options){ .keep_fd_limit = true });
	struct test_client *client = test_client_create(compositor, lab->sync->sync);
	struct test_window window;
	struct test_fence fence;
	test_window_open(client, &window);
	show(&window, 1);
	add_readers(lab, &window, &fence, 1);
	test_show(&window, 2, 2, 2);
	wl_display_destroy_clients(compositor->display);
	test_compositor_destroy(compositor);
	assert_int_equal(test_state(client, &window.release, 1), SBX_POINT_MATERIALISED);
	// In order of the timeline: 2 after 1.
	assert_int_equal(test_state(client, &window.release, 2), SBX_POINT_MATERIALISED);
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(test_state(client, &window.release, 2), SBX_POINT_SIGNALLED);
	test_window_close(&window);
	wl_list_init(&client->link);
	client->compositor = lab->compositor;
	test_client_destroy(client);
	protocol_lab_check(lab);
}

/* Rest costs nothing. */
static void test_at_rest(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	assert_true(test_client_roundtrip(lab->client));
	uint64_t fds = sbx_counter_read(SBX_COUNT_FDS);
	uint64_t ioctls = sbx_counter_ioctls();
	int fd = -1;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(sbx_buffer_get_acquire_fence(content(&window), &fd), 0);
		test_pump(lab->compositor);
	}
	assert_int_equal(sbx_counter_read(SBX_COUNT_FDS), fds);
	assert_int_equal(sbx_counter_ioctls(), ioctls);
	close_and_check(lab, &window);
}

#define CASES(KIND) \
	KIND("loan: replaced", test_replaced), \
	KIND("loan: nothing attached", test_nothing_attached), \
	KIND("loan: a commit without a buffer changes nothing", test_state_only), \
	KIND("loan: the same buffer again", test_same_buffer), \
	KIND("loan: a release point of 0", test_value_zero), \
	KIND("loan: the same buffer again, committed early", test_committed_early), \
	KIND("loan: one buffer on two surfaces", test_two_surfaces), \
	KIND("loan: somebody holds the buffer", test_holder), \
	KIND("loan: somebody holds the buffer of a client that has gone", test_holder_outlives_client), \
	KIND("loan: a reader", test_reader), \
	KIND("loan: several readers", test_readers), \
	KIND("loan: readers of one queue", test_queue), \
	KIND("loan: a reader without a fence", test_open_reader), \
	KIND("loan: a reader after the replacement", test_late_reader), \
	KIND("loan: what to wait for", test_acquire_fence), \
	KIND("loan: what a snapshot waits for", test_acquire_fence_of_replaced), \
	KIND("loan: import fails for a while", test_import_fails), \
	KIND("loan: merge fails for a while", test_merge_fails), \
	KIND("loan: merge always fails", test_import_always_fails), \
	KIND("loan: signal fails for a while", test_signal_fails), \
	KIND("loan: the device is gone", test_device_gone), \
	KIND("loan: at rest", test_at_rest)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		CASES(PROTOCOL_FAKE),
		PROTOCOL_FAKE("loan: a reader fails", test_failed_reader),
		PROTOCOL_FAKE("loan: the acquire fence fails after the latch", test_failed_acquire_fence),
		PROTOCOL_FAKE("loan: the compositor ends", test_shutdown),
	};
	const struct CMUnitTest lab[] = { CASES(PROTOCOL_LAB) };
	return suite_run(argc, argv, "loan/loan", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
