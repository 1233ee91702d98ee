#include <errno.h>
#include <signalbox/headless.h>
#include <string.h>
#include <wlr/backend.h>
#include <wlr/interfaces/wlr_output.h>
#include "backend/rig.h"
#include "harness/kernel_fake.h"

/* One output of 100 Hz, switched on, and what it has said since. */
struct stage {
	struct rig *rig;
	struct wlr_backend *backend;
	struct wlr_output *output;
	struct rig_ear ear;
	struct rig_timeline wait, signal;
	struct rig_buffer buffers[4];
};

static bool commit(struct stage *stage, int buffer, uint64_t wait_point, uint64_t signal_point) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_enabled(&state, true);
	wlr_output_state_set_buffer(&state, &stage->buffers[buffer].base);
	if (wait_point != 0) {
		wlr_output_state_set_wait_timeline(&state, &stage->wait.wlr, wait_point);
	}
	if (signal_point != 0) {
		wlr_output_state_set_signal_timeline(&state, &stage->signal.wlr, signal_point);
	}
	bool ok = wlr_output_commit_state(stage->output, &state);
	wlr_output_state_finish(&state);
	return ok;
}

static bool commit_nothing(struct stage *stage, bool enabled) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_enabled(&state, enabled);
	wlr_output_state_set_scale(&state, stage->output->scale + 1);
	bool ok = wlr_output_commit_state(stage->output, &state);
	wlr_output_state_finish(&state);
	return ok;
}

static void raise_curtain(struct stage *stage, struct rig *rig, uint32_t numerator, uint32_t denominator) {
	*stage = (struct stage){ .rig = rig };
	stage->backend = sbx_headless_backend_create(rig->loop, NULL);
	assert_non_null(stage->backend);
	assert_true(wlr_backend_start(stage->backend));
	stage->output = sbx_headless_add_output(stage->backend, &(struct sbx_headless_output_options){
		.width = 64, .height = 32,
		.refresh_numerator = numerator, .refresh_denominator = denominator,
	});
	assert_non_null(stage->output);
	rig_timeline_init(rig, &stage->wait);
	rig_timeline_init(rig, &stage->signal);
	for (int i = 0; i < 4; i++) {
		rig_buffer_init(&stage->buffers[i], 64, 32);
	}
	rig_listen(&stage->ear, stage->output);
}

static void lower_curtain(struct stage *stage) {
	wlr_backend_destroy(stage->backend);
	assert_null(stage->ear.output);
	for (int i = 0; i < 4; i++) {
		rig_buffer_finish(&stage->buffers[i]);
	}
	rig_timeline_finish(stage->rig, &stage->wait);
	rig_timeline_finish(stage->rig, &stage->signal);
}

static void pass_ms(struct stage *stage, double ms) {
	clock_fake_advance(stage->rig->loop, clock_fake_now() + (int64_t)(ms * MS));
}

static struct wlr_buffer *shown(struct stage *stage) {
	return sbx_headless_output_get_shown(stage->output);
}

static void test_shown_at_vblank(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	pass_ms(&stage, 3);
	assert_int_equal(clock_fake_next(), 0); // idle: nothing runs
	assert_true(commit(&stage, 0, 0, 0));
	pass_ms(&stage, 6.9);
	assert_null(shown(&stage));
	assert_int_equal(stage.ear.frames, 0);
	pass_ms(&stage, 0.2);
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	assert_int_equal(stage.ear.frames, 1);
	assert_int_equal(stage.ear.presents, 1);
	assert_true(stage.ear.last.presented);
	assert_int_equal(stage.ear.last_when_ns, RIG_START_NS + 10 * MS);
	assert_int_equal(stage.ear.last.seq, 1);
	assert_int_equal(stage.ear.last.commit_seq, stage.output->commit_seq);
	assert_int_equal(stage.ear.last.refresh, 10 * MS);
	assert_int_equal(stage.ear.last.flags, WLR_OUTPUT_PRESENT_VSYNC | WLR_OUTPUT_PRESENT_ZERO_COPY);
	assert_int_equal(clock_fake_next(), 0);
	lower_curtain(&stage);
}

