/*
 * The oracle's random scenes through wlroots' pixman renderer and through our composer.
 *
 *   wlr-pixman [COUNT]
 *
 * Where they differ, and by how much, is explained in docs/rendering.md. Left out are parts of textures that
 * begin between two texels (wlroots rounds them), and pixels for which two answers are right.
 */
#include <drm_fourcc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/pass.h>
#include <wlr/render/pixman.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>
#include "harness/draw.h"
#include "harness/vulkan.h"
#include "oracle/reference.h"
#include "oracle/scene.h"

/* Of 8 bits, in which pixman calculates. */
#define STEP (1.0f / 255)
/* Steps that are allowed; docs/rendering.md says what was seen. */
#define NARROW 4.5f
#define WIDE 7.5f

static unsigned long count = 150;

static const uint32_t targets[] = {
	DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ABGR8888, 0,
};
static const uint32_t textures[] = {
	DRM_FORMAT_ARGB8888, DRM_FORMAT_XRGB8888, DRM_FORMAT_ABGR8888, DRM_FORMAT_XBGR8888,
	DRM_FORMAT_RGBA8888, DRM_FORMAT_RGBX8888, DRM_FORMAT_BGRA8888, DRM_FORMAT_BGRX8888,
	DRM_FORMAT_RGB565, DRM_FORMAT_BGR565, DRM_FORMAT_ARGB2101010, DRM_FORMAT_XBGR2101010, 0,
};

struct picture {
	struct wlr_buffer base;
	struct oracle_image *image;
};

static void picture_destroy(struct wlr_buffer *base) {
	struct picture *picture = wl_container_of(base, picture, base);
	wlr_buffer_finish(base);
	free(picture);
}

static bool picture_begin(struct wlr_buffer *base, uint32_t flags, void **data, uint32_t *format,
		size_t *stride) {
	struct picture *picture = wl_container_of(base, picture, base);
	*data = picture->image->data;
	*format = picture->image->format->drm;
	*stride = picture->image->stride;
	return true;
}

static void picture_end(struct wlr_buffer *base) {
}

static const struct wlr_buffer_impl picture_impl = {
	.destroy = picture_destroy,
	.begin_data_ptr_access = picture_begin,
	.end_data_ptr_access = picture_end,
};

static struct wlr_buffer *wrap(struct oracle_image *image) {
	struct picture *picture = calloc(1, sizeof(*picture));
	assert_non_null(picture);
	picture->image = image;
	wlr_buffer_init(&picture->base, &picture_impl, image->width, image->height);
	return &picture->base;
}

static struct wlr_box to_wlr_box(const pixman_box32_t *box) {
	return (struct wlr_box){ box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1 };
}

static enum wlr_render_blend_mode to_wlr_blend(enum sbx_blend blend) {
	return blend == SBX_BLEND_NONE ? WLR_RENDER_BLEND_MODE_NONE :
		WLR_RENDER_BLEND_MODE_PREMULTIPLIED;
}

static void add_op(struct wlr_render_pass *pass, const struct oracle_op *op,
		struct wlr_texture *texture) {
	const pixman_region32_t *clip = op->has_clip ? &op->clip : NULL;
	if (texture == NULL) {
		wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
			.box = to_wlr_box(&op->box),
			.color = { op->color[0], op->color[1], op->color[2], op->color[3] },
			.clip = clip, .blend_mode = to_wlr_blend(op->blend),
		});
		return;
	}
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = texture,
		.src_box = { op->src_x, op->src_y, op->src_width, op->src_height },
		.dst_box = to_wlr_box(&op->box),
		.alpha = &op->alpha, .clip = clip,
		.transform = (enum wl_output_transform)op->transform,
		.filter_mode = op->filter == SBX_FILTER_NEAREST ? WLR_SCALE_FILTER_NEAREST :
			WLR_SCALE_FILTER_BILINEAR,
		.blend_mode = to_wlr_blend(op->blend),
	});
}

static struct oracle_image *copy_image(const struct oracle_image *image) {
	struct oracle_image *copy = oracle_image_create(image->format, image->width, image->height);
	memcpy(copy->data, image->data, (size_t)image->stride * (size_t)image->height);
	return copy;
}

