#include "render/queue.h"

#include "render/candidate.h"
#include "render/device.h"
#include "trace/log.h"

void sbx_queue_choose_compute_only(struct sbx_device *device) {
	VkQueueFamilyProperties families[16];
	uint32_t count = sizeof(families) / sizeof(families[0]);
	device->vki.vkGetPhysicalDeviceQueueFamilyProperties(device->physical, &count, families);
	for (uint32_t i = 0; i < count; i++) {
		VkQueueFlags flags = families[i].queueFlags & (VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT);
		if (flags == VK_QUEUE_COMPUTE_BIT &&
				families[i].timestampValidBits == device->caps.timestamp_valid_bits) {
			device->queue_family = i;
			return;
		}
	}
}

VkResult sbx_queue_create_device(struct sbx_device *device, const struct sbx_candidate *candidate,
		const VkDeviceCreateInfo *info, bool high_priority) {
	const float priority = 1.0f;
	const VkDeviceQueueGlobalPriorityCreateInfoKHR global_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_GLOBAL_PRIORITY_CREATE_INFO_KHR,
		.globalPriority = VK_QUEUE_GLOBAL_PRIORITY_HIGH_KHR,
	};
	device->high_priority = high_priority && candidate->extensions[SBX_EXT_GLOBAL_PRIORITY];
	const VkDeviceQueueCreateInfo queue_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.pNext = device->high_priority ? &global_info : NULL,
		.queueFamilyIndex = device->queue_family,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkDeviceCreateInfo with_queue = *info;
	with_queue.queueCreateInfoCount = 1;
	with_queue.pQueueCreateInfos = &queue_info;
	VkResult result = device->vki.vkCreateDevice(device->physical, &with_queue, NULL,
		&device->handle);
	// Which priorities a process may ask for is the driver's to say: refused is as good as not there.
	if (result != VK_SUCCESS && device->high_priority) {
		sbx_log_debug("render: %s gives no queue of high priority (VkResult %d)", device->name,
			result);
		return sbx_queue_create_device(device, candidate, info, false);
	}
	return result;
}
