#include "backend/rig.h"
#include "backend/timer.h"
#include "harness/kernel_fake.h"
#include "sync/kernel.h"

struct heard {
	struct sbx_timer timer;
	unsigned count;
	int64_t when_ns;
	bool again, finish;
};

static void hear(void *data) {
	struct heard *heard = data;
	heard->count++;
	heard->when_ns = sbx_kernel_now_ns();
	if (heard->again && heard->count < 3) {
		sbx_timer_arm(&heard->timer, heard->when_ns);
	}
	if (heard->finish) {
		sbx_timer_finish(&heard->timer);
	}
}

static bool has_heard(void *data) {
	return ((struct heard *)data)->count >= 1;
}

static bool has_heard_thrice(void *data) {
	return ((struct heard *)data)->count >= 3;
}

static int setup(void **state) {
	int ret = rig_setup(state);
	clock_fake_remove();
	return ret;
}

static void init(struct rig *rig, struct heard *heard) {
	*heard = (struct heard){ 0 };
	assert_int_equal(sbx_timer_init(&heard->timer, rig->loop, hear, heard), 0);
}

static void test_fires_once_and_not_before(void **state) {
	struct rig *rig = *state;
	struct heard heard;
	init(rig, &heard);
	int64_t due_ns = sbx_kernel_now_ns() + 3 * MS + 500000;
	sbx_timer_arm(&heard.timer, due_ns);
	assert_true(rig_wait(rig, has_heard, &heard));
	assert_true(heard.when_ns >= due_ns);
	assert_int_equal(heard.timer.due_ns, 0);
	wl_event_loop_dispatch(rig->loop, 2);
	assert_int_equal(heard.count, 1);
	sbx_timer_finish(&heard.timer);
	sbx_timer_finish(&heard.timer);
}

static void test_past(void **state) {
	struct rig *rig = *state;
	struct heard heard;
	init(rig, &heard);
	heard.again = true;
	sbx_timer_arm(&heard.timer, 1);
	assert_int_equal(heard.count, 0);
	assert_true(rig_wait(rig, has_heard_thrice, &heard));
	sbx_timer_finish(&heard.timer);
}

static void test_disarmed_while_due(void **state) {
	struct rig *rig = *state;
	struct heard heard, other;
	init(rig, &heard);
	init(rig, &other);
	sbx_timer_arm(&heard.timer, 1);
	sbx_timer_arm(&heard.timer, 0);
	sbx_timer_arm(&other.timer, 1);
	assert_true(rig_wait(rig, has_heard, &other));
	assert_int_equal(heard.count, 0);
	sbx_timer_finish(&heard.timer);
	sbx_timer_finish(&other.timer);
}

static void test_finishes_itself(void **state) {
	struct rig *rig = *state;
	struct heard heard;
	init(rig, &heard);
	heard.finish = true;
	sbx_timer_arm(&heard.timer, 1);
	assert_true(rig_wait(rig, has_heard, &heard));
	wl_event_loop_dispatch(rig->loop, 1);
}

static const struct CMUnitTest host[] = {
	{ "timer: fires once and not before", test_fires_once_and_not_before, setup, rig_teardown, NULL },
	{ "timer: a time that is over; armed from its own call", test_past, setup, rig_teardown, NULL },
	{ "timer: disarmed when it is due already", test_disarmed_while_due, setup, rig_teardown, NULL },
	{ "timer: finished from its own call", test_finishes_itself, setup, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/timer", host, SUITE_COUNT(host), NULL, 0);
}
