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

struct wl_event_loop;
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
	 * to the Vulkan device. NULL: the environment variable SIGNALBOX_DRM_NODE or wlroots'
	 * WLR_RENDER_DRM_DEVICE; without those the backend's node, then the Vulkan device's, then the first node with syncobj timelines.
	 * One that is named but cannot be opened is an error. Borrowed during the call.
	 */
	const char *drm_node;
	/** Turn the Vulkan validation layers on, with synchronization validation. */
	bool validation;
	/**
	 * Do without syncobjs: features.timeline stays false, only implicit sync is served. The
	 * environment variable WLR_RENDER_NO_EXPLICIT_SYNC=1, known from wlroots, does it too.
	 */
	bool no_explicit_sync;
	/**
	 * The event loop from which events.lost is emitted. NULL: that of the backend's outputs; where
	 * the backend has announced none since the renderer was created, events.lost is emitted by the
	 * next wlr_renderer_begin_buffer_pass(), before that returns NULL. Lent until the backend or the
	 * renderer is destroyed.
	 */
	struct wl_event_loop *event_loop;
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
 * The renderer keeps to wlroots' interface; what it does beyond that:
 * - A texture whose wait_point cannot be waited for is left out of the pass, the rest is drawn; where
 *   the reason is a lack of memory or file descriptors, wlr_render_pass_submit() returns false instead
 *   (at most once a second), so that the output keeps its previous frame.
 * - When wlr_render_pass_submit() returns false, signal_point is signalled all the same, as soon as
 *   nothing of the pass runs any more: nobody waits for ever.
 * - events.lost is emitted once, never inside a pass. (Destroy the renderer after it, from an idle
 *   callback for instance: wlroots does not allow it in the handler.)
 *
 * Destroyed with wlr_renderer_destroy(), which destroys textures that are left, too: they must not be
 * used after it. Like all of wlroots, it is to be used on the thread of the compositor's event loop only.
 */
SBX_API struct wlr_renderer *sbx_renderer_create(struct wlr_backend *backend,
	const struct sbx_renderer_options *options);

/** Whether `renderer` was made by sbx_renderer_create(). */
SBX_API bool sbx_renderer_is_sbx(const struct wlr_renderer *renderer);

#endif
