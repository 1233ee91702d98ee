#include "bench/gpu/driver_time.h"

#include <stddef.h>
#include <string.h>
#include <time.h>
#include <volk.h>

static int64_t total_ns;

static int64_t now_ns(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

int64_t driver_time_ns(void) {
	return total_ns;
}

/* What start-up calls; X(name, parameters, arguments). First what returns a VkResult. */
#define RESULT_CALLS(X) \
	X(vkEnumerateInstanceVersion, (uint32_t *v), (v)) \
	X(vkEnumerateInstanceLayerProperties, (uint32_t *n, VkLayerProperties *p), (n, p)) \
	X(vkEnumerateInstanceExtensionProperties, (const char *l, uint32_t *n, \
		VkExtensionProperties *p), (l, n, p)) \
	X(vkCreateInstance, (const VkInstanceCreateInfo *i, const VkAllocationCallbacks *a, \
		VkInstance *o), (i, a, o)) \
	X(vkEnumeratePhysicalDevices, (VkInstance i, uint32_t *n, VkPhysicalDevice *p), (i, n, p)) \
	X(vkEnumerateDeviceExtensionProperties, (VkPhysicalDevice d, const char *l, uint32_t *n, \
		VkExtensionProperties *p), (d, l, n, p)) \
	X(vkGetPhysicalDeviceImageFormatProperties2, (VkPhysicalDevice d, \
		const VkPhysicalDeviceImageFormatInfo2 *i, VkImageFormatProperties2 *p), (d, i, p)) \
	X(vkCreateDevice, (VkPhysicalDevice d, const VkDeviceCreateInfo *i, \
		const VkAllocationCallbacks *a, VkDevice *o), (d, i, a, o)) \
	X(vkCreateSemaphore, (VkDevice d, const VkSemaphoreCreateInfo *i, \
		const VkAllocationCallbacks *a, VkSemaphore *o), (d, i, a, o)) \
	X(vkCreateDescriptorPool, (VkDevice d, const VkDescriptorPoolCreateInfo *i, \
		const VkAllocationCallbacks *a, VkDescriptorPool *o), (d, i, a, o)) \
	X(vkAllocateDescriptorSets, (VkDevice d, const VkDescriptorSetAllocateInfo *i, \
		VkDescriptorSet *o), (d, i, o)) \
	X(vkCreatePipelineCache, (VkDevice d, const VkPipelineCacheCreateInfo *i, \
		const VkAllocationCallbacks *a, VkPipelineCache *o), (d, i, a, o)) \
	X(vkGetPipelineCacheData, (VkDevice d, VkPipelineCache c, size_t *s, void *p), (d, c, s, p)) \
	X(vkCreateShaderModule, (VkDevice d, const VkShaderModuleCreateInfo *i, \
		const VkAllocationCallbacks *a, VkShaderModule *o), (d, i, a, o)) \
	X(vkCreateComputePipelines, (VkDevice d, VkPipelineCache c, uint32_t n, \
		const VkComputePipelineCreateInfo *i, const VkAllocationCallbacks *a, VkPipeline *o), \
		(d, c, n, i, a, o)) \
	X(vkCreateCommandPool, (VkDevice d, const VkCommandPoolCreateInfo *i, \
		const VkAllocationCallbacks *a, VkCommandPool *o), (d, i, a, o)) \
	X(vkAllocateCommandBuffers, (VkDevice d, const VkCommandBufferAllocateInfo *i, \
		VkCommandBuffer *o), (d, i, o)) \
	X(vkCreateImage, (VkDevice d, const VkImageCreateInfo *i, const VkAllocationCallbacks *a, \
		VkImage *o), (d, i, a, o)) \
	X(vkCreateBuffer, (VkDevice d, const VkBufferCreateInfo *i, const VkAllocationCallbacks *a, \
		VkBuffer *o), (d, i, a, o)) \
	X(vkAllocateMemory, (VkDevice d, const VkMemoryAllocateInfo *i, \
		const VkAllocationCallbacks *a, VkDeviceMemory *o), (d, i, a, o)) \
	X(vkMapMemory, (VkDevice d, VkDeviceMemory m, VkDeviceSize o, VkDeviceSize s, \
		VkMemoryMapFlags f, void **p), (d, m, o, s, f, p)) \
	X(vkQueueSubmit2, (VkQueue q, uint32_t n, const VkSubmitInfo2 *i, VkFence f), (q, n, i, f)) \
	X(vkWaitSemaphores, (VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t t), (d, i, t))

/* Then what returns nothing. */
#define VOID_CALLS(X) \
	X(vkGetPhysicalDeviceProperties, (VkPhysicalDevice d, VkPhysicalDeviceProperties *p), (d, p)) \
	X(vkGetPhysicalDeviceProperties2, (VkPhysicalDevice d, VkPhysicalDeviceProperties2 *p), \
		(d, p)) \
	X(vkGetPhysicalDeviceFeatures2, (VkPhysicalDevice d, VkPhysicalDeviceFeatures2 *p), (d, p)) \
	X(vkGetPhysicalDeviceFormatProperties, (VkPhysicalDevice d, VkFormat f, \
		VkFormatProperties *p), (d, f, p)) \
	X(vkGetPhysicalDeviceFormatProperties2, (VkPhysicalDevice d, VkFormat f, \
		VkFormatProperties2 *p), (d, f, p)) \
	X(vkDestroyImage, (VkDevice d, VkImage i, const VkAllocationCallbacks *a), (d, i, a)) \
	X(vkFreeMemory, (VkDevice d, VkDeviceMemory m, const VkAllocationCallbacks *a), (d, m, a)) \
	X(vkUpdateDescriptorSets, (VkDevice d, uint32_t n, const VkWriteDescriptorSet *w, uint32_t m, \
		const VkCopyDescriptorSet *c), (d, n, w, m, c))

#define DEFINE_RESULT(name, parameters, arguments) \
	static PFN_##name real_##name; \
	static VKAPI_ATTR VkResult VKAPI_CALL timed_##name parameters { \
		int64_t begin = now_ns(); \
		VkResult result = real_##name arguments; \
		total_ns += now_ns() - begin; \
		return result; \
	}
