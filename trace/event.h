/**
 * What is recorded of loans, passes and outputs: the one list of events. docs/tracing.md explains each.
 */
#ifndef SBX_TRACE_EVENT_H
#define SBX_TRACE_EVENT_H

#include <stdint.h>

/*
 * kind, name, whom it is about, and what its `value` and its `extra` are; NULL: nothing. A test compares
 * the names with docs/tracing.md.
 */
#define SBX_EVENTS(X) \
	/* The life of a loan, in its order. */ \
	X(COMMITTED, "committed", LOAN, NULL, NULL) \
	X(MATERIALISED, "materialised", LOAN, NULL, NULL) \
	X(SIGNALLED, "signalled", LOAN, "fence ns", NULL) \
	X(LATCHED, "latched", LOAN, NULL, NULL) \
	X(READ, "read", LOAN, "pass", NULL) \
	X(SCANOUT_QUEUED, "scanout-queued", LOAN, "commit", NULL) \
	X(SCANNED_OUT, "scanned-out", LOAN, "commit", NULL) \
	X(FLIPPED_AWAY, "flipped-away", LOAN, "commit", NULL) \
	X(REPLACED, "replaced", LOAN, NULL, NULL) \
	X(RELEASED, "released", LOAN, "pending readers", NULL) \
	/* Out of the ordinary. */ \
	X(FAILED, "failed", LOAN, "fence ns", NULL) \
	X(SUPERSEDED, "superseded", LOAN, NULL, NULL) \
	X(FORCED, "forced", LOAN, NULL, NULL) \
	X(STALLED, "stalled", LOAN, "age ns", NULL) \
	/* Under the policy DEADLINE. */ \
	X(PREDICTED, "predicted", LOAN, "need ns", NULL) \
	X(LATE, "late", LOAN, "need ns", NULL) \
	/* What reads loans. */ \
	X(PASS_BEGAN, "pass-began", PASS, "pass", "target") \
	X(PASS_SUBMITTED, "pass-submitted", PASS, "pass", "submission") \
	X(PASS_ENDED, "pass-ended", PASS, "pass", "error") \
	X(GPU_BEGAN, "gpu-began", PASS, "pass", "uncertainty ns") \
	X(GPU_ENDED, "gpu-ended", PASS, "pass", "uncertainty ns") \
	/* What shows them. */ \
	X(OUTPUT_COMMITTED, "output-committed", OUTPUT, "commit", "target") \
	X(OUTPUT_PRESENTED, "output-presented", OUTPUT, "commit", "refresh ns")

enum sbx_event_kind {
#define X(kind, name, scope, value, extra) SBX_EVENT_##kind,
	SBX_EVENTS(X)
#undef X
	SBX_EVENT_KINDS,
};

enum sbx_event_scope {
	SBX_SCOPE_LOAN,
	SBX_SCOPE_PASS,
	SBX_SCOPE_OUTPUT,
};

/** Whom a loan's events are about. Lives in the loan, and costs nothing while nothing is recorded. */
struct sbx_subject {
	/** Never given twice, never 0. */
	uint64_t loan;
	/** The client; 0: unknown. */
	int32_t pid;
	/** The protocol ids of the wl_surface and of the two timelines. */
	uint32_t surface, acquire_timeline, release_timeline;
	uint64_t acquire_point, release_point;
};

struct sbx_event {
	/** CLOCK_MONOTONIC. */
	int64_t time_ns;
	enum sbx_event_kind kind;
	/** sbx_recorder_name_output(); 0: none. */
	uint32_t output;
	uint64_t value, extra;
	/** loan is 0: about none. */
	struct sbx_subject subject;
};

/** "pass-began". Static. */
const char *sbx_event_name(enum sbx_event_kind kind);

enum sbx_event_scope sbx_event_scope(enum sbx_event_kind kind);

/** What event.value and event.extra are, "pass". Static; NULL: they say nothing. */
const char *sbx_event_value_name(enum sbx_event_kind kind);
const char *sbx_event_extra_name(enum sbx_event_kind kind);

#endif
