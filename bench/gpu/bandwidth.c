#include "bench/gpu/bandwidth.h"

#include "bench/gpu/stats.h"
#include "render/batch.h"
#include "render/device.h"
// after volk.h
#include "bench/gpu/copy.comp.h"

#define COPIES 20
#define TIMEOUT_NS 10000000000ull
/** What a workgroup of copy.comp copies, and how many there are: half a gigabyte. */
#define GROUP_SIZE (1024 * 16)
#define GROUPS 32768
#define SIZE ((VkDeviceSize)GROUP_SIZE * GROUPS)

struct copier {
	struct sbx_device *device;
	VkBuffer buffers[2];
	VkDeviceMemory memory[2];
	VkDescriptorSetLayout set_layout;
	VkDescriptorPool pool;
	VkDescriptorSet set;
	VkPipelineLayout layout;
	VkPipeline pipeline;
};

static int create_buffer(struct copier *copier, int i) {
	struct sbx_device *device = copier->device;
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = SIZE,
		.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
	};
	VkMemoryRequirements needs;
	int ret = SBX_VK(device, vkCreateBuffer, device->handle, &info, NULL, &copier->buffers[i]);
	if (ret < 0) {
		return ret;
	}
	device->vk.vkGetBufferMemoryRequirements(device->handle, copier->buffers[i], &needs);
	const VkMemoryAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = needs.size,
		.memoryTypeIndex = (uint32_t)sbx_device_memory_type(device, needs.memoryTypeBits, 0,
			VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT),
	};
	ret = SBX_VK(device, vkAllocateMemory, device->handle, &allocate, NULL, &copier->memory[i]);
	return ret < 0 ? ret : SBX_VK(device, vkBindBufferMemory, device->handle, copier->buffers[i],
		copier->memory[i], 0);
}

static int create_layouts(struct copier *copier) {
	struct sbx_device *device = copier->device;
	VkDescriptorSetLayoutBinding bindings[2];
	for (uint32_t i = 0; i < 2; i++) {
		bindings[i] = (VkDescriptorSetLayoutBinding){
			.binding = i,
			.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
			.descriptorCount = 1,
			.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
		};
	}
	const VkDescriptorSetLayoutCreateInfo set_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = 2,
		.pBindings = bindings,
	};
	const VkPipelineLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1,
		.pSetLayouts = &copier->set_layout,
	};
	int ret = SBX_VK(device, vkCreateDescriptorSetLayout, device->handle, &set_info, NULL,
		&copier->set_layout);
	return ret < 0 ? ret :
		SBX_VK(device, vkCreatePipelineLayout, device->handle, &info, NULL, &copier->layout);
}

static int create_set(struct copier *copier) {
	struct sbx_device *device = copier->device;
	const VkDescriptorPoolSize size = { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 2 };
	const VkDescriptorPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = 1,
		.poolSizeCount = 1,
		.pPoolSizes = &size,
	};
	int ret = SBX_VK(device, vkCreateDescriptorPool, device->handle, &pool_info, NULL,
		&copier->pool);
	const VkDescriptorSetAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = copier->pool,
		.descriptorSetCount = 1,
		.pSetLayouts = &copier->set_layout,
	};
	if (ret == 0) {
		ret = SBX_VK(device, vkAllocateDescriptorSets, device->handle, &info, &copier->set);
	}
	for (uint32_t i = 0; i < 2 && ret == 0; i++) {
		const VkDescriptorBufferInfo buffer = { copier->buffers[i], 0, VK_WHOLE_SIZE };
		const VkWriteDescriptorSet write = {
			.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
			.dstSet = copier->set,
			.dstBinding = i,
			.descriptorCount = 1,
			.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
			.pBufferInfo = &buffer,
		};
		device->vk.vkUpdateDescriptorSets(device->handle, 1, &write, 0, NULL);
	}
	return ret;
}

static int create_pipeline(struct copier *copier) {
	struct sbx_device *device = copier->device;
	const VkShaderModuleCreateInfo module_info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = sizeof(copy_comp),
		.pCode = copy_comp,
	};
	VkShaderModule module = VK_NULL_HANDLE;
	int ret = SBX_VK(device, vkCreateShaderModule, device->handle, &module_info, NULL, &module);
	const VkComputePipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_COMPUTE_BIT,
			.module = module,
			.pName = "main",
		},
		.layout = copier->layout,
	};
	if (ret == 0) {
		ret = SBX_VK(device, vkCreateComputePipelines, device->handle, VK_NULL_HANDLE, 1, &info,
			NULL, &copier->pipeline);
	}
	device->vk.vkDestroyShaderModule(device->handle, module, NULL);
	return ret;
}

static int create(struct copier *copier) {
	int ret = create_buffer(copier, 0);
	if (ret == 0) {
		ret = create_buffer(copier, 1);
	}
	if (ret == 0) {
		ret = create_layouts(copier);
	}
	if (ret == 0) {
		ret = create_set(copier);
	}
	return ret < 0 ? ret : create_pipeline(copier);
}

static void destroy(struct copier *copier) {
	struct sbx_device *device = copier->device;
	sbx_device_wait(device, device->submitted, TIMEOUT_NS);
	device->vk.vkDestroyPipeline(device->handle, copier->pipeline, NULL);
	device->vk.vkDestroyPipelineLayout(device->handle, copier->layout, NULL);
	device->vk.vkDestroyDescriptorPool(device->handle, copier->pool, NULL);
	device->vk.vkDestroyDescriptorSetLayout(device->handle, copier->set_layout, NULL);
	for (int i = 0; i < 2; i++) {
		device->vk.vkDestroyBuffer(device->handle, copier->buffers[i], NULL);
		device->vk.vkFreeMemory(device->handle, copier->memory[i], NULL);
	}
}

/** Nanoseconds, or -1. */
static int64_t copy_once(struct copier *copier, struct sbx_timer *timer) {
	struct sbx_device *device = copier->device;
	struct sbx_batch *batch = sbx_batch_begin(device);
	uint64_t value = 0;
	if (batch == NULL) {
		return -1;
	}
	VkCommandBuffer commands = sbx_batch_commands(batch);
	sbx_batch_set_timer(batch, timer);
	sbx_batch_flush_barriers(batch);
	device->vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, copier->pipeline);
	device->vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, copier->layout, 0,
		1, &copier->set, 0, NULL);
	device->vk.vkCmdDispatch(commands, GROUPS, 1, 1);
	if (sbx_batch_submit(batch, NULL, &value) < 0 ||
			sbx_device_wait(device, value, TIMEOUT_NS) < 0) {
		return -1;
	}
	return sbx_timer_duration_ns(timer);
}

static double measure(struct copier *copier, struct sbx_timer *timer) {
	int64_t times[COPIES];
	for (int i = -1; i < COPIES; i++) {
		int64_t time = copy_once(copier, timer);
		if (time <= 0) {
			return 0;
		}
		times[i < 0 ? 0 : i] = time;
	}
	stats_sort(times, COPIES);
	return 2.0 * (double)SIZE / (double)stats_at(times, COPIES, 0.5);
}

double bandwidth_of_copies(struct sbx_device *device) {
	struct copier copier = { .device = device };
	struct sbx_timer *timer = sbx_timer_create(device);
	double bandwidth = 0;
	if (timer != NULL && create(&copier) == 0) {
		bandwidth = measure(&copier, timer);
	}
	destroy(&copier);
	sbx_timer_destroy(timer);
	return bandwidth;
}