#define DEFINE_VOID(name, parameters, arguments) \
	static PFN_##name real_##name; \
	static VKAPI_ATTR void VKAPI_CALL timed_##name parameters { \
		int64_t begin = now_ns(); \
		real_##name arguments; \
		total_ns += now_ns() - begin; \
	}
RESULT_CALLS(DEFINE_RESULT)
VOID_CALLS(DEFINE_VOID)

static PFN_vkGetInstanceProcAddr real_instance;
static PFN_vkGetDeviceProcAddr real_device;

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL find_device(VkDevice device, const char *name);

static PFN_vkVoidFunction replace(const char *name, PFN_vkVoidFunction found) {
#define REPLACE(call, parameters, arguments) \
	if (strcmp(name, #call) == 0) { \
		real_##call = (PFN_##call)found; \
		return (PFN_vkVoidFunction)timed_##call; \
	}
	if (found == NULL) {
		return NULL;
	}
	if (strcmp(name, "vkGetDeviceProcAddr") == 0) {
		real_device = (PFN_vkGetDeviceProcAddr)found;
		return (PFN_vkVoidFunction)find_device;
	}
	RESULT_CALLS(REPLACE)
	VOID_CALLS(REPLACE)
	return found;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL find_device(VkDevice device, const char *name) {
	return replace(name, real_device(device, name));
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL find_instance(VkInstance instance, const char *name) {
	return replace(name, real_instance(instance, name));
}

/* The linker puts it in the place of volkInitialize(). */
VkResult __real_volkInitialize(void);
VkResult __wrap_volkInitialize(void);

VkResult __wrap_volkInitialize(void) {
	int64_t begin = now_ns();
	VkResult result = __real_volkInitialize();
	total_ns += now_ns() - begin;
	if (result == VK_SUCCESS) {
		real_instance = vkGetInstanceProcAddr;
		volkInitializeCustom(find_instance);
	}
	return result;
}
