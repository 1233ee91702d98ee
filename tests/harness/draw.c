#include "harness/draw.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "harness/buffers.h"
#include "render/device.h"
#include "render/format.h"
#include "render/image.h"

#define TIMEOUT_NS 10000000000ull

struct sbx_image *draw_upload(struct sbx_device *device, const struct oracle_image *picture,
		bool store) {
	struct sbx_image *image = sbx_image_create(device, sbx_format_from_drm(picture->format->drm),
		(uint32_t)picture->width, (uint32_t)picture->height,
		SBX_FORMAT_SAMPLE | (store ? SBX_FORMAT_STORE : 0));
	if (image != NULL && sbx_image_write(image, picture->data, picture->stride, NULL) < 0) {
		sbx_image_destroy(image);
		return NULL;
	}
	return image;
}

struct oracle_image *draw_read(struct sbx_image *image) {
	struct oracle_image *picture = oracle_image_create(oracle_format(image->format->drm),
		(int)image->width, (int)image->height);
	const pixman_box32_t all = { 0, 0, (int)image->width, (int)image->height };
	if (sbx_image_read(image, &all, picture->data, picture->stride, -1, TIMEOUT_NS) < 0) {
		oracle_image_destroy(picture);
		return NULL;
	}
	return picture;
}

static void add_texture(struct sbx_frame *frame, const struct oracle_op *op,
		struct sbx_image *texture) {
	sbx_frame_add_texture(frame, &(struct sbx_texture_op){
		.texture = texture,
		.src_x = op->src_x, .src_y = op->src_y,
		.src_width = op->src_width, .src_height = op->src_height,
		.box = op->box,
		.transform = op->transform,
		.filter = op->filter,
		.blend = op->blend,
		.alpha = op->alpha,
		.clip = op->has_clip ? &op->clip : NULL,
	});
}

static void add_rect(struct sbx_frame *frame, const struct oracle_op *op) {
	const float *c = op->color;
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){
		.box = op->box,
		.color = { c[0], c[1], c[2], c[3] },
		.blend = op->blend,
		.clip = op->has_clip ? &op->clip : NULL,
	});
}

void draw_add_ops(struct sbx_frame *frame, const struct oracle_scene *scene,
		struct sbx_image *const *textures) {
	for (size_t i = 0; i < scene->n_ops; i++) {
		const struct oracle_op *op = &scene->ops[i];
		size_t texture = 0;
		while (op->texture != NULL && scene->textures[texture] != op->texture) {
			texture++;
		}
		if (op->texture != NULL) {
			add_texture(frame, op, textures[texture]);
		} else {
			add_rect(frame, op);
		}
	}
}

/** Draw the scene's operations on `target`. 0 or a negative errno. */
static int draw_on(struct sbx_composer *composer, struct sbx_image *target,
		struct sbx_image *const *textures, const struct oracle_scene *scene, uint64_t *value) {
	bool ok = target != NULL;
	for (size_t i = 0; i < scene->n_textures; i++) {
		ok = ok && textures[i] != NULL;
	}
	struct sbx_frame *frame = ok ? sbx_composer_begin(composer, target) : NULL;
	if (frame == NULL) {
		return -ENOMEM;
	}
	draw_add_ops(frame, scene, textures);
	return sbx_frame_submit(frame, NULL, value);
}

struct oracle_image *draw_scene(struct sbx_composer *composer, struct sbx_device *device,
		const struct oracle_scene *scene) {
	struct sbx_image *textures[ORACLE_MAX_TEXTURES] = {0};
	struct sbx_image *target = draw_upload(device, scene->target, true);
	for (size_t i = 0; i < scene->n_textures; i++) {
		textures[i] = draw_upload(device, scene->textures[i], false);
	}
	int ret = draw_on(composer, target, textures, scene, NULL);
	struct oracle_image *picture = ret == 0 ? draw_read(target) : NULL;
	for (size_t i = 0; i < scene->n_textures; i++) {
		sbx_image_destroy(textures[i]);
	}
	sbx_image_destroy(target);
	return picture;
}

/** A picture in a dma-buf. */
struct shared {
	struct test_buffer buffer;
	struct sbx_image *image;
	uint32_t stride;
};

