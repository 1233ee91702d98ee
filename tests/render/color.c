#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "oracle/color.h"
#include "render/color.h"

/*
 * Curves against their definitions in double precision, and what is found out of transforms that are
 * known here.
 */

static void test_curves_are_as_defined(void **state) {
	for (int curve = 0; curve < SBX_CURVE_COUNT; curve++) {
		for (int i = 0; i <= 1000; i++) {
			float x = (float)i / 1000;
			float light = sbx_curve_decode((enum sbx_curve)curve, x);
			double wanted = oracle_decode((enum sbx_curve)curve, x);
			assert_true(fabs(light - wanted) <= 1e-6 + 1e-5 * wanted);
			assert_true(fabsf(sbx_curve_encode((enum sbx_curve)curve, light) - x) <= 1e-4f);
		}
	}
}

static void test_below_zero_is_zero(void **state) {
	for (int curve = 0; curve < SBX_CURVE_COUNT; curve++) {
		for (float x = -2; x <= 0 && curve != SBX_CURVE_LINEAR; x += 0.25f) {
			assert_true(fabsf(sbx_curve_decode((enum sbx_curve)curve, x)) <= 1e-6f);
			assert_true(fabsf(sbx_curve_encode((enum sbx_curve)curve, x)) <= 1e-6f);
		}
		assert_true(curve == SBX_CURVE_LINEAR ||
			fabsf(sbx_curve_decode((enum sbx_curve)curve, NAN)) <= 1e-6f);
	}
	assert_float_equal(sbx_curve_decode(SBX_CURVE_LINEAR, -2), -2, 0);
}

static const struct sbx_matrix to_bt2020 = { .m = {
	0.6274f, 0.3293f, 0.0433f, 0.0691f, 0.9195f, 0.0114f, 0.0164f, 0.0880f, 0.8956f,
} };

static void test_matrix_inverse(void **state) {
	struct sbx_matrix inverse;
	assert_true(sbx_matrix_invert(&inverse, &to_bt2020));
	const float in[3] = { 0.25f, 0.5f, 1 };
	float out[3];
	sbx_matrix_apply(&to_bt2020, out, in);
	sbx_matrix_apply(&inverse, out, out);
	for (int i = 0; i < 3; i++) {
		assert_float_equal(out[i], in[i], 1e-6f);
	}
	const struct sbx_matrix flat = { .m = { 1, 2, 3, 2, 4, 6, 1, 1, 1 } };
	assert_false(sbx_matrix_invert(&inverse, &flat));
	assert_true(sbx_matrix_is_identity(&inverse));
	const struct sbx_matrix nan = { .m = { NAN, 0, 0, 0, 1, 0, 0, 0, 1 } };
	assert_false(sbx_matrix_invert(&inverse, &nan));
	assert_false(sbx_matrix_is_identity(&nan));
}

struct transform {
	struct sbx_matrix matrix;
	enum sbx_curve curve;
	/** After the curve: something that no curve is. */
	float bend, mix;
	size_t n_calls;
};

static void transform_eval(void *data, float out[static 3], const float in[static 3]) {
	struct transform *transform = data;
	transform->n_calls++;
	sbx_matrix_apply(&transform->matrix, out, in);
	float sum = 0;
	for (int c = 0; c < 3; c++) {
		// As wlroots does: what is below zero is no number.
		out[c] = out[c] < 0 && transform->curve != SBX_CURVE_LINEAR ? NAN :
			sbx_curve_encode(transform->curve, out[c]);
		sum += out[c];
	}
	for (int c = 0; c < 3; c++) {
		out[c] = powf(out[c], 1 + transform->bend);
		if (transform->mix > 0) {
			out[c] = out[c] * (1 - transform->mix) + sum / 3 * transform->mix;
		}
	}
}

static struct sbx_color learn(struct transform *transform) {
	struct sbx_color color;
	assert_true(sbx_color_init(&color, transform_eval, transform));
	return color;
}

