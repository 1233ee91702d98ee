#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "render/color.h"

/** How far from the truth a matrix and a curve may be to stand for it. */
#define TOLERANCE 1e-4f
#define N_PROBES 192
/** Where white is in PQ: 203 of 10000 cd/m² (ITU-R BT.2408), as wlroots has it. */
#define PQ_WHITE 0.0203f
/** The way back through a table: seven steps are what an odd one took. In the shader, too. */
#define MAX_STEPS 10
#define NEAR_ENOUGH 1e-4f
#define LONGEST_STEP 0.2f

/* Curves */

static float pq_decode(float x) {
	// H.273, TransferCharacteristics 16
	double p = pow(fmin(x, 1), 1 / 78.84375);
	double light = fmax(p - 0.8359375, 0) / (18.8515625 - 18.6875 * p);
	return (float)pow(light, 1 / 0.1593017578125);
}

static float pq_encode(float x) {
	double p = pow(fmin(x, 1), 0.1593017578125);
	return (float)pow((0.8359375 + 18.8515625 * p) / (1 + 18.6875 * p), 78.84375);
}

/* BT.1886: L = a * (V + b)^2.4, and light is what of it lies between black and white. */
#define BT1886_BLACK 0.01
#define BT1886_WHITE 100.0

static void bt1886_constants(double *a, double *b) {
	double black = pow(BT1886_BLACK, 1 / 2.4), white = pow(BT1886_WHITE, 1 / 2.4);
	*a = pow(white - black, 2.4);
	*b = black / (white - black);
}

static float bt1886_decode(float x) {
	double a, b;
	bt1886_constants(&a, &b);
	return (float)((a * pow(x + b, 2.4) - BT1886_BLACK) / (BT1886_WHITE - BT1886_BLACK));
}

static float bt1886_encode(float x) {
	double a, b;
	bt1886_constants(&a, &b);
	return (float)(pow((x * (BT1886_WHITE - BT1886_BLACK) + BT1886_BLACK) / a, 1 / 2.4) - b);
}

float sbx_curve_decode(enum sbx_curve curve, float x) {
	if (curve != SBX_CURVE_LINEAR && !(x > 0)) {
		x = 0;
	}
	switch (curve) {
	case SBX_CURVE_GAMMA22:
		return powf(x, 2.2f);
	case SBX_CURVE_SRGB:
		return x <= 0.04045f ? x / 12.92f : powf((x + 0.055f) / 1.055f, 2.4f);
	case SBX_CURVE_PQ:
		return pq_decode(x);
	case SBX_CURVE_BT1886:
		return bt1886_decode(x);
	case SBX_CURVE_LINEAR:
	case SBX_CURVE_COUNT:
		break;
	}
	return x;
}

float sbx_curve_encode(enum sbx_curve curve, float x) {
	if (curve != SBX_CURVE_LINEAR && !(x > 0)) {
		x = 0;
	}
	switch (curve) {
	case SBX_CURVE_GAMMA22:
		return powf(x, 1 / 2.2f);
	case SBX_CURVE_SRGB:
		return x <= 0.0031308f ? 12.92f * x : 1.055f * powf(x, 1 / 2.4f) - 0.055f;
	case SBX_CURVE_PQ:
		return pq_encode(x);
	case SBX_CURVE_BT1886:
		return bt1886_encode(x);
	case SBX_CURVE_LINEAR:
	case SBX_CURVE_COUNT:
		break;
	}
	return x;
}

/* Matrices */

const struct sbx_matrix sbx_matrix_identity = { .m = { 1, 0, 0, 0, 1, 0, 0, 0, 1 } };

void sbx_matrix_apply(const struct sbx_matrix *matrix, float out[static 3], const float in[static 3]) {
	const float *m = matrix->m;
	float result[3];
	for (int i = 0; i < 3; i++) {
		result[i] = m[3 * i] * in[0] + m[3 * i + 1] * in[1] + m[3 * i + 2] * in[2];
	}
	memcpy(out, result, sizeof(result));
}

