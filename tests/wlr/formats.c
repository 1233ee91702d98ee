/* What the renderer says that it takes is what it takes. */
#include "rig.h"

#include <string.h>
#include <unistd.h>
#include <wlr/render/drm_format_set.h>
#include "oracle/image.h"
#include "oracle/ycbcr.h"

#define SIZE 16

static const struct wlr_drm_format_set *texture_formats(struct rig *rig, uint32_t caps) {
	return wlr_renderer_get_texture_formats(rig->renderer, caps);
}

/* wlroots hands these to its backends only. */
static const struct wlr_drm_format_set *render_formats(struct rig *rig) {
	return &rig->sbx->render_formats;
}

/* Make the buffer hold this picture, planes one behind the other. */
static void fill(struct rig_buffer *buffer, const struct oracle_image *picture) {
	const struct oracle_ycbcr *ycbcr = picture->format->ycbcr;
	uint32_t offset = 0;
	buffer->dmabuf.n_planes = ycbcr != NULL ? ycbcr->n_planes : 1;
	buffer->format = buffer->dmabuf.format = picture->format->drm;
	for (int i = 0; i < buffer->dmabuf.n_planes; i++) {
		int rows = ycbcr != NULL ? oracle_ycbcr_rows(ycbcr, i, picture->height) : picture->height;
		uint32_t size = picture->strides[i] * (uint32_t)rows;
		buffer->dmabuf.offset[i] = offset;
		buffer->dmabuf.stride[i] = picture->strides[i];
		if (i > 0) {
			buffer->dmabuf.fd[i] = dup(buffer->dmabuf.fd[0]);
		}
		memcpy((char *)buffer->pixels + offset, picture->data + picture->offsets[i], size);
		offset += size;
	}
	buffer->stride = buffer->dmabuf.stride[0];
	assert_true(offset <= buffer->size);
}

/* One colour all over: whatever the filter and the place of its samples. */
static struct oracle_image *paint(uint32_t drm, const float rgba[4], const double ycbcr[4]) {
	const struct oracle_format *format = oracle_format(drm);
	assert_non_null(format);
	struct oracle_image *picture = oracle_image_create(format, SIZE, SIZE);
	for (int i = 0; i < SIZE * SIZE && format->ycbcr == NULL; i++) {
		oracle_image_put(picture, i % SIZE, i / SIZE, rgba);
	}
	for (int kind = 0; kind < 4 && format->ycbcr != NULL; kind++) {
		int width, height;
		oracle_ycbcr_size(picture, (enum oracle_sample)kind, &width, &height);
		for (int i = 0; i < width * height; i++) {
			oracle_ycbcr_put(picture, (enum oracle_sample)kind, i % width, i / width, ycbcr[kind]);
		}
	}
	return picture;
}

static struct rig_buffer *new_target(void) {
	return rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
}

/* Draw it; what is in the middle of the target then. */
static uint32_t draw(struct rig *rig, struct wlr_texture *texture, enum wlr_color_encoding encoding,
		enum wlr_color_range range) {
	struct rig_buffer *target = new_target();
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL);
	assert_non_null(pass);
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = texture, .color_encoding = encoding, .color_range = range,
	});
	assert_true(wlr_render_pass_submit(pass));
	rig_finish(rig);
	uint32_t pixel = rig_buffer_pixel(target, SIZE / 2, SIZE / 2) & 0xffffff;
	rig_buffer_drop(target);
	return pixel;
}

static void expect_near(uint32_t actual, uint32_t expected, int allowed, const char *what) {
	for (int shift = 0; shift < 24; shift += 8) {
		int a = actual >> shift & 255, e = expected >> shift & 255;
		if (a < e - allowed || a > e + allowed) {
			fail_msg("%s: %06x, expected %06x", what, actual, expected);
		}
	}
}

/* What is left of a colour by the channels and bits that the format has. */
static uint32_t expected_color(const struct oracle_image *picture) {
	float rgba[4] = {0};
	if (picture->format->ycbcr != NULL) {
		oracle_ycbcr_get(picture, &(struct sbx_coding){0}, SIZE / 2.0, SIZE / 2.0, true, rgba);
	} else {
		oracle_image_get(picture, SIZE / 2, SIZE / 2, rgba);
	}
	uint32_t word = 0;
	for (int c = 0; c < 3; c++) {
		word |= (uint32_t)(rgba[c] * 255 + 0.5f) << (16 - 8 * c);
	}
	return word;
}

