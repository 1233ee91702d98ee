#include <errno.h>
#include <string.h>
#include "backend/quirks.h"
#include "backend/screen.h"
#include "harness/kernel_fake.h"

static bool fence_is_pending(struct screen *screen) {
	enum sbx_point_state state;
	assert_int_equal(sbx_points_query(screen->rig->sync->sync, &screen->fence, 1, &state), 0);
	return state == SBX_POINT_MATERIALISED;
}

/* The composed frame goes out at once, with its fence. */
static void test_fence_with_commit(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	screen.slow = true;
	assert_true(screen_draw(&screen));
	assert_int_equal(screen.commits, 1);
	assert_true(screen.had_fence);
	assert_true(fence_is_pending(&screen));
	assert_int_equal(screen_info(&screen).way, SBX_FENCE_COMMIT);
	assert_false(sbx_output_is_busy(screen.output));
	rig_signal(screen.rig, &screen.work, 0);
	screen_finish(&screen);
}

/*
 * A refused fence: the frame is not tried without it before the GPU is done; then it is, that is learned,
 * and said once. Rows: what the driver answers, and how many frames it takes to be sure.
 */
static void refuse_fences(struct rig *rig, int error, int frames) {
	struct screen screen;
	screen_init(&screen, rig, NULL);
	screen.output->quirks->ignores_implicit = true;
	screen.slow = true;
	screen.fence_error = error;
	for (int i = 0; i < frames + 2; i++) {
		unsigned commits = screen.commits, refused = screen.refused;
		assert_true(screen_draw(&screen));
		assert_true(sbx_output_is_busy(screen.output));
		assert_int_equal(screen.commits, commits);
		assert_int_equal(screen.refused, refused + (i < frames)); // learned: not asked again
		screen_pass_ms(&screen, 50);
		assert_int_equal(screen.commits, commits);
		assert_int_equal(screen.refused, refused + (i < frames));
		rig_signal(screen.rig, &screen.work, 0);
		screen_pass_ms(&screen, 1);
		assert_int_equal(screen.commits, commits + 1);
		assert_false(screen.had_fence);
		screen_flip(&screen);
	}
	assert_int_equal(screen_info(&screen).way, SBX_FENCE_WAIT);
	assert_true(screen.output->quirks->refuses_fences);
	assert_int_equal(rig_count_log("refuses a commit with a fence"), 1);
	screen_finish(&screen);
}

static void test_refused_eperm(void **state) {
	refuse_fences(*state, EPERM, 1);
}

static void test_refused_einval(void **state) {
	refuse_fences(*state, EINVAL, 1);
}

static void test_refused_eagain(void **state) {
	refuse_fences(*state, EAGAIN, 1);
}

static void test_refused_unknown(void **state) {
	refuse_fences(*state, ENOSPC, 3);
}

/* What errno is when wlroots has written into a log that is no terminal. */
static void test_refused_unsaid(void **state) {
	refuse_fences(*state, ENOTTY, 3);
}

/* What is refused with and without its fence says nothing of fences. */
static void test_refused_altogether(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	screen.output->quirks->ignores_implicit = true;
	screen.slow = true;
	screen.error = EINVAL;
	assert_true(screen_draw(&screen));
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.refused, 2);
	assert_false(screen.output->quirks->refuses_fences);
	assert_false(sbx_output_is_busy(screen.output));
	assert_int_equal(screen_info(&screen).dropped, 1);
	// Tried again by itself, and less and less often.
	screen_pass_ms(&screen, 10);
	assert_int_equal(screen.frames, 1);
	screen.error = 0;
	assert_true(screen_draw(&screen));
	assert_int_equal(screen.commits, 1);
	assert_true(screen.had_fence);
	rig_signal(screen.rig, &screen.work, 0);
	screen_finish(&screen);
}

/*
 * Each call into the kernel fails once: never committed before the GPU is done, and in the end committed, or
 * another frame asked for. `refused`: the driver refuses the fence first.
 */
