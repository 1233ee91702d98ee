/**
 * Dma-bufs whose memory the device cannot have, because it is another GPU's: textures show a copy, which the
 * CPU makes (render/mapping.h). docs/decisions/0007-several-gpus.md says why it is as it is.
 *
 * A copy is made for the first pass that draws the buffer after everybody has finished writing to it, not
 * before, and never waited for. Until then what the surface showed before is drawn again, or nothing if it
 * has shown nothing; when the writer is done, all outputs are drawn anew.
 *
 * wlroots asks for a new texture for each commit of a dma-buf; just before, it says to the texture of the
 * last one what has changed (wlr_texture_update_from_buffer()). So the image goes from one buffer of a
 * surface to the next, and only the damage is copied into it.
 */
#ifndef SBX_RENDER_WLR_SHADOW_H
#define SBX_RENDER_WLR_SHADOW_H

#include <pixman.h>
#include <stdbool.h>
#include <wayland-server-core.h>

struct sbx_dmabuf;
struct sbx_mapping;
struct sbx_renderer;
struct sbx_wlr_buffer;
struct wlr_buffer;

/** Of a sbx_wlr_buffer. Its image is ours, or NULL: it went to the surface's next buffer. */
struct sbx_shadow {
	struct sbx_wlr_buffer *buffer;
	struct sbx_mapping *mapping;
	/** Where the image is not what the buffer is. */
	pixman_region32_t damage;
	/** The image shows something: this buffer, or what its surface showed before. */
	bool has_content;
	/** A copy has failed, and the log says so. */
	bool failed;
	/** The copy waits for this, owned; -1: for nothing. */
	int busy_fd;
	struct wl_event_source *source;
};

/** What wlr_texture_update_from_buffer() said last: `to` comes after `from`. Both NULL: nothing. */
struct sbx_succession {
	struct sbx_wlr_buffer *from;
	struct wlr_buffer *to;
	pixman_region32_t damage;
	struct wl_listener to_destroy;
};

void sbx_succession_init(struct sbx_succession *succession);
void sbx_succession_finish(struct sbx_succession *succession);

/** Make buffer->shadow for a buffer that cannot be imported. 0 or a negative errno, see sbx_mapping_create(). */
int sbx_shadow_create(struct sbx_wlr_buffer *buffer, const struct sbx_dmabuf *dmabuf);

/** Its image stays with the buffer. */
void sbx_shadow_destroy(struct sbx_wlr_buffer *buffer);

/** `next` takes the place of what `buffer` shows, and differs from it in `damage`. */
void sbx_shadow_announce(struct sbx_wlr_buffer *buffer, struct wlr_buffer *next,
	const pixman_region32_t *damage);

/** A texture of the buffer is asked for: its content may have changed. False: no memory for an image. */
bool sbx_shadow_renew(struct sbx_wlr_buffer *buffer);

/** Whether there is anything for sbx_shadow_refresh() to do. */
bool sbx_shadow_is_stale(const struct sbx_wlr_buffer *buffer);

/**
 * Copy what has changed, if nobody writes to the buffer any more. acquire_fd (lent; -1: none) is the fence of
 * the commit, besides those in the buffer itself.
 *
 * 0: the image shows the buffer. -EAGAIN: not yet; all outputs are drawn anew when it can be copied, where an
 * event loop is known. -ECANCELED: the fence failed. Or another negative errno. Then shadow->has_content says whether the image shows what
 * came before.
 */
int sbx_shadow_refresh(struct sbx_wlr_buffer *buffer, int acquire_fd);

/** The same with the fence of its loan, if it is on loan. */
int sbx_shadow_refresh_lent(struct sbx_wlr_buffer *buffer);

#endif
