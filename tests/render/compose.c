#include <drm_fourcc.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "harness/draw.h"
#include "harness/vulkan.h"
#include "harness/vulkan_fault.h"
#include "render/batch.h"
#include "render/compose.h"
#include "render/descriptors.h"
#include "render/frame.h"
#include "render/image.h"
#include "trace/counter.h"

/*
 * The composer by cases that one can follow by hand; tests/render/scenes.c has the random ones.
 */

static const float grey[4] = { 128.0f / 255, 128.0f / 255, 128.0f / 255, 1 };

struct stage {
	struct sbx_device *device;
	struct sbx_composer *composer;
	struct sbx_image *target;
	int width, height;
};

static struct sbx_image *make_image(struct sbx_device *device, uint32_t drm, int width, int height,
		const float *rgba, bool store) {
	struct oracle_image *picture = oracle_image_create(oracle_format(drm), width, height);
	for (int i = 0; i < width * height; i++) {
		oracle_image_put(picture, i % width, i / width, rgba);
	}
	struct sbx_image *image = draw_upload(device, picture, store);
	oracle_image_destroy(picture);
	assert_non_null(image);
	return image;
}

static struct stage begin_stage(struct sbx_device *device, int width, int height) {
	struct stage stage = { .device = device, .width = width, .height = height };
	assert_int_equal(sbx_composer_create(device, &stage.composer), 0);
	stage.target = make_image(device, DRM_FORMAT_ARGB8888, width, height, grey, true);
	return stage;
}

static void end_stage(struct stage *stage) {
	sbx_image_destroy(stage->target);
	sbx_composer_destroy(stage->composer);
}

static struct sbx_frame *begin(struct stage *stage) {
	struct sbx_frame *frame = sbx_composer_begin(stage->composer, stage->target);
	assert_non_null(frame);
	return frame;
}

/** The target's pixel as 0xAARRGGBB. */
static uint32_t pixel(const struct oracle_image *picture, int x, int y) {
	uint32_t value;
	memcpy(&value, picture->data + (size_t)y * picture->stride + 4 * (size_t)x, sizeof(value));
	return value;
}

static void expect_all(struct stage *stage, uint32_t argb) {
	struct oracle_image *picture = draw_read(stage->target);
	assert_non_null(picture);
	for (int i = 0; i < stage->width * stage->height; i++) {
		assert_int_equal(pixel(picture, i % stage->width, i / stage->width), argb);
	}
	oracle_image_destroy(picture);
}

#define GREY 0xff808080u

static struct sbx_texture_op whole(struct sbx_image *texture, pixman_box32_t box) {
	return (struct sbx_texture_op){
		.texture = texture, .src_width = texture->width, .src_height = texture->height,
		.box = box, .alpha = 1,
	};
}

static void test_no_operations(void **state) {
	struct stage stage = begin_stage(*state, 16, 16);
	uint64_t value = 0;
	int done_fd = 5;
	assert_int_equal(sbx_frame_submit(begin(&stage), &done_fd, &value), 0);
	assert_true(value > 0);
	assert_int_equal(sbx_device_wait(stage.device, value, 1000000000), 0);
	if (done_fd >= 0) {
		close(done_fd);
	}
	expect_all(&stage, GREY);
	end_stage(&stage);
}

/**
 * A texture of 2x3 pixels,
 *     1 2
 *     3 4
 *     5 6
 * and what each transform makes of it: 90 turns it counter-clockwise, flipped mirrors it left to right
 * before that. Worked out on paper from wl_output's description.
 */
static const struct turned {
	int width, height;
	uint8_t pixels[6];
} turned[] = {
	[SBX_TRANSFORM_NORMAL] = { 2, 3, { 1, 2, 3, 4, 5, 6 } },
	[SBX_TRANSFORM_90] = { 3, 2, { 2, 4, 6, 1, 3, 5 } },
	[SBX_TRANSFORM_180] = { 2, 3, { 6, 5, 4, 3, 2, 1 } },
	[SBX_TRANSFORM_270] = { 3, 2, { 5, 3, 1, 6, 4, 2 } },
	[SBX_TRANSFORM_FLIPPED] = { 2, 3, { 2, 1, 4, 3, 6, 5 } },
	[SBX_TRANSFORM_FLIPPED_90] = { 3, 2, { 1, 3, 5, 2, 4, 6 } },
	[SBX_TRANSFORM_FLIPPED_180] = { 2, 3, { 5, 6, 3, 4, 1, 2 } },
	[SBX_TRANSFORM_FLIPPED_270] = { 3, 2, { 6, 4, 2, 5, 3, 1 } },
};

