/**
 * What a synchronised child commits after a commit of its parent belongs to the parent's next one, also
 * if that earlier one has not been applied yet. wlroots caches a child's commits without saying for which
 * commit of the parent: it locks the first, and lets go of it and of all behind it when any commit of
 * the parent is applied.
 *
 * So the first commit of a child behind each unapplied commit of its parent gets a lock of ours. When
 * that commit of the parent has been applied, the lock is given to wlroots: as if the child had committed
 * only then (wlr_subsurface.has_cache and .cached_seq; docs/decisions/0021-a-childs-later-commit.md).
 *
 * Each stands for a commit that wlroots keeps in memory anyway.
 */
#ifndef SBX_PROTOCOL_KEEP_H
#define SBX_PROTOCOL_KEEP_H

struct sbx_latch;

/** In client_commit: `child` has committed, and may be anything. */
void sbx_keep_commit(struct sbx_latch *child);

/** A commit of `parent` has been applied. May apply commits of its children. */
void sbx_keep_let_go(struct sbx_latch *parent);

/** The surface goes; its children, and what they have committed, stay. */
void sbx_keep_forget(struct sbx_latch *latch);

#endif
