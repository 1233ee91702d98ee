#include "harness/suite.h"
#include "loan/forecast.h"

#define MS_NS INT64_C(1000000)

static void add(struct sbx_forecast *forecast, int64_t duration_ns, int times) {
	for (int i = 0; i < times; i++) {
		sbx_forecast_add(forecast, duration_ns);
	}
}

static void expect(const struct sbx_forecast *forecast, int64_t duration_ns) {
	int64_t got_ns;
	assert_true(sbx_forecast_get(forecast, &got_ns));
	assert_int_equal(got_ns, duration_ns);
}

static void test_too_little(void **state) {
	struct sbx_forecast forecast = {0};
	int64_t duration_ns = 1;
	for (int i = 0; i < SBX_FORECAST_ENOUGH; i++) {
		assert_false(sbx_forecast_get(&forecast, &duration_ns));
		assert_int_equal(duration_ns, 0);
		sbx_forecast_add(&forecast, MS_NS);
	}
	expect(&forecast, MS_NS);
}

static void test_longest(void **state) {
	struct sbx_forecast forecast = {0};
	add(&forecast, 2 * MS_NS, SBX_FORECAST_ENOUGH);
	add(&forecast, 9 * MS_NS, 1);
	add(&forecast, 3 * MS_NS, SBX_FORECAST_WINDOW - 1);
	expect(&forecast, 9 * MS_NS);
	// And then it is forgotten.
	add(&forecast, 3 * MS_NS, 1);
	expect(&forecast, 3 * MS_NS);
}

/* Clocks and clients say what they like. */
static void test_nonsense(void **state) {
	struct sbx_forecast forecast = {0};
	add(&forecast, -5 * MS_NS, SBX_FORECAST_WINDOW);
	expect(&forecast, 0);
	add(&forecast, 1, 1);
	expect(&forecast, 1000);
	add(&forecast, INT64_MAX, 1);
	expect(&forecast, 3600 * 1000 * MS_NS);
	for (int i = 0; i < 100000; i++) {
		sbx_forecast_add(&forecast, i % 7);
	}
	expect(&forecast, 1000);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		cmocka_unit_test(test_too_little),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_nonsense),
	};
	return suite_run(argc, argv, "loan/forecast", host, SUITE_COUNT(host), NULL, 0);
}
