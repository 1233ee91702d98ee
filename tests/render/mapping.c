/* Linear dma-bufs that the CPU copies into images of our own. */
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "harness/buffers.h"
#include "harness/kernel_fake.h"
#include "harness/vgem.h"
#include "harness/vulkan.h"
#include "render/batch.h"
#include "render/format.h"
#include "render/mapping.h"

#define SECOND 1000000000ull

enum { WIDTH = 15, HEIGHT = 9, STRIDE = 100, OFFSET = 64 };

static void fill(const struct test_buffer *buffer, unsigned seed) {
	uint8_t *data = buffer->data;
	for (size_t i = 0; i < buffer->size; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (uint8_t)(seed >> 16);
	}
}

static struct sbx_dmabuf describe(const struct test_buffer *buffer) {
	struct sbx_dmabuf dmabuf = test_buffer_describe(buffer, DRM_FORMAT_ARGB8888, WIDTH, HEIGHT, STRIDE);
	dmabuf.offset[0] = OFFSET;
	return dmabuf;
}

static uint32_t in_buffer(const struct test_buffer *buffer, int x, int y) {
	uint32_t pixel;
	memcpy(&pixel, (const char *)buffer->data + OFFSET + y * STRIDE + 4 * x, 4);
	return pixel;
}

static void read_all(struct sbx_image *image, uint32_t pixels[static WIDTH * HEIGHT]) {
	const pixman_box32_t all = { 0, 0, WIDTH, HEIGHT };
	assert_int_equal(sbx_image_read(image, &all, pixels, 4 * WIDTH, -1, 20 * SECOND), 0);
}

static struct sbx_mapping *map(struct sbx_device *device, const struct sbx_dmabuf *dmabuf) {
	struct sbx_mapping *mapping = NULL;
	assert_int_equal(sbx_mapping_create(device, dmabuf, SBX_FORMAT_SAMPLE, &mapping), 0);
	return mapping;
}

static void test_whole_and_part(void **state) {
	struct test_buffer buffer;
	uint32_t before[WIDTH * HEIGHT], after[WIDTH * HEIGHT];
	assert_int_equal(test_buffer_udmabuf(OFFSET + STRIDE * HEIGHT, &buffer), 0);
	fill(&buffer, 1);
	struct sbx_dmabuf dmabuf = describe(&buffer);
	struct sbx_mapping *mapping = map(*state, &dmabuf);
	struct sbx_image *image = sbx_mapping_create_image(mapping);
	assert_int_equal(sbx_mapping_copy(mapping, image, NULL), 0);
	read_all(image, before);
	for (int i = 0; i < WIDTH * HEIGHT; i++) {
		assert_int_equal(before[i], in_buffer(&buffer, i % WIDTH, i / WIDTH));
	}
	fill(&buffer, 2);
	pixman_region32_t damage;
	pixman_region32_init_rect(&damage, 3, 2, 5, 4);
	assert_int_equal(sbx_mapping_copy(mapping, image, &damage), 0);
	pixman_region32_fini(&damage);
	read_all(image, after);
	for (int i = 0; i < WIDTH * HEIGHT; i++) {
		int x = i % WIDTH, y = i / WIDTH;
		bool changed = x >= 3 && x < 8 && y >= 2 && y < 6;
		assert_int_equal(after[i], changed ? in_buffer(&buffer, x, y) : before[i]);
	}
	sbx_image_destroy(image);
	sbx_mapping_destroy(mapping);
	test_buffer_finish(&buffer);
}

/* Half of a colour difference's texel is all of it. */
static void test_planes(void **state) {
	struct test_buffer buffer;
	assert_int_equal(test_buffer_udmabuf(16 * 16 * 2, &buffer), 0);
	memset(buffer.data, 10, buffer.size);
	struct sbx_dmabuf dmabuf = test_buffer_describe(&buffer, DRM_FORMAT_NV12, 16, 16, 16);
	dmabuf.planes = 2;
	dmabuf.fd[1] = buffer.fd;
	dmabuf.stride[1] = 16;
	dmabuf.offset[1] = 16 * 16;
	struct sbx_mapping *mapping = map(*state, &dmabuf);
	struct sbx_image *image = sbx_mapping_create_image(mapping);
	assert_int_equal(image->n_planes, 2);
	assert_int_equal(sbx_mapping_copy(mapping, image, NULL), 0);
	memset(buffer.data, 20, buffer.size);
	pixman_region32_t damage;
	pixman_region32_init_rect(&damage, 3, 3, 2, 2);
	assert_int_equal(sbx_mapping_copy(mapping, image, &damage), 0);
	pixman_region32_fini(&damage);
	uint8_t luma[16 * 16], chroma[8 * 8 * 2];
	const pixman_box32_t all = { 0, 0, 16, 16 }, half = { 0, 0, 8, 8 };
	assert_int_equal(sbx_image_read(image->planes[0], &all, luma, 16, -1, 20 * SECOND), 0);
	assert_int_equal(sbx_image_read(image->planes[1], &half, chroma, 16, -1, 20 * SECOND), 0);
	assert_int_equal(luma[3 * 16 + 3], 20);
	assert_int_equal(luma[4 * 16 + 4], 20);
	assert_int_equal(luma[2 * 16 + 3], 10);
	assert_int_equal(luma[3 * 16 + 5], 10);
	assert_int_equal(chroma[1 * 16 + 2], 20);
	assert_int_equal(chroma[2 * 16 + 4], 20);
	assert_int_equal(chroma[0 * 16 + 2], 10);
	assert_int_equal(chroma[1 * 16 + 6], 10);
	sbx_image_destroy(image);
	sbx_mapping_destroy(mapping);
	test_buffer_finish(&buffer);
}