static void copy_rows(void *to, uint32_t to_stride, const void *from, uint32_t from_stride,
		const struct oracle_image *picture) {
	for (int y = 0; y < picture->height; y++) {
		memcpy((char *)to + (size_t)y * to_stride, (const char *)from + (size_t)y * from_stride,
			(size_t)picture->width * picture->format->bytes);
	}
}

static bool share(struct sbx_device *device, const struct oracle_image *picture, uint32_t uses,
		struct shared *shared) {
	uint32_t row = (uint32_t)picture->width * picture->format->bytes;
	*shared = (struct shared){ .stride = (row + 255) / 256 * 256 };
	if (test_buffer_udmabuf((size_t)shared->stride * (size_t)picture->height,
			&shared->buffer) < 0) {
		shared->buffer.fd = -1;
		return false;
	}
	test_buffer_begin_access(&shared->buffer);
	copy_rows(shared->buffer.data, shared->stride, picture->data, picture->stride, picture);
	test_buffer_end_access(&shared->buffer);
	struct sbx_dmabuf dmabuf = test_buffer_describe(&shared->buffer, picture->format->drm,
		(uint32_t)picture->width, (uint32_t)picture->height, shared->stride);
	return sbx_image_import_dmabuf(device, &dmabuf, uses, &shared->image) == 0;
}

static struct oracle_image *unshare(struct shared *shared, const struct oracle_image *like,
		bool read) {
	struct oracle_image *picture = NULL;
	if (read) {
		picture = oracle_image_create(like->format, like->width, like->height);
		test_buffer_begin_access(&shared->buffer);
		copy_rows(picture->data, picture->stride, shared->buffer.data, shared->stride, picture);
		test_buffer_end_access(&shared->buffer);
	}
	sbx_image_destroy(shared->image);
	if (shared->buffer.fd >= 0) {
		test_buffer_finish(&shared->buffer);
	}
	return picture;
}

struct oracle_image *draw_scene_in_dmabufs(struct sbx_composer *composer, struct sbx_device *device,
		const struct oracle_scene *scene) {
	struct shared target, sources[ORACLE_MAX_TEXTURES];
	struct sbx_image *textures[ORACLE_MAX_TEXTURES] = {0};
	uint64_t value = 0;
	share(device, scene->target, SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE, &target);
	for (size_t i = 0; i < scene->n_textures; i++) {
		share(device, scene->textures[i], SBX_FORMAT_SAMPLE, &sources[i]);
		textures[i] = sources[i].image;
	}
	int ret = draw_on(composer, target.image, textures, scene, &value);
	if (ret == 0) {
		ret = sbx_device_wait(device, value, TIMEOUT_NS);
	}
	for (size_t i = 0; i < scene->n_textures; i++) {
		unshare(&sources[i], scene->textures[i], false);
	}
	return unshare(&target, scene->target, ret == 0);
}

void draw_keep_usable(struct sbx_device *device, uint32_t *formats, uint32_t uses) {
	uint32_t *kept = formats;
	for (; *formats != 0; formats++) {
		const struct sbx_format *format = sbx_format_from_drm(*formats);
		if (format != NULL && (sbx_format_uses(device, format) & uses) == uses) {
			*kept++ = *formats;
		}
	}
	*kept = 0;
}

static bool is_importable(struct sbx_device *device, const struct sbx_format *format, uint32_t uses) {
	struct sbx_modifier *modifiers = NULL;
	int n = format != NULL ? sbx_format_modifiers(device, format, &modifiers) : 0;
	bool found = false;
	for (int i = 0; i < n; i++) {
		found = found || (modifiers[i].modifier == DRM_FORMAT_MOD_LINEAR &&
			(modifiers[i].uses & uses) == uses);
	}
	free(modifiers);
	return found;
}

void draw_keep_importable(struct sbx_device *device, uint32_t *formats, uint32_t uses) {
	uint32_t *kept = formats;
	for (; *formats != 0; formats++) {
		if (is_importable(device, sbx_format_from_drm(*formats), uses)) {
			*kept++ = *formats;
		}
	}
	*kept = 0;
}
