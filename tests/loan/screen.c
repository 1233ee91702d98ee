/* What an output scans out, seen from outside: a virtual output is given clients' buffers. */
#include <stdlib.h>
#include <wlr/backend/headless.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_output.h>
#include "harness/protocol_lab.h"
#include "harness/recording.h"
#include "loan/screen.h"

enum { WIDTH = 8, HEIGHT = 4 };

struct fixture {
	struct protocol_lab *lab;
	struct wlr_backend *backend;
	struct wlr_output *output;
	struct test_window window;
	uint64_t next_value;
};

static void commit(struct fixture *fixture, struct wlr_output_state *state) {
	assert_true(wlr_output_commit_state(fixture->output, state));
	wlr_output_state_finish(state);
}

static int setup(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	void *lab = NULL;
	if (protocol_lab_setup_fake(&lab) < 0) {
		return -1;
	}
	fixture->lab = lab;
	fixture->backend = wlr_headless_backend_create(fixture->lab->compositor->loop);
	fixture->output = wlr_headless_add_output(fixture->backend, WIDTH, HEIGHT);
	assert_true(wlr_backend_start(fixture->backend));
	sbx_screen_watch(fixture->output);
	sbx_screen_watch(fixture->output);
	recording_start();
	test_window_open(fixture->lab->client, &fixture->window);
	*state = fixture;
	return 0;
}

static int teardown(void **state) {
	struct fixture *fixture = *state;
	test_window_close(&fixture->window);
	protocol_lab_check(fixture->lab);
	wlr_backend_destroy(fixture->backend);
	recording_stop();
	*state = fixture->lab;
	free(fixture);
	return protocol_lab_teardown(state);
}

/* The client shows another buffer, as large as the output. Returns the loan. */
static uint64_t draw(struct fixture *fixture) {
	uint64_t value = ++fixture->next_value;
	test_signal(fixture->lab->client, &fixture->window.acquire, value);
	test_show(&fixture->window, WIDTH, value, value);
	test_pump(fixture->lab->compositor);
	return recording_last_loan();
}

/* The output shows the client's buffer itself; the flip comes from the event loop. */
static void scan_out(struct fixture *fixture) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_enabled(&state, true);
	wlr_output_state_set_buffer(&state, &test_window_peer(&fixture->window)->buffer->base);
	commit(fixture, &state);
}

static void flip(struct fixture *fixture) {
	test_pump(fixture->lab->compositor);
}

static void switch_off(struct fixture *fixture) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_enabled(&state, false);
	commit(fixture, &state);
}

#define LATCHED "committed signalled latched"

static void test_flips(void **state) {
	struct fixture *fixture = *state;
	uint64_t first = draw(fixture);
	scan_out(fixture);
	recording_expect(first, LATCHED " scanout-queued");
	flip(fixture);
	recording_expect(first, LATCHED " scanout-queued scanned-out");
	// Once more the same: nothing happens to the loan.
	scan_out(fixture);
	flip(fixture);
	recording_expect(first, LATCHED " scanout-queued scanned-out");
	uint64_t second = draw(fixture);
	scan_out(fixture);
	assert_int_equal(recording_time(first, SBX_EVENT_FLIPPED_AWAY), 0);
	flip(fixture);
	assert_true(recording_time(first, SBX_EVENT_FLIPPED_AWAY) > 0);
	assert_int_equal(recording_time(first, SBX_EVENT_FLIPPED_AWAY),
		recording_time(second, SBX_EVENT_SCANNED_OUT));
	recording_expect(second, LATCHED " scanout-queued scanned-out");
}

/* Which output it is, and which of its commits. */
static void test_numbers(void **state) {
	struct fixture *fixture = *state;
	uint64_t loan = draw(fixture);
	scan_out(fixture);
	flip(fixture);
	const struct sbx_recording *recording = recording_read();
	unsigned seen = 0;
	for (size_t i = 0; i < recording->count; i++) {
		const struct sbx_event *event = &recording->events[i];
		bool output = sbx_event_scope(event->kind) == SBX_SCOPE_OUTPUT;
		if (output || event->kind == SBX_EVENT_SCANOUT_QUEUED || event->kind == SBX_EVENT_SCANNED_OUT) {
			assert_int_equal(event->output, sbx_recorder_name_output(fixture->output->name));
			assert_int_equal(event->value, fixture->output->commit_seq);
			assert_int_equal(event->subject.loan, output ? 0 : loan);
			seen++;
		}
	}
	assert_int_equal(seen, 4);
}

static void test_holder(void **state) {
	struct fixture *fixture = *state;
	uint64_t first = draw(fixture);
	assert_null(sbx_screens_find_loan(first));
	scan_out(fixture);
	assert_string_equal(sbx_screens_find_loan(first), fixture->output->name);
	flip(fixture);
	uint64_t second = draw(fixture);
	assert_string_equal(sbx_screens_find_loan(first), fixture->output->name);
	assert_null(sbx_screens_find_loan(second));
	scan_out(fixture);
	assert_string_equal(sbx_screens_find_loan(first), fixture->output->name);
	assert_string_equal(sbx_screens_find_loan(second), fixture->output->name);
	flip(fixture);
	assert_null(sbx_screens_find_loan(first));
	assert_string_equal(sbx_screens_find_loan(second), fixture->output->name);
}

static void test_switched_off(void **state) {
	struct fixture *fixture = *state;
	uint64_t loan = draw(fixture);
	scan_out(fixture);
	flip(fixture);
	switch_off(fixture);
	recording_expect(loan, LATCHED " scanout-queued scanned-out flipped-away");
	assert_null(sbx_screens_find_loan(loan));
}

static void test_unplugged(void **state) {
	struct fixture *fixture = *state;
	uint64_t loan = draw(fixture);
	scan_out(fixture);
	flip(fixture);
	wlr_output_destroy(fixture->output);
	recording_expect(loan, LATCHED " scanout-queued scanned-out flipped-away");
	assert_null(sbx_screens_find_loan(loan));
}

/* Given, and taken back before it came to be shown. */
static void test_never_shown(void **state) {
	struct fixture *fixture = *state;
	uint64_t loan = draw(fixture);
	scan_out(fixture);
	switch_off(fixture);
	recording_expect(loan, LATCHED " scanout-queued");
	assert_null(sbx_screens_find_loan(loan));
}

#define CASE(name, function) { "screen: " name, function, setup, teardown, NULL }

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		CASE("flips", test_flips),
		CASE("output and commit", test_numbers),
		CASE("who holds a loan", test_holder),
		CASE("switched off", test_switched_off),
		CASE("unplugged", test_unplugged),
		CASE("never shown", test_never_shown),
	};
	return suite_run(argc, argv, "loan/screen", host, SUITE_COUNT(host), NULL, 0);
}
