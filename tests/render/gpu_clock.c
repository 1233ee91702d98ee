#include "harness/suite.h"
#include "render/gpu_clock.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

static int64_t convert(const struct sbx_gpu_clock *clock, uint64_t ticks, uint64_t *uncertainty_ns) {
	int64_t ns = 0;
	assert_true(sbx_gpu_clock_convert(clock, ticks, &ns, uncertainty_ns));
	return ns;
}

static int64_t distance(int64_t a, int64_t b) {
	return a > b ? a - b : b - a;
}

static void test_unknown(void **state) {
	struct sbx_gpu_clock clock = { .period_ns = 1, .valid_bits = 64 };
	int64_t ns;
	uint64_t uncertainty;
	assert_false(sbx_gpu_clock_convert(&clock, 1000, &ns, &uncertainty));
}

static void test_calibrated(void **state) {
	struct sbx_gpu_clock clock = { .period_ns = 40, .valid_bits = 64 };
	uint64_t uncertainty;
	sbx_gpu_clock_calibrate(&clock, 1000000, 5 * SECOND, 300);
	assert_int_equal(convert(&clock, 1000000, &uncertainty), 5 * SECOND);
	assert_int_equal(uncertainty, 300);
	assert_int_equal(convert(&clock, 1000000 + 25, &uncertainty), 5 * SECOND + 1000);
	assert_int_equal(convert(&clock, 1000000 - 25, &uncertainty), 5 * SECOND - 1000);
	// What lies far away is less certain.
	assert_int_equal(convert(&clock, 1000000 - 25000000, &uncertainty), 4 * SECOND);
	assert_int_equal(uncertainty, 300 + 100000);
}

/* 36 bits at 1 GHz are a minute. */
static void test_wraps(void **state) {
	struct sbx_gpu_clock clock = { .period_ns = 1, .valid_bits = 36 };
	uint64_t end = UINT64_C(1) << 36, uncertainty;
	sbx_gpu_clock_calibrate(&clock, 500, 5 * SECOND, 0);
	assert_int_equal(convert(&clock, end - 500, &uncertainty), 5 * SECOND - 1000);
	sbx_gpu_clock_calibrate(&clock, end - 500, 5 * SECOND, 0);
	assert_int_equal(convert(&clock, 500, &uncertainty), 5 * SECOND + 1000);
}

/* A GPU whose clock is `skew_ppm` fast and `offset_ns` ahead. */
static uint64_t ticks_at(int64_t ns, int64_t offset_ns, int64_t skew_ppm) {
	return (uint64_t)(ns + offset_ns + ns / 1000000 * skew_ppm);
}

/*
 * Batches of which is known only when they were submitted and seen done: the truth is never further away
 * than is said, and what is said becomes less.
 */
static void observe_many(int64_t skew_ppm) {
	struct sbx_gpu_clock clock = { .period_ns = 1, .valid_bits = 64 };
	uint64_t uncertainty = 0, first = 0;
	const int64_t offset_ns = 123456789;
	for (int i = 0; i < 600; i++) {
		int64_t began_ns = 10 * SECOND + i * 16 * MS, ended_ns = began_ns + 2 * MS;
		int64_t early_ns = 50000 + (i + 100) * 7919 % 900000;
		int64_t late_ns = 20000 + (i + 100) * 104729 % 3000000;
		uint64_t began = ticks_at(began_ns, offset_ns, skew_ppm);
		uint64_t ended = ticks_at(ended_ns, offset_ns, skew_ppm);
		sbx_gpu_clock_observe(&clock, began, ended, began_ns - early_ns, ended_ns + late_ns);
		assert_true((uint64_t)distance(convert(&clock, began, &uncertainty), began_ns) <= uncertainty);
		assert_true((uint64_t)distance(convert(&clock, ended, &uncertainty), ended_ns) <= uncertainty);
		first = i == 0 ? uncertainty : first;
	}
	assert_true(uncertainty < first);
	assert_true(uncertainty < 200000);
}

static void test_observed(void **state) {
	observe_many(0);
	observe_many(50);
	observe_many(-50);
}

/* The clock jumps (the GPU was reset): what was known is forgotten, and not mixed in. */
static void test_jump(void **state) {
	struct sbx_gpu_clock clock = { .period_ns = 1, .valid_bits = 64 };
	uint64_t uncertainty;
	sbx_gpu_clock_observe(&clock, 1000000, 1100000, SECOND, SECOND + 200000);
	sbx_gpu_clock_observe(&clock, 500, 100500, 2 * SECOND, 2 * SECOND + 200000);
	assert_true(distance(convert(&clock, 500, &uncertainty), 2 * SECOND) <= 100000);
	assert_int_equal(uncertainty, 50000);
	sbx_gpu_clock_observe(&clock, UINT64_C(1) << 62, (UINT64_C(1) << 62) + 100000, 3 * SECOND,
		3 * SECOND + 200000);
	assert_true(distance(convert(&clock, UINT64_C(1) << 62, &uncertainty), 3 * SECOND) <= 100000);
}

static const struct CMUnitTest host[] = {
	{ "gpu_clock: nothing is known", test_unknown, NULL, NULL, NULL },
	{ "gpu_clock: calibrated", test_calibrated, NULL, NULL, NULL },
	{ "gpu_clock: wraps around", test_wraps, NULL, NULL, NULL },
	{ "gpu_clock: observed", test_observed, NULL, NULL, NULL },
	{ "gpu_clock: a jump", test_jump, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "render/gpu_clock", host, SUITE_COUNT(host), NULL, 0);
}
