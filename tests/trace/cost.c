/*
 * What recording costs: an event by itself, and a commit with everything around it, the same in turn with
 * and without. A benchmark, not a test.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wayland-client-protocol.h>
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "trace/recorder.h"

enum { EVENTS = 1000000, ROUNDS = 41, COMMITS = 500 };

static double cpu_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values) {
	qsort(values, ROUNDS, sizeof(values[0]), compare);
	return values[ROUNDS / 2];
}

static double time_events(void) {
	// Not known to the compiler, as in a loan.
	struct sbx_subject *volatile subject = &(struct sbx_subject){ .loan = 1 };
	double before = cpu_ns();
	for (int i = 0; i < EVENTS; i++) {
		sbx_trace_loan(SBX_EVENT_READ, subject, (uint64_t)i);
	}
	return (cpu_ns() - before) / EVENTS;
}

static double time_commits(struct test_window *window, struct wl_buffer **buffers, uint64_t *value) {
	test_signal(window->client, &window->acquire, *value + COMMITS);
	double before = cpu_ns();
	for (int i = 0; i < COMMITS; i++) {
		(*value)++;
		test_attach(window, buffers[i % 2], *value, *value);
		test_commit(window);
	}
	return (cpu_ns() - before) / COMMITS;
}

int main(void) {
	void *state = NULL;
	double off[ROUNDS], on[ROUNDS];
	protocol_lab_setup_fake(&state);
	sbx_trace_start(0);
	double event_on = time_events();
	sbx_trace_stop();
	double event_off = time_events();
	struct protocol_lab *lab = state;
	struct test_window window;
	test_window_open(lab->client, &window);
	struct wl_buffer *buffers[] = { test_buffer_dmabuf(lab->client, 3), test_buffer_dmabuf(lab->client, 4) };
	uint64_t value = 0;
	for (int i = 0; i < ROUNDS; i++) {
		off[i] = time_commits(&window, buffers, &value);
		sbx_trace_start(0);
		on[i] = time_commits(&window, buffers, &value);
		sbx_trace_stop();
	}
	double commit_off = median(off), commit_on = median(on);
	printf("CPU time, medians, ns     off        on\n");
	printf("an event             %8.1f  %8.1f\n", event_off, event_on);
	printf("a commit, 5 events   %8.0f  %8.0f  (%+.1f %%)\n", commit_off, commit_on,
		100 * (commit_on / commit_off - 1));
	wl_buffer_destroy(buffers[0]);
	wl_buffer_destroy(buffers[1]);
	test_window_close(&window);
	return protocol_lab_teardown(&state);
}
