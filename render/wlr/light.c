#include <string.h>
#include "render/wlr/light.h"

static enum sbx_curve to_curve(enum wlr_color_transfer_function function) {
	switch (function) {
	case WLR_COLOR_TRANSFER_FUNCTION_SRGB:
		return SBX_CURVE_SRGB;
	case WLR_COLOR_TRANSFER_FUNCTION_ST2084_PQ:
		return SBX_CURVE_PQ;
	case WLR_COLOR_TRANSFER_FUNCTION_EXT_LINEAR:
		return SBX_CURVE_LINEAR;
	case WLR_COLOR_TRANSFER_FUNCTION_GAMMA22:
		return SBX_CURVE_GAMMA22;
	case WLR_COLOR_TRANSFER_FUNCTION_BT1886:
		return SBX_CURVE_BT1886;
	}
	return SBX_CURVE_GAMMA22;
}

/* wlr_scene names them with every texture. */
static bool is_srgb(const struct wlr_color_primaries *primaries) {
	struct wlr_color_primaries srgb;
	wlr_color_primaries_from_named(&srgb, WLR_COLOR_NAMED_PRIMARIES_SRGB);
	return memcmp(primaries, &srgb, sizeof(srgb)) == 0;
}

static void set_matrix(struct sbx_matrix *matrix, const struct wlr_color_primaries *primaries,
		float multiplier) {
	struct wlr_color_primaries srgb;
	wlr_color_primaries_from_named(&srgb, WLR_COLOR_NAMED_PRIMARIES_SRGB);
	*matrix = sbx_matrix_identity;
	if (primaries != NULL) {
		wlr_color_primaries_transform_absolute_colorimetric(primaries, &srgb, matrix->m);
	}
	for (int i = 0; i < 9; i++) {
		matrix->m[i] *= multiplier;
	}
}

void sbx_light_from_options(struct sbx_light *light, const struct wlr_render_texture_options *options) {
	const struct wlr_color_primaries *primaries = options->primaries;
	float multiplier = options->luminance_multiplier != NULL ? *options->luminance_multiplier : 1;
	light->curve = to_curve(options->transfer_function);
	light->has_matrix = false;
	if (primaries != NULL && is_srgb(primaries)) {
		primaries = NULL;
	}
	if (primaries != NULL || multiplier != 1) {
		set_matrix(&light->matrix, primaries, multiplier);
		light->has_matrix = !sbx_matrix_is_identity(&light->matrix);
	}
}
