#include "render/compose.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "render/array.h"
#include "render/batch.h"
#include "render/device.h"
#include "render/format.h"
#include "render/frame.h"
#include "render/image.h"
#include "render/retire.h"
#include "trace/counter.h"
#include "trace/log.h"

/** A clip region with more rectangles than this becomes several layers, so that each can be bounded. */
#define MAX_BOXES 2048
/** The steps of 12 bits and more are smaller than what anyone sees. */
#define MAX_DITHERED_BITS 10

int sbx_composer_create(struct sbx_device *device, struct sbx_composer **out) {
	struct sbx_composer *composer = calloc(1, sizeof(*composer));
	if (composer == NULL) {
		return -ENOMEM;
	}
	composer->device = device;
	composer->frame.composer = composer;
	sbx_partition_init(&composer->partition);
	sbx_framedata_init(&composer->data, device, &composer->descriptors);
	int ret = sbx_descriptors_init(&composer->descriptors, device);
	if (ret == 0) {
		ret = sbx_pipelines_init(&composer->pipelines, device, &composer->descriptors);
	}
	if (ret == 0 && device->caps.software) {
		ret = sbx_composer_warm_up(composer);
	}
	if (ret < 0) {
		sbx_composer_destroy(composer);
		return ret;
	}
	*out = composer;
	return 0;
}

static void destroy_now(struct sbx_device *device, void *object) {
	struct sbx_composer *composer = object;
	sbx_framedata_finish(&composer->data);
	sbx_pipelines_finish(&composer->pipelines);
	sbx_descriptors_finish(&composer->descriptors);
	sbx_partition_finish(&composer->partition);
	free(composer->packed);
	free(composer->kinds);
	free(composer->copies);
	free(composer->extras);
	free(composer->frame.records);
	free(composer->frame.layers);
	free(composer->frame.ops);
	free(composer->frame.boxes);
	free(composer);
}

void sbx_composer_destroy(struct sbx_composer *composer) {
	if (composer != NULL) {
		sbx_descriptors_forget_images(&composer->descriptors);
		sbx_retire_after(composer->device, composer->device->submitted, destroy_now, composer);
	}
}

struct sbx_frame *sbx_composer_begin(struct sbx_composer *composer, struct sbx_image *target) {
	struct sbx_frame *frame = &composer->frame;
	if (frame->batch != NULL || target->store_view == VK_NULL_HANDLE) {
		sbx_log_error("signalbox bug: %s", frame->batch != NULL ?
			"a frame is begun before the one before was submitted" :
			"a frame is begun on an image that cannot be a target");
		return NULL;
	}
	if (sbx_descriptors_add_target(&composer->descriptors, target) < 0) {
		return NULL;
	}
	frame->batch = sbx_batch_begin(composer->device);
	if (frame->batch == NULL) {
		return NULL;
	}
	frame->target = target;
	frame->error = 0;
	frame->n_layers = frame->n_boxes = 0;
	frame->grade = NULL;
	memset(frame->steps, 0, sizeof(frame->steps));
	return frame;
}

static void end_frame(struct sbx_frame *frame, uint64_t value) {
	sbx_framedata_end_frame(&frame->composer->data, value);
	frame->batch = NULL;
	frame->target = NULL;
	frame->grade = NULL;
}

static void fail(struct sbx_frame *frame, int error) {
	if (frame->error == 0) {
		frame->error = error;
	}
}

/** Red, green and blue. */
static void target_steps(const struct sbx_format *format, float steps[static 3]) {
	bool wide_green = format->drm == DRM_FORMAT_RGB565 || format->drm == DRM_FORMAT_BGR565;
	for (int c = 0; c < 3; c++) {
		int bits = format->depth + (wide_green && c == 1);
		steps[c] = 1 / (float)((1 << bits) - 1);
	}
}

