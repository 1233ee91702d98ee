#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "harness/vgem.h"
#include "harness/vulkan.h"
#include "harness/vulkan_fault.h"
#include "render/batch.h"
#include "render/format.h"
#include "render/image.h"
#include "render/semaphore.h"
#include "trace/counter.h"

#define SECOND 1000000000ull
#define MILLISECOND 1000000ull

static uint64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static struct sbx_batch *begin(struct sbx_device *device) {
	struct sbx_batch *batch = sbx_batch_begin(device);
	assert_non_null(batch);
	return batch;
}

static uint64_t submit(struct sbx_batch *batch) {
	uint64_t value = 0;
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	return value;
}

static struct sbx_image *target(struct sbx_device *device) {
	struct sbx_image *image = sbx_image_create(device, sbx_format_from_drm(DRM_FORMAT_XRGB8888),
		16, 16, SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE);
	assert_non_null(image);
	return image;
}

/* Some work: the image becomes all `value`. */
static void clear(struct sbx_batch *batch, struct sbx_image *image, float value) {
	const VkClearColorValue color = { .float32 = { value, value, value, value } };
	const VkImageSubresourceRange range = {
		.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1,
	};
	assert_int_equal(sbx_batch_use_target(batch, image), 0);
	sbx_batch_flush_barriers(batch);
	image->device->vk.vkCmdClearColorImage(sbx_batch_commands(batch), image->handle,
		VK_IMAGE_LAYOUT_GENERAL, &color, 1, &range);
}

static uint32_t read_pixel(struct sbx_image *image) {
	const pixman_box32_t box = { 3, 3, 4, 4 };
	uint32_t pixel = 0;
	assert_int_equal(sbx_image_read(image, &box, &pixel, 4, -1, 10 * SECOND), 0);
	return pixel;
}

static void test_values(void **state) {
	struct sbx_device *device = *state;
	for (uint64_t i = 1; i <= 40; i++) {
		assert_int_equal(submit(begin(device)), i);
	}
	assert_int_equal(sbx_device_wait(device, 40, SECOND), 0);
	assert_int_equal(device->completed, 40);
}

static void test_done(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	for (int i = 0; i < 5; i++) {
		struct sbx_batch *batch = begin(device);
		clear(batch, image, 1.0f);
		int done = 1000;
		uint64_t value = 0;
		assert_int_equal(sbx_batch_submit(batch, &done, &value), 0);
		if (done < 0) {
			// -1 says that it is done
			assert_true(sbx_device_poll(device) >= value);
			continue;
		}
		struct pollfd poll_fd = { .fd = done, .events = POLLIN };
		assert_int_equal(poll(&poll_fd, 1, 5000), 1);
		assert_true(sbx_device_poll(device) >= value);
		close(done);
	}
	sbx_image_destroy(image);
}

/* Batch after batch writes to one image: only the barriers keep them in order (and validation silent). */
static void test_order(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	for (int i = 0; i <= 10; i++) {
		struct sbx_batch *batch = begin(device);
		clear(batch, image, (10 - i) / 10.0f);
		sbx_batch_order(batch);
		clear(batch, image, i / 10.0f);
		submit(batch);
	}
	assert_int_equal(read_pixel(image) & 0xffffff, 0xffffff);
	sbx_image_destroy(image);
}

/* The control: without the barriers synchronization validation speaks up. */
static void test_validation_is_awake(void **state) {
	struct sbx_device *device = *state;
	if (!device->validation) {
		skip();
	}
	struct sbx_image *image = target(device);
	struct sbx_batch *batch = begin(device);
	log_hush();
	clear(batch, image, 0.0f);
	clear(batch, image, 1.0f);
	assert_true(device->validation_messages > 0);
	sbx_batch_cancel(batch);
	sbx_image_destroy(image);
	vulkan_forgive();
}

static void test_texture_then_target(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	struct sbx_batch *batch = begin(device);
	assert_int_equal(sbx_batch_use_texture(batch, image), 0);
	assert_int_equal(sbx_batch_use_texture(batch, image), 0);
	clear(batch, image, 1.0f);
	submit(batch);
	batch = begin(device);
	assert_int_equal(sbx_batch_use_texture(batch, image), 0);
	sbx_batch_flush_barriers(batch);
	clear(batch, image, 0.0f);
	submit(batch);
	assert_int_equal(read_pixel(image) & 0xffffff, 0);
	sbx_image_destroy(image);
}

