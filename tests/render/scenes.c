/*
 * Random scenes against the references of tests/oracle: copies bit for bit, blends within one step of
 * the target's format (1/255 for 8 bits), what a hardware sampler scaled within two more of 1/255.
 *
 *   render-scenes [--seed N] [--count N] [--pixman N] [--color N] [--dump DIRECTORY] [host | lab]
 *
 * draws `count` scenes of all kinds from seed N on, compared with the floating-point reference, `pixman`
 * more of what pixman can do exactly, compared with both, and `color` more with colours converted. A
 * failure prints the scene, and with --dump writes the picture, the right one and what was there before.
 * "lab": everything lies in dma-bufs.
 */
#include <drm_fourcc.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness/draw.h"
#include "harness/vulkan.h"
#include "oracle/reference.h"
#include "oracle/scene.h"
#include "render/compose.h"
#include "render/format.h"

#define NARROW_LOSS (0.75f / 255)

static struct {
	uint64_t seed;
	unsigned long count, pixman, color;
	const char *dump;
} options = { .seed = 1, .count = 1000, .pixman = 1000, .color = 400 };

/* What the oracle knows and the device can do. */
static uint32_t target_formats[DRAW_MAX_FORMATS], texture_formats[DRAW_MAX_FORMATS],
	ycbcr_formats[DRAW_MAX_FORMATS];

static void list_usable(struct sbx_device *device) {
	draw_list_rgb(target_formats);
	draw_list_rgb(texture_formats);
	draw_list_ycbcr(ycbcr_formats);
	draw_keep_usable(device, target_formats, SBX_FORMAT_STORE);
	draw_keep_usable(device, texture_formats, SBX_FORMAT_SAMPLE);
	draw_keep_usable(device, ycbcr_formats, SBX_FORMAT_SAMPLE);
	assert_int_not_equal(target_formats[0], 0);
	assert_int_not_equal(texture_formats[0], 0);
	assert_int_not_equal(ycbcr_formats[0], 0);
}

static void list_importable(struct sbx_device *device) {
	draw_list_rgb(target_formats);
	draw_list_rgb(texture_formats);
	draw_list_ycbcr(ycbcr_formats);
	draw_keep_importable(device, target_formats, SBX_FORMAT_STORE | SBX_FORMAT_SAMPLE);
	draw_keep_importable(device, texture_formats, SBX_FORMAT_SAMPLE);
	draw_keep_importable(device, ycbcr_formats, SBX_FORMAT_SAMPLE);
	assert_int_not_equal(target_formats[0], 0);
	assert_int_not_equal(texture_formats[0], 0);
	assert_int_not_equal(ycbcr_formats[0], 0);
}

/**
 * Hardware is allowed less exactness than software has: samplers weigh with 8 bits on each axis, and
 * NVIDIA reads channels of 5 bits as if they had been widened to 8 (24/31 reads as 198/255: H200, driver
 * 580), which is up to 0.7/255 off. Each layer may add that: those with an alpha of one bit can have colour
 * where they are transparent.
 */
static float hardware_slack(const struct sbx_device *device, const struct oracle_scene *scene) {
	bool bilinear = false, ycbcr = false;
	float narrow = 0;
	for (size_t i = 0; i < scene->n_ops && !device->caps.software; i++) {
		const struct oracle_op *op = &scene->ops[i];
		bilinear = bilinear || (op->texture != NULL && op->filter == SBX_FILTER_BILINEAR &&
			!oracle_op_is_unscaled(op));
		narrow += op->texture != NULL && op->texture->format->bits[0] == 5 ? NARROW_LOSS : 0;
		// The matrix makes the sampler's error larger: 2.2 for blue of BT.2020, limited range.
		ycbcr = ycbcr || (op->texture != NULL && op->texture->format->ycbcr != NULL);
	}
	return (bilinear ? 2.0f / 255 : 0) + narrow + (ycbcr ? 6.0f / 255 : 0);
}

static void dump_picture(const struct oracle_image *picture, uint64_t seed, const char *name) {
	char path[4096];
	snprintf(path, sizeof(path), "%s/%llu-%s.ppm", options.dump, (unsigned long long)seed, name);
	if (!oracle_image_dump(picture, path)) {
		perror(path);
	}
}

static void dump_scene(const struct oracle_scene *scene, const struct oracle_pixel *reference,
		const struct oracle_image *actual) {
	struct oracle_image *right = oracle_image_create(scene->target->format, scene->target->width,
		scene->target->height);
	for (int i = 0; i < right->width * right->height; i++) {
		oracle_image_put(right, i % right->width, i / right->width, reference[i].low);
	}
	dump_picture(scene->target, scene->seed, "before");
	dump_picture(right, scene->seed, "right");
	dump_picture(actual, scene->seed, "actual");
	oracle_image_destroy(right);
}

