/**
 * What wlroots is given to wait for before it reads what is on loan, in its own terms: a timeline and a
 * point. It hands them to whoever reads: a renderer, the display engine (IN_FENCE_FD), a parent compositor.
 *
 * They are never the client's. The loan's fence stands on a timeline of ours, which the client cannot
 * reset, and which lives for as long as wlroots holds it (a snapshot, an output state).
 *
 * The event loop's thread only.
 */
#ifndef SBX_LOAN_OFFER_H
#define SBX_LOAN_OFFER_H

#include <stdbool.h>

struct sbx_desk;
struct sbx_loan;
struct wlr_drm_syncobj_timeline;

/** The point of all these timelines. */
enum { SBX_OFFER_POINT = 1 };

/** For the desk: make the two that all loans share. 0 or -errno. sbx_offers_finish() in any case. */
int sbx_offers_init(struct sbx_desk *desk);
/** No loan is left. What wlroots still holds is good for nothing from now on. */
void sbx_offers_finish(struct sbx_desk *desk);

/**
 * Make a timeline whose point signals with the loan's fence, unless there is one or nothing is to be
 * waited for. Call it before content that has not been signalled becomes its surface's.
 *
 * False: it cannot be had (no fence yet, no memory, no fd): then such content must not be shown.
 */
bool sbx_loan_make_offer(struct sbx_loan *loan);

/**
 * What to wait for. Lent; valid as long as the loan, unless it is referenced. A point that has been
 * signalled, one that sbx_loan_make_offer() made, or else one that never comes: whoever gets that cannot
 * read.
 */
struct wlr_drm_syncobj_timeline *sbx_loan_get_offer(const struct sbx_loan *loan);

/** Whether its point is one that has been signalled from the start: nothing to wait for. NULL is allowed. */
bool sbx_offer_is_ready(const struct wlr_drm_syncobj_timeline *timeline);

#endif
