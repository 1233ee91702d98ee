#include "backend/rig.h"
#include "backend/vblank.h"

static const struct sbx_refresh refreshes[] = {
	{ 60, 1 }, { 144, 1 }, { 75, 1 }, { 60000, 1001 }, { 24000, 1001 }, { 143981, 1000 }, { 1, 1 },
	{ 999, 7 }, { 165000, 1001 }, { 4294967295u, 71582788u },
};
enum { REFRESHES = sizeof(refreshes) / sizeof(refreshes[0]) };

/* After an hour, a day and a year the clock is where the quotient says. */
static void test_no_drift(void **state) {
	const int64_t spans_s[] = { 3600, 86400, 31536000 };
	for (int i = 0; i < REFRESHES; i++) {
		struct sbx_vblank vblank;
		sbx_vblank_init(&vblank, refreshes[i], RIG_START_NS);
		for (int j = 0; j < 3; j++) {
			// In `denominator` seconds there are exactly `numerator` vblanks.
			uint64_t times = (uint64_t)spans_s[j] / refreshes[i].denominator + 1;
			uint64_t seq = times * refreshes[i].numerator;
			int64_t ns = (int64_t)times * refreshes[i].denominator * SECOND;
			assert_int_equal(sbx_vblank_time(&vblank, seq), RIG_START_NS + ns);
		}
	}
}

static void test_at_is_the_reverse(void **state) {
	for (int i = 0; i < REFRESHES; i++) {
		struct sbx_vblank vblank;
		sbx_vblank_init(&vblank, refreshes[i], RIG_START_NS);
		for (uint64_t seq = 1; seq < 500000; seq += seq < 300 ? 1 : 997) {
			int64_t when_ns = sbx_vblank_time(&vblank, seq);
			assert_int_equal(sbx_vblank_at(&vblank, when_ns), seq);
			assert_int_equal(sbx_vblank_at(&vblank, when_ns + 1), seq + 1);
			assert_int_equal(sbx_vblank_at(&vblank, when_ns - 1), seq);
		}
	}
}

static void test_before_the_first(void **state) {
	struct sbx_vblank vblank;
	sbx_vblank_init(&vblank, refreshes[0], RIG_START_NS);
	assert_int_equal(sbx_vblank_at(&vblank, RIG_START_NS - SECOND), 0);
	assert_int_equal(sbx_vblank_at(&vblank, RIG_START_NS), 0);
}

static void test_change(void **state) {
	struct sbx_vblank vblank;
	sbx_vblank_init(&vblank, (struct sbx_refresh){ 60, 1 }, RIG_START_NS);
	int64_t now_ns = RIG_START_NS + SECOND + 5 * MS;
	sbx_vblank_set_refresh(&vblank, (struct sbx_refresh){ 100, 1 }, now_ns);
	assert_int_equal(sbx_vblank_time(&vblank, 60), RIG_START_NS + SECOND);
	assert_int_equal(sbx_vblank_at(&vblank, now_ns), 61);
	assert_int_equal(sbx_vblank_time(&vblank, 61), RIG_START_NS + SECOND + 10 * MS);
	struct sbx_vblank same = vblank;
	sbx_vblank_set_refresh(&vblank, (struct sbx_refresh){ 100, 1 }, now_ns + 100 * SECOND);
	assert_int_equal(vblank.base_ns, same.base_ns);
}

static void test_mhz(void **state) {
	const struct sbx_refresh ntsc = { 60000, 1001 };
	assert_int_equal(sbx_refresh_mhz(ntsc), 59940);
	assert_int_equal(sbx_refresh_period_ns(ntsc), 16683333);
	struct sbx_refresh refresh = sbx_refresh_from_mhz(59940, ntsc);
	assert_int_equal(refresh.numerator, 60000);
	refresh = sbx_refresh_from_mhz(0, ntsc);
	assert_int_equal(refresh.denominator, 1001);
	refresh = sbx_refresh_from_mhz(143981, ntsc);
	assert_int_equal(refresh.numerator, 143981);
	assert_int_equal(refresh.denominator, 1000);
}

static const struct CMUnitTest host[] = {
	{ "vblank: no drift in an hour, a day, a year", test_no_drift, NULL, NULL, NULL },
	{ "vblank: which one is at a time", test_at_is_the_reverse, NULL, NULL, NULL },
	{ "vblank: none before the first", test_before_the_first, NULL, NULL, NULL },
	{ "vblank: another refresh goes on from the last", test_change, NULL, NULL, NULL },
	{ "vblank: mHz keep the exact refresh", test_mhz, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/vblank", host, SUITE_COUNT(host), NULL, 0);
}