static void test_nothing_is_the_default(void **state) {
	struct sbx_color color;
	assert_true(sbx_color_init(&color, NULL, NULL));
	assert_int_equal(color.kind, SBX_COLOR_DEFAULT);
	sbx_color_finish(&color);
	struct transform gamma = { sbx_matrix_identity, SBX_CURVE_GAMMA22 };
	color = learn(&gamma);
	assert_int_equal(color.kind, SBX_COLOR_DEFAULT);
	sbx_color_finish(&color);
}

static void check_recognised(const struct sbx_matrix *matrix, enum sbx_curve curve, float scale) {
	struct transform transform = { *matrix, curve };
	for (int i = 0; i < 9; i++) {
		transform.matrix.m[i] *= scale;
	}
	struct sbx_color color = learn(&transform);
	assert_int_equal(color.kind, SBX_COLOR_CURVE);
	assert_int_equal(color.curve, curve);
	for (int i = 0; i < 9; i++) {
		assert_float_equal(color.matrix.m[i], transform.matrix.m[i], 1e-4f * scale + 1e-6f);
	}
	assert_null(color.table);
	assert_true(transform.n_calls < 3000);
	sbx_color_finish(&color);
}

static void test_matrix_and_curve_are_recognised(void **state) {
	struct sbx_matrix from_bt2020;
	assert_true(sbx_matrix_invert(&from_bt2020, &to_bt2020));
	static const enum sbx_curve curves[] = { SBX_CURVE_LINEAR, SBX_CURVE_SRGB, SBX_CURVE_PQ };
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		check_recognised(&to_bt2020, curves[i], 1);
		check_recognised(&from_bt2020, curves[i], 1);
		check_recognised(&sbx_matrix_identity, curves[i], 1);
	}
	check_recognised(&to_bt2020, SBX_CURVE_GAMMA22, 1);
	// What wlroots makes of an HDR output: 1 is 80 cd/m² before, 203 of 10000 after.
	check_recognised(&to_bt2020, SBX_CURVE_PQ, 203.0f / 80 * 80 / 10000);
}

static void test_everything_else_is_a_table(void **state) {
	// Powers, a bend, and colours that bleed into each other: more than a monitor's profile does.
	struct transform transform = { to_bt2020, SBX_CURVE_SRGB, .bend = 0.2f, .mix = 0.1f };
	struct sbx_color color = learn(&transform);
	assert_int_equal(color.kind, SBX_COLOR_TABLE);
	float worst = 0;
	for (int i = 0; i < 20000; i++) {
		const float in[3] = {
			powf((float)(i % 27) / 26, 2), powf((float)(i / 27 % 27) / 26, 2), powf((float)(i / 729) / 27, 2),
		};
		float is[3], wanted[3];
		sbx_color_eval(&color, is, in);
		transform_eval(&transform, wanted, in);
		for (int c = 0; c < 3; c++) {
			worst = fmaxf(worst, fabsf(is[c] - wanted[c]));
		}
	}
	print_message("table: off by %.5f at most\n", (double)worst);
	assert_true(worst < 2.0f / 255);
	// The control: without the bend it is another transform, and seen to be.
	struct transform other = { to_bt2020, SBX_CURVE_SRGB, .mix = 0.1f };
	const float grey[3] = { 0.1f, 0.2f, 0.3f };
	float is[3], wanted[3];
	sbx_color_eval(&color, is, grey);
	transform_eval(&other, wanted, grey);
	assert_true(fabsf(is[1] - wanted[1]) > 4.0f / 255);
	sbx_color_finish(&color);
}

