#include <errno.h>
#include "backend/crtc.h"
#include "backend/quirks.h"
#include "backend/screen.h"
#include "harness/kernel_fake.h"

/* What the kernel says. */
static enum sbx_crtc_state crtc;
static unsigned asked;

static enum sbx_crtc_state ask(struct wlr_output *output) {
	asked++;
	return crtc;
}

static void begin(struct screen *screen, struct rig *rig, enum sbx_crtc_state state) {
	screen_init(screen, rig, NULL);
	sbx_crtc_use(ask);
	crtc = state;
	asked = 0;
}

static void end(struct screen *screen) {
	sbx_crtc_use(NULL);
	screen_finish(screen);
}

/* Buffer 0 is on the screen, and the flip to buffer 1 is pending. */
static void flip_between(struct screen *screen, struct rig_buffer buffers[2]) {
	for (int i = 0; i < 2; i++) {
		rig_buffer_init(&buffers[i], 64, 32);
		assert_true(screen_scan_out(screen, &buffers[i].base));
		if (i == 0) {
			screen_flip(screen);
		}
	}
	screen->commits = screen->frames = 0;
}

static void finish_buffers(struct rig_buffer buffers[2]) {
	for (int i = 0; i < 2; i++) {
		rig_buffer_finish(&buffers[i]);
	}
}

/* The kernel has done it and told nobody: the same frame again, and nothing is given back before its flip. */
static void test_lost(void **state) {
	struct screen screen;
	struct rig_buffer buffers[2];
	begin(&screen, *state, SBX_CRTC_IDLE);
	flip_between(&screen, buffers);
	screen_pass_ms(&screen, SBX_FLIP_LATE_MS - 1);
	assert_int_equal(asked, 0);
	assert_int_equal(screen.commits, 0);
	screen_pass_ms(&screen, 1);
	assert_int_equal(asked, 1);
	assert_int_equal(screen.commits, 1);
	assert_true(screen.reconfigures);
	assert_false(screen.had_fence);
	assert_ptr_equal(screen.buffer, &buffers[1].base);
	assert_int_equal(screen_info(&screen).late_flips, 1);
	assert_int_equal(screen_info(&screen).lost_flips, 1);
	assert_int_equal(rig_count_log("nobody was told"), 1);
	assert_true(buffers[0].base.n_locks > 0);
	assert_int_equal(screen.frames, 0);
	screen_flip(&screen);
	assert_int_equal(screen.frames, 1);
	assert_int_equal(buffers[0].base.n_locks, 0);
	assert_true(buffers[1].base.n_locks > 0);
	// As before: with the next frame it is buffer 1's turn.
	assert_true(screen_draw(&screen));
	assert_false(screen.reconfigures);
	screen_flip(&screen);
	assert_int_equal(buffers[1].base.n_locks, 0);
	screen_pass_ms(&screen, 10 * SBX_FLIP_LATE_MS);
	assert_int_equal(screen_info(&screen).late_flips, 1);
	end(&screen);
	finish_buffers(buffers);
}

/* Rows: what cannot be known to be over is not ended, however long it takes. */
static void never_over(struct rig *rig, enum sbx_crtc_state answer) {
	struct screen screen;
	struct rig_buffer buffers[2];
	begin(&screen, rig, answer);
	flip_between(&screen, buffers);
	screen_pass_ms(&screen, 60000);
	assert_int_equal(screen.commits, 0);
	assert_true(asked >= 4 && asked <= 7);
	assert_int_equal(rig_count_log("a flip of SCREEN-1 has not happened after 2000 ms"), 1);
	assert_int_equal(screen_info(&screen).late_flips, 1);
	assert_true(buffers[0].base.n_locks > 0 && buffers[1].base.n_locks > 0);
	// The kernel gives up, and says so when it is asked.
	crtc = SBX_CRTC_IDLE;
	screen_pass_ms(&screen, SBX_FLIP_RETRY_MAX_MS);
	assert_int_equal(screen.commits, 1);
	assert_int_equal(screen_info(&screen).late_flips, 1);
	assert_true(buffers[0].base.n_locks > 0);
	screen_flip(&screen);
	assert_int_equal(buffers[0].base.n_locks, 0);
	end(&screen);
	finish_buffers(buffers);
}

static void test_busy(void **state) {
	never_over(*state, SBX_CRTC_BUSY);
}

static void test_unknown(void **state) {
	never_over(*state, SBX_CRTC_UNKNOWN);
}

static void test_refused(void **state) {
	struct screen screen;
	struct rig_buffer buffers[2];
	begin(&screen, *state, SBX_CRTC_IDLE);
	flip_between(&screen, buffers);
	screen.error = EACCES;
	screen_pass_ms(&screen, SBX_FLIP_LATE_MS);
	assert_int_equal(screen.refused, 1);
	assert_int_equal(screen_info(&screen).lost_flips, 0);
	assert_true(buffers[0].base.n_locks > 0);
	screen.error = 0;
	screen_pass_ms(&screen, 2 * SBX_FLIP_LATE_MS);
	assert_int_equal(screen.commits, 1);
	assert_int_equal(screen_info(&screen).lost_flips, 1);
	screen_flip(&screen);
	end(&screen);
	finish_buffers(buffers);
}