void sbx_frame_set_color(struct sbx_frame *frame, struct sbx_grade *grade, bool dither) {
	const struct sbx_format *format = frame->target->format;
	if (frame->n_layers > 0) {
		sbx_log_error("signalbox bug: a frame's colours are chosen after its first operation");
		fail(frame, -EINVAL);
		return;
	}
	frame->grade = grade != NULL && grade->color.kind != SBX_COLOR_DEFAULT ? grade : NULL;
	if (dither && !format->is_float && format->depth <= MAX_DITHERED_BITS) {
		target_steps(format, frame->steps);
	}
}

static int32_t max_i32(int32_t a, int32_t b) {
	return a > b ? a : b;
}

static int32_t min_i32(int32_t a, int32_t b) {
	return a < b ? a : b;
}

static bool intersect(pixman_box32_t *box, const pixman_box32_t *with) {
	box->x1 = max_i32(box->x1, with->x1);
	box->y1 = max_i32(box->y1, with->y1);
	box->x2 = min_i32(box->x2, with->x2);
	box->y2 = min_i32(box->y2, with->y2);
	return box->x1 < box->x2 && box->y1 < box->y2;
}

/** Add what of `box` lies in `clip` and in the target to frame->boxes. -1: out of memory. */
static int add_boxes(struct sbx_frame *frame, pixman_box32_t box, const pixman_region32_t *clip) {
	const pixman_box32_t target = {
		0, 0, (int32_t)frame->target->width, (int32_t)frame->target->height,
	};
	size_t before = frame->n_boxes;
	int n = 1;
	const pixman_box32_t *rects = &target;
	if (clip != NULL) {
		rects = pixman_region32_rectangles(clip, &n);
	}
	if (!intersect(&box, &target) || n <= 0) {
		return 0;
	}
	if (!sbx_array_grow(&frame->boxes, &frame->boxes_capacity, before + (size_t)n,
			sizeof(frame->boxes[0]))) {
		return -1;
	}
	for (int i = 0; i < n; i++) {
		pixman_box32_t *added = &frame->boxes[frame->n_boxes];
		*added = box;
		if (intersect(added, &rects[i])) {
			frame->n_boxes++;
		}
	}
	return (int)(frame->n_boxes - before);
}

static bool grow_layers(struct sbx_frame *frame, size_t n) {
	return sbx_array_grow(&frame->records, &frame->records_capacity, n, sizeof(frame->records[0])) &&
		sbx_array_grow(&frame->layers, &frame->layers_capacity, n, sizeof(frame->layers[0])) &&
		sbx_array_grow(&frame->ops, &frame->ops_capacity, n, sizeof(frame->ops[0]));
}

/** `op` (NULL: a rectangle) is what `record` was made of. */
static void set_layer(struct sbx_layer *layer, const struct sbx_texture_op *op, size_t first_box, int n_boxes,
		bool copyable) {
	*layer = (struct sbx_layer){ .first_box = first_box, .n_boxes = n_boxes, .copyable = copyable };
	if (op == NULL) {
		return;
	}
	layer->texture = op->texture;
	layer->coding = op->coding;
	if (op->light.has_matrix) {
		layer->matrix = op->light.matrix;
	}
}

static void add_layer(struct sbx_frame *frame, const struct sbx_record *record,
		const struct sbx_texture_op *op, const pixman_box32_t *box, const pixman_region32_t *clip) {
	size_t first_box = frame->n_boxes;
	int n_boxes = add_boxes(frame, *box, clip);
	bool copyable = sbx_copy_is_possible(frame, record, op != NULL ? op->texture : NULL);
	if (n_boxes < 0) {
		fail(frame, -ENOMEM);
	}
	while (n_boxes > 0) {
		if (!grow_layers(frame, frame->n_layers + 1)) {
			fail(frame, -ENOMEM);
			return;
		}
		size_t at = frame->n_layers++;
		frame->records[at] = *record;
		set_layer(&frame->layers[at], op, first_box, min_i32(n_boxes, MAX_BOXES), copyable);
		first_box += MAX_BOXES;
		n_boxes -= MAX_BOXES;
	}
}

