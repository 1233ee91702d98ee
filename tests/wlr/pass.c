/*
 * Pictures: the same operations drawn by our renderer and by wlroots' pixman renderer, both through
 * wlroots' public API.
 */
#include "rig.h"

#include <stdlib.h>
#include <wlr/render/pixman.h>
#include "render/device.h"

#define SIZE 64

/* A texture twice, and a target twice: for us and for pixman. */
struct pair {
	struct rig_buffer *buffer;
	struct wlr_texture *ours, *theirs;
};

struct duel {
	struct rig *rig;
	struct wlr_renderer *pixman;
	struct rig_buffer *target, *reference;
	struct wlr_render_pass *passes[2];
};

static void duel_init(struct duel *duel, struct rig *rig) {
	*duel = (struct duel){ .rig = rig, .pixman = wlr_pixman_renderer_create() };
	duel->target = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	duel->reference = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DATA_PTR);
}

static void duel_finish(struct duel *duel) {
	rig_buffer_drop(duel->target);
	rig_buffer_drop(duel->reference);
	wlr_renderer_destroy(duel->pixman);
}

static void duel_begin(struct duel *duel) {
	duel->passes[0] = wlr_renderer_begin_buffer_pass(duel->rig->renderer, &duel->target->base, NULL);
	duel->passes[1] = wlr_renderer_begin_buffer_pass(duel->pixman, &duel->reference->base, NULL);
	assert_non_null(duel->passes[0]);
	assert_non_null(duel->passes[1]);
}

static void duel_rect(struct duel *duel, const struct wlr_render_rect_options *options) {
	wlr_render_pass_add_rect(duel->passes[0], options);
	wlr_render_pass_add_rect(duel->passes[1], options);
}

static void duel_texture(struct duel *duel, const struct pair *pair,
		struct wlr_render_texture_options options) {
	options.texture = pair->ours;
	wlr_render_pass_add_texture(duel->passes[0], &options);
	options.texture = pair->theirs;
	wlr_render_pass_add_texture(duel->passes[1], &options);
}

static int difference(uint32_t a, uint32_t b) {
	int worst = 0;
	for (int shift = 0; shift < 24; shift += 8) {
		int d = abs((int)(a >> shift & 0xff) - (int)(b >> shift & 0xff));
		worst = d > worst ? d : worst;
	}
	return worst;
}

/* Both submit; no colour of any pixel may differ by more than `tolerance`. */
static void duel_compare(struct duel *duel, int tolerance, const char *what, unsigned seed) {
	assert_true(wlr_render_pass_submit(duel->passes[0]));
	assert_true(wlr_render_pass_submit(duel->passes[1]));
	rig_finish(duel->rig);
	for (uint32_t i = 0; i < SIZE * SIZE; i++) {
		uint32_t ours = rig_buffer_pixel(duel->target, i % SIZE, i / SIZE);
		uint32_t theirs = rig_buffer_pixel(duel->reference, i % SIZE, i / SIZE);
		if (difference(ours, theirs) > tolerance) {
			fail_msg("%s %u: pixel %u,%u is %06x, not %06x", what, seed, i % SIZE, i / SIZE,
				ours & 0xffffff, theirs & 0xffffff);
		}
	}
}

/* Noise, premultiplied where there is alpha. */
static void fill_noise(struct rig_buffer *buffer, bool alpha) {
	for (int i = 0; i < buffer->base.width * buffer->base.height; i++) {
		uint32_t a = alpha ? (uint32_t)rand() % 256 : 255, pixel = a << 24;
		for (int shift = 0; shift < 24; shift += 8) {
			pixel |= ((uint32_t)rand() % (a + 1)) << shift;
		}
		buffer->pixels[i] = pixel;
	}
}

static struct pair pair_create(struct duel *duel, uint32_t width, uint32_t height, uint32_t format,
		uint32_t caps) {
	struct pair pair = { .buffer = rig_buffer_create(width, height, format, RIG_DATA_PTR) };
	fill_noise(pair.buffer, format == DRM_FORMAT_ARGB8888);
	pair.theirs = wlr_texture_from_buffer(duel->pixman, &pair.buffer->base);
	pair.buffer->caps = caps | RIG_DATA_PTR;
	pair.ours = wlr_texture_from_buffer(duel->rig->renderer, &pair.buffer->base);
	assert_non_null(pair.ours);
	assert_non_null(pair.theirs);
	return pair;
}

