/**
 * The choice of the DRM node: whose syncobjs are used and which fd the compositor is lent.
 */
#ifndef SBX_RENDER_WLR_NODE_H
#define SBX_RENDER_WLR_NODE_H

#include <stdint.h>

struct sbx_renderer_options;
struct wlr_backend;

/**
 * The node that the user or the backend asks for: options->drm_node, SIGNALBOX_DRM_NODE,
 * WLR_RENDER_DRM_DEVICE, then the backend's (its render node where it has one). *fd is the caller's; -1
 * if nobody asks. `backend` may be NULL.
 *
 * 0, or -errno when the node asked for cannot be had (logged).
 */
int sbx_node_open_wanted(struct wlr_backend *backend, const struct sbx_renderer_options *options,
	int *fd);

/**
 * Without anybody's wish: the node with this dev_t (0: none), else the first one with syncobj
 * timelines, else the first. -1: there is none that can be opened.
 */
int sbx_node_open_any(uint64_t render_node, uint64_t primary_node);

#endif
