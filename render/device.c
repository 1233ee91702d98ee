#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "render/batch.h"
#include "render/candidate.h"
#include "render/choice.h"
#include "render/device.h"
#include "render/format_cache.h"
#include "render/instance.h"
#include "render/queue.h"
#include "render/readback.h"
#include "render/retire.h"
#include "render/staging.h"
#include "trace/log.h"

/* A hung GPU must not keep a compositor from exiting. */
#define IDLE_TIMEOUT_NS 5000000000ull

static const char *result_name(VkResult result) {
	switch ((int)result) {
#define NAME(r) case r: return #r
	NAME(VK_TIMEOUT);
	NAME(VK_NOT_READY);
	NAME(VK_INCOMPLETE);
	NAME(VK_ERROR_OUT_OF_HOST_MEMORY);
	NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY);
	NAME(VK_ERROR_OUT_OF_POOL_MEMORY);
	NAME(VK_ERROR_INITIALIZATION_FAILED);
	NAME(VK_ERROR_DEVICE_LOST);
	NAME(VK_ERROR_MEMORY_MAP_FAILED);
	NAME(VK_ERROR_EXTENSION_NOT_PRESENT);
	NAME(VK_ERROR_FEATURE_NOT_PRESENT);
	NAME(VK_ERROR_TOO_MANY_OBJECTS);
	NAME(VK_ERROR_FORMAT_NOT_SUPPORTED);
	NAME(VK_ERROR_FRAGMENTED_POOL);
	NAME(VK_ERROR_INVALID_EXTERNAL_HANDLE);
	NAME(VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
	NAME(VK_ERROR_UNKNOWN);
#undef NAME
	default:
		return "another VkResult";
	}
}

static int result_errno(VkResult result) {
	switch ((int)result) {
	case VK_ERROR_DEVICE_LOST:
		return -ENODEV;
	case VK_ERROR_OUT_OF_HOST_MEMORY:
	case VK_ERROR_OUT_OF_DEVICE_MEMORY:
	case VK_ERROR_OUT_OF_POOL_MEMORY:
	case VK_ERROR_FRAGMENTED_POOL:
	case VK_ERROR_MEMORY_MAP_FAILED:
	case VK_ERROR_TOO_MANY_OBJECTS:
		return -ENOMEM;
	case VK_TIMEOUT:
	case VK_NOT_READY:
		return -ETIME;
	case VK_ERROR_INVALID_EXTERNAL_HANDLE:
	case VK_ERROR_FORMAT_NOT_SUPPORTED:
	case VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int sbx_device_check(struct sbx_device *device, VkResult result, const char *call) {
	if (result == VK_SUCCESS) {
		return 0;
	}
	if (result == VK_ERROR_DEVICE_LOST && device->lost) {
		return -ENODEV;
	}
	sbx_log_error("driver: %s: %s (%d)", call, result_name(result), result);
	if (result == VK_ERROR_DEVICE_LOST) {
		sbx_log_error("render: the GPU %s is lost; nothing more can be drawn with it",
			device->name);
		device->lost = true;
	}
	return result_errno(result);
}

static void take_instance(struct sbx_device *device, struct sbx_instance *instance) {
	device->instance = instance->handle;
	device->vki = instance->vki;
	device->messenger = instance->messenger;
	device->validation = instance->validation;
	device->debug_utils = instance->debug_utils;
}

static void give_back_instance(struct sbx_device *device) {
	struct sbx_instance instance = {
		.handle = device->instance, .vki = device->vki, .messenger = device->messenger,
	};
	sbx_instance_finish(&instance);
}

static void take_candidate(struct sbx_device *device, const struct sbx_candidate *candidate) {
	device->physical = candidate->physical;
	device->index = candidate->index;
	device->properties = candidate->properties;
	device->name = device->properties.deviceName;
	device->caps = candidate->caps;
	device->primary_node = candidate->primary_node;
	device->render_node = candidate->render_node;
	device->queue_family = candidate->queue_family;
	device->vki.vkGetPhysicalDeviceMemoryProperties(device->physical, &device->memory);
}

static int open_device(struct sbx_device *device, struct sbx_candidate *candidate,
		bool high_priority) {
	const char *extensions[SBX_EXT_COUNT];
	uint32_t extension_count = 0;
	for (int i = 0; i < SBX_EXT_COUNT; i++) {
		if (candidate->extensions[i]) {
			extensions[extension_count++] = sbx_extension_name(i);
		}
	}
	const VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = sbx_features_chain(&candidate->features),
		.enabledExtensionCount = extension_count,
		.ppEnabledExtensionNames = extensions,
	};
	VkResult result = sbx_queue_create_device(device, candidate, &info, high_priority);
	if (result != VK_SUCCESS) {
		device->handle = VK_NULL_HANDLE;
		return sbx_device_check(device, result, "vkCreateDevice");
	}
	// volkLoadDeviceTable() asks through this global, which is hidden inside our library.
	vkGetDeviceProcAddr = device->vki.vkGetDeviceProcAddr;
	volkLoadDeviceTable(&device->vk, device->handle);
	device->vk.vkGetDeviceQueue(device->handle, device->queue_family, 0, &device->queue);
	return 0;
}

static int create_timeline(struct sbx_device *device) {
	const VkSemaphoreTypeCreateInfo type_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
		.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
	};
	const VkSemaphoreCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type_info,
	};
	int ret = SBX_VK(device, vkCreateSemaphore, device->handle, &info, NULL, &device->timeline);
	if (ret == 0) {
		sbx_device_name(device, VK_OBJECT_TYPE_SEMAPHORE, (uint64_t)device->timeline,
			"submissions");
	}
	return ret;
}

