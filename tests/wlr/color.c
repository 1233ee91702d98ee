/*
 * Colours through wlroots' interface: what textures may be, what outputs may be, against definitions written
 * down in tests/oracle/color.c, against wlr_color_transform_eval(), and against numbers known from elsewhere.
 */
#include "rig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/color.h>
#include "icc.h"
#include "oracle/color.h"
#include "render/grade.h"
#include "render/wlr/grades.h"

#define SIZE 16

/* One step of 8 bits: half of it is rounding, the other half dithering. */
#define STEP (1.0 / 255)

static const struct wlr_color_primaries display_p3 = {
	.red = { 0.680f, 0.320f }, .green = { 0.265f, 0.690f }, .blue = { 0.150f, 0.060f },
	.white = { 0.3127f, 0.3290f },
};

static const struct {
	enum wlr_color_transfer_function wlr;
	enum sbx_curve curve;
} curves[] = {
	{ 0, SBX_CURVE_GAMMA22 },
	{ WLR_COLOR_TRANSFER_FUNCTION_GAMMA22, SBX_CURVE_GAMMA22 },
	{ WLR_COLOR_TRANSFER_FUNCTION_SRGB, SBX_CURVE_SRGB },
	{ WLR_COLOR_TRANSFER_FUNCTION_ST2084_PQ, SBX_CURVE_PQ },
	{ WLR_COLOR_TRANSFER_FUNCTION_EXT_LINEAR, SBX_CURVE_LINEAR },
	{ WLR_COLOR_TRANSFER_FUNCTION_BT1886, SBX_CURVE_BT1886 },
};
#define N_CURVES (sizeof(curves) / sizeof(curves[0]))

struct canvas {
	struct rig *rig;
	struct rig_buffer *target, *buffer;
	struct wlr_texture *texture;
};

static void canvas_init(struct canvas *canvas, struct rig *rig, uint32_t format) {
	canvas->rig = rig;
	canvas->target = rig_buffer_create(SIZE, SIZE, format, RIG_DMABUF);
	canvas->buffer = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_ARGB8888, RIG_DMABUF);
	canvas->texture = wlr_texture_from_buffer(rig->renderer, &canvas->buffer->base);
	assert_non_null(canvas->texture);
}

static void canvas_finish(struct canvas *canvas) {
	wlr_texture_destroy(canvas->texture);
	rig_buffer_drop(canvas->buffer);
	rig_buffer_drop(canvas->target);
}

/* Draw the whole texture, filled with `argb`, as `options` say. */
static void canvas_draw(struct canvas *canvas, uint32_t argb, struct wlr_render_texture_options options,
		struct wlr_color_transform *transform) {
	rig_buffer_fill(canvas->buffer, argb);
	const struct wlr_buffer_pass_options pass_options = { .color_transform = transform };
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(canvas->rig->renderer,
		&canvas->target->base, &pass_options);
	assert_non_null(pass);
	options.texture = canvas->texture;
	wlr_render_pass_add_texture(pass, &options);
	assert_true(wlr_render_pass_submit(pass));
	rig_finish(canvas->rig);
}

/* Of a target of 8 bits, red first. */
static void canvas_read(const struct canvas *canvas, double rgb[static 3]) {
	uint32_t pixel = rig_buffer_pixel(canvas->target, SIZE / 2, SIZE / 2);
	for (int c = 0; c < 3; c++) {
		rgb[c] = (double)(pixel >> (16 - 8 * c) & 255) / 255;
	}
}

static void to_floats(uint32_t argb, float rgba[static 4]) {
	for (int c = 0; c < 4; c++) {
		int shift = c < 3 ? 16 - 8 * c : 24;
		rgba[c] = (float)(argb >> shift & 255) / 255;
	}
}

static void expect_near(const double is[static 3], const double wanted[static 3], double allowed,
		const char *what, int number) {
	for (int c = 0; c < 3; c++) {
		double cut = fmin(fmax(wanted[c], 0), 1);
		if (!(fabs(is[c] - cut) <= allowed)) {
			fail_msg("%s %d: channel %d is %g, not %g", what, number, c, is[c], cut);
		}
	}
}

