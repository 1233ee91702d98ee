#include "oracle/scene.h"

#include <math.h>
#include <string.h>
#include "oracle/ycbcr.h"
#include "render/color.h"

/** Pixels of tame targets, each way. */
#define TAME 32

/** A small generator of our own, so that a seed means the same scene with every libc. */
struct random {
	uint64_t state;
};

static uint32_t below(struct random *random, uint32_t n) {
	random->state = random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	uint32_t bits = (uint32_t)(random->state >> 32);
	bits = (bits ^ bits >> 15) * 0x2c1b3c6du;
	return (bits ^ bits >> 13) % n;
}

static int between(struct random *random, int low, int high) {
	return low + (int)below(random, (uint32_t)(high - low + 1));
}

static bool one_in(struct random *random, uint32_t n) {
	return below(random, n) == 0;
}

static float fraction(struct random *random) {
	return (float)below(random, 1025) / 1024;
}

static const struct oracle_format *random_format(struct random *random, const uint32_t *formats) {
	uint32_t n = 0;
	while (formats[n] != 0) {
		n++;
	}
	return oracle_format(formats[below(random, n)]);
}

/** The nearest value that the alpha channel can have. */
static float round_alpha(const struct oracle_format *format, float alpha) {
	float step = oracle_format_step(format, 3, alpha);
	return format->bits[3] == 0 ? 1 : rintf(alpha / step) * step;
}

/** Noise; now and then all opaque, as windows are. Premultiplied, or what a careless client sends. */
static struct oracle_image *random_image(struct random *random, const struct oracle_format *format,
		int width, int height, bool premultiplied) {
	struct oracle_image *image = oracle_image_create(format, width, height);
	bool opaque = one_in(random, 3), smooth = one_in(random, 2);
	// What is in the X of XRGB does not matter.
	memset(image->data, one_in(random, 2) ? 0 : 0x5a, (size_t)height * image->stride);
	for (int y = 0; y < height; y++) {
		for (int x = 0; x < width; x++) {
			float rgba[4] = { (float)x / (float)width, (float)y / (float)height, 0.5f, 1 };
			rgba[3] = round_alpha(format, opaque ? 1 : fraction(random));
			for (int c = 0; c < 3; c++) {
				rgba[c] = (smooth ? rgba[c] : fraction(random)) * (premultiplied ? rgba[3] : 1);
			}
			oracle_image_put(image, x, y, rgba);
		}
	}
	return image;
}

/** Noise, or something that moves slowly; out of the range of colours, too. */
static struct oracle_image *random_ycbcr(struct random *random, const struct oracle_format *format,
		int width, int height, bool tame) {
	struct oracle_image *image = oracle_image_create(format, width, height);
	bool opaque = one_in(random, 3), smooth = one_in(random, 2);
	for (int kind = 0; kind < 4; kind++) {
		int across, down;
		oracle_ycbcr_size(image, (enum oracle_sample)kind, &across, &down);
		for (int i = 0; i < across * down; i++) {
			int x = i % across, y = i / across;
			double value = kind == ORACLE_A && opaque ? 1 : !smooth ?
				(double)fraction(random) : kind == ORACLE_CR ?
				(double)x / across : (double)y / down;
			if (tame && kind != ORACLE_A) {
				value = 0.5 + 0.3 * (value - 0.5);
			}
			oracle_ycbcr_put(image, (enum oracle_sample)kind, x, y, value);
		}
	}
	return image;
}

static void random_coding(struct random *random, struct sbx_coding *coding) {
	coding->encoding = (enum sbx_encoding)below(random, SBX_ENCODING_COUNT);
	coding->range = (enum sbx_range)below(random, SBX_RANGE_COUNT);
	coding->chroma = (enum sbx_chroma_location)below(random, SBX_CHROMA_COUNT);
}

static pixman_box32_t random_box(struct random *random, const struct oracle_image *target) {
	int width = between(random, 1, target->width), height = between(random, 1, target->height);
	int x = between(random, -width / 2, target->width - 1);
	int y = between(random, -height / 2, target->height - 1);
	if (one_in(random, 6)) {
		return (pixman_box32_t){ 0, 0, target->width, target->height };
	}
	return (pixman_box32_t){ x, y, x + width, y + height };
}

