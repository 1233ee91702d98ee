/**
 * The process's recorder: whether events are kept, and where. The public half is signalbox/trace.h.
 *
 * Any thread, except where a function says otherwise.
 */
#ifndef SBX_TRACE_RECORDER_H
#define SBX_TRACE_RECORDER_H

#include <signalbox/trace.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "trace/event.h"

extern bool sbx_recorder_running;

/** Whether anything is recorded: one load and one branch that is predicted well. */
static inline bool sbx_is_tracing(void) {
	return __builtin_expect(__atomic_load_n(&sbx_recorder_running, __ATOMIC_RELAXED), false);
}

/** Record *event as it is, but with the time of now if time_ns is 0. */
void sbx_recorder_add(const struct sbx_event *event);

/** One line at a change of state: something happened to a loan, now. */
static inline void sbx_trace_loan(enum sbx_event_kind kind, const struct sbx_subject *subject,
		uint64_t value) {
	if (sbx_is_tracing()) {
		sbx_recorder_add(&(struct sbx_event){ .kind = kind, .subject = *subject, .value = value });
	}
}

/** The same of a pass. */
static inline void sbx_trace_pass(enum sbx_event_kind kind, uint64_t pass, uint64_t extra) {
	if (sbx_is_tracing()) {
		sbx_recorder_add(&(struct sbx_event){ .kind = kind, .value = pass, .extra = extra });
	}
}

/** CLOCK_MONOTONIC. */
int64_t sbx_recorder_now_ns(void);

/** Start as SIGNALBOX_TRACE says, once in the process; where that is not set, nothing. */
void sbx_recorder_init(void);

/**
 * A number for the output of that name, for sbx_event.output: the same for the same name. 0: there are
 * too many.
 */
uint32_t sbx_recorder_name_output(const char *name);
/** And for people: what `pid` is called, for as long as the table has room. */
void sbx_recorder_name_client(int32_t pid, const char *name);

/** Copies (at most size - 1 bytes) what it is called, or "?". */
void sbx_recorder_output_name(uint32_t output, char *name, size_t size);
void sbx_recorder_client_name(int32_t pid, char *name, size_t size);

/** Something whose events come late: collect(data) adds what is there by now. */
struct sbx_recorder_source {
	void (*collect)(void *data);
	void *data;
	struct sbx_recorder_source *next;
};

/** The thread that adds it is the one that calls it: sbx_trace_write() on other threads goes without. */
void sbx_recorder_add_source(struct sbx_recorder_source *source);
void sbx_recorder_remove_source(struct sbx_recorder_source *source);

/** What is in the ring now, oldest first. */
struct sbx_recording {
	struct sbx_event *events;
	size_t count;
	/** Overwritten, or being written. */
	uint64_t lost;
};

/** 0 or -ENOMEM. Freed with free(recording->events). */
int sbx_recorder_read(struct sbx_recording *recording);

#endif
