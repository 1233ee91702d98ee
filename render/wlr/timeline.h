/**
 * What we remember of a wlr_drm_syncobj_timeline: through which DRM file its handle is valid, and a
 * name of it that no other timeline ever gets.
 */
#ifndef SBX_RENDER_WLR_TIMELINE_H
#define SBX_RENDER_WLR_TIMELINE_H

#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/util/addon.h>
#include "sync/point.h"

struct sbx_renderer;
struct sbx_sync;
struct wlr_drm_syncobj_timeline;

/**
 * The DRM file of a timeline. Timelines need not be ours: wlr_scene makes its own with the backend's
 * fd, the syncobj global with a duplicate of the fd it was given. Handles of one file mean nothing in
 * another.
 */
struct sbx_drm_file {
	struct wl_list link; /* sbx_renderer.drm_files */
	struct sbx_sync *sync;
};

struct sbx_known_timeline {
	struct sbx_renderer *renderer;
	struct wl_list link; /* sbx_renderer.timelines */
	struct wlr_addon addon; /* of the timeline's addons */
	struct sbx_drm_file *file;
	uint32_t handle;
	/** Never given twice, never 0. */
	uint64_t id;
	/** The pass being submitted that waits for points of it, and the first of them there. */
	uint64_t pass_serial;
	int first_acquire;
};

/** NULL: nothing is known of it. */
struct sbx_known_timeline *sbx_known_timeline_find(struct sbx_renderer *renderer,
	struct wlr_drm_syncobj_timeline *timeline);

/** Find or make it. NULL: out of memory or fds (logged). Lives as long as the timeline. */
struct sbx_known_timeline *sbx_known_timeline_get(struct sbx_renderer *renderer,
	struct wlr_drm_syncobj_timeline *timeline);

struct sbx_point sbx_known_timeline_point(const struct sbx_known_timeline *timeline, uint64_t value);

/** Remember the file behind `drm_fd` (lent) before any timeline of it is seen; NULL on failure (logged). */
const struct sbx_sync *sbx_drm_file_open(struct sbx_renderer *renderer, int drm_fd);

/** Renderer's end: forget all timelines and close the files. */
void sbx_known_timeline_destroy_all(struct sbx_renderer *renderer);

#endif
