/* Every way a loan can go, as the recording tells it. */
#include <errno.h>
#include <unistd.h>
#include <wayland-client-protocol.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "harness/recording.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "loan/loan.h"
#include "sync/fd.h"
#include "trace/counter.h"
#include "xdg-shell-client-protocol.h"

/* What comes first and last of a loan whose point was signalled when it was committed. */
#define SHOWN "committed signalled latched"
#define GONE " replaced released"

static int setup_fake(void **state) {
	int ret = protocol_lab_setup_fake(state);
	recording_start();
	return ret;
}

static int setup_lab(void **state) {
	int ret = protocol_lab_setup(state);
	recording_start();
	return ret;
}

static int teardown(void **state) {
	int ret = protocol_lab_teardown(state);
	recording_stop();
	return ret;
}

static struct wlr_buffer *content(struct test_window *window) {
	return test_window_peer(window)->buffer->source;
}

/* Show a buffer whose acquire point is signalled. Returns the loan. */
static uint64_t show(struct test_window *window, uint64_t value) {
	test_signal(window->client, &window->acquire, value);
	test_show(window, (int)value, value, value);
	assert_int_equal(test_window_content(window), (int)value);
	return recording_last_loan();
}

/* Commit a buffer whose acquire point is not there yet. */
static uint64_t commit_early(struct test_window *window, uint64_t value) {
	test_show(window, (int)value, value, value);
	test_pump(window->client->compositor);
	uint64_t loan = recording_last_loan();
	recording_expect(loan, "committed");
	return loan;
}

static uint64_t open_showing(struct protocol_lab *lab, struct test_window *window) {
	test_window_open(lab->client, window);
	return show(window, 1);
}

struct awaited {
	uint64_t loan;
	const char *events;
};

static bool has_happened(void *data) {
	const struct awaited *awaited = data;
	return recording_is(awaited->loan, awaited->events);
}

/* It comes to that within the harness's patience. */
static void await(struct protocol_lab *lab, uint64_t loan, const char *events) {
	struct awaited awaited = { loan, events };
	test_pump_until(lab->compositor, has_happened, &awaited);
	recording_expect(loan, events);
}

static void close_and_check(struct protocol_lab *lab, struct test_window *window) {
	test_window_close(window);
	protocol_lab_check(lab);
}

static void test_replaced(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	int64_t before = sbx_recorder_now_ns();
	uint64_t first = open_showing(lab, &window);
	recording_expect(first, SHOWN);
	uint64_t second = show(&window, 2);
	assert_int_equal(second, first + 1);
	recording_expect(first, SHOWN GONE);
	recording_expect(second, SHOWN);
	// Of one clock, and in the order in which it happened.
	assert_true(recording_time(first, SBX_EVENT_COMMITTED) >= before);
	assert_true(recording_time(first, SBX_EVENT_REPLACED) >= recording_time(second, SBX_EVENT_COMMITTED));
	assert_true(recording_time(first, SBX_EVENT_RELEASED) <= sbx_recorder_now_ns());
	close_and_check(lab, &window);
	recording_expect(second, SHOWN GONE);
}

/* Who it is: pid, surface, points. */
static void test_subject(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 70);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 1);
	test_attach(&window, buffer, 70, 90);
	test_commit(&window);
	wl_buffer_destroy(buffer);
	const struct sbx_subject *subject = &recording_read()->events[0].subject;
	assert_int_equal(subject->pid, getpid());
	assert_int_equal(subject->surface, wl_proxy_get_id((struct wl_proxy *)window.wl_surface));
	assert_int_equal(subject->acquire_timeline,
		wl_proxy_get_id((struct wl_proxy *)window.acquire.object));
	assert_int_equal(subject->release_timeline,
		wl_proxy_get_id((struct wl_proxy *)window.release.object));
	assert_int_equal(subject->acquire_point, 70);
	assert_int_equal(subject->release_point, 90);
	close_and_check(lab, &window);
}

