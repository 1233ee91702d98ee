/**
 * A desk (loan/desk.h) for each DRM file whose timelines come by. wlroots hands timelines over without
 * saying whose they are, and handles of one file mean nothing in another.
 *
 * The event loop's thread only.
 */
#ifndef SBX_BACKEND_DESKS_H
#define SBX_BACKEND_DESKS_H

#include <stdint.h>
#include <wayland-server-core.h>
#include "sync/point.h"

struct sbx_desk;
struct wlr_drm_syncobj_timeline;

struct sbx_desks {
	struct wl_event_loop *loop;
	struct wl_list list;
};

/** `loop` must outlive it. */
void sbx_desks_init(struct sbx_desks *desks, struct wl_event_loop *loop);

/** No gate may be open. */
void sbx_desks_finish(struct sbx_desks *desks);

/** Of the file behind drm_fd (lent; duplicated the first time). NULL: it cannot be had (logged). */
struct sbx_desk *sbx_desks_get(struct sbx_desks *desks, int drm_fd);

/**
 * Signal a point from the CPU, unless the timeline's own file cannot even be duplicated: then by wlroots'
 * way.
 */
void sbx_desks_signal(struct sbx_desks *desks, struct wlr_drm_syncobj_timeline *timeline,
	uint64_t value);

#endif
