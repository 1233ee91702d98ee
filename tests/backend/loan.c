/*
 * What the screen does with buffers on loan: when they may be shown, and when they are given back.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "backend/screen.h"
#include "harness/kernel_fake.h"
#include "loan/desk.h"
#include "loan/loan.h"
#include "loan/timeline.h"
#include "sync/fd.h"

struct stage {
	struct screen screen;
	struct wl_display *display;
	struct wl_client *client;
	int client_fd;
	struct sbx_desk desk;
	struct sbx_quota *quota;
	struct sbx_client_timeline *acquire, *release;
	struct rig_buffer buffers[2];
};

static struct sbx_client_timeline *import(struct stage *stage, uint32_t id) {
	struct sbx_timeline *timeline;
	int fd = -1;
	struct sbx_client_timeline *imported;
	assert_int_equal(sbx_timeline_create(stage->screen.rig->sync->sync, &timeline), 0);
	assert_int_equal(sbx_timeline_export(timeline, &fd), 0);
	assert_int_equal(sbx_client_timeline_import(stage->desk.sync, stage->quota, &fd, id, &imported), 0);
	sbx_timeline_destroy(timeline);
	return imported;
}

static void init(struct stage *stage, struct rig *rig, const struct sbx_output_options *options) {
	screen_init(&stage->screen, rig, options);
	stage->display = wl_display_create();
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	stage->client_fd = fds[1];
	stage->client = wl_client_create(stage->display, fds[0]);
	assert_int_equal(sbx_desk_init(&stage->desk, sbx_sync_get_drm_fd(rig->sync->sync), rig->loop,
		&(struct sbx_syncobj_limits){ 0 }), 0);
	stage->quota = sbx_quota_get(&stage->desk.quotas, stage->client);
	stage->acquire = import(stage, 1);
	stage->release = import(stage, 2);
	rig_buffer_init(&stage->buffers[0], 64, 32);
	rig_buffer_init(&stage->buffers[1], 64, 32);
}

static void finish(struct stage *stage) {
	screen_finish(&stage->screen);
	sbx_client_timeline_unref(stage->acquire);
	sbx_client_timeline_unref(stage->release);
	sbx_quota_unref(stage->quota);
	assert_true(wl_list_empty(&stage->desk.loans));
	wl_client_destroy(stage->client);
	sbx_desk_finish(&stage->desk);
	wl_display_destroy(stage->display);
	sbx_fd_close(&stage->client_fd);
	rig_buffer_finish(&stage->buffers[0]);
	rig_buffer_finish(&stage->buffers[1]);
}

static void ignore(struct sbx_loan *loan, void *data) {
}

/* The client commits buffer i with points `value`, and it becomes its surface's content. */
static struct sbx_loan *lend(struct stage *stage, int i, uint64_t value) {
	struct sbx_loan *loan;
	const struct sbx_loan_terms terms = {
		.buffer = &stage->buffers[i].base,
		.acquire = stage->acquire, .release = stage->release,
		.acquire_value = value, .release_value = value,
		.notify = ignore,
	};
	assert_int_equal(sbx_loan_open(&stage->desk, &terms, &loan), 0);
	sbx_loan_latch(loan);
	return loan;
}

static void signal_acquire(struct stage *stage, uint64_t value) {
	struct sbx_point point = sbx_client_timeline_point(stage->acquire, value);
	assert_int_equal(sbx_points_signal(stage->desk.sync, &point, 1), 0);
}

static int pend_acquire(struct stage *stage, uint64_t value) {
	int sync_file = -1;
	int fence = kernel_fake_fence_create(&sync_file);
	assert_int_equal(sbx_point_import_sync_file(stage->desk.sync,
		sbx_client_timeline_point(stage->acquire, value), sync_file), 0);
	sbx_fd_close(&sync_file);
	return fence;
}

static bool is_released(struct stage *stage, uint64_t value) {
	struct sbx_point point = sbx_client_timeline_point(stage->release, value);
	enum sbx_point_state state;
	assert_int_equal(sbx_points_query(stage->desk.sync, &point, 1, &state), 0);
	return state == SBX_POINT_SIGNALLED;
}

/* The client has let go, and the release point is not signalled before the flip that replaces it. */
static void test_released_at_the_flip(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	signal_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	assert_false(stage.screen.had_fence);
	screen_flip(&stage.screen);
	sbx_loan_drop(loan);
	assert_false(is_released(&stage, 1));

	struct wlr_output_state gamma;
	wlr_output_state_init(&gamma);
	wlr_output_state_set_scale(&gamma, 3);
	assert_true(sbx_output_commit(stage.screen.output, NULL, &gamma));
	wlr_output_state_finish(&gamma);
	screen_flip(&stage.screen);
	assert_false(is_released(&stage, 1));

	assert_true(screen_draw(&stage.screen));
	assert_false(is_released(&stage, 1));
	screen_flip(&stage.screen);
	screen_pass_ms(&stage.screen, 1);
	assert_true(is_released(&stage, 1));
	finish(&stage);
}

