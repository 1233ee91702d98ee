#include <errno.h>
#include "render/device.h"
#include "render/format.h"
#include "render/format_cache.h"
#include "render/image.h"
#include "render/image_private.h"
#include "trace/log.h"

/*
 * Exporter and importer must describe image and memory alike (VUID-VkMemoryAllocateInfo-allocationSize-
 * 01742 and its neighbours): so both come through here, and both dedicate the memory to the image, which
 * drivers may ask for.
 */

static const VkExternalMemoryHandleTypeFlagBits opaque = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;

static int create_handle(struct sbx_image *image) {
	struct sbx_device *device = image->device;
	const VkExternalMemoryImageCreateInfo external_info = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO, .handleTypes = opaque,
	};
	const VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = &external_info,
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

/** Memory to be exported (`fd` is NULL), or that of *fd, which is consumed on success. */
static int allocate(struct sbx_image *image, int *fd) {
	struct sbx_device *device = image->device;
	VkMemoryRequirements needs;
	device->vk.vkGetImageMemoryRequirements(device->handle, image->handle, &needs);
	const VkMemoryDedicatedAllocateInfo dedicated_info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .image = image->handle,
	};
	const VkExportMemoryAllocateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.pNext = &dedicated_info,
		.handleTypes = opaque,
	};
	const VkImportMemoryFdInfoKHR import_info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.pNext = &dedicated_info,
		.handleType = opaque,
		.fd = fd != NULL ? *fd : -1,
	};
	int type = sbx_device_memory_type(device, needs.memoryTypeBits, 0,
		VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = fd != NULL ? (const void *)&import_info : &export_info,
		.allocationSize = needs.size,
		.memoryTypeIndex = (uint32_t)type,
	};
	int ret = type < 0 ? -ENOMEM :
		SBX_VK(device, vkAllocateMemory, device->handle, &info, NULL, &image->memory[0]);
	if (ret < 0) {
		return ret;
	}
	if (fd != NULL) {
		*fd = -1;
	}
	image->memory_count = 1;
	return SBX_VK(device, vkBindImageMemory, device->handle, image->handle, image->memory[0], 0);
}

static bool can_be_shared(const struct sbx_image *image) {
	struct sbx_device *device = image->device;
	const VkPhysicalDeviceExternalImageFormatInfo external_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO, .handleType = opaque,
	};
	const VkPhysicalDeviceImageFormatInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
		.pNext = &external_info,
		.format = image->format->vk,
		.type = VK_IMAGE_TYPE_2D,
		.tiling = VK_IMAGE_TILING_OPTIMAL,
		.usage = image->usage,
	};
	VkExternalImageFormatProperties external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
	};
	VkImageFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2, .pNext = &external,
	};
	const VkExternalMemoryFeatureFlags both = VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT |
		VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
	return device->vki.vkGetPhysicalDeviceImageFormatProperties2(device->physical, &info,
			&properties) == VK_SUCCESS &&
		(external.externalMemoryProperties.externalMemoryFeatures & both) == both;
}

static int create(struct sbx_device *device, const struct sbx_format *format, uint32_t width,
		uint32_t height, uint32_t uses, int *fd, struct sbx_image **out) {
	uint32_t max = device->caps.max_image_size;
	if (width == 0 || height == 0 || width > max || height > max) {
		return -EINVAL;
	}
	if (!device->caps.opaque_fd_memory || uses == 0 || format->ycbcr != NULL ||
			(sbx_format_uses(device, format) & uses) != uses) {
		return -ENOTSUP;
	}
	struct sbx_image *image = sbx_image_alloc(device, format, width, height);
	if (image == NULL) {
		return -ENOMEM;
	}
	image->usage = sbx_format_image_usage(sbx_format_features(device, format), uses);
	image->foreign = image->opaque = true;
	int ret = can_be_shared(image) ? create_handle(image) : -ENOTSUP;
	if (ret == 0) {
		ret = allocate(image, fd);
	}
	if (ret == 0) {
		ret = sbx_image_create_views(image, uses, NULL);
	}
	if (ret < 0) {
		sbx_image_abandon(image);
		return ret;
	}
	*out = image;
	return 0;
}

int sbx_image_create_opaque(struct sbx_device *device, const struct sbx_format *format,
		uint32_t width, uint32_t height, uint32_t uses, struct sbx_image **image) {
	return create(device, format, width, height, uses, NULL, image);
}

int sbx_image_import_opaque(struct sbx_device *device, const struct sbx_format *format,
		uint32_t width, uint32_t height, uint32_t uses, int *fd, struct sbx_image **image) {
	if (*fd < 0) {
		return -EBADF;
	}
	int ret = create(device, format, width, height, uses, fd, image);
	if (ret == 0) {
		// Whoever made it has used it before.
		(*image)->layout = VK_IMAGE_LAYOUT_GENERAL;
	}
	return ret;
}

int sbx_image_export_opaque(struct sbx_image *image, int *fd) {
	struct sbx_device *device = image->device;
	const VkMemoryGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
		.memory = image->memory[0],
		.handleType = opaque,
	};
	*fd = -1;
	if (!image->opaque) {
		return -EINVAL;
	}
	int ret = SBX_VK(device, vkGetMemoryFdKHR, device->handle, &info, fd);
	if (ret < 0) {
		*fd = -1;
	}
	return ret;
}
