#include "bench/gpu/bandwidth.h"

#include "bench/gpu/stats.h"
#include "render/batch.h"
#include "render/device.h"

#define COPIES 20
#define TIMEOUT_NS 10000000000ull

struct memory {
	VkBuffer buffer;
	VkDeviceMemory memory;
};

static int create(struct sbx_device *device, size_t size, struct memory *memory) {
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = size,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	VkMemoryRequirements needs;
	int ret = SBX_VK(device, vkCreateBuffer, device->handle, &info, NULL, &memory->buffer);
	if (ret < 0) {
		return ret;
	}
	device->vk.vkGetBufferMemoryRequirements(device->handle, memory->buffer, &needs);
	const VkMemoryAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = needs.size,
		.memoryTypeIndex = (uint32_t)sbx_device_memory_type(device, needs.memoryTypeBits, 0,
			VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT),
	};
	ret = SBX_VK(device, vkAllocateMemory, device->handle, &allocate, NULL, &memory->memory);
	return ret < 0 ? ret :
		SBX_VK(device, vkBindBufferMemory, device->handle, memory->buffer, memory->memory, 0);
}

static void destroy(struct sbx_device *device, struct memory *memory) {
	device->vk.vkDestroyBuffer(device->handle, memory->buffer, NULL);
	device->vk.vkFreeMemory(device->handle, memory->memory, NULL);
}

/** Nanoseconds, or -1. */
static int64_t copy_once(struct sbx_device *device, struct sbx_timer *timer, size_t size,
		VkBuffer from, VkBuffer to) {
	struct sbx_batch *batch = sbx_batch_begin(device);
	uint64_t value = 0;
	if (batch == NULL) {
		return -1;
	}
	sbx_batch_set_timer(batch, timer);
	sbx_batch_flush_barriers(batch);
	const VkBufferCopy region = { .size = size };
	device->vk.vkCmdCopyBuffer(sbx_batch_commands(batch), from, to, 1, &region);
	if (sbx_batch_submit(batch, NULL, &value) < 0 ||
			sbx_device_wait(device, value, TIMEOUT_NS) < 0) {
		return -1;
	}
	return sbx_timer_duration_ns(timer);
}

static double measure(struct sbx_device *device, struct sbx_timer *timer, size_t size,
		const struct memory *from, const struct memory *to) {
	int64_t times[COPIES];
	for (int i = -1; i < COPIES; i++) {
		int64_t time = copy_once(device, timer, size, from->buffer, to->buffer);
		if (time <= 0) {
			return 0;
		}
		times[i < 0 ? 0 : i] = time;
	}
	stats_sort(times, COPIES);
	return 2.0 * (double)size / (double)stats_at(times, COPIES, 0.5);
}

double bandwidth_of_copies(struct sbx_device *device, size_t size) {
	struct memory from = {0}, to = {0};
	struct sbx_timer *timer = sbx_timer_create(device);
	double bandwidth = 0;
	if (timer != NULL && create(device, size, &from) == 0 && create(device, size, &to) == 0) {
		bandwidth = measure(device, timer, size, &from, &to);
	}
	sbx_device_wait(device, device->submitted, TIMEOUT_NS);
	destroy(device, &from);
	destroy(device, &to);
	sbx_timer_destroy(timer);
	return bandwidth;
}
