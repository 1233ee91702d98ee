#include "oracle/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "oracle/ycbcr.h"

/** Nearer to the border of two texels than this, either is right: the shader has 24 bits. */
#define TIE 0.01

/** pixman's colours and masks have 16 bits; there may be one or two in each of a dozen layers. */
#define PIXMAN_SLACK 1e-4f
/** What floats lose; far below half a step of any format here. */
#define ROUNDING 1e-5f

static const int cosine[] = { 1, 0, -1, 0 }, sine[] = { 0, 1, 0, -1 };

/**
 * Where on the texture the middle of pixel x,y is. wl_output_transform: the content is mirrored at a
 * vertical axis if it is flipped, then turned counter-clockwise; here we go back.
 */
static void map_point(const struct oracle_op *op, double x, double y, double *u, double *v) {
	double right = (x - op->box.x1) / ((double)op->box.x2 - op->box.x1) - 0.5;
	double down = (y - op->box.y1) / ((double)op->box.y2 - op->box.y1) - 0.5;
	int quarter = op->transform & 3;
	// Turning clockwise takes right to down.
	double back_right = cosine[quarter] * right - sine[quarter] * down;
	double back_down = sine[quarter] * right + cosine[quarter] * down;
	if (op->transform & 4) {
		back_right = -back_right;
	}
	*u = op->src_x + (back_right + 0.5) * op->src_width;
	*v = op->src_y + (back_down + 0.5) * op->src_height;
}

static int clamp_int(int value, int high) {
	return value < 0 ? 0 : value > high ? high : value;
}

/** A texel, or the one at the edge. */
static void get_clamped(const struct oracle_op *op, int x, int y, float rgba[static 4]) {
	const struct oracle_image *image = op->texture;
	if (image->format->ycbcr != NULL) {
		oracle_ycbcr_get(image, &op->coding, x + 0.5, y + 0.5, true, rgba);
		return;
	}
	oracle_image_get(image, clamp_int(x, image->width - 1), clamp_int(y, image->height - 1), rgba);
}

/** The one or two texels that nearest may take at `at`. */
static void candidates(double at, int texel[static 2]) {
	texel[0] = (int)floor(at - TIE);
	texel[1] = (int)floor(at + TIE);
}

/** What a single fetch loses: of RGB nothing but the rounding of a float. */
static double fetch_loss(const struct oracle_op *op) {
	return op->texture->format->ycbcr != NULL ? 4e-6 : 1e-7;
}

static bool is_converted(const struct oracle_op *op, bool graded) {
	return graded || op->light.curve != SBX_CURVE_GAMMA22 || op->light.has_matrix;
}

/** As it is blended; `loss` as far as it is not in the range already. */
static void convert(const struct oracle_op *op, bool graded, const float rgba[static 4], double loss,
		struct oracle_pixel *sample) {
	struct oracle_range range;
	if (!is_converted(op, graded)) {
		memcpy(sample->low, rgba, sizeof(sample->low));
		memcpy(sample->high, rgba, sizeof(sample->high));
		return;
	}
	oracle_to_blend(&op->light, graded, rgba, loss + fetch_loss(op), &range);
	for (int c = 0; c < 4; c++) {
		sample->low[c] = (float)range.low[c];
		sample->high[c] = (float)range.high[c];
	}
}

static void sample_nearest(const struct oracle_op *op, bool graded, double u, double v,
		struct oracle_pixel *sample) {
	int x[2], y[2];
	candidates(u, x);
	candidates(v, y);
	for (int i = 0; i < 4; i++) {
		float texel[4];
		struct oracle_pixel other;
		get_clamped(op, x[i % 2], y[i / 2], texel);
		convert(op, graded, texel, 0, &other);
		for (int c = 0; c < 4; c++) {
			sample->low[c] = i > 0 ? fminf(sample->low[c], other.low[c]) : other.low[c];
			sample->high[c] = i > 0 ? fmaxf(sample->high[c], other.high[c]) : other.high[c];
		}
	}
}

/**
 * A place that far from the origin is right to four units in the last place of a float; between two texels
 * the colour may go from 0 to 1, on both axes, and a matrix makes up to four times that of it.
 */
