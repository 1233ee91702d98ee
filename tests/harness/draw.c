#include "harness/draw.h"

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

struct oracle_image *draw_scene(struct sbx_composer *composer, struct sbx_device *device,
		const struct oracle_scene *scene) {
	struct sbx_image *textures[ORACLE_MAX_TEXTURES] = {0};
	struct oracle_image *picture = NULL;
	struct sbx_image *target = draw_upload(device, scene->target, true);
	bool ok = target != NULL;
	for (size_t i = 0; i < scene->n_textures; i++) {
		textures[i] = draw_upload(device, scene->textures[i], false);
		ok = ok && textures[i] != NULL;
	}
	struct sbx_frame *frame = ok ? sbx_composer_begin(composer, target) : NULL;
	if (frame != NULL) {
		draw_add_ops(frame, scene, textures);
		if (sbx_frame_submit(frame, NULL, NULL) == 0) {
			picture = draw_read(target);
		}
	}
	for (size_t i = 0; i < scene->n_textures; i++) {
		sbx_image_destroy(textures[i]);
	}
	sbx_image_destroy(target);
	return picture;
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
