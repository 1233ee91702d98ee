/* The GPU's times of a batch lie between its submission and its end, on the clock of the CPU. */
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "harness/vgem.h"
#include "harness/vulkan.h"
#include "render/batch.h"
#include "render/format.h"
#include "render/image.h"
#include "render/stopwatch.h"
#include "sync/fd.h"
#include "trace/recorder.h"

#define SECOND 1000000000ull

static struct sbx_image *target(struct sbx_device *device) {
	struct sbx_image *image = sbx_image_create(device, sbx_format_from_drm(DRM_FORMAT_XRGB8888),
		256, 256, SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE);
	assert_non_null(image);
	return image;
}

static void clear(struct sbx_batch *batch, struct sbx_image *image) {
	const VkClearColorValue color = { .float32 = { 1, 1, 1, 1 } };
	const VkImageSubresourceRange range = {
		.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1,
	};
	assert_int_equal(sbx_batch_use_target(batch, image), 0);
	sbx_batch_flush_barriers(batch);
	image->device->vk.vkCmdClearColorImage(sbx_batch_commands(batch), image->handle,
		VK_IMAGE_LAYOUT_GENERAL, &color, 1, &range);
}

static uint64_t submit_work(struct sbx_device *device, struct sbx_image *image, uint64_t pass, int *wait) {
	uint64_t value = 0;
	struct sbx_batch *batch = sbx_batch_begin(device);
	assert_non_null(batch);
	if (wait != NULL) {
		assert_int_equal(sbx_batch_wait(batch, wait), 0);
	}
	sbx_batch_trace(batch, pass);
	clear(batch, image);
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	return value;
}

/* *event is the one of that kind and pass. Returns whether there is exactly one. */
static bool find(const struct sbx_recording *recording, enum sbx_event_kind kind, uint64_t pass,
		struct sbx_event *event) {
	unsigned found = 0;
	for (size_t i = 0; i < recording->count; i++) {
		if (recording->events[i].kind == kind && recording->events[i].value == pass) {
			*event = recording->events[i];
			found++;
		}
	}
	return found == 1;
}

/* As good as the device's clock is known, and that has to be well enough to be of use. */
static void check_pass(const struct sbx_recording *recording, uint64_t pass, int64_t done_ns) {
	struct sbx_event submitted, began, ended;
	assert_true(find(recording, SBX_EVENT_PASS_SUBMITTED, pass, &submitted));
	assert_true(find(recording, SBX_EVENT_GPU_BEGAN, pass, &began));
	assert_true(find(recording, SBX_EVENT_GPU_ENDED, pass, &ended));
	int64_t uncertainty = (int64_t)began.extra;
	assert_true(uncertainty < 1000000000);
	assert_true(began.time_ns + uncertainty >= submitted.time_ns);
	assert_true(ended.time_ns >= began.time_ns);
	assert_true(ended.time_ns - uncertainty <= done_ns);
}

static void read_recording(struct sbx_recording *recording) {
	assert_int_equal(sbx_recorder_read(recording), 0);
	assert_int_equal(recording->lost, 0);
}

enum { PASSES = 40 };

static void run_passes(struct sbx_device *device) {
	struct sbx_image *image = target(device);
	struct sbx_recording recording;
	int64_t done_ns[PASSES + 1];
	for (uint64_t pass = 1; pass <= PASSES; pass++) {
		uint64_t value = submit_work(device, image, pass, NULL);
		assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
		done_ns[pass] = sbx_recorder_now_ns();
	}
	// Reading asks for what is there by now: the last one, too.
	read_recording(&recording);
	for (uint64_t pass = 1; pass <= PASSES; pass++) {
		check_pass(&recording, pass, done_ns[pass]);
	}
	free(recording.events);
	sbx_image_destroy(image);
}

static void test_inside(void **state) {
	assert_int_equal(sbx_trace_start(0), 0);
	run_passes(*state);
	sbx_trace_stop();
}

