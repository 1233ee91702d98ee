/*
 * The oracle's random scenes through a renderer of wlroots' and through our composer.
 *
 *   wlr-beside pixman|gles2|vulkan|signalbox [COUNT]
 *
 * Where they differ, by how much and why is told in docs/rendering.md, for which this prints tables. What
 * another renderer means to do differently is left out of its scenes (adapt()), and so are pixels for which two
 * answers are right. "signalbox" is our own renderer, which must do with wlroots' options what the composer does.
 *
 * GLES2 and Vulkan need dma-bufs: the lab VM. Elsewhere they are skipped (77).
 */
#include <drm_fourcc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wlr/render/wlr_renderer.h>
#include "bench/peer.h"
#include "harness/vulkan.h"
#include "oracle/reference.h"
#include "oracle/ycbcr.h"
#include "render/format.h"
#include "show.h"

#define STEP (1.0f / 255)
/* The two mean something else. */
#define ANY 256
/* Enough for gamma 2.2 to be more than what an output without a transform has. */
#define HAIR 1e-3f

/* Of a pixel: the last of these that has a part in it. */
enum kind {
	/* One texel with the channels of the target. */
	KIND_COPY,
	/* The same from a texture that is turned, or scaled without a filter. */
	KIND_TURNED,
	/* One rectangle. */
	KIND_RECT,
	/* One texel with other channels: of 5 bits, 10 bits, floats. */
	KIND_CONVERTED,
	/* Several layers, or an alpha of the operation's. */
	KIND_BLEND,
	/* A filter. */
	KIND_BILINEAR,
	KIND_YCBCR,
	/* The same without a filter, which ours uses for colour difference all the same. */
	KIND_YCBCR_NEAREST,
	KINDS,
};

static const char *const kind_names[KINDS] = {
	"copies", "turned, nearest", "rectangles", "other formats", "blends", "bilinear", "YCbCr",
	"YCbCr, nearest",
};

/* What becomes of the scene's colours. */
enum mode {
	/* Nothing is said about them. */
	MODE_VALUES,
	/* All is light, and its values are blended as they are. */
	MODE_LINEAR,
	/* All is gamma 2.2, and blended as light. */
	MODE_LIGHT,
	/* Textures of all curves and primaries; outputs of a matrix and a curve. */
	MODE_CURVES,
	/* The same with outputs that only a table can describe. */
	MODE_TABLES,
};

static const char *const mode_names[] = { "values", "linear", "light", "curves", "tables" };

static const uint32_t integers[] = {
	DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ABGR8888, 0,
};
static const uint32_t with_alpha[] = { DRM_FORMAT_ARGB8888, 0 };
static const uint32_t floats[] = { DRM_FORMAT_ABGR16161616F, 0 };

/*
 * A software device compiles its shaders anew for each format of a texture and of a target, and for YCbCr each
 * coding is a pipeline, which takes an emulated CPU a second. So, where it is one: some of each kind.
 */
static const uint32_t some_rgb[] = {
	DRM_FORMAT_ARGB8888, DRM_FORMAT_XRGB8888, DRM_FORMAT_RGB565, DRM_FORMAT_XBGR2101010,
	DRM_FORMAT_ABGR16161616F, 0,
};
static const uint32_t some_ycbcr[] = {
	DRM_FORMAT_NV12, DRM_FORMAT_P010, DRM_FORMAT_YUYV, DRM_FORMAT_YUV444, 0,
};
static const struct sbx_coding some_codings[] = {
	{ .encoding = SBX_ENCODING_BT601, .range = SBX_RANGE_LIMITED },
	{ .encoding = SBX_ENCODING_BT2020, .range = SBX_RANGE_LIMITED },
	{ .encoding = SBX_ENCODING_BT709, .range = SBX_RANGE_FULL },
	{ .encoding = SBX_ENCODING_BT709, .range = SBX_RANGE_LIMITED },
};

struct series {
	enum mode mode;
	const uint32_t *targets;
	/* Of the scenes that there are for each. */
	unsigned percent;
	/* Steps of 1/255; of values above 1, which targets of floats have, relative to these. */
	float allowed[KINDS];
};

#define MAX_SERIES 8

