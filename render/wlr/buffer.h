/**
 * What we remember of a wlr_buffer whose pixels are dma-bufs: its import, made once, kept until the
 * buffer is destroyed; or its copy, where it cannot be imported (shadow.h).
 */
#ifndef SBX_RENDER_WLR_BUFFER_H
#define SBX_RENDER_WLR_BUFFER_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/render/dmabuf.h>
#include <wlr/util/addon.h>
#include "render/wlr/work.h"

struct sbx_image;
struct sbx_mapping;
struct sbx_renderer;
struct sbx_shadow;
struct sbx_texture;
struct wlr_buffer;

struct sbx_wlr_buffer {
	struct sbx_renderer *renderer;
	struct wl_list link; /* sbx_renderer.buffers, the last one used first */
	/** When it was last asked for; CLOCK_MONOTONIC. */
	int64_t used_ns;
	struct wlr_buffer *wlr;
	struct wlr_addon addon; /* of wlr->addons */
	/** The import, or the copy. */
	struct sbx_image *image;
	/** How it is copied, as it cannot be imported; NULL: it is imported. */
	struct sbx_shadow *shadow;
	/** A target that cannot be imported: what is drawn into the image is copied here; NULL: it is imported. */
	struct sbx_mapping *delivery;
	/** What the image was imported for: enum sbx_format_use bits. */
	uint32_t uses;
	/** The texture of this buffer, if there ever was one. It lives as long as this. */
	struct sbx_texture *texture;
	/** Its distinct dma-bufs (several planes often share one), lent by the wlr_buffer. */
	int fds[WLR_DMABUF_MAX_PLANES];
	int n_fds;
	/** Of the passes that draw into it. */
	struct sbx_work work;
};

/**
 * The buffer's import, with at least these uses (enum sbx_format_use bits), or a copy. NULL if
 * it is no dma-buf or the device cannot take it (logged). Lives until the wlr_buffer or the renderer is destroyed.
 */
struct sbx_wlr_buffer *sbx_wlr_buffer_get(struct sbx_renderer *renderer, struct wlr_buffer *wlr_buffer,
	uint32_t uses);

/**
 * The GPU draws into the target, as the last submission: if it is not imported, wait for that and copy it into the
 * buffer. 0; -ETIME or -ENODEV: the buffer does not show it.
 */
int sbx_wlr_buffer_deliver(struct sbx_wlr_buffer *buffer);

/**
 * Forget imports of buffers that nobody holds and that were not asked for in the last
 * renderer->idle_import_ns: drivers keep what is imported in memory, and some wait for all of it with
 * each submission. They are imported again when they come back.
 */
void sbx_wlr_buffer_drop_idle(struct sbx_renderer *renderer);

/** Forget it, its texture included. */
void sbx_wlr_buffer_destroy(struct sbx_wlr_buffer *buffer);

#endif
