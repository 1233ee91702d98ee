#include <drm_fourcc.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "harness/draw.h"
#include "harness/vulkan.h"
#include "harness/vulkan_fault.h"
#include "oracle/color.h"
#include "oracle/image.h"
#include "render/compose.h"
#include "render/frame.h"
#include "render/grade.h"
#include "render/image.h"
#include "trace/counter.h"

/*
 * Frames with a grade by numbers that others have published, dithering, and what must not change without
 * one. Random ones, of all curves and blends, are in tests/render/scenes.c.
 */

#define SIZE 64

/** What wlr_scene makes of an HDR output: sRGB's white is 203 of 10000 cd/m² in BT.2020. */
static const struct oracle_grade hdr = { ORACLE_GRADE_CURVE, SBX_CURVE_PQ, { .m = {
	0.6274f * 0.0203f, 0.3293f * 0.0203f, 0.0433f * 0.0203f,
	0.0691f * 0.0203f, 0.9195f * 0.0203f, 0.0114f * 0.0203f,
	0.0164f * 0.0203f, 0.0880f * 0.0203f, 0.8956f * 0.0203f,
} } };
static const struct oracle_grade srgb = {
	ORACLE_GRADE_CURVE, SBX_CURVE_SRGB, { .m = { 1, 0, 0, 0, 1, 0, 0, 0, 1 } },
};
static const struct oracle_grade linear = {
	ORACLE_GRADE_CURVE, SBX_CURVE_LINEAR, { .m = { 1, 0, 0, 0, 1, 0, 0, 0, 1 } },
};
static const struct oracle_grade bent = {
	ORACLE_GRADE_TABLE, SBX_CURVE_SRGB, { .m = { 1, 0, 0, 0, 1, 0, 0, 0, 1 } },
};

struct stage {
	struct sbx_device *device;
	struct sbx_composer *composer;
	struct sbx_image *target;
	struct sbx_grade *grade;
};

static struct sbx_image *plain_image(struct sbx_device *device, uint32_t drm, const float rgba[static 4],
		bool store) {
	struct oracle_image *picture = oracle_image_create(oracle_format(drm), SIZE, SIZE);
	for (int i = 0; i < SIZE * SIZE; i++) {
		oracle_image_put(picture, i % SIZE, i / SIZE, rgba);
	}
	struct sbx_image *image = draw_upload(device, picture, store);
	oracle_image_destroy(picture);
	assert_non_null(image);
	return image;
}

static struct stage begin_stage(struct sbx_device *device, uint32_t drm, const struct oracle_grade *grade) {
	struct stage stage = { .device = device };
	assert_int_equal(sbx_composer_create(device, &stage.composer), 0);
	stage.target = plain_image(device, drm, (float[4]){ 0, 0, 0, 1 }, true);
	if (grade != NULL) {
		stage.grade = sbx_grade_create(device, oracle_grade_eval, (void *)(uintptr_t)grade);
		assert_non_null(stage.grade);
	}
	return stage;
}

static void end_stage(struct stage *stage) {
	sbx_grade_destroy(stage->grade);
	sbx_image_destroy(stage->target);
	sbx_composer_destroy(stage->composer);
}

static struct sbx_texture_op whole(struct sbx_image *texture) {
	return (struct sbx_texture_op){
		.texture = texture, .src_width = SIZE, .src_height = SIZE, .box = { 0, 0, SIZE, SIZE }, .alpha = 1,
	};
}

/** Draw `op` (its texture made of `drm` and `rgba` unless there is one), return the picture. */
static struct oracle_image *draw(struct stage *stage, uint32_t drm, const float rgba[static 4],
		struct sbx_light light, bool dither) {
	struct sbx_image *texture = plain_image(stage->device, drm, rgba, false);
	struct sbx_texture_op op = whole(texture);
	op.light = light;
	struct sbx_frame *frame = sbx_composer_begin(stage->composer, stage->target);
	assert_non_null(frame);
	sbx_frame_set_color(frame, stage->grade, dither);
	sbx_frame_add_texture(frame, &op);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	struct oracle_image *picture = draw_read(stage->target);
	assert_non_null(picture);
	sbx_image_destroy(texture);
	return picture;
}

static void expect(struct oracle_image *picture, const float rgb[static 3], float allowed) {
	float is[4];
	oracle_image_get(picture, SIZE / 2, SIZE / 2, is);
	for (int c = 0; c < 3; c++) {
		if (!(fabsf(is[c] - rgb[c]) <= allowed)) {
			fail_msg("channel %d is %g, not %g +- %g", c, (double)is[c], (double)rgb[c],
				(double)allowed);
		}
	}
	oracle_image_destroy(picture);
}