static const struct peer {
	const char *name;
	/* Of bench_peers. */
	const char *creator;
	/* Else it runs anywhere, and on the CPU. */
	bool dmabufs;
	/* Parts of textures that begin between texels are rounded to whole ones. */
	bool whole_sources;
	/* All YCbCr is taken for BT.601, limited. */
	bool one_coding;
	/* Clips are to lie within the target; and a rectangle that replaces fills its clip, also beyond its box. */
	bool takes_clips_as_they_are;
	/* The device decodes sRGB of XRGB8888 for it, before it filters. */
	bool has_srgb_views;
	bool dithers;
	struct series series[MAX_SERIES];
} peers[] = {
	{
		.name = "pixman", .creator = "wlroots-pixman", .whole_sources = true,
		.series = {
			{ MODE_VALUES, integers, 400, { 0, 0, 1.5f, 1.5f, 4.5f, 7.5f, 0, 0 } },
		},
	},
	{
		.name = "gles2", .creator = "wlroots-gles2", .dmabufs = true, .one_coding = true,
		.series = {
			{ MODE_VALUES, with_alpha, 100, { 0, 0, 1.5f, 1.5f, 3.5f, 3.5f, 5.5f, ANY } },
		},
	},
	{
		.name = "vulkan", .creator = "wlroots-vulkan", .dmabufs = true,
		.takes_clips_as_they_are = true, .has_srgb_views = true,
		.series = {
			{ MODE_LINEAR, with_alpha, 100, { 0, 0, 1.5f, 1.5f, 2.5f, 3.5f, 7.5f, 7.5f } },
			{ MODE_VALUES, with_alpha, 40, { 3.5f, 3.5f, 1.5f, 3.5f, ANY, ANY, ANY, ANY } },
			{ MODE_LIGHT, with_alpha, 100, { 3.5f, 3.5f, 1.5f, 3.5f, 4.5f, 4.5f, 7.5f, 7.5f } },
			{ MODE_CURVES, with_alpha, 60, { 3.5f, 3.5f, 1.5f, 6.5f, 8.5f, 12.5f, 0, 0 } },
			{ MODE_CURVES, floats, 40, { 3.5f, 3.5f, 1.5f, 6.5f, 8.5f, 12.5f, 0, 0 } },
			{ MODE_TABLES, with_alpha, 10, { 1.5f, 1.5f, 1.5f, 1.5f, 8.5f, 8.5f, 0, 0 } },
		},
	},
	{
		.name = "signalbox", .creator = "signalbox", .dmabufs = true, .dithers = true,
		.series = {
			{ MODE_VALUES, with_alpha, 50, { 0, 0, 0, 0, 0, 0, 0, 0 } },
			{ MODE_LIGHT, with_alpha, 50, { 1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 1.5f } },
			{ MODE_CURVES, with_alpha, 50, { 1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 0, 0 } },
			{ MODE_TABLES, with_alpha, 10, { 1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 0, 0 } },
		},
	},
};
#define N_PEERS (sizeof(peers) / sizeof(peers[0]))

static unsigned long count = 40;
static const struct peer *peer;
static struct show show = { .drm_fd = -1 };
static struct bench_nodes nodes;

/* By kind, in steps: of the two from each other, and of each from what is right. */
struct difference {
	unsigned long pixels[KINDS];
	float both[KINDS], theirs[KINDS], ours[KINDS];
	/* Of the scene where the two are furthest from each other. */
	uint64_t seeds[KINDS];
};

static bool covers(const struct oracle_op *op, int x, int y) {
	return x >= op->box.x1 && x < op->box.x2 && y >= op->box.y1 && y < op->box.y2 &&
		(!op->has_clip || pixman_region32_contains_point(&op->clip, x, y, NULL));
}

static bool has_alpha(const struct oracle_format *format) {
	return format->ycbcr != NULL ? format->ycbcr->samples[ORACLE_A].bits > 0 : format->bits[3] > 0;
}

/* Nothing of what was there before is seen, whatever the texels are. */
static bool replaces(const struct oracle_op *op) {
	return op->blend == SBX_BLEND_NONE || (op->texture == NULL ? op->color[3] == 1 :
		op->alpha == 1 && !has_alpha(op->texture->format));
}