/** Light of it. */
static void decode_color(float color[static 4]) {
	float alpha = color[3];
	for (int c = 0; c < 3; c++) {
		color[c] = alpha > 0 ? sbx_curve_decode(SBX_CURVE_GAMMA22, color[c] / alpha) * alpha : 0;
	}
}

void sbx_frame_add_rect(struct sbx_frame *frame, const struct sbx_rect_op *op) {
	struct sbx_record record;
	for (int i = 0; i < 4; i++) {
		if (!isfinite(op->color[i])) {
			fail(frame, -EINVAL);
			return;
		}
	}
	if (sbx_record_from_rect(&record, op)) {
		if (frame->grade != NULL) {
			decode_color(record.color);
		}
		add_layer(frame, &record, NULL, &op->box, op->clip);
	}
}

static bool is_valid_coding(const struct sbx_coding *coding) {
	return coding->encoding < SBX_ENCODING_COUNT && coding->range < SBX_RANGE_COUNT &&
		coding->chroma < SBX_CHROMA_COUNT;
}

static bool is_valid_light(const struct sbx_light *light) {
	bool finite = true;
	for (int i = 0; i < 9 && light->has_matrix; i++) {
		finite = finite && isfinite(light->matrix.m[i]);
	}
	return finite && light->curve < SBX_CURVE_COUNT;
}

/** More bits than the target has, and they are to be dithered. */
static bool is_deep(const struct sbx_frame *frame, const struct sbx_image *texture) {
	return frame->steps[0] > 0 &&
		(texture->format->is_float || texture->format->depth > frame->target->format->depth);
}

static bool is_valid_texture_op(const struct sbx_frame *frame, const struct sbx_texture_op *op) {
	return op->texture != NULL && op->texture != frame->target &&
		(op->texture->sample_view != VK_NULL_HANDLE || op->texture->n_planes > 0) &&
		op->transform <= SBX_TRANSFORM_FLIPPED_270 && is_valid_coding(&op->coding) &&
		is_valid_light(&op->light) &&
		isfinite(op->src_x) && isfinite(op->src_y) && isfinite(op->src_width) &&
		isfinite(op->src_height) && isfinite(op->alpha);
}

void sbx_frame_add_texture(struct sbx_frame *frame, const struct sbx_texture_op *op) {
	struct sbx_record record;
	if (!is_valid_texture_op(frame, op)) {
		fail(frame, -EINVAL);
		return;
	}
	if (op->box.x1 < op->box.x2 && op->box.y1 < op->box.y2 &&
			sbx_record_from_texture(&record, op)) {
		record.flags |= is_deep(frame, op->texture) ? SBX_RECORD_DEEP : 0;
		add_layer(frame, &record, op, &op->box, op->clip);
	}
}

int sbx_frame_wait(struct sbx_frame *frame, int *sync_file) {
	return sbx_batch_wait(frame->batch, sync_file);
}

void sbx_frame_set_timer(struct sbx_frame *frame, struct sbx_timer *timer) {
	sbx_batch_set_timer(frame->batch, timer);
}

void sbx_frame_trace(struct sbx_frame *frame, uint64_t pass) {
	sbx_batch_trace(frame->batch, pass);
}

int sbx_frame_submit(struct sbx_frame *frame, int *done_fd, uint64_t *value) {
	uint64_t sent = 0;
	int ret = frame->error;
	if (done_fd != NULL) {
		*done_fd = -1;
	}
	if (ret == 0) {
		ret = sbx_frame_record(frame);
	}
	if (ret < 0) {
		sbx_frame_cancel(frame);
		return ret;
	}
	ret = sbx_batch_submit(frame->batch, done_fd, &sent);
	// Work may be on its way although its end could not be exported.
	end_frame(frame, ret < 0 ? frame->composer->device->submitted : sent);
	if (value != NULL) {
		*value = sent;
	}
	sbx_count(SBX_COUNT_FRAMES, ret == 0);
	return ret;
}

void sbx_frame_cancel(struct sbx_frame *frame) {
	if (frame != NULL && frame->batch != NULL) {
		sbx_batch_cancel(frame->batch);
		end_frame(frame, 0);
	}
}
