#include "oracle/color.h"

#include <math.h>
#include <string.h>

/* SMPTE ST 2084. */
#define PQ_M1 (2610.0 / 16384)
#define PQ_M2 (2523.0 / 4096 * 128)
#define PQ_C1 (3424.0 / 4096)
#define PQ_C2 (2413.0 / 4096 * 32)
#define PQ_C3 (2392.0 / 4096 * 32)
/* ITU-R BT.1886: cd/m2 of black and white, and what they are encoded as. */
#define BLACK 0.01
#define WHITE 100.0
#define BLACK_ROOT pow(BLACK, 1 / 2.4)
#define WHITE_ROOT pow(WHITE, 1 / 2.4)

double oracle_decode(enum sbx_curve curve, double x) {
	double p;
	if (curve == SBX_CURVE_LINEAR) {
		return x;
	}
	x = fmax(x, 0);
	switch (curve) {
	case SBX_CURVE_GAMMA22:
		return pow(x, 2.2);
	case SBX_CURVE_SRGB:
		return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
	case SBX_CURVE_PQ:
		p = pow(fmin(x, 1), 1 / PQ_M2);
		return pow(fmax(p - PQ_C1, 0) / (PQ_C2 - PQ_C3 * p), 1 / PQ_M1);
	case SBX_CURVE_BT1886:
		return (pow((WHITE_ROOT - BLACK_ROOT) * x + BLACK_ROOT, 2.4) - BLACK) / (WHITE - BLACK);
	case SBX_CURVE_LINEAR:
	case SBX_CURVE_COUNT:
		break;
	}
	return x;
}

double oracle_encode(enum sbx_curve curve, double x) {
	double p;
	if (curve == SBX_CURVE_LINEAR) {
		return x;
	}
	x = fmax(x, 0);
	switch (curve) {
	case SBX_CURVE_GAMMA22:
		return pow(x, 1 / 2.2);
	case SBX_CURVE_SRGB:
		return x <= 0.0031308 ? 12.92 * x : 1.055 * pow(x, 1 / 2.4) - 0.055;
	case SBX_CURVE_PQ:
		p = pow(fmin(x, 1), PQ_M1);
		return pow((PQ_C1 + PQ_C2 * p) / (1 + PQ_C3 * p), PQ_M2);
	case SBX_CURVE_BT1886:
		return (pow(x * (WHITE - BLACK) + BLACK, 1 / 2.4) - BLACK_ROOT) / (WHITE_ROOT - BLACK_ROOT);
	case SBX_CURVE_LINEAR:
	case SBX_CURVE_COUNT:
		break;
	}
	return x;
}

static void bend_and_mix(double color[static 3]) {
	double sum = 0;
	for (int c = 0; c < 3; c++) {
		color[c] = pow(fmax(color[c], 0), ORACLE_BEND);
		sum += color[c];
	}
	for (int c = 0; c < 3; c++) {
		color[c] = color[c] * (1 - ORACLE_MIX) + sum / 3 * ORACLE_MIX;
	}
}

static void unmix_and_unbend(double color[static 3]) {
	double sum = color[0] + color[1] + color[2];
	for (int c = 0; c < 3; c++) {
		color[c] = pow(fmax((color[c] - sum / 3 * ORACLE_MIX) / (1 - ORACLE_MIX), 0), 1 / ORACLE_BEND);
	}
}

static void widen(struct oracle_range *range, double relative, double absolute) {
	for (int c = 0; c < 3; c++) {
		double loss = relative * fmax(fabs(range->low[c]), fabs(range->high[c])) + absolute;
		range->low[c] -= loss;
		range->high[c] += loss;
	}
}

static void apply_matrix(const struct sbx_matrix *matrix, struct oracle_range *range) {
	struct oracle_range in = *range;
	for (int row = 0; row < 3; row++) {
		double low = 0, high = 0, size = 0;
		for (int c = 0; c < 3; c++) {
			double m = (double)matrix->m[3 * row + c];
			low += m * (m > 0 ? in.low[c] : in.high[c]);
			high += m * (m > 0 ? in.high[c] : in.low[c]);
			size += fabs(m) * fmax(fabs(in.low[c]), fabs(in.high[c]));
		}
		range->low[row] = low - size * 5e-7;
		range->high[row] = high + size * 5e-7;
	}
}

static void encode(struct oracle_range *range, enum sbx_curve curve) {
	for (int c = 0; c < 3; c++) {
		range->low[c] = oracle_encode(curve, range->low[c]);
		range->high[c] = oracle_encode(curve, range->high[c]);
	}
}

/** Multiplied by something from `least` to `most`, not below 0. */
static void scale(struct oracle_range *range, double least, double most) {
	for (int c = 0; c < 3; c++) {
		double low = range->low[c], high = range->high[c];
		range->low[c] = fmin(low * least, low * most);
		range->high[c] = fmax(high * least, high * most);
	}
}

/**
 * How far a float may be off that this curve has decoded, relative to itself. PQ's divisor is small where light is
 * bright: a difference of numbers near 18.8, of which rounding takes 2^-20, and nearly 19 times what pow() loses
 * just below 1, which Vulkan lets be three units in the last place. The last power makes six times that of it.
 */
static double decode_loss(enum sbx_curve curve, double x) {
	if (curve != SBX_CURVE_PQ) {
		return ORACLE_LIGHT_LOSS;
	}
	double p = pow(fmin(fmax(x, 0), 1), 1 / PQ_M2), divisor = PQ_C2 - PQ_C3 * p;
	double lost = 3 * 0x1p-24 * (PQ_C3 / divisor + (p > PQ_C1 ? 1 / (p - PQ_C1) : 0)) + 0x1p-20 / divisor;
	return ORACLE_LIGHT_LOSS + lost / PQ_M1;
}