static void expect_turned(struct stage *stage, struct sbx_image *texture, int transform, int scale) {
	const struct turned *t = &turned[transform];
	struct sbx_texture_op op = whole(texture,
		(pixman_box32_t){ 4, 5, 4 + t->width * scale, 5 + t->height * scale });
	op.transform = (enum sbx_transform)transform;
	op.filter = scale > 1 ? SBX_FILTER_NEAREST : SBX_FILTER_BILINEAR;
	struct sbx_frame *frame = begin(stage);
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	struct oracle_image *picture = draw_read(stage->target);
	for (int i = 0; i < 6 * scale * scale; i++) {
		int x = i % (t->width * scale), y = i / (t->width * scale);
		uint32_t want = t->pixels[y / scale * t->width + x / scale];
		assert_int_equal(pixel(picture, 4 + x, 5 + y) & 0xff, want);
	}
	oracle_image_destroy(picture);
}

static void test_transforms(void **state) {
	struct stage stage = begin_stage(*state, 16, 16);
	struct oracle_image *picture = oracle_image_create(oracle_format(DRM_FORMAT_XRGB8888), 2, 3);
	for (int i = 0; i < 6; i++) {
		oracle_image_put(picture, i % 2, i / 2, (float[4]){ 0, 0, (float)(i + 1) / 255, 1 });
	}
	struct sbx_image *texture = draw_upload(stage.device, picture, false);
	for (int transform = 0; transform < 8; transform++) {
		expect_turned(&stage, texture, transform, 1);
		expect_turned(&stage, texture, transform, 3);
	}
	oracle_image_destroy(picture);
	sbx_image_destroy(texture);
	end_stage(&stage);
}

static void add_colour(struct sbx_frame *frame, pixman_box32_t box, const float *c,
		enum sbx_blend blend, const pixman_region32_t *clip) {
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){
		.box = box, .color = { c[0], c[1], c[2], c[3] }, .blend = blend, .clip = clip,
	});
}

static const float red[4] = { 1, 0, 0, 1 }, clear[4] = { 0, 0, 0, 0 };
static const float half_green[4] = { 0, 128.0f / 255, 0, 128.0f / 255 };

static void test_blend_modes(void **state) {
	struct stage stage = begin_stage(*state, 40, 8);
	struct sbx_frame *frame = begin(&stage);
	add_colour(frame, (pixman_box32_t){ 0, 0, 8, 8 }, red, SBX_BLEND_PREMULTIPLIED, NULL);
	add_colour(frame, (pixman_box32_t){ 8, 0, 16, 8 }, half_green, SBX_BLEND_PREMULTIPLIED, NULL);
	add_colour(frame, (pixman_box32_t){ 16, 0, 24, 8 }, half_green, SBX_BLEND_NONE, NULL);
	add_colour(frame, (pixman_box32_t){ 24, 0, 32, 8 }, clear, SBX_BLEND_PREMULTIPLIED, NULL);
	add_colour(frame, (pixman_box32_t){ 32, 0, 40, 8 }, clear, SBX_BLEND_NONE, NULL);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	struct oracle_image *picture = draw_read(stage.target);
	assert_int_equal(pixel(picture, 4, 4), 0xffff0000u);
	assert_true(abs((int)(pixel(picture, 12, 4) & 0xff) - 0x40) <= 1);
	assert_int_equal(pixel(picture, 12, 4) >> 24, 0xff);
	assert_int_equal(pixel(picture, 20, 4), 0x80008000u);
	assert_int_equal(pixel(picture, 28, 4), GREY);
	assert_int_equal(pixel(picture, 36, 4), 0);
	oracle_image_destroy(picture);
	end_stage(&stage);
}

