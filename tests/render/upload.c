#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "harness/vulkan.h"
#include "harness/vulkan_fault.h"
#include "render/batch.h"
#include "render/format.h"
#include "render/image.h"
#include "render/staging.h"

#define SECOND 1000000000ull

static struct sbx_image *texture(struct sbx_device *device, uint32_t drm, uint32_t width,
		uint32_t height) {
	struct sbx_image *image = sbx_image_create(device, sbx_format_from_drm(drm), width, height,
		SBX_FORMAT_SAMPLE);
	assert_non_null(image);
	return image;
}

static size_t row_bytes(const struct sbx_image *image) {
	return (size_t)image->width * image->format->bytes_per_pixel;
}

static uint8_t *noise(size_t size, unsigned seed) {
	uint8_t *data = malloc(size);
	assert_non_null(data);
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = seed >> 16;
	}
	return data;
}

static void write_all(struct sbx_image *image, const uint8_t *data,
		const pixman_region32_t *damage) {
	assert_int_equal(sbx_image_write(image, data, row_bytes(image), damage), 0);
}

static void expect(struct sbx_image *image, const uint8_t *data) {
	const pixman_box32_t box = { 0, 0, image->width, image->height };
	size_t size = row_bytes(image) * image->height;
	uint8_t *seen = malloc(size);
	assert_int_equal(sbx_image_read(image, &box, seen, row_bytes(image), -1, 20 * SECOND), 0);
	assert_true(memcmp(seen, data, size) == 0);
	free(seen);
}

static void flush(struct sbx_device *device) {
	assert_int_equal(sbx_batch_submit_uploads(device), 0);
	assert_int_equal(sbx_device_wait(device, device->submitted, 20 * SECOND), 0);
}

static void test_whole(void **state) {
	struct sbx_image *image = texture(*state, DRM_FORMAT_ARGB8888, 61, 37);
	uint8_t *data = noise(61 * 37 * 4, 1);
	write_all(image, data, NULL);
	expect(image, data);
	sbx_image_destroy(image);
	free(data);
}

/* Rows further apart than they are long. */
static void test_stride(void **state) {
	struct sbx_image *image = texture(*state, DRM_FORMAT_ARGB8888, 15, 9);
	uint8_t *data = noise(100 * 9, 2), *packed = malloc(60 * 9);
	for (int y = 0; y < 9; y++) {
		memcpy(packed + 60 * y, data + 100 * y, 60);
	}
	assert_int_equal(sbx_image_write(image, data, 100, NULL), 0);
	expect(image, packed);
	assert_int_equal(sbx_image_write(image, data, 59, NULL), -EINVAL);
	assert_int_equal(log_count("the stride is 59"), 1);
	expect(image, packed);
	sbx_image_destroy(image);
	free(data);
	free(packed);
}

/* The damage arrives, and nothing else: `boxes` says how the expected picture changes. */
static void check_damage(struct sbx_image *image, uint8_t *now, const uint8_t *next,
		const pixman_region32_t *damage) {
	size_t bytes = image->format->bytes_per_pixel;
	write_all(image, next, damage);
	for (uint32_t y = 0; y < image->height; y++) {
		for (uint32_t x = 0; x < image->width; x++) {
			if (pixman_region32_contains_point(damage, x, y, NULL)) {
				size_t at = (y * image->width + x) * bytes;
				memcpy(now + at, next + at, bytes);
			}
		}
	}
	expect(image, now);
}

static void test_damage(void **state) {
	static const uint32_t formats[] = {
		DRM_FORMAT_XRGB8888, DRM_FORMAT_R8, DRM_FORMAT_RGB565, DRM_FORMAT_ABGR16161616F,
	};
	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		struct sbx_image *image = texture(*state, formats[f], 64, 48);
		size_t size = row_bytes(image) * 48;
		uint8_t *now = noise(size, 3), *next = noise(size, 4);
		write_all(image, now, NULL);
		pixman_region32_t damage;
		pixman_region32_init_rect(&damage, 5, 7, 11, 3);
		pixman_region32_union_rect(&damage, &damage, 40, 20, 200, 200);
		pixman_region32_union_rect(&damage, &damage, -10, -10, 12, 11);
		check_damage(image, now, next, &damage);
		pixman_region32_fini(&damage);
		sbx_image_destroy(image);
		free(now);
		free(next);
	}
}

