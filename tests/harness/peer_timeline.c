#include <stdlib.h>
#include "harness/kernel_fake.h"
#include "harness/peer_timeline.h"
#include "harness/suite.h"
#include "sync/syncobj.h"
#include "sync/timeline.h"

/** The kernel's side of it, which goes with the last reference, and not with the peer's. */
struct handle {
	struct wlr_addon addon;
	struct sbx_timeline *own;
};

static void handle_timeline_destroy(struct wlr_addon *addon) {
	struct handle *handle = wl_container_of(addon, handle, addon);
	wlr_addon_finish(&handle->addon);
	bool paused = kernel_fake.paused;
	kernel_fake.paused = true;
	sbx_timeline_destroy(handle->own);
	kernel_fake.paused = paused;
	free(handle);
}

static const struct wlr_addon_interface addon_impl = {
	.name = "peer_timeline",
	.destroy = handle_timeline_destroy,
};

void peer_timeline_create(struct peer_timeline *timeline, struct sbx_sync *sync) {
	bool paused = kernel_fake.paused;
	kernel_fake.paused = true;
	timeline->sync = sync;
	assert_int_equal(sbx_timeline_create(sync, &timeline->own), 0);
	kernel_fake.paused = paused;
	timeline->wlr = calloc(1, sizeof(*timeline->wlr));
	timeline->wlr->drm_fd = sbx_sync_get_drm_fd(sync);
	timeline->wlr->handle = sbx_timeline_point(timeline->own, 0).handle;
	timeline->wlr->WLR_PRIVATE.n_refs = 1;
	wlr_addon_set_init(&timeline->wlr->addons);
	// The first to come is the last to go: the handle is there for those who come later.
	struct handle *handle = calloc(1, sizeof(*handle));
	handle->own = timeline->own;
	wlr_addon_init(&handle->addon, &timeline->wlr->addons, NULL, &addon_impl);
}

void peer_timeline_destroy(struct peer_timeline *timeline) {
	wlr_drm_syncobj_timeline_unref(timeline->wlr);
}

void peer_timeline_signal(const struct peer_timeline *timeline, uint64_t value) {
	struct sbx_point point = sbx_timeline_point(timeline->own, value);
	bool paused = kernel_fake.paused;
	kernel_fake.paused = true;
	assert_int_equal(sbx_points_signal(timeline->sync, &point, 1), 0);
	kernel_fake.paused = paused;
}
