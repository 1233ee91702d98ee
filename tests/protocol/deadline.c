#include <errno.h>
#include <wlr/types/wlr_compositor.h>
#include "harness/kernel_fake.h"
#include "harness/output.h"
#include "harness/protocol_lab.h"
#include "harness/recording.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "loan/forecast.h"
#include "loan/pace.h"
#include "loan/trust.h"
#include "protocol/manager.h"
#include "sync/kernel.h"
#include "trace/counter.h"

#define MS_NS INT64_C(1000000)
/* Any time will do that real fences, with their own idea of when they signalled, have not reached yet. */
#define START_NS (INT64_C(1000) * MS_NS)

/*
 * A vblank every 16 ms. Our work takes 3 ms, the margin is 1 ms: what is rendered after a vblank has to be
 * done 12 ms after it. Clients take 4 ms, so that 4.5 are expected.
 */
enum { PERIOD_MS = 16, WORK_MS = 3, CLIENT_MS = 4 };

/* What `now` in the stories is reckoned from: the last vblank. */
static int64_t vblank_ns;

static void set_time_us(int64_t us) {
	kernel_fake.now_ns = vblank_ns + us * 1000;
}

static void next_vblank(struct test_output *output) {
	vblank_ns += PERIOD_MS * MS_NS;
	set_time_us(0);
	test_output_present(output, vblank_ns, PERIOD_MS * MS_NS);
}

static void teach_work(struct test_output *output, int64_t work_ns) {
	struct sbx_pace *pace = sbx_pace_get(&output->base);
	for (int i = 0; i < SBX_FORECAST_ENOUGH; i++) {
		sbx_forecast_add(&pace->work, work_ns);
	}
}

static void open_output(struct protocol_lab *lab, struct test_output *output, int period_ms) {
	test_output_create(output, lab->compositor->loop, 1000000 / period_ms);
	teach_work(output, WORK_MS * MS_NS);
	test_output_present(output, vblank_ns, period_ms * MS_NS);
}

static void put_on(struct test_window *window, struct test_output *output) {
	wlr_surface_send_enter(test_window_peer(window), &output->base);
}

/* A commit that is done after a while, and that nobody asks for meanwhile. */
static void commit_for(struct protocol_lab *lab, struct test_window *window, int value, int64_t ms) {
	struct test_fence fence;
	test_fence_pend(lab, window, (uint64_t)value, &fence);
	test_show(window, value, (uint64_t)value, (uint64_t)value);
	kernel_fake.now_ns += ms * MS_NS;
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(test_window_content(window), value);
}

/* Returns the first value that is free. */
static int teach_client(struct protocol_lab *lab, struct test_window *window, int64_t ms, int times) {
	int value = 2;
	for (; value < 2 + times; value++) {
		commit_for(lab, window, value, ms);
	}
	return value;
}

struct wanted {
	struct test_window *window;
	int width;
};

static bool shows_width(void *data) {
	const struct wanted *wanted = data;
	return test_window_content(wanted->window) == wanted->width;
}

struct story {
	struct test_output output;
	struct test_window window;
	/** For the next commit. */
	int value;
};

static bool has_no_timer(void *data) {
	return sbx_pace_get(data)->timer_ns == 0;
}

/* A vblank, and what was wanted of the time before it is over. */
static void start_over(struct protocol_lab *lab, struct test_output *output) {
	next_vblank(output);
	assert_true(test_pump_until(lab->compositor, has_no_timer, &output->base));
}

/* A client that is known, on an output that is known; and a vblank. */
static void begin(struct protocol_lab *lab, struct story *story, enum sbx_latch_policy policy) {
	kernel_fake.now_ns = vblank_ns = START_NS;
	sbx_syncobj_manager_set_policy(lab->compositor->manager, policy);
	open_output(lab, &story->output, PERIOD_MS);
	test_window_open(lab->client, &story->window);
	test_signal(lab->client, &story->window.acquire, 1);
	test_show(&story->window, 1, 1, 1);
	put_on(&story->window, &story->output);
	story->value = teach_client(lab, &story->window, CLIENT_MS, SBX_FORECAST_ENOUGH);
	vblank_ns = kernel_fake.now_ns;
	start_over(lab, &story->output);
}

