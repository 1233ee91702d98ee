/* Points that do not come are named, once, with whom they wait for. */
#include <drm.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "loan/loan.h"
#include "loan/reader.h"
#include "loan/watch.h"
#include "protocol/manager.h"
#include "sync/fd.h"
#include "trace/counter.h"
#include "trace/log.h"

enum { BOUND_MS = 20 };

static char lines[16][512];
static unsigned n_lines, bugs;

static void listen(enum sbx_log_level level, const char *format, va_list args) {
	char line[512];
	vsnprintf(line, sizeof(line), format, args);
	bugs += strstr(line, "signalbox bug") != NULL;
	if (strstr(line, "is not signalled after") != NULL && n_lines < 16) {
		strcpy(lines[n_lines++], line);
	}
}

/* The limit of all clients is the process's, and so is its clock: each case is long after the others. */
static int setup(void **state) {
	static int64_t cases;
	int ret = protocol_lab_setup_fake(state);
	sbx_log_init(SBX_LOG_INFO, listen);
	n_lines = bugs = 0;
	kernel_fake.now_ns = ++cases * INT64_C(1000000000000);
	struct protocol_lab *lab = *state;
	sbx_watch_set_bound(&lab->compositor->manager->desk.watch, BOUND_MS);
	return ret;
}

static int teardown(void **state) {
	assert_int_equal(bugs, 0);
	return protocol_lab_teardown(state);
}

static struct wlr_buffer *content(struct test_window *window) {
	return test_window_peer(window)->buffer->source;
}

static void show(struct test_window *window, uint64_t value) {
	test_signal(window->client, &window->acquire, value);
	test_show(window, (int)value, value, value);
	assert_int_equal(test_window_content(window), (int)value);
}

static void open_showing(struct protocol_lab *lab, struct test_window *window) {
	test_window_open(lab->client, window);
	show(window, 1);
}

static bool has_spoken(void *data) {
	return n_lines >= *(unsigned *)data;
}

static bool is_watching(struct protocol_lab *lab) {
	return lab->compositor->manager->desk.watch.running;
}

/* The kernel's clock is ours; the event loop's timer is real. */
static void pass_time(struct protocol_lab *lab, int64_t ms) {
	kernel_fake.now_ns += ms * 1000000;
	test_pump_for(lab->compositor, BOUND_MS * 2);
}

/* One line, and no second one, with these words (NULL: no more of them). */
static void expect_line(struct protocol_lab *lab, const char *first, const char *second) {
	unsigned wanted = 1;
	kernel_fake.now_ns += (BOUND_MS + 1) * INT64_C(1000000);
	assert_true(test_pump_until(lab->compositor, has_spoken, &wanted));
	pass_time(lab, 10 * BOUND_MS);
	assert_int_equal(n_lines, 1);
	assert_non_null(strstr(lines[0], first));
	assert_true(second == NULL || strstr(lines[0], second) != NULL);
	// All is said: nothing is looked at any more.
	assert_false(is_watching(lab));
}

static void expect_subject(struct test_window *window) {
	char words[64];
	snprintf(words, sizeof(words), "wl_surface#%u: ",
		wl_proxy_get_id((struct wl_proxy *)window->wl_surface));
	assert_non_null(strstr(lines[0], words));
}

static void close_and_check(struct protocol_lab *lab, struct test_window *window) {
	test_window_close(window);
	protocol_lab_check(lab);
}

static void test_not_submitted(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	uint64_t counted = sbx_counter_read(SBX_COUNT_STALLS);
	open_showing(lab, &window);
	test_show(&window, 2, 2, 2);
	assert_true(is_watching(lab));
	expect_line(lab, ": acquire point 2 of timeline", "the client has not submitted it");
	assert_non_null(strstr(lines[0], "client bug: loan-watch["));
	expect_subject(&window);
	assert_int_equal(sbx_counter_read(SBX_COUNT_STALLS) - counted, 1);
	close_and_check(lab, &window);
}

