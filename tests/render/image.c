#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "harness/buffers.h"
#include "harness/vgem.h"
#include "harness/vulkan.h"
#include "harness/vulkan_fault.h"
#include "render/batch.h"
#include "render/format.h"
#include "render/image.h"
#include "render/ycbcr.h"

#define SECOND 1000000000ull
#define BOTH (SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE)

static const struct sbx_format *xrgb(void) {
	return sbx_format_from_drm(DRM_FORMAT_XRGB8888);
}

static void clear(struct sbx_image *image, float value) {
	struct sbx_batch *batch = sbx_batch_begin(image->device);
	const VkClearColorValue color = { .float32 = { value, value, value, value } };
	const VkImageSubresourceRange range = {
		.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1,
	};
	assert_int_equal(sbx_batch_use_target(batch, image), 0);
	sbx_batch_flush_barriers(batch);
	image->device->vk.vkCmdClearColorImage(sbx_batch_commands(batch), image->handle,
		VK_IMAGE_LAYOUT_GENERAL, &color, 1, &range);
	assert_int_equal(sbx_batch_submit(batch, NULL, NULL), 0);
}

static void test_create(void **state) {
	struct sbx_device *device = *state;
	uint32_t max = device->caps.max_image_size;
	struct sbx_image *image = sbx_image_create(device, xrgb(), 17, 3, BOTH);
	assert_non_null(image);
	assert_true(image->sample_view != VK_NULL_HANDLE && image->store_view != VK_NULL_HANDLE);
	assert_false(image->foreign);
	sbx_image_destroy(image);
	sbx_image_destroy(NULL);
	image = sbx_image_create(device, xrgb(), 1, 1, SBX_FORMAT_SAMPLE);
	assert_true(image->store_view == VK_NULL_HANDLE);
	sbx_image_destroy(image);
	assert_int_equal(log_errors(), 0);

	assert_null(sbx_image_create(device, xrgb(), 0, 5, BOTH));
	assert_null(sbx_image_create(device, xrgb(), 5, 0, BOTH));
	assert_null(sbx_image_create(device, xrgb(), max + 1, 1, BOTH));
	assert_null(sbx_image_create(device, xrgb(), 1, UINT32_MAX, BOTH));
	assert_null(sbx_image_create(device, xrgb(), 1, 1, 0));
	// its channels would have to be turned round on the way out
	assert_null(sbx_image_create(device, sbx_format_from_drm(DRM_FORMAT_RGBX8888), 1, 1, BOTH));
	assert_int_equal(log_errors(), 6);
}

static unsigned released;

static void on_released(struct sbx_image *image, void *data) {
	assert_ptr_equal(data, &released);
	assert_int_equal(image->sample_slot, 42);
	released++;
}

static void test_released(void **state) {
	struct sbx_device *device = *state;
	released = 0;
	for (int used = 0; used < 2; used++) {
		struct sbx_image *image = sbx_image_create(device, xrgb(), 64, 64, BOTH);
		image->released = on_released;
		image->released_data = &released;
		image->sample_slot = 42;
		if (used) {
			clear(image, 1.0f);
		}
		sbx_image_destroy(image);
	}
	assert_uint_in_range(released, 1, 2);
	assert_int_equal(sbx_device_wait(device, device->submitted, 5 * SECOND), 0);
	assert_int_equal(released, 2);
}

static void expect_read(struct sbx_image *image, pixman_box32_t box, uint32_t stride, int error) {
	uint32_t data[64] = {0};
	assert_int_equal(sbx_image_read(image, &box, data, stride, -1, 5 * SECOND), error);
}