/* What wlroots makes of the scene. */
static struct oracle_image *draw_wlroots(struct wlr_renderer *renderer,
		const struct oracle_scene *scene) {
	struct oracle_image *result = copy_image(scene->target);
	struct wlr_buffer *target = wrap(result), *buffers[ORACLE_MAX_TEXTURES];
	struct wlr_texture *wlr_textures[ORACLE_MAX_TEXTURES];
	for (size_t i = 0; i < scene->n_textures; i++) {
		buffers[i] = wrap(scene->textures[i]);
		wlr_textures[i] = wlr_texture_from_buffer(renderer, buffers[i]);
		assert_non_null(wlr_textures[i]);
	}
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(renderer, target, NULL);
	assert_non_null(pass);
	for (size_t i = 0; i < scene->n_ops; i++) {
		size_t t = 0;
		while (scene->ops[i].texture != NULL && scene->textures[t] != scene->ops[i].texture) {
			t++;
		}
		add_op(pass, &scene->ops[i], scene->ops[i].texture != NULL ? wlr_textures[t] : NULL);
	}
	assert_true(wlr_render_pass_submit(pass));
	for (size_t i = 0; i < scene->n_textures; i++) {
		wlr_texture_destroy(wlr_textures[i]);
		wlr_buffer_drop(buffers[i]);
	}
	wlr_buffer_drop(target);
	return result;
}

/* The largest difference where only one answer is right, in steps of 8 bits; of `exact` pixels apart. */
struct difference {
	float blended, exact;
};

static void compare(const struct oracle_pixel *reference, const struct oracle_image *ours,
		const struct oracle_image *theirs, struct difference *difference) {
	for (int i = 0; i < ours->width * ours->height; i++) {
		float a[4], b[4];
		const struct oracle_pixel *pixel = &reference[i];
		if (memcmp(pixel->low, pixel->high, sizeof(pixel->low)) != 0) {
			continue;
		}
		oracle_image_get(ours, i % ours->width, i / ours->width, a);
		oracle_image_get(theirs, i % ours->width, i / ours->width, b);
		for (int c = 0; c < 4; c++) {
			float *worst = pixel->exact ? &difference->exact : &difference->blended;
			*worst = fmaxf(*worst, fabsf(a[c] - b[c]) / STEP);
		}
	}
}

/* What wlroots is told differently on purpose: the comparison must notice. */
static void spoil(struct oracle_scene *scene) {
	for (size_t i = 0; i < scene->n_ops; i++) {
		scene->ops[i].alpha *= 0.9f;
	}
}

static struct difference check_scenes(struct sbx_device *device, bool scaled, bool spoilt) {
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	struct wlr_renderer *pixman = wlr_pixman_renderer_create();
	assert_non_null(pixman);
	struct difference worst = {0};
	for (uint64_t seed = 1; seed <= count; seed++) {
		struct oracle_scene scene;
		oracle_scene_random(&scene, seed, &(struct oracle_scene_options){
			.target_formats = targets, .texture_formats = textures,
			.pixman_only = !scaled, .whole_sources = true,
		});
		struct oracle_image *ours = draw_scene(composer, device, &scene);
		struct oracle_pixel *reference = oracle_reference(&scene, ORACLE_CORRECT);
		if (spoilt) {
			spoil(&scene);
		}
		struct oracle_image *theirs = draw_wlroots(pixman, &scene);
		assert_non_null(ours);
		compare(reference, ours, theirs, &worst);
		free(reference);
		oracle_image_destroy(ours);
		oracle_image_destroy(theirs);
		oracle_scene_finish(&scene);
	}
	wlr_renderer_destroy(pixman);
	sbx_composer_destroy(composer);
	print_message("%lu scenes%s: %.2f steps of 1/255 at most, %.2f where it is a copy\n", count,
		scaled ? ", bilinear scaling among them" : "", (double)worst.blended,
		(double)worst.exact);
	return worst;
}

/* Copies are the same; pixman rounds after each of up to twelve layers, we once. */
static void test_without_bilinear_scaling(void **state) {
	struct difference worst = check_scenes(*state, false, false);
	assert_float_equal(worst.exact, 0, 0.01);
	assert_true(worst.blended <= NARROW);
}

/* pixman's weights have 7 bits on each axis. */
static void test_with_bilinear_scaling(void **state) {
	struct difference worst = check_scenes(*state, true, false);
	assert_float_equal(worst.exact, 0, 0.01);
	assert_true(worst.blended <= WIDE);
}

static void test_another_alpha_is_noticed(void **state) {
	struct difference worst = check_scenes(*state, true, true);
	assert_true(worst.exact > WIDE);
	assert_true(worst.blended > WIDE);
}

int main(int argc, char *argv[]) {
	if (argc > 1) {
		count = strtoul(argv[1], NULL, 0);
	}
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_without_bilinear_scaling),
		VULKAN_TEST(test_with_bilinear_scaling),
		VULKAN_TEST(test_another_alpha_is_noticed),
	};
	return VULKAN_MAIN("wlr/pixman", tests);
}