static void test_not_done(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	expect_line(lab, ": acquire point 2 of", "own fence is pending; the surface keeps its content");
	test_fence_signal(lab, &fence, 0);
	close_and_check(lab, &window);
}

static void test_latched(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	sbx_syncobj_manager_set_policy(lab->compositor->manager, SBX_LATCH_MATERIALISED);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	assert_int_equal(test_window_content(&window), 2);
	expect_line(lab, ": acquire point 2 of", "own fence is pending; our GPU waits for it");
	test_fence_signal(lab, &fence, 0);
	close_and_check(lab, &window);
}

static void test_locked(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	struct wlr_buffer *held = wlr_buffer_lock(content(&window));
	show(&window, 2);
	expect_line(lab, "loan: loan-watch[", ": release point 1 of timeline");
	assert_non_null(strstr(lines[0], ": 1 locks are on the buffer"));
	wlr_buffer_unlock(held);
	close_and_check(lab, &window);
}

/* As long as it is content, nobody owes anything. */
static void test_content(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	struct wlr_buffer *held = wlr_buffer_lock(content(&window));
	assert_false(is_watching(lab));
	pass_time(lab, 1000 * BOUND_MS);
	assert_int_equal(n_lines, 0);
	show(&window, 2);
	assert_true(is_watching(lab));
	pass_time(lab, BOUND_MS / 2);
	assert_int_equal(n_lines, 0);
	wlr_buffer_unlock(held);
	close_and_check(lab, &window);
	pass_time(lab, 10 * BOUND_MS);
	assert_int_equal(n_lines, 0);
}

static void expect_reader(struct protocol_lab *lab, const void *queue, const char *words) {
	struct test_window window;
	open_showing(lab, &window);
	struct sbx_reader *reader = sbx_reader_create_open(queue, 77);
	assert_true(sbx_buffer_add_reader(content(&window), reader));
	show(&window, 2);
	expect_line(lab, ": release point 1 of", words);
	sbx_reader_close(reader);
	sbx_reader_unref(reader);
	close_and_check(lab, &window);
}

static void test_pass(void **state) {
	static const int queue;
	expect_reader(*state, &queue, "the GPU has not done our submission 77");
}

static void test_reader(void **state) {
	expect_reader(*state, NULL, "a fence that the compositor gave us");
}

static void test_kernel(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	test_signal(lab->client, &window.acquire, 2);
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL;
	kernel_fake.broken_error = -ENOMEM;
	test_show(&window, 2, 2, 2);
	expect_line(lab, "kernel: ", "it cannot be handed back");
	kernel_fake.broken_request = 0;
	close_and_check(lab, &window);
}

/* What is in time is not spoken of, and after it nobody watches. */
static void test_in_time(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	open_showing(lab, &window);
	assert_false(is_watching(lab));
	for (uint64_t value = 2; value < 10; value++) {
		test_show(&window, (int)value, value, value);
		assert_true(is_watching(lab));
		pass_time(lab, BOUND_MS / 2);
		test_signal(lab->client, &window.acquire, value);
		test_pump_for(lab->compositor, 5);
		assert_int_equal(test_window_content(&window), (int)value);
	}
	pass_time(lab, BOUND_MS);
	assert_int_equal(n_lines, 0);
	assert_false(is_watching(lab));
	close_and_check(lab, &window);
}

/* One after the other, each at its own time. */
static void test_two(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window first, second;
	open_showing(lab, &first);
	open_showing(lab, &second);
	test_show(&first, 2, 2, 2);
	pass_time(lab, BOUND_MS / 2);
	test_show(&second, 3, 3, 3);
	unsigned wanted = 1;
	kernel_fake.now_ns += (BOUND_MS / 2 + 1) * INT64_C(1000000);
	assert_true(test_pump_until(lab->compositor, has_spoken, &wanted));
	assert_int_equal(n_lines, 1);
	assert_non_null(strstr(lines[0], "acquire point 2 "));
	assert_true(is_watching(lab));
	wanted = 2;
	kernel_fake.now_ns += BOUND_MS * INT64_C(1000000);
	assert_true(test_pump_until(lab->compositor, has_spoken, &wanted));
	assert_non_null(strstr(lines[1], "acquire point 3 "));
	test_window_close(&first);
	close_and_check(lab, &second);
}