/* The wait timeline: late by three vblanks, and the loop is never blocked. */
static void test_late_fence(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	assert_true(commit(&stage, 0, 0, 1));
	pass_ms(&stage, 10);
	struct rig_fence fence;
	rig_pend(stage.rig, &stage.wait, 5, &fence);
	assert_true(commit(&stage, 1, 5, 2));
	pass_ms(&stage, 32);
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	assert_int_equal(stage.ear.frames, 1);
	assert_false(rig_is_signalled(stage.rig, &stage.signal, 1));
	rig_signal(stage.rig, &fence, 0);
	pass_ms(&stage, 7.9);
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	pass_ms(&stage, 0.2);
	assert_ptr_equal(shown(&stage), &stage.buffers[1].base);
	assert_int_equal(stage.ear.last_when_ns, RIG_START_NS + 50 * MS);
	assert_int_equal(stage.ear.last.seq, 5);
	assert_int_equal(stage.ear.frames, 2);
	assert_int_equal(sbx_headless_output_get_late_vblanks(stage.output), 3);
	assert_true(rig_is_signalled(stage.rig, &stage.signal, 1));
	assert_false(rig_is_signalled(stage.rig, &stage.signal, 2));
	lower_curtain(&stage);
}

/* The control of test_late_fence: without the wait timeline it is shown at the first vblank. */
static void test_punctual(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	struct rig_fence fence;
	rig_pend(stage.rig, &stage.wait, 5, &fence);
	assert_true(commit(&stage, 1, 0, 0));
	pass_ms(&stage, 10);
	assert_ptr_equal(shown(&stage), &stage.buffers[1].base);
	assert_int_equal(sbx_headless_output_get_late_vblanks(stage.output), 0);
	rig_signal(stage.rig, &fence, 0);
	lower_curtain(&stage);
}

static void test_unmaterialised(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	assert_true(commit(&stage, 0, 7, 0));
	pass_ms(&stage, 15);
	assert_null(shown(&stage));
	struct rig_fence fence;
	rig_pend(stage.rig, &stage.wait, 7, &fence);
	pass_ms(&stage, 10);
	assert_null(shown(&stage));
	rig_signal(stage.rig, &fence, 0);
	pass_ms(&stage, 10);
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	lower_curtain(&stage);
}

static void test_signalled_already(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	struct sbx_point point = rig_point(&stage.wait, 7);
	assert_int_equal(sbx_points_signal(stage.rig->sync->sync, &point, 1), 0);
	assert_true(commit(&stage, 0, 7, 0));
	pass_ms(&stage, 10);
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	lower_curtain(&stage);
}

static void test_failed_fence(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	assert_true(commit(&stage, 0, 0, 0));
	pass_ms(&stage, 10);
	struct rig_fence fence;
	rig_pend(stage.rig, &stage.wait, 5, &fence);
	assert_true(commit(&stage, 1, 5, 2));
	pass_ms(&stage, 5);
	assert_false(rig_is_signalled(stage.rig, &stage.signal, 2));
	rig_signal(stage.rig, &fence, -EIO);
	pass_ms(&stage, 10);
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	assert_false(stage.ear.last.presented);
	assert_int_equal(stage.ear.frames, 2);
	assert_int_equal(stage.ear.damages, 1);
	assert_true(rig_is_signalled(stage.rig, &stage.signal, 2));
	assert_int_equal(stage.buffers[1].base.n_locks, 0);
	assert_int_equal(rig_count_log("driver bug: the fence of a frame of output VIRTUAL-1 has failed"), 1);
	lower_curtain(&stage);
}