static int wait_way_with_failure(struct rig *rig, bool refused) {
	struct screen screen;
	kernel_fake.paused = true;
	screen_init(&screen, rig, NULL);
	screen.backend.features.timeline = refused;
	screen.fence_error = EPERM;
	screen.output->quirks->ignores_implicit = true;
	screen.slow = true;
	kernel_fake.paused = false;
	bool ok = screen_draw(&screen);
	screen_pass_ms(&screen, 50);
	kernel_fake.paused = true;
	assert_int_equal(screen.commits, 0);
	rig_signal(rig, &screen.work, 0);
	kernel_fake.paused = false;
	// The retry timers of loan/ are the event loop's own, in real milliseconds.
	for (int i = 0; i < 300 && screen.commits == 0 && screen.frames == 0; i++) {
		wl_event_loop_dispatch(rig->loop, 1);
		screen_pass_ms(&screen, 1);
	}
	assert_true(screen.commits == 1 || screen.frames >= 1);
	assert_false(screen.commits == 1 && screen.had_fence);
	kernel_fake.paused = true;
	screen_finish(&screen);
	kernel_fake.paused = false;
	return ok && screen.commits == 1 ? 0 : -EMFILE;
}

static int op_wait_way(void *data) {
	return wait_way_with_failure(data, false);
}

static int op_refused(void *data) {
	return wait_way_with_failure(data, true);
}

static void test_each_call_fails(void **state) {
	const int errors[] = { -EMFILE, -ENOMEM };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(op_wait_way(*state), 0); // makes the event loop's own timer fd
		suite_each_call_fails(errors[i], op_wait_way, *state);
		suite_each_call_fails(errors[i], op_refused, *state);
	}
}

/* A fence that is not there yet is nobody's refusal, however often that happens. */
static void test_unmaterialised(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	screen.unmaterialised = true;
	screen.fence_error = EINVAL; // as wlroots has it: it cannot export the point
	for (unsigned i = 0; i < 5; i++) {
		assert_true(screen_draw(&screen));
		assert_true(sbx_output_is_busy(screen.output));
		screen_pass_ms(&screen, 20);
		assert_int_equal(screen.commits, i);
		assert_int_equal(sbx_points_signal(screen.rig->sync->sync, &screen.promised, 1), 0);
		screen_pass_ms(&screen, 1);
		assert_int_equal(screen.commits, i + 1);
		screen_flip(&screen);
	}
	assert_false(screen.output->quirks->refuses_fences);
	screen_finish(&screen);
}

/* EBUSY: not the fence's fault, and nothing changes but the time. */
static void test_busy(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	screen.error = EBUSY;
	int64_t last_ns = clock_fake_now();
	int64_t last_gap_ns = 0;
	for (int i = 0; i < 5; i++) {
		assert_false(screen_draw(&screen));
		int64_t due_ns = clock_fake_next();
		int64_t gap_ns = due_ns - last_ns;
		assert_true(gap_ns > last_gap_ns);
		clock_fake_advance(screen.rig->loop, due_ns);
		assert_int_equal(screen.frames, i + 1);
		last_ns = due_ns;
		last_gap_ns = gap_ns;
	}
	assert_int_equal(screen_info(&screen).refused, 5);
	assert_false(screen.output->quirks->refuses_fences);
	screen.error = 0;
	assert_true(screen_draw(&screen));
	assert_int_equal(screen.commits, 1);
	screen_finish(&screen);
}

/* A backend without timelines, and a driver that does not look into dma-bufs: the commit waits. */
static void test_no_timelines(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	screen.backend.features.timeline = false;
	screen.output->quirks->ignores_implicit = true;
	screen.slow = true;
	assert_true(screen_draw(&screen));
	assert_int_equal(screen.commits, 0);
	screen_pass_ms(&screen, 20);
	assert_int_equal(screen.commits, 0);
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.commits, 1);
	assert_int_equal(screen_info(&screen).waited, 1);
	screen_finish(&screen);
}

