#include <limits.h>
#include "harness/vulkan.h"
#include "harness/vulkan_fault.h"

static struct sbx_device *target;
static struct VolkDeviceTable real;
static unsigned countdown = UINT_MAX;
static VkResult failure;
static const char *failed;
static bool (*chooser)(const char *name, VkResult *result);

static bool fails(const char *name) {
	if (chooser != NULL && chooser(name, &failure)) {
		failed = name;
		return true;
	}
	if (countdown == UINT_MAX || countdown-- > 0) {
		return false;
	}
	countdown = UINT_MAX;
	failed = name;
	return true;
}

/* The functions with a VkResult that render/ uses; X(name, parameters, arguments). */
#define CALLS(X) \
	X(CreateImage, (VkDevice d, const VkImageCreateInfo *i, const VkAllocationCallbacks *a, \
		VkImage *o), (d, i, a, o)) \
	X(CreateImageView, (VkDevice d, const VkImageViewCreateInfo *i, \
		const VkAllocationCallbacks *a, VkImageView *o), (d, i, a, o)) \
	X(CreateBuffer, (VkDevice d, const VkBufferCreateInfo *i, const VkAllocationCallbacks *a, \
		VkBuffer *o), (d, i, a, o)) \
	X(CreateSampler, (VkDevice d, const VkSamplerCreateInfo *i, \
		const VkAllocationCallbacks *a, VkSampler *o), (d, i, a, o)) \
	X(CreateDescriptorSetLayout, (VkDevice d, const VkDescriptorSetLayoutCreateInfo *i, \
		const VkAllocationCallbacks *a, VkDescriptorSetLayout *o), (d, i, a, o)) \
	X(CreateDescriptorPool, (VkDevice d, const VkDescriptorPoolCreateInfo *i, \
		const VkAllocationCallbacks *a, VkDescriptorPool *o), (d, i, a, o)) \
	X(AllocateDescriptorSets, (VkDevice d, const VkDescriptorSetAllocateInfo *i, \
		VkDescriptorSet *o), (d, i, o)) \
	X(CreatePipelineLayout, (VkDevice d, const VkPipelineLayoutCreateInfo *i, \
		const VkAllocationCallbacks *a, VkPipelineLayout *o), (d, i, a, o)) \
	X(CreatePipelineCache, (VkDevice d, const VkPipelineCacheCreateInfo *i, \
		const VkAllocationCallbacks *a, VkPipelineCache *o), (d, i, a, o)) \
	X(GetPipelineCacheData, (VkDevice d, VkPipelineCache c, size_t *s, void *p), (d, c, s, p)) \
	X(CreateShaderModule, (VkDevice d, const VkShaderModuleCreateInfo *i, \
		const VkAllocationCallbacks *a, VkShaderModule *o), (d, i, a, o)) \
	X(CreateComputePipelines, (VkDevice d, VkPipelineCache c, uint32_t n, \
		const VkComputePipelineCreateInfo *i, const VkAllocationCallbacks *a, VkPipeline *o), \
		(d, c, n, i, a, o)) \
	X(CreateSemaphore, (VkDevice d, const VkSemaphoreCreateInfo *i, \
		const VkAllocationCallbacks *a, VkSemaphore *o), (d, i, a, o)) \
	X(CreateQueryPool, (VkDevice d, const VkQueryPoolCreateInfo *i, \
		const VkAllocationCallbacks *a, VkQueryPool *o), (d, i, a, o)) \
	X(CreateCommandPool, (VkDevice d, const VkCommandPoolCreateInfo *i, \
		const VkAllocationCallbacks *a, VkCommandPool *o), (d, i, a, o)) \
	X(AllocateCommandBuffers, (VkDevice d, const VkCommandBufferAllocateInfo *i, \
		VkCommandBuffer *o), (d, i, o)) \
	X(AllocateMemory, (VkDevice d, const VkMemoryAllocateInfo *i, \
		const VkAllocationCallbacks *a, VkDeviceMemory *o), (d, i, a, o)) \
	X(MapMemory, (VkDevice d, VkDeviceMemory m, VkDeviceSize o, VkDeviceSize s, \
		VkMemoryMapFlags f, void **p), (d, m, o, s, f, p)) \
	X(BindImageMemory, (VkDevice d, VkImage i, VkDeviceMemory m, VkDeviceSize o), (d, i, m, o)) \
	X(BindImageMemory2, (VkDevice d, uint32_t n, const VkBindImageMemoryInfo *i), (d, n, i)) \
	X(BindBufferMemory, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize o), (d, b, m, o)) \
	X(GetMemoryFdPropertiesKHR, (VkDevice d, VkExternalMemoryHandleTypeFlagBits t, int fd, \
		VkMemoryFdPropertiesKHR *p), (d, t, fd, p)) \
	X(ImportSemaphoreFdKHR, (VkDevice d, const VkImportSemaphoreFdInfoKHR *i), (d, i)) \
	X(GetSemaphoreFdKHR, (VkDevice d, const VkSemaphoreGetFdInfoKHR *i, int *fd), (d, i, fd)) \
	X(ResetCommandPool, (VkDevice d, VkCommandPool p, VkCommandPoolResetFlags f), (d, p, f)) \
	X(BeginCommandBuffer, (VkCommandBuffer c, const VkCommandBufferBeginInfo *i), (c, i)) \
	X(EndCommandBuffer, (VkCommandBuffer c), (c)) \
	X(QueueSubmit2, (VkQueue q, uint32_t n, const VkSubmitInfo2 *i, VkFence f), (q, n, i, f)) \
	X(WaitSemaphores, (VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t t), (d, i, t)) \
	X(SignalSemaphore, (VkDevice d, const VkSemaphoreSignalInfo *i), (d, i)) \
	X(GetSemaphoreCounterValue, (VkDevice d, VkSemaphore s, uint64_t *v), (d, s, v))