/* By timestamps, as on a GPU. */
static void test_timestamps(void **state) {
	struct sbx_device *device = *state;
	device->caps.software = false;
	assert_int_equal(sbx_trace_start(0), 0);
	run_passes(device);
	sbx_trace_stop();
}

/* The same where the driver cannot read both clocks at once. */
static void test_uncalibrated(void **state) {
	struct sbx_device *device = *state;
	device->caps.software = false;
	device->caps.calibrated_timestamps = false;
	assert_int_equal(sbx_trace_start(0), 0);
	run_passes(device);
	sbx_trace_stop();
}

/* What is long is long: begin and end are not stamped at the same moment. */
static void test_duration(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = sbx_image_create(device, sbx_format_from_drm(DRM_FORMAT_XRGB8888), 2048, 2048,
		SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE);
	struct sbx_recording recording;
	struct sbx_event submitted, began, ended;
	uint64_t value = 0;
	assert_non_null(image);
	assert_int_equal(sbx_trace_start(0), 0);
	struct sbx_batch *batch = sbx_batch_begin(device);
	sbx_batch_trace(batch, 1);
	for (int i = 0; i < 40; i++) {
		clear(batch, image);
		sbx_batch_order(batch);
	}
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	assert_int_equal(sbx_device_wait(device, value, 60 * SECOND), 0);
	int64_t done_ns = sbx_recorder_now_ns();
	read_recording(&recording);
	check_pass(&recording, 1, done_ns);
	assert_true(find(&recording, SBX_EVENT_PASS_SUBMITTED, 1, &submitted));
	assert_true(find(&recording, SBX_EVENT_GPU_BEGAN, 1, &began));
	assert_true(find(&recording, SBX_EVENT_GPU_ENDED, 1, &ended));
	if (device->caps.software) {
		// It does nothing else, and nobody else is on it.
		assert_true(4 * (ended.time_ns - began.time_ns) > done_ns - submitted.time_ns);
	}
	free(recording.events);
	sbx_trace_stop();
	sbx_image_destroy(image);
}

static unsigned timestamps;
static PFN_vkCmdWriteTimestamp2 write_timestamp;

static VKAPI_ATTR void VKAPI_CALL count_timestamp(VkCommandBuffer commands, VkPipelineStageFlags2 stage,
		VkQueryPool pool, uint32_t query) {
	timestamps++;
	write_timestamp(commands, stage, pool, query);
}

/* As the renderer does: the completion is asked for. A CPU that waits for it needs no queries. */
static void test_waited_for(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	struct sbx_recording recording;
	int64_t done_ns[4];
	write_timestamp = device->vk.vkCmdWriteTimestamp2;
	device->vk.vkCmdWriteTimestamp2 = count_timestamp;
	timestamps = 0;
	assert_int_equal(sbx_trace_start(0), 0);
	for (uint64_t pass = 1; pass <= 3; pass++) {
		struct sbx_batch *batch = sbx_batch_begin(device);
		int done_fd = -1;
		uint64_t value = 0;
		sbx_batch_trace(batch, pass);
		clear(batch, image);
		assert_int_equal(sbx_batch_submit(batch, &done_fd, &value), 0);
		assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
		sbx_fd_close(&done_fd);
		done_ns[pass] = sbx_recorder_now_ns();
	}
	usleep(20000); // until it is collected
	read_recording(&recording);
	for (uint64_t pass = 1; pass <= 3; pass++) {
		struct sbx_event ended;
		check_pass(&recording, pass, done_ns[pass]);
		assert_true(find(&recording, SBX_EVENT_GPU_ENDED, pass, &ended));
		assert_true(!device->caps.export_blocks || ended.extra == 0);
	}
	assert_int_equal(timestamps, device->caps.software ? 0 : 6);
	free(recording.events);
	sbx_trace_stop();
	device->vk.vkCmdWriteTimestamp2 = write_timestamp;
	sbx_image_destroy(image);
}