/* The same where the kernel cannot put a fence into the buffer: it waits, too. */
static void test_no_implicit(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	screen.backend.features.timeline = false;
	screen.slow = true;
	assert_true(screen_draw(&screen));
	assert_int_equal(screen.commits, 0);
	assert_int_equal(screen_info(&screen).way, SBX_FENCE_WAIT);
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.commits, 1);
	screen_finish(&screen);
}

/* Drawn by the CPU, into memory: there is nothing to wait for. */
static void test_shared_memory(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	screen.renderer.features.timeline = false;
	screen.shared_memory = true;
	assert_true(screen_draw(&screen));
	assert_int_equal(screen.commits, 1);
	assert_int_equal(screen_info(&screen).way, SBX_FENCE_NONE);
	screen_finish(&screen);
}

static void wait_way(struct screen *screen, struct rig *rig) {
	screen_init(screen, rig, NULL);
	screen->backend.features.timeline = false;
	screen->slow = true;
	assert_true(screen_draw(screen));
	assert_true(sbx_output_is_busy(screen->output));
}

static void test_one_at_a_time(void **state) {
	struct screen screen;
	wait_way(&screen, *state);
	assert_false(screen_draw(&screen));
	// Frame events are for who can draw.
	wlr_output_schedule_frame(&screen.wlr);
	screen_pass_ms(&screen, 5);
	assert_int_equal(screen.frames, 0);
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, 1);
	screen_flip(&screen);
	// And what was damaged meanwhile is drawn afterwards.
	screen_pass_ms(&screen, 5);
	assert_true(screen.frames >= 1);
	screen_finish(&screen);
}

static void test_gpu_fails(void **state) {
	struct screen screen;
	wait_way(&screen, *state);
	rig_signal(screen.rig, &screen.work, -EIO);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.commits, 0);
	assert_false(sbx_output_is_busy(screen.output));
	assert_int_equal(screen_info(&screen).dropped, 1);
	assert_int_equal(rig_count_log("driver bug: the fence of a frame of SCREEN-1 has failed"), 1);
	screen_pass_ms(&screen, 20);
	assert_int_equal(screen.frames, 1);
	screen_finish(&screen);
}

static void test_gpu_hangs(void **state) {
	struct screen screen;
	wait_way(&screen, *state);
	screen_pass_ms(&screen, SBX_WAIT_COMPOSED_MS - 1);
	assert_true(sbx_output_is_busy(screen.output));
	screen_pass_ms(&screen, 2);
	assert_false(sbx_output_is_busy(screen.output));
	assert_int_equal(rig_count_log("driver bug: a frame of SCREEN-1 is not done"), 1);
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, 20);
	assert_int_equal(screen.commits, 0);
	assert_int_equal(screen.frames, 1);
	screen_finish(&screen);
}

/* We were what was late: the fence has signalled, which is heard of behind the timer. */
static void test_stalled_loop(void **state) {
	struct screen screen;
	wait_way(&screen, *state);
	kernel_fake.now_ns += 10 * SBX_WAIT_COMPOSED_MS * MS;
	sbx_timer_fire(&screen.output->wait_timer);
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.commits, 1);
	assert_int_equal(screen_info(&screen).dropped, 0);
	assert_int_equal(rig_count_log("driver bug"), 0);
	screen_flip(&screen);
	screen_finish(&screen);
}

/* The fence has signalled, and the flip before it has not happened: the frame waits for that. */
static void test_flip_first(void **state) {
	struct screen screen;
	wait_way(&screen, *state);
	struct wlr_output_state gamma;
	wlr_output_state_init(&gamma);
	wlr_output_state_set_scale(&gamma, 2);
	assert_true(wlr_output_commit_state(&screen.wlr, &gamma));
	wlr_output_state_finish(&gamma);
	assert_int_equal(screen.commits, 1);
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, 5);
	assert_int_equal(screen.commits, 1);
	screen_flip(&screen);
	assert_int_equal(screen.commits, 2);
	assert_true((screen.committed & WLR_OUTPUT_STATE_BUFFER) != 0);
	screen_finish(&screen);
}