static enum kind kind_of_op(const struct oracle_op *op, const struct oracle_format *target) {
	if (op->texture == NULL) {
		return KIND_RECT;
	}
	const struct oracle_format *format = op->texture->format;
	bool unscaled = oracle_op_is_unscaled(op);
	if (format->ycbcr != NULL) {
		return op->filter == SBX_FILTER_BILINEAR ? KIND_YCBCR : KIND_YCBCR_NEAREST;
	} else if (op->filter == SBX_FILTER_BILINEAR && !unscaled) {
		return KIND_BILINEAR;
	} else if (op->alpha != 1) {
		return KIND_BLEND;
	} else if (memcmp(format->bits, target->bits, 3) != 0 || format->is_float != target->is_float) {
		return KIND_CONVERTED;
	}
	return op->transform != SBX_TRANSFORM_NORMAL || !unscaled ? KIND_TURNED : KIND_COPY;
}

static enum kind kind_of(const struct oracle_scene *scene, int x, int y) {
	enum kind kind = KIND_COPY;
	for (size_t i = 0; i < scene->n_ops; i++) {
		const struct oracle_op *op = &scene->ops[i];
		if (!covers(op, x, y)) {
			continue;
		}
		enum kind own = kind_of_op(op, scene->target->format);
		if (replaces(op)) {
			kind = own;
			continue;
		}
		own = own > KIND_BLEND ? own : KIND_BLEND;
		kind = kind > own ? kind : own;
	}
	return kind;
}

/* Nobody shows what is translucent in the end on a target without alpha: there, some multiply, some do not. */
static bool has_two_answers(const struct oracle_scene *scene, const struct oracle_pixel *pixel) {
	bool graded = scene->grade.kind != ORACLE_GRADE_NONE;
	bool two = graded && scene->target->format->bits[3] == 0 && pixel->low[3] < 1 - STEP / 4;
	for (int c = 0; c < 4; c++) {
		two |= !(pixel->high[c] - pixel->low[c] < STEP / 4);
	}
	return two;
}

static void note(float *worst, float difference, float value) {
	// Not fmaxf(), which has no eye for what is no number.
	float steps = difference / (STEP * fmaxf(fabsf(value), 1));
	if (!(steps <= *worst)) {
		*worst = steps;
	}
}

static float distance(float value, float low, float high) {
	return value < low ? low - value : value > high ? value - high : value - value;
}

static void compare(const struct oracle_scene *scene, const struct oracle_pixel *reference,
		const struct oracle_image *ours, const struct oracle_image *theirs, struct difference *worst) {
	for (int i = 0; i < ours->width * ours->height; i++) {
		float a[4], b[4];
		int x = i % ours->width, y = i / ours->width;
		const struct oracle_pixel *pixel = &reference[i];
		if (has_two_answers(scene, pixel)) {
			continue;
		}
		enum kind kind = kind_of(scene, x, y);
		float before = worst->both[kind];
		worst->pixels[kind]++;
		oracle_image_get(ours, x, y, a);
		oracle_image_get(theirs, x, y, b);
		for (int c = 0; c < 4; c++) {
			if (ours->format->bits[c] > 0) {
				note(&worst->both[kind], fabsf(a[c] - b[c]), a[c]);
				note(&worst->theirs[kind], distance(b[c], pixel->low[c], pixel->high[c]), a[c]);
				note(&worst->ours[kind], distance(a[c], pixel->low[c], pixel->high[c]), a[c]);
			}
		}
		worst->seeds[kind] = worst->both[kind] == before ? worst->seeds[kind] : scene->seed;
	}
}

static void set_light(struct oracle_scene *scene, enum sbx_curve curve, float hair) {
	scene->grade = (struct oracle_grade){
		.kind = ORACLE_GRADE_CURVE, .curve = curve, .matrix = sbx_matrix_identity,
	};
	for (int i = 0; i < 9; i++) {
		scene->grade.matrix.m[i] *= 1 + hair;
	}
	for (size_t i = 0; i < scene->n_ops; i++) {
		scene->ops[i].light = (struct sbx_light){ .curve = curve };
	}
}

/* False: it is not a scene of this mode. */
static bool set_mode(struct oracle_scene *scene, enum mode mode) {
	switch (mode) {
	case MODE_VALUES:
		return true;
	case MODE_LINEAR:
		set_light(scene, SBX_CURVE_LINEAR, 0);
		return true;
	case MODE_LIGHT:
		set_light(scene, SBX_CURVE_GAMMA22, HAIR);
		return true;
	case MODE_CURVES:
		return scene->grade.kind == ORACLE_GRADE_CURVE;
	case MODE_TABLES:
		return scene->grade.kind == ORACLE_GRADE_TABLE;
	}
	return false;
}

