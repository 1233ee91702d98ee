/**
 * When a frame may be shown: its fence, as a point of a timeline or as a sync_file, watched on the event
 * loop.
 *
 *	PENDING ──▶ DONE
 *	   └──────▶ FAILED     the fence signalled with an error
 *
 * The event loop's thread only.
 */
#ifndef SBX_BACKEND_READINESS_H
#define SBX_BACKEND_READINESS_H

#include <stdint.h>
#include "loan/gate.h"

struct sbx_desk;
struct wl_event_loop;
struct wl_event_source;

enum sbx_readiness_state {
	SBX_READINESS_DONE, // nothing is awaited: what zeroed memory says, too
	SBX_READINESS_PENDING,
	SBX_READINESS_FAILED,
};

struct sbx_readiness {
	enum sbx_readiness_state state;
	/** When it was done (CLOCK_MONOTONIC), or found to be; 0: when it began. */
	int64_t done_ns;
	/** It is DONE, or FAILED, by itself. From the event loop, never from sbx_readiness_await_*(). */
	void (*notify)(struct sbx_readiness *readiness);

	struct sbx_gate gate;
	int fence_fd; // while PENDING on a sync_file
	struct wl_event_source *source;
};

/**
 * Wait for a point; materialised or not. What was awaited before is cancelled. Cannot fail: what cannot be
 * registered is tried again (loan/gate.h).
 */
void sbx_readiness_await_point(struct sbx_readiness *readiness, struct sbx_desk *desk,
	struct sbx_point point, void (*notify)(struct sbx_readiness *readiness));

/**
 * Wait for a sync_file (consumed; -1 has signalled). What was awaited before is cancelled. 0, or -ENOMEM
 * (no fd or memory to watch it): then *sync_file is as it was, and so is what was awaited before.
 */
int sbx_readiness_await_fence(struct sbx_readiness *readiness, struct wl_event_loop *loop, int *sync_file,
	void (*notify)(struct sbx_readiness *readiness));

/** Nothing is awaited any more: DONE, without a call. At any time; zeroed memory is allowed. */
void sbx_readiness_cancel(struct sbx_readiness *readiness);

#endif
