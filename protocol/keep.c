#include <stdint.h>
#include <stdlib.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_subcompositor.h>
#include "loan/quota.h"
#include "protocol/keep.h"
#include "protocol/latch.h"

struct keep {
	struct sbx_latch *parent, *child;
	struct wl_list parent_link; // sbx_latch.kept_children
	struct wl_list child_link; // sbx_latch.kept, oldest first
	/** The parent's commit that it comes after. */
	uint32_t after_seq;
	/** The child's commit, which is locked. */
	uint32_t seq;
	struct wl_listener role_destroy;
};

/* The lock stays. */
static void keep_destroy(struct keep *keep) {
	wl_list_remove(&keep->parent_link);
	wl_list_remove(&keep->child_link);
	wl_list_remove(&keep->role_destroy.link);
	free(keep);
}

static void unlock(struct keep *keep) {
	struct wlr_surface *surface = keep->child->surface;
	uint32_t seq = keep->seq;
	keep_destroy(keep);
	wlr_surface_unlock_cached(surface, seq);
}

/* Where wlroots has a lock, it is on an earlier commit, and ours is not needed. */
static void give_to_wlroots(struct keep *keep) {
	struct wlr_subsurface *subsurface = wlr_subsurface_try_from_wlr_surface(keep->child->surface);
	if (!sbx_latch_is_synchronised(subsurface) || subsurface->has_cache) {
		unlock(keep);
		return;
	}
	subsurface->has_cache = true;
	subsurface->cached_seq = keep->seq;
	keep_destroy(keep);
}

/* wlroots heard of it before us: the surface is no subsurface any more. */
static void handle_role_destroy(struct wl_listener *listener, void *data) {
	struct keep *keep = wl_container_of(listener, keep, role_destroy);
	if (keep->child->quota->leaving) {
		keep_destroy(keep);
	} else {
		unlock(keep);
	}
}

static bool is_kept_after(const struct sbx_latch *child, uint32_t parent_seq) {
	if (wl_list_empty(&child->kept)) {
		return false;
	}
	const struct keep *last = wl_container_of(child->kept.prev, last, child_link);
	return last->after_seq == parent_seq;
}

static void keep_create(struct sbx_latch *parent, struct sbx_latch *child, uint32_t after_seq) {
	struct keep *keep = calloc(1, sizeof(*keep));
	if (keep == NULL) {
		return; // as wlroots would have it
	}
	keep->parent = parent;
	keep->child = child;
	keep->after_seq = after_seq;
	keep->seq = wlr_surface_lock_pending(child->surface);
	keep->role_destroy.notify = handle_role_destroy;
	wl_resource_add_destroy_listener(child->surface->role_resource, &keep->role_destroy);
	wl_list_insert(parent->kept_children.prev, &keep->parent_link);
	wl_list_insert(child->kept.prev, &keep->child_link);
}

void sbx_keep_commit(struct sbx_latch *child) {
	struct wlr_subsurface *subsurface = wlr_subsurface_try_from_wlr_surface(child->surface);
	if (subsurface == NULL || !subsurface->synchronized || wl_list_empty(&subsurface->parent->cached)) {
		return;
	}
	const struct wlr_surface_state *last =
		wl_container_of(subsurface->parent->cached.prev, last, cached_state_link);
	struct sbx_latch *parent = sbx_latch_get(child->manager, subsurface->parent);
	if (parent != NULL && !is_kept_after(child, last->seq)) {
		keep_create(parent, child, last->seq);
	}
}

/* Sequence numbers may wrap around. */
static bool is_applied(const struct keep *keep) {
	return (int32_t)(keep->parent->surface->current.seq - keep->after_seq) >= 0;
}

void sbx_keep_let_go(struct sbx_latch *parent) {
	while (!wl_list_empty(&parent->kept_children)) {
		struct keep *keep = wl_container_of(parent->kept_children.next, keep, parent_link);
		if (!is_applied(keep)) {
			break; // and those behind it come after the same commit, or later ones
		}
		give_to_wlroots(keep);
	}
}

void sbx_keep_forget(struct sbx_latch *latch) {
	while (!wl_list_empty(&latch->kept)) {
		struct keep *keep = wl_container_of(latch->kept.next, keep, child_link);
		keep_destroy(keep);
	}
	while (!wl_list_empty(&latch->kept_children)) {
		struct keep *keep = wl_container_of(latch->kept_children.next, keep, parent_link);
		if (latch->quota->leaving) {
			keep_destroy(keep);
		} else {
			unlock(keep);
		}
	}
}
