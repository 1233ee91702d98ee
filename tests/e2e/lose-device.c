/*
 * A Vulkan layer that loses the device: once the file $SBX_LOSE_DEVICE exists, the next submission removes
 * it and fails with VK_ERROR_DEVICE_LOST, and so does all that is asked of this VkDevice from then on. One
 * that is created later works. lost-device.sh uses it.
 *
 * And one whose device cannot have the memory of others: of the dma-bufs whose exporter, as the kernel calls it
 * in /proc/self/fdinfo, is a word of $SBX_REFUSE_MEMORY ("vgem udmabuf"). two-gpus.sh uses that.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

/* One is enough: the last one that was created, or the one that was lost. */
static struct {
	VkDevice handle;
	bool lost;
	PFN_vkGetDeviceProcAddr get;
	PFN_vkDeviceWaitIdle wait_idle;
	PFN_vkQueueSubmit2 submit;
	PFN_vkWaitSemaphores wait;
	PFN_vkGetSemaphoreCounterValue value;
	PFN_vkGetMemoryFdPropertiesKHR memory;
} current;

static PFN_vkGetInstanceProcAddr next_get;
static VkInstance instance;

static bool is_lost(void) {
	const char *file = getenv("SBX_LOSE_DEVICE");
	if (!current.lost && file != NULL && unlink(file) == 0) {
		// What is in flight ends first: a driver that lost its device does not read memory any more.
		current.wait_idle(current.handle);
		current.lost = true;
	}
	return current.lost;
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_submit(VkQueue queue, uint32_t count,
		const VkSubmitInfo2 *submits, VkFence fence) {
	return is_lost() ? VK_ERROR_DEVICE_LOST : current.submit(queue, count, submits, fence);
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_semaphores(VkDevice device, const VkSemaphoreWaitInfo *info,
		uint64_t timeout) {
	bool lost = current.lost && device == current.handle;
	return lost ? VK_ERROR_DEVICE_LOST : current.wait(device, info, timeout);
}

static VKAPI_ATTR VkResult VKAPI_CALL counter_value(VkDevice device, VkSemaphore semaphore, uint64_t *value) {
	bool lost = current.lost && device == current.handle;
	return lost ? VK_ERROR_DEVICE_LOST : current.value(device, semaphore, value);
}

static bool is_refused(int fd) {
	const char *refused = getenv("SBX_REFUSE_MEMORY");
	char path[64], line[256], exporter[64] = "";
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	FILE *file = refused != NULL ? fopen(path, "re") : NULL;
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "exp_name: %63s", exporter);
	}
	if (file != NULL) {
		fclose(file);
	}
	return exporter[0] != '\0' && strstr(refused, exporter) != NULL;
}

static VKAPI_ATTR VkResult VKAPI_CALL memory_properties(VkDevice device,
		VkExternalMemoryHandleTypeFlagBits type, int fd, VkMemoryFdPropertiesKHR *properties) {
	return is_refused(fd) ? VK_ERROR_INVALID_EXTERNAL_HANDLE :
		current.memory(device, type, fd, properties);
}

/* The loader's list of who comes after us. */
static VkLayerDeviceCreateInfo *device_chain(const VkDeviceCreateInfo *info) {
	VkLayerDeviceCreateInfo *chain = (VkLayerDeviceCreateInfo *)info->pNext;
	while (chain != NULL && (chain->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
			chain->function != VK_LAYER_LINK_INFO)) {
		chain = (VkLayerDeviceCreateInfo *)chain->pNext;
	}
	return chain;
}

static VkLayerInstanceCreateInfo *instance_chain(const VkInstanceCreateInfo *info) {
	VkLayerInstanceCreateInfo *chain = (VkLayerInstanceCreateInfo *)info->pNext;
	while (chain != NULL && (chain->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO ||
			chain->function != VK_LAYER_LINK_INFO)) {
		chain = (VkLayerInstanceCreateInfo *)chain->pNext;
	}
	return chain;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
		const VkAllocationCallbacks *allocator, VkDevice *device) {
	VkLayerDeviceCreateInfo *chain = device_chain(info);
	if (chain == NULL) {
		return VK_ERROR_INITIALIZATION_FAILED;
	}
	PFN_vkGetInstanceProcAddr get_instance = chain->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	PFN_vkGetDeviceProcAddr get = chain->u.pLayerInfo->pfnNextGetDeviceProcAddr;
	chain->u.pLayerInfo = chain->u.pLayerInfo->pNext;
	PFN_vkCreateDevice create = (PFN_vkCreateDevice)get_instance(instance, "vkCreateDevice");
	VkResult result = create(physical, info, allocator, device);
	if (result == VK_SUCCESS) {
		current.handle = *device;
		current.lost = false;
		current.get = get;
		current.wait_idle = (PFN_vkDeviceWaitIdle)get(*device, "vkDeviceWaitIdle");
		current.submit = (PFN_vkQueueSubmit2)get(*device, "vkQueueSubmit2");
		current.wait = (PFN_vkWaitSemaphores)get(*device, "vkWaitSemaphores");
		current.value = (PFN_vkGetSemaphoreCounterValue)get(*device, "vkGetSemaphoreCounterValue");
		current.memory = (PFN_vkGetMemoryFdPropertiesKHR)get(*device, "vkGetMemoryFdPropertiesKHR");
	}
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
		const VkAllocationCallbacks *allocator, VkInstance *created) {
	VkLayerInstanceCreateInfo *chain = instance_chain(info);
	if (chain == NULL) {
		return VK_ERROR_INITIALIZATION_FAILED;
	}
	next_get = chain->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	chain->u.pLayerInfo = chain->u.pLayerInfo->pNext;
	PFN_vkCreateInstance create = (PFN_vkCreateInstance)next_get(NULL, "vkCreateInstance");
	VkResult result = create(info, allocator, created);
	if (result == VK_SUCCESS) {
		instance = *created;
	}
	return result;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name);

static PFN_vkVoidFunction own(const char *name) {
	static const struct {
		const char *name;
		PFN_vkVoidFunction function;
	} functions[] = {
		{ "vkGetDeviceProcAddr", (PFN_vkVoidFunction)get_device_proc },
		{ "vkQueueSubmit2", (PFN_vkVoidFunction)queue_submit },
		{ "vkQueueSubmit2KHR", (PFN_vkVoidFunction)queue_submit },
		{ "vkWaitSemaphores", (PFN_vkVoidFunction)wait_semaphores },
		{ "vkGetSemaphoreCounterValue", (PFN_vkVoidFunction)counter_value },
		{ "vkGetMemoryFdPropertiesKHR", (PFN_vkVoidFunction)memory_properties },
		{ "vkCreateInstance", (PFN_vkVoidFunction)create_instance },
		{ "vkCreateDevice", (PFN_vkVoidFunction)create_device },
	};
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].name, name) == 0) {
			return functions[i].function;
		}
	}
	return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name) {
	PFN_vkVoidFunction function = own(name);
	return function != NULL ? function : current.get(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(VkInstance of, const char *name) {
	PFN_vkVoidFunction function = own(name);
	return function != NULL ? function : next_get != NULL ? next_get(of, name) : NULL;
}

EXPORT VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(
		VkNegotiateLayerInterface *interface) {
	interface->loaderLayerInterfaceVersion = 2;
	interface->pfnGetInstanceProcAddr = get_instance_proc;
	interface->pfnGetDeviceProcAddr = get_device_proc;
	interface->pfnGetPhysicalDeviceProcAddr = NULL;
	return VK_SUCCESS;
}
