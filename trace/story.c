#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include "trace/recorder.h"
#include "trace/story.h"

static uint64_t event_id(const struct sbx_event *event) {
	return sbx_event_scope(event->kind) == SBX_SCOPE_LOAN ? event->subject.loan : event->value;
}

static uint32_t event_output(const struct sbx_event *event) {
	return sbx_event_scope(event->kind) == SBX_SCOPE_OUTPUT ? event->output : 0;
}

static int compare(uint64_t a, uint64_t b) {
	return a < b ? -1 : a > b;
}

static int compare_stories(const struct sbx_event *a, const struct sbx_event *b) {
	int order = compare(sbx_event_scope(a->kind), sbx_event_scope(b->kind));
	if (order == 0) {
		order = compare(event_output(a), event_output(b));
	}
	return order != 0 ? order : compare(event_id(a), event_id(b));
}

/* What happened in the same nanosecond is in the order of a life, which is that of the list. */
static int compare_events(const void *left, const void *right) {
	const struct sbx_event *a = left, *b = right;
	int order = compare_stories(a, b);
	if (order == 0) {
		order = a->time_ns < b->time_ns ? -1 : a->time_ns > b->time_ns;
	}
	return order != 0 ? order : compare(a->kind, b->kind);
}

static size_t count_stories(const struct sbx_recording *recording) {
	size_t count = recording->count > 0;
	for (size_t i = 1; i < recording->count; i++) {
		count += compare_stories(&recording->events[i - 1], &recording->events[i]) != 0;
	}
	return count;
}

static void begin_story(struct sbx_story *story, const struct sbx_event *event) {
	*story = (struct sbx_story){
		.scope = sbx_event_scope(event->kind),
		.id = event_id(event),
		.output = event_output(event),
		.events = event,
	};
}

int sbx_stories_tell(struct sbx_recording *recording, struct sbx_stories *stories) {
	*stories = (struct sbx_stories){0};
	if (recording->count == 0) {
		return 0;
	}
	qsort(recording->events, recording->count, sizeof(recording->events[0]), compare_events);
	stories->list = calloc(count_stories(recording), sizeof(stories->list[0]));
	if (stories->list == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < recording->count; i++) {
		const struct sbx_event *event = &recording->events[i];
		if (i == 0 || compare_stories(event - 1, event) != 0) {
			begin_story(&stories->list[stories->count++], event);
		}
		struct sbx_story *story = &stories->list[stories->count - 1];
		story->count++;
		if (story->at[event->kind] == 0) {
			story->at[event->kind] = event->time_ns;
		}
	}
	return 0;
}

void sbx_stories_finish(struct sbx_stories *stories) {
	free(stories->list);
	*stories = (struct sbx_stories){0};
}

static int compare_pass(const void *key, const void *element) {
	const struct sbx_story *story = element;
	if (story->scope != SBX_SCOPE_PASS) {
		return story->scope < SBX_SCOPE_PASS ? 1 : -1;
	}
	return compare(*(const uint64_t *)key, story->id);
}

const struct sbx_story *sbx_stories_find_pass(const struct sbx_stories *stories, uint64_t pass) {
	return stories->count == 0 ? NULL :
		bsearch(&pass, stories->list, stories->count, sizeof(stories->list[0]), compare_pass);
}

const struct sbx_story *sbx_stories_find_drawn(const struct sbx_stories *stories,
		const struct sbx_story *commit) {
	const struct sbx_event *committed = sbx_story_event(commit, SBX_EVENT_OUTPUT_COMMITTED);
	const struct sbx_story *found = NULL;
	for (size_t i = 0; committed != NULL && i < stories->count; i++) {
		const struct sbx_event *began = stories->list[i].scope != SBX_SCOPE_PASS ? NULL :
			sbx_story_event(&stories->list[i], SBX_EVENT_PASS_BEGAN);
		if (began != NULL && began->extra == committed->extra && began->time_ns < committed->time_ns) {
			found = &stories->list[i];
		}
	}
	return found;
}

int64_t sbx_story_begin_ns(const struct sbx_story *story) {
	return story->events[0].time_ns;
}

int64_t sbx_story_end_ns(const struct sbx_story *story) {
	return story->events[story->count - 1].time_ns;
}

const struct sbx_event *sbx_story_event(const struct sbx_story *story, enum sbx_event_kind kind) {
	for (size_t i = 0; i < story->count; i++) {
		if (story->events[i].kind == kind) {
			return &story->events[i];
		}
	}
	return NULL;
}