/* The machine slept, or we were stopped: nobody is named who may have had no time. */
static void test_asleep(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	struct test_fence fence;
	open_showing(lab, &window);
	test_fence_pend(lab, &window, 2, &fence);
	test_show(&window, 2, 2, 2);
	pass_time(lab, BOUND_MS + SBX_WATCH_LATE_MS);
	assert_int_equal(n_lines, 0);
	assert_true(is_watching(lab));
	// Who is always late would name nobody.
	pass_time(lab, BOUND_MS + SBX_WATCH_LATE_MS);
	assert_int_equal(n_lines, 1);
	assert_non_null(strstr(lines[0], "own fence is pending"));
	test_fence_signal(lab, &fence, 0);
	close_and_check(lab, &window);
}

/* A client that stalls on all its surfaces fills no log. */
static void test_hostile(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window windows[12];
	for (int i = 0; i < 12; i++) {
		open_showing(lab, &windows[i]);
		test_show(&windows[i], 2, 2, 2);
	}
	unsigned wanted = SBX_STALL_LINES;
	kernel_fake.now_ns += (BOUND_MS + 1) * INT64_C(1000000);
	assert_true(test_pump_until(lab->compositor, has_spoken, &wanted));
	pass_time(lab, 10 * BOUND_MS);
	assert_int_equal(n_lines, SBX_STALL_LINES);
	for (int i = 0; i < 12; i++) {
		test_window_close(&windows[i]);
	}
	protocol_lab_check(lab);
}

static void test_never(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	sbx_watch_set_bound(&lab->compositor->manager->desk.watch, 0);
	open_showing(lab, &window);
	test_show(&window, 2, 2, 2);
	assert_false(is_watching(lab));
	pass_time(lab, 1000 * BOUND_MS);
	assert_int_equal(n_lines, 0);
	close_and_check(lab, &window);
}

/* What the compositor wants, and what the environment says of it. */
static void test_options(void **state) {
	struct protocol_lab *lab = *state;
	static const struct {
		int32_t stall_ms;
		const char *environment;
		uint32_t bound_ms;
	} cases[] = {
		{ 0, NULL, SBX_SYNCOBJ_DEFAULT_STALL_MS }, { 30, NULL, 30 }, { -1, NULL, 0 }, { 30, "70", 70 },
		{ -1, "70", 70 }, { 30, "0", 0 }, { 30, "soon", 30 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].environment != NULL) {
			setenv("SIGNALBOX_STALL_MS", cases[i].environment, 1);
		}
		struct test_compositor *compositor = test_compositor_create(
			sbx_sync_get_drm_fd(lab->sync->sync), &(struct sbx_syncobj_options){
				.keep_fd_limit = true,
				.stall_ms = cases[i].stall_ms,
			});
		assert_int_equal(compositor->manager->desk.watch.bound_ms, cases[i].bound_ms);
		test_compositor_destroy(compositor);
		unsetenv("SIGNALBOX_STALL_MS");
	}
}

#define CASE(name, function) { "watch: " name, function, setup, teardown, NULL }

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		CASE("the client has submitted nothing", test_not_submitted),
		CASE("the client's work is not done", test_not_done),
		CASE("our GPU waits", test_latched),
		CASE("somebody holds the buffer", test_locked),
		CASE("content is no stall", test_content),
		CASE("a pass is not done", test_pass),
		CASE("a reader is not done", test_reader),
		CASE("the kernel does not take it", test_kernel),
		CASE("in time", test_in_time),
		CASE("two of them", test_two),
		CASE("we were asleep", test_asleep),
		CASE("a hostile client", test_hostile),
		CASE("switched off", test_never),
		CASE("options", test_options),
	};
	return suite_run(argc, argv, "loan/watch", host, SUITE_COUNT(host), NULL, 0);
}