static void test_pending(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	uint64_t loan = recording_last_loan();
	await(lab, loan, "committed materialised");
	test_fence_signal(lab, &fence, 0);
	await(lab, loan, "committed materialised signalled latched");
	close_and_check(lab, &window);
	recording_expect(loan, "committed materialised signalled latched" GONE);
}

static void test_late(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	uint64_t loan = commit_early(&window, 2);
	assert_int_equal(sbx_counter_read(SBX_COUNT_HELD), 1);
	test_fence_pend(lab, &window, 2, &fence);
	await(lab, loan, "committed materialised");
	test_fence_signal(lab, &fence, 0);
	await(lab, loan, "committed materialised signalled latched");
	assert_int_equal(sbx_counter_read(SBX_COUNT_HELD), 0);
	close_and_check(lab, &window);
}

/* The GPU waits: content before it is drawn. */
static void test_materialised_policy(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	sbx_syncobj_manager_set_policy(lab->compositor->manager, SBX_LATCH_MATERIALISED);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	uint64_t loan = recording_last_loan();
	await(lab, loan, "committed materialised latched");
	test_fence_signal(lab, &fence, 0);
	await(lab, loan, "committed materialised latched signalled");
	close_and_check(lab, &window);
}

static void test_superseded(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_timeline other;
	open_showing(lab, &window);
	test_timeline_create(lab->client, &other);
	uint64_t counted = sbx_counter_read(SBX_COUNT_SUPERSEDED);
	uint64_t forced = sbx_counter_read(SBX_COUNT_FORCED);
	uint64_t second = commit_early(&window, 2), third = commit_early(&window, 3);
	struct test_timeline own = window.acquire;
	window.acquire = other;
	uint64_t fourth = show(&window, 4);
	await(lab, second, "committed superseded latched" GONE);
	await(lab, third, "committed superseded latched" GONE);
	recording_expect(fourth, SHOWN);
	assert_int_equal(sbx_counter_read(SBX_COUNT_SUPERSEDED) - counted, 2);
	assert_int_equal(sbx_counter_read(SBX_COUNT_FORCED), forced);
	test_timeline_destroy(&own);
	close_and_check(lab, &window);
}

static void test_failed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	uint64_t first = open_showing(lab, &window);
	uint64_t counted = sbx_counter_read(SBX_COUNT_FAILED);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	uint64_t second = recording_last_loan();
	test_fence_signal(lab, &fence, -EIO);
	await(lab, second, "committed materialised failed" GONE);
	recording_expect(first, SHOWN);
	assert_int_equal(sbx_counter_read(SBX_COUNT_FAILED) - counted, 1);
	close_and_check(lab, &window);
}

/* Nothing is attached while a commit waits: it is applied at once, and is gone at once. */
static void test_unmapped(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	uint64_t first = open_showing(lab, &window);
	uint64_t counted = sbx_counter_read(SBX_COUNT_FORCED);
	uint64_t superseded = sbx_counter_read(SBX_COUNT_SUPERSEDED);
	uint64_t second = commit_early(&window, 2);
	test_attach(&window, NULL, 0, 0);
	test_commit(&window);
	await(lab, first, SHOWN GONE);
	await(lab, second, "committed forced latched" GONE);
	assert_int_equal(sbx_counter_read(SBX_COUNT_FORCED) - counted, 1);
	assert_int_equal(sbx_counter_read(SBX_COUNT_SUPERSEDED), superseded);
	close_and_check(lab, &window);
}

static void test_role_destroyed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	uint64_t loan = commit_early(&window, 2);
	xdg_toplevel_destroy(window.toplevel);
	window.toplevel = NULL;
	test_pump(lab->compositor);
	recording_expect(loan, "committed forced latched");
	close_and_check(lab, &window);
	recording_expect(loan, "committed forced latched" GONE);
}