/* A mode change, or the end of the output, takes the place of a frame that waits. */
static void test_superseded(void **state) {
	struct screen screen;
	wait_way(&screen, *state);
	struct wlr_output_state mode;
	wlr_output_state_init(&mode);
	wlr_output_state_set_custom_mode(&mode, 80, 60, 50000);
	assert_true(wlr_output_commit_state(&screen.wlr, &mode));
	wlr_output_state_finish(&mode);
	assert_false(sbx_output_is_busy(screen.output));
	rig_signal(screen.rig, &screen.work, 0);
	unsigned commits = screen.commits;
	screen_pass_ms(&screen, 5);
	assert_int_equal(screen.commits, commits);
	screen_flip(&screen);
	assert_true(screen_draw(&screen));
	screen_finish(&screen); // while it waits
}

/* Clients' buffers */

static void test_scanout_locked_until_flip(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_buffer first, second;
	rig_buffer_init(&first, 64, 32);
	rig_buffer_init(&second, 64, 32);
	assert_true(screen_scan_out(&screen, &first.base));
	assert_ptr_equal(screen.buffer, &first.base);
	assert_int_equal(screen_info(&screen).scanout, SBX_SCANOUT_ACTIVE);
	screen_flip(&screen);
	assert_true(first.base.n_locks > 0);

	// A commit without a buffer, and its flip, end nothing.
	struct wlr_output_state gamma;
	wlr_output_state_init(&gamma);
	wlr_output_state_set_scale(&gamma, 3);
	assert_true(sbx_output_commit(screen.output, NULL, &gamma));
	wlr_output_state_finish(&gamma);
	screen_flip(&screen);
	assert_true(first.base.n_locks > 0);

	assert_true(screen_scan_out(&screen, &second.base));
	assert_true(first.base.n_locks > 0);
	assert_int_equal(first.releases, 0);
	screen_flip(&screen);
	assert_int_equal(first.base.n_locks, 0);
	assert_true(second.base.n_locks > 0);
	assert_int_equal(screen_info(&screen).scanned_out, 2);

	// Composed again.
	assert_true(screen_draw(&screen));
	assert_true(second.base.n_locks > 0);
	screen_flip(&screen);
	assert_int_equal(second.base.n_locks, 0);
	screen_finish(&screen);
	rig_buffer_finish(&first);
	rig_buffer_finish(&second);
}

static void test_scanout_refused(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 64, 32);
	screen.error = ENOSPC;
	assert_false(screen_scan_out(&screen, &buffer.base));
	assert_int_equal(screen_info(&screen).scanout, SBX_SCANOUT_COMMIT);
	assert_int_equal(buffer.base.n_locks, 0);
	screen.error = EBUSY;
	assert_false(screen_scan_out(&screen, &buffer.base));
	screen.error = 0;
	assert_true(screen_draw(&screen));
	screen_finish(&screen);
	rig_buffer_finish(&buffer);
}

static void test_scanout_forbidden(void **state) {
	struct screen screen;
	screen_init(&screen, *state, &(struct sbx_output_options){ .no_scanout = true });
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 64, 32);
	assert_false(screen_scan_out(&screen, &buffer.base));
	assert_int_equal(screen.commits, 0);
	assert_int_equal(screen_info(&screen).scanout, SBX_SCANOUT_FORBIDDEN);
	screen_finish(&screen);
	rig_buffer_finish(&buffer);
}