static void end(struct protocol_lab *lab, struct story *story) {
	test_window_close(&story->window);
	protocol_lab_check(lab);
	test_output_destroy(&story->output);
}

/* Commits with a pending fence, which is the test's to signal. Returns the width. */
static int commit_pending(struct protocol_lab *lab, struct story *story, struct test_fence *fence) {
	int value = story->value++;
	test_fence_pend(lab, &story->window, (uint64_t)value, fence);
	test_show(&story->window, value, (uint64_t)value, (uint64_t)value);
	return value;
}

static void signal_at_us(struct protocol_lab *lab, struct test_fence *fence, int64_t us) {
	set_time_us(us);
	test_fence_signal(lab, fence, 0);
}

static void expect_bets(struct protocol_lab *lab, uint64_t predicted, uint64_t kept, uint64_t broken) {
	struct sbx_syncobj_stats stats = protocol_lab_stats(lab);
	assert_int_equal(stats.predicted, predicted);
	assert_int_equal(stats.predictions_kept, kept);
	assert_int_equal(stats.predictions_broken, broken);
}

/* One client */

static void test_kept(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	set_time_us(2000);
	recording_start();
	int value = commit_pending(lab, &story, &fence);
	uint64_t loan = recording_last_loan();
	// Held until somebody is about to render.
	assert_int_equal(test_window_content(&story.window), value - 1);
	set_time_us(5000);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 0);
	expect_bets(lab, 1, 0, 0);
	signal_at_us(lab, &fence, 6000);
	expect_bets(lab, 1, 1, 0);
	recording_expect(loan, "committed materialised predicted latched signalled");
	recording_stop();
	assert_int_equal(protocol_lab_stats(lab).latched[SBX_LATCH_DEADLINE], SBX_FORECAST_ENOUGH + 2);
	end(lab, &story);
}

/* The control: with the default policy it is not shown before it is done. */
static void test_signalled_waits(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_SIGNALLED);
	set_time_us(2000);
	int value = commit_pending(lab, &story, &fence);
	set_time_us(5000);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &fence, 6000);
	assert_int_equal(test_window_content(&story.window), value);
	expect_bets(lab, 0, 0, 0);
	end(lab, &story);
}

/* It would be done after our GPU needs it: the frame before stays, until it is done. */
static void test_too_late(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	set_time_us(7600);
	int value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &fence, 11000);
	assert_int_equal(test_window_content(&story.window), value);
	expect_bets(lab, 0, 0, 0);
	// A tenth of a millisecond earlier it would not have been.
	next_vblank(&story.output);
	set_time_us(7400);
	value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &fence, 11000);
	expect_bets(lab, 1, 1, 0);
	end(lab, &story);
}

/* Between two vblanks the compositor does not render: a moment comes by itself, in time. */
static void test_idle_output(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	set_time_us(2000);
	int value = commit_pending(lab, &story, &fence);
	struct sbx_pace *pace = sbx_pace_get(&story.output.base);
	assert_int_equal(pace->timer_ns, vblank_ns + (PERIOD_MS - WORK_MS - 1 - 2) * MS_NS);
	test_pump_for(lab->compositor, 30);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &fence, 6000);
	assert_int_equal(test_window_content(&story.window), value);
	// The next is expected at 10.5, after the moment and before our GPU needs it.
	value = commit_pending(lab, &story, &fence);
	set_time_us(10000);
	struct wanted wanted = { &story.window, value };
	assert_true(test_pump_until(lab->compositor, shows_width, &wanted));
	expect_bets(lab, 1, 0, 0);
	assert_int_equal(pace->timer_ns, 0);
	signal_at_us(lab, &fence, 10400);
	expect_bets(lab, 1, 1, 0);
	end(lab, &story);
}

/* Nobody is woken for commits that are not expected in time, nor for those that are overdue. */
static void test_no_idle_timer(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	struct sbx_pace *pace = sbx_pace_get(&story.output.base);
	set_time_us(2000);
	int value = commit_pending(lab, &story, &fence);
	set_time_us(7000);
	test_output_frame(&story.output);
	// It has taken longer than ever: who knows how long it will.
	assert_int_equal(test_window_content(&story.window), value - 1);
	assert_int_equal(pace->timer_ns, 0);
	signal_at_us(lab, &fence, 8000);
	assert_int_equal(test_window_content(&story.window), value);
	expect_bets(lab, 0, 0, 0);
	end(lab, &story);
}

