#include <stdlib.h>
#include <string.h>
#include "harness/vulkan.h"
#include "pixel.h"
#include "render/batch.h"
#include "render/buffer.h"
#include "render/image.h"
#include "sample.comp.h"
#include "store.comp.h"

#define SECOND 1000000000ull

struct program {
	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkDescriptorSet set;
};

struct pixel_shaders {
	struct sbx_device *device;
	VkDescriptorPool pool;
	VkSampler sampler;
	struct sbx_buffer *result;
	struct program sample, store;
};

static void create_pool(struct pixel_shaders *shaders) {
	const VkDescriptorPoolSize sizes[] = {
		{ VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1 },
		{ VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1 },
		{ VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 1 },
	};
	const VkDescriptorPoolCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = 2, .poolSizeCount = 3, .pPoolSizes = sizes,
	};
	const VkSamplerCreateInfo sampler = { .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO };
	struct sbx_device *device = shaders->device;
	assert_int_equal(SBX_VK(device, vkCreateDescriptorPool, device->handle, &info, NULL,
		&shaders->pool), 0);
	assert_int_equal(SBX_VK(device, vkCreateSampler, device->handle, &sampler, NULL,
		&shaders->sampler), 0);
}

static void create_layouts(struct pixel_shaders *shaders, struct program *program,
		const VkDescriptorType *types, uint32_t count) {
	struct sbx_device *device = shaders->device;
	VkDescriptorSetLayoutBinding bindings[2] = {0};
	for (uint32_t i = 0; i < count; i++) {
		bindings[i] = (VkDescriptorSetLayoutBinding){ .binding = i, .descriptorType = types[i],
			.descriptorCount = 1, .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT };
	}
	const VkDescriptorSetLayoutCreateInfo set_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = count, .pBindings = bindings,
	};
	assert_int_equal(SBX_VK(device, vkCreateDescriptorSetLayout, device->handle, &set_info, NULL,
		&program->set_layout), 0);
	const VkPushConstantRange range = { VK_SHADER_STAGE_COMPUTE_BIT, 0, 16 };
	const VkPipelineLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1, .pSetLayouts = &program->set_layout,
		.pushConstantRangeCount = 1, .pPushConstantRanges = &range,
	};
	assert_int_equal(SBX_VK(device, vkCreatePipelineLayout, device->handle, &info, NULL,
		&program->layout), 0);
	const VkDescriptorSetAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = shaders->pool, .descriptorSetCount = 1,
		.pSetLayouts = &program->set_layout,
	};
	assert_int_equal(SBX_VK(device, vkAllocateDescriptorSets, device->handle, &allocate,
		&program->set), 0);
}

struct pixel_shaders *pixel_shaders_create(struct sbx_device *device) {
	static const VkDescriptorType sample_types[] = {
		VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
	};
	static const VkDescriptorType store_types[] = { VK_DESCRIPTOR_TYPE_STORAGE_IMAGE };
	struct pixel_shaders *shaders = calloc(1, sizeof(*shaders));
	shaders->device = device;
	create_pool(shaders);
	create_layouts(shaders, &shaders->sample, sample_types, 2);
	create_layouts(shaders, &shaders->store, store_types, 1);
	shaders->sample.pipeline = vulkan_create_compute(device, shaders->sample.layout, sample_comp,
		sizeof(sample_comp));
	shaders->store.pipeline = vulkan_create_compute(device, shaders->store.layout, store_comp,
		sizeof(store_comp));
	shaders->result = sbx_buffer_create(device, 16, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
		SBX_BUFFER_READBACK, "sampled pixel");
	assert_non_null(shaders->result);
	return shaders;
}

static void destroy_program(struct sbx_device *device, struct program *program) {
	device->vk.vkDestroyPipeline(device->handle, program->pipeline, NULL);
	device->vk.vkDestroyPipelineLayout(device->handle, program->layout, NULL);
	device->vk.vkDestroyDescriptorSetLayout(device->handle, program->set_layout, NULL);
}

void pixel_shaders_destroy(struct pixel_shaders *shaders) {
	struct sbx_device *device = shaders->device;
	destroy_program(device, &shaders->sample);
	destroy_program(device, &shaders->store);
	device->vk.vkDestroyDescriptorPool(device->handle, shaders->pool, NULL);
	device->vk.vkDestroySampler(device->handle, shaders->sampler, NULL);
	sbx_buffer_destroy(shaders->result);
	free(shaders);
}

static void bind_image(struct pixel_shaders *shaders, struct program *program, VkImageView view,
		VkDescriptorType type) {
	const VkDescriptorImageInfo info = {
		.sampler = shaders->sampler, .imageView = view, .imageLayout = VK_IMAGE_LAYOUT_GENERAL,
	};
	const VkWriteDescriptorSet write = {
		.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = program->set,
		.descriptorCount = 1, .descriptorType = type, .pImageInfo = &info,
	};
	shaders->device->vk.vkUpdateDescriptorSets(shaders->device->handle, 1, &write, 0, NULL);
}

static void bind_result(struct pixel_shaders *shaders) {
	const VkDescriptorBufferInfo info = {
		.buffer = shaders->result->handle, .range = VK_WHOLE_SIZE,
	};
	const VkWriteDescriptorSet write = {
		.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = shaders->sample.set,
		.dstBinding = 1, .descriptorCount = 1,
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .pBufferInfo = &info,
	};
	shaders->device->vk.vkUpdateDescriptorSets(shaders->device->handle, 1, &write, 0, NULL);
}

static void dispatch(struct pixel_shaders *shaders, struct program *program,
		struct sbx_batch *batch, const float color[4]) {
	struct sbx_device *device = shaders->device;
	VkCommandBuffer commands = sbx_batch_commands(batch);
	sbx_batch_flush_barriers(batch);
	device->vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, program->pipeline);
	device->vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, program->layout, 0,
		1, &program->set, 0, NULL);
	device->vk.vkCmdPushConstants(commands, program->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 16,
		color);
	device->vk.vkCmdDispatch(commands, 1, 1, 1);
	const VkMemoryBarrier2 barrier = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
		.srcAccessMask = VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT,
	};
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1, .pMemoryBarriers = &barrier,
	};
	device->vk.vkCmdPipelineBarrier2(commands, &info);
	uint64_t value = 0;
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
}

void pixel_sample(struct pixel_shaders *shaders, struct sbx_image *image, float color[4]) {
	const float none[4] = {0};
	bind_image(shaders, &shaders->sample, image->sample_view,
		VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER);
	bind_result(shaders);
	struct sbx_batch *batch = sbx_batch_begin(shaders->device);
	assert_int_equal(sbx_batch_use_texture(batch, image), 0);
	dispatch(shaders, &shaders->sample, batch, none);
	memcpy(color, shaders->result->data, 16);
}

void pixel_store(struct pixel_shaders *shaders, struct sbx_image *image, const float color[4]) {
	bind_image(shaders, &shaders->store, image->store_view, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE);
	struct sbx_batch *batch = sbx_batch_begin(shaders->device);
	assert_int_equal(sbx_batch_use_target(batch, image), 0);
	dispatch(shaders, &shaders->store, batch, color);
}