/* The determinant of what is left without row i and column j, with its sign, cyclically. */
static double cofactor(const double *m, int i, int j) {
	int i1 = (i + 1) % 3, i2 = (i + 2) % 3, j1 = (j + 1) % 3, j2 = (j + 2) % 3;
	return m[3 * i1 + j1] * m[3 * i2 + j2] - m[3 * i1 + j2] * m[3 * i2 + j1];
}

bool sbx_matrix_invert(struct sbx_matrix *inverse, const struct sbx_matrix *matrix) {
	double m[9];
	for (int i = 0; i < 9; i++) {
		m[i] = matrix->m[i];
	}
	double determinant = 0;
	for (int j = 0; j < 3; j++) {
		determinant += m[j] * cofactor(m, 0, j);
	}
	if (!isnormal(determinant)) {
		*inverse = sbx_matrix_identity;
		return false;
	}
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++) {
			inverse->m[3 * i + j] = (float)(cofactor(m, j, i) / determinant);
		}
	}
	return true;
}

bool sbx_matrix_is_identity(const struct sbx_matrix *matrix) {
	for (int i = 0; i < 9; i++) {
		if (!(fabsf(matrix->m[i] - sbx_matrix_identity.m[i]) <= 1e-5f)) {
			return false;
		}
	}
	return true;
}

/* Finding out what a transform is */

/* The same numbers each time: a transform must not look like another one on another day. */
static void probe(unsigned i, float color[static 3]) {
	// The additive recurrence of the plastic number fills the cube evenly. Squared: more of the dark.
	static const double steps[] = { 0.8191725134, 0.6710436067, 0.5497004779 };
	for (int c = 0; c < 3; c++) {
		double x = fmod(0.5 + steps[c] * (i + 1), 1);
		color[c] = (float)(x * x);
	}
}

/*
 * What wlroots 0.20's wlr_color_transform_eval() says of a curve. Its BT.1886 leaves out that black is not
 * quite dark, which its own shaders, and we, do not: there it means the same transform by other numbers.
 */
static float asked_encode(enum sbx_curve curve, float x) {
	if (curve != SBX_CURVE_BT1886) {
		return sbx_curve_encode(curve, x);
	}
	double a, b;
	bt1886_constants(&a, &b);
	return (float)(pow(fmax(x, 0) * BT1886_WHITE / a, 1 / 2.4) - b);
}

static float asked_decode(enum sbx_curve curve, float x) {
	if (curve != SBX_CURVE_BT1886) {
		return sbx_curve_decode(curve, x);
	}
	double a, b;
	bt1886_constants(&a, &b);
	return (float)(a * pow(fmax(x + b, 0), 2.4) / BT1886_WHITE);
}

/* Below 0 a transform may answer what it likes, NaN among it; all but linear ones are cut there. */
static bool is_close(enum sbx_curve curve, float wanted, float is) {
	if (curve != SBX_CURVE_LINEAR) {
		wanted = wanted > 0 ? wanted : 0;
		is = is > 0 ? is : 0;
	}
	return fabsf(wanted - is) <= TOLERANCE;
}

static bool fits_at(const struct sbx_color *color, const float wanted[static 3],
		const float in[static 3]) {
	float light[3];
	sbx_matrix_apply(&color->matrix, light, in);
	for (int c = 0; c < 3; c++) {
		if (!is_close(color->curve, wanted[c], asked_encode(color->curve, light[c]))) {
			return false;
		}
	}
	return true;
}

static bool fits(const struct sbx_color *color, sbx_color_func func, void *data) {
	float in[3] = { 1, 1, 1 }, wanted[3];
	for (unsigned i = 0; i <= N_PROBES; i++) {
		func(data, wanted, in);
		if (!fits_at(color, wanted, in)) {
			return false;
		}
		probe(i, in);
	}
	return true;
}

/*
 * The matrix that lies before `curve`, if there is one: differences of light around a grey, where no
 * matrix that turns up in practice leaves the range that a curve can undo.
 */