/* Each is told of less often than the one before, until one gets through. */
static void test_all_are_lost(void **state) {
	struct screen screen;
	struct rig_buffer buffers[2];
	begin(&screen, *state, SBX_CRTC_IDLE);
	flip_between(&screen, buffers);
	screen_pass_ms(&screen, 120000);
	assert_true(screen.commits >= 7 && screen.commits <= 11);
	assert_true(buffers[0].base.n_locks > 0);
	screen_flip(&screen);
	assert_int_equal(buffers[0].base.n_locks, 0);
	// From then on it is the first again.
	unsigned late = (unsigned)screen_info(&screen).late_flips;
	assert_true(screen_draw(&screen));
	screen_pass_ms(&screen, SBX_FLIP_LATE_MS);
	assert_int_equal(screen_info(&screen).late_flips, late + 1);
	screen_flip(&screen);
	end(&screen);
	finish_buffers(buffers);
}

/* A frame that was to follow does so. */
static void test_frame_that_waits(void **state) {
	struct screen screen;
	begin(&screen, *state, SBX_CRTC_IDLE);
	screen.output->quirks->ignores_implicit = screen.output->quirks->refuses_fences = true;
	assert_true(screen_draw(&screen));
	struct wlr_buffer *lost = screen.buffer;
	screen.slow = true;
	assert_true(screen_draw(&screen));
	rig_signal(screen.rig, &screen.work, 0);
	screen_pass_ms(&screen, SBX_FLIP_LATE_MS - 1);
	assert_true(sbx_output_is_busy(screen.output));
	assert_int_equal(screen.commits, 1);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.commits, 2);
	assert_ptr_equal(screen.buffer, lost);
	assert_true(sbx_output_is_busy(screen.output));
	screen_flip(&screen);
	assert_int_equal(screen.commits, 3);
	assert_ptr_not_equal(screen.buffer, lost);
	assert_int_equal(screen_info(&screen).dropped, 0);
	screen_flip(&screen);
	end(&screen);
}

/* We were what was late: the event is there already, behind the timer. */
static void test_stalled_loop(void **state) {
	struct screen screen;
	begin(&screen, *state, SBX_CRTC_IDLE);
	assert_true(screen_draw(&screen));
	kernel_fake.now_ns += 10 * SBX_FLIP_LATE_MS * MS;
	sbx_timer_fire(&screen.output->flip_timer);
	screen_flip(&screen);
	screen_pass_ms(&screen, 10 * SBX_FLIP_LATE_MS);
	assert_int_equal(asked, 0);
	assert_int_equal(screen_info(&screen).late_flips, 0);
	assert_int_equal(screen.commits, 1);
	end(&screen);
}

static void test_switched_off(void **state) {
	struct screen screen;
	struct rig_buffer buffers[2];
	begin(&screen, *state, SBX_CRTC_BUSY);
	flip_between(&screen, buffers);
	screen_pass_ms(&screen, SBX_FLIP_LATE_MS);
	assert_int_equal(asked, 1);
	struct wlr_output_state off;
	wlr_output_state_init(&off);
	wlr_output_state_set_enabled(&off, false);
	assert_true(wlr_output_commit_state(&screen.wlr, &off));
	wlr_output_state_finish(&off);
	assert_int_equal(buffers[0].base.n_locks, 0);
	screen_pass_ms(&screen, 10 * SBX_FLIP_LATE_MS);
	assert_int_equal(asked, 1);
	end(&screen);
	finish_buffers(buffers);
}

/* Who is not KMS cannot be asked. */
static void test_not_kms(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	assert_int_equal(sbx_crtc_ask(&screen.wlr), SBX_CRTC_UNKNOWN);
	screen_finish(&screen);
}

/* A client writes to what is on the screen: the commit would block until it is done. */
static void test_written(void **state) {
	struct rig *rig = *state;
	struct screen screen;
	struct rig_buffer buffer;
	uint32_t handle;
	begin(&screen, rig, SBX_CRTC_IDLE);
	rig_buffer_init_vgem(rig, &buffer, &handle);
	buffer.base.width = 64;
	assert_true(screen_scan_out(&screen, &buffer.base));
	int writer = vgem_buffer_attach(rig->sync->vgem_fd, handle, true);
	assert_true(writer >= 0);
	for (int i = 0; i < 2; i++) {
		screen.commits = 0;
		screen.output->flip_is_due = true;
		sbx_output_handle_late_flip(screen.output);
		assert_int_equal(screen.commits, i);
		assert_int_equal(asked, i + 1);
		if (i == 0) {
			assert_int_equal(vgem_attached_signal(rig->sync->vgem_fd, (uint32_t)writer), 0);
		}
	}
	end(&screen);
	rig_buffer_finish(&buffer);
	vgem_buffer_destroy(rig->sync->vgem_fd, handle);
}

#define FAKE(name, function) { "flip: " name, function, rig_setup, rig_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("lost", test_lost),
	FAKE("really does not happen", test_busy),
	FAKE("nobody knows", test_unknown),
	FAKE("the commit after it is refused", test_refused),
	FAKE("all are lost", test_all_are_lost),
	FAKE("a frame that waits behind it", test_frame_that_waits),
	FAKE("the loop was late", test_stalled_loop),
	FAKE("switched off meanwhile", test_switched_off),
	FAKE("not KMS", test_not_kms),
};

static const struct CMUnitTest lab[] = {
	{ "flip: what is on the screen is written to", test_written, rig_setup_lab, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/flip", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