static void report(const struct oracle_scene *scene, const struct oracle_difference *d,
		const char *by) {
	oracle_scene_print(scene, stderr);
	fail_msg("seed %llu: %s says that channel %d of pixel %d,%d is %g..%g (+- %g), not %g",
		(unsigned long long)scene->seed, by, d->channel, d->x, d->y, (double)d->low,
		(double)d->high, (double)d->allowed, (double)d->actual);
}

typedef struct oracle_image *draw_func(struct sbx_composer *composer, struct sbx_device *device,
	const struct oracle_scene *scene);

static void check_scene(struct sbx_device *device, struct sbx_composer *composer, uint64_t seed,
		draw_func *draw, const struct oracle_scene_options *kinds) {
	struct oracle_scene scene;
	struct oracle_difference difference = {0};
	bool with_pixman = kinds->pixman_only && !kinds->color;
	oracle_scene_random(&scene, seed, kinds);
	struct oracle_image *actual = draw(composer, device, &scene);
	assert_non_null(actual);
	struct oracle_pixel *reference = oracle_reference(&scene, ORACLE_CORRECT);
	float slack = hardware_slack(device, &scene);
	const char *by = "the reference";
	bool ok = oracle_compare(&scene, reference, actual, slack, &difference);
	if (ok && with_pixman) {
		float *pixman = oracle_pixman(&scene);
		by = "pixman";
		ok = oracle_compare_pixman(&scene, reference, pixman, actual, slack, &difference);
		free(pixman);
	}
	if (options.dump != NULL) {
		dump_scene(&scene, reference, actual);
	}
	if (!ok) {
		report(&scene, &difference, by);
	}
	free(reference);
	oracle_image_destroy(actual);
	oracle_scene_finish(&scene);
}

static struct oracle_scene_options all_kinds(bool with_pixman) {
	return (struct oracle_scene_options){
		.target_formats = target_formats, .texture_formats = texture_formats,
		.ycbcr_formats = with_pixman ? NULL : ycbcr_formats,
		.pixman_only = with_pixman,
	};
}

static void check_scenes(struct sbx_device *device, unsigned long count, bool with_pixman) {
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	list_usable(device);
	const struct oracle_scene_options kinds = all_kinds(with_pixman);
	for (uint64_t seed = options.seed; seed < options.seed + count; seed++) {
		check_scene(device, composer, seed, draw_scene, &kinds);
	}
	print_message("%lu scenes from seed %llu\n", count, (unsigned long long)options.seed);
	sbx_composer_destroy(composer);
}

static void test_all_kinds(void **state) {
	check_scenes(*state, options.count, false);
}

/** Of the textures' formats those that a hardware sampler reads exactly; see hardware_slack(). */
static const uint32_t *exact_formats(void) {
	static uint32_t exact[sizeof(texture_formats) / sizeof(texture_formats[0])];
	size_t n = 0;
	for (size_t i = 0; texture_formats[i] != 0; i++) {
		if (oracle_format(texture_formats[i])->bits[0] != 5) {
			exact[n++] = texture_formats[i];
		}
	}
	exact[n] = 0;
	return exact;
}

/** Colours of every kind, in a third of the scenes with a table at the end. */
static void check_colors(struct sbx_device *device, unsigned long count) {
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	list_usable(device);
	struct oracle_scene_options kinds = all_kinds(false);
	kinds.color = true;
	// A curve may make anything of the eight bits of a hardware sampler's weights, which chroma goes through
	// in any case, and of what it loses of five bits.
	if (!device->caps.software) {
		kinds.pixman_only = true;
		kinds.ycbcr_formats = NULL;
		kinds.texture_formats = exact_formats();
	}
	for (uint64_t seed = options.seed; seed < options.seed + count; seed++) {
		check_scene(device, composer, seed, draw_scene, &kinds);
	}
	print_message("%lu scenes with colours from seed %llu\n", count, (unsigned long long)options.seed);
	sbx_composer_destroy(composer);
}

static void test_colors(void **state) {
	check_colors(*state, options.color);
}

static void test_pixman(void **state) {
	check_scenes(*state, options.pixman, true);
}

/** Workgroups of 256, the sampler, no copies: the ways of a GPU, on whatever device this is. */
static void test_as_gpus_do(void **state) {
	struct sbx_device *device = *state;
	bool software = device->caps.software;
	device->caps.software = false;
	check_scenes(device, options.count / 4, false);
	check_colors(device, options.color / 4);
	device->caps.software = software;
}

