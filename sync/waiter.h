/**
 * "Call me when this point is materialised, or signalled", on a wl_event_loop.
 *
 * A pool belongs to one event loop and to its thread; all calls come from there, and so do all callbacks.
 * Needs libwayland-server and nothing else of Wayland.
 *
 * How it waits: it asks first, and registers an eventfd with the kernel (DRM_IOCTL_SYNCOBJ_EVENTFD) only
 * for what is not there yet. The eventfds come from a small cache. Where the kernel has no such ioctl, or
 * no fd or memory is left, it asks again on a timer (all such points in one batch) and tries to get back
 * to eventfds: a wait is never lost, and an error of registering is never taken for the point.
 *
 * Each eventfd costs two fds, as libwayland watches a duplicate; both count in SBX_COUNT_FDS.
 *
 * Such a registration cannot be cancelled: it lives until the point is reached or the syncobj is freed.
 * The eventfd of a cancelled wait may therefore still fire, and is not used for another wait before it
 * has: it is parked. At most SBX_WAITER_MAX_PARKED are; beyond that the oldest is closed, which costs no
 * fd any more, but the kernel keeps some 200 bytes for it. Whoever lets
 * clients cause cancelled waits bounds them by bounding the client's points and destroying its timelines.
 */
#ifndef SBX_SYNC_WAITER_H
#define SBX_SYNC_WAITER_H

#include <stddef.h>
#include "sync/point.h"

struct sbx_sync;
struct sbx_wait;
struct sbx_waiter_pool;
struct wl_event_loop;

enum {
	/** Idle eventfds kept for the next wait. */
	SBX_WAITER_MAX_IDLE = 16,
	/** eventfds of cancelled waits that the kernel may still fire. */
	SBX_WAITER_MAX_PARKED = 16,
	/** Time between two questions, where eventfds cannot be had: doubles from the one to the other. */
	SBX_WAITER_POLL_MIN_MS = 2,
	SBX_WAITER_POLL_MAX_MS = 64,
};

enum sbx_wait_for {
	SBX_WAIT_MATERIALISED,
	SBX_WAIT_SIGNALLED,
};

/**
 * Called once, from the event loop. status is 0 when the point is there; -EBADF: there is no such handle
 * (any more; only the timer notices); -ECANCELED: the pool is being destroyed. Whether the fence failed
 * is not known here: sbx_fence_status().
 *
 * The wait is gone with this call: forget the pointer. Anything may be done in here: new waits, cancelling
 * others (or this one: no effect), even destroying the pool.
 */
typedef void (*sbx_wait_func)(void *data, int status);

/** Both lent, and must outlive the pool. 0 or -errno (-ENOMEM, -EMFILE); then *pool is NULL. */
int sbx_waiter_pool_create(struct sbx_sync *sync, struct wl_event_loop *loop,
	struct sbx_waiter_pool **pool);

/** Outstanding waits are called with -ECANCELED first. NULL is allowed. */
void sbx_waiter_pool_destroy(struct sbx_waiter_pool *pool);

/**
 * Wait for `point`. The handle must stay valid until the callback or sbx_wait_cancel().
 *
 * 1: it is there already; nothing is registered, func will not be called, *wait is NULL.
 * 0: func will be called later, never from within this call; *wait is valid until then.
 * -errno (-EBADF: no such handle, -ENOMEM, -ECANCELED: called while the pool is being destroyed): func
 * will not be called, *wait is NULL.
 */
int sbx_waiter_add(struct sbx_waiter_pool *pool, struct sbx_point point, enum sbx_wait_for wait_for,
	sbx_wait_func func, void *data, struct sbx_wait **wait);

/** func will not be called any more. At any time before it is; NULL is allowed. */
void sbx_wait_cancel(struct sbx_wait *wait);

struct sbx_waiter_stats {
	/** Waits with an eventfd, and those that are asked for on the timer. */
	size_t registered, polled;
	/** eventfds ready for use, and those that the kernel may still fire for a cancelled wait. */
	size_t idle, parked;
	/** How many parked eventfds had to be closed before they fired, ever. */
	size_t abandoned;
};

void sbx_waiter_pool_get_stats(const struct sbx_waiter_pool *pool, struct sbx_waiter_stats *stats);

#endif
