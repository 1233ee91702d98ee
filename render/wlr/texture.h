/**
 * Textures: a copy of shared memory, or a view of a wlr_buffer's dma-buf.
 */
#ifndef SBX_RENDER_WLR_TEXTURE_H
#define SBX_RENDER_WLR_TEXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/render/interface.h>
#include "render/wlr/buffer.h"

struct sbx_image;
struct sbx_renderer;

struct sbx_texture {
	struct wlr_texture base;
	struct sbx_renderer *renderer;
	struct wl_list link; /* sbx_renderer.textures */
	/** A dma-buf: its import. Every wlr_texture_from_buffer() gives this same texture and a lock of
	 * the wlr_buffer, which wlr_texture_destroy() takes back. */
	struct sbx_wlr_buffer *buffer;
	size_t handles;
	/** Shared memory: the copy. Also the image of a dma-buf that went away during a pass. */
	struct sbx_image *image;
	/** Passes being recorded that draw it, and whether it goes away after the last of them. */
	size_t recorded;
	bool doomed;
	/** The wait that is known to be over: sbx_timeline.id and a point; 0: none. */
	uint64_t ready_timeline, ready_point;
	/** It shows a dma-buf, even if that has gone away. */
	bool is_dmabuf;
	/** The pass that last asked for its implicit fences, what came of it, and the pass that last left
	 * its own completion there. */
	uint64_t implicit_serial, published_serial;
	int implicit_error;
};

struct wlr_texture *sbx_texture_from_buffer(struct wlr_renderer *renderer, struct wlr_buffer *buffer);

/** `texture` if it is one of ours, or NULL. */
struct sbx_texture *sbx_texture_from_wlr(struct wlr_texture *texture);

/**
 * What to sample: valid until the texture is destroyed, sbx_wlr_buffer_get() imports anew, or a copy goes to
 * the surface's next buffer. NULL: it has no content (shadow.h).
 */
static inline struct sbx_image *sbx_texture_image(const struct sbx_texture *texture) {
	return texture->buffer != NULL ? texture->buffer->image : texture->image;
}

/** A pass that records a texture keeps it until it is submitted. */
void sbx_texture_record(struct sbx_texture *texture);
void sbx_texture_unrecord(struct sbx_texture *texture);

/** Its wlr_buffer is gone, or the renderer goes: the texture goes too, after the passes recorded. */
void sbx_texture_orphan(struct sbx_texture *texture);

/** Renderer's end: destroy what the compositor left behind. */
void sbx_texture_destroy_all(struct sbx_renderer *renderer);

#endif