static void test_no_damage(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = texture(device, DRM_FORMAT_XRGB8888, 8, 8);
	uint8_t *data = noise(256, 5);
	pixman_region32_t damage;
	pixman_region32_init(&damage);
	write_all(image, data, &damage);
	pixman_region32_union_rect(&damage, &damage, 8, 0, 5, 5);
	write_all(image, data, &damage);
	pixman_region32_fini(&damage);
	assert_int_equal(sbx_staging_size(device), 0);
	assert_int_equal(sbx_batch_submit_uploads(device), 0);
	assert_int_equal(device->submitted, 0);
	sbx_image_destroy(image);
	free(data);
}

/* More rectangles than go into one copy command. */
static void test_many_boxes(void **state) {
	struct sbx_image *image = texture(*state, DRM_FORMAT_XRGB8888, 64, 64);
	uint8_t *now = noise(64 * 64 * 4, 6), *next = noise(64 * 64 * 4, 7);
	write_all(image, now, NULL);
	pixman_region32_t damage;
	pixman_region32_init(&damage);
	for (int i = 0; i < 500; i++) {
		pixman_region32_union_rect(&damage, &damage, i * 7919 % 64, i * 331 / 64 % 64, 1, 1);
	}
	assert_true(pixman_region32_n_rects(&damage) > 200);
	check_damage(image, now, next, &damage);
	pixman_region32_fini(&damage);
	sbx_image_destroy(image);
	free(now);
	free(next);
}

/* Writes to the same pixels in one upload batch: the last one counts. */
static void test_overwrite(void **state) {
	struct sbx_image *image = texture(*state, DRM_FORMAT_XRGB8888, 32, 32);
	uint8_t *data[4];
	for (int i = 0; i < 4; i++) {
		data[i] = noise(32 * 32 * 4, 10 + i);
		write_all(image, data[i], NULL);
	}
	expect(image, data[3]);
	sbx_image_destroy(image);
	for (int i = 0; i < 4; i++) {
		free(data[i]);
	}
}

/* An upload while an earlier batch may still read the texture. */
static void test_write_after_read(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = texture(device, DRM_FORMAT_XRGB8888, 256, 256);
	struct sbx_image *copy = texture(device, DRM_FORMAT_XRGB8888, 256, 256);
	uint8_t *data[2] = { noise(256 * 256 * 4, 20), noise(256 * 256 * 4, 21) };
	const VkImageCopy region = {
		.srcSubresource = { .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1 },
		.dstSubresource = { .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1 },
		.extent = { 256, 256, 1 },
	};
	for (int i = 0; i < 6; i++) {
		write_all(image, data[i % 2], NULL);
		struct sbx_batch *batch = sbx_batch_begin(device);
		assert_int_equal(sbx_batch_use_texture(batch, image), 0);
		assert_int_equal(sbx_batch_use_target(batch, copy), 0);
		sbx_batch_flush_barriers(batch);
		device->vk.vkCmdCopyImage(sbx_batch_commands(batch), image->handle,
			VK_IMAGE_LAYOUT_GENERAL, copy->handle, VK_IMAGE_LAYOUT_GENERAL, 1, &region);
		// This one goes ahead of the batch that is being recorded.
		write_all(image, data[(i + 1) % 2], NULL);
		assert_int_equal(sbx_batch_submit(batch, NULL, NULL), 0);
	}
	expect(copy, data[0]);
	sbx_image_destroy(image);
	sbx_image_destroy(copy);
	free(data[0]);
	free(data[1]);
}

/* The ring grows to what a burst needs, wraps, and stays. */
static void test_ring(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = texture(device, DRM_FORMAT_XRGB8888, 300, 300);
	uint8_t *data[2] = { noise(300 * 300 * 4, 30), noise(300 * 300 * 4, 31) };
	write_all(image, data[0], NULL);
	assert_int_equal(sbx_staging_size(device), SBX_STAGING_MIN_SIZE);
	for (int i = 0; i < 10; i++) {
		flush(device);
		write_all(image, data[i % 2], NULL);
	}
	assert_int_equal(sbx_staging_size(device), SBX_STAGING_MIN_SIZE);
	expect(image, data[1]);
	for (int i = 0; i < 15; i++) {
		write_all(image, data[i % 2], NULL);
	}
	assert_int_equal(sbx_staging_size(device), 4 * SBX_STAGING_MIN_SIZE);
	expect(image, data[0]);
	for (int i = 0; i < 20; i++) {
		write_all(image, data[i % 2], NULL);
		expect(image, data[i % 2]);
	}
	assert_int_equal(sbx_staging_size(device), 4 * SBX_STAGING_MIN_SIZE);
	sbx_image_destroy(image);
	free(data[0]);
	free(data[1]);
}

