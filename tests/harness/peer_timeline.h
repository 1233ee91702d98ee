/**
 * A timeline such as wlroots makes for its outputs, on any of the tests' devices.
 */
#ifndef HARNESS_PEER_TIMELINE_H
#define HARNESS_PEER_TIMELINE_H

#include <wlr/render/drm_syncobj.h>
#include "sync/point.h"

struct sbx_sync;
struct sbx_timeline;

struct peer_timeline {
	struct wlr_drm_syncobj_timeline *wlr;
	struct sbx_sync *sync;
	struct sbx_timeline *own;
};

void peer_timeline_create(struct peer_timeline *timeline, struct sbx_sync *sync);
/** Gives the peer's reference back: others may have theirs. */
void peer_timeline_destroy(struct peer_timeline *timeline);
void peer_timeline_signal(const struct peer_timeline *timeline, uint64_t value);

#endif
