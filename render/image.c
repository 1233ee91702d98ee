#include <errno.h>
#include <stdlib.h>
#include "render/device.h"
#include "render/format.h"
#include "render/format_cache.h"
#include "render/image.h"
#include "render/image_private.h"
#include "render/retire.h"
#include "render/ycbcr.h"
#include "trace/log.h"

struct sbx_image *sbx_image_alloc(struct sbx_device *device, const struct sbx_format *format,
		uint32_t width, uint32_t height) {
	format = sbx_format_on_device(device, format);
	struct sbx_image *image = format != NULL ? calloc(1, sizeof(*image)) : NULL;
	if (image == NULL) {
		return NULL;
	}
	image->device = device;
	image->format = format;
	image->width = width;
	image->height = height;
	image->layout = VK_IMAGE_LAYOUT_UNDEFINED;
	image->sample_slot = image->store_slot = -1;
	return image;
}

static void destroy_now(struct sbx_device *device, void *object) {
	struct sbx_image *image = object;
	for (uint32_t i = 0; i < image->n_planes; i++) {
		destroy_now(device, image->planes[i]);
	}
	if (image->released != NULL) {
		image->released(image, image->released_data);
	}
	device->vk.vkDestroyImageView(device->handle, image->sample_view, NULL);
	device->vk.vkDestroyImageView(device->handle, image->store_view, NULL);
	device->vk.vkDestroyImage(device->handle, image->handle, NULL);
	for (uint32_t i = 0; i < image->memory_count; i++) {
		device->vk.vkFreeMemory(device->handle, image->memory[i], NULL);
	}
	free(image);
}

void sbx_image_abandon(struct sbx_image *image) {
	if (image != NULL) {
		destroy_now(image->device, image);
	}
}

void sbx_image_destroy(struct sbx_image *image) {
	if (image == NULL) {
		return;
	}
	uint64_t last_use = image->last_use;
	for (uint32_t i = 0; i < image->n_planes; i++) {
		uint64_t use = image->planes[i]->last_use;
		last_use = use > last_use ? use : last_use;
	}
	sbx_retire_after(image->device, last_use, destroy_now, image);
}

static int create_view(struct sbx_image *image, VkImage of, VkImageAspectFlags aspect,
		VkImageUsageFlags usage, const VkComponentMapping *swizzle, VkImageView *view) {
	struct sbx_device *device = image->device;
	const VkImageViewUsageCreateInfo usage_info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_USAGE_CREATE_INFO, .usage = usage,
	};
	const VkImageViewCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
		.pNext = &usage_info,
		.image = of,
		.viewType = VK_IMAGE_VIEW_TYPE_2D,
		.format = image->format->vk,
		.components = *swizzle,
		.subresourceRange = { .aspectMask = aspect, .levelCount = 1, .layerCount = 1 },
	};
	return SBX_VK(device, vkCreateImageView, device->handle, &info, NULL, view);
}

static struct sbx_image *alloc_plane(struct sbx_image *image, uint32_t index) {
	const struct sbx_ycbcr *ycbcr = image->format->ycbcr;
	uint32_t width, height;
	sbx_ycbcr_plane_size(ycbcr, index, image->width, image->height, &width, &height);
	struct sbx_image *plane = sbx_image_alloc(image->device,
		sbx_format_from_drm(ycbcr->planes[index].drm), width, height);
	if (plane != NULL) {
		image->planes[image->n_planes++] = plane;
	}
	return plane;
}

int sbx_image_create_plane_views(struct sbx_image *image) {
	const struct sbx_ycbcr *ycbcr = image->format->ycbcr;
	int ret = 0;
	for (uint32_t i = 0; i < ycbcr->n_planes && ret == 0; i++) {
		struct sbx_image *plane = alloc_plane(image, i);
		ret = plane == NULL ? -ENOMEM : create_view(plane, image->handle,
			VK_IMAGE_ASPECT_PLANE_0_BIT << ycbcr->planes[i].memory,
			VK_IMAGE_USAGE_SAMPLED_BIT, &ycbcr->planes[i].swizzle, &plane->sample_view);
	}
	return ret;
}