static void test_read(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = sbx_image_create(device, xrgb(), 8, 6, BOTH);
	uint32_t pixels[8 * 6], seen[3 * 5];
	for (uint32_t i = 0; i < 48; i++) {
		pixels[i] = 0x01020304 * i;
	}
	assert_int_equal(sbx_image_write(image, pixels, 32, NULL), 0);
	memset(seen, 0xee, sizeof(seen));
	const pixman_box32_t box = { 5, 2, 8, 5 };
	assert_int_equal(sbx_image_read(image, &box, seen, 20, -1, 5 * SECOND), 0);
	for (int y = 0; y < 3; y++) {
		assert_memory_equal(&seen[5 * y], &pixels[8 * (y + 2) + 5], 12);
		// nothing is written between the rows
		assert_int_equal(seen[5 * y + 4], 0xeeeeeeee);
	}
	log_forget();
	expect_read(image, (pixman_box32_t){ 0, 0, 9, 1 }, 36, -EINVAL);
	expect_read(image, (pixman_box32_t){ -1, 0, 3, 1 }, 36, -EINVAL);
	expect_read(image, (pixman_box32_t){ 3, 0, 3, 1 }, 36, -EINVAL);
	expect_read(image, (pixman_box32_t){ 0, 5, 8, 7 }, 36, -EINVAL);
	expect_read(image, (pixman_box32_t){ 0, 0, 8, 1 }, 31, -EINVAL);
	assert_int_equal(log_errors(), 5);
	sbx_image_destroy(image);
}

static int op_create(struct sbx_device *device, void *data) {
	struct sbx_image *image = sbx_image_create(device, xrgb(), 16, 16, BOTH);
	sbx_image_destroy(image);
	return image != NULL ? 0 : -ENOMEM;
}

static int op_read(struct sbx_device *device, void *data) {
	const pixman_box32_t box = { 0, 0, 4, 4 };
	uint32_t pixels[16];
	return sbx_image_read(data, &box, pixels, 16, -1, 5 * SECOND);
}

static void test_faults(void **state) {
	struct sbx_device *device = *state;
	assert_true(vulkan_each_call_fails(device, VK_ERROR_OUT_OF_DEVICE_MEMORY, op_create, NULL) >= 5);
	struct sbx_image *image = sbx_image_create(device, xrgb(), 16, 16, BOTH);
	assert_true(vulkan_each_call_fails(device, VK_ERROR_OUT_OF_HOST_MEMORY, op_read, image) >= 5);
	assert_int_equal(op_read(device, image), 0);
	sbx_image_destroy(image);
}

/* A target whose content is ours to check in memory: dumb buffers and udmabufs. */
static void check_buffer(struct sbx_device *device, struct test_buffer *buffer, uint32_t width,
		uint32_t height, uint32_t stride, uint32_t offset) {
	struct sbx_dmabuf dmabuf = test_buffer_describe(buffer, DRM_FORMAT_XRGB8888, width, height,
		stride);
	dmabuf.offset[0] = offset;
	struct sbx_image *image = NULL;
	uint8_t *first = (uint8_t *)buffer->data + offset;
	assert_int_equal(sbx_image_import_dmabuf(device, &dmabuf, BOTH, &image), 0);
	assert_true(image->foreign);
	test_buffer_begin_access(buffer);
	memset(buffer->data, 0x55, buffer->size);
	for (uint32_t y = 0; y < height; y++) {
		memset(first + (size_t)y * stride, y, width * 4);
	}
	test_buffer_end_access(buffer);

	uint8_t *seen = malloc((size_t)width * height * 4);
	const pixman_box32_t box = { 0, 0, width, height };
	assert_int_equal(sbx_image_read(image, &box, seen, width * 4, -1, 5 * SECOND), 0);
	for (uint32_t y = 0; y < height; y++) {
		assert_int_equal(seen[(size_t)y * width * 4], y & 0xff);
		assert_int_equal(seen[(size_t)(y + 1) * width * 4 - 1], y & 0xff);
	}
	free(seen);

	clear(image, 1.0f);
	assert_int_equal(sbx_device_wait(device, device->submitted, 5 * SECOND), 0);
	test_buffer_begin_access(buffer);
	for (uint32_t y = 0; y < height; y++) {
		assert_int_equal(first[(size_t)y * stride], 0xff);
		assert_int_equal(first[(size_t)y * stride + width * 4 - 1], 0xff);
		// what lies between the rows is not ours
		if (stride > width * 4) {
			assert_int_equal(first[(size_t)y * stride + width * 4], 0x55);
		}
	}
	test_buffer_end_access(buffer);
	sbx_image_destroy(image);
}

