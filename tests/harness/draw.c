#include "harness/draw.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "oracle/ycbcr.h"
#include "render/device.h"
#include "render/format.h"
#include "render/grade.h"
#include "render/image.h"
#include "render/ycbcr.h"

/* A software device compiles what it has not drawn before, an emulated one for seconds. */
#define TIMEOUT_NS 120000000000ull

static int write_planes(struct sbx_image *image, const struct oracle_image *picture) {
	int ret = 0;
	for (uint32_t i = 0; i < image->n_planes && ret == 0; i++) {
		uint8_t memory = image->format->ycbcr->planes[i].memory;
		ret = sbx_image_write(image->planes[i], picture->data + picture->offsets[memory],
			picture->strides[memory], NULL);
	}
	return ret;
}

struct sbx_image *draw_upload(struct sbx_device *device, const struct oracle_image *picture,
		bool store) {
	struct sbx_image *image = sbx_image_create(device, sbx_format_from_drm(picture->format->drm),
		(uint32_t)picture->width, (uint32_t)picture->height,
		SBX_FORMAT_SAMPLE | (store ? SBX_FORMAT_STORE : 0));
	int ret = image == NULL ? -ENOMEM : image->n_planes > 0 ? write_planes(image, picture) :
		sbx_image_write(image, picture->data, picture->stride, NULL);
	if (ret < 0) {
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
		.coding = op->coding,
		.light = op->light,
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

/** False: it takes one, and it could not be made. */
static bool make_grade(struct sbx_device *device, const struct oracle_scene *scene, struct sbx_grade **grade) {
	*grade = scene->grade.kind == ORACLE_GRADE_NONE ? NULL :
		sbx_grade_create(device, oracle_grade_eval, (void *)(uintptr_t)&scene->grade);
	return *grade != NULL || scene->grade.kind == ORACLE_GRADE_NONE;
}

/** Draw the scene's operations on `target`. 0 or a negative errno. */
static int draw_on(struct sbx_composer *composer, struct sbx_image *target,
		struct sbx_image *const *textures, const struct oracle_scene *scene, uint64_t *value) {
	struct sbx_grade *grade = NULL;
	bool ok = target != NULL && make_grade(target->device, scene, &grade);
	for (size_t i = 0; i < scene->n_textures; i++) {
		ok = ok && textures[i] != NULL;
	}
	struct sbx_frame *frame = ok ? sbx_composer_begin(composer, target) : NULL;
	if (frame == NULL) {
		sbx_grade_destroy(grade);
		return -ENOMEM;
	}
	sbx_frame_set_color(frame, grade, scene->dither);
	draw_add_ops(frame, scene, textures);
	int ret = sbx_frame_submit(frame, NULL, value);
	sbx_grade_destroy(grade);
	return ret;
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

static size_t row_bytes(const struct oracle_image *picture, int plane) {
	const struct oracle_format *format = picture->format;
	return format->ycbcr != NULL ? oracle_ycbcr_row(format->ycbcr, plane, picture->width) :
		(size_t)picture->width * format->bytes;
}

static int row_count(const struct oracle_image *picture, int plane) {
	const struct oracle_format *format = picture->format;
	return format->ycbcr != NULL ? oracle_ycbcr_rows(format->ycbcr, plane, picture->height) :
		picture->height;
}

/** Strides and places; returns the bytes of the first buffer. */
static size_t lay_out(const struct oracle_image *picture, bool apart, struct sbx_dmabuf *dmabuf) {
	size_t size = 0;
	*dmabuf = (struct sbx_dmabuf){
		.width = (uint32_t)picture->width, .height = (uint32_t)picture->height,
		.format = picture->format->drm, .modifier = DRM_FORMAT_MOD_LINEAR,
		.planes = picture->format->ycbcr != NULL ? picture->format->ycbcr->n_planes : 1,
		.fd = { -1, -1, -1, -1 },
	};
	for (uint32_t i = 0; i < dmabuf->planes; i++) {
		dmabuf->stride[i] = (uint32_t)(row_bytes(picture, (int)i) + 255) / 256 * 256;
		dmabuf->offset[i] = apart ? 0 : (uint32_t)size;
		size += (size_t)dmabuf->stride[i] * (size_t)row_count(picture, (int)i);
	}
	return size;
}

static void copy_planes(struct draw_memory *memory, const struct oracle_image *picture, bool to_buffer) {
	for (uint32_t i = 0; i < memory->dmabuf.planes; i++) {
		struct test_buffer *buffer = &memory->buffers[memory->n_buffers > 1 ? i : 0];
		uint8_t *theirs = (uint8_t *)buffer->data + memory->dmabuf.offset[i];
		uint8_t *ours = picture->data + picture->offsets[i];
		test_buffer_begin_access(buffer);
		for (int y = 0; y < row_count(picture, (int)i); y++) {
			memcpy(to_buffer ? theirs : ours, to_buffer ? ours : theirs,
				row_bytes(picture, (int)i));
			theirs += memory->dmabuf.stride[i];
			ours += picture->strides[i];
		}
		test_buffer_end_access(buffer);
	}
}

static bool allocate(struct draw_memory *memory, size_t size, int n_buffers) {
	while (memory->n_buffers < n_buffers) {
		if (test_buffer_udmabuf(size, &memory->buffers[memory->n_buffers]) < 0) {
			return false;
		}
		memory->n_buffers++;
	}
	for (uint32_t i = 0; i < memory->dmabuf.planes; i++) {
		memory->dmabuf.fd[i] = memory->buffers[n_buffers > 1 ? i : 0].fd;
	}
	return true;
}

bool draw_memory_create(struct draw_memory *memory, const struct oracle_image *picture, bool apart) {
	*memory = (struct draw_memory){0};
	size_t size = lay_out(picture, apart, &memory->dmabuf);
	if (!allocate(memory, size, apart ? (int)memory->dmabuf.planes : 1)) {
		return false;
	}
	copy_planes(memory, picture, true);
	return true;
}

struct oracle_image *draw_memory_read(struct draw_memory *memory, const struct oracle_image *like) {
	struct oracle_image *picture = oracle_image_create(like->format, like->width, like->height);
	copy_planes(memory, picture, false);
	return picture;
}

void draw_memory_finish(struct draw_memory *memory) {
	while (memory->n_buffers > 0) {
		test_buffer_finish(&memory->buffers[--memory->n_buffers]);
	}
}

static struct sbx_image *share(struct sbx_device *device, const struct oracle_image *picture, uint32_t uses,
		bool apart, struct draw_memory *memory) {
	struct sbx_image *image = NULL;
	if (draw_memory_create(memory, picture, apart)) {
		sbx_image_import_dmabuf(device, &memory->dmabuf, uses, &image);
	}
	return image;
}

struct oracle_image *draw_scene_in_dmabufs(struct sbx_composer *composer, struct sbx_device *device,
		const struct oracle_scene *scene) {
	struct draw_memory memory, sources[ORACLE_MAX_TEXTURES];
	struct sbx_image *textures[ORACLE_MAX_TEXTURES] = {0};
	uint64_t value = 0;
	struct sbx_image *target =
		share(device, scene->target, SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE, false, &memory);
	for (size_t i = 0; i < scene->n_textures; i++) {
		textures[i] = share(device, scene->textures[i], SBX_FORMAT_SAMPLE, (scene->seed + i) % 3 == 0,
			&sources[i]);
	}
	int ret = draw_on(composer, target, textures, scene, &value);
	if (ret == 0) {
		ret = sbx_device_wait(device, value, TIMEOUT_NS);
	}
	for (size_t i = 0; i < scene->n_textures; i++) {
		sbx_image_destroy(textures[i]);
		draw_memory_finish(&sources[i]);
	}
	sbx_image_destroy(target);
	struct oracle_image *picture = ret == 0 ? draw_memory_read(&memory, scene->target) : NULL;
	draw_memory_finish(&memory);
	return picture;
}

static void list_formats(const struct oracle_format *formats, size_t count, uint32_t *list) {
	for (size_t i = 0; i < count; i++) {
		list[i] = formats[i].drm;
	}
	list[count] = 0;
}

void draw_list_rgb(uint32_t list[static DRAW_MAX_FORMATS]) {
	size_t count;
	const struct oracle_format *formats = oracle_formats(&count);
	list_formats(formats, count, list);
}

void draw_list_ycbcr(uint32_t list[static DRAW_MAX_FORMATS]) {
	size_t count;
	const struct oracle_format *formats = oracle_ycbcr_formats(&count);
	list_formats(formats, count, list);
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
