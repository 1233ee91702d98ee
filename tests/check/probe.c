#include "check/probe.h"
#include "harness/suite.h"

static struct check_env measured(void) {
	struct check_env env = {
		.strain = 100, .round_trip_us = 2000, .frame_us = 20000, .capture_us = 30000,
	};
	probe_set_limits(&env);
	return env;
}

static void test_limits(void **state) {
	struct check_env fast = measured(), slow = measured();
	slow.frame_us = 200000;
	probe_set_limits(&slow);
	assert_true(fast.patience_ms >= 5000);
	assert_true(slow.patience_ms > fast.patience_ms && slow.quiet_ms > fast.quiet_ms);
}

static void test_follow(void **state) {
	struct check_env env = measured();
	unsigned patience_ms = env.patience_ms;
	probe_follow(&env, 50000);
	probe_follow(&env, 100000);
	probe_set_limits(&env);
	assert_true(env.strain >= 190 && env.strain <= 210);
	assert_true(env.patience_ms >= patience_ms * 19 / 10 && env.patience_ms <= patience_ms * 21 / 10);
	// Back, and not at once.
	probe_follow(&env, 50000);
	assert_true(env.strain >= 120 && env.strain <= 180);
	for (int i = 0; i < 20; i++) {
		probe_follow(&env, 50000);
	}
	probe_set_limits(&env);
	assert_true(env.patience_ms >= patience_ms && env.patience_ms <= patience_ms * 11 / 10);
}

static void test_bound(void **state) {
	struct check_env env = measured();
	probe_follow(&env, 1000);
	probe_follow(&env, 60000000);
	assert_int_equal(env.strain, 400);
}

static const struct CMUnitTest host[] = {
	{ "probe: a slower compositor gets more time", test_limits, NULL, NULL, NULL },
	{ "probe: limits follow the machine and come back", test_follow, NULL, NULL, NULL },
	{ "probe: limits have a limit", test_bound, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "check/probe", host, SUITE_COUNT(host), NULL, 0);
}
