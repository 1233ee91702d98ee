#include <errno.h>
#include <stdlib.h>
#include "harness/vulkan.h"
#include "render/batch.h"

#define SECOND 1000000000ull

static VkQueueFlags flags_of(struct sbx_device *device) {
	VkQueueFamilyProperties families[16];
	uint32_t count = sizeof(families) / sizeof(families[0]);
	device->vki.vkGetPhysicalDeviceQueueFamilyProperties(device->physical, &count, families);
	assert_true(device->queue_family < count);
	return families[device->queue_family].queueFlags;
}

static bool has_compute_only(struct sbx_device *device) {
	VkQueueFamilyProperties families[16];
	uint32_t count = sizeof(families) / sizeof(families[0]);
	device->vki.vkGetPhysicalDeviceQueueFamilyProperties(device->physical, &count, families);
	for (uint32_t i = 0; i < count; i++) {
		if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0 &&
				(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) == 0) {
			return true;
		}
	}
	return false;
}

static void expect_works(struct sbx_device *device) {
	struct sbx_batch *batch = sbx_batch_begin(device);
	uint64_t value = 0;
	assert_non_null(batch);
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
}

static struct sbx_device *open_with(bool compute_only, bool high_priority) {
	struct sbx_device *device = NULL;
	assert_int_equal(sbx_device_create(&(struct sbx_device_options){
		.name = getenv("SIGNALBOX_DEVICE") != NULL ? NULL : "software",
		.drm_fd = -1,
		.validation = true,
		.compute_only = compute_only,
		.high_priority = high_priority,
	}, &device), 0);
	return device;
}

/* Unless it is asked for: the family that draws, the usual priority. */
static void test_usual(void **state) {
	struct sbx_device *device = *state;
	assert_true(flags_of(device) & VK_QUEUE_COMPUTE_BIT);
	assert_false(device->high_priority);
}

/* Asking for what is not there is no failure: there is a queue, and it works. */
static void test_compute_only(void **state) {
	struct sbx_device *device = open_with(true, false);
	VkQueueFlags flags = flags_of(device);
	assert_true(flags & VK_QUEUE_COMPUTE_BIT);
	assert_int_equal((flags & VK_QUEUE_GRAPHICS_BIT) == 0, has_compute_only(device));
	expect_works(device);
	sbx_device_destroy(device);
}

static void test_high_priority(void **state) {
	for (int compute_only = 0; compute_only < 2; compute_only++) {
		struct sbx_device *device = open_with(compute_only, true);
		print_message("    high priority: %s\n", device->high_priority ? "yes" : "not given");
		expect_works(device);
		sbx_device_destroy(device);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_usual),
		VULKAN_TEST(test_compute_only),
		VULKAN_TEST(test_high_priority),
	};
	return VULKAN_MAIN("render/queue", tests);
}