static void guess_matrix(struct sbx_matrix *matrix, enum sbx_curve curve, sbx_color_func func,
		void *data) {
	const float grey = 0.25f, step = 0.125f;
	for (int column = 0; column < 3; column++) {
		float low[3] = { grey, grey, grey }, high[3] = { grey, grey, grey };
		low[column] -= step;
		high[column] += step;
		func(data, low, low);
		func(data, high, high);
		for (int row = 0; row < 3; row++) {
			matrix->m[3 * row + column] = (asked_decode(curve, high[row]) -
				asked_decode(curve, low[row])) / (2 * step);
		}
	}
}

static bool find_curve(struct sbx_color *color, sbx_color_func func, void *data) {
	static const enum sbx_curve curves[] = {
		SBX_CURVE_GAMMA22, SBX_CURVE_SRGB, SBX_CURVE_LINEAR, SBX_CURVE_PQ, SBX_CURVE_BT1886,
	};
	color->kind = SBX_COLOR_CURVE;
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		color->curve = curves[i];
		color->matrix = sbx_matrix_identity;
		if (fits(color, func, data)) {
			return true;
		}
		guess_matrix(&color->matrix, curves[i], func, data);
		if (fits(color, func, data)) {
			return true;
		}
	}
	return false;
}

static float axis_point(const struct sbx_color *color, int i) {
	return sbx_curve_decode(color->axis, (float)i / (SBX_COLOR_TABLE_SIZE - 1)) / color->axis_scale;
}

/** Whether white and what is brighter are shown as two colours. */
static bool knows_highlights(sbx_color_func func, void *data) {
	const float white[3] = { 1, 1, 1 }, bright[3] = { 4, 4, 4 };
	float at_white[3], at_bright[3];
	func(data, at_white, white);
	func(data, at_bright, bright);
	for (int c = 0; c < 3; c++) {
		if (fminf(at_bright[c], 1) > fminf(at_white[c], 1) + 0.01f) {
			return true;
		}
	}
	return false;
}

static void fill_table(const struct sbx_color *color, sbx_color_func func, void *data) {
	float *table = color->table;
	for (int b = 0; b < SBX_COLOR_TABLE_SIZE; b++) {
		for (int g = 0; g < SBX_COLOR_TABLE_SIZE; g++) {
			for (int r = 0; r < SBX_COLOR_TABLE_SIZE; r++, table += 4) {
				const float in[3] = {
					axis_point(color, r), axis_point(color, g), axis_point(color, b),
				};
				func(data, table, in);
				for (int c = 0; c < 3; c++) {
					table[c] = isfinite(table[c]) ? table[c] : 0;
				}
				table[3] = 1;
			}
		}
	}
}

bool sbx_color_init(struct sbx_color *color, sbx_color_func func, void *data) {
	*color = (struct sbx_color){
		.matrix = sbx_matrix_identity,
		.curve = SBX_CURVE_GAMMA22,
	};
	if (func == NULL) {
		return true;
	}
	if (find_curve(color, func, data)) {
		if (color->curve == SBX_CURVE_GAMMA22 && sbx_matrix_is_identity(&color->matrix)) {
			color->kind = SBX_COLOR_DEFAULT;
		}
		return true;
	}
	float *table = calloc(SBX_COLOR_TABLE_FLOATS, sizeof(*table));
	if (table == NULL) {
		sbx_color_init(color, NULL, NULL);
		return false;
	}
	bool highlights = knows_highlights(func, data);
	*color = (struct sbx_color){
		.kind = SBX_COLOR_TABLE,
		.matrix = sbx_matrix_identity,
		.table = table,
		.axis = highlights ? SBX_CURVE_PQ : SBX_CURVE_GAMMA22,
		.axis_scale = highlights ? PQ_WHITE : 1,
	};
	fill_table(color, func, data);
	return true;
}

void sbx_color_finish(struct sbx_color *color) {
	free(color->table);
	*color = (struct sbx_color){0};
}

/* Evaluating */

static const float *table_at(const float *table, int r, int g, int b) {
	return &table[4 * ((b * SBX_COLOR_TABLE_SIZE + g) * SBX_COLOR_TABLE_SIZE + r)];
}

/**
 * The table at `at`, a place on its axes from 0 to 1; and how it changes there, a column for each axis, added
 * to *slope (or NULL).
 */
