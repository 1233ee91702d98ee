/**
 * The events of a recording, put together: one story for each loan, pass and commit of an output.
 */
#ifndef SBX_TRACE_STORY_H
#define SBX_TRACE_STORY_H

#include <stddef.h>
#include <stdint.h>
#include "trace/event.h"

struct sbx_recording;

struct sbx_story {
	enum sbx_event_scope scope;
	/** The loan, the pass or the commit, and whose: the output. */
	uint64_t id;
	uint32_t output;
	/** By time; lent by the recording. */
	const struct sbx_event *events;
	size_t count;
	/** When each kind happened first; 0: it did not, or that is lost. */
	int64_t at[SBX_EVENT_KINDS];
};

struct sbx_stories {
	/** Loans, then passes, then outputs; each by id. */
	struct sbx_story *list;
	size_t count;
};

/** Sorts recording->events, which must outlive them. 0 or -ENOMEM. */
int sbx_stories_tell(struct sbx_recording *recording, struct sbx_stories *stories);

void sbx_stories_finish(struct sbx_stories *stories);

/** NULL: there is none. */
const struct sbx_story *sbx_stories_find_pass(const struct sbx_stories *stories, uint64_t pass);

/** The pass that drew what this commit of an output shows; NULL: unknown, or it shows a client's buffer. */
const struct sbx_story *sbx_stories_find_drawn(const struct sbx_stories *stories,
	const struct sbx_story *commit);

int64_t sbx_story_begin_ns(const struct sbx_story *story);
int64_t sbx_story_end_ns(const struct sbx_story *story);

/** The first event of that kind; NULL: none. */
const struct sbx_event *sbx_story_event(const struct sbx_story *story, enum sbx_event_kind kind);

#endif
