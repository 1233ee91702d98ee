#include "show.h"

#include <drm_fourcc.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/render/pass.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>

/* A software device compiles what it has not drawn before, an emulated one for seconds. */
#define TIMEOUT_MS 120000
#define BEND_POINTS 4096

struct picture {
	struct wlr_buffer base;
	/* Where it lies: in dma-bufs, or only in `image`. */
	bool shared;
	struct draw_memory memory;
	struct oracle_image *image;
};

static struct picture *picture_from(struct wlr_buffer *base) {
	struct picture *picture = wl_container_of(base, picture, base);
	return picture;
}

static void picture_destroy(struct wlr_buffer *base) {
	struct picture *picture = picture_from(base);
	wlr_buffer_finish(base);
	draw_memory_finish(&picture->memory);
	free(picture);
}

static bool picture_get_dmabuf(struct wlr_buffer *base, struct wlr_dmabuf_attributes *attributes) {
	struct picture *picture = picture_from(base);
	const struct sbx_dmabuf *dmabuf = &picture->memory.dmabuf;
	*attributes = (struct wlr_dmabuf_attributes){
		.width = base->width, .height = base->height,
		.format = dmabuf->format, .modifier = dmabuf->modifier, .n_planes = (int)dmabuf->planes,
	};
	for (uint32_t i = 0; i < dmabuf->planes; i++) {
		attributes->fd[i] = dmabuf->fd[i];
		attributes->offset[i] = dmabuf->offset[i];
		attributes->stride[i] = dmabuf->stride[i];
	}
	return picture->shared;
}

static bool picture_begin(struct wlr_buffer *base, uint32_t flags, void **data, uint32_t *format,
		size_t *stride) {
	struct picture *picture = picture_from(base);
	*data = picture->image->data;
	*format = picture->image->format->drm;
	*stride = picture->image->stride;
	return !picture->shared;
}

static void picture_end(struct wlr_buffer *base) {
}

static const struct wlr_buffer_impl picture_impl = {
	.destroy = picture_destroy,
	.get_dmabuf = picture_get_dmabuf,
	.begin_data_ptr_access = picture_begin,
	.end_data_ptr_access = picture_end,
};

/* `image` is lent. */
static struct wlr_buffer *wrap(struct oracle_image *image, bool shared) {
	struct picture *picture = calloc(1, sizeof(*picture));
	assert_non_null(picture);
	picture->image = image;
	picture->shared = shared;
	assert_true(!shared || draw_memory_create(&picture->memory, image, false));
	wlr_buffer_init(&picture->base, &picture_impl, image->width, image->height);
	return &picture->base;
}

static bool takes(const struct show *show, uint32_t format, uint32_t caps) {
	const struct wlr_drm_format_set *set = wlr_renderer_get_texture_formats(show->renderer, caps);
	return set != NULL && (caps == WLR_BUFFER_CAP_DMABUF ?
		wlr_drm_format_set_has(set, format, DRM_FORMAT_MOD_LINEAR) :
		wlr_drm_format_set_get(set, format) != NULL);
}

void show_keep_textures(const struct show *show, uint32_t *formats) {
	uint32_t *kept = formats;
	for (; *formats != 0; formats++) {
		if (takes(show, *formats, WLR_BUFFER_CAP_DATA_PTR) ||
				(show->dmabufs && takes(show, *formats, WLR_BUFFER_CAP_DMABUF))) {
			*kept++ = *formats;
		}
	}
	*kept = 0;
}

static struct wlr_buffer *wrap_texture(const struct show *show, const struct oracle_scene *scene, size_t i) {
	uint32_t format = scene->textures[i]->format->drm;
	bool in_memory = takes(show, format, WLR_BUFFER_CAP_DATA_PTR);
	bool shared = show->dmabufs && takes(show, format, WLR_BUFFER_CAP_DMABUF) &&
		(!in_memory || (scene->seed + i) % 2 == 0);
	return wrap(scene->textures[i], shared);
}

static void get_primaries(const struct sbx_matrix *matrix, struct wlr_color_primaries *primaries) {
	// From sRGB to sRGB is not quite the identity.
	bool wide = fabsf(matrix->m[1]) > 0.01f * matrix->m[0];
	wlr_color_primaries_from_named(primaries,
		wide ? WLR_COLOR_NAMED_PRIMARIES_BT2020 : WLR_COLOR_NAMED_PRIMARIES_SRGB);
}

/* To sRGB's; 1 for the luminance. */
static void matrix_of(const struct wlr_color_primaries *primaries, struct sbx_matrix *matrix) {
	struct wlr_color_primaries srgb;
	wlr_color_primaries_from_named(&srgb, WLR_COLOR_NAMED_PRIMARIES_SRGB);
	wlr_color_primaries_transform_absolute_colorimetric(primaries, &srgb, matrix->m);
}

