#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness/recording.h"

static struct sbx_recording recording;

void recording_start(void) {
	sbx_trace_stop();
	assert_int_equal(sbx_trace_start(0), 0);
}

void recording_stop(void) {
	sbx_trace_stop();
	free(recording.events);
	recording = (struct sbx_recording){0};
}

const struct sbx_recording *recording_read(void) {
	free(recording.events);
	assert_int_equal(sbx_recorder_read(&recording), 0);
	assert_int_equal(recording.lost, 0);
	return &recording;
}

uint64_t recording_last_loan(void) {
	uint64_t last = 0;
	recording_read();
	for (size_t i = 0; i < recording.count; i++) {
		uint64_t loan = recording.events[i].subject.loan;
		last = loan > last ? loan : last;
	}
	return last;
}

int64_t recording_time(uint64_t loan, enum sbx_event_kind kind) {
	int64_t first = 0;
	recording_read();
	for (size_t i = 0; i < recording.count; i++) {
		const struct sbx_event *event = &recording.events[i];
		if (event->subject.loan == loan && event->kind == kind &&
				(first == 0 || event->time_ns < first)) {
			first = event->time_ns;
		}
	}
	return first;
}

static int compare_times(const void *left, const void *right) {
	const struct sbx_event *a = *(const struct sbx_event *const *)left;
	const struct sbx_event *b = *(const struct sbx_event *const *)right;
	if (a->time_ns != b->time_ns) {
		return a->time_ns < b->time_ns ? -1 : 1;
	}
	return a < b ? -1 : a > b; // as they were recorded
}

static void describe(uint64_t loan, char *text, size_t size) {
	const struct sbx_event *events[64];
	size_t count = 0, length = 0;
	recording_read();
	for (size_t i = 0; i < recording.count && count < 64; i++) {
		if (recording.events[i].subject.loan == loan) {
			events[count++] = &recording.events[i];
		}
	}
	qsort(events, count, sizeof(events[0]), compare_times);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		length += (size_t)snprintf(text + length, size - length, "%s%s", i > 0 ? " " : "",
			sbx_event_name(events[i]->kind));
		assert_true(length < size);
	}
}

bool recording_is(uint64_t loan, const char *events) {
	char text[2048];
	describe(loan, text, sizeof(text));
	return strcmp(text, events) == 0;
}

void recording_expect(uint64_t loan, const char *events) {
	char text[2048];
	describe(loan, text, sizeof(text));
	assert_string_equal(text, events);
}
