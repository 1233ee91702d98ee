#include <errno.h>
#include "backend/quirks.h"
#include "backend/screen.h"
#include "harness/kernel_fake.h"
#include "loan/pace.h"

static void test_attach(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	assert_ptr_equal(sbx_output_from_wlr_output(&screen.wlr), screen.output);
	assert_null(sbx_output_create(&screen.wlr, NULL));
	assert_int_equal(screen_info(&screen).scanout, SBX_SCANOUT_NO_FRAME);
	wl_list_remove(&screen.frame.link);
	sbx_output_destroy(screen.output);
	sbx_output_destroy(NULL);
	assert_null(sbx_output_from_wlr_output(&screen.wlr));
	screen.output = sbx_output_create(&screen.wlr, NULL);
	assert_non_null(screen.output);
	wl_signal_add(sbx_output_get_frame_signal(screen.output), &screen.frame);
	screen_finish(&screen);
}

static void test_frame_events(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	wlr_output_schedule_frame(&screen.wlr);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.frames, 1);
	assert_true(screen_draw(&screen));
	wlr_output_schedule_frame(&screen.wlr);
	screen_pass_ms(&screen, 1);
	assert_int_equal(screen.frames, 1);
	screen_flip(&screen);
	assert_int_equal(screen.frames, 2);
	screen_finish(&screen);
}

/* A flip that never happens: said once, and nothing is given back. */
static void test_flip_never_happens(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 64, 32);
	assert_true(screen_scan_out(&screen, &buffer.base));
	screen_flip(&screen);
	assert_true(screen_draw(&screen));
	screen_pass_ms(&screen, SBX_FLIP_LATE_MS - 1);
	assert_int_equal(screen_info(&screen).late_flips, 0);
	screen_pass_ms(&screen, 20 * SBX_FLIP_LATE_MS);
	assert_int_equal(screen_info(&screen).late_flips, 1);
	assert_int_equal(rig_count_log("a flip of SCREEN-1 has not happened"), 1);
	assert_true(buffer.base.n_locks > 0);
	assert_int_equal(screen_info(&screen).on_screen, 1);
	// Better late than never.
	screen_flip(&screen);
	assert_int_equal(buffer.base.n_locks, 0);
	screen_finish(&screen);
	rig_buffer_finish(&buffer);
}

static void test_flip_in_time(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	for (int i = 0; i < 3; i++) {
		assert_true(screen_draw(&screen));
		screen_pass_ms(&screen, SBX_FLIP_LATE_MS - 10);
		screen_flip(&screen);
	}
	screen_pass_ms(&screen, 2 * SBX_FLIP_LATE_MS);
	assert_int_equal(screen_info(&screen).late_flips, 0);
	screen_finish(&screen);
}

/* A parent compositor does not flip a hidden window, and that is no bug. */
static void test_parent_may_wait(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	screen.output->quirks->is_kms = false;
	assert_true(screen_draw(&screen));
	screen_pass_ms(&screen, 10 * SBX_FLIP_LATE_MS);
	assert_int_equal(screen_info(&screen).late_flips, 0);
	screen_finish(&screen);
}

/* A parent that shows none of a hidden window's frames does not make us keep them all; KMS does. */
static void test_never_presented(void **state) {
	for (int kms = 0; kms < 2; kms++) {
		struct screen screen;
		screen_init(&screen, *state, NULL);
		screen.output->quirks->is_kms = kms;
		struct rig_buffer buffers[5];
		for (int i = 0; i < 5; i++) {
			rig_buffer_init(&buffers[i], 64, 32);
			assert_true(screen_scan_out(&screen, &buffers[i].base));
			struct wlr_output_event_present event = { .commit_seq = screen.wlr.commit_seq };
			wlr_output_send_present(&screen.wlr, &event);
			wlr_output_send_frame(&screen.wlr);
		}
		assert_int_equal(screen_info(&screen).on_screen, kms ? 5 : 1);
		screen_finish(&screen);
		for (int i = 0; i < 5; i++) {
			rig_buffer_finish(&buffers[i]);
		}
	}
}