static void random_clip(struct random *random, struct oracle_op *op,
		const struct oracle_image *target) {
	op->has_clip = one_in(random, 3);
	pixman_region32_init(&op->clip);
	for (int i = below(random, 5); op->has_clip && i > 0; i--) {
		pixman_box32_t box = random_box(random, target);
		pixman_region32_union_rect(&op->clip, &op->clip, box.x1, box.y1,
			(unsigned)(box.x2 - box.x1), (unsigned)(box.y2 - box.y1));
	}
}

static void random_rect(struct random *random, struct oracle_op *op) {
	op->color[3] = one_in(random, 3) ? 1 : fraction(random);
	for (int c = 0; c < 3; c++) {
		op->color[c] = fraction(random) * op->color[3];
	}
}

/** A part of the texture, in whole texels or not. */
static void random_source(struct random *random, struct oracle_op *op, bool whole) {
	const struct oracle_image *texture = op->texture;
	int x = between(random, 0, texture->width - 1), y = between(random, 0, texture->height - 1);
	op->src_x = x;
	op->src_y = y;
	op->src_width = between(random, 1, texture->width - x);
	op->src_height = between(random, 1, texture->height - y);
	if (one_in(random, 3)) {
		op->src_x = op->src_y = 0;
		op->src_width = texture->width;
		op->src_height = texture->height;
	}
	if (!whole && one_in(random, 2)) {
		op->src_x += op->src_width * 0.25 * (double)fraction(random);
		op->src_y += op->src_height * 0.25 * (double)fraction(random);
		op->src_width *= 0.25 + 0.5 * (double)fraction(random);
		op->src_height *= 0.25 + 0.5 * (double)fraction(random);
	}
}

static void random_texture_op(struct random *random, struct oracle_scene *scene,
		struct oracle_op *op, const struct oracle_scene_options *options) {
	op->texture = scene->textures[below(random, (uint32_t)scene->n_textures)];
	op->transform = one_in(random, 2) ? SBX_TRANSFORM_NORMAL : (enum sbx_transform)below(random, 8);
	op->filter = one_in(random, 2) ? SBX_FILTER_NEAREST : SBX_FILTER_BILINEAR;
	op->alpha = one_in(random, 2) ? 1 : fraction(random);
	if (op->texture->format->ycbcr != NULL) {
		random_coding(random, &op->coding);
	}
	bool scaled = !one_in(random, 3);
	random_source(random, op, !scaled || options->whole_sources);
	if (!scaled) {
		bool swap = op->transform % 2 == 1;
		op->box.x2 = op->box.x1 + (int)(swap ? op->src_height : op->src_width);
		op->box.y2 = op->box.y1 + (int)(swap ? op->src_width : op->src_height);
	} else if (options->pixman_only) {
		op->filter = SBX_FILTER_NEAREST;
	}
}

static void random_op(struct random *random, struct oracle_scene *scene,
		const struct oracle_scene_options *options) {
	struct oracle_op *op = &scene->ops[scene->n_ops++];
	*op = (struct oracle_op){ .box = random_box(random, scene->target), .alpha = 1 };
	op->blend = one_in(random, 5) ? SBX_BLEND_NONE : SBX_BLEND_PREMULTIPLIED;
	random_clip(random, op, scene->target);
	if (one_in(random, 4)) {
		random_rect(random, op);
	} else {
		random_texture_op(random, scene, op, options);
	}
}

/** One colour, whatever was there. */
static void cover(struct random *random, struct oracle_scene *scene) {
	struct oracle_op *op = &scene->ops[scene->n_ops++];
	*op = (struct oracle_op){
		.box = { 0, 0, scene->target->width, scene->target->height }, .blend = SBX_BLEND_NONE, .alpha = 1,
	};
	pixman_region32_init(&op->clip);
	random_rect(random, op);
	if (scene->target->format->bits[3] == 0) {
		op->color[3] = 1;
	}
}

static const struct sbx_matrix to_bt2020 = { .m = {
	0.6274f, 0.3293f, 0.0433f, 0.0691f, 0.9195f, 0.0114f, 0.0164f, 0.0880f, 0.8956f,
} }, from_bt2020 = { .m = {
	1.6605f, -0.5876f, -0.0728f, -0.1246f, 1.1329f, -0.0083f, -0.0182f, -0.1006f, 1.1187f,
} };