static void test_import_udmabuf(void **state) {
	static const uint32_t sizes[][4] = {
		{ 64, 64, 256, 0 }, { 100, 30, 400, 0 }, { 100, 30, 404, 0 }, { 33, 7, 136, 0 },
		{ 1, 1, 4, 0 }, { 1, 1000, 4, 0 }, { 1000, 1, 4000, 0 }, { 64, 16, 512, 4096 },
		{ 64, 16, 256, 8192 },
	};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const uint32_t *size = sizes[i];
		struct test_buffer buffer;
		assert_int_equal(test_buffer_udmabuf(size[3] + (size_t)size[1] * size[2] + 64, &buffer), 0);
		check_buffer(*state, &buffer, size[0], size[1], size[2], size[3]);
		test_buffer_finish(&buffer);
	}
}

static void test_import_dumb(void **state) {
	struct test_buffer buffer;
	uint32_t stride = 0;
	assert_int_equal(test_buffer_dumb(128, 32, &stride, &buffer), 0);
	check_buffer(*state, &buffer, 128, 32, stride, 0);
	test_buffer_finish(&buffer);
}

/* Planes of 32x32 pixels, room for 16 bytes each, in one buffer or in one for each. */
static struct sbx_dmabuf describe_planes(const struct test_buffer *buffers, bool apart, uint32_t format,
		uint32_t planes) {
	struct sbx_dmabuf dmabuf = test_buffer_describe(&buffers[0], format, 32, 32, 32 * 16);
	dmabuf.planes = planes;
	for (uint32_t i = 1; i < planes; i++) {
		dmabuf.fd[i] = buffers[apart ? i : 0].fd;
		dmabuf.stride[i] = 32 * 16;
		dmabuf.offset[i] = apart ? 0 : i * 32 * 32 * 16;
	}
	return dmabuf;
}

static void import_planes(struct sbx_device *device, const struct test_buffer *buffers,
		const struct sbx_format *format, const struct sbx_modifier *modifier, unsigned *whole,
		unsigned *split) {
	for (int apart = 0; apart < 2; apart++) {
		struct sbx_dmabuf dmabuf = describe_planes(buffers, apart, format->drm, modifier->planes);
		struct sbx_image *image = NULL;
		if (sbx_image_import_dmabuf(device, &dmabuf, modifier->uses, &image) != 0) {
			fail_msg("%.4s is offered and refused", (const char *)&format->drm);
		}
		assert_int_equal(image->n_planes, format->ycbcr != NULL ? format->ycbcr->n_planes : 0);
		assert_int_equal(image->sample_view != VK_NULL_HANDLE, format->ycbcr == NULL);
		*whole += format->ycbcr != NULL && image->handle != VK_NULL_HANDLE;
		*split += format->ycbcr != NULL && image->handle == VK_NULL_HANDLE;
		sbx_image_destroy(image);
	}
}

/* Every format that is offered can really be imported. */
static void test_import_formats(void **state) {
	struct sbx_device *device = *state;
	size_t count = 0;
	const struct sbx_format *formats = sbx_format_all(&count);
	struct test_buffer buffers[3];
	for (int i = 0; i < 3; i++) {
		assert_int_equal(test_buffer_udmabuf(3 * 32 * 32 * 16, &buffers[i]), 0);
	}
	unsigned imported = 0, whole = 0, split = 0;
	for (size_t i = 0; i < count; i++) {
		struct sbx_modifier *modifiers = NULL;
		int n = sbx_format_modifiers(device, &formats[i], &modifiers);
		for (int m = 0; m < n; m++) {
			if (modifiers[m].modifier == DRM_FORMAT_MOD_LINEAR) {
				import_planes(device, buffers, &formats[i], &modifiers[m], &whole, &split);
				imported++;
			}
		}
		free(modifiers);
	}
	print_message("%u formats, YCbCr %u times as one image, %u times as one for each plane\n",
		imported, whole, split);
	assert_true(imported >= 80);
	assert_true(split > 0);
	for (int i = 0; i < 3; i++) {
		test_buffer_finish(&buffers[i]);
	}
}

