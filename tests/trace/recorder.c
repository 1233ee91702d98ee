#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "harness/recording.h"

static const struct sbx_subject someone = { .loan = 7, .pid = 42, .surface = 3, .acquire_point = 5 };

/* The first case: nothing was started yet. */
static void test_off(void **state) {
	struct sbx_recording recording;
	assert_false(sbx_trace_is_running());
	sbx_trace_loan(SBX_EVENT_COMMITTED, &someone, 0);
	assert_int_equal(sbx_recorder_read(&recording), 0);
	assert_null(recording.events);
	assert_int_equal(recording.count, 0);
	assert_int_equal(sbx_trace_write(stdout), -ENODATA);
}

static void test_start(void **state) {
	assert_int_equal(sbx_trace_start(64), 0);
	assert_true(sbx_trace_is_running());
	assert_int_equal(sbx_trace_start(64), -EALREADY);
	int64_t before = sbx_recorder_now_ns();
	sbx_trace_loan(SBX_EVENT_COMMITTED, &someone, 1);
	sbx_trace_pass(SBX_EVENT_PASS_BEGAN, 2, 3);
	sbx_recorder_add(&(struct sbx_event){ .time_ns = 99, .kind = SBX_EVENT_GPU_BEGAN, .value = 2 });
	int64_t after = sbx_recorder_now_ns();
	sbx_trace_stop();
	assert_false(sbx_trace_is_running());
	sbx_trace_loan(SBX_EVENT_RELEASED, &someone, 0);
	const struct sbx_recording *recording = recording_read();
	assert_int_equal(recording->count, 3);
	const struct sbx_event *events = recording->events;
	assert_int_equal(events[0].kind, SBX_EVENT_COMMITTED);
	assert_memory_equal(&events[0].subject, &someone, sizeof(someone));
	assert_true(events[0].time_ns >= before && events[1].time_ns >= events[0].time_ns);
	assert_true(events[1].time_ns <= after);
	assert_int_equal(events[1].value, 2);
	assert_int_equal(events[1].extra, 3);
	assert_int_equal(events[2].time_ns, 99);
}

/* A recording begins empty, also where the ring has been full before. */
static void test_start_again(void **state) {
	recording_start();
	for (int i = 0; i < 1000; i++) {
		sbx_trace_loan(SBX_EVENT_READ, &someone, (uint64_t)i);
	}
	struct sbx_recording full;
	assert_int_equal(sbx_recorder_read(&full), 0);
	assert_int_equal(full.count, 64); // the size of the first start
	assert_int_equal(full.lost, 1000 - 64);
	assert_int_equal(full.events[63].value, 999);
	free(full.events);
	recording_start();
	assert_int_equal(recording_read()->count, 0);
	sbx_trace_loan(SBX_EVENT_READ, &someone, 1);
	assert_int_equal(recording_read()->count, 1);
	recording_stop();
}

static void expect_output(uint32_t output, const char *name) {
	char text[64];
	sbx_recorder_output_name(output, text, sizeof(text));
	assert_string_equal(text, name);
}

static void expect_client(int32_t pid, const char *name) {
	char text[64];
	sbx_recorder_client_name(pid, text, sizeof(text));
	assert_string_equal(text, name);
}

static void test_names(void **state) {
	uint32_t first = sbx_recorder_name_output("DP-1"), second = sbx_recorder_name_output("DP-2");
	assert_int_not_equal(first, 0);
	assert_int_not_equal(first, second);
	assert_int_equal(sbx_recorder_name_output("DP-1"), first);
	expect_output(first, "DP-1");
	expect_output(second, "DP-2");
	expect_output(0, "?");
	expect_output(31, "?");
	expect_output(4000, "?");
	char name[16];
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "X-%d", i);
		sbx_recorder_name_output(name);
	}
	assert_int_equal(sbx_recorder_name_output("one too many"), 0);
	expect_output(first, "DP-1");
	sbx_recorder_name_client(42, "foot");
	expect_client(42, "foot");
	expect_client(43, "?");
	expect_client(0, "?");
	for (int i = 0; i < 64; i++) {
		sbx_recorder_name_client(1000 + i, "many");
	}
	expect_client(1063, "many");
	expect_client(42, "?"); // made room
}

static int collected;

static void collect(void *data) {
	collected += *(int *)data;
}

static void *read_elsewhere(void *data) {
	struct sbx_recording recording;
	sbx_recorder_read(&recording);
	free(recording.events);
	return NULL;
}

/* Sources are asked on the thread that they live on, and on no other. */
static void test_sources(void **state) {
	int one = 1, ten = 10;
	struct sbx_recorder_source first = { .collect = collect, .data = &one };
	struct sbx_recorder_source second = { .collect = collect, .data = &ten };
	sbx_recorder_add_source(&first);
	sbx_recorder_add_source(&second);
	recording_start();
	recording_read();
	assert_int_equal(collected, 11);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, read_elsewhere, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(collected, 11);
	sbx_recorder_remove_source(&first);
	recording_read();
	assert_int_equal(collected, 21);
	sbx_recorder_remove_source(&second);
	sbx_recorder_remove_source(&second);
	recording_read();
	assert_int_equal(collected, 21);
	recording_stop();
}

static const struct CMUnitTest host[] = {
	{ "recorder: off", test_off, NULL, NULL, NULL },
	{ "recorder: start and stop", test_start, NULL, NULL, NULL },
	{ "recorder: a new recording is empty", test_start_again, NULL, NULL, NULL },
	{ "recorder: names", test_names, NULL, NULL, NULL },
	{ "recorder: sources", test_sources, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "trace/recorder", host, SUITE_COUNT(host), NULL, 0);
}