/** Everything in dma-bufs of others, as a compositor has it: handed over and back in every frame. */
static void test_dmabufs(void **state) {
	struct sbx_device *device = *state;
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	list_importable(device);
	for (uint64_t seed = options.seed; seed < options.seed + options.count; seed++) {
		const struct oracle_scene_options kinds = all_kinds(seed % 2 == 0);
		check_scene(device, composer, seed, draw_scene_in_dmabufs, &kinds);
	}
	sbx_composer_destroy(composer);
}

/** Scenes with one texture format, or one target format, and no other. */
static void check_format(struct sbx_device *device, struct sbx_composer *composer, uint32_t drm,
		bool target, unsigned count) {
	const uint32_t only[] = { drm, 0 }, usual[] = { DRM_FORMAT_ARGB8888, 0 };
	const struct oracle_scene_options kinds = {
		.target_formats = target ? only : usual, .texture_formats = target ? usual : only,
	};
	for (unsigned i = 0; i < count; i++) {
		check_scene(device, composer, options.seed + i, draw_scene, &kinds);
	}
}

static void check_formats(struct sbx_device *device, unsigned count) {
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	size_t targets = 0, textures = 0, ycbcr = 0;
	for (; target_formats[targets] != 0; targets++) {
		check_format(device, composer, target_formats[targets], true, count);
	}
	for (; texture_formats[textures] != 0; textures++) {
		check_format(device, composer, texture_formats[textures], false, count);
	}
	for (; ycbcr_formats[ycbcr] != 0; ycbcr++) {
		check_format(device, composer, ycbcr_formats[ycbcr], false, 2 * count);
	}
	print_message("%zu formats of targets, %zu of RGB textures, %zu of YCbCr\n", targets, textures,
		ycbcr);
	sbx_composer_destroy(composer);
}

/** What is listed can be drawn, and right. In dma-bufs: tests/wlr/formats.c. */
static void test_each_format(void **state) {
	list_usable(*state);
	check_formats(*state, options.count >= 1000 ? 3 : 1);
}

/** A reference that makes a mistake must disagree with some scene, and soon. */
static bool notices(struct sbx_device *device, struct sbx_composer *composer,
		enum oracle_mistake mistake) {
	bool same = true;
	uint64_t last = mistake == ORACLE_CORRECT ? 60 : 400;
	for (uint64_t seed = 1; same && seed <= last; seed++) {
		struct oracle_scene scene;
		struct oracle_difference difference;
		struct oracle_scene_options kinds = all_kinds(false);
		kinds.color = mistake >= ORACLE_FIRST_OF_COLOR;
		oracle_scene_random(&scene, seed, &kinds);
		struct oracle_image *actual = draw_scene(composer, device, &scene);
		assert_non_null(actual);
		struct oracle_pixel *reference = oracle_reference(&scene, mistake);
		same = oracle_compare(&scene, reference, actual, 3.0f / 255, &difference);
		free(reference);
		oracle_image_destroy(actual);
		oracle_scene_finish(&scene);
	}
	return !same;
}

static void test_mistakes_are_noticed(void **state) {
	struct sbx_device *device = *state;
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	list_usable(device);
	assert_false(notices(device, composer, ORACLE_CORRECT));
	for (int mistake = ORACLE_CORRECT + 1; mistake < ORACLE_MISTAKES; mistake++) {
		if (!notices(device, composer, (enum oracle_mistake)mistake)) {
			fail_msg("mistake %d is not noticed", mistake);
		}
	}
	sbx_composer_destroy(composer);
}

static bool parse_options(int argc, char **argv) {
	static const struct option names[] = {
		{ "seed", required_argument, NULL, 's' }, { "count", required_argument, NULL, 'c' },
		{ "pixman", required_argument, NULL, 'p' }, { "color", required_argument, NULL, 'C' },
		{ "dump", required_argument, NULL, 'd' },
		{0},
	};
	for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (option) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			options.count = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			options.pixman = strtoul(optarg, NULL, 0);
			break;
		case 'C':
			options.color = strtoul(optarg, NULL, 0);
			break;
		case 'd':
			options.dump = optarg;
			break;
		default:
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv) {
	if (!parse_options(argc, argv)) {
		return EXIT_FAILURE;
	}
	const struct CMUnitTest host[] = {
		VULKAN_TEST(test_mistakes_are_noticed),
		VULKAN_TEST(test_each_format),
		VULKAN_TEST(test_all_kinds),
		VULKAN_TEST(test_pixman),
		VULKAN_TEST(test_colors),
		VULKAN_TEST(test_as_gpus_do),
	};
	const struct CMUnitTest lab[] = {
		VULKAN_TEST(test_dmabufs),
	};
	return VULKAN_MAIN_LAB(argc - optind + 1, argv + optind - 1, "render/scenes", host, lab);
}