static void test_cancel(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	struct sbx_batch *batch = begin(device);
	clear(batch, image, 1.0f);
	sbx_batch_cancel(batch);
	sbx_batch_cancel(NULL);
	// The transition was never executed, so it has to come again.
	assert_int_equal(image->layout, VK_IMAGE_LAYOUT_UNDEFINED);
	batch = begin(device);
	clear(batch, image, 0.0f);
	assert_int_equal(submit(batch), 1);
	assert_int_equal(read_pixel(image) & 0xffffff, 0);
	sbx_image_destroy(image);
}

/* Reading back in the middle of recording something else. */
static void test_two_at_once(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	struct sbx_batch *first = begin(device);
	clear(first, image, 1.0f);
	submit(first);
	first = begin(device);
	clear(first, image, 0.0f);
	assert_int_equal(read_pixel(image) & 0xffffff, 0xffffff);
	submit(first);
	assert_int_equal(read_pixel(image) & 0xffffff, 0);
	sbx_image_destroy(image);
}

static void test_too_many_recording(void **state) {
	struct sbx_batch *batches[64] = {0};
	int n = 0;
	while (n < 64 && (batches[n] = sbx_batch_begin(*state)) != NULL) {
		n++;
	}
	assert_uint_in_range(n, 4, 63);
	assert_int_equal(log_count("signalbox bug"), 1);
	while (n > 0) {
		sbx_batch_cancel(batches[--n]);
	}
	vulkan_forgive();
}

static void test_timer(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	struct sbx_timer *timer = sbx_timer_create(device);
	assert_non_null(timer);
	assert_int_equal(sbx_timer_duration_ns(timer), -1);
	for (int i = 0; i < 10; i++) {
		struct sbx_batch *batch = begin(device);
		sbx_batch_set_timer(batch, timer);
		clear(batch, image, 1.0f);
		if (i % 3 == 2) {
			sbx_batch_cancel(batch);
			continue;
		}
		uint64_t before = now_ns();
		assert_int_equal(sbx_device_wait(device, submit(batch), 5 * SECOND), 0);
		uint64_t wall = now_ns() - before;
		int64_t gpu = sbx_timer_duration_ns(timer);
		if (device->caps.timestamp_valid_bits > 0) {
			assert_uint_in_range(gpu, 1, wall);
		} else {
			assert_int_equal(gpu, -1);
		}
	}
	// in flight when it is destroyed
	for (int i = 0; i < 6; i++) {
		struct sbx_batch *batch = begin(device);
		sbx_batch_set_timer(batch, timer);
		submit(batch);
	}
	sbx_timer_destroy(timer);
	sbx_timer_destroy(NULL);
	sbx_image_destroy(image);
}

static void test_lost(void **state) {
	struct sbx_device *device = *state;
	struct sbx_batch *batch = begin(device);
	vulkan_fault_install(device);
	vulkan_fault_fail(1, VK_ERROR_DEVICE_LOST);
	int done = 7;
	// vkEndCommandBuffer, then vkQueueSubmit2
	assert_int_equal(sbx_batch_submit(batch, &done, NULL), -ENODEV);
	assert_int_equal(done, -1);
	assert_true(device->lost);
	assert_null(sbx_batch_begin(device));
	assert_int_equal(log_count("is lost"), 1);
	vulkan_fault_remove();
}

static int op_frame(struct sbx_device *device, void *data) {
	struct sbx_image *image = data;
	struct sbx_batch *batch = sbx_batch_begin(device);
	if (batch == NULL) {
		return -ENOMEM;
	}
	sbx_batch_use_target(batch, image);
	int done = -1;
	uint64_t value = 0;
	int ret = sbx_batch_submit(batch, &done, &value);
	if (done >= 0) {
		close(done);
	}
	if (ret == 0) {
		ret = sbx_device_wait(device, value, 5 * SECOND);
	}
	return ret;
}