static void test_unknown_client(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	kernel_fake.now_ns = vblank_ns = START_NS;
	sbx_syncobj_manager_set_policy(lab->compositor->manager, SBX_LATCH_DEADLINE);
	open_output(lab, &story.output, PERIOD_MS);
	test_window_open(lab->client, &story.window);
	test_signal(lab->client, &story.window.acquire, 1);
	test_show(&story.window, 1, 1, 1);
	put_on(&story.window, &story.output);
	// The first commit, which was done when it came, counts, too.
	story.value = teach_client(lab, &story.window, CLIENT_MS, SBX_FORECAST_ENOUGH - 2);
	next_vblank(&story.output);
	int value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &fence, 3000);
	assert_int_equal(test_window_content(&story.window), value);
	// One more, and it is known.
	value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &fence, 6000);
	end(lab, &story);
}

/* A point without a fence cannot be waited for by a GPU, whatever is expected of it. */
static void test_no_fence(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	int value = story.value;
	test_show(&story.window, value, (uint64_t)value, (uint64_t)value);
	set_time_us(1000);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	// It comes late.
	struct test_fence fence;
	test_fence_pend(lab, &story.window, (uint64_t)value, &fence);
	test_pump(lab->compositor);
	assert_int_equal(test_window_content(&story.window), value - 1);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &fence, 4000);
	expect_bets(lab, 1, 1, 0);
	end(lab, &story);
}

/* The second can be expected as well: it is what shows, and the first is released. */
static void test_newest(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence first, second;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	set_time_us(1000);
	commit_pending(lab, &story, &first);
	set_time_us(2000);
	int value = commit_pending(lab, &story, &second);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	assert_int_equal(protocol_lab_stats(lab).superseded, 1);
	signal_at_us(lab, &first, 5000);
	signal_at_us(lab, &second, 6000);
	expect_bets(lab, 1, 1, 0);
	end(lab, &story);
}

/* Only the first of two can: the second stays behind it. */
static void test_first_of_two(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence first, second;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	set_time_us(7000);
	int value = commit_pending(lab, &story, &first);
	set_time_us(8000);
	commit_pending(lab, &story, &second);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &first, 11000);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &second, 12000);
	assert_int_equal(test_window_content(&story.window), value + 1);
	expect_bets(lab, 1, 1, 0);
	end(lab, &story);
}

/* A commit without a buffer behind it does not let unfinished content through. */
static void test_state_in_line(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	set_time_us(9000);
	int value = commit_pending(lab, &story, &fence);
	test_commit(&story.window);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 2);
	signal_at_us(lab, &fence, 10000);
	assert_int_equal(test_window_content(&story.window), value);
	end(lab, &story);
}

/* Broken */

static void test_broken(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	recording_start();
	commit_pending(lab, &story, &fence);
	uint64_t loan = recording_last_loan();
	test_output_frame(&story.output);
	expect_bets(lab, 1, 0, 0);
	// Needed 12 ms after the vblank; known at the next moment, long before it signals.
	next_vblank(&story.output);
	test_output_frame(&story.output);
	expect_bets(lab, 1, 0, 1);
	signal_at_us(lab, &fence, 1000);
	expect_bets(lab, 1, 0, 1);
	recording_expect(loan, "committed materialised predicted latched late signalled");
	recording_stop();
	// It has fallen: what would be expected in time is held until it is signalled.
	for (int i = 0; i < SBX_FORECAST_WINDOW; i++) {
		commit_for(lab, &story.window, story.value++, CLIENT_MS);
	}
	vblank_ns += SBX_TRUST_MIN_MS / 2 * MS_NS;
	next_vblank(&story.output);
	int value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &fence, 4000);
	assert_int_equal(test_window_content(&story.window), value);
	// And after that time it is trusted again.
	vblank_ns += SBX_TRUST_MIN_MS / 2 * MS_NS;
	next_vblank(&story.output);
	value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &fence, 4000);
	expect_bets(lab, 2, 1, 1);
	end(lab, &story);
}