struct bad {
	const char *what;
	void (*spoil)(struct sbx_dmabuf *dmabuf);
	int error;
	const char *says;
};

static int other_fd = -1;

static void bad_format(struct sbx_dmabuf *d) {
	d->format = 0x20202020;
}

static void bad_yuv(struct sbx_dmabuf *d) {
	d->format = DRM_FORMAT_NV12;
}

static void bad_modifier(struct sbx_dmabuf *d) {
	d->modifier = I915_FORMAT_MOD_X_TILED;
}

static void bad_implicit(struct sbx_dmabuf *d) {
	d->modifier = DRM_FORMAT_MOD_INVALID;
}

static void bad_no_planes(struct sbx_dmabuf *d) {
	d->planes = 0;
}

static void bad_two_planes(struct sbx_dmabuf *d) {
	d->planes = 2;
	d->fd[1] = d->fd[0];
}

static void bad_planes(struct sbx_dmabuf *d) {
	d->planes = UINT32_MAX;
}

static void bad_width(struct sbx_dmabuf *d) {
	d->width = 0;
}

static void bad_height(struct sbx_dmabuf *d) {
	d->height = 0;
}

static void bad_wide(struct sbx_dmabuf *d) {
	d->width = UINT32_MAX;
	d->stride[0] = UINT32_MAX;
}

static void bad_high(struct sbx_dmabuf *d) {
	d->height = UINT32_MAX;
}

static void bad_row(struct sbx_dmabuf *d) {
	d->stride[0] = 255;
}

static void bad_stride_zero(struct sbx_dmabuf *d) {
	d->stride[0] = 0;
}

static void bad_stride_one_more(struct sbx_dmabuf *d) {
	d->stride[0] = 257;
}

static void bad_stride_huge(struct sbx_dmabuf *d) {
	d->stride[0] = UINT32_MAX;
}

static void bad_offset_one(struct sbx_dmabuf *d) {
	d->offset[0] = 1;
}

static void bad_offset_huge(struct sbx_dmabuf *d) {
	d->offset[0] = UINT32_MAX;
}

static void bad_sum(struct sbx_dmabuf *d) {
	d->offset[0] = UINT32_MAX - 255;
	d->stride[0] = 256;
	d->height = 1;
}

static void bad_one_row_more(struct sbx_dmabuf *d) {
	d->height = 65;
}

static void bad_fd_none(struct sbx_dmabuf *d) {
	d->fd[0] = -1;
}

static void bad_fd_closed(struct sbx_dmabuf *d) {
	d->fd[0] = 1000000;
}

static void bad_fd_other(struct sbx_dmabuf *d) {
	d->fd[0] = other_fd;
}

static const struct bad bad_cases[] = {
	{ "format", bad_format, -ENOTSUP, "not a format" },
	{ "yuv", bad_yuv, -EINVAL, "it has 1 planes, the modifier needs 2" },
	{ "modifier", bad_modifier, -ENOTSUP, "does not take this modifier" },
	{ "implicit modifier", bad_implicit, -ENOTSUP, "does not take this modifier" },
	{ "no planes", bad_no_planes, -EINVAL, "it has 0 planes, the modifier needs 1" },
	{ "two planes", bad_two_planes, -EINVAL, "it has 2 planes" },
	{ "planes", bad_planes, -EINVAL, "planes, the modifier needs 1" },
	{ "width", bad_width, -EINVAL, "no pixels" },
	{ "height", bad_height, -EINVAL, "no pixels" },
	{ "wide", bad_wide, -EINVAL, "larger than" },
	{ "high", bad_high, -EINVAL, "larger than" },
	{ "row", bad_row, -EINVAL, "a row has 256 bytes, the stride is 255" },
	{ "stride zero", bad_stride_zero, -EINVAL, "the stride is 0" },
	{ "stride one more", bad_stride_one_more, -EINVAL, "reach byte 16447 of 16384" },
	{ "stride huge", bad_stride_huge, -EINVAL, "reach byte" },
	{ "offset one", bad_offset_one, -EINVAL, "reach byte 16385 of 16384" },
	{ "offset huge", bad_offset_huge, -EINVAL, "reach byte" },
	{ "sum", bad_sum, -EINVAL, "reach byte 4294967296 of 16384" },
	{ "one row more", bad_one_row_more, -EINVAL, "reach byte 16640 of 16384" },
	{ "fd none", bad_fd_none, -EBADF, "fd -1 is not open" },
	{ "fd closed", bad_fd_closed, -EBADF, "is not open" },
	{ "fd other", bad_fd_other, -EINVAL, "is not a dma-buf" },
};