static int create_parts(struct sbx_device *device) {
	int ret = create_timeline(device);
	if (ret == 0) {
		device->retire = sbx_retire_create();
		ret = device->retire == NULL ? -ENOMEM : 0;
	}
	if (ret == 0) {
		ret = sbx_format_cache_create(device);
	}
	if (ret == 0) {
		ret = sbx_batches_create(device);
	}
	if (ret == 0) {
		ret = sbx_staging_create(device);
	}
	if (ret == 0) {
		ret = sbx_readback_create(device);
	}
	return ret;
}

static void log_report(const struct sbx_device *device) {
	sbx_log_info("render: drawing with %s, because %s", device->name, device->reason);
	char *report = sbx_device_report(device);
	char *rest = report;
	for (char *text; rest != NULL && (text = strsep(&rest, "\n")) != NULL;) {
		if (text[0] != '\0') {
			sbx_log_debug("render: %s", text);
		}
	}
	free(report);
}

static enum sbx_validation wanted_validation(const struct sbx_device_options *options) {
	const char *variable = getenv("SIGNALBOX_VALIDATION");
	if (variable != NULL && strcmp(variable, "gpu") == 0) {
		return SBX_VALIDATION_GPU;
	}
	bool wanted = options->validation || (variable != NULL && strcmp(variable, "1") == 0);
	return wanted ? SBX_VALIDATION_ON : SBX_VALIDATION_OFF;
}

static int choose_and_open(struct sbx_device *device, const struct sbx_device_options *options) {
	struct sbx_instance instance;
	int ret = sbx_instance_create(wanted_validation(options), &device->validation_messages, &instance);
	if (ret < 0) {
		return ret;
	}
	take_instance(device, &instance);
	struct sbx_candidate candidate;
	ret = sbx_choice_make(&instance, options, &candidate, &device->reason);
	if (ret < 0) {
		return ret;
	}
	take_candidate(device, &candidate);
	if (options->compute_only) {
		sbx_queue_choose_compute_only(device);
	}
	ret = open_device(device, &candidate, options->high_priority);
	sbx_candidate_finish(&candidate);
	return ret;
}