static void adapt_coding(struct oracle_op *op) {
	uint32_t i = 0;
	while (peer->dmabufs && some_ycbcr[i] != op->texture->format->drm) {
		i++;
	}
	op->coding = peer->one_coding ? (struct sbx_coding){0} : some_codings[i];
	op->coding.chroma = SBX_CHROMA_CENTER;
}

static void intersect(struct oracle_op *op, const pixman_box32_t *box) {
	unsigned width = (unsigned)(box->x2 - box->x1), height = (unsigned)(box->y2 - box->y1);
	if (!op->has_clip) {
		pixman_region32_union_rect(&op->clip, &op->clip, box->x1, box->y1, width, height);
		op->has_clip = true;
	}
	pixman_region32_intersect_rect(&op->clip, &op->clip, box->x1, box->y1, width, height);
}

/* To what wlr_scene, too, asks of a renderer. */
static void adapt_clip(struct oracle_op *op, const struct oracle_image *target) {
	if (op->texture == NULL && op->blend == SBX_BLEND_NONE) {
		intersect(op, &op->box);
	}
	if (op->has_clip) {
		intersect(op, &(pixman_box32_t){ 0, 0, target->width, target->height });
	}
}

static void adapt(struct oracle_scene *scene) {
	scene->dither = peer->dithers;
	show_adapt(scene);
	for (size_t i = 0; i < scene->n_ops; i++) {
		struct oracle_op *op = &scene->ops[i];
		if (op->texture != NULL && op->texture->format->ycbcr != NULL) {
			adapt_coding(op);
		}
		if (peer->has_srgb_views && op->texture != NULL && op->light.curve == SBX_CURVE_SRGB &&
				op->texture->format->drm == DRM_FORMAT_XRGB8888) {
			op->filter = SBX_FILTER_NEAREST;
		}
		if (peer->takes_clips_as_they_are) {
			adapt_clip(op, scene->target);
		}
	}
}

/* What the other renderer is told differently on purpose: the comparison must notice. */
static void spoil(struct oracle_scene *scene) {
	for (size_t i = 0; i < scene->n_ops; i++) {
		scene->ops[i].alpha *= 0.9f;
		for (int c = 0; c < 4; c++) {
			scene->ops[i].color[c] *= 0.9f;
		}
	}
}

static uint32_t rgb[DRAW_MAX_FORMATS], ycbcr[DRAW_MAX_FORMATS];

/* What both can do. */
static void list_formats(struct sbx_device *device) {
	draw_list_rgb(rgb);
	draw_list_ycbcr(ycbcr);
	if (peer->dmabufs) {
		memcpy(rgb, some_rgb, sizeof(some_rgb));
		memcpy(ycbcr, some_ycbcr, sizeof(some_ycbcr));
	}
	draw_keep_usable(device, rgb, SBX_FORMAT_SAMPLE);
	draw_keep_usable(device, ycbcr, SBX_FORMAT_SAMPLE);
	show_keep_textures(&show, rgb);
	show_keep_textures(&show, ycbcr);
	assert_int_not_equal(rgb[0], 0);
}

static void check_scene(struct sbx_device *device, struct sbx_composer *composer, struct oracle_scene *scene,
		bool spoilt, struct difference *worst) {
	adapt(scene);
	struct oracle_image *ours = draw_scene(composer, device, scene);
	struct oracle_pixel *reference = oracle_reference(scene, ORACLE_CORRECT);
	assert_non_null(ours);
	float alphas[ORACLE_MAX_OPS];
	for (size_t i = 0; i < scene->n_ops; i++) {
		alphas[i] = scene->ops[i].alpha;
	}
	if (spoilt) {
		spoil(scene);
	}
	struct oracle_image *theirs = show_scene(&show, scene);
	for (size_t i = 0; i < scene->n_ops; i++) {
		scene->ops[i].alpha = alphas[i];
	}
	compare(scene, reference, ours, theirs, worst);
	free(reference);
	oracle_image_destroy(ours);
	oracle_image_destroy(theirs);
}

static void print_formats(const char *what, const uint32_t *formats) {
	print_message("%s:", what);
	for (; *formats != 0; formats++) {
		print_message(" %s", oracle_format(*formats)->name);
	}
	print_message("\n");
}

