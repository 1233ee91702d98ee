#include <drm_fourcc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "render/format.h"
#include "render/ycbcr.h"

/* Colours of the colour bars, by their codes: written down from ITU-R BT.601, BT.709 and BT.2020. */
static const struct {
	uint32_t format;
	enum sbx_encoding encoding;
	enum sbx_range range;
	unsigned codes[3];
	float rgb[3], allowed;
} colors[] = {
	{ DRM_FORMAT_NV12, SBX_ENCODING_BT601, SBX_RANGE_LIMITED, { 16, 128, 128 }, { 0, 0, 0 }, 0 },
	{ DRM_FORMAT_NV12, SBX_ENCODING_BT601, SBX_RANGE_LIMITED, { 235, 128, 128 }, { 1, 1, 1 }, 0 },
	{ DRM_FORMAT_NV12, SBX_ENCODING_BT601, SBX_RANGE_LIMITED, { 81, 90, 240 }, { 1, 0, 0 }, 0.006f },
	{ DRM_FORMAT_NV12, SBX_ENCODING_BT601, SBX_RANGE_LIMITED, { 145, 54, 34 }, { 0, 1, 0 }, 0.006f },
	{ DRM_FORMAT_NV12, SBX_ENCODING_BT601, SBX_RANGE_LIMITED, { 41, 240, 110 }, { 0, 0, 1 }, 0.006f },
	{ DRM_FORMAT_NV12, SBX_ENCODING_DEFAULT, SBX_RANGE_DEFAULT, { 81, 90, 240 }, { 1, 0, 0 }, 0.006f },
	{ DRM_FORMAT_NV12, SBX_ENCODING_BT601, SBX_RANGE_FULL, { 76, 85, 255 }, { 1, 0, 0 }, 0.006f },
	{ DRM_FORMAT_NV12, SBX_ENCODING_BT709, SBX_RANGE_LIMITED, { 63, 102, 240 }, { 1, 0, 0 }, 0.006f },
	{ DRM_FORMAT_NV12, SBX_ENCODING_BT709, SBX_RANGE_LIMITED, { 173, 42, 26 }, { 0, 1, 0 }, 0.006f },
	{ DRM_FORMAT_P010, SBX_ENCODING_BT709, SBX_RANGE_LIMITED, { 250, 409, 960 }, { 1, 0, 0 },
		0.002f },
	{ DRM_FORMAT_P010, SBX_ENCODING_BT2020, SBX_RANGE_LIMITED, { 64, 512, 512 }, { 0, 0, 0 }, 0 },
	{ DRM_FORMAT_P010, SBX_ENCODING_BT2020, SBX_RANGE_LIMITED, { 940, 512, 512 }, { 1, 1, 1 }, 0 },
	{ DRM_FORMAT_P010, SBX_ENCODING_BT2020, SBX_RANGE_LIMITED, { 294, 387, 960 }, { 1, 0, 0 },
		0.002f },
	{ DRM_FORMAT_S010, SBX_ENCODING_BT2020, SBX_RANGE_LIMITED, { 940, 512, 512 }, { 1, 1, 1 }, 0 },
	{ DRM_FORMAT_P016, SBX_ENCODING_BT709, SBX_RANGE_FULL, { 65535, 32768, 32768 }, { 1, 1, 1 }, 0 },
	{ DRM_FORMAT_YUV444, SBX_ENCODING_IDENTITY, SBX_RANGE_FULL, { 51, 102, 153 },
		{ 0.6f, 0.2f, 0.4f }, 0 },
	{ DRM_FORMAT_YUV444, SBX_ENCODING_IDENTITY, SBX_RANGE_LIMITED, { 235, 16, 235 }, { 1, 1, 0 }, 0 },
};

/* As the sampler gives it: the code in the place that the format has for it. */
static float sample(const struct sbx_ycbcr *ycbcr, unsigned code) {
	return (float)((double)code / (ldexp(1, ycbcr->bits) - 1) / (double)ycbcr->scale);
}

static void test_matrix(void **state) {
	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
		const struct sbx_ycbcr *ycbcr = sbx_format_from_drm(colors[i].format)->ycbcr;
		float rows[3][4];
		sbx_ycbcr_matrix(ycbcr, colors[i].encoding, colors[i].range, rows);
		for (int c = 0; c < 3; c++) {
			float value = rows[c][3];
			for (int k = 0; k < 3; k++) {
				value += rows[c][k] * sample(ycbcr, colors[i].codes[k]);
			}
			if (fabsf(value - colors[i].rgb[c]) > colors[i].allowed + 1e-5f) {
				fail_msg("colour %zu, channel %d: %f, expected %f", i, c, (double)value,
					(double)colors[i].rgb[c]);
			}
		}
	}
}