/** Nothing of this may draw, fail or crash. */
static void test_empty_and_outside(void **state) {
	struct stage stage = begin_stage(*state, 24, 16);
	struct sbx_image *texture = make_image(stage.device, DRM_FORMAT_ARGB8888, 8, 8, red, false);
	static const pixman_box32_t boxes[] = {
		{ 5, 5, 5, 9 }, { 5, 5, 9, 5 }, { 9, 9, 2, 2 }, { 24, 0, 30, 16 }, { 0, 16, 24, 99 },
		{ -9, 0, 0, 16 }, { INT_MIN, INT_MIN, -1, -1 }, { INT_MAX - 1, 0, INT_MAX, 16 },
		{ INT_MAX, INT_MAX, INT_MIN, INT_MIN },
	};
	struct sbx_frame *frame = begin(&stage);
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		add_colour(frame, boxes[i], red, SBX_BLEND_NONE, NULL);
		for (int transform = 0; transform < 8; transform++) {
			struct sbx_texture_op op = whole(texture, boxes[i]);
			op.transform = (enum sbx_transform)transform;
			sbx_frame_add_texture(frame, &op);
		}
	}
	pixman_region32_t nothing;
	pixman_region32_init(&nothing);
	add_colour(frame, (pixman_box32_t){ 0, 0, 24, 16 }, red, SBX_BLEND_NONE, &nothing);
	struct sbx_texture_op op = whole(texture, (pixman_box32_t){ 0, 0, 8, 8 });
	op.src_width = 0;
	sbx_frame_add_texture(frame, &op);
	op.src_width = -3;
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	expect_all(&stage, GREY);
	pixman_region32_fini(&nothing);
	sbx_image_destroy(texture);
	end_stage(&stage);
}

/** Boxes as large as numbers go, textures larger than the target, source boxes beyond the texture. */
static void test_huge(void **state) {
	struct stage stage = begin_stage(*state, 24, 16);
	struct sbx_image *texture = make_image(stage.device, DRM_FORMAT_XRGB8888, 300, 200, red, false);
	static const pixman_box32_t boxes[] = {
		{ INT_MIN, INT_MIN, INT_MAX, INT_MAX }, { -1, INT_MIN, INT_MAX, 999 },
		{ INT_MIN, -1, 24, INT_MAX }, { -138, -92, 162, 108 },
	};
	static const double sources[][4] = {
		{ 0, 0, 300, 200 }, { 299, 199, 1, 1 }, { -1e9, -1e9, 2e9, 2e9 }, { 250, 150, 1e6, 1e6 },
		{ -1e30, 0, 1e38, 1e300 }, { 0, 0, 1e-30, 1e-300 },
	};
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		for (size_t k = 0; k < sizeof(sources) / sizeof(sources[0]) * 16; k++) {
			struct sbx_texture_op op = whole(texture, boxes[i]);
			op.src_x = sources[k / 16][0];
			op.src_y = sources[k / 16][1];
			op.src_width = sources[k / 16][2];
			op.src_height = sources[k / 16][3];
			op.transform = (enum sbx_transform)(k % 8);
			op.filter = k % 16 < 8 ? SBX_FILTER_BILINEAR : SBX_FILTER_NEAREST;
			struct sbx_frame *frame = begin(&stage);
			sbx_frame_add_texture(frame, &op);
			assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
		}
		expect_all(&stage, 0xffff0000u);
	}
	sbx_image_destroy(texture);
	end_stage(&stage);
}

static void expect_refused(struct stage *stage, const struct sbx_texture_op *op,
		const struct sbx_rect_op *rect) {
	struct sbx_frame *frame = begin(stage);
	add_colour(frame, (pixman_box32_t){ 0, 0, 9, 9 }, red, SBX_BLEND_NONE, NULL);
	if (op != NULL) {
		sbx_frame_add_texture(frame, op);
	} else {
		sbx_frame_add_rect(frame, rect);
	}
	int done_fd = 7;
	assert_int_equal(sbx_frame_submit(frame, &done_fd, NULL), -EINVAL);
	assert_int_equal(done_fd, -1);
}

/** What is no number, and what is no texture, fails the frame and leaves the target alone. */
static void test_refused(void **state) {
	struct stage stage = begin_stage(*state, 16, 16);
	struct sbx_image *texture = make_image(stage.device, DRM_FORMAT_ARGB8888, 8, 8, red, false);
	const double odd[] = { (double)NAN, (double)INFINITY, -(double)INFINITY };
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]) * 5; i++) {
		struct sbx_texture_op op = whole(texture, (pixman_box32_t){ 0, 0, 8, 8 });
		double *const fields[] = { &op.src_x, &op.src_y, &op.src_width, &op.src_height };
		if (i % 5 < 4) {
			*fields[i % 5] = odd[i / 5];
		} else {
			op.alpha = (float)odd[i / 5];
		}
		expect_refused(&stage, &op, NULL);
		struct sbx_rect_op rect = { .box = { 0, 0, 8, 8 } };
		rect.color[i % 4] = (float)odd[i / 5];
		expect_refused(&stage, NULL, &rect);
	}
	struct sbx_texture_op op = whole(stage.target, (pixman_box32_t){ 0, 0, 8, 8 });
	expect_refused(&stage, &op, NULL);
	op.texture = NULL;
	expect_refused(&stage, &op, NULL);
	op = whole(texture, (pixman_box32_t){ 0, 0, 8, 8 });
	op.transform = (enum sbx_transform)8;
	expect_refused(&stage, &op, NULL);
	expect_all(&stage, GREY);
	sbx_image_destroy(texture);
	end_stage(&stage);
}