static float bilinear_loss(const struct oracle_op *op) {
	float size = (float)(op->texture->width + op->texture->height);
	return size * 0x1p-24f * 4 * (op->texture->format->ycbcr != NULL ? 4 : 1);
}

static void get_bilinear(const struct oracle_op *op, double u, double v, float rgba[static 4]) {
	if (op->texture->format->ycbcr != NULL) {
		oracle_ycbcr_get(op->texture, &op->coding, u, v, false, rgba);
		return;
	}
	int x = (int)floor(u - 0.5), y = (int)floor(v - 0.5);
	double right = u - 0.5 - x, down = v - 0.5 - y;
	float texels[4][4];
	for (int i = 0; i < 4; i++) {
		get_clamped(op, x + i % 2, y + i / 2, texels[i]);
	}
	for (int c = 0; c < 4; c++) {
		double upper = (double)texels[0][c] * (1 - right) + (double)texels[1][c] * right;
		double lower = (double)texels[2][c] * (1 - right) + (double)texels[3][c] * right;
		rgba[c] = (float)(upper * (1 - down) + lower * down);
	}
}

static void sample_bilinear(const struct oracle_op *op, bool graded, double u, double v,
		struct oracle_pixel *sample) {
	float rgba[4], loss = bilinear_loss(op);
	get_bilinear(op, u, v, rgba);
	convert(op, graded, rgba, (double)loss, sample);
	sample->loss = is_converted(op, graded) ? 0 : loss;
}

static void sample_texture(const struct oracle_op *op, bool graded, int x, int y,
		enum oracle_mistake mistake, struct oracle_pixel *sample) {
	double half = mistake == ORACLE_HALF_PIXEL ? 0 : 0.5, u, v;
	map_point(op, x + half, y + half, &u, &v);
	if (op->filter == SBX_FILTER_NEAREST || oracle_op_is_unscaled(op)) {
		sample_nearest(op, graded, u, v, sample);
	} else {
		sample_bilinear(op, graded, u, v, sample);
	}
	for (int c = 0; c < 4 && mistake != ORACLE_NO_ALPHA; c++) {
		sample->low[c] *= op->alpha;
		sample->high[c] *= op->alpha;
	}
}

static void sample_rect(const struct oracle_op *op, bool graded, struct oracle_pixel *sample) {
	static const struct sbx_light usual = {0};
	struct oracle_range range;
	memcpy(sample->low, op->color, sizeof(sample->low));
	memcpy(sample->high, op->color, sizeof(sample->high));
	if (!graded) {
		return;
	}
	oracle_to_blend(&usual, true, op->color, 1e-7, &range);
	for (int c = 0; c < 4; c++) {
		sample->low[c] = (float)range.low[c];
		sample->high[c] = (float)range.high[c];
	}
}

static bool is_copy(const struct oracle_op *op, const struct oracle_image *target,
		const struct oracle_pixel *sample) {
	return op->texture != NULL && op->texture->format->ycbcr == NULL && op->alpha == 1 &&
		(op->filter == SBX_FILTER_NEAREST || oracle_op_is_unscaled(op)) &&
		memcmp(op->texture->format->bits, target->format->bits, 3) == 0 &&
		op->texture->format->is_float == target->format->is_float &&
		!is_converted(op, false) &&
		memcmp(sample->low, sample->high, sizeof(sample->low)) == 0;
}

static bool covers(const struct oracle_op *op, int x, int y, enum oracle_mistake mistake) {
	return x >= op->box.x1 && x < op->box.x2 && y >= op->box.y1 && y < op->box.y2 &&
		(!op->has_clip || mistake == ORACLE_NO_CLIP ||
		pixman_region32_contains_point(&op->clip, x, y, NULL));
}

/** A product of two ranges, `by` not below 0. */
static float least(float low, float by_low, float by_high) {
	return fminf(low * by_low, low * by_high);
}

static float most(float high, float by_low, float by_high) {
	return fmaxf(high * by_low, high * by_high);
}

/** Light as others blend it. */
static float electrical(float light) {
	return (float)oracle_encode(SBX_CURVE_GAMMA22, (double)light);
}