static void test_features(void **state) {
	struct rig *rig = *state;
	assert_true(rig->renderer->features.input_color_transform);
	assert_true(rig->renderer->features.output_color_transform);
}

static void check_texture(struct canvas *canvas, size_t curve, const struct wlr_color_primaries *primaries,
		const float *multiplier, struct wlr_color_transform *srgb) {
	static const uint32_t colors[] = { 0xffcc4d80, 0xff20c0f0, 0x80403010, 0xffffffff };
	struct sbx_light light = { .curve = curves[curve].curve, .matrix = sbx_matrix_identity };
	struct wlr_color_primaries srgb_primaries;
	wlr_color_primaries_from_named(&srgb_primaries, WLR_COLOR_NAMED_PRIMARIES_SRGB);
	if (primaries != NULL) {
		wlr_color_primaries_transform_absolute_colorimetric(primaries, &srgb_primaries, light.matrix.m);
	}
	for (int i = 0; i < 9; i++) {
		light.matrix.m[i] *= multiplier != NULL ? *multiplier : 1;
	}
	light.has_matrix = true;
	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
		float rgba[4];
		double is[3], wanted[3];
		struct oracle_range range;
		to_floats(colors[i], rgba);
		canvas_draw(canvas, colors[i], (struct wlr_render_texture_options){
			.transfer_function = curves[curve].wlr, .primaries = primaries,
			.luminance_multiplier = multiplier, .blend_mode = WLR_RENDER_BLEND_MODE_NONE,
		}, srgb);
		canvas_read(canvas, is);
		oracle_to_blend(&light, srgb != NULL, rgba, 0, &range);
		for (int c = 0; c < 3; c++) {
			wanted[c] = (range.low[c] + range.high[c]) / 2;
			if (srgb != NULL) {
				wanted[c] = oracle_encode(SBX_CURVE_SRGB, wanted[c] / (double)rgba[3]) * (double)rgba[3];
			}
		}
		expect_near(is, wanted, 1.05 * STEP, "curve", (int)curve);
	}
}

static void test_textures(void **state) {
	struct canvas canvas;
	struct wlr_color_primaries named[2];
	canvas_init(&canvas, *state, DRM_FORMAT_ARGB8888);
	wlr_color_primaries_from_named(&named[0], WLR_COLOR_NAMED_PRIMARIES_SRGB);
	wlr_color_primaries_from_named(&named[1], WLR_COLOR_NAMED_PRIMARIES_BT2020);
	const struct wlr_color_primaries *primaries[] = { NULL, &named[0], &named[1], &display_p3 };
	static const float factors[] = { 0.5f, 10000.0f / 203 };
	const float *multipliers[] = { NULL, &factors[0], &factors[1] };
	struct wlr_color_transform *srgb =
		wlr_color_transform_init_linear_to_inverse_eotf(WLR_COLOR_TRANSFER_FUNCTION_SRGB);
	for (size_t i = 0; i < N_CURVES * 4 * 3; i++) {
		check_texture(&canvas, i / 12, primaries[i / 3 % 4], multipliers[i % 3], NULL);
		check_texture(&canvas, i / 12, primaries[i / 3 % 4], multipliers[i % 3], srgb);
	}
	wlr_color_transform_unref(srgb);
	canvas_finish(&canvas);
}

/* An output of this kind shows what the transform says of each colour's light. Consumes it. */
static void check_output(struct canvas *canvas, struct wlr_color_transform *transform, double slack,
		const char *what) {
	static const uint32_t colors[] = {
		0xffffffff, 0xff000000, 0xff808080, 0xffcc4d80, 0xff20c0f0, 0xff0510a0, 0xffff0000,
	};
	assert_non_null(transform);
	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
		float rgba[4], light[3], out[3];
		double is[3], wanted[3];
		to_floats(colors[i], rgba);
		for (int c = 0; c < 3; c++) {
			light[c] = (float)oracle_decode(SBX_CURVE_GAMMA22, (double)rgba[c]);
		}
		wlr_color_transform_eval(transform, out, light);
		canvas_draw(canvas, colors[i], (struct wlr_render_texture_options){0}, transform);
		canvas_read(canvas, is);
		for (int c = 0; c < 3; c++) {
			wanted[c] = (double)out[c];
		}
		expect_near(is, wanted, STEP + slack, what, (int)i);
	}
	wlr_color_transform_unref(transform);
}