/** Alphas and colours outside 0..1 are cut, not refused: rounding in a compositor makes such. */
static void test_cut_to_range(void **state) {
	struct stage stage = begin_stage(*state, 16, 16);
	struct sbx_image *texture = make_image(stage.device, DRM_FORMAT_ARGB8888, 16, 16, red, false);
	const pixman_box32_t all = { 0, 0, 16, 16 };
	struct sbx_texture_op op = whole(texture, all);
	struct sbx_frame *frame = begin(&stage);
	op.alpha = -0.25f;
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	expect_all(&stage, GREY);
	frame = begin(&stage);
	op.alpha = 1.5f;
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	expect_all(&stage, 0xffff0000u);
	frame = begin(&stage);
	add_colour(frame, all, (float[4]){ -1, 2, 0, 1.5f }, SBX_BLEND_PREMULTIPLIED, NULL);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	expect_all(&stage, 0xff00ff00u);
	sbx_image_destroy(texture);
	end_stage(&stage);
}

static void test_cancel(void **state) {
	struct stage stage = begin_stage(*state, 16, 16);
	sbx_frame_cancel(NULL);
	struct sbx_frame *frame = begin(&stage);
	add_colour(frame, (pixman_box32_t){ 0, 0, 16, 16 }, red, SBX_BLEND_NONE, NULL);
	sbx_frame_cancel(frame);
	expect_all(&stage, GREY);
	frame = begin(&stage);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	end_stage(&stage);
}

/**
 * Nested translucent boxes, so many that no partition holds them at once: several dispatches, each on
 * what the one before drew, and the same picture as one after another.
 */
static void test_split_frame(void **state) {
	enum { N = 400 };
	struct stage stage = begin_stage(*state, 2 * N + 3, 11);
	const float step[4] = { 0, 0, 0, 1.0f / 255 };
	uint64_t before = sbx_counter_read(SBX_COUNT_SPLIT_FRAMES);
	struct sbx_frame *frame = begin(&stage);
	for (int i = 0; i < N; i++) {
		add_colour(frame, (pixman_box32_t){ i, i % 5, 2 * N - i, 11 - i % 5 }, step,
			SBX_BLEND_PREMULTIPLIED, NULL);
	}
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	assert_int_equal(sbx_counter_read(SBX_COUNT_SPLIT_FRAMES), before + 1);
	struct oracle_image *picture = draw_read(stage.target);
	for (int x = 0; x < 2 * N; x++) {
		int depth = x < N ? x + 1 : 2 * N - x;
		double want = 128 * pow(1 - 1.0 / 255, depth);
		// Each dispatch rounds what it leaves behind.
		assert_true(fabs((pixel(picture, x, 5) & 0xff) - want) <= 6);
	}
	assert_int_equal(pixel(picture, 2 * N + 1, 5), GREY);
	oracle_image_destroy(picture);
	end_stage(&stage);
}

/** Ten thousand operations, in the ways that are worst for someone. */
static void test_many_operations(void **state) {
	enum { N = 10000 };
	struct stage stage = begin_stage(*state, 200, 100);
	struct sbx_image *texture = make_image(stage.device, DRM_FORMAT_ARGB8888, 8, 8,
		half_green, false);
	struct sbx_frame *frame = begin(&stage);
	for (int i = 0; i < N; i++) {
		add_colour(frame, (pixman_box32_t){ 0, 0, 200, 100 }, red, SBX_BLEND_NONE, NULL);
	}
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	expect_all(&stage, 0xffff0000u);
	frame = begin(&stage);
	for (int i = 0; i < N; i++) {
		struct sbx_texture_op op = whole(texture,
			(pixman_box32_t){ i % 193, i % 89, i % 193 + 8, i % 89 + 8 });
		sbx_frame_add_texture(frame, &op);
	}
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	frame = begin(&stage);
	for (int i = 0; i < N; i++) {
		struct sbx_texture_op op = whole(texture, (pixman_box32_t){ 0, 0, 20, 10 });
		op.alpha = 0.01f;
		sbx_frame_add_texture(frame, &op);
	}
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	struct oracle_image *picture = draw_read(stage.target);
	assert_non_null(picture);
	assert_int_equal(pixel(picture, 10, 5) >> 24, 0xff);
	oracle_image_destroy(picture);
	sbx_image_destroy(texture);
	end_stage(&stage);
}