/* Nobody asked meanwhile: the fence itself says when it signalled. */
static void test_broken_unnoticed(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	signal_at_us(lab, &fence, 12001);
	expect_bets(lab, 1, 0, 1);
	end(lab, &story);
}

/* In time to the nanosecond is in time. */
static void test_just_kept(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	signal_at_us(lab, &fence, 12000);
	expect_bets(lab, 1, 1, 0);
	end(lab, &story);
}

/* A liar: builds up a record, and spends it on a fence that takes for ever. */
static void test_liar(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	next_vblank(&story.output);
	test_output_frame(&story.output);
	expect_bets(lab, 1, 0, 1);
	// Ten seconds late costs it 160, whatever it does in the meantime.
	signal_at_us(lab, &fence, 10 * 1000000 - 4000);
	for (int i = 0; i < SBX_FORECAST_WINDOW; i++) {
		commit_for(lab, &story.window, story.value++, CLIENT_MS);
	}
	vblank_ns += 169 * 1000 * MS_NS;
	next_vblank(&story.output);
	int value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &fence, 4000);
	vblank_ns += 2000 * MS_NS;
	next_vblank(&story.output);
	value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &fence, 4000);
	end(lab, &story);
}

/* New surfaces do not make a new client. */
static void test_liar_with_new_surface(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	signal_at_us(lab, &fence, 13000);
	expect_bets(lab, 1, 0, 1);
	test_window_close(&story.window);
	test_window_open(lab->client, &story.window);
	test_signal(lab->client, &story.window.acquire, 1);
	test_show(&story.window, 1, 1, 1);
	put_on(&story.window, &story.output);
	story.value = teach_client(lab, &story.window, CLIENT_MS, SBX_FORECAST_ENOUGH);
	next_vblank(&story.output);
	next_vblank(&story.output);
	next_vblank(&story.output);
	next_vblank(&story.output);
	int value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &fence, 4000);
	end(lab, &story);
}

/* Durations that were never seen to their end count, too, as far as they go. */
static void test_overtaken(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence first, second;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	struct test_timeline own = story.window.acquire;
	commit_pending(lab, &story, &first);
	set_time_us(30000);
	// Ready, and overtakes the one that takes long.
	test_timeline_create(lab->client, &story.window.acquire);
	test_signal(lab->client, &story.window.acquire, 100);
	test_show(&story.window, 100, 100, 100);
	assert_int_equal(test_window_content(&story.window), 100);
	story.value = 101;
	next_vblank(&story.output);
	next_vblank(&story.output);
	commit_pending(lab, &story, &second);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), 100);
	signal_at_us(lab, &second, 4000);
	test_fence_signal(lab, &first, 0);
	test_timeline_destroy(&own);
	end(lab, &story);
}

/* Replaced before it was needed: it says nothing of the client. */
static void test_replaced(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	test_attach(&story.window, NULL, 0, 0);
	test_commit(&story.window);
	expect_bets(lab, 1, 0, 0);
	signal_at_us(lab, &fence, 20000);
	expect_bets(lab, 1, 0, 0);
	end(lab, &story);
}

/* Replaced afterwards: it was late. */
static void test_replaced_late(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	set_time_us(13000);
	test_attach(&story.window, NULL, 0, 0);
	test_commit(&story.window);
	expect_bets(lab, 1, 0, 1);
	signal_at_us(lab, &fence, 20000);
	end(lab, &story);
}

static void test_client_goes(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence open, held;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &open);
	test_output_frame(&story.output);
	set_time_us(9000);
	commit_pending(lab, &story, &held);
	wl_client_destroy(lab->client->peer);
	test_pump(lab->compositor);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 0);
	next_vblank(&story.output);
	test_output_frame(&story.output);
	test_fence_signal(lab, &open, 0);
	test_fence_signal(lab, &held, 0);
	expect_bets(lab, 1, 0, 0);
	end(lab, &story);
}

/* A fence that fails after the bet on it: it is over in time, and the renderer does not draw it. */
static void test_fails(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	set_time_us(4000);
	test_fence_signal(lab, &fence, -EIO);
	expect_bets(lab, 1, 1, 0);
	assert_int_equal(protocol_lab_stats(lab).failed, 1);
	end(lab, &story);
}

/* Outputs */

