#include <signalbox/counters.h>
#include "harness/suite.h"
#include "trace/counter.h"

static void test_all(void **state) {
	assert_int_equal(sbx_counter_get_count(), SBX_COUNT_MAX);
	for (size_t i = 0; i < sbx_counter_get_count(); i++) {
		assert_ptr_equal(sbx_counter_get_name(i), sbx_counter_name(i));
		uint64_t before = sbx_counter_get(i);
		sbx_count(i, 2);
		assert_int_equal(sbx_counter_get(i), before + 2);
	}
}

static void test_out_of_range(void **state) {
	assert_null(sbx_counter_get_name(sbx_counter_get_count()));
	assert_int_equal(sbx_counter_get(sbx_counter_get_count()), 0);
	assert_int_equal(sbx_counter_get(SIZE_MAX), 0);
}

static const struct CMUnitTest host[] = {
	{ "counters: every one, by index", test_all, NULL, NULL, NULL },
	{ "counters: beyond the last", test_out_of_range, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "trace/counters", host, SUITE_COUNT(host), NULL, 0);
}