/** The mistake, for one who takes care of opaque and transparent pixels. */
static void blend_electrical(const struct oracle_pixel *sample, struct oracle_pixel *pixel) {
	float alpha = sample->low[3];
	for (int c = 0; c < 3; c++) {
		float value = (alpha > 0 ? electrical(sample->low[c] / alpha) * alpha : 0) +
			electrical(pixel->low[c]) * (1 - alpha);
		pixel->low[c] = pixel->high[c] = (float)oracle_decode(SBX_CURVE_GAMMA22, (double)value);
	}
	pixel->low[3] = pixel->high[3] = alpha + pixel->low[3] * (1 - alpha);
}

static void blend(const struct oracle_pixel *sample, float limit, float loss, struct oracle_pixel *pixel) {
	float low = 1 - sample->high[3], high = 1 - sample->low[3];
	for (int c = 0; c < 4; c++) {
		float lost = c < 3 ? loss * fmaxf(fabsf(pixel->low[c]), fabsf(pixel->high[c])) : 0;
		pixel->low[c] = fminf(sample->low[c] + least(pixel->low[c], low, high), limit) - lost;
		pixel->high[c] = fminf(sample->high[c] + most(pixel->high[c], low, high), limit) + lost;
	}
}

/** As targets of integers do it. */
static void cut(struct oracle_pixel *pixel, float lowest) {
	for (int c = 0; c < 4; c++) {
		pixel->low[c] = fminf(fmaxf(pixel->low[c], lowest), 1);
		pixel->high[c] = fminf(fmaxf(pixel->high[c], lowest), 1);
	}
}

static void draw(const struct oracle_op *op, const struct oracle_image *target, bool graded, int x, int y,
		enum oracle_mistake mistake, struct oracle_pixel *pixel) {
	struct oracle_pixel sample = {0};
	if (op->texture != NULL) {
		sample_texture(op, graded, x, y, mistake, &sample);
	} else {
		sample_rect(op, graded && mistake != ORACLE_RECTS_AS_LIGHT, &sample);
	}
	if ((op->blend == SBX_BLEND_NONE && mistake != ORACLE_BLEND_ALWAYS) || sample.low[3] >= 1) {
		sample.exact = !graded && is_copy(op, target, &sample);
		*pixel = sample;
		if (!graded && !target->format->is_float) {
			cut(pixel, -INFINITY);
		}
		return;
	}
	if (graded && mistake == ORACLE_BLEND_ELECTRICAL) {
		blend_electrical(&sample, pixel);
	} else {
		blend(&sample, target->format->is_float || graded ? INFINITY : 1, graded ? 2e-7f : 0, pixel);
	}
	pixel->loss += sample.loss;
	pixel->exact = false;
}

static struct oracle_op mistaken(const struct oracle_op *op, enum oracle_mistake mistake) {
	struct oracle_op copy = *op;
	if (mistake == ORACLE_TRANSFORM_BACKWARDS && op->transform % 2 == 1) {
		copy.transform ^= 2;
	}
	struct sbx_coding *coding = &copy.coding;
	if (mistake == ORACLE_RANGE) {
		coding->range = coding->range == SBX_RANGE_FULL ? SBX_RANGE_LIMITED : SBX_RANGE_FULL;
	} else if (mistake == ORACLE_ENCODING_709 && coding->encoding == SBX_ENCODING_BT601) {
		coding->encoding = SBX_ENCODING_BT709;
	} else if (mistake == ORACLE_CHROMA_MIDDLE) {
		coding->chroma = SBX_CHROMA_CENTER;
	} else if (mistake == ORACLE_CURVE_22) {
		copy.light.curve = SBX_CURVE_GAMMA22;
	} else if (mistake == ORACLE_NO_MATRIX) {
		copy.light.has_matrix = false;
	}
	return copy;
}

static void set_range(struct oracle_pixel *pixel, const struct oracle_range *range) {
	for (int c = 0; c < 4; c++) {
		pixel->low[c] = (float)range->low[c];
		pixel->high[c] = (float)range->high[c];
	}
}

static void begin_pixel(const struct oracle_image *target, const struct oracle_grade *grade, int x, int y,
		struct oracle_pixel *pixel) {
	struct oracle_range range;
	oracle_image_get(target, x, y, pixel->low);
	memcpy(pixel->high, pixel->low, sizeof(pixel->high));
	pixel->exact = true;
	if (grade->kind != ORACLE_GRADE_NONE) {
		oracle_from_target(grade, pixel->low, &range);
		set_range(pixel, &range);
	}
}