static float luminance_of(const struct sbx_matrix *matrix) {
	struct wlr_color_primaries primaries;
	struct sbx_matrix plain;
	get_primaries(matrix, &primaries);
	matrix_of(&primaries, &plain);
	return matrix->m[0] / plain.m[0];
}

void show_adapt(struct oracle_scene *scene) {
	for (size_t i = 0; i < scene->n_ops; i++) {
		struct oracle_op *op = &scene->ops[i];
		struct wlr_color_primaries primaries;
		op->coding.chroma = SBX_CHROMA_CENTER;
		if (!op->light.has_matrix) {
			continue;
		}
		float luminance = luminance_of(&op->light.matrix);
		get_primaries(&op->light.matrix, &primaries);
		matrix_of(&primaries, &op->light.matrix);
		for (int c = 0; c < 9; c++) {
			op->light.matrix.m[c] *= luminance;
		}
	}
}

static const enum wlr_color_transfer_function functions[SBX_CURVE_COUNT] = {
	[SBX_CURVE_GAMMA22] = WLR_COLOR_TRANSFER_FUNCTION_GAMMA22,
	[SBX_CURVE_LINEAR] = WLR_COLOR_TRANSFER_FUNCTION_EXT_LINEAR,
	[SBX_CURVE_SRGB] = WLR_COLOR_TRANSFER_FUNCTION_SRGB,
	[SBX_CURVE_PQ] = WLR_COLOR_TRANSFER_FUNCTION_ST2084_PQ,
	[SBX_CURVE_BT1886] = WLR_COLOR_TRANSFER_FUNCTION_BT1886,
};

static struct wlr_color_transform *make_bend(void) {
	static uint16_t points[BEND_POINTS];
	for (int i = 0; i < BEND_POINTS; i++) {
		points[i] = (uint16_t)lrint(65535 * pow(i / (BEND_POINTS - 1.0), ORACLE_BEND));
	}
	return wlr_color_transform_init_lut_3x1d(BEND_POINTS, points, points, points);
}

static struct wlr_color_transform *make_mix(void) {
	float matrix[9];
	for (int i = 0; i < 9; i++) {
		matrix[i] = (float)((i % 4 == 0 ? 1 - ORACLE_MIX : 0) + ORACLE_MIX / 3);
	}
	return wlr_color_transform_init_matrix(matrix);
}

struct wlr_color_transform *show_transform(const struct oracle_grade *grade) {
	struct wlr_color_transform *parts[4];
	size_t n = 0;
	if (grade->kind == ORACLE_GRADE_NONE) {
		return NULL;
	}
	if (!sbx_matrix_is_identity(&grade->matrix)) {
		parts[n++] = wlr_color_transform_init_matrix(grade->matrix.m);
	}
	parts[n++] = wlr_color_transform_init_linear_to_inverse_eotf(functions[grade->curve]);
	if (grade->kind == ORACLE_GRADE_TABLE) {
		parts[n++] = make_bend();
		parts[n++] = make_mix();
	}
	// A curve by itself is told apart from one in a pipeline.
	struct wlr_color_transform *all = n == 1 ? wlr_color_transform_ref(parts[0]) :
		wlr_color_transform_init_pipeline(parts, n);
	assert_non_null(all);
	while (n > 0) {
		wlr_color_transform_unref(parts[--n]);
	}
	return all;
}

static struct wlr_box to_wlr_box(const pixman_box32_t *box) {
	return (struct wlr_box){ box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1 };
}

static enum wlr_render_blend_mode to_wlr_blend(enum sbx_blend blend) {
	return blend == SBX_BLEND_NONE ? WLR_RENDER_BLEND_MODE_NONE :
		WLR_RENDER_BLEND_MODE_PREMULTIPLIED;
}

static enum wlr_color_encoding to_wlr_encoding(enum sbx_encoding encoding) {
	switch (encoding) {
	case SBX_ENCODING_BT601:
		return WLR_COLOR_ENCODING_BT601;
	case SBX_ENCODING_BT709:
		return WLR_COLOR_ENCODING_BT709;
	case SBX_ENCODING_BT2020:
		return WLR_COLOR_ENCODING_BT2020;
	case SBX_ENCODING_FCC:
		return WLR_COLOR_ENCODING_FCC;
	case SBX_ENCODING_SMPTE240:
		return WLR_COLOR_ENCODING_SMPTE240;
	case SBX_ENCODING_IDENTITY:
		return WLR_COLOR_ENCODING_IDENTITY;
	case SBX_ENCODING_DEFAULT:
	case SBX_ENCODING_COUNT:
		break;
	}
	return WLR_COLOR_ENCODING_NONE;
}

static enum wlr_color_range to_wlr_range(enum sbx_range range) {
	return range == SBX_RANGE_FULL ? WLR_COLOR_RANGE_FULL :
		range == SBX_RANGE_LIMITED ? WLR_COLOR_RANGE_LIMITED : WLR_COLOR_RANGE_NONE;
}