/* Words in memory: where the ten bits of P010 and of S010 are. */
static void test_scale(void **state) {
	const struct sbx_ycbcr *high = sbx_format_from_drm(DRM_FORMAT_P010)->ycbcr;
	const struct sbx_ycbcr *low = sbx_format_from_drm(DRM_FORMAT_S010)->ycbcr;
	assert_float_equal(1023 * 64 / 65535.0f * high->scale, 1, 1e-6);
	assert_float_equal(1023 / 65535.0f * low->scale, 1, 1e-6);
	assert_float_equal(sbx_format_from_drm(DRM_FORMAT_NV12)->ycbcr->scale, 1, 0);
}

static void expect_offset(uint32_t drm, enum sbx_chroma_location location, float x, float y) {
	float offset[2];
	sbx_ycbcr_chroma_offset(sbx_format_from_drm(drm)->ycbcr, location, offset);
	assert_float_equal(offset[0], x, 0);
	assert_float_equal(offset[1], y, 0);
}

static void test_chroma_offset(void **state) {
	expect_offset(DRM_FORMAT_NV12, SBX_CHROMA_DEFAULT, 0, 0);
	expect_offset(DRM_FORMAT_NV12, SBX_CHROMA_CENTER, 0, 0);
	expect_offset(DRM_FORMAT_NV12, SBX_CHROMA_LEFT, 0.25f, 0);
	expect_offset(DRM_FORMAT_NV12, SBX_CHROMA_TOP_LEFT, 0.25f, 0.25f);
	expect_offset(DRM_FORMAT_NV12, SBX_CHROMA_TOP, 0, 0.25f);
	expect_offset(DRM_FORMAT_NV12, SBX_CHROMA_BOTTOM_LEFT, 0.25f, -0.25f);
	expect_offset(DRM_FORMAT_NV12, SBX_CHROMA_BOTTOM, 0, -0.25f);
	expect_offset(DRM_FORMAT_YUYV, SBX_CHROMA_TOP_LEFT, 0.25f, 0);
	expect_offset(DRM_FORMAT_YUV410, SBX_CHROMA_TOP_LEFT, 0.375f, 0.375f);
	expect_offset(DRM_FORMAT_YUV444, SBX_CHROMA_TOP_LEFT, 0, 0);
	expect_offset(DRM_FORMAT_AYUV, SBX_CHROMA_BOTTOM_LEFT, 0, 0);
}

static void expect_size(uint32_t drm, uint32_t plane, uint32_t width, uint32_t height) {
	uint32_t w, h;
	sbx_ycbcr_plane_size(sbx_format_from_drm(drm)->ycbcr, plane, 7, 5, &w, &h);
	assert_int_equal(w, width);
	assert_int_equal(h, height);
}

static void test_plane_size(void **state) {
	expect_size(DRM_FORMAT_NV12, 0, 7, 5);
	expect_size(DRM_FORMAT_NV12, 1, 4, 3);
	expect_size(DRM_FORMAT_YUV422, 2, 4, 5);
	expect_size(DRM_FORMAT_YUV410, 1, 2, 2);
	expect_size(DRM_FORMAT_YUYV, 0, 7, 5);
	expect_size(DRM_FORMAT_YUYV, 1, 4, 5);
	assert_false(sbx_ycbcr_is_even(sbx_format_from_drm(DRM_FORMAT_NV12)->ycbcr, 7, 4));
	assert_false(sbx_ycbcr_is_even(sbx_format_from_drm(DRM_FORMAT_NV12)->ycbcr, 4, 5));
	assert_true(sbx_ycbcr_is_even(sbx_format_from_drm(DRM_FORMAT_NV16)->ycbcr, 4, 5));
	assert_true(sbx_ycbcr_is_even(sbx_format_from_drm(DRM_FORMAT_YUV444)->ycbcr, 7, 5));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_chroma_offset),
		cmocka_unit_test(test_plane_size),
	};
	return cmocka_run_group_tests_name("render/ycbcr", tests, NULL, NULL);
}