static struct difference check_series(struct sbx_device *device, struct sbx_composer *composer,
		const struct series *series, bool spoilt) {
	struct difference worst = {0};
	bool color = series->mode >= MODE_CURVES;
	unsigned long left = (count * series->percent + 99) / 100;
	for (uint64_t seed = 1; left > 0; seed++) {
		struct oracle_scene scene;
		oracle_scene_random(&scene, seed, &(struct oracle_scene_options){
			.target_formats = series->targets, .texture_formats = rgb, .ycbcr_formats = ycbcr[0] != 0 && !color ? ycbcr : NULL,
			.whole_sources = peer->whole_sources, .color = color, .tame = true,
		});
		if (set_mode(&scene, series->mode)) {
			check_scene(device, composer, &scene, spoilt, &worst);
			left--;
		}
		oracle_scene_finish(&scene);
	}
	return worst;
}

static void print_table(const struct series *series, const struct difference *worst) {
	for (int kind = 0; kind < KINDS; kind++) {
		print_message("| %s%s | %s | %lu | %.2f | %.2f | %.2f | %llu |\n", mode_names[series->mode],
			series->targets == floats ? ", floats" : "", kind_names[kind], worst->pixels[kind],
			(double)worst->both[kind], (double)worst->theirs[kind], (double)worst->ours[kind],
			(unsigned long long)worst->seeds[kind]);
	}
}

static void test_differences(void **state) {
	struct sbx_composer *composer = NULL;
	bool ok = true;
	vulkan_forgive_fds();
	assert_int_equal(sbx_composer_create(*state, &composer), 0);
	list_formats(*state);
	print_formats("textures", rgb);
	print_formats("YCbCr", ycbcr);
	print_message("| colours | pixels | number | from each other | theirs is off by | ours is off by | seed |\n");
	for (const struct series *series = peer->series; series->targets != NULL; series++) {
		struct difference worst = check_series(*state, composer, series, false);
		print_table(series, &worst);
		for (int kind = 0; kind < KINDS; kind++) {
			ok = ok && worst.both[kind] <= series->allowed[kind];
		}
	}
	sbx_composer_destroy(composer);
	assert_true(ok);
}

/* The control, in the first series, for each kind of pixel that there is. */
static void test_another_alpha_is_noticed(void **state) {
	const struct series *series = &peer->series[0];
	struct sbx_composer *composer = NULL;
	vulkan_forgive_fds();
	assert_int_equal(sbx_composer_create(*state, &composer), 0);
	list_formats(*state);
	struct difference worst = check_series(*state, composer, series, true);
	sbx_composer_destroy(composer);
	for (int kind = 0; kind < KINDS; kind++) {
		assert_true(worst.pixels[kind] == 0 || worst.both[kind] > 10);
	}
}

static struct wlr_renderer *create_renderer(const char *creator) {
	const char *note = NULL;
	for (const struct bench_peer *other = bench_peers; other->name != NULL; other++) {
		if (strcmp(other->name, creator) == 0) {
			return other->create(&nodes, &note);
		}
	}
	return NULL;
}

static const struct peer *find_peer(const char *name) {
	for (size_t i = 0; i < N_PEERS; i++) {
		if (name != NULL && strcmp(peers[i].name, name) == 0) {
			return &peers[i];
		}
	}
	return NULL;
}

int main(int argc, char *argv[]) {
	peer = find_peer(argc > 1 ? argv[1] : NULL);
	if (peer == NULL) {
		fprintf(stderr, "usage: wlr-beside pixman|gles2|vulkan|signalbox [COUNT]\n");
		return EXIT_FAILURE;
	}
	if (argc > 2) {
		count = strtoul(argv[2], NULL, 0);
	}
	if (peer->dmabufs && !in_lab() && (access("/dev/udmabuf", R_OK | W_OK) != 0 || access("/dev/dri", R_OK) != 0)) {
		fprintf(stderr, "skipped: needs /dev/udmabuf and /dev/dri\n");
		return 77;
	}
	bench_nodes_find(&nodes, NULL);
	show.renderer = create_renderer(peer->creator);
	if (show.renderer == NULL) {
		fprintf(stderr, "wlroots' %s renderer cannot be had\n", peer->name);
		return EXIT_FAILURE;
	}
	show.dmabufs = peer->dmabufs;
	show.drm_fd = peer->dmabufs ? nodes.render_fd : -1;
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_differences),
		VULKAN_TEST(test_another_alpha_is_noticed),
	};
	int ret = VULKAN_MAIN("wlr/beside", tests);
	wlr_renderer_destroy(show.renderer);
	return ret;
}
