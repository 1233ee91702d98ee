/*
 * A Vulkan layer that tells the bench how much device memory there is, whoever allocates it: count.h. Memory that
 * is imported is somebody else's and does not count.
 */
#include "count.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

struct allocation {
	struct allocation *next;
	VkDeviceMemory memory;
	int64_t size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct allocation *allocations;

static PFN_vkGetInstanceProcAddr next_get;
static VkInstance instance;

/* Of the only device that a renderer has. */
static PFN_vkGetDeviceProcAddr device_get;
static PFN_vkAllocateMemory device_allocate;
static PFN_vkFreeMemory device_free;

static bool is_import(const VkMemoryAllocateInfo *info) {
	for (const VkBaseInStructure *more = info->pNext; more != NULL; more = more->pNext) {
		if (more->sType == VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR) {
			return true;
		}
	}
	return false;
}

static void remember(VkDeviceMemory memory, int64_t size) {
	struct allocation *allocation = malloc(sizeof(*allocation));
	if (allocation == NULL) {
		abort();
	}
	pthread_mutex_lock(&lock);
	*allocation = (struct allocation){ .next = allocations, .memory = memory, .size = size };
	allocations = allocation;
	pthread_mutex_unlock(&lock);
	bench_count_device_memory(size);
}

static void forget(VkDeviceMemory memory) {
	pthread_mutex_lock(&lock);
	struct allocation **place = &allocations;
	while (*place != NULL && (*place)->memory != memory) {
		place = &(*place)->next;
	}
	struct allocation *found = *place;
	if (found != NULL) {
		*place = found->next;
		bench_count_device_memory(-found->size);
	}
	pthread_mutex_unlock(&lock);
	free(found);
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_memory(VkDevice device, const VkMemoryAllocateInfo *info,
		const VkAllocationCallbacks *allocator, VkDeviceMemory *memory) {
	VkResult result = device_allocate(device, info, allocator, memory);
	if (result == VK_SUCCESS && !is_import(info)) {
		remember(*memory, (int64_t)info->allocationSize);
	}
	return result;
}

static VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory,
		const VkAllocationCallbacks *allocator) {
	forget(memory);
	device_free(device, memory, allocator);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
		const VkAllocationCallbacks *allocator, VkDevice *device) {
	VkLayerDeviceCreateInfo *chain = (VkLayerDeviceCreateInfo *)info->pNext;
	while (chain != NULL && (chain->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
			chain->function != VK_LAYER_LINK_INFO)) {
		chain = (VkLayerDeviceCreateInfo *)chain->pNext;
	}
	if (chain == NULL) {
		return VK_ERROR_INITIALIZATION_FAILED;
	}
	PFN_vkGetInstanceProcAddr get_instance = chain->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	device_get = chain->u.pLayerInfo->pfnNextGetDeviceProcAddr;
	chain->u.pLayerInfo = chain->u.pLayerInfo->pNext;
	PFN_vkCreateDevice create = (PFN_vkCreateDevice)get_instance(instance, "vkCreateDevice");
	VkResult result = create(physical, info, allocator, device);
	if (result == VK_SUCCESS) {
		device_allocate = (PFN_vkAllocateMemory)device_get(*device, "vkAllocateMemory");
		device_free = (PFN_vkFreeMemory)device_get(*device, "vkFreeMemory");
		bench_count_device_memory(0);
	}
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
		const VkAllocationCallbacks *allocator, VkInstance *created) {
	VkLayerInstanceCreateInfo *chain = (VkLayerInstanceCreateInfo *)info->pNext;
	while (chain != NULL && (chain->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO ||
			chain->function != VK_LAYER_LINK_INFO)) {
		chain = (VkLayerInstanceCreateInfo *)chain->pNext;
	}
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
		{ "vkAllocateMemory", (PFN_vkVoidFunction)allocate_memory },
		{ "vkFreeMemory", (PFN_vkVoidFunction)free_memory },
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
	return function != NULL ? function : device_get(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(VkInstance of, const char *name) {
	PFN_vkVoidFunction function = own(name);
	return function != NULL ? function : next_get != NULL ? next_get(of, name) : NULL;
}

__attribute__((visibility("default")))
VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *interface) {
	interface->loaderLayerInterfaceVersion = 2;
	interface->pfnGetInstanceProcAddr = get_instance_proc;
	interface->pfnGetDeviceProcAddr = get_device_proc;
	interface->pfnGetPhysicalDeviceProcAddr = NULL;
	return VK_SUCCESS;
}