/* A full ring of the largest size is emptied on the way, in the order of the writes. */
static void test_ring_full(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = texture(device, DRM_FORMAT_XRGB8888, 2048, 2500);
	uint8_t *data[2] = { noise(2048 * 2500 * 4, 40), noise(2048 * 2500 * 4, 41) };
	for (int i = 0; i < 6; i++) {
		write_all(image, data[i % 2], NULL);
	}
	assert_true(device->submitted > 0);
	assert_true(sbx_staging_size(device) <= SBX_STAGING_MAX_SIZE);
	expect(image, data[1]);
	sbx_image_destroy(image);
	free(data[0]);
	free(data[1]);
}

/* What is larger than the ring ever gets travels in a buffer of its own. */
static void test_large(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = texture(device, DRM_FORMAT_XRGB8888, 4200, 4000);
	uint8_t *data = noise((size_t)4200 * 4000 * 4, 50);
	write_all(image, data, NULL);
	assert_int_equal(sbx_staging_size(device), 0);
	expect(image, data);
	sbx_image_destroy(image);
	free(data);
}

/* Destroyed before its upload was sent, and never sent at all. */
static void test_destroy_early(void **state) {
	struct sbx_device *device = *state;
	uint8_t *data = noise(64 * 64 * 4, 60);
	struct sbx_image *image = texture(device, DRM_FORMAT_XRGB8888, 64, 64);
	write_all(image, data, NULL);
	sbx_image_destroy(image);
	flush(device);
	image = texture(device, DRM_FORMAT_XRGB8888, 64, 64);
	write_all(image, data, NULL);
	sbx_image_destroy(image);
	free(data);
}

struct fault_case {
	struct sbx_image *image;
	uint8_t *before, *after;
};

/* A write that fails leaves the old content. */
static int op_write(struct sbx_device *device, void *data) {
	struct fault_case *test = data;
	int ret = sbx_image_write(test->image, test->after, row_bytes(test->image), NULL);
	if (ret == 0) {
		ret = sbx_batch_submit_uploads(device);
	}
	vulkan_fault_pause();
	if (ret == 0) {
		expect(test->image, test->after);
	}
	// An upload that could not be sent goes with the next submission.
	write_all(test->image, test->before, NULL);
	expect(test->image, test->before);
	return ret;
}

static void test_faults(void **state) {
	struct sbx_device *device = *state;
	struct fault_case test = {
		.image = texture(device, DRM_FORMAT_XRGB8888, 64, 64),
		.before = noise(64 * 64 * 4, 70), .after = noise(64 * 64 * 4, 71),
	};
	assert_true(vulkan_each_call_fails(device, VK_ERROR_OUT_OF_DEVICE_MEMORY, op_write, &test) >= 3);
	sbx_image_destroy(test.image);
	free(test.before);
	free(test.after);
}

static void test_lost(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = texture(device, DRM_FORMAT_XRGB8888, 16, 16);
	uint8_t *data = noise(16 * 16 * 4, 80);
	write_all(image, data, NULL);
	sbx_device_check(device, VK_ERROR_DEVICE_LOST, "test");
	assert_int_equal(sbx_image_write(image, data, 64, NULL), -ENODEV);
	assert_int_equal(sbx_batch_submit_uploads(device), -ENODEV);
	sbx_image_destroy(image);
	free(data);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_whole),
		VULKAN_TEST(test_stride),
		VULKAN_TEST(test_damage),
		VULKAN_TEST(test_no_damage),
		VULKAN_TEST(test_many_boxes),
		VULKAN_TEST(test_overwrite),
		VULKAN_TEST(test_write_after_read),
		VULKAN_TEST(test_ring),
		VULKAN_TEST(test_ring_full),
		VULKAN_TEST(test_large),
		VULKAN_TEST(test_destroy_early),
		VULKAN_TEST(test_faults),
		VULKAN_TEST(test_lost),
	};
	return VULKAN_MAIN("render/upload", tests);
}