int sbx_image_create_views(struct sbx_image *image, uint32_t uses,
		const VkComponentMapping *swizzle) {
	const VkComponentMapping identity = {0};
	int ret = create_view(image, image->handle, VK_IMAGE_ASPECT_COLOR_BIT,
		VK_IMAGE_USAGE_SAMPLED_BIT, swizzle != NULL ? swizzle : &image->format->swizzle,
		&image->sample_view);
	if (ret == 0 && (uses & SBX_FORMAT_STORE) != 0) {
		ret = create_view(image, image->handle, VK_IMAGE_ASPECT_COLOR_BIT,
			VK_IMAGE_USAGE_STORAGE_BIT, &identity, &image->store_view);
	}
	sbx_device_name(image->device, VK_OBJECT_TYPE_IMAGE, (uint64_t)image->handle,
		"%s %.4s %ux%u", image->foreign ? "dma-buf" : "image", (const char *)&image->format->drm,
		image->width, image->height);
	return ret;
}

static int create_handle(struct sbx_image *image) {
	struct sbx_device *device = image->device;
	const VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = image->format->vk,
		.extent = { image->width, image->height, 1 },
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_OPTIMAL,
		.usage = image->usage,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
		.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
	};
	return SBX_VK(device, vkCreateImage, device->handle, &info, NULL, &image->handle);
}

static int allocate(struct sbx_image *image) {
	struct sbx_device *device = image->device;
	VkMemoryRequirements needs;
	device->vk.vkGetImageMemoryRequirements(device->handle, image->handle, &needs);
	int type = sbx_device_memory_type(device, needs.memoryTypeBits, 0,
		VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = needs.size,
		.memoryTypeIndex = type,
	};
	int ret = type < 0 ? -ENOMEM :
		SBX_VK(device, vkAllocateMemory, device->handle, &info, NULL, &image->memory[0]);
	if (ret < 0) {
		return ret;
	}
	image->memory_count = 1;
	return SBX_VK(device, vkBindImageMemory, device->handle, image->handle, image->memory[0], 0);
}

static int create_own(struct sbx_image *image, uint32_t uses, const VkComponentMapping *swizzle) {
	image->usage = sbx_format_image_usage(sbx_format_features(image->device, image->format), uses);
	int ret = create_handle(image);
	if (ret == 0) {
		ret = allocate(image);
	}
	return ret == 0 ? sbx_image_create_views(image, uses, swizzle) : ret;
}

static int create_planes(struct sbx_image *image) {
	const struct sbx_ycbcr *ycbcr = image->format->ycbcr;
	int ret = 0;
	for (uint32_t i = 0; i < ycbcr->n_planes && ret == 0; i++) {
		struct sbx_image *plane = alloc_plane(image, i);
		ret = plane == NULL ? -ENOMEM :
			create_own(plane, SBX_FORMAT_SAMPLE, &ycbcr->planes[i].swizzle);
	}
	return ret;
}

static bool check_size(const struct sbx_device *device, uint32_t width, uint32_t height) {
	uint32_t max = device->caps.max_image_size;
	if (width == 0 || height == 0 || width > max || height > max) {
		sbx_log_error("render: an image of %ux%u pixels: the device takes 1x1 to %ux%u", width,
			height, max, max);
		return false;
	}
	return true;
}

struct sbx_image *sbx_image_create(struct sbx_device *device, const struct sbx_format *format,
		uint32_t width, uint32_t height, uint32_t uses) {
	if (!check_size(device, width, height)) {
		return NULL;
	}
	if (uses == 0 || (sbx_format_uses(device, format) & uses) != uses) {
		sbx_log_error("render: %s cannot use %.4s for %s", device->name,
			(const char *)&format->drm, (uses & SBX_FORMAT_STORE) != 0 ? "targets" : "textures");
		return NULL;
	}
	struct sbx_image *image = sbx_image_alloc(device, format, width, height);
	int ret = image == NULL ? -ENOMEM : format->ycbcr != NULL ? create_planes(image) :
		create_own(image, uses, NULL);
	if (ret < 0) {
		sbx_image_abandon(image);
		return NULL;
	}
	return image;
}