static void expect_held(struct protocol_lab *lab, struct story *story) {
	struct test_fence fence;
	int value = commit_pending(lab, story, &fence);
	test_output_frame(&story->output);
	test_pump_for(lab->compositor, 30);
	assert_int_equal(test_window_content(&story->window), value - 1);
	kernel_fake.now_ns += CLIENT_MS * MS_NS;
	test_fence_signal(lab, &fence, 0);
	assert_int_equal(test_window_content(&story->window), value);
	expect_bets(lab, 0, 0, 0);
}

static void test_no_output(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	wlr_surface_send_leave(test_window_peer(&story.window), &story.output.base);
	expect_held(lab, &story);
	end(lab, &story);
}

static void test_no_refresh(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	story.output.base.refresh = 0;
	test_output_present(&story.output, vblank_ns, 0);
	expect_held(lab, &story);
	end(lab, &story);
}

static void test_adaptive_sync(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	story.output.base.adaptive_sync_status = WLR_OUTPUT_ADAPTIVE_SYNC_ENABLED;
	expect_held(lab, &story);
	end(lab, &story);
}

/* Another renderer, or the first frames. */
static void test_not_measured(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	sbx_pace_get(&story.output.base)->work = (struct sbx_forecast){0};
	expect_held(lab, &story);
	assert_true(sbx_pace_get(&story.output.base)->measured);
	end(lab, &story);
}

/* On two outputs it has to be in time for both, whichever asks. */
static void test_two_outputs(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_output fast;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	open_output(lab, &fast, 7);
	put_on(&story.window, &fast);
	set_time_us(1000);
	int value = commit_pending(lab, &story, &fence);
	// Its vblank after 7 ms wants it after 3.
	set_time_us(2000);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	test_output_frame(&fast);
	assert_int_equal(test_window_content(&story.window), value - 1);
	// That is past; the next wants it after 10.
	set_time_us(4000);
	test_output_frame(&fast);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &fence, 5000);
	expect_bets(lab, 1, 1, 0);
	test_output_destroy(&fast);
	end(lab, &story);
}

/* The control of the above: on one it would have been latched. And then another output is in the way. */
static void test_busy_neighbour(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_output other;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	open_output(lab, &other, 5);
	set_time_us(1000);
	int value = commit_pending(lab, &story, &fence);
	set_time_us(2000);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &fence, 3000);
	// The same with a frame of the neighbour on its way, which renders again at 5 and needs the GPU at 6.
	next_vblank(&story.output);
	test_output_present(&other, vblank_ns, 5 * MS_NS);
	other.base.frame_pending = true;
	set_time_us(2000);
	value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &fence, 4000);
	assert_int_equal(test_window_content(&story.window), value);
	test_output_destroy(&other);
	end(lab, &story);
}

static void test_output_goes(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence open, held;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	commit_pending(lab, &story, &open);
	test_output_frame(&story.output);
	set_time_us(1000);
	int value = commit_pending(lab, &story, &held);
	assert_true(sbx_pace_get(&story.output.base)->timer_ns != 0);
	test_output_destroy(&story.output);
	test_pump_for(lab->compositor, 30);
	assert_int_equal(test_window_content(&story.window), value - 1);
	signal_at_us(lab, &open, 4000);
	signal_at_us(lab, &held, 5000);
	assert_int_equal(test_window_content(&story.window), value);
	expect_bets(lab, 1, 1, 0);
	test_output_create(&story.output, lab->compositor->loop, 60000);
	end(lab, &story);
}

/* Policies */

/* What is held stays under the policy that it was committed under. */
static void test_policy_changes(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence first, second;
	begin(lab, &story, SBX_LATCH_SIGNALLED);
	struct sbx_syncobj_manager *manager = lab->compositor->manager;
	int value = commit_pending(lab, &story, &first);
	sbx_syncobj_surface_set_policy(manager, test_window_peer(&story.window), SBX_LATCH_DEADLINE);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value - 1);
	// The next is under the new one, and supersedes it.
	set_time_us(1000);
	value = commit_pending(lab, &story, &second);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &first, 3000);
	signal_at_us(lab, &second, 4000);
	expect_bets(lab, 1, 1, 0);
	// And back.
	next_vblank(&story.output);
	value = commit_pending(lab, &story, &first);
	sbx_syncobj_surface_set_policy(manager, test_window_peer(&story.window), SBX_LATCH_SIGNALLED);
	commit_pending(lab, &story, &second);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &first, 3000);
	signal_at_us(lab, &second, 4000);
	assert_int_equal(test_window_content(&story.window), value + 1);
	expect_bets(lab, 2, 2, 0);
	assert_int_equal(protocol_lab_stats(lab).latched[SBX_LATCH_DEADLINE], 2);
	end(lab, &story);
}