static void test_switched_off(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 64, 32);
	assert_true(screen_scan_out(&screen, &buffer.base));
	assert_int_equal(screen_info(&screen).on_screen, 1);
	struct wlr_output_state off;
	wlr_output_state_init(&off);
	wlr_output_state_set_enabled(&off, false);
	assert_true(wlr_output_commit_state(&screen.wlr, &off));
	wlr_output_state_finish(&off);
	assert_int_equal(buffer.base.n_locks, 0);
	assert_int_equal(screen_info(&screen).on_screen, 0);
	screen_pass_ms(&screen, 2 * SBX_FLIP_LATE_MS);
	assert_int_equal(screen_info(&screen).late_flips, 0);
	screen_finish(&screen);
	rig_buffer_finish(&buffer);
}

static void test_unplugged(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 64, 32);
	assert_true(screen_scan_out(&screen, &buffer.base)); // and the flip is pending
	screen_finish(&screen);
	assert_int_equal(buffer.base.n_locks, 0);
	rig_buffer_finish(&buffer);
}

/* Frames that a compositor commits behind our back are on the screen all the same. */
static void test_committed_by_others(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 64, 32);
	struct wlr_output_state frame;
	wlr_output_state_init(&frame);
	wlr_output_state_set_buffer(&frame, &buffer.base);
	assert_true(wlr_output_commit_state(&screen.wlr, &frame));
	wlr_output_state_finish(&frame);
	screen_flip(&screen);
	assert_true(buffer.base.n_locks > 0);
	assert_true(screen_draw(&screen));
	screen_flip(&screen);
	assert_int_equal(buffer.base.n_locks, 0);
	screen_finish(&screen);
	rig_buffer_finish(&buffer);
}

/* With a schedule the frame signal comes later, and the latch is told of the moment before it. */
struct moments {
	struct wl_listener listener;
	unsigned count, frames_then;
	struct screen *screen;
};

static void handle_moment(struct wl_listener *listener, void *data) {
	struct moments *moments = wl_container_of(listener, moments, listener);
	moments->count++;
	moments->frames_then = moments->screen->frames;
}

static void test_schedule(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct moments moments = { .screen = &screen, .listener.notify = handle_moment };
	sbx_paces_listen(&moments.listener);
	sbx_output_set_schedule(screen.output, SBX_SCHEDULE_FIXED, 3000);
	assert_true(screen_draw(&screen));
	screen_flip(&screen); // now; the period is 10 ms
	assert_int_equal(screen.frames, 0);
	assert_int_equal(moments.count, 0);
	screen_pass_ms(&screen, 6);
	wlr_output_schedule_frame(&screen.wlr);
	screen_pass_ms(&screen, 0);
	assert_int_equal(screen.frames, 0);
	screen_pass_ms(&screen, 2);
	assert_int_equal(screen.frames, 1);
	assert_int_equal(moments.count, 1);
	assert_int_equal(moments.frames_then, 0);
	assert_int_equal(screen_info(&screen).delay_us, 7000);

	// Off again: with the frame event, and the moment too.
	sbx_output_set_schedule(screen.output, SBX_SCHEDULE_OFF, 0);
	assert_true(screen_draw(&screen));
	screen_flip(&screen);
	assert_int_equal(screen.frames, 2);
	assert_int_equal(moments.count, 2);
	wl_list_remove(&moments.listener.link);
	screen_finish(&screen);
}

/* What is shown at once is rendered at once, and has no vblank to miss. */
static void test_schedule_tearing(void **state) {
	struct screen screen;
	screen_init(&screen, *state, &(struct sbx_output_options){
		.schedule = SBX_SCHEDULE_FIXED, .fixed_us = 3000,
	});
	assert_true(screen_draw(&screen));
	screen_flip(&screen); // now; the period is 10 ms
	assert_int_equal(screen.frames, 0); // delayed
	screen_pass_ms(&screen, 8);
	assert_int_equal(screen.frames, 1);
	sbx_output_set_tearing(screen.output, true);
	for (unsigned i = 1; i < 4; i++) {
		assert_true(screen_draw(&screen));
		assert_true(screen.tore);
		screen_pass_ms(&screen, 13);
		screen_flip(&screen);
		assert_int_equal(screen.frames, i + 1);
		assert_int_equal(screen_info(&screen).delay_us, 0);
	}
	assert_int_equal(screen_info(&screen).missed_vblanks, 0);
	screen_finish(&screen);
}

