#include "render/pipeline.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include "render/cache_file.h"
#include "render/compose.comp.h"
#include "render/compose_color.comp.h"
#include "render/descriptors.h"
#include "render/device.h"
#include "render/shaders/layout.h"

#define CACHE_NAME_SIZE 64

/**
 * Invocations of a workgroup, which draws 256 pixels; on GPUs, on software devices.
 *
 * lavapipe at 1280x720, CPU time of one rectangle and of eight layers: 256: 18.8 and 49 ms, 64: 8.9 and
 * 36, 32: 7.7 and 29, 16: 7.2 and 28. But every pixel of an invocation is unrolled, and LLVM takes
 * 120 ms to compile 16 of the plain shader; of the full one, which is larger, fewer do.
 *
 * A GPU has little to do for a pixel, and begins only so many workgroups in a time; with four pixels each
 * invocation has more reads on their way: docs/performance.md has the figures.
 *
 * The pipeline for all colours is long, and has one pixel an invocation, so that drivers compile it once only.
 *
 * 0: not made.
 */
static const uint32_t invocations[SBX_PIPELINE_KINDS][2] = {
	[SBX_PIPELINE_SINGLE] = { 64, 0 },
	[SBX_PIPELINE_STACK] = { 64, 0 },
	[SBX_PIPELINE_PLAIN] = { 64, 32 },
	[SBX_PIPELINE_FULL] = { 64, 64 },
	[SBX_PIPELINE_YCBCR] = { 64, 64 },
	[SBX_PIPELINE_COLOR_SINGLE] = { 64, 0 },
	[SBX_PIPELINE_COLOR_PLAIN] = { 64, 0 },
	[SBX_PIPELINE_COLOR_FULL] = { 64, 0 },
	[SBX_PIPELINE_COLOR] = { 256, 256 },
};

/** The file for this driver: its UUID changes with everything that makes its data useless. */
static void cache_name(const struct sbx_device *device, char name[static CACHE_NAME_SIZE]) {
	int length = snprintf(name, CACHE_NAME_SIZE, "pipelines-%08x-%08x-", device->properties.vendorID,
		device->properties.deviceID);
	for (int i = 0; i < (int)VK_UUID_SIZE; i++) {
		snprintf(&name[length + 2 * i], 3, "%02x", device->properties.pipelineCacheUUID[i]);
	}
}

/** Pipelines of other shaders would stay in it for ever. */
static uint64_t cache_version(void) {
	return sbx_cache_file_hash(sbx_compose_spirv, sizeof(sbx_compose_spirv)) * 31 +
		sbx_cache_file_hash(sbx_compose_color_spirv, sizeof(sbx_compose_color_spirv));
}

/** Returns the size of what was read, to tell later whether there is more. */
static int create_cache(struct sbx_pipelines *pipelines, const char *name, size_t *size) {
	struct sbx_device *device = pipelines->device;
	void *content = sbx_cache_file_read(name, cache_version(), size);
	const VkPipelineCacheCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
		.initialDataSize = *size,
		.pInitialData = content,
	};
	int ret = SBX_VK(device, vkCreatePipelineCache, device->handle, &info, NULL,
		&pipelines->cache);
	free(content);
	return ret;
}

static void save_cache(struct sbx_pipelines *pipelines, const char *name, size_t known_size) {
	struct sbx_device *device = pipelines->device;
	size_t size = 0;
	if (device->vk.vkGetPipelineCacheData(device->handle, pipelines->cache, &size, NULL) != VK_SUCCESS ||
			size == 0 || size == known_size || size > SBX_CACHE_FILE_MAX) {
		return;
	}
	void *content = malloc(size);
	if (content != NULL && device->vk.vkGetPipelineCacheData(device->handle, pipelines->cache,
			&size, content) == VK_SUCCESS) {
		sbx_cache_file_write(name, cache_version(), content, size);
	}
	free(content);
}

static int create_layout(struct sbx_pipelines *pipelines, const struct sbx_descriptors *descriptors) {
	struct sbx_device *device = pipelines->device;
	const VkDescriptorSetLayout sets[] = {
		[SBX_SET_TEXTURES] = descriptors->textures_layout,
		[SBX_SET_DATA] = descriptors->data_layout,
		[SBX_SET_TARGET] = descriptors->target_layout,
	};
	const VkPushConstantRange push = {
		.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = sizeof(struct sbx_push),
	};
	const VkPipelineLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = sizeof(sets) / sizeof(sets[0]),
		.pSetLayouts = sets,
		.pushConstantRangeCount = 1,
		.pPushConstantRanges = &push,
	};
	return SBX_VK(device, vkCreatePipelineLayout, device->handle, &info, NULL, &pipelines->layout);
}

static const char *const names[SBX_PIPELINE_KINDS] = {
	[SBX_PIPELINE_SINGLE] = "single",
	[SBX_PIPELINE_STACK] = "stack",
	[SBX_PIPELINE_PLAIN] = "plain",
	[SBX_PIPELINE_FULL] = "full",
	[SBX_PIPELINE_YCBCR] = "YCbCr",
	[SBX_PIPELINE_COLOR_SINGLE] = "single colour",
	[SBX_PIPELINE_COLOR_PLAIN] = "plain colour",
	[SBX_PIPELINE_COLOR_FULL] = "full colour",
	[SBX_PIPELINE_COLOR] = "colour",
};

