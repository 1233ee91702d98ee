#include <poll.h>
#include <stdlib.h>
#include <wayland-server-core.h>
#include <wlr/interfaces/wlr_buffer.h>
#include "harness/kernel_fake.h"
#include "harness/output.h"
#include "harness/suite.h"
#include "loan/pace.h"

#define MS_NS INT64_C(1000000)
/* Any time will do. */
#define START_NS (INT64_C(1000000) * MS_NS)

enum { PERIOD_MS = 16, PERIOD_NS = PERIOD_MS * 1000000 };

struct fixture {
	struct wl_event_loop *loop;
	struct test_output output;
	struct sbx_pace *pace;
	struct wl_listener moment;
	unsigned moments;
	const struct sbx_pace *last;
	/** The compositor's frame handler, which was there first, and what it found. */
	struct wl_listener frame;
	unsigned moments_before_frame;
};

static void handle_moment(struct wl_listener *listener, void *data) {
	struct fixture *fixture = wl_container_of(listener, fixture, moment);
	fixture->moments++;
	fixture->last = data;
}

static void handle_frame(struct wl_listener *listener, void *data) {
	struct fixture *fixture = wl_container_of(listener, fixture, frame);
	fixture->moments_before_frame = fixture->moments;
}

/* A vblank at START_NS, which is now. */
static int setup(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	kernel_fake_install();
	kernel_fake.now_ns = START_NS;
	fixture->loop = wl_event_loop_create();
	test_output_create(&fixture->output, fixture->loop, 60000);
	fixture->frame.notify = handle_frame;
	wl_signal_add(&fixture->output.base.events.frame, &fixture->frame);
	fixture->pace = sbx_pace_get(&fixture->output.base);
	fixture->moment.notify = handle_moment;
	sbx_paces_listen(&fixture->moment);
	test_output_present(&fixture->output, START_NS, PERIOD_NS);
	*state = fixture;
	return 0;
}

static int teardown(void **state) {
	struct fixture *fixture = *state;
	wl_list_remove(&fixture->moment.link);
	if (fixture->pace != NULL) {
		wl_list_remove(&fixture->frame.link);
		test_output_destroy(&fixture->output);
	}
	wl_event_loop_destroy(fixture->loop);
	kernel_fake_remove();
	free(fixture);
	return 0;
}

static void set_time_us(int64_t us) {
	kernel_fake.now_ns = START_NS + us * 1000;
}

static void expect_start_us(const struct fixture *fixture, int64_t us) {
	int64_t start_ns;
	assert_true(sbx_pace_get_start(fixture->pace, kernel_fake.now_ns, &start_ns));
	assert_int_equal(start_ns - START_NS, us * 1000);
}

static void expect_unknown(const struct fixture *fixture) {
	int64_t start_ns;
	assert_false(sbx_pace_get_start(fixture->pace, kernel_fake.now_ns, &start_ns));
}

static void measure(struct fixture *fixture, int64_t work_ns) {
	for (int i = 0; i < SBX_FORECAST_ENOUGH; i++) {
		sbx_forecast_add(&fixture->pace->work, work_ns);
	}
}

static void test_rhythm(void **state) {
	struct fixture *fixture = *state;
	expect_start_us(fixture, 15000);
	set_time_us(14999);
	expect_start_us(fixture, 15000);
	// Too late for this one.
	set_time_us(15001);
	expect_start_us(fixture, 31000);
	set_time_us(16000);
	expect_start_us(fixture, 31000);
	// A second later, with nothing shown meanwhile.
	set_time_us(62 * 16000 + 1);
	expect_start_us(fixture, 63 * 16000 - 1000);
	// The output says what it does, and the event what it did.
	test_output_present(&fixture->output, kernel_fake.now_ns, 0);
	int64_t start_ns;
	assert_true(sbx_pace_get_start(fixture->pace, kernel_fake.now_ns, &start_ns));
	// 1 s / 60, less a millisecond.
	assert_int_equal((start_ns - kernel_fake.now_ns) / 1000, 15666);
}

/* What is on its way has its vblank; the next frame has the next. */
static void test_on_its_way(void **state) {
	struct fixture *fixture = *state;
	fixture->output.base.frame_pending = true;
	expect_start_us(fixture, 31000);
	assert_int_equal(sbx_paces_get_busy_need(kernel_fake.now_ns), START_NS + 31 * MS_NS);
	measure(fixture, 2 * MS_NS);
	assert_int_equal(sbx_paces_get_busy_need(kernel_fake.now_ns), START_NS + 29 * MS_NS);
	fixture->output.base.frame_pending = false;
	assert_int_equal(sbx_paces_get_busy_need(kernel_fake.now_ns), INT64_MAX);
}