#define DEFINE(name, parameters, arguments) \
	static VKAPI_ATTR VkResult VKAPI_CALL fault##name parameters { \
		return fails("vk" #name) ? failure : real.vk##name arguments; \
	}
CALLS(DEFINE)

void vulkan_fault_install(struct sbx_device *device) {
	target = device;
	real = device->vk;
#define INSTALL(name, parameters, arguments) device->vk.vk##name = fault##name;
	CALLS(INSTALL)
	vulkan_fault_stop();
}

void vulkan_fault_choose(bool (*choose)(const char *name, VkResult *result)) {
	chooser = choose;
}

void vulkan_fault_remove(void) {
	chooser = NULL;
	vulkan_fault_stop();
	target->vk = real;
	target = NULL;
}

void vulkan_fault_fail(unsigned n, VkResult result) {
	countdown = n;
	failure = result;
	failed = NULL;
}

bool vulkan_fault_happened(const char **name) {
	if (name != NULL) {
		*name = failed;
	}
	return failed != NULL;
}

unsigned vulkan_fault_pause(void) {
	unsigned left = countdown;
	countdown = UINT_MAX;
	return left;
}

void vulkan_fault_resume(unsigned left) {
	countdown = left;
}

void vulkan_fault_stop(void) {
	vulkan_fault_pause();
	failed = NULL;
}

unsigned vulkan_each_call_fails(struct sbx_device *device, VkResult result,
		int (*op)(struct sbx_device *device, void *data), void *data) {
	vulkan_fault_install(device);
	unsigned fds = open_fd_count();
	for (unsigned n = 0; ; n++) {
		const char *name = NULL;
		vulkan_fault_fail(n, result);
		int ret = op(device, data);
		bool happened = vulkan_fault_happened(&name);
		vulkan_fault_stop();
		unsigned fds_now = settled_fd_count(fds);
		if (fds_now != fds) {
			fail_msg("%u fds instead of %u after call %u, %s, failed", fds_now, fds, n,
				happened ? name : "none");
		}
		if (!happened) {
			vulkan_fault_remove();
			assert_int_equal(ret, 0);
			return n;
		}
	}
}