/* A commit that is refused holds nothing. */
static void test_refused(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	signal_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	stage.screen.error = EINVAL;
	assert_false(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	sbx_loan_drop(loan);
	assert_true(is_released(&stage, 1));
	finish(&stage);
}

/* Unplugged, or suspended, with the client's buffer on the screen and the next one queued. */
static void test_unplugged(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	struct sbx_loan *loans[2];
	for (int i = 0; i < 2; i++) {
		signal_acquire(&stage, (uint64_t)i + 1);
		loans[i] = lend(&stage, i, (uint64_t)i + 1);
		assert_true(screen_scan_out(&stage.screen, &stage.buffers[i].base));
		if (i == 0) {
			screen_flip(&stage.screen);
		}
	}
	sbx_loan_drop(loans[0]);
	sbx_loan_drop(loans[1]);
	assert_false(is_released(&stage, 1));
	wl_list_remove(&stage.screen.frame.link);
	wl_list_init(&stage.screen.frame.link);
	sbx_output_destroy(stage.screen.output);
	assert_true(is_released(&stage, 2));
	finish(&stage);
}

/* A fence that has not signalled does not get to the screen; the frame waits for it. */
static void test_pending(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	int fence = pend_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	assert_true(sbx_output_is_busy(stage.screen.output));
	screen_pass_ms(&stage.screen, 50);
	assert_int_equal(stage.screen.commits, 0);
	kernel_fake_fence_signal(fence, 0);
	screen_pass_ms(&stage.screen, 1);
	assert_int_equal(stage.screen.commits, 1);
	assert_false(stage.screen.had_fence);
	assert_int_equal(screen_info(&stage.screen).scanned_out, 1);
	sbx_loan_drop(loan);
	finish(&stage);
}

/* Unless one trusts the client. */
static void test_trusted(void **state) {
	struct stage stage;
	init(&stage, *state, &(struct sbx_output_options){ .scanout_unsignalled = true });
	int fence = pend_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	assert_int_equal(stage.screen.commits, 1);
	assert_true(stage.screen.had_fence);
	enum sbx_point_state point_state;
	assert_int_equal(sbx_points_query(stage.desk.sync, &stage.screen.fence, 1, &point_state), 0);
	assert_int_equal(point_state, SBX_POINT_MATERIALISED);
	kernel_fake_fence_signal(fence, 0);
	assert_int_equal(sbx_points_query(stage.desk.sync, &stage.screen.fence, 1, &point_state), 0);
	assert_int_equal(point_state, SBX_POINT_SIGNALLED);
	screen_pass_ms(&stage.screen, 1);
	sbx_loan_drop(loan);
	finish(&stage);
}

/* Not where frames are shown at once: such a one has to be done. */
static void test_trusted_and_torn(void **state) {
	struct stage stage;
	init(&stage, *state, &(struct sbx_output_options){ .scanout_unsignalled = true });
	sbx_output_set_tearing(stage.screen.output, true);
	int fence = pend_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	assert_int_equal(stage.screen.commits, 0);
	kernel_fake_fence_signal(fence, 0);
	screen_pass_ms(&stage.screen, 1);
	assert_int_equal(stage.screen.commits, 1);
	assert_true(stage.screen.tore);
	assert_false(stage.screen.had_fence);
	screen_flip(&stage.screen);
	sbx_loan_drop(loan);
	assert_false(is_released(&stage, 1));
	assert_true(screen_draw(&stage.screen));
	assert_false(is_released(&stage, 1));
	screen_flip(&stage.screen);
	screen_pass_ms(&stage.screen, 1);
	assert_true(is_released(&stage, 1));
	finish(&stage);
}

/* Another mode, with the client's buffer on the screen and the next one's fence pending. */
static void test_mode_change(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	signal_acquire(&stage, 1);
	struct sbx_loan *shown = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	screen_flip(&stage.screen);
	int fence = pend_acquire(&stage, 2);
	struct sbx_loan *next = lend(&stage, 1, 2);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[1].base));
	assert_true(sbx_output_is_busy(stage.screen.output));
	sbx_loan_drop(shown);

	struct wlr_output_state mode;
	wlr_output_state_init(&mode);
	wlr_output_state_set_custom_mode(&mode, 80, 60, 50000);
	assert_true(wlr_output_commit_state(&stage.screen.wlr, &mode));
	wlr_output_state_finish(&mode);
	assert_false(sbx_output_is_busy(stage.screen.output));
	assert_false(is_released(&stage, 1)); // read until the new mode's first frame is there
	screen_flip(&stage.screen);
	assert_true(is_released(&stage, 1));

	unsigned commits = stage.screen.commits;
	kernel_fake_fence_signal(fence, 0);
	screen_pass_ms(&stage.screen, 5);
	assert_int_equal(stage.screen.commits, commits);
	sbx_loan_drop(next);
	assert_true(is_released(&stage, 2));
	finish(&stage);
}