static void test_unknown(void **state) {
	struct fixture *fixture = *state;
	set_time_us(SBX_PACE_STALE_MS * INT64_C(1000) - 1);
	int64_t start_ns;
	assert_true(sbx_pace_get_start(fixture->pace, kernel_fake.now_ns, &start_ns));
	set_time_us(SBX_PACE_STALE_MS * INT64_C(1000));
	expect_unknown(fixture);
	test_output_present(&fixture->output, kernel_fake.now_ns, PERIOD_NS);
	assert_true(sbx_pace_get_start(fixture->pace, kernel_fake.now_ns, &start_ns));
	fixture->output.base.adaptive_sync_status = WLR_OUTPUT_ADAPTIVE_SYNC_ENABLED;
	expect_unknown(fixture);
	fixture->output.base.adaptive_sync_status = WLR_OUTPUT_ADAPTIVE_SYNC_DISABLED;
	fixture->output.base.enabled = false;
	expect_unknown(fixture);
}

/* A refresh rate that cannot be is none: no division by it, no million timers. */
static void test_nonsense(void **state) {
	struct fixture *fixture = *state;
	static const int32_t rates[] = { 0, -1, INT32_MIN, 1, 999, 1000001, INT32_MAX };
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		fixture->output.base.refresh = rates[i];
		test_output_present(&fixture->output, START_NS, 0);
		expect_unknown(fixture);
		sbx_pace_want(fixture->pace, START_NS);
		assert_int_equal(fixture->pace->timer_ns, 0);
	}
	test_output_present(&fixture->output, START_NS, 1);
	expect_unknown(fixture);
}

/* What says nothing of vblanks leaves what is known. */
static void test_no_vblank(void **state) {
	struct fixture *fixture = *state;
	set_time_us(5000);
	test_output_present_unsynced(&fixture->output, kernel_fake.now_ns, PERIOD_NS);
	expect_start_us(fixture, 15000);
	test_output_present(&fixture->output, kernel_fake.now_ns + MS_NS, PERIOD_NS);
	expect_start_us(fixture, 15000);
}

static void test_measured(void **state) {
	struct fixture *fixture = *state;
	int64_t need_ns;
	assert_false(sbx_pace_get_need(fixture->pace, kernel_fake.now_ns, &need_ns));
	measure(fixture, 4 * MS_NS);
	assert_true(sbx_pace_get_need(fixture->pace, kernel_fake.now_ns, &need_ns));
	assert_int_equal(need_ns, START_NS + 11 * MS_NS);
	// More than a period: several vblanks ahead.
	measure(fixture, 40 * MS_NS);
	assert_true(sbx_pace_get_need(fixture->pace, kernel_fake.now_ns, &need_ns));
	assert_int_equal(need_ns, START_NS + 7 * MS_NS);
}

/* The frame event: before the compositor, which listened first, hears of it. */
static void test_frame_event(void **state) {
	struct fixture *fixture = *state;
	test_output_frame(&fixture->output);
	assert_int_equal(fixture->moments, 1);
	assert_int_equal(fixture->moments_before_frame, 1);
	assert_ptr_equal(fixture->last, fixture->pace);
}

/* Waits as long as a loaded machine may need. Returns whether there was one more. */
static bool wait_for_moment(struct fixture *fixture, int timeout_ms) {
	unsigned before = fixture->moments;
	wl_event_loop_dispatch(fixture->loop, timeout_ms);
	return fixture->moments > before;
}

static void test_timer(void **state) {
	struct fixture *fixture = *state;
	assert_false(wait_for_moment(fixture, 0));
	sbx_pace_want(fixture->pace, START_NS + 5 * MS_NS);
	assert_int_equal(fixture->pace->timer_ns, START_NS + 13 * MS_NS);
	// Something later changes nothing, something in the past means now.
	sbx_pace_want(fixture->pace, START_NS + 100 * MS_NS);
	sbx_pace_want(fixture->pace, 0);
	assert_int_equal(fixture->pace->timer_ns, START_NS + 13 * MS_NS);
	// The time is what our clock says, however long it took to get here.
	assert_false(wait_for_moment(fixture, 5000));
	set_time_us(13000);
	assert_true(wait_for_moment(fixture, 5000));
	assert_int_equal(fixture->moments, 1);
	assert_false(wait_for_moment(fixture, 30));
}

/* Something that is done far away wants one moment, not one for each vblank until then. */
static void test_timer_far(void **state) {
	struct fixture *fixture = *state;
	sbx_pace_want(fixture->pace, START_NS + 150 * MS_NS);
	assert_int_equal(fixture->pace->timer_ns, START_NS + (160 - 3) * MS_NS);
	// Something earlier goes first.
	sbx_pace_want(fixture->pace, START_NS + 20 * MS_NS);
	assert_int_equal(fixture->pace->timer_ns, START_NS + (32 - 3) * MS_NS);
	// Never is no time.
	test_output_frame(&fixture->output);
	assert_int_equal(fixture->pace->timer_ns, 0);
	sbx_pace_want(fixture->pace, INT64_MAX);
	assert_int_equal(fixture->pace->timer_ns, 0);
}