/* Subsurfaces */

static int commit_child(struct protocol_lab *lab, struct test_window *child, int value,
		struct test_fence *fence) {
	test_fence_pend(lab, child, (uint64_t)value, fence);
	test_show(child, value, (uint64_t)value, (uint64_t)value);
	return value;
}

/* A child that is known, and has content. Returns the first value that is free. */
static int open_child(struct protocol_lab *lab, struct story *story, struct test_window *child) {
	test_subsurface_open(&story->window, child);
	int value = 1;
	for (; value <= SBX_FORECAST_ENOUGH; value++) {
		struct test_fence fence;
		commit_child(lab, child, value, &fence);
		kernel_fake.now_ns += CLIENT_MS * MS_NS;
		test_fence_signal(lab, &fence, 0);
		test_commit(&story->window);
		assert_int_equal(test_window_content(child), value);
	}
	put_on(child, &story->output);
	vblank_ns = kernel_fake.now_ns;
	start_over(lab, &story->output);
	return value;
}

static void test_children_together(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_window child;
	struct test_fence own, childs;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	int child_value = open_child(lab, &story, &child);
	commit_child(lab, &child, child_value, &childs);
	// Its parent has not committed: it is not to be shown, and nothing is to be expected of it.
	test_output_frame(&story.output);
	expect_bets(lab, 0, 0, 0);
	int value = commit_pending(lab, &story, &own);
	assert_int_equal(test_window_content(&story.window), value - 1);
	assert_int_equal(test_window_content(&child), child_value - 1);
	set_time_us(1000);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	assert_int_equal(test_window_content(&child), child_value);
	expect_bets(lab, 2, 0, 0);
	signal_at_us(lab, &own, 3000);
	signal_at_us(lab, &childs, 4000);
	expect_bets(lab, 2, 2, 0);
	test_window_close(&child);
	end(lab, &story);
}

/* One of them cannot be expected in time: neither is shown. */
static void test_child_too_late(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_window child;
	struct test_fence own, childs;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	int child_value = open_child(lab, &story, &child);
	set_time_us(6000);
	int value = commit_pending(lab, &story, &own);
	set_time_us(7000);
	commit_child(lab, &child, child_value, &childs);
	// For the parent's next commit, which has no buffer.
	test_commit(&story.window);
	set_time_us(9000);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	signal_at_us(lab, &own, 10000);
	signal_at_us(lab, &childs, 11000);
	assert_int_equal(test_window_content(&child), child_value);
	// Now the child, and then its parent's commit: too late for the child, in time for the parent.
	next_vblank(&story.output);
	set_time_us(1000);
	struct test_window *window = &story.window;
	set_time_us(8000);
	child_value++;
	commit_child(lab, &child, child_value, &childs);
	test_signal(lab->client, &window->acquire, (uint64_t)story.value);
	test_show(window, story.value, (uint64_t)story.value, (uint64_t)story.value);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(window), story.value - 1);
	assert_int_equal(test_window_content(&child), child_value - 1);
	signal_at_us(lab, &childs, 11000);
	assert_int_equal(test_window_content(window), story.value);
	assert_int_equal(test_window_content(&child), child_value);
	test_window_close(&child);
	end(lab, &story);
}

/* Many that wait for many: each is looked at once, so that it takes no time. */
static void test_many_edges(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_window child;
	struct test_fence childs;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	int child_value = open_child(lab, &story, &child);
	for (int i = 0; i < 24; i++) {
		test_fence_pend(lab, &child, (uint64_t)(child_value + i), &childs);
		test_show(&child, child_value + i, (uint64_t)(child_value + i), (uint64_t)(child_value + i));
		test_commit(&story.window);
		assert_int_equal(protocol_lab_stats(lab).held_commits, 2 * i + 2);
	}
	set_time_us(1000);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&child), child_value + 23);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 0);
	test_window_close(&child);
	end(lab, &story);
}

