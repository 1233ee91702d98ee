#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "harness/vulkan.h"
#include "render/batch.h"
#include "render/format.h"
#include "render/image.h"

#define SECOND 1000000000ull
#define WIDTH 37
#define HEIGHT 23

static const uint32_t uses = SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE;

static const struct sbx_format *format(void) {
	return sbx_format_from_drm(DRM_FORMAT_ARGB8888);
}

static bool can_share(struct sbx_device *device) {
	if (!device->caps.opaque_fd_memory) {
		print_message("    no opaque fds of memory here\n");
	}
	return device->caps.opaque_fd_memory;
}

/* One clear, in a batch that takes the image over and gives it back. */
static void clear(struct sbx_device *device, struct sbx_image *image, float red) {
	const VkClearColorValue color = { .float32 = { red, 0, 0, 1 } };
	const VkImageSubresourceRange all = {
		.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1,
	};
	struct sbx_batch *batch = sbx_batch_begin(device);
	uint64_t value = 0;
	assert_non_null(batch);
	assert_int_equal(sbx_batch_use_target(batch, image), 0);
	sbx_batch_flush_barriers(batch);
	device->vk.vkCmdClearColorImage(sbx_batch_commands(batch), image->handle,
		VK_IMAGE_LAYOUT_GENERAL, &color, 1, &all);
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
}

static void expect_all(struct sbx_image *image, uint32_t argb) {
	uint32_t pixels[WIDTH * HEIGHT];
	const pixman_box32_t box = { 0, 0, WIDTH, HEIGHT };
	assert_int_equal(sbx_image_read(image, &box, pixels, WIDTH * 4, -1, 10 * SECOND), 0);
	for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
		assert_int_equal(pixels[i], argb);
	}
}

static struct sbx_image *create(struct sbx_device *device) {
	struct sbx_image *image = NULL;
	assert_int_equal(sbx_image_create_opaque(device, format(), WIDTH, HEIGHT, uses, &image), 0);
	return image;
}

/* What one device draws another sees, and the other way round; also when the maker has let go of it. */
static void test_shared(void **state) {
	struct sbx_device *device = *state, *other = vulkan_open();
	struct sbx_image *made, *imported = NULL;
	int fd = -1;
	assert_non_null(other);
	if (can_share(device)) {
		made = create(device);
		clear(device, made, 1);
		assert_int_equal(sbx_image_export_opaque(made, &fd), 0);
		assert_true(fd >= 0);
		assert_int_equal(sbx_image_import_opaque(other, format(), WIDTH, HEIGHT, uses, &fd,
			&imported), 0);
		assert_int_equal(fd, -1);
		expect_all(imported, 0xffff0000);
		clear(other, imported, 0);
		expect_all(made, 0xff000000);
		sbx_image_destroy(made);
		expect_all(imported, 0xff000000);
		sbx_image_destroy(imported);
	}
	sbx_device_destroy(other);
}

/* Fds that are never imported are just closed. */
static void test_export_twice(void **state) {
	struct sbx_device *device = *state;
	if (!can_share(device)) {
		return;
	}
	struct sbx_image *image = create(device);
	int fds[2] = { -1, -1 };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sbx_image_export_opaque(image, &fds[i]), 0);
	}
	assert_true(fds[0] >= 0 && fds[1] >= 0 && fds[0] != fds[1]);
	close(fds[0]);
	close(fds[1]);
	sbx_image_destroy(image);
}

static void test_refused(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = NULL;
	int none = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC), given = null;
	if (can_share(device)) {
		assert_int_equal(sbx_image_import_opaque(device, format(), WIDTH, HEIGHT, uses, &none,
			&image), -EBADF);
		assert_int_equal(sbx_image_import_opaque(device, format(), 0, HEIGHT, uses, &given,
			&image), -EINVAL);
		assert_int_equal(sbx_image_create_opaque(device, format(), WIDTH, 1 << 20, uses, &image),
			-EINVAL);
		assert_int_equal(sbx_image_create_opaque(device, format(), WIDTH, HEIGHT, 0, &image),
			-ENOTSUP);
		assert_int_equal(sbx_image_create_opaque(device, sbx_format_from_drm(DRM_FORMAT_NV12), 64,
			64, SBX_FORMAT_SAMPLE, &image), -ENOTSUP);
		assert_int_equal(given, null);
	}
	// An image that is not shared has nothing to export.
	image = sbx_image_create(device, format(), WIDTH, HEIGHT, uses);
	assert_non_null(image);
	assert_int_equal(sbx_image_export_opaque(image, &none), -EINVAL);
	assert_int_equal(none, -1);
	sbx_image_destroy(image);
	close(null);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_shared),
		VULKAN_TEST(test_export_twice),
		VULKAN_TEST(test_refused),
	};
	return VULKAN_MAIN("render/opaque", tests);
}
