/**
 * wp_linux_drm_syncobj_timeline_v1. The object is but a handle: the timeline lives on in whatever was
 * committed with its points.
 */
#ifndef SBX_PROTOCOL_TIMELINE_H
#define SBX_PROTOCOL_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

struct sbx_client_timeline;
struct wl_resource;

/**
 * Make the object `id` for the client of `parent` (the manager object). *timeline is consumed. False:
 * out of memory, said to the client; *timeline is as it was.
 */
bool sbx_timeline_resource_create(struct wl_resource *parent, uint32_t id,
	struct sbx_client_timeline **timeline);

/** Lent, valid as long as the object. */
struct sbx_client_timeline *sbx_timeline_from_resource(struct wl_resource *resource);

#endif