static void add_texture(struct wlr_render_pass *pass, const struct oracle_op *op,
		struct wlr_texture *texture) {
	struct wlr_color_primaries primaries;
	float luminance = 1;
	bool ycbcr = op->texture->format->ycbcr != NULL;
	if (op->light.has_matrix) {
		get_primaries(&op->light.matrix, &primaries);
		luminance = luminance_of(&op->light.matrix);
	}
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = texture,
		.src_box = { op->src_x, op->src_y, op->src_width, op->src_height },
		.dst_box = to_wlr_box(&op->box),
		.alpha = &op->alpha, .clip = op->has_clip ? &op->clip : NULL,
		.transform = (enum wl_output_transform)op->transform,
		.filter_mode = op->filter == SBX_FILTER_NEAREST ? WLR_SCALE_FILTER_NEAREST :
			WLR_SCALE_FILTER_BILINEAR,
		.blend_mode = to_wlr_blend(op->blend),
		.transfer_function = functions[op->light.curve],
		.primaries = op->light.has_matrix ? &primaries : NULL,
		.luminance_multiplier = op->light.has_matrix ? &luminance : NULL,
		.color_encoding = ycbcr ? to_wlr_encoding(op->coding.encoding) : WLR_COLOR_ENCODING_NONE,
		.color_range = ycbcr ? to_wlr_range(op->coding.range) : WLR_COLOR_RANGE_NONE,
	});
}

static void add_rect(struct wlr_render_pass *pass, const struct oracle_op *op) {
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.box = to_wlr_box(&op->box),
		.color = { op->color[0], op->color[1], op->color[2], op->color[3] },
		.clip = op->has_clip ? &op->clip : NULL, .blend_mode = to_wlr_blend(op->blend),
	});
}

static void add_ops(struct wlr_render_pass *pass, const struct oracle_scene *scene,
		struct wlr_texture *const *textures) {
	for (size_t i = 0; i < scene->n_ops; i++) {
		const struct oracle_op *op = &scene->ops[i];
		size_t t = 0;
		while (op->texture != NULL && scene->textures[t] != op->texture) {
			t++;
		}
		if (op->texture != NULL) {
			add_texture(pass, op, textures[t]);
		} else {
			add_rect(pass, op);
		}
	}
}

static void wait_for(struct wlr_drm_syncobj_timeline *timeline) {
	int fd = wlr_drm_syncobj_timeline_export_sync_file(timeline, 1);
	assert_true(fd >= 0);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&pollfd, 1, TIMEOUT_MS), 1);
	close(fd);
}

static void draw_pass(const struct show *show, const struct oracle_scene *scene, struct wlr_buffer *target,
		struct wlr_texture *const *textures) {
	struct wlr_color_transform *transform = show_transform(&scene->grade);
	struct wlr_drm_syncobj_timeline *timeline =
		show->drm_fd >= 0 ? wlr_drm_syncobj_timeline_create(show->drm_fd) : NULL;
	assert_true(timeline != NULL || show->drm_fd < 0);
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(show->renderer, target,
		&(struct wlr_buffer_pass_options){
			.color_transform = transform, .signal_timeline = timeline, .signal_point = 1,
		});
	assert_non_null(pass);
	add_ops(pass, scene, textures);
	assert_true(wlr_render_pass_submit(pass));
	if (timeline != NULL) {
		wait_for(timeline);
	}
	wlr_drm_syncobj_timeline_unref(timeline);
	wlr_color_transform_unref(transform);
}

static struct oracle_image *copy_image(const struct oracle_image *image) {
	struct oracle_image *copy = oracle_image_create(image->format, image->width, image->height);
	memcpy(copy->data, image->data, (size_t)image->stride * (size_t)image->height);
	return copy;
}

struct oracle_image *show_scene(const struct show *show, const struct oracle_scene *scene) {
	struct wlr_buffer *buffers[ORACLE_MAX_TEXTURES];
	struct wlr_texture *textures[ORACLE_MAX_TEXTURES];
	struct oracle_image *result = copy_image(scene->target);
	struct wlr_buffer *target = wrap(result, show->dmabufs);
	for (size_t i = 0; i < scene->n_textures; i++) {
		buffers[i] = wrap_texture(show, scene, i);
		textures[i] = wlr_texture_from_buffer(show->renderer, buffers[i]);
		if (textures[i] == NULL) {
			fail_msg("seed %llu: no texture of %s", (unsigned long long)scene->seed,
				scene->textures[i]->format->name);
		}
	}
	draw_pass(show, scene, target, textures);
	for (size_t i = 0; i < scene->n_textures; i++) {
		wlr_texture_destroy(textures[i]);
		wlr_buffer_drop(buffers[i]);
	}
	if (show->dmabufs) {
		oracle_image_destroy(result);
		result = draw_memory_read(&picture_from(target)->memory, scene->target);
	}
	wlr_buffer_drop(target);
	return result;
}
