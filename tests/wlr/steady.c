/*
 * Frames one like another allocate nothing and keep nothing. Linked so that the library's own calls of malloc() and
 * its kin come by here first; the driver's and wlroots' do not.
 */
#include "rig.h"

#include <stdlib.h>
#include <xf86drm.h>

enum { TEXTURES = 100, SIZE = 8, WARM_UP = 20, FRAMES = 50 };

static unsigned long allocations, frees;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size) {
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
	allocations++;
	return __real_calloc(n, size);
}

/* What has grown has been allocated anew, and what it was is gone. */
void *__wrap_realloc(void *old, size_t size) {
	allocations++;
	frees += old != NULL;
	return __real_realloc(old, size);
}

void __wrap_free(void *memory) {
	frees += memory != NULL;
	__real_free(memory);
}

struct picture {
	struct rig *rig;
	struct rig_buffer *targets[2], *contents[TEXTURES];
	struct wlr_texture *textures[TEXTURES];
	struct wlr_drm_syncobj_timeline *timelines[TEXTURES], *done;
	uint64_t point, frame;
};

static void picture_init(struct picture *picture, struct rig *rig) {
	*picture = (struct picture){ .rig = rig, .done = wlr_drm_syncobj_timeline_create(rig->drm_fd) };
	assert_non_null(picture->done);
	for (int i = 0; i < 2; i++) {
		picture->targets[i] = rig_buffer_create(400, 400, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	}
	for (int i = 0; i < TEXTURES; i++) {
		picture->contents[i] = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
		picture->textures[i] = wlr_texture_from_buffer(rig->renderer, &picture->contents[i]->base);
		picture->timelines[i] = wlr_drm_syncobj_timeline_create(rig->drm_fd);
		assert_non_null(picture->textures[i]);
		assert_non_null(picture->timelines[i]);
	}
}

static void picture_finish(struct picture *picture) {
	for (int i = 0; i < TEXTURES; i++) {
		wlr_texture_destroy(picture->textures[i]);
		rig_buffer_drop(picture->contents[i]);
		wlr_drm_syncobj_timeline_unref(picture->timelines[i]);
	}
	for (int i = 0; i < 2; i++) {
		rig_buffer_drop(picture->targets[i]);
	}
	wlr_drm_syncobj_timeline_unref(picture->done);
}

static void signal_points(struct picture *picture) {
	picture->point++;
	for (int i = 0; i < TEXTURES; i++) {
		uint32_t handle = picture->timelines[i]->handle;
		assert_int_equal(drmSyncobjTimelineSignal(picture->rig->drm_fd, &handle, &picture->point, 1), 0);
	}
}

static void draw(struct picture *picture, bool explicit) {
	struct wlr_buffer_pass_options options = {
		.signal_timeline = picture->done, .signal_point = ++picture->frame,
	};
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(picture->rig->renderer,
		&picture->targets[picture->frame % 2]->base, &options);
	assert_non_null(pass);
	for (int i = 0; i < TEXTURES; i++) {
		wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
			.texture = picture->textures[i],
			.dst_box = { i % 10 * 40, i / 10 * 40, SIZE, SIZE },
			.wait_timeline = explicit ? picture->timelines[i] : NULL,
			.wait_point = explicit ? picture->point : 0,
		});
	}
	assert_true(wlr_render_pass_submit(pass));
	rig_finish(picture->rig);
}

enum points { NONE, STATIC, NEW };

/* Many frames; what they allocate, and keep of it. */
static void draw_many(struct picture *picture, enum points points, int n) {
	for (int i = 0; i < n; i++) {
		if (points == NEW || picture->point == 0) {
			signal_points(picture);
		}
		draw(picture, points != NONE);
	}
}

static void check(struct rig *rig, enum points points) {
	struct picture picture;
	picture_init(&picture, rig);
	draw_many(&picture, points, WARM_UP);
	unsigned fds = rig_open_fds();
	allocations = frees = 0;
	draw_many(&picture, points, FRAMES);
	assert_int_equal(allocations, 0);
	assert_int_equal(frees, 0);
	assert_int_equal(rig_settled_fds(fds), fds);
	picture_finish(&picture);
}

static void static_points(void **state) {
	check(*state, STATIC);
}

static void new_points(void **state) {
	check(*state, NEW);
}

static void implicit(void **state) {
	check(*state, NONE);
}

/* The control: what the library allocates, and frees, is counted here. */
static void allocations_are_counted(void **state) {
	struct picture picture;
	picture_init(&picture, *state);
	draw_many(&picture, STATIC, WARM_UP);
	allocations = frees = 0;
	wlr_texture_destroy(wlr_texture_from_pixels(picture.rig->renderer, DRM_FORMAT_XRGB8888, 4 * SIZE, SIZE, SIZE,
		picture.contents[0]->pixels));
	draw_many(&picture, STATIC, FRAMES);
	assert_int_not_equal(allocations, 0);
	assert_int_not_equal(frees, 0);
	picture_finish(&picture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(static_points), RIG_TEST(new_points), RIG_TEST(implicit), RIG_TEST(allocations_are_counted),
	};
	return RIG_MAIN(tests);
}
