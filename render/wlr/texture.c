#include <stdlib.h>
#include <wlr/types/wlr_buffer.h>
#include "render/format.h"
#include "render/image.h"
#include "render/wlr/buffer.h"
#include "render/wlr/read.h"
#include "render/wlr/renderer.h"
#include "render/wlr/shadow.h"
#include "render/wlr/texture.h"
#include "trace/log.h"

static const struct wlr_texture_impl texture_impl;

struct sbx_texture *sbx_texture_from_wlr(struct wlr_texture *wlr_texture) {
	if (wlr_texture == NULL || wlr_texture->impl != &texture_impl) {
		return NULL;
	}
	struct sbx_texture *texture = wl_container_of(wlr_texture, texture, base);
	return texture;
}

static struct sbx_texture *create(struct sbx_renderer *renderer, uint32_t width, uint32_t height) {
	struct sbx_texture *texture = calloc(1, sizeof(*texture));
	if (texture == NULL) {
		return NULL;
	}
	wlr_texture_init(&texture->base, &renderer->base, &texture_impl, width, height);
	texture->renderer = renderer;
	wl_list_insert(&renderer->textures, &texture->link);
	return texture;
}

static void destroy(struct sbx_texture *texture) {
	if (texture->recorded > 0) {
		texture->doomed = true;
		return;
	}
	wl_list_remove(&texture->link);
	sbx_image_destroy(texture->image);
	free(texture);
}

void sbx_texture_record(struct sbx_texture *texture) {
	texture->recorded++;
}

void sbx_texture_unrecord(struct sbx_texture *texture) {
	texture->recorded--;
	if (texture->recorded == 0 && texture->doomed) {
		destroy(texture);
	}
}

void sbx_texture_orphan(struct sbx_texture *texture) {
	texture->image = texture->buffer->image;
	texture->buffer = NULL;
	destroy(texture);
}

void sbx_texture_destroy_all(struct sbx_renderer *renderer) {
	while (!wl_list_empty(&renderer->textures)) {
		struct sbx_texture *texture = wl_container_of(renderer->textures.next, texture, link);
		if (texture->buffer == NULL) {
			destroy(texture);
			continue;
		}
		/* The client would never get its buffer back if these locks stayed. The last one may destroy
		 * the wlr_buffer, so our hands are off it before. */
		struct wlr_buffer *wlr_buffer = texture->buffer->wlr;
		size_t handles = texture->handles;
		sbx_wlr_buffer_destroy(texture->buffer);
		for (; handles > 0; handles--) {
			wlr_buffer_unlock(wlr_buffer);
		}
	}
}

static void texture_destroy(struct wlr_texture *wlr_texture) {
	struct sbx_texture *texture = sbx_texture_from_wlr(wlr_texture);
	if (texture->buffer == NULL) {
		destroy(texture);
		return;
	}
	/* The import stays with the wlr_buffer, which is likely to be shown again. */
	texture->handles--;
	wlr_buffer_unlock(texture->buffer->wlr);
}

static bool write_pixels(struct sbx_texture *texture, const void *data, size_t stride,
		const pixman_region32_t *damage) {
	struct sbx_image *image = texture->image;
	if (stride > UINT32_MAX || stride < (size_t)image->width * image->format->bytes_per_pixel) {
		sbx_log_error("client bug: a stride of %zu bytes is too short for %u pixels", stride,
			image->width);
		return false;
	}
	return sbx_image_write(image, data, (uint32_t)stride, damage) == 0;
}

static bool texture_update_from_buffer(struct wlr_texture *wlr_texture, struct wlr_buffer *buffer,
		const pixman_region32_t *damage) {
	struct sbx_texture *texture = sbx_texture_from_wlr(wlr_texture);
	if (texture->is_dmabuf) {
		if (texture->buffer != NULL && texture->buffer->shadow != NULL) {
			sbx_shadow_announce(texture->buffer, buffer, damage);
		}
		return false;
	}
	void *data;
	uint32_t format;
	size_t stride;
	if (!wlr_buffer_begin_data_ptr_access(buffer, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format,
			&stride)) {
		return false;
	}
	bool ok = format == texture->image->format->drm &&
		write_pixels(texture, data, stride, damage);
	wlr_buffer_end_data_ptr_access(buffer);
	return ok;
}

static bool texture_read_pixels(struct wlr_texture *wlr_texture,
		const struct wlr_texture_read_pixels_options *options) {
	return sbx_texture_read(sbx_texture_from_wlr(wlr_texture), options);
}

static uint32_t texture_preferred_read_format(struct wlr_texture *wlr_texture) {
	return sbx_texture_read_format(sbx_texture_from_wlr(wlr_texture));
}

static const struct wlr_texture_impl texture_impl = {
	.update_from_buffer = texture_update_from_buffer,
	.read_pixels = texture_read_pixels,
	.preferred_read_format = texture_preferred_read_format,
	.destroy = texture_destroy,
};

static struct wlr_texture *from_pixels(struct sbx_renderer *renderer, uint32_t drm_format,
		size_t stride, uint32_t width, uint32_t height, const void *data) {
	const struct sbx_format *format = sbx_format_from_drm(drm_format);
	if (format == NULL || !wlr_drm_format_set_has(&renderer->shm_formats, drm_format, 0)) {
		sbx_log_error("render: pixel format 0x%08x cannot be a texture", drm_format);
		return NULL;
	}
	struct sbx_texture *texture = create(renderer, width, height);
	if (texture == NULL) {
		return NULL;
	}
	texture->image = sbx_image_create(renderer->device, format, width, height, SBX_FORMAT_SAMPLE);
	if (texture->image == NULL || !write_pixels(texture, data, stride, NULL)) {
		destroy(texture);
		return NULL;
	}
	return &texture->base;
}

static struct wlr_texture *from_dmabuf(struct sbx_renderer *renderer, struct wlr_buffer *wlr_buffer) {
	struct sbx_wlr_buffer *buffer = sbx_wlr_buffer_get(renderer, wlr_buffer, SBX_FORMAT_SAMPLE);
	if (buffer == NULL || (buffer->shadow != NULL && !sbx_shadow_renew(buffer))) {
		return NULL;
	}
	if (buffer->texture == NULL) {
		struct sbx_texture *texture = create(renderer, buffer->image->width, buffer->image->height);
		if (texture == NULL) {
			return NULL;
		}
		texture->is_dmabuf = true;
		texture->buffer = buffer;
		buffer->texture = texture;
	}
	buffer->texture->handles++;
	wlr_buffer_lock(wlr_buffer);
	return &buffer->texture->base;
}

struct wlr_texture *sbx_texture_from_buffer(struct wlr_renderer *wlr_renderer,
		struct wlr_buffer *buffer) {
	struct sbx_renderer *renderer = sbx_renderer_from_wlr(wlr_renderer);
	struct wlr_dmabuf_attributes attributes;
	if (wlr_buffer_get_dmabuf(buffer, &attributes)) {
		return from_dmabuf(renderer, buffer);
	}
	void *data;
	uint32_t format;
	size_t stride;
	if (buffer->width <= 0 || buffer->height <= 0 || !wlr_buffer_begin_data_ptr_access(buffer,
			WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format, &stride)) {
		return NULL;
	}
	struct wlr_texture *texture = from_pixels(renderer, format, stride, (uint32_t)buffer->width,
		(uint32_t)buffer->height, data);
	wlr_buffer_end_data_ptr_access(buffer);
	return texture;
}