/* Failures */

static bool has_no_bet(void *data) {
	const struct sbx_syncobj_manager *manager = data;
	return wl_list_empty(&manager->deadline.bets);
}

/* Returns whether the failure asked for has happened. */
static bool tell_story(struct protocol_lab *lab, unsigned fail_at, int error) {
	struct story story;
	struct test_fence fence;
	struct sbx_syncobj_stats before = protocol_lab_stats(lab);
	kernel_fake.takes_deadlines = true;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	kernel_fake_fail(fail_at, error);
	int value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	// Whatever failed, it may be shown early or not, as it would have been in time.
	int shown = test_window_content(&story.window);
	assert_true(shown == value || shown == value - 1);
	signal_at_us(lab, &fence, 4000);
	struct wanted wanted = { &story.window, value };
	assert_true(test_pump_until(lab->compositor, shows_width, &wanted));
	// How long it took may have to be asked for again.
	assert_true(test_pump_until(lab->compositor, has_no_bet, lab->compositor->manager));
	bool failed = kernel_fake_failed();
	end(lab, &story);
	struct sbx_syncobj_stats stats = protocol_lab_stats(lab);
	assert_int_equal(stats.predictions_broken, 0);
	assert_true(stats.predicted - before.predicted <= 1);
	assert_true(shown == value - 1 || stats.predictions_kept - before.predictions_kept == 1);
	return failed;
}

static void test_sweep(void **state) {
	struct protocol_lab *lab = *state;
	static const int errors[] = { -ENOMEM, -EMFILE, -EIO };
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		unsigned n = 0;
		while (tell_story(lab, n, errors[i])) {
			n++;
		}
		assert_true(n > 5);
	}
}

/* Hints */

static void test_hints(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	kernel_fake.takes_deadlines = true;
	begin(lab, &story, SBX_LATCH_SIGNALLED);
	unsigned before = kernel_fake.deadlines;
	set_time_us(1000);
	commit_pending(lab, &story, &fence);
	assert_int_equal(kernel_fake.deadlines, before + 1);
	assert_int_equal(kernel_fake.deadline_ns, vblank_ns + (PERIOD_MS - WORK_MS - 1) * MS_NS);
	// Once, however often somebody asks.
	test_output_frame(&story.output);
	next_vblank(&story.output);
	test_output_frame(&story.output);
	assert_int_equal(kernel_fake.deadlines, before + 1);
	signal_at_us(lab, &fence, 1000);
	// A fence that comes late hears it when it comes.
	int value = story.value++;
	test_show(&story.window, value, (uint64_t)value, (uint64_t)value);
	assert_int_equal(kernel_fake.deadlines, before + 1);
	test_fence_pend(lab, &story.window, (uint64_t)value, &fence);
	test_pump(lab->compositor);
	assert_int_equal(kernel_fake.deadlines, before + 2);
	signal_at_us(lab, &fence, 2000);
	// On no output there is nothing to say.
	wlr_surface_send_leave(test_window_peer(&story.window), &story.output.base);
	commit_pending(lab, &story, &fence);
	assert_int_equal(kernel_fake.deadlines, before + 2);
	signal_at_us(lab, &fence, 3000);
	end(lab, &story);
}

/* An older kernel is asked once. */
static void test_no_hints(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	uint64_t before = sbx_counter_read(SBX_COUNT_IOCTL_SYNC_FILE_DEADLINE);
	begin(lab, &story, SBX_LATCH_SIGNALLED);
	assert_int_equal(sbx_counter_read(SBX_COUNT_IOCTL_SYNC_FILE_DEADLINE), before + 1);
	struct test_fence fence;
	commit_pending(lab, &story, &fence);
	signal_at_us(lab, &fence, 3000);
	assert_int_equal(sbx_counter_read(SBX_COUNT_IOCTL_SYNC_FILE_DEADLINE), before + 1);
	end(lab, &story);
}