/** A clip of every other pixel: more rectangles than fit one layer. */
static void test_checkered_clip(void **state) {
	enum { WIDTH = 200, HEIGHT = 101 };
	struct stage stage = begin_stage(*state, WIDTH, HEIGHT);
	pixman_box32_t *boxes = calloc(WIDTH * HEIGHT / 2, sizeof(*boxes));
	int n = 0;
	for (int i = 0; i < WIDTH * HEIGHT; i++) {
		int x = i % WIDTH, y = i / WIDTH;
		if ((x + y) % 2 == 1) {
			boxes[n++] = (pixman_box32_t){ x, y, x + 1, y + 1 };
		}
	}
	pixman_region32_t clip;
	assert_true(pixman_region32_init_rects(&clip, boxes, n));
	struct sbx_frame *frame = begin(&stage);
	add_colour(frame, (pixman_box32_t){ 0, 0, WIDTH, HEIGHT }, red, SBX_BLEND_NONE, &clip);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	struct oracle_image *picture = draw_read(stage.target);
	for (int i = 0; i < WIDTH * HEIGHT; i++) {
		int x = i % WIDTH, y = i / WIDTH;
		assert_int_equal(pixel(picture, x, y), (x + y) % 2 == 1 ? 0xffff0000u : GREY);
	}
	oracle_image_destroy(picture);
	pixman_region32_fini(&clip);
	free(boxes);
	end_stage(&stage);
}

static void draw_one(struct stage *stage, struct sbx_image *texture, int expected) {
	struct sbx_frame *frame = begin(stage);
	struct sbx_texture_op op = whole(texture, (pixman_box32_t){ 0, 0, stage->width, 16 });
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), expected);
}

/** Slots come back when images go, also while frames with them are on their way. */
static void test_slots(void **state) {
	struct sbx_device *device = *state;
	uint32_t max_textures = device->caps.max_textures;
	device->caps.max_textures = 3;
	struct stage stage = begin_stage(device, 16, 16);
	struct sbx_image *textures[4];
	for (int i = 0; i < 4; i++) {
		textures[i] = make_image(device, DRM_FORMAT_ARGB8888, 8, 8, red, false);
		draw_one(&stage, textures[i], i < 3 ? 0 : -ENOSPC);
	}
	assert_int_equal(log_count("all 3 places for textures are taken"), 1);
	sbx_image_destroy(textures[1]);
	assert_int_equal(sbx_device_wait(device, device->submitted, 1000000000), 0);
	draw_one(&stage, textures[3], 0);
	for (int i = 0; i < 20; i++) {
		struct sbx_image *brief = make_image(device, DRM_FORMAT_ARGB8888, 8, 8, half_green, true);
		struct sbx_frame *frame = sbx_composer_begin(stage.composer, brief);
		assert_non_null(frame);
		assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
		sbx_image_destroy(brief);
	}
	assert_int_equal(sbx_device_wait(device, device->submitted, 1000000000), 0);
	assert_int_equal(stage.composer->descriptors.target_slots.n_free, SBX_MAX_TARGETS - 1);
	sbx_image_destroy(stage.target);
	sbx_composer_destroy(stage.composer);
	device->caps.max_textures = max_textures;
	// These outlive the composer.
	assert_int_equal(textures[0]->sample_slot, -1);
	assert_null(textures[0]->released);
	for (int i = 0; i < 4; i++) {
		sbx_image_destroy(i != 1 ? textures[i] : NULL);
	}
}

static void test_two_composers(void **state) {
	struct stage stage = begin_stage(*state, 16, 16), other = begin_stage(*state, 16, 16);
	struct sbx_image *texture = make_image(stage.device, DRM_FORMAT_ARGB8888, 8, 8, red, false);
	draw_one(&stage, texture, 0);
	assert_int_equal(sbx_device_wait(stage.device, stage.device->submitted, 1000000000), 0);
	end_stage(&stage);
	draw_one(&other, texture, 0);
	sbx_image_destroy(texture);
	end_stage(&other);
}