static void expect_refusal(struct sbx_device *device, const struct sbx_dmabuf *good,
		const struct bad *bad) {
	struct sbx_dmabuf dmabuf = *good;
	struct sbx_image *image = NULL;
	unsigned fds = open_fd_count();
	bad->spoil(&dmabuf);
	log_forget();
	int ret = sbx_image_import_dmabuf(device, &dmabuf, SBX_FORMAT_SAMPLE, &image);
	if (ret != bad->error || log_errors() != 1 || log_count(bad->says) != 1 || image != NULL ||
			open_fd_count() != fds) {
		fail_msg("%s: returned %d, expected %d and one line that says \"%s\"", bad->what, ret,
			bad->error, bad->says);
	}
}

static void test_import_bad(void **state) {
	struct sbx_device *device = *state;
	struct test_buffer buffer;
	struct sbx_image *image = NULL;
	assert_int_equal(test_buffer_udmabuf(64 * 256, &buffer), 0);
	// what is spoilt below is good before
	struct sbx_dmabuf good = test_buffer_describe(&buffer, DRM_FORMAT_XRGB8888, 64, 64, 256);
	assert_int_equal(sbx_image_import_dmabuf(device, &good, BOTH, &image), 0);
	sbx_image_destroy(image);
	int others[] = {
		open("/dev/null", O_RDWR | O_CLOEXEC), memfd_create("x", MFD_CLOEXEC),
		open("/proc/self/exe", O_RDONLY | O_CLOEXEC), eventfd(0, EFD_CLOEXEC),
	};
	for (size_t f = 0; f < sizeof(others) / sizeof(others[0]); f++) {
		other_fd = others[f];
		for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
			expect_refusal(device, &good, &bad_cases[i]);
		}
		close(other_fd);
	}
	struct sbx_dmabuf reordered = good;
	reordered.format = DRM_FORMAT_RGBX8888;
	assert_int_equal(sbx_image_import_dmabuf(device, &reordered, SBX_FORMAT_STORE, &image), -ENOTSUP);
	assert_int_equal(sbx_image_import_dmabuf(device, &good, 0, &image), -ENOTSUP);
	test_buffer_finish(&buffer);
}

/* What can be wrong with the second plane of NV12. */

static void bad_chroma_row(struct sbx_dmabuf *d) {
	d->stride[1] = 63;
}

static void bad_chroma_offset(struct sbx_dmabuf *d) {
	d->offset[1] = 8192 - 2048 + 1;
}

static void bad_chroma_stride(struct sbx_dmabuf *d) {
	d->stride[1] = UINT32_MAX;
}

static void bad_chroma_odd(struct sbx_dmabuf *d) {
	d->width = d->height = 65; // 33 pairs a row
	d->stride[0] = 65;
}

static void bad_chroma_missing(struct sbx_dmabuf *d) {
	d->planes = 1;
}

static void bad_chroma_more(struct sbx_dmabuf *d) {
	d->planes = 3;
	d->fd[2] = d->fd[0];
	d->stride[2] = 64;
}

static void bad_chroma_fd(struct sbx_dmabuf *d) {
	d->fd[1] = 1000000;
}

static void bad_chroma_other(struct sbx_dmabuf *d) {
	d->fd[1] = other_fd;
}

