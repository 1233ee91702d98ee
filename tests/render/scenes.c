/*
 * Random scenes against the references of tests/oracle: copies bit for bit, blends within one step of
 * the target's format (1/255 for 8 bits), what a hardware sampler scaled within two more of 1/255.
 *
 *   render-scenes [--seed N] [--count N] [--pixman N] [--dump DIRECTORY] [host | lab]
 *
 * draws `count` scenes of all kinds from seed N on, compared with the floating-point reference, and
 * `pixman` more of what pixman can do exactly, compared with both. A failure prints the scene, and
 * with --dump writes the picture, the right one and what was there before. "lab": everything lies in
 * dma-bufs.
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

static struct {
	uint64_t seed;
	unsigned long count, pixman;
	const char *dump;
} options = { .seed = 1, .count = 1500, .pixman = 1500 };

static uint32_t target_formats[] = {
	DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ABGR8888,
	DRM_FORMAT_XBGR2101010, DRM_FORMAT_ABGR16161616F, 0,
};
static uint32_t texture_formats[] = {
	DRM_FORMAT_ARGB8888, DRM_FORMAT_XRGB8888, DRM_FORMAT_ABGR8888, DRM_FORMAT_XBGR8888,
	DRM_FORMAT_RGBA8888, DRM_FORMAT_BGRX8888, DRM_FORMAT_RGB565, DRM_FORMAT_ARGB4444,
	DRM_FORMAT_ARGB2101010, DRM_FORMAT_XBGR2101010, DRM_FORMAT_ABGR16161616,
	DRM_FORMAT_ABGR16161616F, 0,
};

/** Samplers weigh with 8 bits on each axis. Software fetches and weighs itself, in floats. */
static float sampler_slack(const struct sbx_device *device, const struct oracle_scene *scene) {
	bool bilinear = false;
	for (size_t i = 0; i < scene->n_ops; i++) {
		const struct oracle_op *op = &scene->ops[i];
		bilinear = bilinear || (op->texture != NULL && op->filter == SBX_FILTER_BILINEAR &&
			!oracle_op_is_unscaled(op));
	}
	return bilinear && !device->caps.software ? 2.0f / 255 : 0;
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
		draw_func *draw, bool with_pixman) {
	struct oracle_scene scene;
	struct oracle_difference difference = {0};
	oracle_scene_random(&scene, seed, &(struct oracle_scene_options){
		.target_formats = target_formats, .texture_formats = texture_formats,
		.pixman_only = with_pixman,
	});
	struct oracle_image *actual = draw(composer, device, &scene);
	assert_non_null(actual);
	struct oracle_pixel *reference = oracle_reference(&scene, ORACLE_CORRECT);
	float slack = sampler_slack(device, &scene);
	const char *by = "the reference";
	bool ok = oracle_compare(&scene, reference, actual, slack, &difference);
	if (ok && with_pixman) {
		float *pixman = oracle_pixman(&scene);
		by = "pixman";
		ok = oracle_compare_pixman(&scene, reference, pixman, actual, &difference);
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

static void check_scenes(struct sbx_device *device, unsigned long count, bool with_pixman) {
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	draw_keep_usable(device, target_formats, SBX_FORMAT_STORE);
	draw_keep_usable(device, texture_formats, SBX_FORMAT_SAMPLE);
	assert_int_equal(target_formats[0], DRM_FORMAT_XRGB8888);
	for (uint64_t seed = options.seed; seed < options.seed + count; seed++) {
		check_scene(device, composer, seed, draw_scene, with_pixman);
	}
	print_message("%lu scenes from seed %llu\n", count, (unsigned long long)options.seed);
	sbx_composer_destroy(composer);
}

static void test_all_kinds(void **state) {
	check_scenes(*state, options.count, false);
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
	device->caps.software = software;
}

/** Everything in dma-bufs of others, as a compositor has it: handed over and back in every frame. */
static void test_dmabufs(void **state) {
	struct sbx_device *device = *state;
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	draw_keep_importable(device, target_formats, SBX_FORMAT_STORE | SBX_FORMAT_SAMPLE);
	draw_keep_importable(device, texture_formats, SBX_FORMAT_SAMPLE);
	assert_int_equal(target_formats[0], DRM_FORMAT_XRGB8888);
	for (uint64_t seed = options.seed; seed < options.seed + options.count; seed++) {
		check_scene(device, composer, seed, draw_scene_in_dmabufs, seed % 2 == 0);
	}
	sbx_composer_destroy(composer);
}

/** A reference that makes a mistake must disagree with some scene, and soon. */
static bool notices(struct sbx_device *device, struct sbx_composer *composer,
		enum oracle_mistake mistake) {
	bool same = true;
	for (uint64_t seed = 1; same && seed <= 60; seed++) {
		struct oracle_scene scene;
		struct oracle_difference difference;
		oracle_scene_random(&scene, seed, &(struct oracle_scene_options){
			.target_formats = target_formats, .texture_formats = texture_formats,
		});
		struct oracle_image *actual = draw_scene(composer, device, &scene);
		assert_non_null(actual);
		struct oracle_pixel *reference = oracle_reference(&scene, mistake);
		same = oracle_compare(&scene, reference, actual, 2.0f / 255, &difference);
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
	draw_keep_usable(device, target_formats, SBX_FORMAT_STORE);
	draw_keep_usable(device, texture_formats, SBX_FORMAT_SAMPLE);
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
		{ "pixman", required_argument, NULL, 'p' }, { "dump", required_argument, NULL, 'd' },
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
		VULKAN_TEST(test_all_kinds),
		VULKAN_TEST(test_pixman),
		VULKAN_TEST(test_as_gpus_do),
	};
	const struct CMUnitTest lab[] = {
		VULKAN_TEST(test_dmabufs),
	};
	return VULKAN_MAIN_LAB(argc - optind + 1, argv + optind - 1, "render/scenes", host, lab);
}