static const float to_p3[9] = {
	0.8225f, 0.1774f, 0, 0.0332f, 0.9669f, 0, 0.0171f, 0.0724f, 0.9108f,
};

static struct wlr_color_transform *make_pipeline(struct wlr_color_transform *first,
		struct wlr_color_transform *second) {
	struct wlr_color_transform *both[] = { first, second };
	assert_non_null(first);
	assert_non_null(second);
	struct wlr_color_transform *pipeline = wlr_color_transform_init_pipeline(both, 2);
	wlr_color_transform_unref(first);
	wlr_color_transform_unref(second);
	return pipeline;
}

/* A warm evening: less of blue, and brighter in the middle. */
static struct wlr_color_transform *make_ramps(void) {
	uint16_t ramps[3][256];
	for (int i = 0; i < 256; i++) {
		double x = pow(i / 255.0, 0.9);
		ramps[0][i] = (uint16_t)(65535 * x);
		ramps[1][i] = (uint16_t)(65535 * 0.8 * x);
		ramps[2][i] = (uint16_t)(65535 * 0.5 * x);
	}
	return wlr_color_transform_init_lut_3x1d(256, ramps[0], ramps[1], ramps[2]);
}

static struct wlr_color_transform *make_curve(enum wlr_color_transfer_function function) {
	return wlr_color_transform_init_linear_to_inverse_eotf(function);
}

static struct wlr_color_transform *make_icc(double gamma) {
	size_t size;
	void *profile = icc_create(gamma, &size);
	struct wlr_color_transform *transform = wlr_color_transform_init_linear_to_icc(profile, size);
	free(profile);
	return transform;
}

static void test_outputs(void **state) {
	struct canvas canvas;
	canvas_init(&canvas, *state, DRM_FORMAT_XRGB8888);
	for (size_t i = 1; i < N_CURVES; i++) {
		// Asked for BT.1886, wlroots forgets the light that black has: 0.02 in its darkest values.
		bool bt1886 = curves[i].curve == SBX_CURVE_BT1886;
		check_output(&canvas, make_curve(curves[i].wlr), bt1886 ? 0.022 : 0, "curve");
	}
	check_output(&canvas, wlr_color_transform_init_matrix(to_p3), 0, "matrix");
	check_output(&canvas, make_pipeline(wlr_color_transform_init_matrix(to_p3),
		make_curve(WLR_COLOR_TRANSFER_FUNCTION_SRGB)), 0, "matrix and curve");
	check_output(&canvas, make_pipeline(make_curve(WLR_COLOR_TRANSFER_FUNCTION_GAMMA22), make_ramps()),
		STEP, "ramps");
	check_output(&canvas, make_pipeline(wlr_color_transform_init_matrix(to_p3),
		make_pipeline(make_curve(WLR_COLOR_TRANSFER_FUNCTION_SRGB), make_ramps())), STEP, "pipeline");
	check_output(&canvas, make_icc(1.8), STEP, "ICC 1.8");
	check_output(&canvas, make_icc(2.6), STEP, "ICC 2.6");
	canvas_finish(&canvas);
}