static void check_texture(struct rig *rig, uint32_t drm, uint32_t caps) {
	const float rgba[] = { 0.2f, 0.6f, 0.8f, 1 };
	const double ycbcr[] = { 0.6, 0.3, 0.7, 1 };
	struct oracle_image *picture = paint(drm, rgba, ycbcr);
	// Room for 16 bytes a pixel and the padding.
	struct rig_buffer *buffer = rig_buffer_create(2 * SIZE, 4 * SIZE, DRM_FORMAT_XRGB8888, caps);
	buffer->base.width = buffer->base.height = SIZE;
	buffer->dmabuf.width = buffer->dmabuf.height = SIZE;
	fill(buffer, picture);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	if (texture == NULL) {
		fail_msg("%s is listed and refused", picture->format->name);
	}
	expect_near(draw(rig, texture, WLR_COLOR_ENCODING_NONE, WLR_COLOR_RANGE_NONE),
		expected_color(picture), 1, picture->format->name);
	uint32_t pixels[SIZE * SIZE];
	assert_true(wlr_texture_read_pixels(texture, &(struct wlr_texture_read_pixels_options){
		.data = pixels, .format = DRM_FORMAT_XRGB8888, .stride = sizeof(pixels[0]) * SIZE,
	}));
	expect_near(pixels[SIZE + 1], expected_color(picture), 1, "read as XRGB8888");
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
	oracle_image_destroy(picture);
}

static void check_listed(struct rig *rig, uint32_t wlr_caps, uint32_t caps, size_t at_least) {
	const struct wlr_drm_format_set *set = texture_formats(rig, wlr_caps);
	size_t n = 0;
	for (size_t i = 0; i < set->len; i++) {
		const struct wlr_drm_format *format = &set->formats[i];
		if (wlr_drm_format_set_has(set, format->format, DRM_FORMAT_MOD_LINEAR)) {
			check_texture(rig, format->format, caps);
			n++;
		}
	}
	print_message("# %zu formats\n", n);
	assert_true(n >= at_least);
}

static void listed_dmabufs_are_shown(void **state) {
	check_listed(*state, WLR_BUFFER_CAP_DMABUF, RIG_DMABUF, 80);
}

static void listed_shm_is_shown(void **state) {
	check_listed(*state, WLR_BUFFER_CAP_DATA_PTR, RIG_DATA_PTR, 38);
}

/* All that wlroots 0.20's own renderers take, on this device. */
static void nothing_of_wlroots_is_missing(void **state) {
	static const uint32_t formats[] = {
		DRM_FORMAT_R8, DRM_FORMAT_R16F, DRM_FORMAT_R32F, DRM_FORMAT_GR88, DRM_FORMAT_GR1616F,
		DRM_FORMAT_GR3232F, DRM_FORMAT_XRGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ARGB8888,
		DRM_FORMAT_ABGR8888, DRM_FORMAT_RGBA4444, DRM_FORMAT_RGBX4444, DRM_FORMAT_BGRA4444,
		DRM_FORMAT_BGRX4444, DRM_FORMAT_RGB565, DRM_FORMAT_BGR565, DRM_FORMAT_RGBA5551,
		DRM_FORMAT_RGBX5551, DRM_FORMAT_BGRA5551, DRM_FORMAT_BGRX5551, DRM_FORMAT_ARGB1555,
		DRM_FORMAT_XRGB1555, DRM_FORMAT_ARGB2101010, DRM_FORMAT_XRGB2101010,
		DRM_FORMAT_ABGR2101010, DRM_FORMAT_XBGR2101010, DRM_FORMAT_ABGR16161616,
		DRM_FORMAT_XBGR16161616, DRM_FORMAT_ABGR16161616F, DRM_FORMAT_XBGR16161616F,
		DRM_FORMAT_ABGR32323232F, DRM_FORMAT_UYVY, DRM_FORMAT_YUYV, DRM_FORMAT_NV12,
		DRM_FORMAT_NV16, DRM_FORMAT_YUV420, DRM_FORMAT_YUV422, DRM_FORMAT_YUV444,
		DRM_FORMAT_P010, DRM_FORMAT_P210, DRM_FORMAT_P012, DRM_FORMAT_P016, DRM_FORMAT_Q410,
	};
	const struct wlr_drm_format_set *set = texture_formats(*state, WLR_BUFFER_CAP_DMABUF);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!wlr_drm_format_set_has(set, formats[i], DRM_FORMAT_MOD_LINEAR)) {
			fail_msg("%.4s is missing", (const char *)&formats[i]);
		}
	}
	// Of three channels: from shared memory, whatever the device has.
	static const uint32_t narrow[] = {
		DRM_FORMAT_RGB888, DRM_FORMAT_BGR888, DRM_FORMAT_BGR161616, DRM_FORMAT_BGR161616F,
		DRM_FORMAT_BGR323232F,
	};
	set = texture_formats(*state, WLR_BUFFER_CAP_DATA_PTR);
	for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
		assert_true(wlr_drm_format_set_has(set, narrow[i], DRM_FORMAT_MOD_LINEAR));
	}
}