static void look_up(const float *table, float out[static 3], struct sbx_matrix *slope,
		const float at[static 3]) {
	int base[3];
	float weight[3];
	for (int c = 0; c < 3; c++) {
		float place = at[c] * (SBX_COLOR_TABLE_SIZE - 1);
		base[c] = place < SBX_COLOR_TABLE_SIZE - 1 ? (int)place : SBX_COLOR_TABLE_SIZE - 2;
		weight[c] = place - (float)base[c];
		out[c] = 0;
	}
	for (int corner = 0; corner < 8; corner++) {
		const int far[3] = { corner & 1, corner >> 1 & 1, corner >> 2 };
		const float *color = table_at(table, base[0] + far[0], base[1] + far[1], base[2] + far[2]);
		float share[3];
		for (int c = 0; c < 3; c++) {
			share[c] = far[c] ? weight[c] : 1 - weight[c];
		}
		for (int i = 0; i < 9; i++) {
			int row = i / 3, column = i % 3;
			if (column == 0) {
				out[row] += share[0] * share[1] * share[2] * color[row];
			}
			if (slope != NULL) {
				slope->m[i] += (far[column] ? 1 : -1) * share[(column + 1) % 3] *
					share[(column + 2) % 3] * color[row] * (SBX_COLOR_TABLE_SIZE - 1);
			}
		}
	}
}

static void eval_table(const struct sbx_color *color, float out[static 3], const float in[static 3]) {
	float at[3];
	for (int c = 0; c < 3; c++) {
		at[c] = sbx_curve_encode(color->axis, fminf(in[c] * color->axis_scale, 1));
	}
	look_up(color->table, out, NULL, at);
}

static void eval_curve(const struct sbx_color *color, float out[static 3], const float in[static 3]) {
	sbx_matrix_apply(&color->matrix, out, in);
	for (int c = 0; c < 3; c++) {
		out[c] = sbx_curve_encode(color->curve, out[c]);
	}
}

void sbx_color_eval(const struct sbx_color *color, float out[static 3], const float in[static 3]) {
	if (color->kind == SBX_COLOR_TABLE) {
		eval_table(color, out, in);
	} else {
		eval_curve(color, out, in);
	}
}

/* The way back */

/**
 * Newton's way to the place where the table is `wanted`, from one that is not far, as the axes are such that
 * tables are nearly straight; where it is flat, towards what is missing.
 */
static void find_place(const float *table, float at[static 3], const float wanted[static 3]) {
	for (int n = 0; n < MAX_STEPS; n++) {
		struct sbx_matrix slope = {0};
		float missing[3], most = 0;
		look_up(table, missing, &slope, at);
		for (int c = 0; c < 3; c++) {
			missing[c] = wanted[c] - missing[c];
			most = fmaxf(most, fabsf(missing[c]));
		}
		if (most < NEAR_ENOUGH) {
			return;
		}
		if (sbx_matrix_invert(&slope, &slope)) {
			sbx_matrix_apply(&slope, missing, missing);
		}
		for (int c = 0; c < 3; c++) {
			float step = fminf(fmaxf(missing[c], -LONGEST_STEP), LONGEST_STEP);
			at[c] = fminf(fmaxf(at[c] + step, 0), 1);
		}
	}
}

void sbx_color_undo(const struct sbx_color *color, float out[static 3], const float in[static 3]) {
	float light[3];
	if (color->kind == SBX_COLOR_TABLE) {
		for (int c = 0; c < 3; c++) {
			light[c] = fminf(fmaxf(in[c], 0), 1);
		}
		find_place(color->table, light, in);
		for (int c = 0; c < 3; c++) {
			out[c] = sbx_curve_decode(color->axis, light[c]) / color->axis_scale;
		}
		return;
	}
	struct sbx_matrix back;
	sbx_matrix_invert(&back, &color->matrix);
	for (int c = 0; c < 3; c++) {
		light[c] = sbx_curve_decode(color->curve, in[c]);
	}
	sbx_matrix_apply(&back, out, light);
}