static void test_layers(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct wlr_output_state frame;
	wlr_output_state_init(&frame);
	struct wlr_render_pass *pass = sbx_output_begin(screen.output, &frame, NULL);
	assert_non_null(pass);
	wlr_output_state_set_layers(&frame, NULL, 0);
	assert_false(sbx_output_commit(screen.output, pass, &frame));
	wlr_output_state_finish(&frame);
	assert_int_equal(screen.commits, 0);
	assert_true(screen_draw(&screen));
	screen_finish(&screen);
}

/* While a frame waits the cursor still moves: with what is on the screen, committed again. */
static void test_cursor_moves(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	assert_true(screen_draw(&screen));
	screen_flip(&screen);
	struct wlr_buffer *front = screen.buffer;
	screen.backend.features.timeline = false;
	screen.slow = true;
	assert_true(screen_draw(&screen));
	assert_int_equal(screen.commits, 1);
	struct wlr_output_cursor cursor = { 0 };
	screen.wlr.hardware_cursor = &cursor;
	wlr_output_schedule_frame(&screen.wlr);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.commits, 2);
	assert_ptr_equal(screen.buffer, front);
	assert_true(sbx_output_is_busy(screen.output));
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.commits, 2);
	screen_flip(&screen);
	assert_int_equal(screen.commits, 3);
	assert_ptr_not_equal(screen.buffer, front);
	screen.wlr.hardware_cursor = NULL;
	screen_finish(&screen);
}

/* Frames that are shown at once. */

/* It is committed when it is done, and not before, without a fence; the output is free meanwhile. */
static void test_tearing(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	sbx_output_set_tearing(screen.output, true);
	screen.slow = true;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(screen_draw(&screen));
		assert_true(sbx_output_is_busy(screen.output));
		screen_pass_ms(&screen, 20);
		assert_int_equal(screen.commits, i);
		rig_signal(screen.rig, &screen.work, 0);
		screen_pass_ms(&screen, 1);
		assert_int_equal(screen.commits, i + 1);
		assert_true(screen.tore);
		assert_false(screen.had_fence);
		screen_flip(&screen);
	}
	assert_int_equal(screen_info(&screen).torn, 3);
	assert_int_equal(screen_info(&screen).way, SBX_FENCE_WAIT);
	// Off again: at the vblank, with the fence.
	sbx_output_set_tearing(screen.output, false);
	assert_true(screen_draw(&screen));
	assert_false(screen.tore);
	assert_true(screen.had_fence);
	assert_int_equal(screen_info(&screen).torn, 3);
	rig_signal(screen.rig, &screen.work, 0);
	screen_finish(&screen);
}

/* The wish for a single frame. */
static void test_tearing_once(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct wlr_output_state frame;
	wlr_output_state_init(&frame);
	frame.tearing_page_flip = true;
	struct wlr_render_pass *pass = sbx_output_begin(screen.output, &frame, NULL);
	assert_true(sbx_output_commit(screen.output, pass, &frame));
	wlr_output_state_finish(&frame);
	assert_true(screen.tore);
	assert_false(screen.had_fence);
	screen_flip(&screen);
	assert_true(screen_draw(&screen));
	assert_false(screen.tore);
	screen_finish(&screen);
}

/* An output that says no when it is asked: the vblank, the fence with the commit, and nobody is blamed. */
static void test_tearing_refused_in_test(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	sbx_output_set_tearing(screen.output, true);
	screen.refuse_tearing = screen.slow = true;
	assert_true(screen_draw(&screen));
	assert_int_equal(screen.commits, 1);
	assert_int_equal(screen.refused, 0);
	assert_false(screen.tore);
	assert_true(screen.had_fence);
	rig_signal(screen.rig, &screen.work, 0);
	screen_flip(&screen);
	// The next frame may be: a cursor has moved, and now it does not.
	screen.refuse_tearing = screen.slow = false;
	assert_true(screen_draw(&screen));
	assert_true(screen.tore);
	screen_finish(&screen);
}

