#include <drm_fourcc.h>
#include <stdlib.h>
#include <string.h>
#include "harness/vulkan.h"
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

static void read_all(struct sbx_image *image, void *data) {
	const pixman_box32_t box = { 0, 0, image->width, image->height };
	assert_int_equal(sbx_image_read(image, &box, data,
		image->width * image->format->bytes_per_pixel, -1, 10 * SECOND), 0);
}

static uint8_t *noise(size_t size, unsigned seed) {
	uint8_t *data = malloc(size);
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = seed >> 16;
	}
	return data;
}

static void test_whole(void **state) {
	struct sbx_image *image = texture(*state, DRM_FORMAT_ARGB8888, 61, 37);
	uint8_t *data = noise(61 * 37 * 4, 1), *seen = malloc(61 * 37 * 4);
	assert_int_equal(sbx_image_write(image, data, 61 * 4, NULL), 0);
	read_all(image, seen);
	assert_memory_equal(data, seen, 61 * 37 * 4);
	sbx_image_destroy(image);
	free(data);
	free(seen);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_whole),
	};
	return VULKAN_MAIN("render/upload", tests);
}
