#include "render/descriptors.h"

#include <errno.h>
#include <stdlib.h>
#include "render/device.h"
#include "render/framedata.h"
#include "render/image.h"
#include "render/shaders/layout.h"
#include "trace/log.h"

static int slots_init(struct sbx_slots *slots, uint32_t size) {
	slots->owners = calloc(size, sizeof(slots->owners[0]));
	slots->free = calloc(size, sizeof(slots->free[0]));
	if (slots->owners == NULL || slots->free == NULL) {
		return -ENOMEM;
	}
	slots->size = slots->n_free = size;
	for (uint32_t i = 0; i < size; i++) {
		slots->free[i] = size - 1 - i;
	}
	return 0;
}

static void return_slot(struct sbx_slots *slots, int *slot) {
	if (*slot >= 0) {
		slots->owners[*slot] = NULL;
		slots->free[slots->n_free++] = (uint32_t)*slot;
		*slot = -1;
	}
}

static void image_released(struct sbx_image *image, void *data) {
	struct sbx_descriptors *descriptors = data;
	return_slot(&descriptors->texture_slots, &image->sample_slot);
	return_slot(&descriptors->target_slots, &image->store_slot);
	image->released = NULL;
	image->released_data = NULL;
}

static void slots_finish(struct sbx_descriptors *descriptors, struct sbx_slots *slots) {
	for (uint32_t i = 0; i < slots->size; i++) {
		if (slots->owners[i] != NULL) {
			image_released(slots->owners[i], descriptors);
		}
	}
	free(slots->owners);
	free(slots->free);
	*slots = (struct sbx_slots){0};
}

static int create_sampler(struct sbx_descriptors *descriptors) {
	struct sbx_device *device = descriptors->device;
	const VkSamplerCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
		.magFilter = VK_FILTER_LINEAR,
		.minFilter = VK_FILTER_LINEAR,
		.mipmapMode = VK_SAMPLER_MIPMAP_MODE_NEAREST,
		.addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
		.addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
		.addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
		.unnormalizedCoordinates = VK_TRUE,
	};
	return SBX_VK(device, vkCreateSampler, device->handle, &info, NULL, &descriptors->sampler);
}

static int create_layout(struct sbx_descriptors *descriptors, VkDescriptorSetLayoutCreateFlags flags,
		const VkDescriptorSetLayoutBinding bindings[static 2],
		const VkDescriptorBindingFlags binding_flags[static 2], VkDescriptorSetLayout *layout) {
	struct sbx_device *device = descriptors->device;
	const VkDescriptorSetLayoutBindingFlagsCreateInfo flags_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_BINDING_FLAGS_CREATE_INFO,
		.bindingCount = 2,
		.pBindingFlags = binding_flags,
	};
	const VkDescriptorSetLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.pNext = &flags_info,
		.flags = flags,
		.bindingCount = 2,
		.pBindings = bindings,
	};
	return SBX_VK(device, vkCreateDescriptorSetLayout, device->handle, &info, NULL, layout);
}

static VkDescriptorSetLayoutBinding binding(uint32_t number, VkDescriptorType type, uint32_t count) {
	return (VkDescriptorSetLayoutBinding){
		.binding = number,
		.descriptorType = type,
		.descriptorCount = count,
		.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
	};
}