/* Nor is an output that never does it asked for ever, and its frames are not rendered as if it did. */
static void test_tearing_never(void **state) {
	struct screen screen;
	screen_init(&screen, *state, &(struct sbx_output_options){
		.schedule = SBX_SCHEDULE_FIXED, .fixed_us = 3000,
	});
	screen_pass_ms(&screen, 8);
	sbx_output_set_tearing(screen.output, true);
	screen.refuse_tearing = true;
	for (int i = 0; i < 1000; i++) {
		assert_true(screen_draw(&screen));
		screen_flip(&screen);
		assert_int_equal(screen.frames, i + 1); // delayed
		screen_pass_ms(&screen, 8);
	}
	assert_true(screen.tearing_tests >= 9 && screen.tearing_tests <= 12);
	screen.refuse_tearing = false;
	for (int i = 0; i <= SBX_TEARING_PAUSE_MAX_FRAMES && !screen.tore; i++) {
		assert_true(screen_draw(&screen));
		screen_flip(&screen);
		screen_pass_ms(&screen, 8);
	}
	assert_true(screen.tore);
	screen_finish(&screen);
}

/* One that says yes, and then refuses: the same frame at the vblank, at once, and no fence is blamed. */
static void refuse_tearing(struct rig *rig, bool slow) {
	struct screen screen;
	screen_init(&screen, rig, NULL);
	sbx_output_set_tearing(screen.output, true);
	screen.tearing_error = EINVAL;
	screen.slow = slow;
	assert_true(screen_draw(&screen));
	if (slow) {
		assert_int_equal(screen.refused, 0);
		rig_signal(screen.rig, &screen.work, 0);
		screen_pass_ms(&screen, 1);
	}
	assert_int_equal(screen.refused, 1);
	assert_int_equal(screen.commits, 1);
	assert_false(screen.tore);
	assert_false(screen.had_fence);
	assert_int_equal(screen_info(&screen).torn, 0);
	assert_int_equal(screen_info(&screen).dropped, 0);
	screen_flip(&screen);
	screen.slow = false;
	for (int i = 0; i < SBX_TEARING_PAUSE_FRAMES; i++) {
		assert_true(screen_draw(&screen));
		assert_true(screen.had_fence);
		screen_flip(&screen);
	}
	assert_int_equal(screen.refused, 1);
	screen.tearing_error = 0;
	assert_true(screen_draw(&screen));
	assert_true(screen.tore);
	assert_false(screen.output->quirks->refuses_fences);
	assert_int_equal(screen.output->quirks->suspicions, 0);
	screen_finish(&screen);
}

static void test_tearing_refused(void **state) {
	refuse_tearing(*state, false);
	refuse_tearing(*state, true);
}

/* Busy is busy, with and without: tried again later. */
static void test_tearing_busy(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	sbx_output_set_tearing(screen.output, true);
	screen.error = EBUSY;
	assert_false(screen_draw(&screen));
	assert_int_equal(screen.commits, 0);
	screen.error = 0;
	screen_pass_ms(&screen, 10);
	assert_int_equal(screen.frames, 1);
	assert_true(screen_draw(&screen));
	assert_true(screen.tore);
	screen_finish(&screen);
}

/* A plane reads until the flip that replaces it, at the vblank or not. */
static void test_tearing_scanout(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	sbx_output_set_tearing(screen.output, true);
	struct rig_buffer buffers[2];
	rig_buffer_init(&buffers[0], 64, 32);
	rig_buffer_init(&buffers[1], 64, 32);
	for (int i = 0; i < 6; i++) {
		assert_true(screen_scan_out(&screen, &buffers[i % 2].base));
		assert_true(screen.tore);
		assert_true(buffers[i % 2].base.n_locks > 0);
		assert_true(i == 0 || buffers[(i + 1) % 2].base.n_locks > 0);
		screen_flip(&screen);
		assert_int_equal(buffers[(i + 1) % 2].base.n_locks, 0);
	}
	assert_int_equal(screen_info(&screen).torn, 6);
	assert_int_equal(screen_info(&screen).scanned_out, 6);
	screen_finish(&screen);
	rig_buffer_finish(&buffers[0]);
	rig_buffer_finish(&buffers[1]);
}