static const float white[4] = { 1, 1, 1, 1 }, black[4] = { 0, 0, 0, 1 };

/** ITU-R BT.2408: 203 cd/m², the white of graphics, is 58 % of PQ; 100 cd/m² is 50.8 %, 1000 75.2 %. */
static void test_hdr(void **state) {
	static const uint32_t formats[] = { DRM_FORMAT_XBGR2101010, DRM_FORMAT_ABGR16161616F };
	for (size_t i = 0; i < 2; i++) {
		float step = i == 0 ? 1.0f / 1023 : 0.001f;
		struct stage stage = begin_stage(*state, formats[i], &hdr);
		expect(draw(&stage, DRM_FORMAT_XRGB8888, white, (struct sbx_light){0}, false),
			(float[3]){ 0.5807f, 0.5807f, 0.5807f }, step);
		expect(draw(&stage, DRM_FORMAT_XRGB8888, black, (struct sbx_light){0}, false),
			(float[3]){ 0, 0, 0 }, 1e-4f);
		// Red of sRGB is not that of BT.2020: 62.7, 6.9 and 1.6 % of 203 cd/m².
		expect(draw(&stage, DRM_FORMAT_XRGB8888, (float[4]){ 1, 0, 0, 1 }, (struct sbx_light){0}, false),
			(float[3]){ 0.5325f, 0.3270f, 0.2201f }, 1.5f * step);
		end_stage(&stage);
	}
}

/** HDR content on an HDR output comes out as it went in, brighter than white, more colourful than sRGB. */
static void test_hdr_as_it_is(void **state) {
	struct sbx_light light = { .curve = SBX_CURVE_PQ, .has_matrix = true };
	assert_true(sbx_matrix_invert(&light.matrix, &hdr.matrix));
	struct stage stage = begin_stage(*state, DRM_FORMAT_XBGR2101010, &hdr);
	static const float colors[][4] = {
		{ 0.7518f, 0.7518f, 0.7518f, 1 }, { 0.9f, 0.1f, 0.1f, 1 }, { 0.2f, 0.8f, 0.3f, 1 }, { 0.3f, 0.25f, 0.95f, 1 },
	};
	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
		// What floats lose of a dark channel beside a bright one is two steps here.
		expect(draw(&stage, DRM_FORMAT_ABGR16161616, colors[i], light, false), colors[i], 2.5f / 1023);
	}
	end_stage(&stage);
	// Without a grade it is cut to what an sRGB monitor shows.
	stage = begin_stage(*state, DRM_FORMAT_XRGB8888, NULL);
	expect(draw(&stage, DRM_FORMAT_ABGR16161616, colors[0], light, false), white, 0);
	expect(draw(&stage, DRM_FORMAT_ABGR16161616, (float[4]){ 0.5807f, 0.5807f, 0.5807f, 1 }, light, false),
		white, 1.0f / 255);
	end_stage(&stage);
}

/** Half of white's light is 0.7297 in gamma 2.2, 0.7354 in sRGB; half of its value is 0.2176 in light. */
static void test_optical(void **state) {
	static const float half_white[4] = { 0.5f, 0.5f, 0.5f, 0.5f };
	struct stage stage = begin_stage(*state, DRM_FORMAT_ABGR16161616, &srgb);
	oracle_image_destroy(draw(&stage, DRM_FORMAT_ABGR16161616F, white, (struct sbx_light){0}, false));
	// Black above white by half, over what is in the target.
	expect(draw(&stage, DRM_FORMAT_ABGR16161616F, (float[4]){ 0, 0, 0, 0.5f }, (struct sbx_light){0}, false),
		(float[3]){ 0.7354f, 0.7354f, 0.7354f }, 2e-4f);
	end_stage(&stage);
	stage = begin_stage(*state, DRM_FORMAT_ABGR16161616F, &linear);
	expect(draw(&stage, DRM_FORMAT_ABGR16161616F, half_white, (struct sbx_light){0}, false),
		(float[3]){ 0.5f, 0.5f, 0.5f }, 1e-3f);
	end_stage(&stage);
	// Electrically: what is stored, as it always was.
	stage = begin_stage(*state, DRM_FORMAT_ABGR16161616, NULL);
	expect(draw(&stage, DRM_FORMAT_ABGR16161616F, half_white, (struct sbx_light){0}, false),
		(float[3]){ 0.5f, 0.5f, 0.5f }, 1e-4f);
	end_stage(&stage);
}