static int create_layouts(struct sbx_descriptors *descriptors) {
	uint32_t n_textures = descriptors->device->caps.max_textures;
	VkDescriptorSetLayoutBinding textures[] = {
		binding(SBX_BINDING_TEXTURES, VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, n_textures),
		binding(SBX_BINDING_SAMPLER, VK_DESCRIPTOR_TYPE_SAMPLER, 1),
	};
	textures[1].pImmutableSamplers = &descriptors->sampler;
	const VkDescriptorSetLayoutBinding data[] = {
		binding(SBX_BINDING_QUADS, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1),
		binding(SBX_BINDING_WORDS, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1),
	};
	const VkDescriptorSetLayoutBinding target[] = {
		binding(SBX_BINDING_BEFORE, VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, 1),
		binding(SBX_BINDING_STORE, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 1),
	};
	// A texture gets its slot while other frames, which do not use that slot, are on their way.
	const VkDescriptorBindingFlags growing[] = {
		VK_DESCRIPTOR_BINDING_UPDATE_AFTER_BIND_BIT | VK_DESCRIPTOR_BINDING_PARTIALLY_BOUND_BIT |
			VK_DESCRIPTOR_BINDING_UPDATE_UNUSED_WHILE_PENDING_BIT,
		0,
	};
	const VkDescriptorBindingFlags fixed[] = { 0, 0 };
	int ret = create_layout(descriptors,
		VK_DESCRIPTOR_SET_LAYOUT_CREATE_UPDATE_AFTER_BIND_POOL_BIT, textures, growing,
		&descriptors->textures_layout);
	if (ret == 0) {
		ret = create_layout(descriptors, 0, data, fixed, &descriptors->data_layout);
	}
	if (ret == 0) {
		ret = create_layout(descriptors, 0, target, fixed, &descriptors->target_layout);
	}
	return ret;
}

static int create_pool(struct sbx_descriptors *descriptors) {
	struct sbx_device *device = descriptors->device;
	const VkDescriptorPoolSize sizes[] = {
		{ VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, device->caps.max_textures + SBX_MAX_TARGETS },
		{ VK_DESCRIPTOR_TYPE_SAMPLER, 1 },
		{ VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 2 * SBX_FRAMEDATA_BLOCKS },
		{ VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, SBX_MAX_TARGETS },
	};
	const VkDescriptorPoolCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.flags = VK_DESCRIPTOR_POOL_CREATE_UPDATE_AFTER_BIND_BIT,
		.maxSets = 1 + SBX_FRAMEDATA_BLOCKS + SBX_MAX_TARGETS,
		.poolSizeCount = sizeof(sizes) / sizeof(sizes[0]),
		.pPoolSizes = sizes,
	};
	return SBX_VK(device, vkCreateDescriptorPool, device->handle, &info, NULL, &descriptors->pool);
}

static int allocate_set(struct sbx_descriptors *descriptors, VkDescriptorSetLayout layout,
		VkDescriptorSet *set) {
	struct sbx_device *device = descriptors->device;
	const VkDescriptorSetAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = descriptors->pool,
		.descriptorSetCount = 1,
		.pSetLayouts = &layout,
	};
	return SBX_VK(device, vkAllocateDescriptorSets, device->handle, &info, set);
}

int sbx_descriptors_init(struct sbx_descriptors *descriptors, struct sbx_device *device) {
	*descriptors = (struct sbx_descriptors){ .device = device };
	int ret = slots_init(&descriptors->texture_slots, device->caps.max_textures);
	if (ret == 0) {
		ret = slots_init(&descriptors->target_slots, SBX_MAX_TARGETS);
	}
	if (ret == 0) {
		ret = create_sampler(descriptors);
	}
	if (ret == 0) {
		ret = create_layouts(descriptors);
	}
	if (ret == 0) {
		ret = create_pool(descriptors);
	}
	if (ret == 0) {
		ret = allocate_set(descriptors, descriptors->textures_layout, &descriptors->textures);
	}
	return ret;
}

void sbx_descriptors_forget_images(struct sbx_descriptors *descriptors) {
	slots_finish(descriptors, &descriptors->texture_slots);
	slots_finish(descriptors, &descriptors->target_slots);
}

void sbx_descriptors_finish(struct sbx_descriptors *descriptors) {
	struct sbx_device *device = descriptors->device;
	if (device == NULL) {
		return;
	}
	sbx_descriptors_forget_images(descriptors);
	device->vk.vkDestroyDescriptorPool(device->handle, descriptors->pool, NULL);
	device->vk.vkDestroyDescriptorSetLayout(device->handle, descriptors->textures_layout, NULL);
	device->vk.vkDestroyDescriptorSetLayout(device->handle, descriptors->data_layout, NULL);
	device->vk.vkDestroyDescriptorSetLayout(device->handle, descriptors->target_layout, NULL);
	device->vk.vkDestroySampler(device->handle, descriptors->sampler, NULL);
	*descriptors = (struct sbx_descriptors){0};
}