/* The seat is taken away while the screen reads one buffer and the next one's fence is pending. */
static void test_suspended(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	signal_acquire(&stage, 1);
	struct sbx_loan *shown = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	screen_flip(&stage.screen);
	int fence = pend_acquire(&stage, 2);
	struct sbx_loan *next = lend(&stage, 1, 2);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[1].base));
	// wlroots destroys the output, and keeps what KMS reads locked by itself.
	wlr_buffer_lock(&stage.buffers[0].base);
	wl_list_remove(&stage.screen.frame.link);
	wl_list_init(&stage.screen.frame.link);
	sbx_output_destroy(stage.screen.output);
	sbx_loan_drop(shown);
	assert_false(is_released(&stage, 1));
	kernel_fake_fence_signal(fence, 0);
	screen_pass_ms(&stage.screen, 5);
	assert_int_equal(stage.screen.commits, 1);
	wlr_buffer_unlock(&stage.buffers[0].base);
	assert_true(is_released(&stage, 1));
	sbx_loan_drop(next);
	assert_true(is_released(&stage, 2));
	finish(&stage);
}

/* Too late: the frame is given up, and composed for a while. */
static void test_too_late(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	int fence = pend_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	screen_pass_ms(&stage.screen, SBX_WAIT_CLIENT_MS + 1);
	assert_false(sbx_output_is_busy(stage.screen.output));
	assert_int_equal(screen_info(&stage.screen).scanout, SBX_SCANOUT_FENCE);
	kernel_fake_fence_signal(fence, 0);
	screen_pass_ms(&stage.screen, 20);
	assert_int_equal(stage.screen.commits, 0);
	assert_true(stage.screen.frames >= 1);
	sbx_loan_drop(loan);
	assert_true(is_released(&stage, 1));
	finish(&stage);
}

static void test_failed(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	int fence = pend_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	kernel_fake_fence_signal(fence, -EIO);
	screen_pass_ms(&stage.screen, 5);
	assert_int_equal(stage.screen.commits, 0);
	assert_int_equal(screen_info(&stage.screen).dropped, 1);
	// And it is not tried again: the loan says that it must not be shown.
	assert_false(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	assert_int_equal(screen_info(&stage.screen).scanout, SBX_SCANOUT_FENCE);
	sbx_loan_drop(loan);
	finish(&stage);
}

/* Each call into the kernel fails once: a pending fence is never taken for a signalled one. */
static int op_pending(void *data) {
	struct stage stage;
	kernel_fake.paused = true;
	init(&stage, data, NULL);
	int fence = pend_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	kernel_fake.paused = false;
	bool ok = screen_scan_out(&stage.screen, &stage.buffers[0].base);
	screen_pass_ms(&stage.screen, 50);
	kernel_fake.paused = true;
	assert_int_equal(stage.screen.commits, 0);
	kernel_fake_fence_signal(fence, 0);
	kernel_fake.paused = false;
	screen_pass_ms(&stage.screen, 1);
	assert_int_equal(stage.screen.commits <= 1, true);
	kernel_fake.paused = true;
	bool shown = stage.screen.commits == 1;
	sbx_loan_drop(loan);
	finish(&stage);
	kernel_fake.paused = false;
	return ok && shown ? 0 : -EMFILE;
}

static void test_each_call_fails(void **state) {
	assert_int_equal(op_pending(*state), 0); // makes the event loop's own timer fd
	suite_each_call_fails(-EMFILE, op_pending, *state);
	suite_each_call_fails(-ENOMEM, op_pending, *state);
}

/* One buffer shown by two screens: not released before both have let go. */
static void test_two_screens(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	struct screen other;
	screen_init(&other, stage.screen.rig, NULL);
	signal_acquire(&stage, 1);
	struct sbx_loan *loan = lend(&stage, 0, 1);
	assert_true(screen_scan_out(&stage.screen, &stage.buffers[0].base));
	assert_true(screen_scan_out(&other, &stage.buffers[0].base));
	screen_flip(&stage.screen);
	screen_flip(&other);
	sbx_loan_drop(loan);
	assert_true(screen_draw(&stage.screen));
	screen_flip(&stage.screen);
	assert_false(is_released(&stage, 1));
	assert_true(screen_draw(&other));
	assert_false(is_released(&stage, 1));
	screen_flip(&other);
	assert_true(is_released(&stage, 1));
	screen_finish(&other);
	finish(&stage);
}

#define FAKE(name, function) { "loan: " name, function, rig_setup, rig_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("released at the flip that replaces it", test_released_at_the_flip),
	FAKE("a refused commit holds nothing", test_refused),
	FAKE("unplugged", test_unplugged),
	FAKE("a pending fence does not get to the screen", test_pending),
	FAKE("a trusted client's does", test_trusted),
	FAKE("nor a trusted client's where frames are shown at once", test_trusted_and_torn),
	FAKE("another mode", test_mode_change),
	FAKE("the seat is taken away", test_suspended),
	FAKE("a fence that comes too late", test_too_late),
	FAKE("a fence that fails", test_failed),
	FAKE("each call into the kernel fails", test_each_call_fails),
	FAKE("on two screens", test_two_screens),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/loan", host, SUITE_COUNT(host), NULL, 0);
}
