#include <stdlib.h>
#include "harness/recording.h"
#include "trace/story.h"

static void add(enum sbx_event_kind kind, int64_t time_ns, uint64_t id, uint64_t extra, uint32_t output) {
	struct sbx_event event = {
		.time_ns = time_ns, .kind = kind, .value = id, .extra = extra, .output = output,
	};
	if (sbx_event_scope(kind) == SBX_SCOPE_LOAN) {
		event.subject.loan = id;
	}
	sbx_recorder_add(&event);
}

static int setup(void **state) {
	recording_start();
	return 0;
}

static int teardown(void **state) {
	recording_stop();
	return 0;
}

static void tell(struct sbx_recording *recording, struct sbx_stories *stories) {
	assert_int_equal(sbx_recorder_read(recording), 0);
	assert_int_equal(sbx_stories_tell(recording, stories), 0);
}

static void forget(struct sbx_recording *recording, struct sbx_stories *stories) {
	sbx_stories_finish(stories);
	free(recording->events);
}

static void test_put_together(void **state) {
	struct sbx_recording recording;
	struct sbx_stories stories;
	add(SBX_EVENT_COMMITTED, 10, 2, 0, 0);
	add(SBX_EVENT_OUTPUT_COMMITTED, 11, 1, 0, 2);
	add(SBX_EVENT_OUTPUT_COMMITTED, 11, 1, 0, 1);
	add(SBX_EVENT_COMMITTED, 12, 1, 0, 0);
	add(SBX_EVENT_PASS_BEGAN, 13, 1, 0, 0);
	add(SBX_EVENT_RELEASED, 30, 2, 0, 0);
	add(SBX_EVENT_LATCHED, 20, 2, 0, 0);
	add(SBX_EVENT_GPU_BEGAN, 9, 1, 0, 0); // known late
	tell(&recording, &stories);
	assert_int_equal(stories.count, 5);
	const struct sbx_story *loan = &stories.list[1];
	assert_int_equal(loan->id, 2);
	assert_int_equal(loan->count, 3);
	assert_int_equal(loan->events[1].kind, SBX_EVENT_LATCHED);
	assert_int_equal(sbx_story_begin_ns(loan), 10);
	assert_int_equal(sbx_story_end_ns(loan), 30);
	assert_int_equal(loan->at[SBX_EVENT_LATCHED], 20);
	assert_int_equal(loan->at[SBX_EVENT_REPLACED], 0);
	assert_null(sbx_story_event(loan, SBX_EVENT_REPLACED));
	const struct sbx_story *pass = sbx_stories_find_pass(&stories, 1);
	assert_non_null(pass);
	assert_int_equal(pass->scope, SBX_SCOPE_PASS);
	assert_int_equal(sbx_story_begin_ns(pass), 9);
	assert_null(sbx_stories_find_pass(&stories, 2));
	assert_int_equal(stories.list[4].output, 2);
	forget(&recording, &stories);
}

/* The pass that drew into a buffer last before an output was given it. */
static void test_drawn(void **state) {
	struct sbx_recording recording;
	struct sbx_stories stories;
	add(SBX_EVENT_PASS_BEGAN, 10, 1, 77, 0);
	add(SBX_EVENT_PASS_BEGAN, 20, 2, 78, 0);
	add(SBX_EVENT_PASS_BEGAN, 30, 3, 77, 0);
	add(SBX_EVENT_PASS_BEGAN, 50, 4, 77, 0);
	add(SBX_EVENT_OUTPUT_COMMITTED, 40, 9, 77, 1);
	add(SBX_EVENT_OUTPUT_COMMITTED, 5, 8, 77, 1);
	add(SBX_EVENT_OUTPUT_PRESENTED, 50, 10, 0, 1);
	tell(&recording, &stories);
	assert_int_equal(stories.count, 7);
	assert_null(sbx_stories_find_drawn(&stories, &stories.list[4])); // 8: before all passes
	assert_int_equal(sbx_stories_find_drawn(&stories, &stories.list[5])->id, 3);
	assert_null(sbx_stories_find_drawn(&stories, &stories.list[6])); // 10: no buffer known
	forget(&recording, &stories);
}

static void test_nothing(void **state) {
	struct sbx_recording recording;
	struct sbx_stories stories;
	tell(&recording, &stories);
	assert_int_equal(stories.count, 0);
	assert_null(sbx_stories_find_pass(&stories, 1));
	forget(&recording, &stories);
}

static const struct CMUnitTest host[] = {
	{ "story: events are put together", test_put_together, setup, teardown, NULL },
	{ "story: which pass is shown", test_drawn, setup, teardown, NULL },
	{ "story: nothing happened", test_nothing, setup, teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "trace/story", host, SUITE_COUNT(host), NULL, 0);
}