/* Real fences, and the time that they say themselves; an output with all the time in the world. */
static void test_real_time(void **state) {
	struct protocol_lab *lab = *state;
	struct story story;
	struct test_fence fence;
	begin(lab, &story, SBX_LATCH_DEADLINE);
	kernel_fake.now_ns = 0;
	// Once it took a while: with an eighth more it is still expected below, however slow we are.
	commit_pending(lab, &story, &fence);
	test_pump_for(lab->compositor, 400);
	test_fence_signal(lab, &fence, 0);
	test_pump_for(lab->compositor, 10);
	enum { LONG_MS = 900 };
	test_output_present(&story.output, sbx_kernel_now_ns(), LONG_MS * MS_NS);
	int value = commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	assert_int_equal(test_window_content(&story.window), value);
	test_fence_signal(lab, &fence, 0);
	test_pump_for(lab->compositor, 10);
	expect_bets(lab, 1, 1, 0);
	test_output_present(&story.output, sbx_kernel_now_ns(), LONG_MS * MS_NS);
	commit_pending(lab, &story, &fence);
	test_output_frame(&story.output);
	test_pump_for(lab->compositor, LONG_MS);
	test_output_frame(&story.output);
	expect_bets(lab, 2, 1, 1);
	test_fence_signal(lab, &fence, 0);
	end(lab, &story);
}

#define CASES(KIND) \
	KIND("deadline: a prediction is kept", test_kept), \
	KIND("deadline: signalled waits", test_signalled_waits)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		CASES(PROTOCOL_FAKE),
		PROTOCOL_FAKE("deadline: too late", test_too_late),
		PROTOCOL_FAKE("deadline: an idle output", test_idle_output),
		PROTOCOL_FAKE("deadline: no timer for nothing", test_no_idle_timer),
		PROTOCOL_FAKE("deadline: an unknown client", test_unknown_client),
		PROTOCOL_FAKE("deadline: no fence", test_no_fence),
		PROTOCOL_FAKE("deadline: the newest", test_newest),
		PROTOCOL_FAKE("deadline: the first of two", test_first_of_two),
		PROTOCOL_FAKE("deadline: state without a buffer waits in line", test_state_in_line),
		PROTOCOL_FAKE("deadline: a prediction is broken", test_broken),
		PROTOCOL_FAKE("deadline: broken while nobody looked", test_broken_unnoticed),
		PROTOCOL_FAKE("deadline: just kept", test_just_kept),
		PROTOCOL_FAKE("deadline: a liar", test_liar),
		PROTOCOL_FAKE("deadline: a liar with a new surface", test_liar_with_new_surface),
		PROTOCOL_FAKE("deadline: overtaken", test_overtaken),
		PROTOCOL_FAKE("deadline: replaced", test_replaced),
		PROTOCOL_FAKE("deadline: replaced late", test_replaced_late),
		PROTOCOL_FAKE("deadline: the client goes", test_client_goes),
		PROTOCOL_FAKE("deadline: the fence fails", test_fails),
		PROTOCOL_FAKE("deadline: on no output", test_no_output),
		PROTOCOL_FAKE("deadline: no refresh rate", test_no_refresh),
		PROTOCOL_FAKE("deadline: adaptive sync", test_adaptive_sync),
		PROTOCOL_FAKE("deadline: our work is not measured", test_not_measured),
		PROTOCOL_FAKE("deadline: two outputs", test_two_outputs),
		PROTOCOL_FAKE("deadline: a busy neighbour", test_busy_neighbour),
		PROTOCOL_FAKE("deadline: the output goes", test_output_goes),
		PROTOCOL_FAKE("deadline: the policy changes", test_policy_changes),
		PROTOCOL_FAKE("deadline: children together", test_children_together),
		PROTOCOL_FAKE("deadline: a child that is too late", test_child_too_late),
		PROTOCOL_FAKE("deadline: many that wait for many", test_many_edges),
		PROTOCOL_FAKE("deadline: every call fails once", test_sweep),
		PROTOCOL_FAKE("deadline: hints", test_hints),
		PROTOCOL_FAKE("deadline: no hints", test_no_hints),
	};
	const struct CMUnitTest lab[] = {
		CASES(PROTOCOL_LAB),
		PROTOCOL_LAB("deadline: in real time", test_real_time),
	};
	return suite_run(argc, argv, "protocol/deadline", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