static void test_every_call_fails(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	assert_true(vulkan_each_call_fails(device, VK_ERROR_OUT_OF_HOST_MEMORY, op_frame, image) >= 5);
	assert_int_equal(op_frame(device, image), 0);
	sbx_image_destroy(image);
}

/* The pending fence of vgem that a batch waits for. */
struct fence {
	int vgem_fd, fd;
	struct vgem_fence fence;
};

static void fence_open(struct fence *fence) {
	fence->vgem_fd = vgem_open();
	assert_true(fence->vgem_fd >= 0);
	assert_int_equal(vgem_fence_create(fence->vgem_fd, &fence->fence, &fence->fd), 0);
}

static void fence_close(struct fence *fence) {
	close(fence->vgem_fd);
	if (fence->fd >= 0) {
		close(fence->fd);
	}
}

static void test_wait_pending(void **state) {
	struct sbx_device *device = *state;
	struct fence fence;
	fence_open(&fence);
	for (int i = 0; i < 2; i++) {
		struct sbx_batch *batch = begin(device);
		int again = dup(fence.fd);
		assert_int_equal(sbx_batch_wait(batch, &again), 0);
		assert_int_equal(again, -1);
		assert_int_equal(sbx_batch_wait(batch, &again), 0);
		uint64_t value = submit(batch);
		assert_int_equal(sbx_device_wait(device, value, 100 * MILLISECOND), -ETIME);
		assert_int_equal(vgem_fence_signal(&fence.fence), 0);
		assert_int_equal(sbx_device_wait(device, value, 5 * SECOND), 0);
		fence_close(&fence);
		fence_open(&fence);
	}
	fence_close(&fence);
}

/* Work that waits for a client is not done, and the one who asks is told so in bounded time. */
static void test_done_is_bounded(void **state) {
	struct sbx_device *device = *state;
	struct fence fence;
	fence_open(&fence);
	struct sbx_batch *batch = begin(device);
	assert_int_equal(sbx_batch_wait(batch, &fence.fd), 0);
	int done = 7;
	uint64_t value = 0, before = now_ns();
	int ret = sbx_batch_submit(batch, &done, &value);
	uint64_t waited = now_ns() - before;
	if (device->caps.export_blocks) {
		assert_int_equal(ret, -ETIME);
		assert_int_equal(done, -1);
		assert_uint_in_range(waited, SBX_BATCH_DONE_TIMEOUT_NS, 2 * SBX_BATCH_DONE_TIMEOUT_NS);
		assert_int_equal(log_count("not finished after 2000 ms"), 1);
	} else {
		assert_int_equal(ret, 0);
		close(done);
	}
	assert_true(sbx_device_poll(device) < value);
	assert_int_equal(vgem_fence_signal(&fence.fence), 0);
	assert_int_equal(sbx_device_wait(device, value, 5 * SECOND), 0);
	fence_close(&fence);
}

/* The ring is full of frames that wait: the next one gives up after a second. */
static void test_ring_full(void **state) {
	struct sbx_device *device = *state;
	struct fence fence;
	fence_open(&fence);
	struct sbx_batch *batch = begin(device);
	assert_int_equal(sbx_batch_wait(batch, &fence.fd), 0);
	uint64_t value = submit(batch), started = now_ns();
	while ((batch = sbx_batch_begin(device)) != NULL) {
		value = submit(batch);
		assert_uint_in_range(value, 1, 100);
		started = now_ns();
	}
	assert_uint_in_range(now_ns() - started, SBX_BATCH_BEGIN_TIMEOUT_NS, 3 * SBX_BATCH_BEGIN_TIMEOUT_NS);
	assert_int_equal(vgem_fence_signal(&fence.fence), 0);
	assert_int_equal(sbx_device_wait(device, value, 5 * SECOND), 0);
	submit(begin(device));
	fence_close(&fence);
}

static void test_wait_bad_fd(void **state) {
	struct sbx_device *device = *state;
	int closed = dup(0);
	close(closed);
	int number = closed, pipe_fds[2];
	struct sbx_batch *batch = begin(device);
	assert_int_equal(sbx_batch_wait(batch, &number), -EBADF);
	assert_int_equal(number, closed);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	close(pipe_fds[1]);
	number = pipe_fds[0];
	assert_int_equal(sbx_batch_wait(batch, &number), -EINVAL);
	assert_int_equal(number, pipe_fds[0]);
	close(pipe_fds[0]);
	assert_int_equal(sbx_device_wait(device, submit(batch), 5 * SECOND), 0);
}