/** What is hidden is not even used; what is opaque and as it is is copied on a CPU. */
static void test_counters(void **state) {
	struct stage stage = begin_stage(*state, 64, 16);
	struct sbx_image *hidden = make_image(stage.device, DRM_FORMAT_XRGB8888, 8, 16, red, false);
	struct sbx_image *seen = make_image(stage.device, DRM_FORMAT_ARGB8888, 64, 16, grey, false);
	uint64_t frames = sbx_counter_read(SBX_COUNT_FRAMES), parts = sbx_counter_read(SBX_COUNT_PARTS);
	uint64_t copied = sbx_counter_read(SBX_COUNT_COPIED_PARTS);
	struct sbx_frame *frame = begin(&stage);
	struct sbx_texture_op op = whole(hidden, (pixman_box32_t){ 10, 0, 18, 16 });
	sbx_frame_add_texture(frame, &op);
	op = whole(seen, (pixman_box32_t){ 0, 0, 64, 16 });
	op.blend = SBX_BLEND_NONE;
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	assert_int_equal(sbx_counter_read(SBX_COUNT_FRAMES), frames + 1);
	assert_int_equal(sbx_counter_read(SBX_COUNT_PARTS), parts + 1);
	assert_int_equal(sbx_counter_read(SBX_COUNT_COPIED_PARTS),
		copied + (stage.device->caps.software ? 1 : 0));
	assert_int_equal(hidden->sample_slot, -1);
	expect_all(&stage, GREY);
	sbx_image_destroy(hidden);
	sbx_image_destroy(seen);
	end_stage(&stage);
}

/** An opaque rectangle everywhere and a translucent texture above some of it. */
static void draw_patch(struct stage *stage, struct sbx_image *patch) {
	struct sbx_frame *frame = begin(stage);
	uint64_t value = 0;
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){
		.box = { 0, 0, stage->width, stage->height }, .color = { 1, 0, 0, 1 },
	});
	struct sbx_texture_op op = whole(patch, (pixman_box32_t){ 8, 8, 24, 24 });
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, &value), 0);
	assert_int_equal(sbx_device_wait(stage->device, value, 10000000000ull), 0);
	struct oracle_image *picture = draw_read(stage->target);
	assert_non_null(picture);
	for (int i = 0; i < stage->width * stage->height; i += 3) {
		int x = i % stage->width, y = i / stage->width;
		bool inside = x >= 8 && x < 24 && y >= 8 && y < 24;
		assert_int_equal(pixel(picture, x, y), inside ? 0xff7f8000 : 0xffff0000);
	}
	oracle_image_destroy(picture);
}

/** Workgroups are counted anew in each dispatch. */
static bool last_part_begins_dispatch(const struct stage *stage) {
	size_t n_parts = stage->composer->partition.n_parts;
	assert_true(n_parts > 1);
	return (stage->composer->packed[n_parts - 1].groups & ((1u << SBX_PART_GROUP_BITS) - 1)) == 0;
}

/** As GPUs do: where much shows a single layer, that gets a dispatch of its own; where little, not. */
static void test_dispatches(void **state) {
	static const int widths[] = { 64, 2200 };
	struct sbx_device *device = *state;
	bool software = device->caps.software;
	device->caps.software = false;
	for (int i = 0; i < 2; i++) {
		struct stage stage = begin_stage(device, widths[i], i == 0 ? 64 : 1000);
		struct sbx_image *patch = make_image(device, DRM_FORMAT_ARGB8888, 16, 16, half_green,
			false);
		draw_patch(&stage, patch);
		assert_int_equal(last_part_begins_dispatch(&stage), i == 1);
		sbx_image_destroy(patch);
		end_stage(&stage);
	}
	device->caps.software = software;
}

