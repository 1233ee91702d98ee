/*
 * GPU-assisted validation is on when SIGNALBOX_VALIDATION=gpu asks for it, and sees a shader that writes where it
 * must not. What the composer's shaders do is then judged by render/scenes@gpu-validation.
 */
#include <stdint.h>
#include <stdlib.h>
#include "harness/vulkan.h"
#include "render/batch.h"
#include "render/buffer.h"
#include "render/device.h"
#include "beyond.comp.h"

#define SECOND 1000000000ull
#define WORDS 4

struct program {
	VkDescriptorPool pool;
	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkDescriptorSet set;
	struct sbx_buffer *words;
};

static void create_set(struct sbx_device *device, struct program *program) {
	const VkDescriptorPoolSize size = { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1 };
	const VkDescriptorPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = 1, .poolSizeCount = 1, .pPoolSizes = &size,
	};
	const VkDescriptorSetLayoutBinding binding = {
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = 1,
		.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
	};
	const VkDescriptorSetLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = 1, .pBindings = &binding,
	};
	assert_int_equal(SBX_VK(device, vkCreateDescriptorPool, device->handle, &pool, NULL,
		&program->pool), 0);
	assert_int_equal(SBX_VK(device, vkCreateDescriptorSetLayout, device->handle, &layout, NULL,
		&program->set_layout), 0);
	const VkDescriptorSetAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = program->pool, .descriptorSetCount = 1, .pSetLayouts = &program->set_layout,
	};
	assert_int_equal(SBX_VK(device, vkAllocateDescriptorSets, device->handle, &allocate,
		&program->set), 0);
	program->words = sbx_buffer_create(device, WORDS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
		SBX_BUFFER_READBACK, "words");
	assert_non_null(program->words);
	const VkDescriptorBufferInfo words = { program->words->handle, 0, WORDS * 4 };
	const VkWriteDescriptorSet write = {
		.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
		.dstSet = program->set, .descriptorCount = 1,
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .pBufferInfo = &words,
	};
	device->vk.vkUpdateDescriptorSets(device->handle, 1, &write, 0, NULL);
}

static void create_pipeline(struct sbx_device *device, struct program *program) {
	const VkPushConstantRange range = { VK_SHADER_STAGE_COMPUTE_BIT, 0, 4 };
	const VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1, .pSetLayouts = &program->set_layout,
		.pushConstantRangeCount = 1, .pPushConstantRanges = &range,
	};
	assert_int_equal(SBX_VK(device, vkCreatePipelineLayout, device->handle, &layout, NULL,
		&program->layout), 0);
	program->pipeline = vulkan_create_compute(device, program->layout, beyond_comp, sizeof(beyond_comp));
}

static void destroy_program(struct sbx_device *device, struct program *program) {
	device->vk.vkDestroyPipeline(device->handle, program->pipeline, NULL);
	device->vk.vkDestroyPipelineLayout(device->handle, program->layout, NULL);
	device->vk.vkDestroyDescriptorSetLayout(device->handle, program->set_layout, NULL);
	device->vk.vkDestroyDescriptorPool(device->handle, program->pool, NULL);
	sbx_buffer_destroy(program->words);
}

/* How many messages there are when the shader writes to this word. */
static unsigned messages_for(struct sbx_device *device, uint32_t at) {
	struct program program = {0};
	create_set(device, &program);
	create_pipeline(device, &program);
	struct sbx_batch *batch = sbx_batch_begin(device);
	assert_non_null(batch);
	VkCommandBuffer commands = sbx_batch_commands(batch);
	device->vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, program.pipeline);
	device->vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, program.layout, 0, 1,
		&program.set, 0, NULL);
	device->vk.vkCmdPushConstants(commands, program.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(at),
		&at);
	device->vk.vkCmdDispatch(commands, 1, 1, 1);
	uint64_t value = 0;
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	assert_int_equal(sbx_device_wait(device, value, 20 * SECOND), 0);
	destroy_program(device, &program);
	return device->validation_messages;
}

static void need_layers(struct sbx_device *device) {
	if (!device->validation) {
		skip();
	}
}

static void test_inside_is_silent(void **state) {
	need_layers(*state);
	assert_int_equal(messages_for(*state, WORDS - 1), 0);
}

static void test_beyond_is_noticed(void **state) {
	need_layers(*state);
	log_hush();
	assert_int_not_equal(messages_for(*state, WORDS), 0);
	vulkan_forgive();
}

int main(void) {
	setenv("SIGNALBOX_VALIDATION", "gpu", 1);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_inside_is_silent, vulkan_setup, vulkan_teardown),
		cmocka_unit_test_setup_teardown(test_beyond_is_noticed, vulkan_setup, vulkan_teardown),
	};
	return cmocka_run_group_tests_name("render/gpu_validation", tests, NULL, NULL);
}
