/**
 * Points that do not come: one line in the log for each, which says whose it is and who it waits for.
 */
#ifndef SBX_TRACE_STALL_H
#define SBX_TRACE_STALL_H

#include <stdbool.h>
#include <stdint.h>
#include "trace/event.h"

/** Who a point waits for. */
enum sbx_stall_holder {
	/** Acquire: the client has not submitted the work that would signal it. */
	SBX_STALL_CLIENT_SUBMIT,
	/** Acquire: the client's work is on its way, and not done. */
	SBX_STALL_CLIENT_WORK,
	/** Release: an output scans the buffer out, or is about to. */
	SBX_STALL_OUTPUT,
	/** Release: somebody has locked the buffer: a snapshot, a capture, the compositor. */
	SBX_STALL_LOCK,
	/** Release: one of our passes that read it is not done. */
	SBX_STALL_PASS,
	/** Release: a fence that sbx_syncobj_buffer_add_reader() was given has not signalled. */
	SBX_STALL_READER,
	/** Release: the kernel does not take our fence, and it is tried again. */
	SBX_STALL_KERNEL,
};

struct sbx_stall {
	const struct sbx_subject *subject;
	/** "foot"; "?": unknown. */
	const char *client;
	enum sbx_stall_holder holder;
	/** Of SBX_STALL_OUTPUT. */
	const char *output;
	/** SBX_STALL_LOCK: how many locks. SBX_STALL_PASS: the submission. */
	uint64_t number;
	/** Acquire: its surface shows the buffer already, with a GPU that waits. */
	bool latched;
	int64_t age_ns;
};

/** How often one may be talked about: SBX_STALL_LINES in SBX_STALL_WINDOW_NS. All zero at first. */
struct sbx_stall_limit {
	int64_t since_ns;
	unsigned said, kept_back;
};

enum {
	SBX_STALL_LINES = 4,
	/** Of all clients together. */
	SBX_STALL_ALL_LINES = 16,
};
#define SBX_STALL_WINDOW_NS INT64_C(10000000000)

/**
 * Log it, unless `limit` (that of its client) or the one for all clients is used up; then the next line
 * that is said tells how many were not. `now_ns` is CLOCK_MONOTONIC. Recorded and counted in any case.
 * Returns whether it was said.
 */
bool sbx_stall_report(const struct sbx_stall *stall, struct sbx_stall_limit *limit, int64_t now_ns);

/**
 * Sets *bound_ms to what SIGNALBOX_STALL_MS says, if it says a number from 0 (never) on. Nonsense is
 * logged, and *bound_ms stays as it is.
 */
void sbx_stall_bound_from_environment(uint32_t *bound_ms);

#endif