static void set_adaptive_sync(struct screen *screen, bool on) {
	struct wlr_output_state vrr;
	wlr_output_state_init(&vrr);
	wlr_output_state_set_adaptive_sync_enabled(&vrr, on);
	assert_true(wlr_output_commit_state(&screen->wlr, &vrr));
	wlr_output_state_finish(&vrr);
	screen->wlr.adaptive_sync_status = on ? WLR_OUTPUT_ADAPTIVE_SYNC_ENABLED :
		WLR_OUTPUT_ADAPTIVE_SYNC_DISABLED; // as a backend does
	screen_flip(screen);
}

/* With adaptive sync there are no vblanks to count on. */
static void test_schedule_adaptive_sync(void **state) {
	struct screen screen;
	screen_init(&screen, *state, &(struct sbx_output_options){
		.schedule = SBX_SCHEDULE_FIXED, .fixed_us = 3000,
	});
	screen_pass_ms(&screen, 8); // what was planned before
	assert_int_equal(screen.frames, 1);
	set_adaptive_sync(&screen, true);
	assert_int_equal(screen.frames, 2);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(screen_draw(&screen));
		screen_pass_ms(&screen, 23);
		screen_flip(&screen);
		assert_int_equal(screen.frames, 3 + i);
		assert_int_equal(screen_info(&screen).delay_us, 0);
	}
	assert_int_equal(screen_info(&screen).missed_vblanks, 0);
	set_adaptive_sync(&screen, false);
	assert_int_equal(screen.frames, 5); // delayed again
	screen_pass_ms(&screen, 8);
	assert_int_equal(screen.frames, 6);
	screen_finish(&screen);
}

/* A frame that others commit while ours is delayed. */
static void test_schedule_overtaken(void **state) {
	struct screen screen;
	screen_init(&screen, *state, &(struct sbx_output_options){
		.schedule = SBX_SCHEDULE_FIXED, .fixed_us = 3000,
	});
	assert_true(screen_draw(&screen));
	screen_flip(&screen);
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 64, 32);
	struct wlr_output_state frame;
	wlr_output_state_init(&frame);
	wlr_output_state_set_buffer(&frame, &buffer.base);
	assert_true(wlr_output_commit_state(&screen.wlr, &frame));
	wlr_output_state_finish(&frame);
	screen_pass_ms(&screen, 9);
	assert_int_equal(screen.frames, 0);
	screen_flip(&screen);
	screen_pass_ms(&screen, 8);
	assert_int_equal(screen.frames, 1);
	screen_finish(&screen);
	rig_buffer_finish(&buffer);
}

static void test_names(void **state) {
	assert_string_equal(sbx_fence_way_name(SBX_FENCE_WAIT), "wait");
	assert_string_equal(sbx_fence_way_name((enum sbx_fence_way)77), "unknown");
	assert_string_equal(sbx_scanout_name(SBX_SCANOUT_COMMIT), "commit");
	assert_string_equal(sbx_scanout_name((enum sbx_scanout)77), "unknown");
}

#define FAKE(name, function) { "output: " name, function, rig_setup, rig_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("attached once", test_attach),
	FAKE("frame events", test_frame_events),
	FAKE("a flip that never happens", test_flip_never_happens),
	FAKE("flips in time", test_flip_in_time),
	FAKE("a parent may take its time", test_parent_may_wait),
	FAKE("frames that are never presented", test_never_presented),
	FAKE("switched off", test_switched_off),
	FAKE("unplugged with a flip pending", test_unplugged),
	FAKE("committed by others", test_committed_by_others),
	FAKE("a schedule", test_schedule),
	FAKE("what is shown at once is not delayed", test_schedule_tearing),
	FAKE("adaptive sync", test_schedule_adaptive_sync),
	FAKE("overtaken while delayed", test_schedule_overtaken),
	FAKE("names", test_names),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/output", host, SUITE_COUNT(host), NULL, 0);
}