static void test_replaced(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	struct rig_fence fence;
	rig_pend(stage.rig, &stage.wait, 5, &fence);
	assert_true(commit(&stage, 0, 5, 1));
	pass_ms(&stage, 15);
	assert_true(commit(&stage, 1, 0, 2));
	assert_true(rig_is_signalled(stage.rig, &stage.signal, 1));
	assert_int_equal(stage.buffers[0].base.n_locks, 0);
	pass_ms(&stage, 5);
	assert_ptr_equal(shown(&stage), &stage.buffers[1].base);
	assert_int_equal(stage.ear.presents, 2);
	assert_int_equal(stage.ear.shown, 1);
	assert_int_equal(stage.ear.frames, 1);
	rig_signal(stage.rig, &fence, 0);
	pass_ms(&stage, 30);
	assert_ptr_equal(shown(&stage), &stage.buffers[1].base);
	lower_curtain(&stage);
}

static void test_without_buffer(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	assert_true(commit(&stage, 0, 0, 1));
	pass_ms(&stage, 10);
	assert_true(commit_nothing(&stage, true));
	pass_ms(&stage, 10);
	assert_int_equal(stage.ear.shown, 2);
	assert_int_equal(stage.ear.frames, 2);
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	assert_false(rig_is_signalled(stage.rig, &stage.signal, 1));

	// Behind a queued frame it is answered together with it.
	assert_true(commit(&stage, 1, 0, 2));
	assert_true(commit_nothing(&stage, true));
	pass_ms(&stage, 10);
	assert_int_equal(stage.ear.shown, 4);
	assert_int_equal(stage.ear.frames, 3);
	assert_true(rig_is_signalled(stage.rig, &stage.signal, 1));
	lower_curtain(&stage);
}

static void test_switched_off(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	assert_true(commit(&stage, 0, 0, 1));
	pass_ms(&stage, 10);
	struct rig_fence fence;
	rig_pend(stage.rig, &stage.wait, 5, &fence);
	assert_true(commit(&stage, 1, 5, 2));
	assert_true(commit_nothing(&stage, false));
	assert_null(shown(&stage));
	assert_int_equal(stage.buffers[0].base.n_locks, 0);
	assert_int_equal(stage.buffers[1].base.n_locks, 0);
	assert_true(rig_is_signalled(stage.rig, &stage.signal, 2));
	pass_ms(&stage, 20);
	assert_int_equal(stage.ear.shown, 1);
	assert_false(stage.ear.last.presented);
	assert_int_equal(clock_fake_next(), 0);
	rig_signal(stage.rig, &fence, 0);
	assert_true(commit(&stage, 2, 0, 0));
	pass_ms(&stage, 10);
	assert_ptr_equal(shown(&stage), &stage.buffers[2].base);
	assert_int_equal(stage.ear.shown, 2);
	lower_curtain(&stage);
}

/* A loop that is busy for three vblanks does not make the frame late, nor its time wrong. */
static void test_busy_loop(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	pass_ms(&stage, 3);
	assert_true(commit(&stage, 0, 0, 0));
	clock_fake_stall(stage.rig->loop, RIG_START_NS + 36 * MS);
	assert_int_equal(stage.ear.last_when_ns, RIG_START_NS + 10 * MS);
	assert_int_equal(sbx_headless_output_get_late_vblanks(stage.output), 0);
	assert_true(commit(&stage, 1, 0, 0));
	pass_ms(&stage, 5);
	assert_int_equal(stage.ear.last_when_ns, RIG_START_NS + 40 * MS);
	lower_curtain(&stage);
}

static void commit_next(struct rig_ear *ear, void *data) {
	struct stage *stage = data;
	commit(stage, (int)(ear->frames % 4), 0, 0);
}

/* An hour of frames, each from the frame event of the one before: none too few, none too many. */
static void test_hour(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 60000, 1001);
	stage.ear.on_frame = commit_next;
	stage.ear.data = &stage;
	assert_true(commit(&stage, 0, 0, 0));
	// 3603.6 s are exactly 216,000 frames.
	clock_fake_advance(stage.rig->loop, RIG_START_NS + 3603600 * MS);
	assert_int_equal(stage.ear.shown, 216000);
	assert_int_equal(stage.ear.last_when_ns, RIG_START_NS + 3603600 * MS);
	assert_int_equal(stage.ear.last.seq, 216000);
	assert_int_equal(sbx_headless_output_get_late_vblanks(stage.output), 0);
	lower_curtain(&stage);
}

