#include <string.h>
#include "harness/suite.h"
#include "trace/counter.h"

static void test_names(void **state) {
	for (int i = 0; i < SBX_COUNT_MAX; i++) {
		const char *name = sbx_counter_name(i);
		assert_non_null(name);
		for (int k = 0; k < i; k++) {
			assert_string_not_equal(name, sbx_counter_name(k));
		}
		int is_ioctl = strncmp(name, "ioctl.", 6) == 0;
		assert_int_equal(is_ioctl, i <= SBX_COUNT_IOCTL_OTHER);
	}
}

static void test_up_and_down(void **state) {
	uint64_t before = sbx_counter_read(SBX_COUNT_HANDLES);
	sbx_count(SBX_COUNT_HANDLES, 3);
	assert_int_equal(sbx_counter_read(SBX_COUNT_HANDLES), before + 3);
	sbx_count(SBX_COUNT_HANDLES, -3);
	assert_int_equal(sbx_counter_read(SBX_COUNT_HANDLES), before);
}

static void test_sum(void **state) {
	uint64_t before = sbx_counter_ioctls();
	for (int i = 0; i < SBX_COUNT_MAX; i++) {
		sbx_count(i, 1);
	}
	assert_int_equal(sbx_counter_ioctls() - before, SBX_COUNT_IOCTL_OTHER + 1);
}

static const struct CMUnitTest host[] = {
	{ "counter: each has a name of its own", test_names, NULL, NULL, NULL },
	{ "counter: goes up and down", test_up_and_down, NULL, NULL, NULL },
	{ "counter: the sum is that of the ioctls", test_sum, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "trace/counter", host, SUITE_COUNT(host), NULL, 0);
}