static int create_pipeline(struct sbx_pipelines *pipelines, VkShaderModule module,
		enum sbx_pipeline_kind kind) {
	struct sbx_device *device = pipelines->device;
	const struct {
		VkBool32 full, fetch_bilinear, ycbcr;
		uint32_t n_invocations;
		VkBool32 single, stack, undo_table, table;
	} constants = {
		.full = kind == SBX_PIPELINE_FULL || kind == SBX_PIPELINE_YCBCR ||
			kind >= SBX_PIPELINE_COLOR_FULL,
		.ycbcr = kind == SBX_PIPELINE_YCBCR || kind >= SBX_PIPELINE_COLOR_FULL,
		.fetch_bilinear = device->caps.software,
		.n_invocations = invocations[kind][device->caps.software],
		.single = kind == SBX_PIPELINE_SINGLE || kind == SBX_PIPELINE_COLOR_SINGLE,
		.stack = kind == SBX_PIPELINE_STACK,
		.undo_table = kind == SBX_PIPELINE_COLOR,
		.table = kind >= SBX_PIPELINE_COLOR_FULL,
	};
	const VkSpecializationMapEntry entries[] = {
#define ENTRY(id, member) { id, offsetof(__typeof__(constants), member), sizeof(constants.member) }
		ENTRY(SBX_CONSTANT_FULL, full),
		ENTRY(SBX_CONSTANT_FETCH_BILINEAR, fetch_bilinear),
		ENTRY(SBX_CONSTANT_INVOCATIONS, n_invocations),
		ENTRY(SBX_CONSTANT_YCBCR, ycbcr),
		ENTRY(SBX_CONSTANT_SINGLE, single),
		ENTRY(SBX_CONSTANT_STACK, stack),
		ENTRY(SBX_CONSTANT_UNDO_TABLE, undo_table),
		ENTRY(SBX_CONSTANT_TABLE, table),
#undef ENTRY
	};
	_Static_assert(sizeof(entries) / sizeof(entries[0]) == SBX_CONSTANT_COUNT, "all of them");
	const VkSpecializationInfo specialization = {
		sizeof(entries) / sizeof(entries[0]), entries, sizeof(constants), &constants,
	};
	const VkComputePipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_COMPUTE_BIT,
			.module = module,
			.pName = "main",
			.pSpecializationInfo = &specialization,
		},
		.layout = pipelines->layout,
	};
	int ret = SBX_VK(device, vkCreateComputePipelines, device->handle, pipelines->cache, 1, &info,
		NULL, &pipelines->handles[kind]);
	if (ret == 0) {
		sbx_device_name(device, VK_OBJECT_TYPE_PIPELINE, (uint64_t)pipelines->handles[kind],
			"compose %s", names[kind]);
	}
	return ret;
}

static int create_module(struct sbx_device *device, const uint32_t *code, size_t size, VkShaderModule *module) {
	const VkShaderModuleCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = code,
	};
	return SBX_VK(device, vkCreateShaderModule, device->handle, &info, NULL, module);
}

static int create_pipelines(struct sbx_pipelines *pipelines) {
	struct sbx_device *device = pipelines->device;
	VkShaderModule plain = VK_NULL_HANDLE, color = VK_NULL_HANDLE;
	int ret = create_module(device, sbx_compose_spirv, sizeof(sbx_compose_spirv), &plain);
	if (ret == 0) {
		ret = create_module(device, sbx_compose_color_spirv, sizeof(sbx_compose_color_spirv), &color);
	}
	for (int kind = 0; kind < SBX_PIPELINE_KINDS && ret == 0; kind++) {
		if (invocations[kind][device->caps.software] > 0) {
			ret = create_pipeline(pipelines, kind >= SBX_PIPELINE_COLOR_SINGLE ? color : plain,
				(enum sbx_pipeline_kind)kind);
		}
	}
	device->vk.vkDestroyShaderModule(device->handle, plain, NULL);
	device->vk.vkDestroyShaderModule(device->handle, color, NULL);
	return ret;
}

int sbx_pipelines_init(struct sbx_pipelines *pipelines, struct sbx_device *device,
		const struct sbx_descriptors *descriptors) {
	*pipelines = (struct sbx_pipelines){ .device = device };
	char name[CACHE_NAME_SIZE];
	cache_name(device, name);
	size_t known_size = 0;
	int ret = create_layout(pipelines, descriptors);
	if (ret == 0) {
		ret = create_cache(pipelines, name, &known_size);
	}
	if (ret == 0) {
		ret = create_pipelines(pipelines);
	}
	if (ret == 0) {
		save_cache(pipelines, name, known_size);
	}
	return ret;
}

void sbx_pipelines_finish(struct sbx_pipelines *pipelines) {
	struct sbx_device *device = pipelines->device;
	if (device == NULL) {
		return;
	}
	for (int kind = 0; kind < SBX_PIPELINE_KINDS; kind++) {
		device->vk.vkDestroyPipeline(device->handle, pipelines->handles[kind], NULL);
	}
	device->vk.vkDestroyPipelineCache(device->handle, pipelines->cache, NULL);
	device->vk.vkDestroyPipelineLayout(device->handle, pipelines->layout, NULL);
	*pipelines = (struct sbx_pipelines){0};
}