/* The device is closed before anybody asks: nothing of the last pass is lost. */
static void test_closed(void **state) {
	struct sbx_device *device = vulkan_open();
	struct sbx_recording recording;
	assert_non_null(device);
	struct sbx_image *image = target(device);
	assert_int_equal(sbx_trace_start(0), 0);
	submit_work(device, image, 1, NULL);
	sbx_image_destroy(image);
	sbx_device_destroy(device);
	read_recording(&recording);
	check_pass(&recording, 1, sbx_recorder_now_ns());
	free(recording.events);
	sbx_trace_stop();
}

/* More batches on their way than anybody asks about in between. */
static void test_in_flight(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	struct sbx_recording recording;
	assert_int_equal(sbx_trace_start(0), 0);
	for (uint64_t pass = 1; pass <= PASSES; pass++) {
		submit_work(device, image, pass, NULL);
	}
	assert_int_equal(sbx_device_wait(device, device->submitted, 10 * SECOND), 0);
	int64_t done_ns = sbx_recorder_now_ns();
	read_recording(&recording);
	for (uint64_t pass = 1; pass <= PASSES; pass++) {
		check_pass(&recording, pass, done_ns);
	}
	free(recording.events);
	sbx_trace_stop();
	sbx_image_destroy(image);
}

/* Nothing is recorded, and no queries are made, while nobody asked for it; nor of dropped batches. */
static void test_off(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	struct sbx_recording recording;
	uint64_t value = submit_work(device, image, 1, NULL);
	assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
	assert_int_equal(sbx_trace_start(0), 0);
	struct sbx_batch *batch = sbx_batch_begin(device);
	sbx_batch_trace(batch, 2);
	sbx_batch_cancel(batch);
	value = submit_work(device, image, 3, NULL);
	assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
	read_recording(&recording);
	assert_int_equal(recording.count, 3);
	check_pass(&recording, 3, sbx_recorder_now_ns());
	free(recording.events);
	sbx_trace_stop();
	value = submit_work(device, image, 4, NULL);
	assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
	read_recording(&recording);
	assert_int_equal(recording.count, 3);
	free(recording.events);
	sbx_image_destroy(image);
}

/* A batch that waits for a client's fence begins when that has signalled, and not when it was sent. */
static void test_waits(void **state) {
	struct sbx_device *device = *state;
	struct sbx_image *image = target(device);
	struct sbx_recording recording;
	struct sbx_event began;
	struct vgem_fence fence;
	int vgem = vgem_open(), sync_file = -1;
	assert_true(vgem >= 0);
	assert_int_equal(vgem_fence_create(vgem, &fence, &sync_file), 0);
	assert_int_equal(sbx_trace_start(0), 0);
	uint64_t value = submit_work(device, image, 1, &sync_file);
	int64_t sent_ns = sbx_recorder_now_ns();
	assert_int_equal(sbx_device_wait(device, value, 20000000), -ETIME);
	int64_t signalled_ns = sbx_recorder_now_ns();
	assert_int_equal(vgem_fence_signal(&fence), 0);
	assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
	int64_t done_ns = sbx_recorder_now_ns();
	read_recording(&recording);
	check_pass(&recording, 1, done_ns);
	assert_true(find(&recording, SBX_EVENT_GPU_BEGAN, 1, &began));
	assert_true(sent_ns < signalled_ns);
	assert_true(began.time_ns + (int64_t)began.extra >= signalled_ns);
	free(recording.events);
	sbx_trace_stop();
	sbx_image_destroy(image);
	close(vgem);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		VULKAN_TEST(test_inside),
		VULKAN_TEST(test_timestamps),
		VULKAN_TEST(test_uncalibrated),
		VULKAN_TEST(test_duration),
		VULKAN_TEST(test_waited_for),
		VULKAN_TEST(test_closed),
		VULKAN_TEST(test_in_flight),
		VULKAN_TEST(test_off),
	};
	const struct CMUnitTest lab[] = { VULKAN_TEST(test_waits), VULKAN_TEST(test_inside) };
	return VULKAN_MAIN_LAB(argc, argv, "render/stopwatch", host, lab);
}