/* A profile with sRGB's primaries and a power of 1.8, as old Macintoshes had: what comes out is known. */
static void test_icc(void **state) {
	struct canvas canvas;
	canvas_init(&canvas, *state, DRM_FORMAT_XRGB8888);
	struct wlr_color_transform *transform = make_icc(1.8);
	assert_non_null(transform);
	for (uint32_t grey = 0; grey < 256; grey += 15) {
		double is[3], value = pow(pow(grey / 255.0, 2.2), 1 / 1.8);
		canvas_draw(&canvas, 0xff000000 | grey * 0x10101, (struct wlr_render_texture_options){0}, transform);
		canvas_read(&canvas, is);
		expect_near(is, (double[3]){ value, value, value }, 1.5 * STEP, "grey", (int)grey);
		// The control: it is not what an output without a profile shows.
		assert_true(grey < 30 || grey > 230 || fabs(is[1] - grey / 255.0) > 3 * STEP);
	}
	wlr_color_transform_unref(transform);
	canvas_finish(&canvas);
}

static double half_black_over_white(struct canvas *canvas, struct wlr_color_transform *transform) {
	double is[3];
	canvas_draw(canvas, 0xffffffff, (struct wlr_render_texture_options){0}, transform);
	canvas_draw(canvas, 0x80000000, (struct wlr_render_texture_options){0}, transform);
	canvas_read(canvas, is);
	return is[1];
}

/* Half of white's value without a transform, and with the one that means the same; with others half its light. */
static void test_blending(void **state) {
	struct canvas canvas;
	canvas_init(&canvas, *state, DRM_FORMAT_XRGB8888);
	const double part = 127.0 / 255;
	struct wlr_color_transform *gamma = make_curve(WLR_COLOR_TRANSFER_FUNCTION_GAMMA22);
	struct wlr_color_transform *srgb = make_curve(WLR_COLOR_TRANSFER_FUNCTION_SRGB);
	struct wlr_color_transform *icc = make_icc(1.8);
	assert_true(fabs(half_black_over_white(&canvas, NULL) - part) < STEP);
	assert_true(fabs(half_black_over_white(&canvas, gamma) - part) < STEP);
	assert_true(fabs(half_black_over_white(&canvas, srgb) - oracle_encode(SBX_CURVE_SRGB, part)) < STEP);
	// Through a table, there and back again.
	assert_true(fabs(half_black_over_white(&canvas, icc) - pow(part, 1 / 1.8)) < 2 * STEP);
	wlr_color_transform_unref(gamma);
	wlr_color_transform_unref(srgb);
	wlr_color_transform_unref(icc);
	canvas_finish(&canvas);
}

/* 10 bits of PQ: 203 cd/m² are 594 (ITU-R BT.2408: 58 %), of an HDR film's 1000 cd/m² 769. */
static void test_hdr(void **state) {
	struct canvas canvas;
	float matrix[9];
	struct wlr_color_primaries srgb, bt2020;
	canvas_init(&canvas, *state, DRM_FORMAT_XBGR2101010);
	wlr_color_primaries_from_named(&srgb, WLR_COLOR_NAMED_PRIMARIES_SRGB);
	wlr_color_primaries_from_named(&bt2020, WLR_COLOR_NAMED_PRIMARIES_BT2020);
	wlr_color_primaries_transform_absolute_colorimetric(&srgb, &bt2020, matrix);
	for (int i = 0; i < 9; i++) {
		matrix[i] *= 203.0f / 10000;
	}
	struct wlr_color_transform *transform = make_pipeline(wlr_color_transform_init_matrix(matrix),
		make_curve(WLR_COLOR_TRANSFER_FUNCTION_ST2084_PQ));
	canvas_draw(&canvas, 0xffffffff, (struct wlr_render_texture_options){0}, transform);
	uint32_t pixel = rig_buffer_pixel(canvas.target, 3, 3);
	for (int c = 0; c < 3; c++) {
		assert_int_equal(pixel >> (10 * c) & 1023, 594);
	}
	// 192 of 255 in PQ are 1009 cd/m².
	static const float multiplier = 10000.0f / 203;
	canvas_draw(&canvas, 0xffc0c0c0, (struct wlr_render_texture_options){
		.transfer_function = WLR_COLOR_TRANSFER_FUNCTION_ST2084_PQ, .primaries = &bt2020,
		.luminance_multiplier = &multiplier,
	}, transform);
	pixel = rig_buffer_pixel(canvas.target, 3, 3);
	for (int c = 0; c < 3; c++) {
		uint32_t value = pixel >> (10 * c) & 1023;
		assert_true(value >= 769 && value <= 772);
	}
	wlr_color_transform_unref(transform);
	canvas_finish(&canvas);
}