static void random_matrix(struct random *random, struct sbx_matrix *matrix,
		const struct sbx_matrix *primaries, float factor) {
	*matrix = one_in(random, 2) ? sbx_matrix_identity : *primaries;
	for (int i = 0; i < 9; i++) {
		matrix->m[i] *= factor;
	}
}

static void random_light(struct random *random, struct sbx_light *light) {
	if (one_in(random, 4)) {
		return;
	}
	light->curve = (enum sbx_curve)below(random, SBX_CURVE_COUNT);
	light->has_matrix = one_in(random, 2);
	// As wlr_scene has it: of 10000 cd/m² in which 203 are white.
	float factor = light->curve == SBX_CURVE_PQ ? 10000.0f / 203 : one_in(random, 2) ? 1 : 0.5f;
	random_matrix(random, &light->matrix, &from_bt2020, factor);
}

static void random_grade(struct random *random, struct oracle_grade *grade) {
	grade->kind = (enum oracle_grade_kind)below(random, 3);
	if (grade->kind == ORACLE_GRADE_TABLE) {
		grade->curve = SBX_CURVE_SRGB;
		random_matrix(random, &grade->matrix, &to_bt2020, 1);
	} else {
		grade->curve = (enum sbx_curve)below(random, SBX_CURVE_COUNT);
		random_matrix(random, &grade->matrix, &to_bt2020,
			grade->curve == SBX_CURVE_PQ ? 203.0f / 10000 : 1);
	}
	// That is no grade, but what monitors are taken for.
	if (grade->kind == ORACLE_GRADE_CURVE && grade->curve == SBX_CURVE_GAMMA22 &&
			sbx_matrix_is_identity(&grade->matrix)) {
		grade->kind = ORACLE_GRADE_NONE;
	}
}

/** What stands in the target is something that the grade makes: no table knows anything else. */
static void grade_image(const struct oracle_grade *grade, struct oracle_image *image) {
	for (int i = 0; i < image->width * image->height; i++) {
		int x = i % image->width, y = i / image->width;
		float rgba[4];
		oracle_image_get(image, x, y, rgba);
		oracle_grade_eval((void *)(uintptr_t)grade, rgba, rgba);
		for (int c = 0; c < 3; c++) {
			rgba[c] *= rgba[3];
		}
		oracle_image_put(image, x, y, rgba);
	}
}

static void random_colors(struct random *random, struct oracle_scene *scene) {
	scene->dither = one_in(random, 2);
	random_grade(random, &scene->grade);
	bool all_channels = scene->target->format->bits[1] > 0 && scene->target->format->bits[2] > 0;
	if (scene->grade.kind == ORACLE_GRADE_TABLE && !all_channels) {
		scene->grade.kind = ORACLE_GRADE_NONE;
	}
	if (scene->grade.kind == ORACLE_GRADE_TABLE) {
		grade_image(&scene->grade, scene->target);
	}
	for (size_t i = 0; i < scene->n_ops; i++) {
		if (scene->ops[i].texture != NULL) {
			random_light(random, &scene->ops[i].light);
		}
	}
}

void oracle_scene_random(struct oracle_scene *scene, uint64_t seed,
		const struct oracle_scene_options *options) {
	struct random random = { seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };
	*scene = (struct oracle_scene){ .seed = seed };
	below(&random, 2);
	scene->target = random_image(&random, random_format(&random, options->target_formats),
		between(&random, options->tame ? 2 : 1, options->tame ? TAME : 200),
		between(&random, options->tame ? 2 : 1, options->tame ? TAME : 150), true);
	// pixman clamps colours to 1 as integers do, whatever the target: no sums above it in floats.
	bool valid = scene->target->format->is_float || options->tame || !one_in(&random, 4);
	bool ycbcr = options->ycbcr_formats != NULL && one_in(&random, 2);
	scene->n_textures = 1 + below(&random, ORACLE_MAX_TEXTURES);
	for (size_t i = 0; i < scene->n_textures; i++) {
		int limit = one_in(&random, 4) && !options->tame ? 250 : 40;
		int width = between(&random, 1, limit), height = between(&random, 1, limit);
		const struct oracle_format *format = random_format(&random, ycbcr && one_in(&random, 2) ?
			options->ycbcr_formats : options->texture_formats);
		if (options->tame && format->ycbcr != NULL) {
			width += width % 2;
			height += height % 2;
		}
		scene->textures[i] = format->ycbcr != NULL ?
			random_ycbcr(&random, format, width, height, options->tame) :
			random_image(&random, format, width, height, valid);
	}
	if (options->tame) {
		cover(&random, scene);
	}
	for (size_t n = below(&random, ORACLE_MAX_OPS - (uint32_t)scene->n_ops + 1); n > 0; n--) {
		random_op(&random, scene, options);
	}
	if (options->color) {
		random_colors(&random, scene);
	}
}