static void pair_destroy(struct pair *pair) {
	wlr_texture_destroy(pair->ours);
	pair->buffer->caps = RIG_DATA_PTR;
	wlr_texture_destroy(pair->theirs);
	rig_buffer_drop(pair->buffer);
}

static void opaque_copies_are_exact(void **state) {
	struct duel duel;
	duel_init(&duel, *state);
	static const uint32_t formats[] = { DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888 };
	for (unsigned i = 0; i < 4; i++) {
		struct pair pair = pair_create(&duel, SIZE, SIZE, formats[i / 2],
			i % 2 == 0 ? RIG_DMABUF : RIG_DATA_PTR);
		duel_begin(&duel);
		duel_texture(&duel, &pair, (struct wlr_render_texture_options){
			.blend_mode = WLR_RENDER_BLEND_MODE_NONE,
		});
		duel_compare(&duel, 0, "copy", i);
		pair_destroy(&pair);
	}
	duel_finish(&duel);
}

static void all_transforms_turn_the_same_way(void **state) {
	struct duel duel;
	duel_init(&duel, *state);
	struct pair pair = pair_create(&duel, 40, 24, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	for (unsigned transform = 0; transform < 8; transform++) {
		bool turned = transform % 2 == 1;
		duel_begin(&duel);
		duel_rect(&duel, &(struct wlr_render_rect_options){
			.box = { .width = SIZE, .height = SIZE }, .color = { 0.2f, 0.4f, 0.6f, 1 },
		});
		duel_texture(&duel, &pair, (struct wlr_render_texture_options){
			.dst_box = { 5, 7, turned ? 24 : 40, turned ? 40 : 24 },
			.transform = transform,
		});
		/* And a part of it, which is where mistakes hide. */
		duel_texture(&duel, &pair, (struct wlr_render_texture_options){
			.src_box = { 4, 2, 12, 10 },
			.dst_box = { 48, 48, turned ? 10 : 12, turned ? 12 : 10 },
			.transform = transform,
		});
		duel_compare(&duel, 0, "transform", transform);
	}
	pair_destroy(&pair);
	duel_finish(&duel);
}

static void scale_by_whole_numbers_is_nearest(void **state) {
	struct duel duel;
	duel_init(&duel, *state);
	struct pair pair = pair_create(&duel, 16, 16, DRM_FORMAT_XRGB8888, RIG_DATA_PTR);
	for (unsigned transform = 0; transform < 8; transform++) {
		duel_begin(&duel);
		duel_texture(&duel, &pair, (struct wlr_render_texture_options){
			.dst_box = { 0, 0, 64, 64 },
			.filter_mode = WLR_SCALE_FILTER_NEAREST,
			.transform = transform,
		});
		duel_compare(&duel, 0, "nearest", transform);
	}
	pair_destroy(&pair);
	duel_finish(&duel);
}

static struct wlr_box random_box(void) {
	return (struct wlr_box){
		.x = rand() % (SIZE + 16) - 16,
		.y = rand() % (SIZE + 16) - 16,
		.width = 1 + rand() % SIZE,
		.height = 1 + rand() % SIZE,
	};
}

static void random_clip(pixman_region32_t *clip) {
	pixman_region32_init(clip);
	for (int n = rand() % 6; n >= 0; n--) {
		struct wlr_box box = random_box();
		pixman_region32_union_rect(clip, clip, box.x, box.y, (unsigned)box.width,
			(unsigned)box.height);
	}
}

static void random_op(struct duel *duel, const struct pair *pairs, size_t n_pairs) {
	pixman_region32_t clip;
	random_clip(&clip);
	bool clipped = rand() % 2 == 0;
	enum wlr_render_blend_mode blend = rand() % 4 == 0 ? WLR_RENDER_BLEND_MODE_NONE :
		WLR_RENDER_BLEND_MODE_PREMULTIPLIED;
	if (rand() % 3 == 0) {
		float a = (float)(rand() % 256) / 255;
		duel_rect(duel, &(struct wlr_render_rect_options){
			.box = random_box(),
			.color = { a * (float)(rand() % 2), a * (float)(rand() % 2), a, a },
			.clip = clipped ? &clip : NULL,
			.blend_mode = blend,
		});
	} else {
		struct wlr_box box = random_box();
		float alpha = rand() % 3 == 0 ? (float)(rand() % 256) / 255 : 1;
		unsigned transform = (unsigned)rand() % 8;
		box.width = transform % 2 == 1 ? 24 : 32;
		box.height = transform % 2 == 1 ? 32 : 24;
		duel_texture(duel, &pairs[(size_t)rand() % n_pairs], (struct wlr_render_texture_options){
			.dst_box = box,
			.alpha = &alpha,
			.clip = clipped ? &clip : NULL,
			.transform = transform,
			.blend_mode = alpha == 1 ? blend : WLR_RENDER_BLEND_MODE_PREMULTIPLIED,
		});
	}
	pixman_region32_fini(&clip);
}

/* Rounding adds up with each blended layer; pixman rounds after every one, we at the end. */
static void random_scenes_look_the_same(void **state) {
	struct duel duel;
	duel_init(&duel, *state);
	struct pair pairs[3] = {
		pair_create(&duel, 32, 24, DRM_FORMAT_ARGB8888, RIG_DATA_PTR),
		pair_create(&duel, 32, 24, DRM_FORMAT_ARGB8888, RIG_DMABUF),
		pair_create(&duel, 32, 24, DRM_FORMAT_XRGB8888, RIG_DMABUF),
	};
	for (unsigned seed = 1; seed <= 60; seed++) {
		srand(seed);
		duel_begin(&duel);
		int n = 1 + rand() % 8;
		for (int i = 0; i < n; i++) {
			random_op(&duel, pairs, 3);
		}
		duel_compare(&duel, 1 + n, "seed", seed);
	}
	for (size_t i = 0; i < 3; i++) {
		pair_destroy(&pairs[i]);
	}
	duel_finish(&duel);
}

static void nothing_drawn_leaves_the_target(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *target = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	rig_buffer_fill(target, 0x123456);
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL);
	pixman_region32_t nowhere;
	pixman_region32_init(&nowhere);
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.color = { 1, 1, 1, 1 }, .clip = &nowhere,
	});
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.box = { 1000, 1000, INT32_MAX, INT32_MAX }, .color = { 1, 1, 1, 1 },
	});
	assert_true(wlr_render_pass_submit(pass));
	rig_finish(rig);
	assert_int_equal(rig_buffer_pixel(target, 0, 0) & 0xffffff, 0x123456);
	assert_int_equal(rig_buffer_pixel(target, 63, 63) & 0xffffff, 0x123456);
	rig_buffer_drop(target);
}

