/* Textures: from shared memory and from dma-bufs. */
#include "rig.h"

#include <fcntl.h>
#include <unistd.h>
#include "render/wlr/texture.h"

#define RED 0xffff0000u
#define GREEN 0xff00ff00u
#define BLUE 0xff0000ffu

static struct rig_buffer *filled(uint32_t caps, uint32_t pixel) {
	struct rig_buffer *buffer = rig_buffer_create(32, 32, DRM_FORMAT_XRGB8888, caps);
	rig_buffer_fill(buffer, pixel);
	return buffer;
}

static uint32_t drawn_pixel(struct rig *rig, struct wlr_texture *texture, uint32_t x, uint32_t y) {
	struct rig_buffer *target = filled(RIG_DMABUF, 0);
	assert_true(rig_draw(rig, target, texture, NULL, 0));
	rig_finish(rig);
	uint32_t pixel = rig_buffer_pixel(target, x, y) | 0xff000000u;
	rig_buffer_drop(target);
	return pixel;
}

static void shm_is_copied(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RIG_DATA_PTR, RED);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	assert_non_null(texture);
	assert_int_equal(buffer->base.n_locks, 0);
	rig_buffer_fill(buffer, GREEN);
	assert_int_equal(drawn_pixel(rig, texture, 3, 3), RED);
	rig_buffer_drop(buffer);
	wlr_texture_destroy(texture);
}

static void shm_updates_where_damaged(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RIG_DATA_PTR, RED);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	rig_buffer_fill(buffer, GREEN);
	pixman_region32_t damage;
	pixman_region32_init_rect(&damage, 8, 8, 4, 4);
	assert_true(wlr_texture_update_from_buffer(texture, &buffer->base, &damage));
	pixman_region32_fini(&damage);
	assert_int_equal(drawn_pixel(rig, texture, 7, 7), RED);
	assert_int_equal(drawn_pixel(rig, texture, 8, 8), GREEN);
	assert_int_equal(drawn_pixel(rig, texture, 11, 11), GREEN);
	assert_int_equal(drawn_pixel(rig, texture, 12, 12), RED);
	rig_buffer_drop(buffer);
	wlr_texture_destroy(texture);
}

static void shm_update_of_another_format_is_refused(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RIG_DATA_PTR, RED);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	buffer->format = DRM_FORMAT_ARGB8888;
	pixman_region32_t damage;
	pixman_region32_init_rect(&damage, 0, 0, 32, 32);
	assert_false(wlr_texture_update_from_buffer(texture, &buffer->base, &damage));
	pixman_region32_fini(&damage);
	rig_buffer_drop(buffer);
	wlr_texture_destroy(texture);
}

static void shm_bad_input_is_refused(void **state) {
	struct rig *rig = *state;
	rig_log_expect("stride of 16 bytes");
	struct rig_buffer *buffer = filled(RIG_DATA_PTR, RED);
	buffer->stride = 16;
	assert_null(wlr_texture_from_buffer(rig->renderer, &buffer->base));
	buffer->stride = 128;
	buffer->format = DRM_FORMAT_NV12;
	assert_null(wlr_texture_from_buffer(rig->renderer, &buffer->base));
	buffer->caps = 0;
	assert_null(wlr_texture_from_buffer(rig->renderer, &buffer->base));
	rig_buffer_drop(buffer);
	assert_int_equal(wl_list_length(&rig->sbx->textures), 0);
}

static void pixels_become_a_texture(void **state) {
	struct rig *rig = *state;
	static const uint32_t pixels[4] = { RED, GREEN, BLUE, RED };
	struct wlr_texture *texture = wlr_texture_from_pixels(rig->renderer, DRM_FORMAT_ARGB8888, 8,
		2, 2, pixels);
	assert_non_null(texture);
	assert_int_equal(drawn_pixel(rig, texture, 0, 0), RED);
	assert_int_equal(drawn_pixel(rig, texture, 31, 0), GREEN);
	assert_int_equal(drawn_pixel(rig, texture, 0, 31), BLUE);
	wlr_texture_destroy(texture);
}