static void test_surface_destroyed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_surface_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 1);
	test_show(&window, 1, 1, 1);
	uint64_t first = recording_last_loan(), second = commit_early(&window, 2);
	wp_linux_drm_syncobj_surface_v1_destroy(window.sync);
	window.sync = NULL;
	wl_surface_destroy(window.wl_surface);
	window.wl_surface = NULL;
	await(lab, first, SHOWN GONE);
	await(lab, second, "committed" GONE);
	close_and_check(lab, &window);
}

/* Destroying the protocol's objects changes nothing of what was committed. */
static void test_objects_destroyed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	uint64_t first = open_showing(lab, &window);
	wp_linux_drm_syncobj_surface_v1_destroy(window.sync);
	window.sync = NULL;
	wp_linux_drm_syncobj_timeline_v1_destroy(window.acquire.object);
	window.acquire.object = NULL;
	wp_linux_drm_syncobj_timeline_v1_destroy(window.release.object);
	window.release.object = NULL;
	test_pump(lab->compositor);
	recording_expect(first, SHOWN);
	close_and_check(lab, &window);
	recording_expect(first, SHOWN GONE);
}

static void test_same_buffer(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	struct wl_buffer *buffer = test_buffer_dmabuf(lab->client, 3);
	test_signal(lab->client, &window.acquire, 10);
	for (uint64_t value = 1; value <= 3; value++) {
		test_attach(&window, buffer, value, value);
		test_commit(&window);
		test_pump(lab->compositor);
		uint64_t loan = recording_last_loan();
		recording_expect(loan, SHOWN);
		if (value > 1) {
			recording_expect(loan - 1, SHOWN GONE);
		}
	}
	wl_buffer_destroy(buffer);
	close_and_check(lab, &window);
}

static void test_client_killed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_client *client = test_client_create(lab->compositor, lab->sync->sync);
	struct test_window window;
	test_window_open(client, &window);
	uint64_t first = show(&window, 1), second = commit_early(&window, 2);
	struct wlr_buffer *held = wlr_buffer_lock(content(&window));
	wl_client_destroy(client->peer);
	await(lab, second, "committed" GONE);
	recording_expect(first, SHOWN " replaced");
	wlr_buffer_unlock(held);
	await(lab, first, SHOWN GONE);
	test_window_close(&window);
	test_client_destroy(client);
	protocol_lab_check(lab);
}

/* A synchronised child's commits wait for the parent's, and are then applied one after the other. */
static void test_cached(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window parent, child;
	open_showing(lab, &parent);
	test_subsurface_open(&parent, &child);
	test_signal(lab->client, &child.acquire, 10);
	test_show(&child, 5, 5, 5);
	uint64_t first = recording_last_loan();
	recording_expect(first, "committed signalled");
	test_show(&child, 6, 6, 6);
	uint64_t second = recording_last_loan();
	recording_expect(first, "committed signalled");
	recording_expect(second, "committed signalled");
	uint64_t third = show(&parent, 2);
	recording_expect(first, SHOWN GONE);
	recording_expect(second, SHOWN);
	recording_expect(third, SHOWN);
	test_window_close(&child);
	close_and_check(lab, &parent);
}

/* Passes that read it, each once, and readers that are not done when it is given back. */
static void test_read(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	uint64_t first = open_showing(lab, &window);
	sbx_buffer_trace_read(content(&window), 100);
	sbx_buffer_trace_read(content(&window), 100);
	sbx_buffer_trace_read(content(&window), 101);
	recording_expect(first, SHOWN " read read");
	test_fence_create(lab, &fence);
	assert_true(sbx_syncobj_buffer_add_reader(content(&window), fence.sync_file));
	sbx_fd_close(&fence.sync_file);
	show(&window, 2);
	await(lab, first, SHOWN " read read" GONE);
	const struct sbx_recording *recording = recording_read();
	for (size_t i = 0; i < recording->count; i++) {
		const struct sbx_event *event = &recording->events[i];
		if (event->subject.loan == first && event->kind == SBX_EVENT_RELEASED) {
			assert_int_equal(event->value, 1);
		}
	}
	test_fence_signal(lab, &fence, 0);
	close_and_check(lab, &window);
}