static void test_rect(void **state) {
	struct stage stage = begin_stage(*state, DRM_FORMAT_ABGR16161616, &linear);
	struct sbx_frame *frame = sbx_composer_begin(stage.composer, stage.target);
	sbx_frame_set_color(frame, stage.grade, true);
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){
		.box = { 0, 0, SIZE, SIZE }, .color = { 0.5f, 0.25f, 0, 0.5f }, .blend = SBX_BLEND_NONE,
	});
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	// Half transparent white, and half of it in green.
	expect(draw_read(stage.target), (float[3]){ 0.5f, 0.5f * 0.2176f, 0 }, 1e-4f);
	end_stage(&stage);
}

/** A table says the same as the transform, wherever it has points, and nearly so between. */
static void test_table(void **state) {
	struct stage stage = begin_stage(*state, DRM_FORMAT_ABGR16161616, &bent);
	assert_non_null(stage.grade->table);
	for (int i = 0; i <= 20; i++) {
		const float rgba[4] = { (float)i / 20, (float)(20 - i) / 20, (float)(i * i % 21) / 20, 1 };
		float light[3], wanted[3];
		for (int c = 0; c < 3; c++) {
			light[c] = sbx_curve_decode(SBX_CURVE_GAMMA22, rgba[c]);
		}
		sbx_color_eval(&stage.grade->color, wanted, light);
		expect(draw(&stage, DRM_FORMAT_ABGR16161616, rgba, (struct sbx_light){0}, false), wanted, 1e-4f);
	}
	// Nothing, laid over a picture that a table made, must leave it.
	struct oracle_image *before = draw(&stage, DRM_FORMAT_ABGR16161616,
		(float[4]){ 0.3f, 0.9f, 0.05f, 1 }, (struct sbx_light){0}, false);
	float rgba[4];
	oracle_image_get(before, 0, 0, rgba);
	oracle_image_destroy(before);
	expect(draw(&stage, DRM_FORMAT_ABGR16161616, (float[4]){0}, (struct sbx_light){0}, false), rgba, 3e-4f);
	end_stage(&stage);
}

/** What every channel is on the average, and by how much any pixel is off at most. */
static void measure(const struct oracle_image *picture, double *mean, double *worst, double wanted) {
	*mean = *worst = 0;
	for (int i = 0; i < SIZE * SIZE; i++) {
		float rgba[4];
		oracle_image_get(picture, i % SIZE, i / SIZE, rgba);
		*mean += (double)rgba[1] / (SIZE * SIZE);
		*worst = fmax(*worst, fabs((double)rgba[1] - wanted));
	}
}

/** By how many steps the mean of a grey is off. */
static double mean_error(struct stage *stage, double value, double step, bool dither) {
	float v = (float)value;
	double mean, worst;
	struct oracle_image *picture = draw(stage, DRM_FORMAT_ABGR16161616, (float[4]){ v, v, v, 1 },
		(struct sbx_light){0}, dither);
	measure(picture, &mean, &worst, value);
	assert_true(worst < step);
	oracle_image_destroy(picture);
	return fabs(mean - value) / step;
}

static void test_dither(void **state) {
	static const struct {
		uint32_t drm;
		double step;
	} targets[] = {
		{ DRM_FORMAT_XRGB8888, 1.0 / 255 }, { DRM_FORMAT_XBGR2101010, 1.0 / 1023 },
	};
	double unlike = 0;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct stage stage = begin_stage(*state, targets[i].drm, NULL);
		for (int grey = 1; grey < 40; grey++) {
			// 64 levels between two steps, and what 16 bits lose.
			assert_true(mean_error(&stage, grey / 41.0, targets[i].step, true) <= 1.0 / 64);
			// The control: without it, all pixels are off by the same.
			unlike = fmax(unlike, mean_error(&stage, grey / 41.0, targets[i].step, false));
		}
		end_stage(&stage);
	}
	print_message("not dithered: off by %.2f steps on the average\n", unlike);
	assert_true(unlike > 0.4);
}

/** What the target can hold exactly is not touched by dithering: nor black, nor white. */
static void test_dither_leaves_what_is_exact(void **state) {
	struct stage stage = begin_stage(*state, DRM_FORMAT_XRGB8888, &srgb);
	struct sbx_light light = { .curve = SBX_CURVE_SRGB };
	for (int i = 0; i <= 255; i += 5) {
		float v = (float)i / 255;
		struct oracle_image *picture = draw(&stage, DRM_FORMAT_XRGB8888, (float[4]){ v, v, v, 1 }, light, true);
		double mean, worst;
		measure(picture, &mean, &worst, (double)v);
		assert_true(worst < 1e-6);
		oracle_image_destroy(picture);
	}
	end_stage(&stage);
}