static void dmabuf_is_shown_not_copied(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RIG_DMABUF, RED);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	assert_int_equal(drawn_pixel(rig, texture, 1, 1), RED);
	rig_buffer_fill(buffer, GREEN);
	assert_int_equal(drawn_pixel(rig, texture, 1, 1), GREEN);
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
}

static void dmabuf_is_imported_once(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RIG_DMABUF, RED);
	struct wlr_texture *first = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	struct sbx_image *image = sbx_texture_image(sbx_texture_from_wlr(first));
	assert_int_equal(buffer->base.n_locks, 1);
	wlr_texture_destroy(first);
	assert_int_equal(buffer->base.n_locks, 0);
	assert_int_equal(buffer->releases, 1);
	struct wlr_texture *second = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	assert_ptr_equal(sbx_texture_image(sbx_texture_from_wlr(second)), image);
	wlr_texture_destroy(second);
	rig_buffer_drop(buffer);
	assert_int_equal(wl_list_length(&rig->sbx->textures), 0);
	assert_int_equal(wl_list_length(&rig->sbx->buffers), 0);
}

static void dmabuf_texture_becomes_a_target(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RIG_DMABUF, RED), *other = filled(RIG_DMABUF, GREEN);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	struct wlr_texture *green = wlr_texture_from_buffer(rig->renderer, &other->base);
	assert_true(rig_draw(rig, buffer, green, NULL, 0));
	assert_int_equal(drawn_pixel(rig, texture, 5, 5), GREEN);
	wlr_texture_destroy(texture);
	wlr_texture_destroy(green);
	rig_buffer_drop(buffer);
	rig_buffer_drop(other);
}

static void dmabuf_may_go_while_it_is_drawn(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RIG_DMABUF, RED), *target = filled(RIG_DMABUF, 0);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	struct wlr_texture *copy = wlr_texture_from_pixels(rig->renderer, DRM_FORMAT_XRGB8888, 4, 1, 1,
		&(uint32_t){ GREEN });
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL);
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = texture, .wait_timeline = rig->timeline, .wait_point = 1,
	});
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = copy, .dst_box = { .width = 4, .height = 4 },
	});
	wlr_drm_syncobj_timeline_signal(rig->timeline, 1);
	wlr_texture_destroy(texture);
	wlr_texture_destroy(copy);
	rig_buffer_drop(buffer);
	assert_true(wlr_render_pass_submit(pass));
	rig_finish(rig);
	assert_int_equal(rig_buffer_pixel(target, 20, 20) | 0xff000000u, RED);
	assert_int_equal(rig_buffer_pixel(target, 0, 0) | 0xff000000u, GREEN);
	rig_buffer_drop(target);
	assert_int_equal(wl_list_length(&rig->sbx->textures), 0);
}

/* The import of a buffer that nobody holds goes when it has not been used for long, and comes back. */
static void idle_import_goes(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *idle = filled(RIG_DMABUF, RED), *held = filled(RIG_DMABUF, GREEN);
	struct rig_buffer *target = filled(RIG_DMABUF, 0);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &idle->base);
	struct wlr_texture *kept = wlr_texture_from_buffer(rig->renderer, &held->base);
	assert_true(rig_draw(rig, target, texture, NULL, 0));
	wlr_texture_destroy(texture);
	assert_int_equal(wl_list_length(&rig->sbx->buffers), 3);
	assert_true(rig_draw(rig, target, kept, NULL, 0));
	assert_int_equal(wl_list_length(&rig->sbx->buffers), 3); // not for long yet
	rig->sbx->idle_import_ns = 1;
	assert_true(rig_draw(rig, target, kept, NULL, 0));
	assert_int_equal(wl_list_length(&rig->sbx->buffers), 2);
	assert_int_equal(wl_list_length(&rig->sbx->textures), 1);
	rig_finish(rig);
	assert_int_equal(rig_buffer_pixel(target, 0, 0) | 0xff000000u, GREEN);
	texture = wlr_texture_from_buffer(rig->renderer, &idle->base);
	assert_true(rig_draw(rig, target, texture, NULL, 0));
	rig_finish(rig);
	assert_int_equal(rig_buffer_pixel(target, 0, 0) | 0xff000000u, RED);
	wlr_texture_destroy(texture);
	wlr_texture_destroy(kept);
	rig_buffer_drop(idle);
	rig_buffer_drop(held);
	rig_buffer_drop(target);
}

