/**
 * What all loans of one display share: the DRM node, the event loop, the clients' bounds, and the timer
 * on which whatever failed is tried again.
 */
#ifndef SBX_LOAN_DESK_H
#define SBX_LOAN_DESK_H

#include <wayland-server-core.h>
#include "loan/quota.h"
#include "loan/watch.h"

struct sbx_sync;
struct sbx_waiter_pool;
struct wlr_drm_syncobj_timeline;

enum {
	/** Between two tries: doubles from the one to the other. */
	SBX_DESK_RETRY_MIN_MS = 1,
	SBX_DESK_RETRY_MAX_MS = 32,
};

struct sbx_desk {
	struct sbx_sync *sync;
	struct sbx_waiter_pool *pool;
	struct wl_event_loop *loop;
	struct wl_event_source *timer;
	int interval_ms; // 0: the timer is not running
	struct wl_list loans; // sbx_loan.link
	struct wl_list troubled_gates; // sbx_gate.link
	/** Of offer.c: all that are left, and the two that loans share. */
	struct wl_list offers;
	struct wlr_drm_syncobj_timeline *ready, *never;
	struct sbx_quotas quotas;
	struct sbx_watch watch;
	/** Acquire fences that failed, ever. */
	uint64_t failed;
};

/** drm_fd is lent (duplicated), `loop` must outlive it. 0 or -errno; then nothing is left behind. */
int sbx_desk_init(struct sbx_desk *desk, int drm_fd, struct wl_event_loop *loop,
	const struct sbx_syncobj_limits *limits);

/**
 * Every loan must have been dropped. Those that have not ended yet do so now; for a reader that cannot
 * be handed over it waits, a tenth of a second altogether.
 */
void sbx_desk_finish(struct sbx_desk *desk);

/** Something failed, or cannot be heard of in another way: try again soon. */
void sbx_desk_retry(struct sbx_desk *desk);

#endif