static void targets_that_cannot_be_are_refused(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *shm = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DATA_PTR);
	assert_null(wlr_renderer_begin_buffer_pass(rig->renderer, &shm->base, NULL));
	rig_buffer_drop(shm);
	rig_log_expect("client bug");
	struct rig_buffer *tiled = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	tiled->dmabuf.modifier = I915_FORMAT_MOD_Y_TILED;
	assert_null(wlr_renderer_begin_buffer_pass(rig->renderer, &tiled->base, NULL));
	assert_int_equal(tiled->base.n_locks, 0);
	rig_buffer_drop(tiled);
}

static void timer_measures_a_pass(void **state) {
	struct rig *rig = *state;
	struct wlr_render_timer *timer = wlr_render_timer_create(rig->renderer);
	if (timer == NULL) {
		assert_true(rig->sbx->device->caps.timestamp_period_ns == 0);
		return;
	}
	assert_int_equal(wlr_render_timer_get_duration_ns(timer), -1);
	struct rig_buffer *target = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	struct wlr_buffer_pass_options options = { .timer = timer };
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, &options);
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){ .color = { 1, 1, 1, 1 } });
	assert_true(wlr_render_pass_submit(pass));
	rig_finish(rig);
	assert_true(wlr_render_timer_get_duration_ns(timer) > 0);
	wlr_render_timer_destroy(timer);
	rig_buffer_drop(target);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(opaque_copies_are_exact),
		RIG_TEST(all_transforms_turn_the_same_way),
		RIG_TEST(scale_by_whole_numbers_is_nearest),
		RIG_TEST(random_scenes_look_the_same),
		RIG_TEST(nothing_drawn_leaves_the_target),
		RIG_TEST(targets_that_cannot_be_are_refused),
		RIG_TEST(timer_measures_a_pass),
	};
	return RIG_MAIN(tests);
}