static const struct bad bad_planes_cases[] = {
	{ "chroma row", bad_chroma_row, -EINVAL, "plane 1: a row has 64 bytes, the stride is 63" },
	{ "chroma offset", bad_chroma_offset, -EINVAL, "plane 1: offset 6145 and stride 64 reach byte 8193" },
	{ "chroma stride", bad_chroma_stride, -EINVAL, "reach byte" },
	{ "chroma odd", bad_chroma_odd, -EINVAL, "plane 1: a row has 66 bytes, the stride is 64" },
	{ "chroma missing", bad_chroma_missing, -EINVAL, "it has 1 planes, the modifier needs 2" },
	{ "chroma more", bad_chroma_more, -EINVAL, "it has 3 planes, the modifier needs 2" },
	{ "chroma fd", bad_chroma_fd, -EBADF, "plane 1: fd 1000000 is not open" },
	{ "chroma other", bad_chroma_other, -EINVAL, "is not a dma-buf" },
};

static struct sbx_dmabuf describe_nv12(const struct test_buffer *buffer) {
	struct sbx_dmabuf dmabuf = test_buffer_describe(buffer, DRM_FORMAT_NV12, 64, 64, 64);
	dmabuf.planes = 2;
	dmabuf.fd[1] = buffer->fd;
	dmabuf.stride[1] = 64;
	dmabuf.offset[1] = 64 * 64;
	return dmabuf;
}

static void test_import_bad_planes(void **state) {
	struct sbx_device *device = *state;
	struct test_buffer buffer;
	struct sbx_image *image = NULL;
	assert_int_equal(test_buffer_udmabuf(8192, &buffer), 0);
	struct sbx_dmabuf good = describe_nv12(&buffer);
	assert_int_equal(sbx_image_import_dmabuf(device, &good, SBX_FORMAT_SAMPLE, &image), 0);
	sbx_image_destroy(image);
	other_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(bad_planes_cases) / sizeof(bad_planes_cases[0]); i++) {
		expect_refusal(device, &good, &bad_planes_cases[i]);
	}
	close(other_fd);
	assert_int_equal(sbx_image_import_dmabuf(device, &good, SBX_FORMAT_STORE, &image), -ENOTSUP);
	test_buffer_finish(&buffer);
}

static int op_import_texture(struct sbx_device *device, void *data) {
	struct sbx_image *image = NULL;
	int ret = sbx_image_import_dmabuf(device, data, SBX_FORMAT_SAMPLE, &image);
	assert_int_equal(ret == 0, image != NULL);
	sbx_image_destroy(image);
	return ret;
}

/* Nothing is left of planes that were imported before one failed. */
static void test_import_planes_faults(void **state) {
	struct sbx_device *device = *state;
	struct test_buffer buffers[3];
	for (int i = 0; i < 3; i++) {
		assert_int_equal(test_buffer_udmabuf(32 * 32 * 16 * 3, &buffers[i]), 0);
	}
	for (int apart = 0; apart < 2; apart++) {
		struct sbx_dmabuf dmabuf = describe_planes(buffers, apart, DRM_FORMAT_YUV420, 3);
		assert_int_equal(op_import_texture(device, &dmabuf), 0);
		assert_true(vulkan_each_call_fails(device, VK_ERROR_OUT_OF_DEVICE_MEMORY,
			op_import_texture, &dmabuf) >= 6);
		dmabuf.width = dmabuf.height = 31; // in planes on every device
		assert_true(vulkan_each_call_fails(device, VK_ERROR_INVALID_EXTERNAL_HANDLE,
			op_import_texture, &dmabuf) >= 15);
	}
	for (int i = 0; i < 3; i++) {
		test_buffer_finish(&buffers[i]);
	}
}

static int op_import(struct sbx_device *device, void *data) {
	struct sbx_image *image = NULL;
	int ret = sbx_image_import_dmabuf(device, data, BOTH, &image);
	assert_int_equal(ret == 0, image != NULL);
	sbx_image_destroy(image);
	return ret;
}

static void test_import_faults(void **state) {
	struct sbx_device *device = *state;
	struct test_buffer buffer;
	assert_int_equal(test_buffer_udmabuf(64 * 256, &buffer), 0);
	struct sbx_dmabuf dmabuf = test_buffer_describe(&buffer, DRM_FORMAT_XRGB8888, 64, 64, 256);
	assert_int_equal(op_import(device, &dmabuf), 0);
	assert_int_equal(vulkan_each_call_fails(device, VK_ERROR_OUT_OF_DEVICE_MEMORY, op_import,
		&dmabuf), 6);
	assert_int_equal(vulkan_each_call_fails(device, VK_ERROR_INVALID_EXTERNAL_HANDLE, op_import,
		&dmabuf), 6);
	device->lost = true;
	assert_int_equal(op_import(device, &dmabuf), -ENODEV);
	device->lost = false;
	test_buffer_finish(&buffer);
}