/* Adaptive sync goes on and off, and the buffer on the screen is still being read. */
static void test_adaptive_sync(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 64, 32);
	assert_true(screen_scan_out(&screen, &buffer.base));
	screen_flip(&screen);
	for (int i = 0; i < 2; i++) {
		struct wlr_output_state vrr;
		wlr_output_state_init(&vrr);
		wlr_output_state_set_adaptive_sync_enabled(&vrr, i == 0);
		assert_true(sbx_output_commit(screen.output, NULL, &vrr));
		wlr_output_state_finish(&vrr);
		assert_int_equal(screen.committed & WLR_OUTPUT_STATE_ADAPTIVE_SYNC_ENABLED,
			WLR_OUTPUT_STATE_ADAPTIVE_SYNC_ENABLED);
		screen.wlr.adaptive_sync_status = i == 0 ? WLR_OUTPUT_ADAPTIVE_SYNC_ENABLED :
			WLR_OUTPUT_ADAPTIVE_SYNC_DISABLED; // by the backend
		screen_flip(&screen);
		assert_true(buffer.base.n_locks > 0);
	}
	assert_true(screen_draw(&screen));
	assert_true(buffer.base.n_locks > 0);
	screen_flip(&screen);
	assert_int_equal(buffer.base.n_locks, 0);
	screen_finish(&screen);
	rig_buffer_finish(&buffer);
}

#define FAKE(name, function) { "commit: " name, function, rig_setup, rig_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("a composed frame goes out with its fence", test_fence_with_commit),
	FAKE("a fence is refused with EPERM", test_refused_eperm),
	FAKE("a fence is refused with EINVAL", test_refused_einval),
	FAKE("a fence is refused with EAGAIN", test_refused_eagain),
	FAKE("a fence is refused, perhaps", test_refused_unknown),
	FAKE("a fence is refused, and nobody says why", test_refused_unsaid),
	FAKE("refused with and without its fence", test_refused_altogether),
	FAKE("each call into the kernel fails", test_each_call_fails),
	FAKE("a fence that is not there yet", test_unmaterialised),
	FAKE("EBUSY", test_busy),
	FAKE("a backend without timelines", test_no_timelines),
	FAKE("a kernel that puts no fence into the buffer", test_no_implicit),
	FAKE("shared memory", test_shared_memory),
	FAKE("one frame waits at a time", test_one_at_a_time),
	FAKE("the GPU fails", test_gpu_fails),
	FAKE("the GPU hangs", test_gpu_hangs),
	FAKE("the loop was late", test_stalled_loop),
	FAKE("the flip before comes first", test_flip_first),
	FAKE("a waiting frame is superseded", test_superseded),
	FAKE("a client's buffer is locked until the flip that replaces it", test_scanout_locked_until_flip),
	FAKE("a client's buffer is refused", test_scanout_refused),
	FAKE("clients' buffers are forbidden", test_scanout_forbidden),
	FAKE("layers are refused", test_layers),
	FAKE("the cursor moves while a frame waits", test_cursor_moves),
	FAKE("frames are shown at once", test_tearing),
	FAKE("a frame is shown at once", test_tearing_once),
	FAKE("to show at once is refused in the test", test_tearing_refused_in_test),
	FAKE("to show at once is refused always", test_tearing_never),
	FAKE("to show at once is refused", test_tearing_refused),
	FAKE("to show at once, EBUSY", test_tearing_busy),
	FAKE("clients' buffers are shown at once", test_tearing_scanout),
	FAKE("adaptive sync goes on and off", test_adaptive_sync),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/commit", host, SUITE_COUNT(host), NULL, 0);
}