static void test_table_ends(void **state) {
	struct transform transform = { sbx_matrix_identity, SBX_CURVE_SRGB, .bend = 0.5f };
	struct sbx_color color = learn(&transform);
	assert_int_equal(color.kind, SBX_COLOR_TABLE);
	static const float ends[][2] = { { 0, 0 }, { 1, 1 }, { 2, 1 }, { INFINITY, 1 }, { -1, 0 }, { NAN, 0 } };
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const float in[3] = { ends[i][0], ends[i][0], ends[i][0] };
		float out[3];
		sbx_color_eval(&color, out, in);
		for (int c = 0; c < 3; c++) {
			// No number is some colour, and no place outside the table.
			assert_true(fabsf(out[c] - ends[i][1]) < 1e-6f || (i == 5 && out[c] >= 0 && out[c] <= 1.000001f));
		}
	}
	sbx_color_finish(&color);
	sbx_color_finish(&color);
}

/** HDR with a gamma ramp behind it: what no curve is, and goes on far above 1. */
static void hdr_eval(void *data, float out[static 3], const float in[static 3]) {
	for (int c = 0; c < 3; c++) {
		float pq = sbx_curve_encode(SBX_CURVE_PQ, in[c] * 203 / 10000);
		out[c] = pq * (c == 2 ? 0.8f : 1) + 0.02f * pq * (1 - pq);
	}
}

static void test_table_of_highlights(void **state) {
	struct sbx_color color;
	assert_true(sbx_color_init(&color, hdr_eval, NULL));
	assert_int_equal(color.kind, SBX_COLOR_TABLE);
	assert_int_equal(color.axis, SBX_CURVE_PQ);
	float worst = 0;
	for (int i = 0; i <= 1000; i++) {
		const float in[3] = { 0.049f * (float)i, 0.01f * (float)i, 0.001f * (float)i };
		float is[3], wanted[3];
		sbx_color_eval(&color, is, in);
		hdr_eval(NULL, wanted, in);
		for (int c = 0; c < 3; c++) {
			worst = fmaxf(worst, fabsf(is[c] - wanted[c]));
		}
	}
	print_message("table of highlights: off by %.5f at most\n", (double)worst);
	assert_true(worst < 0.5f / 255);
	sbx_color_finish(&color);
}

static void check_undo(const struct sbx_color *color, float allowed) {
	float worst = 0;
	for (int i = 0; i < 4096; i++) {
		const float in[3] = {
			powf((float)(i % 16) / 15, 2.2f), powf((float)(i / 16 % 16) / 15, 2.2f), powf((float)(i / 256) / 15, 2.2f),
		};
		float encoded[3], light[3], again[3];
		sbx_color_eval(color, encoded, in);
		sbx_color_undo(color, light, encoded);
		sbx_color_eval(color, again, light);
		for (int c = 0; c < 3; c++) {
			worst = fmaxf(worst, fabsf(again[c] - encoded[c]));
		}
	}
	print_message("there, back and there: off by %.5f at most\n", (double)worst);
	assert_true(worst <= allowed);
}

static void test_undo(void **state) {
	struct transform transform = { to_bt2020, SBX_CURVE_PQ };
	struct sbx_color color = learn(&transform);
	check_undo(&color, 1e-4f);
	sbx_color_finish(&color);
	transform = (struct transform){ to_bt2020, SBX_CURVE_SRGB, .bend = 0.2f, .mix = 0.1f };
	color = learn(&transform);
	check_undo(&color, 2e-4f);
	sbx_color_finish(&color);
	assert_true(sbx_color_init(&color, hdr_eval, NULL));
	check_undo(&color, 2e-4f);
	sbx_color_finish(&color);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_curves_are_as_defined),
		cmocka_unit_test(test_below_zero_is_zero),
		cmocka_unit_test(test_matrix_inverse),
		cmocka_unit_test(test_nothing_is_the_default),
		cmocka_unit_test(test_matrix_and_curve_are_recognised),
		cmocka_unit_test(test_everything_else_is_a_table),
		cmocka_unit_test(test_table_ends),
		cmocka_unit_test(test_table_of_highlights),
		cmocka_unit_test(test_undo),
	};
	return cmocka_run_group_tests_name("render/color", tests, NULL, NULL);
}
