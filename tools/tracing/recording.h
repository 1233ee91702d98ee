/**
 * A recording (signalbox/trace.h) read back from its file.
 *
 * Not a reader of JSON: the library writes one event a line with its keys in a known form, and that is
 * what is looked for. What a client calls itself cannot look like a key, as its quotes are escaped.
 */
#ifndef TOOLS_TRACING_RECORDING_H
#define TOOLS_TRACING_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Times are CLOCK_MONOTONIC nanoseconds; 0: it did not happen, or is not known. */
struct trace_loan {
	int64_t loan, client, surface;
	int64_t committed, materialised, signalled, latched, scanned_out, flipped_away, replaced, released;
	int64_t failed, superseded, forced, stalled, late;
	/** The first pass that read it, and how many did. */
	int64_t pass;
	size_t reads;
};

struct trace_pass {
	int64_t pass, began, submitted, ended, gpu_began, gpu_ended, uncertainty;
	/** When an output was given its picture, and when it showed it. */
	int64_t committed, presented;
};

struct trace_client {
	int64_t pid;
	char name[32];
};

struct trace_recording {
	struct trace_loan *loans;
	size_t loan_count, loan_capacity;
	struct trace_pass *passes;
	size_t pass_count, pass_capacity;
	struct trace_client *clients;
	size_t client_count, client_capacity;
	int64_t lost_events;
};

/** False: it cannot be read, or is no recording; said on standard error. */
bool trace_recording_read(struct trace_recording *recording, const char *path);
void trace_recording_finish(struct trace_recording *recording);

/** NULL: it is not there. */
const struct trace_pass *trace_recording_find_pass(const struct trace_recording *recording, int64_t pass);
/** "?": unknown. */
const char *trace_recording_client(const struct trace_recording *recording, int64_t pid);

#endif