/** What was not drawn upon stays as it is. */
static void end_pixel(const struct oracle_image *target, const struct oracle_grade *grade, int x, int y,
		struct oracle_pixel *pixel) {
	struct oracle_range light, range;
	if (grade->kind == ORACLE_GRADE_NONE) {
		return;
	}
	if (pixel->exact) {
		oracle_image_get(target, x, y, pixel->low);
		memcpy(pixel->high, pixel->low, sizeof(pixel->high));
		return;
	}
	for (int c = 0; c < 4; c++) {
		light.low[c] = (double)pixel->low[c];
		light.high[c] = (double)pixel->high[c];
	}
	oracle_to_target(grade, &light, &range);
	set_range(pixel, &range);
	if (!target->format->is_float) {
		cut(pixel, 0);
	}
	pixel->loss += grade->kind == ORACLE_GRADE_TABLE ? ORACLE_TABLE_LOSS : 0;
}

static void draw_pixel(const struct oracle_scene *scene, int x, int y, enum oracle_mistake mistake,
		struct oracle_pixel *pixel) {
	struct oracle_grade grade = scene->grade;
	if (mistake == ORACLE_GRADE_SRGB) {
		grade.curve = SBX_CURVE_SRGB;
	}
	begin_pixel(scene->target, &grade, x, y, pixel);
	for (size_t i = 0; i < scene->n_ops; i++) {
		size_t swap = mistake == ORACLE_ORDER && i + 2 >= scene->n_ops && scene->n_ops > 1;
		struct oracle_op op = mistaken(&scene->ops[swap ? 2 * scene->n_ops - 3 - i : i], mistake);
		if (covers(&op, x, y, mistake)) {
			draw(&op, scene->target, grade.kind != ORACLE_GRADE_NONE, x, y, mistake, pixel);
		}
	}
	end_pixel(scene->target, &grade, x, y, pixel);
}

struct oracle_pixel *oracle_reference(const struct oracle_scene *scene,
		enum oracle_mistake mistake) {
	const struct oracle_image *target = scene->target;
	struct oracle_pixel *pixels = calloc((size_t)target->width * (size_t)target->height,
		sizeof(*pixels));
	if (pixels == NULL) {
		abort();
	}
	for (int y = 0; y < target->height; y++) {
		for (int x = 0; x < target->width; x++) {
			draw_pixel(scene, x, y, mistake, &pixels[y * target->width + x]);
		}
	}
	return pixels;
}

static pixman_image_t *import_image(const struct oracle_image *image) {
	if (image->format->pixman != 0) {
		return pixman_image_create_bits_no_clear((pixman_format_code_t)image->format->pixman,
			image->width, image->height, (uint32_t *)(void *)image->data, (int)image->stride);
	}
	pixman_image_t *wide = pixman_image_create_bits(PIXMAN_rgba_float, image->width, image->height,
		NULL, 0);
	float *data = (float *)(void *)pixman_image_get_data(wide);
	size_t stride = (size_t)pixman_image_get_stride(wide) / sizeof(float);
	for (int y = 0; y < image->height; y++) {
		for (int x = 0; x < image->width; x++) {
			oracle_image_get(image, x, y, &data[(size_t)y * stride + 4 * (size_t)x]);
		}
	}
	return wide;
}

/** The map is affine: three points say everything. */
static void set_transform(pixman_image_t *image, const struct oracle_op *op) {
	double u0, v0, u1, v1, u2, v2;
	map_point(op, op->box.x1, op->box.y1, &u0, &v0);
	map_point(op, op->box.x1 + 1, op->box.y1, &u1, &v1);
	map_point(op, op->box.x1, op->box.y1 + 1, &u2, &v2);
	struct pixman_f_transform wide = { {
		{ u1 - u0, u2 - u0, u0 },
		{ v1 - v0, v2 - v0, v0 },
		{ 0, 0, 1 },
	} };
	struct pixman_transform transform;
	pixman_transform_from_pixman_f_transform(&transform, &wide);
	pixman_image_set_transform(image, &transform);
	pixman_image_set_filter(image, PIXMAN_FILTER_NEAREST, NULL, 0);
	pixman_image_set_repeat(image, PIXMAN_REPEAT_PAD);
}

