/**
 * The Vulkan renderer, as wlroots' renderer interface.
 *
 * In a compositor, call sbx_renderer_create() where wlr_renderer_autocreate() stood; all that
 * follows (wlr_renderer_init_wl_display(), wlr_allocator_autocreate(), wlr_output_init_render(),
 * wlr_scene) stays as it was.
 */
#ifndef SIGNALBOX_RENDERER_H
#define SIGNALBOX_RENDERER_H

#include <signalbox/api.h>
#include <stdbool.h>
#include <stdint.h>

struct wlr_backend;
struct wlr_renderer;

/**
 * All fields may be zero: then the device and the DRM node are found.
 */
struct sbx_renderer_options {
	/**
	 * The Vulkan device: a part of its name (case does not matter), "software", an index as the
	 * start-up report prints it, or the path of a DRM node it belongs to. NULL: the environment
	 * variable SIGNALBOX_DEVICE, which takes the same; without that, the device that matches the
	 * DRM node, else any hardware device, else a software device. Borrowed during the call.
	 */
	const char *device;
	/**
	 * The path of the DRM node whose syncobjs are used ("/dev/dri/renderD128"). It need not belong
	 * to the Vulkan device. NULL: the environment variable SIGNALBOX_DRM_NODE; without that the
	 * backend's node, then the Vulkan device's, then the first node with syncobj timelines.
	 * Borrowed during the call.
	 */
	const char *drm_node;
	/** Turn the Vulkan validation layers on, with synchronization validation. */
	bool validation;
	/** Do without syncobjs: features.timeline stays false, only implicit sync is served. */
	bool no_explicit_sync;
};

/**
 * Create a renderer for `backend`.
 *
 * `backend` may be NULL, `options` may be NULL. The DRM node found is duplicated or opened by the
 * renderer, which closes it when it is destroyed; wlr_renderer_get_drm_fd() lends it.
 *
 * Returns NULL if there is no Vulkan device that can do the work; the log then names what is missing.
 * A machine without syncobj timelines gives a renderer whose features.timeline is false, and one
 * line that says so.
 *
 * Destroyed with wlr_renderer_destroy(). Textures must be destroyed first. Like all of wlroots, it
 * is to be used on the thread of the compositor's event loop only.
 */
SBX_API struct wlr_renderer *sbx_renderer_create(struct wlr_backend *backend,
	const struct sbx_renderer_options *options);

/** Whether `renderer` was made by sbx_renderer_create(). */
SBX_API bool sbx_renderer_is_sbx(const struct wlr_renderer *renderer);

#endif
