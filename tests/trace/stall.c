#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness/recording.h"
#include "trace/counter.h"
#include "trace/log.h"
#include "trace/stall.h"

#define SECOND_NS INT64_C(1000000000)

static char heard[512];
static unsigned lines;
/* The limit of all clients together is the process's: each case gets a time of its own. */
static int64_t now_ns = 1000 * SECOND_NS;

static void listen(enum sbx_log_level level, const char *format, va_list args) {
	vsnprintf(heard, sizeof(heard), format, args);
	lines++;
}

static int setup(void **state) {
	sbx_log_init(SBX_LOG_INFO, listen);
	heard[0] = '\0';
	lines = 0;
	now_ns += 1000 * SECOND_NS;
	return 0;
}

static const struct sbx_subject subject = {
	.loan = 1, .pid = 1234, .surface = 14, .acquire_timeline = 20, .release_timeline = 21,
	.acquire_point = 52, .release_point = 53,
};

static bool report(struct sbx_stall stall, struct sbx_stall_limit *limit) {
	stall.subject = &subject;
	stall.client = "foot";
	stall.age_ns = 1003 * SECOND_NS / 1000;
	return sbx_stall_report(&stall, limit, now_ns);
}

#define ACQUIRE "client bug: foot[1234] wl_surface#14: acquire point 52 of timeline #20 is not signalled " \
	"after 1003 ms: "
#define RELEASE "foot[1234] wl_surface#14: release point 53 of timeline #21 is not signalled after 1003 ms: "

static void test_lines(void **state) {
	static const struct {
		struct sbx_stall stall;
		const char *line;
	} cases[] = {
		{ { .holder = SBX_STALL_CLIENT_SUBMIT },
			ACQUIRE "the client has not submitted it; the surface keeps its content" },
		{ { .holder = SBX_STALL_CLIENT_WORK },
			ACQUIRE "the client's own fence is pending; the surface keeps its content" },
		{ { .holder = SBX_STALL_CLIENT_WORK, .latched = true },
			ACQUIRE "the client's own fence is pending; our GPU waits for it" },
		{ { .holder = SBX_STALL_OUTPUT, .output = "DP-1" },
			"loan: " RELEASE "DP-1 scans the buffer out" },
		{ { .holder = SBX_STALL_LOCK, .number = 2 },
			"loan: " RELEASE "2 locks are on the buffer (a snapshot, a capture, the compositor)" },
		{ { .holder = SBX_STALL_PASS, .number = 77 },
			"driver: " RELEASE "the GPU has not done our submission 77, which reads the buffer" },
		{ { .holder = SBX_STALL_READER },
			"loan: " RELEASE "a fence that the compositor gave us for its own reading is pending" },
		{ { .holder = SBX_STALL_KERNEL },
			"kernel: " RELEASE "it cannot be handed back, and is tried again" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sbx_stall_limit limit = {0};
		assert_true(report(cases[i].stall, &limit));
		assert_string_equal(heard, cases[i].line);
	}
}

/* A client that stalls on purpose does not fill the log; and is heard of again later. */
static void test_limit(void **state) {
	struct sbx_stall stall = { .holder = SBX_STALL_CLIENT_SUBMIT };
	struct sbx_stall_limit limit = {0}, other = {0};
	uint64_t counted = sbx_counter_read(SBX_COUNT_STALLS);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(report(stall, &limit), i < SBX_STALL_LINES);
		now_ns += SECOND_NS / 100;
	}
	assert_int_equal(lines, SBX_STALL_LINES);
	assert_int_equal(sbx_counter_read(SBX_COUNT_STALLS) - counted, 100);
	assert_true(report(stall, &other));
	assert_null(strstr(heard, "left out"));
	now_ns += SBX_STALL_WINDOW_NS;
	assert_true(report(stall, &limit));
	assert_non_null(strstr(heard, " (96 more such lines were left out)"));
	assert_true(report(stall, &limit));
	assert_null(strstr(heard, "left out"));
}

/* Nor do many clients. */
static void test_limit_of_all(void **state) {
	struct sbx_stall stall = { .holder = SBX_STALL_CLIENT_SUBMIT };
	for (int i = 0; i < 100; i++) {
		struct sbx_stall_limit limit = {0};
		assert_int_equal(report(stall, &limit), i < SBX_STALL_ALL_LINES);
	}
	assert_int_equal(lines, SBX_STALL_ALL_LINES);
	now_ns += SBX_STALL_WINDOW_NS;
	assert_true(report(stall, &(struct sbx_stall_limit){0}));
}

static void test_recorded(void **state) {
	recording_start();
	report((struct sbx_stall){ .holder = SBX_STALL_LOCK }, &(struct sbx_stall_limit){0});
	recording_expect(1, "stalled");
	assert_int_equal(recording_read()->events[0].value, 1003 * SECOND_NS / 1000);
	recording_stop();
}

static void test_environment(void **state) {
	static const struct {
		const char *value;
		uint32_t bound_ms;
		unsigned lines;
	} cases[] = {
		{ NULL, 1000, 0 }, { "50", 50, 0 }, { "0", 0, 0 }, { "", 1000, 1 }, { "-1", 1000, 1 },
		{ "5s", 1000, 1 }, { "99999999999999999999", 1000, 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t bound_ms = 1000;
		lines = 0;
		if (cases[i].value != NULL) {
			setenv("SIGNALBOX_STALL_MS", cases[i].value, 1);
		}
		sbx_stall_bound_from_environment(&bound_ms);
		assert_int_equal(bound_ms, cases[i].bound_ms);
		assert_int_equal(lines, cases[i].lines);
	}
	unsetenv("SIGNALBOX_STALL_MS");
}

static const struct CMUnitTest host[] = {
	{ "stall: whom the line names", test_lines, setup, NULL, NULL },
	{ "stall: a client is limited", test_limit, setup, NULL, NULL },
	{ "stall: all clients are limited", test_limit_of_all, setup, NULL, NULL },
	{ "stall: is recorded", test_recorded, setup, NULL, NULL },
	{ "stall: the environment's bound", test_environment, setup, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "trace/stall", host, SUITE_COUNT(host), NULL, 0);
}
