/**
 * A buffer that a client has committed with an acquire and a release point, from there until the release
 * point is signalled: exactly once, and not before nobody reads the buffer for this commit any more.
 *
 *	HELD ──latch──▶ CURRENT ──replaced──▶ REPLACED ──nobody holds the buffer──▶ ENDING ──▶ gone
 *	  └──────────────── never to be content ─────────────────────────────────────▲
 *
 * HELD: committed, not yet its surface's content. Its gate (gate.h) says whether it may be.
 * CURRENT: its surface's content, or on the way there.
 * REPLACED: other content has taken its place, or nothing, or the surface is gone; somebody still holds a
 * lock of the wlr_buffer (a KMS plane, a snapshot, a capture) and may begin to read it.
 * ENDING: what is left are readers that have begun (reader.h): their fences go into the release point,
 * which is then materialised at once and signalled by the GPU; with no reader it is signalled from the
 * CPU. Usually over in the same call. What fails is tried again on the desk's timer.
 *
 * Loans hang on the wlr_buffer (an addon): there protocol, renderer and backend meet, and need not know
 * each other. One buffer can be on loan several times, as clients may commit it again.
 *
 * The event loop's thread only.
 */
#ifndef SBX_LOAN_LOAN_H
#define SBX_LOAN_LOAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include "loan/gate.h"
#include "trace/event.h"

struct sbx_client_timeline;
struct sbx_desk;
struct sbx_loan_book;
struct sbx_reader;
struct wlr_buffer;
struct wlr_drm_syncobj_timeline;

enum sbx_loan_state {
	SBX_LOAN_HELD,
	SBX_LOAN_CURRENT,
	SBX_LOAN_REPLACED,
	SBX_LOAN_ENDING,
};

struct sbx_loan {
	struct sbx_desk *desk;
	struct wl_list link; // sbx_desk.loans, oldest first
	enum sbx_loan_state state;
	/** The buffer's loans, and this one's place among them, oldest first; NULL: the buffer is gone. */
	struct sbx_loan_book *book;
	struct wl_list book_link;

	struct sbx_client_timeline *acquire, *release;
	uint64_t acquire_value, release_value;
	struct sbx_gate gate;
	/** What wlroots is given to wait for, if it was made; offer.h. */
	struct wlr_drm_syncobj_timeline *offer;
	struct sbx_reader **readers;
	size_t reader_count, reader_capacity;
	bool trouble_logged;

	/** Who we are, for messages and the recording, and the last pass that it says has read it. */
	struct sbx_subject subject;
	uint64_t traced_pass;
	/** Since when the present point is waited for; 0: it is not. And of which a stall was reported. */
	int64_t since_ns;
	bool acquire_stalled, release_stalled;

	/** The gate has changed by itself, while the loan is HELD or CURRENT; gate.h. */
	void (*notify)(struct sbx_loan *loan, void *data);
	void *data;
};

struct sbx_loan_terms {
	/** Locked by the commit, as wlroots does. */
	struct wlr_buffer *buffer;
	/** The protocol id of the wl_surface, for messages. */
	uint32_t surface_id;
	/** Referenced. */
	struct sbx_client_timeline *acquire, *release;
	uint64_t acquire_value, release_value;
	void (*notify)(struct sbx_loan *loan, void *data);
	void *data;
};

/**
 * Open a loan and its gate; state HELD. The pointer is the caller's until sbx_loan_drop().
 *
 * 0; -EDQUOT: the client is owed too many points; -ENOMEM. Then *loan is NULL and nothing is owed.
 */
int sbx_loan_open(struct sbx_desk *desk, const struct sbx_loan_terms *terms, struct sbx_loan **loan);

/** It becomes its surface's content. */
void sbx_loan_latch(struct sbx_loan *loan);

/**
 * Do not wait for the acquire point any more: it will not be seen. `why` is SBX_EVENT_SUPERSEDED (a later
 * commit overtakes it) or SBX_EVENT_FORCED (it is applied now, whatever the point says).
 */
void sbx_loan_give_up(struct sbx_loan *loan, enum sbx_event_kind why);

/**
 * It is not its surface's content any more, or never will be. The pointer is given up: the loan ends by
 * itself.
 */
void sbx_loan_drop(struct sbx_loan *loan);

/** The buffer; NULL: it is gone. */
struct wlr_buffer *sbx_loan_get_buffer(const struct sbx_loan *loan);

/** For the desk: look again whether it can end. May be its end. */
void sbx_loan_retry(struct sbx_loan *loan);

/** For the desk's end: wait for the readers until deadline_ns (CLOCK_MONOTONIC), then end it. */
void sbx_loan_end_now(struct sbx_loan *loan, int64_t deadline_ns);

/** How many locks are on its buffer, without those of commits that are held; 0: the buffer is gone. */
size_t sbx_loan_count_locks(const struct sbx_loan *loan);

/* For those who read buffers: */

/** Whether anybody wants to know who reads `buffer`. */
bool sbx_buffer_is_on_loan(const struct wlr_buffer *buffer);

/**
 * What to wait for before `buffer` may be sampled, if it is on loan and is content, or was and is held.
 *
 * 0: *fence is -1 (nothing) or a sync_file (lent, valid until the event loop runs).
 * -EAGAIN: it must not be sampled: its acquire point is not materialised, or its fence has failed.
 */
int sbx_buffer_get_acquire_fence(const struct wlr_buffer *buffer, int *fence);

/**
 * `reader` (referenced) reads `buffer`: all its loans that are not over wait for it. Call it while the
 * buffer is locked. False: out of memory, nothing has changed; the caller makes sure that the reader is
 * done before the buffer is unlocked.
 */
bool sbx_buffer_add_reader(struct wlr_buffer *buffer, struct sbx_reader *reader);

/* For the recording (trace/): */

/** Pass `pass` reads `buffer`. Of the same pass it is recorded once. */
void sbx_buffer_trace_read(const struct wlr_buffer *buffer, uint64_t pass);

/** The loan that is its content, or was; the youngest one. NULL: it is not on loan. Lent. */
const struct sbx_subject *sbx_buffer_get_subject(const struct wlr_buffer *buffer);

/** What the recording calls a buffer that passes draw into; never 0. */
uint64_t sbx_buffer_trace_id(const struct wlr_buffer *buffer);

#endif
