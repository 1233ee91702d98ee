#include <stdlib.h>
#include "harness/kernel_fake.h"
#include "harness/peer_timeline.h"
#include "harness/suite.h"
#include "sync/syncobj.h"
#include "sync/timeline.h"

void peer_timeline_create(struct peer_timeline *timeline, struct sbx_sync *sync) {
	bool paused = kernel_fake.paused;
	kernel_fake.paused = true;
	timeline->sync = sync;
	assert_int_equal(sbx_timeline_create(sync, &timeline->own), 0);
	kernel_fake.paused = paused;
	timeline->wlr = calloc(1, sizeof(*timeline->wlr));
	timeline->wlr->drm_fd = sbx_sync_get_drm_fd(sync);
	timeline->wlr->handle = sbx_timeline_point(timeline->own, 0).handle;
	wlr_addon_set_init(&timeline->wlr->addons);
}

void peer_timeline_destroy(struct peer_timeline *timeline) {
	wlr_addon_set_finish(&timeline->wlr->addons);
	free(timeline->wlr);
	sbx_timeline_destroy(timeline->own);
}

void peer_timeline_signal(const struct peer_timeline *timeline, uint64_t value) {
	struct sbx_point point = sbx_timeline_point(timeline->own, value);
	bool paused = kernel_fake.paused;
	kernel_fake.paused = true;
	assert_int_equal(sbx_points_signal(timeline->sync, &point, 1), 0);
	kernel_fake.paused = paused;
}