/* A fading ramp brings a transform with every frame: only the last ones are kept. */
static void test_many_transforms(void **state) {
	struct rig *rig = *state;
	struct canvas canvas;
	canvas_init(&canvas, rig, DRM_FORMAT_XRGB8888);
	struct wlr_color_transform *first = make_curve(WLR_COLOR_TRANSFER_FUNCTION_SRGB);
	for (int i = 0; i < 3 * SBX_GRADES_KEPT; i++) {
		float matrix[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 - 0.01f * (float)i };
		struct wlr_color_transform *transform = wlr_color_transform_init_matrix(matrix);
		canvas_draw(&canvas, 0xffffffff, (struct wlr_render_texture_options){0}, transform);
		wlr_color_transform_unref(transform);
		canvas_draw(&canvas, 0xffffffff, (struct wlr_render_texture_options){0}, first);
	}
	assert_int_equal(wl_list_length(&rig->sbx->grades), SBX_GRADES_KEPT);
	// The one used all the time is not looked at again.
	struct sbx_known_grade *known = sbx_grades_get(rig->sbx, first);
	struct sbx_grade *grade = known->grade;
	canvas_draw(&canvas, 0xffffffff, (struct wlr_render_texture_options){0}, first);
	assert_ptr_equal(known->grade, grade);
	sbx_grades_put(rig->sbx, known);
	wlr_color_transform_unref(first);
	canvas_finish(&canvas);
}

/* The caller may drop its reference once the pass has begun, and others may come in between. */
static void test_transform_of_an_open_pass(void **state) {
	struct rig *rig = *state;
	struct canvas canvas;
	double is[3];
	canvas_init(&canvas, rig, DRM_FORMAT_XRGB8888);
	rig_buffer_fill(canvas.buffer, 0xff808080);
	struct wlr_color_transform *transform = make_icc(1.8);
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(rig->renderer, &canvas.target->base,
		&(struct wlr_buffer_pass_options){ .color_transform = transform });
	wlr_color_transform_unref(transform);
	for (int i = 0; i < 2 * SBX_GRADES_KEPT; i++) {
		transform = make_curve(WLR_COLOR_TRANSFER_FUNCTION_SRGB);
		sbx_grades_put(rig->sbx, sbx_grades_get(rig->sbx, transform));
		wlr_color_transform_unref(transform);
	}
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){ .texture = canvas.texture });
	assert_true(wlr_render_pass_submit(pass));
	rig_finish(rig);
	canvas_read(&canvas, is);
	assert_true(fabs(is[0] - pow(pow(128.0 / 255, 2.2), 1 / 1.8)) < 1.5 * STEP);
	canvas_finish(&canvas);
}

/* Numbers that are none fail the pass, and nothing else. */
static void test_nonsense(void **state) {
	struct rig *rig = *state;
	struct canvas canvas;
	static const float nan = NAN;
	canvas_init(&canvas, rig, DRM_FORMAT_XRGB8888);
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(rig->renderer, &canvas.target->base, NULL);
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = canvas.texture, .luminance_multiplier = &nan,
	});
	assert_false(wlr_render_pass_submit(pass));
	canvas_draw(&canvas, 0xff123456, (struct wlr_render_texture_options){0}, NULL);
	assert_int_equal(rig_buffer_pixel(canvas.target, 0, 0) & 0xffffff, 0x123456);
	canvas_finish(&canvas);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_features),
		RIG_TEST(test_textures),
		RIG_TEST(test_outputs),
		RIG_TEST(test_icc),
		RIG_TEST(test_blending),
		RIG_TEST(test_hdr),
		RIG_TEST(test_many_transforms),
		RIG_TEST(test_transform_of_an_open_pass),
		RIG_TEST(test_nonsense),
	};
	return RIG_MAIN(tests);
}