/** From encoded values to light, with what floats lose. */
static void decode(struct oracle_range *range, enum sbx_curve curve) {
	for (int c = 0; c < 3; c++) {
		double low = range->low[c], high = range->high[c];
		range->low[c] = oracle_decode(curve, low);
		range->high[c] = oracle_decode(curve, high);
		double loss = fmax(decode_loss(curve, low) * fabs(range->low[c]),
			decode_loss(curve, high) * fabs(range->high[c]));
		range->low[c] -= loss;
		range->high[c] += loss;
	}
}

static void make_premultiplied(struct oracle_range *range) {
	scale(range, range->low[3], range->high[3]);
}

/** False: it has no colour, being quite transparent. */
static bool make_straight(struct oracle_range *range) {
	if (range->high[3] <= 0) {
		memset(range, 0, sizeof(*range));
		return false;
	}
	// Alpha 0 or not: both happen where two texels are equally near. Then 0 has no colour.
	scale(range, 1 / range->high[3], 1 / (range->low[3] > 0 ? range->low[3] : range->high[3]));
	return true;
}

static struct oracle_range exactly(const float rgba[static 4]) {
	struct oracle_range range;
	for (int c = 0; c < 4; c++) {
		range.low[c] = range.high[c] = (double)rgba[c];
	}
	return range;
}

void oracle_to_blend(const struct sbx_light *light, bool graded, const float rgba[static 4], double loss,
		struct oracle_range *range) {
	*range = exactly(rgba);
	widen(range, 0, loss);
	if (!make_straight(range)) {
		return;
	}
	decode(range, light->curve);
	if (light->has_matrix) {
		apply_matrix(&light->matrix, range);
	}
	if (!graded) {
		encode(range, SBX_CURVE_GAMMA22);
		widen(range, ORACLE_RELATIVE_LOSS, ORACLE_CODE_LOSS);
	}
	make_premultiplied(range);
}

/** Row i, column j of the inverse, by Cramer's rule. */
static void invert(const struct sbx_matrix *matrix, struct sbx_matrix *inverse) {
	const float *m = matrix->m;
	double cofactors[9], determinant = 0;
	for (int i = 0; i < 9; i++) {
		int a = (i / 3 + 1) % 3, b = (i / 3 + 2) % 3, x = (i % 3 + 1) % 3, y = (i % 3 + 2) % 3;
		cofactors[i] = (double)m[3 * a + x] * (double)m[3 * b + y] -
			(double)m[3 * a + y] * (double)m[3 * b + x];
	}
	for (int i = 0; i < 3; i++) {
		determinant += (double)m[i] * cofactors[i];
	}
	for (int i = 0; i < 9; i++) {
		inverse->m[i] = (float)(cofactors[i % 3 * 3 + i / 3] / determinant);
	}
}

void oracle_from_target(const struct oracle_grade *grade, const float rgba[static 4],
		struct oracle_range *range) {
	struct sbx_matrix inverse;
	*range = exactly(rgba);
	if (!make_straight(range)) {
		return;
	}
	if (grade->kind == ORACLE_GRADE_TABLE) {
		unmix_and_unbend(range->low);
		memcpy(range->high, range->low, 3 * sizeof(range->high[0]));
	}
	invert(&grade->matrix, &inverse);
	decode(range, grade->curve);
	apply_matrix(&inverse, range);
	make_premultiplied(range);
}

static void eval(const struct oracle_grade *grade, struct oracle_range *range) {
	for (int c = 0; c < 3 && grade->kind == ORACLE_GRADE_TABLE; c++) {
		// It begins and ends with the cube; none here knows highlights.
		range->low[c] = fmin(fmax(range->low[c], 0), 1);
		range->high[c] = fmin(fmax(range->high[c], 0), 1);
	}
	apply_matrix(&grade->matrix, range);
	encode(range, grade->curve);
	if (grade->kind == ORACLE_GRADE_TABLE) {
		bend_and_mix(range->low);
		bend_and_mix(range->high);
	}
}

void oracle_to_target(const struct oracle_grade *grade, const struct oracle_range *light,
		struct oracle_range *range) {
	*range = *light;
	if (!make_straight(range)) {
		return;
	}
	eval(grade, range);
	bool linear = grade->curve == SBX_CURVE_LINEAR;
	widen(range, ORACLE_RELATIVE_LOSS, linear ? 1e-6 : ORACLE_CODE_LOSS);
	make_premultiplied(range);
}

/**
 * wlroots answers so when it is asked for BT.1886, without the light that black has, and means the real one.
 */
static double asked_for_bt1886(double x) {
	return (pow(fmax(x, 0) * WHITE, 1 / 2.4) - BLACK_ROOT) / (WHITE_ROOT - BLACK_ROOT);
}

void oracle_grade_eval(void *data, float out[static 3], const float in[static 3]) {
	const struct oracle_grade *grade = data;
	double color[3];
	for (int row = 0; row < 3; row++) {
		color[row] = 0;
		for (int c = 0; c < 3; c++) {
			color[row] += (double)grade->matrix.m[3 * row + c] * (double)in[c];
		}
		color[row] = grade->curve == SBX_CURVE_BT1886 ? asked_for_bt1886(color[row]) :
			oracle_encode(grade->curve, color[row]);
	}
	if (grade->kind == ORACLE_GRADE_TABLE) {
		bend_and_mix(color);
	}
	for (int c = 0; c < 3; c++) {
		out[c] = (float)color[c];
	}
}
