/* Reading textures back. */
#include "rig.h"

#include <unistd.h>
#include "harness/vgem.h"

static void fill(struct rig_buffer *buffer) {
	for (uint32_t i = 0; i < 32 * 32; i++) {
		buffer->pixels[i] = 0x80000000u | (i % 32) << 16 | (i / 32) << 8 | 0x11;
	}
}

static bool read_pixels(struct wlr_texture *texture, uint32_t format, struct wlr_box src,
		uint32_t *data, uint32_t stride) {
	return wlr_texture_read_pixels(texture, &(struct wlr_texture_read_pixels_options){
		.data = data, .format = format, .stride = stride, .src_box = src,
	});
}

static void read_all(struct rig *rig, uint32_t caps) {
	struct rig_buffer *buffer = rig_buffer_create(32, 32, DRM_FORMAT_ARGB8888, caps);
	fill(buffer);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	assert_int_equal(wlr_texture_preferred_read_format(texture), DRM_FORMAT_ARGB8888);
	uint32_t pixels[32 * 32];
	assert_true(read_pixels(texture, DRM_FORMAT_ARGB8888, (struct wlr_box){0}, pixels, 128));
	assert_memory_equal(pixels, buffer->pixels, sizeof(pixels));
	uint32_t part[4 * 3];
	assert_true(read_pixels(texture, DRM_FORMAT_ARGB8888, (struct wlr_box){ 5, 6, 4, 3 }, part, 16));
	assert_int_equal(part[0], buffer->pixels[6 * 32 + 5]);
	assert_int_equal(part[11], buffer->pixels[8 * 32 + 8]);
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
}

static void shm_reads_back(void **state) {
	read_all(*state, RIG_DATA_PTR);
}

static void dmabuf_reads_back(void **state) {
	read_all(*state, RIG_DMABUF);
}

static void destination_offset_is_kept(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = rig_buffer_create(32, 32, DRM_FORMAT_ARGB8888, RIG_DATA_PTR);
	fill(buffer);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	uint32_t pixels[8 * 8] = {0};
	assert_true(wlr_texture_read_pixels(texture, &(struct wlr_texture_read_pixels_options){
		.data = pixels, .format = DRM_FORMAT_ARGB8888, .stride = 32, .dst_x = 2, .dst_y = 3,
		.src_box = { 1, 1, 2, 2 },
	}));
	assert_int_equal(pixels[0], 0);
	assert_int_equal(pixels[3 * 8 + 2], buffer->pixels[33]);
	assert_int_equal(pixels[4 * 8 + 3], buffer->pixels[66]);
	assert_int_equal(pixels[4 * 8 + 4], 0);
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
}

static void formats_are_converted(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = rig_buffer_create(32, 32, DRM_FORMAT_XRGB8888, RIG_DATA_PTR);
	fill(buffer);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	uint32_t pixels[32 * 32];
	assert_true(read_pixels(texture, DRM_FORMAT_ABGR8888, (struct wlr_box){0}, pixels, 128));
	/* x = 3, y = 2: what was undefined in X is opaque alpha. */
	assert_int_equal(pixels[2 * 32 + 3], 0xff110203u);
	assert_true(read_pixels(texture, DRM_FORMAT_XBGR8888, (struct wlr_box){0}, pixels, 128));
	assert_int_equal(pixels[2 * 32 + 3] & 0xffffff, 0x110203u);
	uint32_t small[32 * 16];
	assert_true(read_pixels(texture, DRM_FORMAT_RGB565, (struct wlr_box){0}, small, 64));
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
}

static void bad_requests_are_refused(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = rig_buffer_create(32, 32, DRM_FORMAT_XRGB8888, RIG_DATA_PTR);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	uint32_t pixels[32 * 32];
	const uint32_t format = DRM_FORMAT_XRGB8888;
	assert_false(read_pixels(texture, format, (struct wlr_box){ 1, 0, 32, 32 }, pixels, 128));
	assert_false(read_pixels(texture, format, (struct wlr_box){ -1, 0, 2, 2 }, pixels, 128));
	assert_false(read_pixels(texture, format, (struct wlr_box){ 0, 0, INT32_MAX, 2 }, pixels, 128));
	assert_false(read_pixels(texture, format, (struct wlr_box){0}, pixels, 64));
	assert_false(read_pixels(texture, DRM_FORMAT_NV12, (struct wlr_box){0}, pixels, 128));
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
}

/* A writer that does not come to an end costs a second, not the compositor. */
static void waiting_has_a_bound(void **state) {
	struct rig *rig = *state;
	rig_log_expect("");
	int vgem = vgem_open(), dmabuf = -1;
	uint32_t handle;
	assert_true(vgem >= 0);
	assert_int_equal(vgem_buffer_create(vgem, &handle, &dmabuf), 0);
	struct rig_buffer *buffer = rig_buffer_wrap(32, 32, DRM_FORMAT_XRGB8888, &dmabuf);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	assert_non_null(texture);
	int id = vgem_buffer_attach(vgem, handle, true);
	assert_true(id > 0);
	uint32_t pixels[32 * 32];
	int64_t begin = sbx_renderer_now_ns();
	assert_false(read_pixels(texture, DRM_FORMAT_XRGB8888, (struct wlr_box){0}, pixels, 128));
	int64_t took = sbx_renderer_now_ns() - begin;
	assert_true(took >= 900000000 && took < 4000000000);
	assert_int_equal(vgem_attached_signal(vgem, (uint32_t)id), 0);
	rig_buffer_fill(buffer, 0xabcdef);
	assert_true(read_pixels(texture, DRM_FORMAT_XRGB8888, (struct wlr_box){0}, pixels, 128));
	assert_int_equal(pixels[0] & 0xffffff, 0xabcdef);
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
	vgem_buffer_destroy(vgem, handle);
	close(vgem);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(shm_reads_back),
		RIG_TEST(dmabuf_reads_back),
		RIG_TEST(destination_offset_is_kept),
		RIG_TEST(formats_are_converted),
		RIG_TEST(bad_requests_are_refused),
		RIG_TEST(waiting_has_a_bound),
	};
	return RIG_MAIN(tests);
}