static int check_owner(const struct sbx_descriptors *descriptors, const struct sbx_image *image) {
	if (image->released != NULL && image->released_data != descriptors) {
		sbx_log_error("signalbox bug: an image is drawn by two composers");
		return -EBUSY;
	}
	return 0;
}

/** Take a free slot for the image, which gives all its slots back when it is destroyed. */
static int take_slot(struct sbx_descriptors *descriptors, struct sbx_slots *slots,
		struct sbx_image *image, const char *what) {
	if (slots->n_free == 0) {
		sbx_log_error("render: all %u places for %s are taken", slots->size, what);
		return -ENOSPC;
	}
	uint32_t slot = slots->free[--slots->n_free];
	slots->owners[slot] = image;
	image->released = image_released;
	image->released_data = descriptors;
	return (int)slot;
}

static void write_image(struct sbx_descriptors *descriptors, VkDescriptorSet set, uint32_t at,
		uint32_t element, VkDescriptorType type, VkImageView view) {
	struct sbx_device *device = descriptors->device;
	const VkDescriptorImageInfo info = {
		.imageView = view, .imageLayout = VK_IMAGE_LAYOUT_GENERAL,
	};
	const VkWriteDescriptorSet write = {
		.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
		.dstSet = set,
		.dstBinding = at,
		.dstArrayElement = element,
		.descriptorCount = 1,
		.descriptorType = type,
		.pImageInfo = &info,
	};
	device->vk.vkUpdateDescriptorSets(device->handle, 1, &write, 0, NULL);
}

int sbx_descriptors_add_texture(struct sbx_descriptors *descriptors, struct sbx_image *image) {
	int ret = check_owner(descriptors, image);
	if (ret < 0 || image->sample_slot >= 0) {
		return ret;
	}
	int slot = take_slot(descriptors, &descriptors->texture_slots, image, "textures");
	if (slot < 0) {
		return slot;
	}
	image->sample_slot = slot;
	write_image(descriptors, descriptors->textures, SBX_BINDING_TEXTURES, (uint32_t)slot,
		VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, image->sample_view);
	return 0;
}

int sbx_descriptors_add_target(struct sbx_descriptors *descriptors, struct sbx_image *image) {
	int ret = check_owner(descriptors, image);
	if (ret < 0 || image->store_slot >= 0) {
		return ret;
	}
	int slot = take_slot(descriptors, &descriptors->target_slots, image, "targets");
	if (slot < 0) {
		return slot;
	}
	image->store_slot = slot;
	VkDescriptorSet *set = &descriptors->targets[slot];
	if (*set == VK_NULL_HANDLE) {
		ret = allocate_set(descriptors, descriptors->target_layout, set);
		if (ret < 0) {
			return_slot(&descriptors->target_slots, &image->store_slot);
			return ret;
		}
	}
	write_image(descriptors, *set, SBX_BINDING_BEFORE, 0, VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE,
		image->sample_view);
	write_image(descriptors, *set, SBX_BINDING_STORE, 0, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
		image->store_view);
	return 0;
}

int sbx_descriptors_allocate_data(struct sbx_descriptors *descriptors, VkDescriptorSet *set) {
	return allocate_set(descriptors, descriptors->data_layout, set);
}

void sbx_descriptors_write_data(struct sbx_descriptors *descriptors, VkDescriptorSet set,
		VkBuffer buffer) {
	struct sbx_device *device = descriptors->device;
	const VkDescriptorBufferInfo info = { .buffer = buffer, .range = VK_WHOLE_SIZE };
	const uint32_t bindings[] = { SBX_BINDING_QUADS, SBX_BINDING_WORDS };
	VkWriteDescriptorSet writes[2];
	for (uint32_t i = 0; i < 2; i++) {
		writes[i] = (VkWriteDescriptorSet){
			.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
			.dstSet = set,
			.dstBinding = bindings[i],
			.descriptorCount = 1,
			.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
			.pBufferInfo = &info,
		};
	}
	device->vk.vkUpdateDescriptorSets(device->handle, 2, writes, 0, NULL);
}
