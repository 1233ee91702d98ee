#include "harness/suite.h"
#include "loan/trust.h"

#define MS_NS INT64_C(1000000)

/* Returns for how long it is not trusted from now on, to the millisecond. */
static int time_out_ms(struct sbx_trust *trust, int64_t now_ns) {
	int ms = 0;
	while (!sbx_trust_is_trusted(trust, now_ns + ms * MS_NS)) {
		ms++;
		assert_true(ms < 100000000);
	}
	return ms;
}

static void test_new(void **state) {
	struct sbx_trust trust = {0};
	assert_true(sbx_trust_is_trusted(&trust, 0));
	for (int i = 0; i < 1000; i++) {
		sbx_trust_keep(&trust);
	}
	assert_true(sbx_trust_is_trusted(&trust, MS_NS));
}

static void test_doubles(void **state) {
	struct sbx_trust trust = {0};
	int64_t now_ns = 1;
	int expected_ms = SBX_TRUST_MIN_MS;
	for (int i = 0; i < 10; i++) {
		sbx_trust_break(&trust, now_ns);
		assert_false(sbx_trust_is_trusted(&trust, now_ns));
		assert_int_equal(time_out_ms(&trust, now_ns), expected_ms);
		now_ns += expected_ms * MS_NS;
		expected_ms = expected_ms * 2 < SBX_TRUST_MAX_MS ? expected_ms * 2 : SBX_TRUST_MAX_MS;
	}
	assert_int_equal(expected_ms, SBX_TRUST_MAX_MS);
}

/* Several surfaces are late for one reason: that is one fall. */
static void test_falls_once(void **state) {
	struct sbx_trust trust = {0};
	for (int i = 0; i < 5; i++) {
		sbx_trust_break(&trust, 1);
	}
	assert_int_equal(time_out_ms(&trust, 1), SBX_TRUST_MIN_MS);
}

static void test_amends(void **state) {
	struct sbx_trust trust = {0};
	int64_t now_ns = 1;
	for (int i = 0; i < 3; i++) {
		sbx_trust_break(&trust, now_ns);
		now_ns += time_out_ms(&trust, now_ns) * MS_NS;
	}
	// The next would be 8 s. One short of what halves it:
	for (int i = 0; i < SBX_TRUST_AMENDS - 1; i++) {
		sbx_trust_keep(&trust);
	}
	struct sbx_trust one_short = trust;
	sbx_trust_break(&one_short, now_ns);
	assert_int_equal(time_out_ms(&one_short, now_ns), 8000);
	sbx_trust_keep(&trust);
	sbx_trust_break(&trust, now_ns);
	assert_int_equal(time_out_ms(&trust, now_ns), 4000);
}

/* The price of a long stop is in proportion, whatever the record was. */
static void test_delay(void **state) {
	struct sbx_trust trust = {0};
	sbx_trust_break(&trust, 1);
	int64_t late_ns = 10000 * MS_NS;
	sbx_trust_know_delay(&trust, 1 + late_ns, late_ns);
	assert_int_equal(time_out_ms(&trust, 1 + late_ns), 10000 * SBX_TRUST_FACTOR);
	// A short one is covered by the time out.
	struct sbx_trust other = {0};
	sbx_trust_break(&other, 1);
	sbx_trust_know_delay(&other, 1 + MS_NS, MS_NS);
	assert_int_equal(time_out_ms(&other, 1), SBX_TRUST_MIN_MS);
	sbx_trust_know_delay(&other, 1, INT64_MAX);
	assert_true(other.until_ns > 0);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_falls_once),
		cmocka_unit_test(test_amends),
		cmocka_unit_test(test_delay),
	};
	return suite_run(argc, argv, "loan/trust", host, SUITE_COUNT(host), NULL, 0);
}
