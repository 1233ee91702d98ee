#include <errno.h>
#include <stdlib.h>
#include <wlr/render/drm_syncobj.h>
#include "loan/desk.h"
#include "loan/loan.h"
#include "loan/offer.h"
#include "sync/syncobj.h"
#include "sync/timeline.h"

struct offer {
	struct wlr_drm_syncobj_timeline *timeline;
	struct wlr_addon addon; // of the timeline
	struct wl_list link; // sbx_desk.offers
	/** NULL: the desk has gone. */
	struct sbx_timeline *own;
	bool ready;
};

/*
 * wlroots will ask the kernel to destroy a handle: one that nobody has. Not 0: asked to destroy that,
 * Linux 7.2 (seen, there) gives it out as the next handle; to everybody here it means "none", and wlroots
 * would destroy it with the next offer, whoever's it is then.
 */
#define NOBODYS_HANDLE UINT32_MAX

static void destroy_handle(struct offer *offer) {
	sbx_timeline_destroy(offer->own);
	offer->own = NULL;
	offer->timeline->handle = NOBODYS_HANDLE;
	wl_list_remove(&offer->link);
	wl_list_init(&offer->link);
}

/* The last reference has gone; wlroots frees the timeline. */
static void handle_timeline_destroy(struct wlr_addon *addon) {
	struct offer *offer = wl_container_of(addon, offer, addon);
	destroy_handle(offer);
	wlr_addon_finish(&offer->addon);
	free(offer);
}

static const struct wlr_addon_interface addon_impl = {
	.name = "sbx_offer",
	.destroy = handle_timeline_destroy,
};

static struct offer *find(const struct wlr_drm_syncobj_timeline *timeline) {
	// Looking does not change it, but the set has no const function.
	struct wlr_addon_set *addons = (struct wlr_addon_set *)&timeline->addons;
	struct wlr_addon *addon = wlr_addon_find(addons, NULL, &addon_impl);
	struct offer *offer = NULL;
	return addon != NULL ? wl_container_of(addon, offer, addon) : NULL;
}

/*
 * wlr_drm_syncobj_timeline_create() would make the handle itself, past sync/, and destroy it by the number
 * of a file descriptor that may have been closed by then.
 */
static struct offer *create(struct sbx_desk *desk) {
	struct offer *offer = calloc(1, sizeof(*offer));
	struct wlr_drm_syncobj_timeline *timeline = calloc(1, sizeof(*timeline));
	if (offer == NULL || timeline == NULL || sbx_timeline_create(desk->sync, &offer->own) < 0) {
		free(offer);
		free(timeline);
		return NULL;
	}
	timeline->drm_fd = sbx_sync_get_drm_fd(desk->sync);
	timeline->handle = sbx_timeline_point(offer->own, SBX_OFFER_POINT).handle;
	timeline->WLR_PRIVATE.n_refs = 1;
	wlr_addon_set_init(&timeline->addons);
	wlr_addon_init(&offer->addon, &timeline->addons, NULL, &addon_impl);
	offer->timeline = timeline;
	wl_list_insert(&desk->offers, &offer->link);
	return offer;
}

int sbx_offers_init(struct sbx_desk *desk) {
	struct offer *ready = create(desk);
	desk->ready = ready != NULL ? ready->timeline : NULL;
	struct offer *never = create(desk);
	desk->never = never != NULL ? never->timeline : NULL;
	if (ready == NULL || never == NULL) {
		return -ENOMEM;
	}
	struct sbx_point point = sbx_timeline_point(ready->own, SBX_OFFER_POINT);
	ready->ready = true;
	return sbx_points_signal(desk->sync, &point, 1);
}

void sbx_offers_finish(struct sbx_desk *desk) {
	wlr_drm_syncobj_timeline_unref(desk->ready);
	wlr_drm_syncobj_timeline_unref(desk->never);
	desk->ready = desk->never = NULL;
	struct offer *offer, *next;
	wl_list_for_each_safe(offer, next, &desk->offers, link) {
		destroy_handle(offer);
	}
}

bool sbx_loan_make_offer(struct sbx_loan *loan) {
	if (loan->gate.state == SBX_GATE_SIGNALLED || loan->offer != NULL) {
		return true;
	}
	if (loan->gate.state != SBX_GATE_MATERIALISED) {
		return false;
	}
	struct offer *offer = create(loan->desk);
	if (offer == NULL) {
		return false;
	}
	struct sbx_point point = sbx_timeline_point(offer->own, SBX_OFFER_POINT);
	if (sbx_point_import_sync_file(loan->desk->sync, point, loan->gate.fence_fd) < 0) {
		wlr_drm_syncobj_timeline_unref(offer->timeline);
		return false;
	}
	loan->offer = offer->timeline;
	return true;
}

struct wlr_drm_syncobj_timeline *sbx_loan_get_offer(const struct sbx_loan *loan) {
	if (loan->gate.state == SBX_GATE_SIGNALLED) {
		return loan->desk->ready;
	}
	return loan->offer != NULL ? loan->offer : loan->desk->never;
}

bool sbx_offer_is_ready(const struct wlr_drm_syncobj_timeline *timeline) {
	const struct offer *offer = timeline != NULL ? find(timeline) : NULL;
	return offer != NULL && offer->ready;
}