/* The frame event comes first, or is to come: the timer keeps quiet. */
static void test_timer_and_frame(void **state) {
	struct fixture *fixture = *state;
	sbx_pace_want(fixture->pace, START_NS);
	test_output_frame(&fixture->output);
	assert_int_equal(fixture->moments, 1);
	assert_false(wait_for_moment(fixture, 30));
	sbx_pace_want(fixture->pace, START_NS);
	fixture->output.base.frame_pending = true;
	set_time_us(15000);
	assert_false(wait_for_moment(fixture, 5000));
	assert_int_equal(fixture->pace->timer_ns, 0);
	assert_int_equal(fixture->moments, 1);
}

static void test_scheduler(void **state) {
	struct fixture *fixture = *state;
	sbx_pace_take_over(fixture->pace, true);
	test_output_frame(&fixture->output);
	assert_int_equal(fixture->moments, 0);
	sbx_pace_announce(fixture->pace);
	assert_int_equal(fixture->moments, 1);
	sbx_pace_take_over(fixture->pace, false);
	test_output_frame(&fixture->output);
	assert_int_equal(fixture->moments, 2);
}

static void test_output_goes(void **state) {
	struct fixture *fixture = *state;
	sbx_pace_want(fixture->pace, START_NS);
	wl_list_remove(&fixture->frame.link);
	test_output_destroy(&fixture->output);
	fixture->pace = NULL;
	assert_false(wait_for_moment(fixture, 30));
	assert_int_equal(sbx_paces_get_busy_need(kernel_fake.now_ns), INT64_MAX);
}

/* The renderer's side */

static void buffer_destroy(struct wlr_buffer *buffer) {
	wlr_buffer_finish(buffer);
}

static const struct wlr_buffer_impl buffer_impl = { .destroy = buffer_destroy };

static void test_reports(void **state) {
	struct fixture *fixture = *state;
	struct wlr_buffer buffer, other;
	wlr_buffer_init(&buffer, &buffer_impl, 4, 4);
	wlr_buffer_init(&other, &buffer_impl, 4, 4);
	test_output_show(&fixture->output, &buffer);
	// Nobody wants to know.
	assert_false(sbx_pace_measures(&buffer));
	sbx_paces_measure();
	test_output_show(&fixture->output, &buffer);
	assert_true(sbx_pace_measures(&buffer));
	assert_false(sbx_pace_measures(&other));
	sbx_pace_report(&other, MS_NS);
	assert_int_equal(fixture->pace->work.count, 0);
	for (int i = 0; i < SBX_FORECAST_ENOUGH; i++) {
		sbx_pace_report(&buffer, 3 * MS_NS);
	}
	int64_t need_ns;
	fixture->output.base.frame_pending = false;
	assert_true(sbx_pace_get_need(fixture->pace, kernel_fake.now_ns, &need_ns));
	assert_int_equal(need_ns, START_NS + 12 * MS_NS);
	wlr_buffer_drop(&buffer);
	wlr_buffer_drop(&other);
}

/* Buffers that outlive the output, and one that moves to another. */
static void test_report_too_late(void **state) {
	struct fixture *fixture = *state;
	struct wlr_buffer buffer;
	wlr_buffer_init(&buffer, &buffer_impl, 4, 4);
	sbx_paces_measure();
	test_output_show(&fixture->output, &buffer);
	struct test_output second;
	test_output_create(&second, fixture->loop, 60000);
	// One that comes later is measured, too.
	struct sbx_pace *pace = sbx_pace_get(&second.base);
	test_output_show(&second, &buffer);
	sbx_pace_report(&buffer, MS_NS);
	assert_int_equal(fixture->pace->work.count, 0);
	assert_int_equal(pace->work.count, 1);
	test_output_destroy(&second);
	assert_false(sbx_pace_measures(&buffer));
	sbx_pace_report(&buffer, MS_NS);
	assert_int_equal(fixture->pace->work.count, 0);
	wlr_buffer_drop(&buffer);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		CASE(test_rhythm),
		CASE(test_on_its_way),
		CASE(test_unknown),
		CASE(test_nonsense),
		CASE(test_no_vblank),
		CASE(test_measured),
		CASE(test_frame_event),
		CASE(test_timer),
		CASE(test_timer_far),
		CASE(test_timer_and_frame),
		CASE(test_scheduler),
		CASE(test_output_goes),
		CASE(test_reports),
		CASE(test_report_too_late),
	};
	return suite_run(argc, argv, "loan/pace", host, SUITE_COUNT(host), NULL, 0);
}