static void test_busy(void **state) {
	int vgem = vgem_open(), fd = -1;
	uint32_t handle;
	assert_int_equal(vgem_buffer_create(vgem, &handle, &fd), 0);
	const struct sbx_dmabuf dmabuf = {
		.width = 32, .height = 32, .format = DRM_FORMAT_XRGB8888, .modifier = DRM_FORMAT_MOD_LINEAR,
		.planes = 1, .stride = { 128 }, .fd = { fd, -1, -1, -1 },
	};
	struct sbx_mapping *mapping = map(*state, &dmabuf);
	close(fd); // they are lent
	struct sbx_image *image = sbx_mapping_create_image(mapping);
	int id = vgem_buffer_attach(vgem, handle, true);
	assert_int_equal(sbx_mapping_copy(mapping, image, NULL), -EAGAIN);
	assert_true(sbx_mapping_get_busy_fd(mapping) >= 0);
	assert_int_equal(vgem_attached_signal(vgem, (uint32_t)id), 0);
	assert_int_equal(sbx_mapping_copy(mapping, image, NULL), 0);
	sbx_image_destroy(image);
	sbx_mapping_destroy(mapping);
	vgem_buffer_destroy(vgem, handle);
	close(vgem);
}

static void test_store(void **state) {
	struct test_buffer buffer;
	uint32_t pixels[WIDTH * HEIGHT];
	assert_int_equal(test_buffer_udmabuf(OFFSET + STRIDE * HEIGHT, &buffer), 0);
	memset(buffer.data, 7, buffer.size);
	struct sbx_dmabuf dmabuf = describe(&buffer);
	struct sbx_mapping *mapping = NULL;
	assert_int_equal(sbx_mapping_create(*state, &dmabuf, SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE, &mapping), 0);
	struct sbx_image *image = sbx_mapping_create_image(mapping);
	for (int i = 0; i < WIDTH * HEIGHT; i++) {
		pixels[i] = 0xff000000u + (uint32_t)i;
	}
	assert_int_equal(sbx_image_write(image, pixels, 4 * WIDTH, NULL), 0);
	assert_int_equal(sbx_mapping_store(mapping, image, 20 * SECOND), 0);
	for (int i = 0; i < WIDTH * HEIGHT; i++) {
		assert_int_equal(in_buffer(&buffer, i % WIDTH, i / WIDTH), pixels[i]);
	}
	assert_int_equal(((char *)buffer.data)[OFFSET - 1], 7);
	assert_int_equal(((char *)buffer.data)[OFFSET + 4 * WIDTH], 7); // between the rows
	sbx_image_destroy(image);
	sbx_mapping_destroy(mapping);
	test_buffer_finish(&buffer);
}

static void refuse(struct sbx_device *device, const struct sbx_dmabuf *dmabuf, int error) {
	struct sbx_mapping *mapping = NULL;
	unsigned fds = open_fd_count();
	assert_int_equal(sbx_mapping_create(device, dmabuf, SBX_FORMAT_SAMPLE, &mapping), error);
	assert_null(mapping);
	assert_int_equal(open_fd_count(), fds);
	assert_int_equal(log_errors(), 0); // the import had a line
}

static void test_refused(void **state) {
	struct test_buffer buffer;
	assert_int_equal(test_buffer_udmabuf(4096, &buffer), 0);
	const struct sbx_dmabuf good = describe(&buffer);
	struct sbx_dmabuf bad = good;
	bad.modifier = DRM_FORMAT_MOD_INVALID;
	refuse(*state, &bad, -ENOTSUP);
	bad.modifier = I915_FORMAT_MOD_X_TILED;
	refuse(*state, &bad, -ENOTSUP);
	bad = good;
	bad.format = DRM_FORMAT_RGB888; // shared memory only: it is widened
	refuse(*state, &bad, -ENOTSUP);
	bad = good;
	bad.stride[0] = 4 * WIDTH - 4;
	refuse(*state, &bad, -EINVAL);
	bad = good;
	bad.offset[0] = 4096 - STRIDE;
	refuse(*state, &bad, -EINVAL);
	bad = good;
	bad.height = UINT32_MAX;
	refuse(*state, &bad, -EINVAL);
	bad = good;
	bad.fd[0] = -1;
	refuse(*state, &bad, -EBADF);
	kernel_fake_install();
	kernel_fake.map_error = -EACCES;
	refuse(*state, &good, -EACCES);
	kernel_fake_remove();
	test_buffer_finish(&buffer);
}

static const struct CMUnitTest lab[] = {
	VULKAN_TEST(test_whole_and_part),
	VULKAN_TEST(test_planes),
	VULKAN_TEST(test_busy),
	VULKAN_TEST(test_store),
	VULKAN_TEST(test_refused),
};

int main(int argc, char *argv[]) {
	return VULKAN_MAIN_LAB(argc, argv, "render/mapping", lab, lab);
}
