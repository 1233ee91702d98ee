/**
 * wp_linux_drm_syncobj_surface_v1: the points set for the next commit, and whether they are in order.
 * What was committed belongs to the latch: destroying this object changes nothing of it.
 */
#ifndef SBX_PROTOCOL_SURFACE_H
#define SBX_PROTOCOL_SURFACE_H

#include <stdint.h>

struct sbx_client_timeline;
struct sbx_latch;
struct sbx_loan_terms;
struct wl_resource;

struct sbx_pending_point {
	/** Referenced; NULL: not set. */
	struct sbx_client_timeline *timeline;
	uint64_t value;
};

struct sbx_syncobj_surface {
	struct wl_resource *resource;
	/** NULL: the wl_surface is gone. */
	struct sbx_latch *latch;
	struct sbx_pending_point acquire, release;
};

/** Make the object `id` for latch->surface, which has none. Errors are said to the client. */
void sbx_syncobj_surface_create(struct wl_resource *manager_resource, struct sbx_latch *latch,
	uint32_t id);

/** The wl_surface goes: the object stays and is good for nothing but being destroyed. */
void sbx_syncobj_surface_orphan(struct sbx_syncobj_surface *object);

enum sbx_points {
	/** No buffer and no points. */
	SBX_POINTS_NONE,
	/** Both, and terms->acquire and ->release with their values are set. */
	SBX_POINTS_SET,
	/** The commit was rejected with a protocol error. */
	SBX_POINTS_WRONG,
};

/**
 * In client_commit: take the points that were set for it. The references in *terms are the caller's.
 */
enum sbx_points sbx_syncobj_surface_take(struct sbx_syncobj_surface *object,
	struct sbx_loan_terms *terms);

/** The two timelines turned out to be one syncobj: the client's error, at any time. */
void sbx_syncobj_surface_post_conflict(struct sbx_syncobj_surface *object,
	const struct sbx_client_timeline *acquire, uint64_t acquire_value,
	const struct sbx_client_timeline *release, uint64_t release_value);

#endif