/** Frame after frame nothing new is allocated for what the shader reads. */
static void test_steady_state(void **state) {
	struct stage stage = begin_stage(*state, 64, 64);
	struct sbx_image *texture = make_image(stage.device, DRM_FORMAT_ARGB8888, 8, 8, half_green,
		false);
	size_t blocks = 0;
	for (int i = 0; i < 200; i++) {
		struct sbx_frame *frame = begin(&stage);
		for (int k = 0; k < 50; k++) {
			struct sbx_texture_op op = whole(texture, (pixman_box32_t){ k, k, k + 9, k + 8 });
			sbx_frame_add_texture(frame, &op);
		}
		assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
		assert_int_equal(sbx_device_wait(stage.device, stage.device->submitted - 1,
			10000000000), 0);
	}
	for (size_t i = 0; i < SBX_FRAMEDATA_BLOCKS; i++) {
		blocks += stage.composer->data.blocks[i].buffer != NULL;
	}
	// Two frames are on their way at most while a third is recorded.
	assert_true(blocks <= 3);
	sbx_image_destroy(texture);
	end_stage(&stage);
}

/** Any call of a composer's creation fails: it is refused, and nothing is left. */
static int op_create(struct sbx_device *device, void *data) {
	struct sbx_composer *composer = NULL;
	int ret = sbx_composer_create(device, &composer);
	vulkan_fault_pause();
	assert_true((composer != NULL) == (ret == 0));
	sbx_composer_destroy(composer);
	return ret;
}

/**
 * A composer's first frame, which allocates all it needs. If it fails, the next one does not. With
 * *data, what the textures hold is still on its way and may get lost with the frame.
 */
static int op_first_frame(struct sbx_device *device, void *data) {
	const bool *uploading = data;
	unsigned left = vulkan_fault_pause();
	struct stage stage = begin_stage(device, 16, 16);
	struct sbx_image *texture = make_image(device, DRM_FORMAT_ARGB8888, 32, 32, red, false);
	struct sbx_texture_op op = whole(texture, (pixman_box32_t){ 0, 0, 16, 16 });
	if (!*uploading) {
		assert_int_equal(sbx_batch_submit_uploads(device), 0);
	}
	vulkan_fault_resume(left);
	struct sbx_frame *frame = sbx_composer_begin(stage.composer, stage.target);
	int ret = -ENOMEM;
	if (frame != NULL) {
		sbx_frame_add_texture(frame, &op);
		ret = sbx_frame_submit(frame, NULL, NULL);
	}
	vulkan_fault_pause();
	if (!*uploading) {
		expect_all(&stage, ret == 0 ? 0xffff0000u : GREY);
	}
	frame = begin(&stage);
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	if (!*uploading) {
		expect_all(&stage, 0xffff0000u);
	}
	sbx_image_destroy(texture);
	end_stage(&stage);
	return ret;
}

static void test_faults(void **state) {
	struct sbx_device *device = *state;
	bool uploading = false;
	// Drivers open their own caches of shaders when the first is compiled, and keep the fds.
	assert_int_equal(op_first_frame(device, &uploading), 0);
	VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
	assert_true(vulkan_each_call_fails(device, result, op_create, NULL) > 10);
	assert_true(vulkan_each_call_fails(device, result, op_first_frame, &uploading) > 3);
	uploading = true;
	assert_true(vulkan_each_call_fails(device, result, op_first_frame, &uploading) > 3);
}

/** A lost device: no frame begins, and everything can be given back. */
static void test_lost(void **state) {
	struct stage stage = begin_stage(*state, 16, 16);
	struct sbx_frame *frame = begin(&stage);
	add_colour(frame, (pixman_box32_t){ 0, 0, 16, 16 }, red, SBX_BLEND_NONE, NULL);
	sbx_device_check(stage.device, VK_ERROR_DEVICE_LOST, "test");
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), -ENODEV);
	assert_null(sbx_composer_begin(stage.composer, stage.target));
	end_stage(&stage);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_no_operations),
		VULKAN_TEST(test_transforms),
		VULKAN_TEST(test_blend_modes),
		VULKAN_TEST(test_empty_and_outside),
		VULKAN_TEST(test_huge),
		VULKAN_TEST(test_refused),
		VULKAN_TEST(test_cut_to_range),
		VULKAN_TEST(test_cancel),
		VULKAN_TEST(test_split_frame),
		VULKAN_TEST(test_many_operations),
		VULKAN_TEST(test_checkered_clip),
		VULKAN_TEST(test_slots),
		VULKAN_TEST(test_two_composers),
		VULKAN_TEST(test_counters),
		VULKAN_TEST(test_dispatches),
		VULKAN_TEST(test_steady_state),
		VULKAN_TEST(test_faults),
		VULKAN_TEST(test_lost),
	};
	return VULKAN_MAIN("render/compose", tests);
}
