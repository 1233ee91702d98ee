#include <drm_fourcc.h>
#include <errno.h>
#include <pixman.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/wlr_texture.h>
#include "render/compose.h"
#include "render/device.h"
#include "render/format.h"
#include "render/image.h"
#include "render/wlr/buffer.h"
#include "render/wlr/read.h"
#include "render/wlr/renderer.h"
#include "render/wlr/shadow.h"
#include "render/wlr/texture.h"
#include "sync/dmabuf.h"
#include "sync/fd.h"
#include "sync/sync_file.h"
#include "trace/log.h"

#define READ_TIMEOUT_NS UINT64_C(1000000000)

static const struct {
	uint32_t drm;
	pixman_format_code_t pixman;
} pixman_formats[] = {
	{ DRM_FORMAT_ARGB8888, PIXMAN_a8r8g8b8 },
	{ DRM_FORMAT_XRGB8888, PIXMAN_x8r8g8b8 },
	{ DRM_FORMAT_ABGR8888, PIXMAN_a8b8g8r8 },
	{ DRM_FORMAT_XBGR8888, PIXMAN_x8b8g8r8 },
	{ DRM_FORMAT_RGBA8888, PIXMAN_r8g8b8a8 },
	{ DRM_FORMAT_RGBX8888, PIXMAN_r8g8b8x8 },
	{ DRM_FORMAT_BGRA8888, PIXMAN_b8g8r8a8 },
	{ DRM_FORMAT_BGRX8888, PIXMAN_b8g8r8x8 },
	{ DRM_FORMAT_RGB888, PIXMAN_r8g8b8 },
	{ DRM_FORMAT_BGR888, PIXMAN_b8g8r8 },
	{ DRM_FORMAT_RGB565, PIXMAN_r5g6b5 },
	{ DRM_FORMAT_BGR565, PIXMAN_b5g6r5 },
	{ DRM_FORMAT_ARGB1555, PIXMAN_a1r5g5b5 },
	{ DRM_FORMAT_XRGB1555, PIXMAN_x1r5g5b5 },
	{ DRM_FORMAT_ARGB4444, PIXMAN_a4r4g4b4 },
	{ DRM_FORMAT_XRGB4444, PIXMAN_x4r4g4b4 },
	{ DRM_FORMAT_ARGB2101010, PIXMAN_a2r10g10b10 },
	{ DRM_FORMAT_XRGB2101010, PIXMAN_x2r10g10b10 },
	{ DRM_FORMAT_ABGR2101010, PIXMAN_a2b10g10r10 },
	{ DRM_FORMAT_XBGR2101010, PIXMAN_x2b10g10r10 },
};

static pixman_format_code_t to_pixman(uint32_t drm) {
	for (size_t i = 0; i < sizeof(pixman_formats) / sizeof(pixman_formats[0]); i++) {
		if (pixman_formats[i].drm == drm) {
			return pixman_formats[i].pixman;
		}
	}
	return 0;
}

/* The one fence to wait for before reading; *fence is -1 when there is nothing to wait for. */
static int pending_writes(const struct sbx_texture *texture, int *fence) {
	bool imported = texture->buffer != NULL && texture->buffer->shadow == NULL;
	int n_fds = imported ? texture->buffer->n_fds : 0;
	for (int i = 0; i < n_fds; i++) {
		int next = -1;
		int error = sbx_dmabuf_export_sync_file(texture->buffer->fds[i], false, &next);
		if (error == 0) {
			error = sbx_fence_merge(fence, &next);
		}
		if (error != 0) {
			sbx_fd_close(&next);
			return error;
		}
	}
	return 0;
}

static int read_image(const struct sbx_texture *texture, const pixman_box32_t *box, void *data,
		uint32_t stride) {
	int fence = -1;
	int error = pending_writes(texture, &fence);
	if (error == 0) {
		error = sbx_image_read(sbx_texture_image(texture), box, data, stride, fence,
			READ_TIMEOUT_NS);
	}
	sbx_fd_close(&fence);
	if (error != 0) {
		sbx_log_error("render: a texture of %ux%u cannot be read: %s", texture->base.width,
			texture->base.height, strerror(-error));
	}
	return error;
}

/* pixman wants rows of whole words, which a caller's row need not be. */
static bool convert(const void *source, uint32_t source_stride, pixman_format_code_t source_format,
		void *data, uint32_t stride, pixman_format_code_t format, int width, int height) {
	if (stride % 4 != 0 || (uintptr_t)data % 4 != 0) {
		return false;
	}
	pixman_image_t *from = pixman_image_create_bits_no_clear(source_format, width, height,
		(uint32_t *)source, (int)source_stride);
	pixman_image_t *to = pixman_image_create_bits_no_clear(format, width, height, data,
		(int)stride);
	bool ok = from != NULL && to != NULL;
	if (ok) {
		pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, to, 0, 0, 0, 0, 0, 0, width, height);
	}
	if (from != NULL) {
		pixman_image_unref(from);
	}
	if (to != NULL) {
		pixman_image_unref(to);
	}
	return ok;
}