static pixman_image_t *solid(float r, float g, float b, float a) {
	return pixman_image_create_solid_fill(&(pixman_color_t){
		.red = (uint16_t)(r * 65535 + 0.5f), .green = (uint16_t)(g * 65535 + 0.5f),
		.blue = (uint16_t)(b * 65535 + 0.5f), .alpha = (uint16_t)(a * 65535 + 0.5f),
	});
}

static void composite(pixman_image_t *target, const struct oracle_op *op) {
	const float *c = op->color;
	pixman_image_t *source = op->texture != NULL ? import_image(op->texture) :
		solid(c[0], c[1], c[2], c[3]);
	pixman_image_t *mask = op->alpha != 1 ? solid(0, 0, 0, op->alpha) : NULL;
	if (op->texture != NULL) {
		set_transform(source, op);
	}
	pixman_image_set_clip_region32(target,
		op->has_clip ? (pixman_region32_t *)(uintptr_t)&op->clip : NULL);
	pixman_image_composite32(op->blend == SBX_BLEND_NONE ? PIXMAN_OP_SRC : PIXMAN_OP_OVER, source,
		mask, target, 0, 0, 0, 0, op->box.x1, op->box.y1, op->box.x2 - op->box.x1,
		op->box.y2 - op->box.y1);
	pixman_image_unref(source);
	if (mask != NULL) {
		pixman_image_unref(mask);
	}
}

float *oracle_pixman(const struct oracle_scene *scene) {
	size_t width = (size_t)scene->target->width, height = (size_t)scene->target->height;
	float *pixels = calloc(width * height, 4 * sizeof(float));
	if (pixels == NULL) {
		abort();
	}
	for (size_t i = 0; i < width * height; i++) {
		oracle_image_get(scene->target, (int)(i % width), (int)(i / width), &pixels[4 * i]);
	}
	pixman_image_t *target = pixman_image_create_bits_no_clear(PIXMAN_rgba_float, (int)width,
		(int)height, (uint32_t *)(void *)pixels, (int)(width * 4 * sizeof(float)));
	for (size_t i = 0; i < scene->n_ops; i++) {
		composite(target, &scene->ops[i]);
	}
	pixman_image_unref(target);
	return pixels;
}

static bool check_pixel(const struct oracle_image *actual, int x, int y,
		const float low[static 4], const float high[static 4], bool exact, float slack,
		struct oracle_difference *difference) {
	float rgba[4];
	oracle_image_get(actual, x, y, rgba);
	for (int c = 0; c < 4; c++) {
		float step = oracle_format_step(actual->format, c, fmaxf(fabsf(low[c]), fabsf(high[c])));
		float allowed = exact ? ROUNDING : step + ROUNDING + slack;
		float value = actual->format->bits[c] == 0 ? high[c] : rgba[c];
		if (!(value >= low[c] - allowed && value <= high[c] + allowed)) {
			*difference = (struct oracle_difference){ x, y, c, value, low[c], high[c], allowed };
			return false;
		}
	}
	return true;
}

bool oracle_compare(const struct oracle_scene *scene, const struct oracle_pixel *reference,
		const struct oracle_image *actual, float slack, struct oracle_difference *difference) {
	for (int y = 0; y < scene->target->height; y++) {
		for (int x = 0; x < scene->target->width; x++) {
			const struct oracle_pixel *pixel = &reference[y * scene->target->width + x];
			if (!check_pixel(actual, x, y, pixel->low, pixel->high, pixel->exact,
					slack + pixel->loss, difference)) {
				return false;
			}
		}
	}
	return true;
}

bool oracle_compare_pixman(const struct oracle_scene *scene, const struct oracle_pixel *reference,
		const float *pixman, const struct oracle_image *actual, float slack,
		struct oracle_difference *difference) {
	for (int y = 0; y < scene->target->height; y++) {
		for (int x = 0; x < scene->target->width; x++) {
			size_t i = (size_t)(y * scene->target->width + x);
			bool known = memcmp(reference[i].low, reference[i].high, sizeof(reference[i].low)) == 0;
			if (known && !check_pixel(actual, x, y, &pixman[4 * i], &pixman[4 * i],
					reference[i].exact, slack + PIXMAN_SLACK,
					difference)) {
				return false;
			}
		}
	}
	return true;
}