static void listed_targets_are_drawn(void **state) {
	struct rig *rig = *state;
	const struct wlr_drm_format_set *set = render_formats(rig);
	const float rgba[] = { 0.2f, 0.6f, 0.8f, 1 };
	size_t n = 0;
	for (size_t i = 0; i < set->len; i++) {
		if (!wlr_drm_format_set_has(set, set->formats[i].format, DRM_FORMAT_MOD_LINEAR)) {
			continue;
		}
		struct oracle_image *black = paint(set->formats[i].format, (float[4]){ 0 }, NULL);
		struct oracle_image *right = paint(set->formats[i].format, rgba, NULL);
		struct rig_buffer *target = rig_buffer_create(2 * SIZE, 4 * SIZE, DRM_FORMAT_XRGB8888,
			RIG_DMABUF);
		target->base.width = target->base.height = SIZE;
		target->dmabuf.width = target->dmabuf.height = SIZE;
		fill(target, black);
		struct wlr_render_pass *pass =
			wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL);
		assert_non_null(pass);
		wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
			.box = { .width = SIZE, .height = SIZE }, .color = { 0.2f, 0.6f, 0.8f, 1 },
		});
		assert_true(wlr_render_pass_submit(pass));
		rig_finish(rig);
		memcpy(black->data, target->pixels, (size_t)black->stride * SIZE);
		expect_near(expected_color(black), expected_color(right), 1, right->format->name);
		rig_buffer_drop(target);
		oracle_image_destroy(black);
		oracle_image_destroy(right);
		n++;
	}
	print_message("# %zu formats\n", n);
	assert_true(n >= 8);
}

/* Red of 8 bits, limited range: three encodings take the same codes for different colours. */
static void encoding_and_range_count(void **state) {
	struct rig *rig = *state;
	const double red_601[] = { 81.0 / 255, 90.0 / 255, 240.0 / 255, 1 };
	struct oracle_image *picture = paint(DRM_FORMAT_NV12, NULL, red_601);
	struct rig_buffer *buffer = rig_buffer_create(2 * SIZE, 4 * SIZE, DRM_FORMAT_XRGB8888,
		RIG_DMABUF);
	buffer->base.width = buffer->base.height = SIZE;
	buffer->dmabuf.width = buffer->dmabuf.height = SIZE;
	fill(buffer, picture);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	assert_non_null(texture);
	expect_near(draw(rig, texture, WLR_COLOR_ENCODING_NONE, WLR_COLOR_RANGE_NONE), 0xff0000, 2,
		"nothing said");
	expect_near(draw(rig, texture, WLR_COLOR_ENCODING_BT601, WLR_COLOR_RANGE_LIMITED), 0xff0000, 2,
		"BT.601");
	// By hand: Y' 0.2968, Pb -0.1696, Pr 0.5; R clips, G = Y' - 0.1873 Pb - 0.4681 Pr.
	expect_near(draw(rig, texture, WLR_COLOR_ENCODING_BT709, WLR_COLOR_RANGE_LIMITED), 0xff1800, 2,
		"BT.709");
	// Y' 81, Cb -38, Cr 112: R = Y' + 1.402 Cr, G = Y' - 0.3441 Cb - 0.7141 Cr, B = Y' + 1.772 Cb.
	expect_near(draw(rig, texture, WLR_COLOR_ENCODING_BT601, WLR_COLOR_RANGE_FULL), 0xee0e0e, 2,
		"full range");
	expect_near(draw(rig, texture, WLR_COLOR_ENCODING_IDENTITY, WLR_COLOR_RANGE_FULL), 0xf0515a, 1,
		"identity");
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
	oracle_image_destroy(picture);
}

/* What is not in the lists is refused, and nothing is left of it. */
static void unlisted_is_refused(void **state) {
	struct rig *rig = *state;
	rig_log_expect("");
	static const uint32_t formats[] = {
		DRM_FORMAT_NV15, DRM_FORMAT_P030, DRM_FORMAT_YUV420_10BIT, DRM_FORMAT_C8, 0x12345678,
	};
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		assert_false(wlr_drm_format_set_has(texture_formats(rig, WLR_BUFFER_CAP_DMABUF),
			formats[i], DRM_FORMAT_MOD_LINEAR));
		assert_false(wlr_drm_format_set_has(texture_formats(rig, WLR_BUFFER_CAP_DATA_PTR),
			formats[i], DRM_FORMAT_MOD_LINEAR));
		for (uint32_t caps = RIG_DMABUF; caps <= RIG_DATA_PTR; caps <<= 1) {
			struct rig_buffer *buffer = rig_buffer_create(SIZE, SIZE, formats[i], caps);
			assert_null(wlr_texture_from_buffer(rig->renderer, &buffer->base));
			assert_int_equal(buffer->base.n_locks, 0);
			rig_buffer_drop(buffer);
		}
	}
	// YCbCr is no target, whatever a client sends.
	struct oracle_image *picture = paint(DRM_FORMAT_NV12, NULL, (double[4]){ 0 });
	struct rig_buffer *target = rig_buffer_create(SIZE, 4 * SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	target->dmabuf.height = SIZE;
	fill(target, picture);
	assert_null(wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL));
	rig_buffer_drop(target);
	oracle_image_destroy(picture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(nothing_of_wlroots_is_missing),
		RIG_TEST(listed_dmabufs_are_shown),
		RIG_TEST(listed_shm_is_shown),
		RIG_TEST(listed_targets_are_drawn),
		RIG_TEST(encoding_and_range_count),
		RIG_TEST(unlisted_is_refused),
	};
	return RIG_MAIN(tests);
}
