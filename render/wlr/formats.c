#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include "render/format.h"
#include "render/wlr/formats.h"
#include "render/wlr/renderer.h"
#include "trace/log.h"

static int add_dmabuf(struct sbx_renderer *renderer, const struct sbx_format *format) {
	struct sbx_modifier *modifiers = NULL;
	int n = sbx_format_modifiers(renderer->device, format, &modifiers);
	bool ok = true;
	for (int i = 0; i < n && ok; i++) {
		const struct sbx_modifier *modifier = &modifiers[i];
		if ((modifier->uses & SBX_FORMAT_SAMPLE) != 0) {
			ok = ok && wlr_drm_format_set_add(&renderer->dmabuf_formats, format->drm,
				modifier->modifier);
		}
		if ((modifier->uses & SBX_FORMAT_STORE) != 0) {
			ok = ok && wlr_drm_format_set_add(&renderer->render_formats, format->drm,
				modifier->modifier);
		}
	}
	free(modifiers);
	return n < 0 ? n : ok ? 0 : -ENOMEM;
}

/*
 * wl_shm disconnects clients that use a format which it announced, but does not know itself (wlroots
 * 0.20.2, drm_get_pixel_format_info()): these. YCbCr in shared memory nobody uses.
 */
static bool is_for_shm(const struct sbx_format *format) {
	static const uint32_t unknown[] = {
		DRM_FORMAT_ARGB4444, DRM_FORMAT_XRGB4444, DRM_FORMAT_ABGR4444, DRM_FORMAT_XBGR4444,
		DRM_FORMAT_R16, DRM_FORMAT_GR1616,
	};
	bool known = format->ycbcr == NULL;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		known = known && format->drm != unknown[i];
	}
	return known;
}

static int add(struct sbx_renderer *renderer, const struct sbx_format *format) {
	if (is_for_shm(format) &&
			(sbx_format_uses(renderer->device, format) & SBX_FORMAT_SAMPLE) != 0 &&
			!wlr_drm_format_set_add(&renderer->shm_formats, format->drm,
			DRM_FORMAT_MOD_LINEAR)) {
		return -ENOMEM;
	}
	return add_dmabuf(renderer, format);
}

static int check(const struct sbx_renderer *renderer) {
	/* wl_shm requires these two of every compositor. */
	if (!wlr_drm_format_set_has(&renderer->shm_formats, DRM_FORMAT_ARGB8888,
			DRM_FORMAT_MOD_LINEAR) || !wlr_drm_format_set_has(&renderer->shm_formats,
			DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR)) {
		sbx_log_error("render: missing: ARGB8888 and XRGB8888 textures from shared memory");
		return -ENOTSUP;
	}
	if (renderer->render_formats.len == 0) {
		sbx_log_error("render: missing: a dma-buf format that compute shaders can write");
		return -ENOTSUP;
	}
	return 0;
}

int sbx_formats_init(struct sbx_renderer *renderer) {
	size_t count;
	const struct sbx_format *formats = sbx_format_all(&count);
	for (size_t i = 0; i < count; i++) {
		int error = add(renderer, &formats[i]);
		if (error != 0) {
			return error;
		}
	}
	return check(renderer);
}

void sbx_formats_finish(struct sbx_renderer *renderer) {
	wlr_drm_format_set_finish(&renderer->shm_formats);
	wlr_drm_format_set_finish(&renderer->dmabuf_formats);
	wlr_drm_format_set_finish(&renderer->render_formats);
}
