/**
 * The loan of a surface's content, from the commit on.
 *
 * A commit whose texture cannot be made (no memory, the device lost) leaves the surface with the content
 * that it had: wlroots keeps the old texture, or at least its buffer, which can still be scanned out. That
 * loan goes on, then, and the one of the commit ends.
 */
#ifndef SBX_PROTOCOL_CONTENT_H
#define SBX_PROTOCOL_CONTENT_H

#include <signalbox/syncobj.h>
#include <stdbool.h>
#include <stdint.h>

struct sbx_latch;
struct sbx_loan;
struct wlr_client_buffer;

/** Follows the surface's state from pending through cached to current. */
struct sbx_latch_state {
	/** A buffer or nothing was attached: replaces the content, whether or not there is a loan. */
	bool attached;
	/** Owned. */
	struct sbx_loan *loan;
	/** Owned: what `loan` is to take the place of; between move and commit only. */
	struct sbx_loan *replaced;
	/** The loan's. */
	enum sbx_latch_policy policy;
};

/** Give up its loans. */
void sbx_content_drop(struct sbx_latch_state *state);

/** For wlr_surface_synced: `from` takes the place of `to`, which keeps what it had as `replaced`. */
void sbx_content_move(struct sbx_latch_state *to, struct sbx_latch_state *from);

/**
 * The current state was applied: its loan is latched and the replaced one given up, or the other way
 * round where the surface still shows what it did.
 */
void sbx_content_commit(struct sbx_latch *latch);

/**
 * The cached commit `seq`, the first of them, loses its buffer and its loan: the surface keeps the content,
 * and the size, that it has.
 */
void sbx_content_discard(struct sbx_latch *latch, uint32_t seq);

#endif