static void refuse_dmabuf(struct rig *rig, struct wlr_dmabuf_attributes attributes) {
	struct rig_buffer *buffer = filled(RIG_DMABUF, RED);
	struct wlr_dmabuf_attributes good = buffer->dmabuf;
	if (attributes.fd[0] == 0) {
		attributes.fd[0] = good.fd[0];
	}
	buffer->dmabuf = attributes;
	unsigned fds = rig_open_fds();
	assert_null(wlr_texture_from_buffer(rig->renderer, &buffer->base));
	/* What a compositor's check of clients' buffers may call. */
	if (attributes.n_planes <= WLR_DMABUF_MAX_PLANES) {
		assert_null(wlr_texture_from_dmabuf(rig->renderer, &attributes));
	}
	assert_int_equal(rig_settled_fds(fds), fds);
	assert_int_equal(buffer->base.n_locks, 0);
	buffer->dmabuf = good;
	rig_buffer_drop(buffer);
}

static void dmabuf_bad_input_is_refused(void **state) {
	struct rig *rig = *state;
	rig_log_expect("client bug");
	rig_log_expect("dma-buf");
	const struct wlr_dmabuf_attributes good = {
		.width = 32, .height = 32, .format = DRM_FORMAT_XRGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR, .n_planes = 1, .stride = { 128 },
		.fd = { 0, -1, -1, -1 },
	};
	struct wlr_dmabuf_attributes bad = good;
	bad.modifier = DRM_FORMAT_MOD_INVALID;
	refuse_dmabuf(rig, bad);
	bad.modifier = I915_FORMAT_MOD_X_TILED;
	refuse_dmabuf(rig, bad);
	bad = good;
	bad.format = DRM_FORMAT_NV12;
	refuse_dmabuf(rig, bad);
	bad = good;
	bad.n_planes = 0;
	refuse_dmabuf(rig, bad);
	bad.n_planes = 3;
	refuse_dmabuf(rig, bad);
	bad.n_planes = WLR_DMABUF_MAX_PLANES;
	refuse_dmabuf(rig, bad);
	bad.n_planes = 99;
	refuse_dmabuf(rig, bad);
	bad = good;
	bad.width = 0;
	refuse_dmabuf(rig, bad);
	bad.width = -5;
	refuse_dmabuf(rig, bad);
	bad.width = INT32_MAX;
	refuse_dmabuf(rig, bad);
	bad = good;
	bad.height = 33;
	refuse_dmabuf(rig, bad);
	bad = good;
	bad.stride[0] = 64;
	refuse_dmabuf(rig, bad);
	bad.stride[0] = UINT32_MAX;
	refuse_dmabuf(rig, bad);
	bad = good;
	bad.offset[0] = 4096;
	refuse_dmabuf(rig, bad);
	bad = good;
	bad.fd[0] = 1000;
	refuse_dmabuf(rig, bad);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bad.fd[0] = null;
	refuse_dmabuf(rig, bad);
	close(null);
	/* Nobody else suffers. */
	shm_is_copied(state);
	dmabuf_is_shown_not_copied(state);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(shm_is_copied),
		RIG_TEST(shm_updates_where_damaged),
		RIG_TEST(shm_update_of_another_format_is_refused),
		RIG_TEST(shm_bad_input_is_refused),
		RIG_TEST(pixels_become_a_texture),
		RIG_TEST(dmabuf_is_shown_not_copied),
		RIG_TEST(dmabuf_is_imported_once),
		RIG_TEST(dmabuf_texture_becomes_a_target),
		RIG_TEST(dmabuf_may_go_while_it_is_drawn),
		RIG_TEST(idle_import_goes),
		RIG_TEST(dmabuf_bad_input_is_refused),
	};
	return RIG_MAIN(tests);
}