static int op_wait(struct sbx_device *device, void *data) {
	int fd = dup(*(int *)data), number = fd;
	struct sbx_batch *batch = sbx_batch_begin(device);
	int ret = batch != NULL ? sbx_batch_wait(batch, &fd) : -ENOMEM;
	// consumed on success only
	assert_int_equal(fd, ret == 0 ? -1 : number);
	if (fd >= 0) {
		close(fd);
	}
	sbx_batch_cancel(batch);
	return ret;
}

static void test_wait_fails(void **state) {
	struct sbx_device *device = *state;
	struct fence fence;
	fence_open(&fence);
	assert_true(vulkan_each_call_fails(device, VK_ERROR_OUT_OF_HOST_MEMORY, op_wait, &fence.fd) >= 4);
	assert_true(vulkan_each_call_fails(device, VK_ERROR_INVALID_EXTERNAL_HANDLE, op_wait,
		&fence.fd) >= 3);
	fence_close(&fence);
}

/* A cancelled wait leaves a payload in a pooled semaphore: it must not answer for the next one. */
static void test_cancel_wait(void **state) {
	struct sbx_device *device = *state;
	struct fence late, ready;
	fence_open(&late);
	fence_open(&ready);
	struct sbx_batch *batch = begin(device);
	assert_int_equal(sbx_batch_wait(batch, &late.fd), 0);
	sbx_batch_cancel(batch);
	batch = begin(device);
	assert_int_equal(sbx_batch_wait(batch, &ready.fd), 0);
	assert_int_equal(vgem_fence_signal(&ready.fence), 0);
	assert_int_equal(sbx_device_wait(device, submit(batch), 5 * SECOND), 0);
	fence_close(&late);
	fence_close(&ready);
}

/* In steady state semaphores come from the pool; a fence that has signalled needs none. */
static void test_pool(void **state) {
	struct sbx_device *device = *state;
	uint64_t imports = sbx_counter_read(SBX_COUNT_SEMAPHORE_IMPORTS);
	for (int i = 0; i < 10; i++) {
		struct fence fence;
		fence_open(&fence);
		int copy = dup(fence.fd), third = dup(fence.fd);
		struct sbx_batch *batch = begin(device);
		if (i == 5) {
			device->vk.vkCreateSemaphore = NULL;
		}
		assert_int_equal(sbx_batch_wait(batch, &fence.fd), 0);
		assert_int_equal(sbx_batch_wait(batch, &copy), 0);
		assert_int_equal(vgem_fence_signal(&fence.fence), 0);
		assert_int_equal(sbx_batch_wait(batch, &third), 0);
		assert_int_equal(third, -1);
		assert_int_equal(sbx_device_wait(device, submit(batch), 5 * SECOND), 0);
		fence_close(&fence);
	}
	assert_int_equal(sbx_counter_read(SBX_COUNT_SEMAPHORE_IMPORTS) - imports, 20);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		VULKAN_TEST(test_values),
		VULKAN_TEST(test_done),
		VULKAN_TEST(test_order),
		VULKAN_TEST(test_validation_is_awake),
		VULKAN_TEST(test_texture_then_target),
		VULKAN_TEST(test_cancel),
		VULKAN_TEST(test_two_at_once),
		VULKAN_TEST(test_too_many_recording),
		VULKAN_TEST(test_timer),
		VULKAN_TEST(test_lost),
		VULKAN_TEST(test_every_call_fails),
		VULKAN_TEST(test_wait_bad_fd),
	};
	const struct CMUnitTest lab[] = {
		VULKAN_TEST(test_wait_pending),
		VULKAN_TEST(test_done_is_bounded),
		VULKAN_TEST(test_ring_full),
		VULKAN_TEST(test_wait_fails),
		VULKAN_TEST(test_cancel_wait),
		VULKAN_TEST(test_pool),
	};
	return VULKAN_MAIN_LAB(argc, argv, "render/batch", host, lab);
}