/* The buffer's fd may go as soon as the call returns, and the memory stays. */
static void test_import_lends(void **state) {
	struct sbx_device *device = *state;
	struct test_buffer buffer;
	struct sbx_image *image = NULL;
	assert_int_equal(test_buffer_udmabuf(64 * 256, &buffer), 0);
	struct sbx_dmabuf dmabuf = test_buffer_describe(&buffer, DRM_FORMAT_XRGB8888, 64, 64, 256);
	assert_int_equal(sbx_image_import_dmabuf(device, &dmabuf, BOTH, &image), 0);
	assert_true(fcntl(buffer.fd, F_GETFD) >= 0);
	test_buffer_finish(&buffer);
	clear(image, 1.0f);
	const pixman_box32_t box = { 63, 63, 64, 64 };
	uint32_t pixel = 0;
	assert_int_equal(sbx_image_read(image, &box, &pixel, 4, -1, 5 * SECOND), 0);
	assert_int_equal(pixel & 0xffffff, 0xffffff);
	sbx_image_destroy(image);
}

/* shm pixels do not go into dma-bufs. */
static void test_write_refused(void **state) {
	struct test_buffer buffer;
	struct sbx_image *image = NULL;
	assert_int_equal(test_buffer_udmabuf(64 * 256, &buffer), 0);
	struct sbx_dmabuf dmabuf = test_buffer_describe(&buffer, DRM_FORMAT_XRGB8888, 64, 64, 256);
	assert_int_equal(sbx_image_import_dmabuf(*state, &dmabuf, BOTH, &image), 0);
	assert_int_equal(sbx_image_write(image, buffer.data, 256, NULL), -EINVAL);
	sbx_image_destroy(image);
	test_buffer_finish(&buffer);
}

/* Reading back waits for the fence it is given, but not for ever. */
static void test_read_waits(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = sbx_image_create(device, xrgb(), 8, 8, BOTH);
	struct vgem_fence fence;
	int fd = -1, vgem_fd = vgem_open();
	const pixman_box32_t box = { 0, 0, 1, 1 };
	uint32_t pixel = 0xaaaaaaaa;
	clear(image, 1.0f);
	assert_int_equal(vgem_fence_create(vgem_fd, &fence, &fd), 0);
	assert_int_equal(sbx_image_read(image, &box, &pixel, 4, fd, SECOND / 10), -ETIME);
	assert_int_equal(pixel, 0xaaaaaaaa);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_equal(vgem_fence_signal(&fence), 0);
	assert_int_equal(sbx_image_read(image, &box, &pixel, 4, fd, 5 * SECOND), 0);
	assert_int_equal(pixel, 0xffffffff);
	assert_int_equal(sbx_image_read(image, &box, &pixel, 4, 1000000, 5 * SECOND), -EBADF);
	close(fd);
	close(vgem_fd);
	sbx_image_destroy(image);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		VULKAN_TEST(test_create),
		VULKAN_TEST(test_released),
		VULKAN_TEST(test_read),
		VULKAN_TEST(test_faults),
	};
	const struct CMUnitTest lab[] = {
		VULKAN_TEST(test_import_udmabuf),
		VULKAN_TEST(test_import_dumb),
		VULKAN_TEST(test_import_formats),
		VULKAN_TEST(test_import_bad),
		VULKAN_TEST(test_import_bad_planes),
		VULKAN_TEST(test_import_planes_faults),
		VULKAN_TEST(test_import_faults),
		VULKAN_TEST(test_import_lends),
		VULKAN_TEST(test_write_refused),
		VULKAN_TEST(test_read_waits),
	};
	return VULKAN_MAIN_LAB(argc, argv, "render/image", host, lab);
}