/** Software devices copy opaque parts: with the right colours, or not at all. */
static void test_copies(void **state) {
	struct sbx_device *device = *state;
	static const float color[4] = { 1, 0.2f, 0, 1 };
	const struct {
		const struct oracle_grade *grade;
		struct sbx_light light;
		bool copied;
	} cases[] = {
		{ NULL, {0}, device->caps.software },
		{ NULL, { .curve = SBX_CURVE_SRGB }, false },
		{ &srgb, {0}, false },
		{ &srgb, { .curve = SBX_CURVE_SRGB }, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stage stage = begin_stage(device, DRM_FORMAT_XRGB8888, cases[i].grade);
		int64_t before = (int64_t)sbx_counter_read(SBX_COUNT_COPIED_PARTS);
		oracle_image_destroy(draw(&stage, DRM_FORMAT_XRGB8888, color, cases[i].light, true));
		assert_int_equal((int64_t)sbx_counter_read(SBX_COUNT_COPIED_PARTS) - before, cases[i].copied);
		end_stage(&stage);
	}
}

static void test_invalid(void **state) {
	struct stage stage = begin_stage(*state, DRM_FORMAT_XRGB8888, NULL);
	struct sbx_image *texture = plain_image(*state, DRM_FORMAT_XRGB8888, white, false);
	const struct sbx_light lights[] = {
		{ .curve = SBX_CURVE_COUNT },
		{ .has_matrix = true, .matrix = { .m = { 1, 0, 0, 0, NAN, 0, 0, 0, 1 } } },
		{ .has_matrix = true, .matrix = { .m = { 1, 0, 0, 0, 1, 0, 0, 0, INFINITY } } },
	};
	for (size_t i = 0; i < sizeof(lights) / sizeof(lights[0]); i++) {
		struct sbx_texture_op op = whole(texture);
		op.light = lights[i];
		struct sbx_frame *frame = sbx_composer_begin(stage.composer, stage.target);
		sbx_frame_add_texture(frame, &op);
		assert_int_equal(sbx_frame_submit(frame, NULL, NULL), -EINVAL);
	}
	sbx_image_destroy(texture);
	end_stage(&stage);
}

/** A grade's creation fails at any call: there is none, or its table is right. */
static int op_create(struct sbx_device *device, void *data) {
	struct sbx_grade *grade = sbx_grade_create(device, oracle_grade_eval, (void *)(uintptr_t)&bent);
	vulkan_fault_pause();
	if (grade == NULL) {
		return -ENOMEM;
	}
	struct stage stage = begin_stage(device, DRM_FORMAT_ABGR16161616, NULL);
	stage.grade = grade;
	expect(draw(&stage, DRM_FORMAT_XRGB8888, white, (struct sbx_light){0}, false), white, 1e-4f);
	end_stage(&stage);
	return 0;
}

static void test_faults(void **state) {
	// Drivers open their own caches of shaders when the first is compiled, and keep the fds.
	assert_int_equal(op_create(*state, NULL), 0);
	assert_true(vulkan_each_call_fails(*state, VK_ERROR_OUT_OF_HOST_MEMORY, op_create, NULL) > 3);
}

static void test_too_late(void **state) {
	struct stage stage = begin_stage(*state, DRM_FORMAT_XRGB8888, &srgb);
	struct sbx_frame *frame = sbx_composer_begin(stage.composer, stage.target);
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){ .box = { 0, 0, SIZE, SIZE }, .color = { 1, 1, 1, 1 } });
	sbx_frame_set_color(frame, stage.grade, true);
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), -EINVAL);
	vulkan_forgive();
	end_stage(&stage);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_hdr),
		VULKAN_TEST(test_hdr_as_it_is),
		VULKAN_TEST(test_optical),
		VULKAN_TEST(test_rect),
		VULKAN_TEST(test_table),
		VULKAN_TEST(test_dither),
		VULKAN_TEST(test_dither_leaves_what_is_exact),
		VULKAN_TEST(test_copies),
		VULKAN_TEST(test_invalid),
		VULKAN_TEST(test_faults),
		VULKAN_TEST(test_too_late),
	};
	return VULKAN_MAIN("render/grade", tests);
}