static void test_modes(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 60000, 1001);
	assert_int_equal(stage.output->refresh, 59940);
	const struct {
		int32_t mhz;
		int period_ns;
	} rows[] = { { 59940, 16683333 }, { 0, 16683333 }, { 144000, 6944444 }, { 60000, 16666667 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wlr_output_state mode;
		wlr_output_state_init(&mode);
		wlr_output_state_set_enabled(&mode, true);
		wlr_output_state_set_custom_mode(&mode, 64 + (int)i, 32, rows[i].mhz);
		assert_true(wlr_output_commit_state(stage.output, &mode));
		wlr_output_state_finish(&mode);
		pass_ms(&stage, 40);
		assert_int_equal(stage.ear.last.refresh, rows[i].period_ns);
		assert_int_equal(stage.output->width, 64 + (int)i);
	}
	lower_curtain(&stage);
}

static void test_refused(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 60, 1);
	struct wlr_output_state tearing, vrr, mode;
	wlr_output_state_init(&tearing);
	wlr_output_state_set_enabled(&tearing, true);
	wlr_output_state_set_buffer(&tearing, &stage.buffers[0].base);
	tearing.tearing_page_flip = true;
	assert_false(wlr_output_test_state(stage.output, &tearing));
	assert_false(wlr_output_commit_state(stage.output, &tearing));
	wlr_output_state_finish(&tearing);
	wlr_output_state_init(&vrr);
	wlr_output_state_set_enabled(&vrr, true);
	wlr_output_state_set_adaptive_sync_enabled(&vrr, true);
	assert_false(wlr_output_test_state(stage.output, &vrr));
	wlr_output_state_finish(&vrr);
	wlr_output_state_init(&mode);
	wlr_output_state_set_enabled(&mode, true);
	wlr_output_state_set_custom_mode(&mode, 64, 32, 2000000);
	assert_false(wlr_output_test_state(stage.output, &mode));
	wlr_output_state_finish(&mode);
	assert_int_equal(stage.buffers[0].base.n_locks, 0);
	lower_curtain(&stage);
}

static void test_destroyed_while_waiting(void **state) {
	struct stage stage;
	raise_curtain(&stage, *state, 100, 1);
	assert_true(commit(&stage, 0, 0, 1));
	pass_ms(&stage, 10);
	struct rig_fence fence;
	rig_pend(stage.rig, &stage.wait, 5, &fence);
	assert_true(commit(&stage, 1, 5, 2));
	wlr_output_destroy(stage.output);
	assert_true(rig_is_signalled(stage.rig, &stage.signal, 2));
	rig_signal(stage.rig, &fence, 0);
	pass_ms(&stage, 20);
	lower_curtain(&stage);
}

/* Without an fd for the wait the commit is refused, never shown unwaited; a wait is never lost. */
static int op_late_commit(void *data) {
	struct stage stage;
	kernel_fake.paused = true;
	raise_curtain(&stage, data, 100, 1);
	struct rig_fence fence;
	rig_pend(stage.rig, &stage.wait, 5, &fence);
	kernel_fake.paused = false;
	bool ok = commit(&stage, 0, 5, 0);
	pass_ms(&stage, 30);
	assert_null(shown(&stage));
	kernel_fake.paused = true;
	rig_signal(stage.rig, &fence, 0);
	if (ok) {
		kernel_fake.paused = false;
		// The retry timers of loan/ are the event loop's own, in real milliseconds.
		for (int i = 0; i < 200 && shown(&stage) == NULL; i++) {
			wl_event_loop_dispatch(stage.rig->loop, 1);
			pass_ms(&stage, 1);
		}
		assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	}
	kernel_fake.paused = true;
	lower_curtain(&stage);
	kernel_fake.paused = false;
	return ok ? 0 : -EMFILE;
}

static void test_each_call_fails(void **state) {
	assert_int_equal(op_late_commit(*state), 0); // makes the event loop's own timer fd
	suite_each_call_fails(-EMFILE, op_late_commit, *state);
}