int sbx_device_create(const struct sbx_device_options *options, struct sbx_device **out) {
	struct sbx_device *device = calloc(1, sizeof(*device));
	if (device == NULL) {
		return -ENOMEM;
	}
	device->name = "?";
	int ret = choose_and_open(device, options);
	if (ret == 0) {
		ret = create_parts(device);
	}
	if (ret < 0) {
		sbx_device_destroy(device);
		return ret;
	}
	log_report(device);
	*out = device;
	return 0;
}

static bool is_idle(struct sbx_device *device) {
	return device->lost || sbx_device_wait(device, device->submitted, IDLE_TIMEOUT_NS) != -ETIME;
}

static void destroy_parts(struct sbx_device *device) {
	sbx_retire_destroy(device->retire, device);
	device->retire = NULL;
	sbx_readback_destroy(device);
	sbx_staging_destroy(device);
	sbx_batches_destroy(device);
	sbx_format_cache_destroy(device);
	device->vk.vkDestroySemaphore(device->handle, device->timeline, NULL);
	device->vk.vkDestroyDevice(device->handle, NULL);
}

void sbx_device_destroy(struct sbx_device *device) {
	if (device == NULL) {
		return;
	}
	if (device->handle != VK_NULL_HANDLE && !is_idle(device)) {
		// Destroying what a hung GPU still uses is worse than leaving it to the end of the process.
		sbx_log_error("driver: the GPU does not finish its work; the device is left open");
		return;
	}
	if (device->handle != VK_NULL_HANDLE) {
		destroy_parts(device);
	}
	if (device->instance != VK_NULL_HANDLE) {
		give_back_instance(device);
	}
	free(device);
}

int sbx_device_wait(struct sbx_device *device, uint64_t value, uint64_t timeout_ns) {
	if (value <= device->completed) {
		return 0;
	}
	if (device->lost) {
		return -ENODEV;
	}
	if (value > device->submitted) {
		sbx_log_error("signalbox bug: waiting for submission %llu of %llu",
			(unsigned long long)value, (unsigned long long)device->submitted);
		return -EINVAL;
	}
	const VkSemaphoreWaitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
		.semaphoreCount = 1,
		.pSemaphores = &device->timeline,
		.pValues = &value,
	};
	VkResult result = device->vk.vkWaitSemaphores(device->handle, &info, timeout_ns);
	if (result == VK_TIMEOUT) {
		return -ETIME;
	}
	int ret = sbx_device_check(device, result, "vkWaitSemaphores");
	if (ret == 0) {
		sbx_device_poll(device);
	}
	return ret;
}

uint64_t sbx_device_poll(struct sbx_device *device) {
	uint64_t value = 0;
	if (device->completed < device->submitted && !device->lost &&
			SBX_VK(device, vkGetSemaphoreCounterValue, device->handle, device->timeline,
				&value) == 0 && value > device->completed) {
		// A driver that counts further than we do would make us destroy what is in use.
		device->completed = value < device->submitted ? value : device->submitted;
	}
	if (device->retire != NULL) {
		sbx_retire_run(device->retire, device);
	}
	return device->completed;
}

int sbx_device_memory_type(const struct sbx_device *device, uint32_t bits,
		VkMemoryPropertyFlags wanted, VkMemoryPropertyFlags preferred) {
	int found = -1;
	for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++) {
		VkMemoryPropertyFlags has = device->memory.memoryTypes[i].propertyFlags;
		if ((bits & (1u << i)) == 0 || (has & wanted) != wanted) {
			continue;
		}
		if ((has & preferred) == preferred) {
			return i;
		}
		if (found < 0) {
			found = i;
		}
	}
	return found;
}

void sbx_device_name(struct sbx_device *device, VkObjectType type, uint64_t handle,
		const char *format, ...) {
	if (!device->debug_utils) {
		return;
	}
	char name[64];
	va_list args;
	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	const VkDebugUtilsObjectNameInfoEXT info = {
		.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
		.objectType = type,
		.objectHandle = handle,
		.pObjectName = name,
	};
	device->vki.vkSetDebugUtilsObjectNameEXT(device->handle, &info);
}
