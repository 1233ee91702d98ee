/**
 * A point of one of wlroots' timelines that will say that somebody has read a buffer: a renderer that is
 * not ours, a display engine, a parent compositor. It need not be there yet; wlroots names it before it
 * hands the work out, and some of that work never happens.
 *
 * The event loop's thread only.
 */
#ifndef SBX_LOAN_PROMISE_H
#define SBX_LOAN_PROMISE_H

#include <stdbool.h>
#include <stdint.h>

struct sbx_promise;
struct wlr_drm_syncobj_timeline;

/** How long sbx_promise_look() waits, from its first call on, for a point that does not come. */
#define SBX_PROMISE_PATIENCE_NS INT64_C(1000000000)

/**
 * How long, where the timeline went and the kernel did not let us keep its fences. Drivers end work that
 * takes longer than some ten seconds.
 */
#define SBX_PROMISE_BLIND_NS INT64_C(60000000000)

/**
 * `timeline` is lent; while there is no fd to look at it by oneself, a reference to it is kept. NULL: out
 * of memory. Where its file is none that could be looked at, the promise is one that does not come.
 */
struct sbx_promise *sbx_promise_create(struct wlr_drm_syncobj_timeline *timeline, uint64_t value);
/** NULL is allowed. */
void sbx_promise_destroy(struct sbx_promise *promise);

/** The same for promises that are kept in the order of their points; NULL: in none. */
const void *sbx_promise_get_order(const struct sbx_promise *promise);

/**
 * Look whether it is kept, for a buffer that nobody holds any more. Never waits.
 *
 * 0: *fence (the caller's) signals when it is; -1: it is, or nobody is left who could keep it.
 * -EAGAIN: not known yet, *fence is -1; look again later.
 */
int sbx_promise_look(struct sbx_promise *promise, int *fence);

/**
 * Points of `timeline` (NULL is allowed) are signalled by our renderer, which tells loans by itself what it
 * reads: nobody need follow them.
 */
void sbx_promise_spare(struct wlr_drm_syncobj_timeline *timeline);
bool sbx_promise_is_spared(const struct wlr_drm_syncobj_timeline *timeline);

#endif