static bool read_converted(const struct sbx_texture *texture, const pixman_box32_t *box, void *data,
		uint32_t stride, pixman_format_code_t source_format, pixman_format_code_t wanted) {
	const struct sbx_format *format = sbx_texture_image(texture)->format;
	int width = box->x2 - box->x1, height = box->y2 - box->y1;
	uint32_t source_stride = ((uint32_t)width * format->bytes_per_pixel + 3) / 4 * 4;
	void *pixels = calloc((size_t)height, source_stride);
	bool ok = pixels != NULL && read_image(texture, box, pixels, source_stride) == 0 &&
		convert(pixels, source_stride, source_format, data, stride, wanted, width, height);
	free(pixels);
	return ok;
}

static int draw_box(const struct sbx_texture *texture, const pixman_box32_t *box,
		struct sbx_image *target) {
	struct sbx_frame *frame = sbx_composer_begin(texture->renderer->composer, target);
	if (frame == NULL) {
		return -ENOMEM;
	}
	int fence = -1;
	int error = pending_writes(texture, &fence);
	if (error == 0) {
		error = sbx_frame_wait(frame, &fence);
	}
	sbx_fd_close(&fence);
	if (error != 0) {
		sbx_frame_cancel(frame);
		return error;
	}
	int width = box->x2 - box->x1, height = box->y2 - box->y1;
	sbx_frame_add_texture(frame, &(struct sbx_texture_op){
		.texture = sbx_texture_image(texture),
		.src_x = box->x1, .src_y = box->y1, .src_width = width, .src_height = height,
		.box = { 0, 0, width, height },
		.blend = SBX_BLEND_NONE,
		.alpha = 1,
	});
	return sbx_frame_submit(frame, NULL, NULL);
}

/* What pixman has no name for: the GPU draws it into an image of the format asked for. */
static bool read_drawn(const struct sbx_texture *texture, const pixman_box32_t *box, void *data,
		uint32_t stride, const struct sbx_format *wanted) {
	struct sbx_device *device = texture->renderer->device;
	const uint32_t uses = SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE;
	int width = box->x2 - box->x1, height = box->y2 - box->y1;
	if ((sbx_format_uses(device, wanted) & uses) != uses) {
		sbx_log_error("render: a texture of format 0x%08x cannot be read as 0x%08x",
			sbx_texture_image(texture)->format->drm, wanted->drm);
		return false;
	}
	struct sbx_image *image = sbx_image_create(device, wanted, (uint32_t)width, (uint32_t)height,
		uses);
	int error = image != NULL ? draw_box(texture, box, image) : -ENOMEM;
	if (error == 0) {
		const pixman_box32_t all = { 0, 0, width, height };
		error = sbx_image_read(image, &all, data, stride, -1, READ_TIMEOUT_NS);
	}
	sbx_image_destroy(image);
	return error == 0;
}

/* The newest content or none: whoever reads pixels does not ask again when more is there. */
static bool is_readable(struct sbx_texture *texture) {
	struct sbx_wlr_buffer *buffer = texture->buffer;
	return (buffer == NULL || buffer->shadow == NULL || sbx_shadow_refresh_lent(buffer) == 0) &&
		sbx_texture_image(texture) != NULL;
}

uint32_t sbx_texture_read_format(const struct sbx_texture *texture) {
	if (sbx_texture_image(texture) == NULL) {
		return DRM_FORMAT_INVALID;
	}
	const struct sbx_format *format = sbx_texture_image(texture)->format;
	return format->ycbcr == NULL ? format->drm :
		format->has_alpha ? DRM_FORMAT_ARGB8888 : DRM_FORMAT_XRGB8888;
}

bool sbx_texture_read(struct sbx_texture *texture,
		const struct wlr_texture_read_pixels_options *options) {
	const struct sbx_format *wanted = sbx_format_from_drm(options->format);
	if (wanted == NULL || wanted->ycbcr != NULL || sbx_renderer_check_lost(texture->renderer) ||
			!is_readable(texture)) {
		return false;
	}
	struct wlr_box src;
	wlr_texture_read_pixels_options_get_src_box(options, &texture->base, &src);
	if (src.x < 0 || src.y < 0 || src.width <= 0 || src.height <= 0 ||
			(uint32_t)src.width > texture->base.width ||
			(uint32_t)src.x > texture->base.width - (uint32_t)src.width ||
			(uint32_t)src.height > texture->base.height ||
			(uint32_t)src.y > texture->base.height - (uint32_t)src.height ||
			options->stride < (uint64_t)src.width * wanted->bytes_per_pixel) {
		return false;
	}
	pixman_box32_t box = { src.x, src.y, src.x + src.width, src.y + src.height };
	void *data = (char *)options->data + (size_t)options->dst_x * wanted->bytes_per_pixel +
		(size_t)options->dst_y * options->stride;
	const struct sbx_image *image = sbx_texture_image(texture);
	if (wanted->drm == image->format->drm && (image->usage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT)) {
		return read_image(texture, &box, data, options->stride) == 0;
	}
	pixman_format_code_t from = to_pixman(image->format->drm), to = to_pixman(wanted->drm);
	return from != 0 && to != 0 && (image->usage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT) ?
		read_converted(texture, &box, data, options->stride, from, to) :
		read_drawn(texture, &box, data, options->stride, wanted);
}