/* The compositor ends: what is still held by somebody is given back by force. */
static void test_shutdown(void **state) {
	struct protocol_lab *lab = *state;
	struct test_compositor *compositor = test_compositor_create(
		sbx_sync_get_drm_fd(lab->sync->sync), &(struct sbx_syncobj_options){ .keep_fd_limit = true });
	struct test_client *client = test_client_create(compositor, lab->sync->sync);
	struct test_window window;
	test_window_open(client, &window);
	uint64_t first = show(&window, 1), second = show(&window, 2);
	uint64_t counted = sbx_counter_read(SBX_COUNT_FORCED);
	struct wlr_buffer *held = wlr_buffer_lock(content(&window));
	wl_display_destroy_clients(compositor->display);
	recording_expect(second, SHOWN " replaced");
	test_compositor_destroy(compositor);
	recording_expect(first, SHOWN GONE);
	recording_expect(second, SHOWN " replaced forced released");
	assert_int_equal(sbx_counter_read(SBX_COUNT_FORCED) - counted, 1);
	wlr_buffer_unlock(held);
	test_window_close(&window);
	wl_list_init(&client->link);
	client->compositor = lab->compositor;
	test_client_destroy(client);
	protocol_lab_check(lab);
}

/* The control: without recording nothing is written down, whatever happens. */
static void test_off(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	sbx_trace_stop();
	test_window_open(lab->client, &window);
	test_signal(lab->client, &window.acquire, 1);
	test_show(&window, 1, 1, 1);
	close_and_check(lab, &window);
	assert_int_equal(recording_read()->count, 0);
}

/* What goes up comes down again. */
static void test_counters(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	uint64_t commits = sbx_counter_read(SBX_COUNT_COMMITS);
	assert_int_equal(sbx_counter_read(SBX_COUNT_LOANS), 0);
	open_showing(lab, &window);
	assert_int_equal(sbx_counter_read(SBX_COUNT_LOANS), 1);
	commit_early(&window, 2);
	assert_int_equal(sbx_counter_read(SBX_COUNT_LOANS), 2);
	assert_int_equal(sbx_counter_read(SBX_COUNT_HELD), 1);
	assert_int_equal(sbx_counter_read(SBX_COUNT_REGISTERED), 1);
	assert_int_equal(sbx_counter_read(SBX_COUNT_COMMITS) - commits, 2);
	test_signal(lab->client, &window.acquire, 2);
	await(lab, recording_last_loan(), "committed materialised signalled latched");
	assert_int_equal(sbx_counter_read(SBX_COUNT_REGISTERED), 0);
	close_and_check(lab, &window);
	assert_int_equal(sbx_counter_read(SBX_COUNT_LOANS), 0);
	assert_int_equal(sbx_counter_read(SBX_COUNT_HELD), 0);
}

#define FAKE(name, function) { "recording: " name, function, setup_fake, teardown, NULL }
#define LAB(name, function) { "recording: " name, function, setup_lab, teardown, NULL }
#define CASES(KIND) \
	KIND("replaced", test_replaced), \
	KIND("whose it is", test_subject), \
	KIND("a pending fence", test_pending), \
	KIND("a fence that comes late", test_late), \
	KIND("policy materialised", test_materialised_policy), \
	KIND("superseded", test_superseded), \
	KIND("nothing attached", test_unmapped), \
	KIND("the role goes", test_role_destroyed), \
	KIND("the surface goes", test_surface_destroyed), \
	KIND("the objects go", test_objects_destroyed), \
	KIND("the same buffer again", test_same_buffer), \
	KIND("the client is killed", test_client_killed), \
	KIND("a synchronised child", test_cached), \
	KIND("passes that read", test_read), \
	KIND("off", test_off), \
	KIND("counters", test_counters)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		CASES(FAKE),
		FAKE("a failed fence", test_failed),
		FAKE("the compositor ends", test_shutdown),
	};
	const struct CMUnitTest lab[] = { CASES(LAB) };
	return suite_run(argc, argv, "protocol/recording", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
