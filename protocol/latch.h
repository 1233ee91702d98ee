/**
 * When commits become content. A latch belongs to one wlr_surface, whether or not its client has a syncobj
 * object for it (any more): it keeps the loans of what was committed, and holds back commits.
 *
 * A hold keeps one commit (wlr_surface_lock_pending()) while
 * - its acquire point does not let it latch (manager's or surface's policy; deadline.h), or
 * - a synchronised child has commits that are held: a lock on the child alone would not keep wlroots from
 *   showing the parent without the child's new content, or
 * - an earlier commit of the surface is held: they latch in order.
 * What a synchronised child commits afterwards is kept for the parent's next commit: keep.h.
 *
 * Holds end early in three cases; what they held is then applied, but never seen, as something else takes
 * its place before the event loop runs again:
 * - a buffer is committed, or becomes ready, behind them: it supersedes them, unless a parent waits for
 *   one of them;
 * - nothing is attached: wlroots checks requests against the state of now and would apply them to the
 *   state of later, and dies of the difference (docs/decisions/0011-unmap-ends-holds.md);
 * - the role object goes: the same reason.
 *
 * A commit whose fence fails loses its buffer and damage, and is applied with all its other state.
 */
#ifndef SBX_PROTOCOL_LATCH_H
#define SBX_PROTOCOL_LATCH_H

#include <signalbox/syncobj.h>
#include <stdbool.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_linux_drm_syncobj_v1.h>
#include <wlr/util/addon.h>
#include "loan/forecast.h"
#include "protocol/content.h"
#include "protocol/deadline.h"

struct sbx_loan;
struct sbx_quota;
struct sbx_syncobj_manager;
struct sbx_syncobj_surface;
struct wlr_subsurface;

struct sbx_latch {
	struct sbx_syncobj_manager *manager;
	struct wlr_surface *surface;
	struct sbx_quota *quota;
	/** NULL: the client has none. */
	struct sbx_syncobj_surface *object;
	/** -1: the manager's. */
	int policy;
	struct wl_list holds; // oldest first
	/** What it committed behind a commit of its parent, and what its children did behind its own: keep.c. */
	struct wl_list kept, kept_children;
	/** How long the surface's commits take to be signalled. */
	struct sbx_forecast forecast;
	struct sbx_bet bet;

	struct wlr_addon addon; // of the surface
	struct wlr_surface_synced synced;
	struct sbx_latch_state pending, current;
	/** The surface's texture after the last commit; only compared. */
	const struct wlr_client_buffer *shown;
	struct wl_listener client_commit;
	/** While there are holds: the role's objects; initialised links otherwise. */
	struct wl_listener role_destroy, xdg_role_destroy;
	/** What wlroots is told of `current`; interpose.h. */
	struct wlr_linux_drm_syncobj_surface_v1_state answer;
};

/** Find it, or make it; NULL: out of memory. Lives as long as the surface. */
struct sbx_latch *sbx_latch_get(struct sbx_syncobj_manager *manager, struct wlr_surface *surface);

/** NULL: the surface has none. */
struct sbx_latch *sbx_latch_find(struct sbx_syncobj_manager *manager, struct wlr_surface *surface);
/** For deadline.c: it is an output's last moment for rendering. What can be expected in time is applied. */
void sbx_latch_ask(struct sbx_syncobj_manager *manager, struct sbx_pace *pace);

/** Whether its commits wait for its parent's: it is synchronised, or one of its ancestors is. NULL: no. */
bool sbx_latch_is_synchronised(struct wlr_subsurface *subsurface);

#endif