void oracle_scene_finish(struct oracle_scene *scene) {
	for (size_t i = 0; i < scene->n_ops; i++) {
		pixman_region32_fini(&scene->ops[i].clip);
	}
	for (size_t i = 0; i < scene->n_textures; i++) {
		oracle_image_destroy(scene->textures[i]);
	}
	oracle_image_destroy(scene->target);
	*scene = (struct oracle_scene){0};
}

bool oracle_op_is_unscaled(const struct oracle_op *op) {
	bool swap = op->transform % 2 == 1;
	int width = op->box.x2 - op->box.x1, height = op->box.y2 - op->box.y1;
	return op->src_x == rint(op->src_x) && op->src_y == rint(op->src_y) &&
		op->src_width == (swap ? height : width) && op->src_height == (swap ? width : height);
}

static void print_clip(const struct oracle_op *op, FILE *out) {
	int n;
	const pixman_box32_t *boxes = pixman_region32_rectangles(&op->clip, &n);
	fprintf(out, " clip");
	for (int i = 0; i < n; i++) {
		fprintf(out, " %d,%d-%d,%d", boxes[i].x1, boxes[i].y1, boxes[i].x2, boxes[i].y2);
	}
}

static void print_op(const struct oracle_scene *scene, const struct oracle_op *op, FILE *out) {
	fprintf(out, "  %d,%d-%d,%d %s", op->box.x1, op->box.y1, op->box.x2, op->box.y2,
		op->blend == SBX_BLEND_NONE ? "replaces" : "over");
	if (op->texture == NULL) {
		fprintf(out, " colour %g %g %g %g", (double)op->color[0], (double)op->color[1],
			(double)op->color[2], (double)op->color[3]);
	} else {
		size_t index = 0;
		while (scene->textures[index] != op->texture) {
			index++;
		}
		fprintf(out, " texture %zu from %g,%g %gx%g transform %d %s alpha %g%s", index, op->src_x,
			op->src_y, op->src_width, op->src_height, (int)op->transform,
			op->filter == SBX_FILTER_NEAREST ? "nearest" : "bilinear", (double)op->alpha,
			oracle_op_is_unscaled(op) ? "" : " scaled");
		if (op->texture->format->ycbcr != NULL) {
			fprintf(out, " encoding %d range %d chroma %d", (int)op->coding.encoding,
				(int)op->coding.range, (int)op->coding.chroma);
		}
	}
	if (op->light.curve != SBX_CURVE_GAMMA22 || op->light.has_matrix) {
		fprintf(out, " curve %d%s", (int)op->light.curve, op->light.has_matrix ? " matrix" : "");
		for (int i = 0; i < 9 && op->light.has_matrix; i++) {
			fprintf(out, " %g", (double)op->light.matrix.m[i]);
		}
	}
	if (op->has_clip) {
		print_clip(op, out);
	}
	fprintf(out, "\n");
}

void oracle_scene_print(const struct oracle_scene *scene, FILE *out) {
	fprintf(out, "seed %llu: target %s %dx%d\n", (unsigned long long)scene->seed,
		scene->target->format->name, scene->target->width, scene->target->height);
	if (scene->grade.kind != ORACLE_GRADE_NONE) {
		fprintf(out, "  grade: %s, curve %d, first of the matrix %g\n",
			scene->grade.kind == ORACLE_GRADE_TABLE ? "table" : "curve", (int)scene->grade.curve,
			(double)scene->grade.matrix.m[0]);
	}
	for (size_t i = 0; i < scene->n_textures; i++) {
		fprintf(out, "  texture %zu: %s %dx%d\n", i, scene->textures[i]->format->name,
			scene->textures[i]->width, scene->textures[i]->height);
	}
	for (size_t i = 0; i < scene->n_ops; i++) {
		print_op(scene, &scene->ops[i], out);
	}
}