/* In the lab, with the kernel's own fences and clock. */

static bool is_shown(void *data) {
	struct stage *stage = data;
	return stage->ear.shown > 0;
}

static bool has_passed(void *data) {
	return ((struct rig_ear *)data)->frames >= 1;
}

static void test_real_fence(void **state) {
	struct rig *rig = *state;
	struct stage stage, clock;
	raise_curtain(&stage, rig, 100, 1);
	raise_curtain(&clock, rig, 10, 1);
	struct rig_fence fence;
	rig_pend(rig, &stage.wait, 1, &fence);
	assert_true(commit(&stage, 0, 1, 1));
	assert_true(commit(&clock, 0, 0, 0));
	// While the other output shows a frame, the late one does not.
	assert_true(rig_wait(rig, has_passed, &clock.ear));
	assert_int_equal(stage.ear.frames, 0);
	assert_null(shown(&stage));
	rig_signal(rig, &fence, 0);
	assert_true(rig_wait(rig, is_shown, &stage));
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	assert_true(sbx_headless_output_get_late_vblanks(stage.output) > 0);
	assert_true(commit(&stage, 1, 0, 2));
	stage.ear.shown = 0;
	assert_true(rig_wait(rig, is_shown, &stage));
	assert_true(rig_is_signalled(rig, &stage.signal, 1));
	assert_false(rig_is_signalled(rig, &stage.signal, 2));
	lower_curtain(&clock);
	lower_curtain(&stage);
}

/* Without a timeline, the fences of the buffer itself. */
static void test_implicit_fence(void **state) {
	struct rig *rig = *state;
	struct stage stage, clock;
	raise_curtain(&stage, rig, 100, 1);
	raise_curtain(&clock, rig, 10, 1);
	uint32_t handle;
	rig_buffer_finish(&stage.buffers[0]);
	rig_buffer_init_vgem(rig, &stage.buffers[0], &handle);
	int fence = vgem_buffer_attach(rig->sync->vgem_fd, handle, true);
	assert_true(fence >= 0);
	assert_true(commit(&stage, 0, 0, 0));
	assert_true(commit(&clock, 0, 0, 0));
	assert_true(rig_wait(rig, has_passed, &clock.ear));
	assert_null(shown(&stage));
	assert_int_equal(vgem_attached_signal(rig->sync->vgem_fd, (uint32_t)fence), 0);
	assert_true(rig_wait(rig, is_shown, &stage));
	assert_ptr_equal(shown(&stage), &stage.buffers[0].base);
	lower_curtain(&clock);
	lower_curtain(&stage);
	vgem_buffer_destroy(rig->sync->vgem_fd, handle);
}

#define FAKE(name, function) { "headless_output: " name, function, rig_setup, rig_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("shown at the vblank, with its time", test_shown_at_vblank),
	FAKE("a late fence keeps the previous frame", test_late_fence),
	FAKE("without a wait it is punctual", test_punctual),
	FAKE("a point that is not materialised yet", test_unmaterialised),
	FAKE("a point that has signalled", test_signalled_already),
	FAKE("a fence that fails is never shown", test_failed_fence),
	FAKE("a second frame takes the place of a waiting one", test_replaced),
	FAKE("a commit without a buffer lets nothing go", test_without_buffer),
	FAKE("switched off with a frame waiting", test_switched_off),
	FAKE("a busy loop makes no frame late", test_busy_loop),
	FAKE("an hour of frames", test_hour),
	FAKE("modes", test_modes),
	FAKE("what is refused", test_refused),
	FAKE("destroyed while a frame waits", test_destroyed_while_waiting),
	FAKE("each call into the kernel fails", test_each_call_fails),
};

static const struct CMUnitTest lab[] = {
	{ "headless_output: a real fence", test_real_fence, rig_setup_lab, rig_teardown, NULL },
	{ "headless_output: an implicit fence", test_implicit_fence, rig_setup_lab, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/headless_output", host, SUITE_COUNT(host), lab,
		SUITE_COUNT(lab));
}
