#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include "render/device.h"
#include "render/format.h"
#include "render/format_cache.h"

#define SWIZZLE(red, green, blue, alpha) { \
	VK_COMPONENT_SWIZZLE_##red, VK_COMPONENT_SWIZZLE_##green, \
	VK_COMPONENT_SWIZZLE_##blue, VK_COMPONENT_SWIZZLE_##alpha }

#define AS_IS SWIZZLE(IDENTITY, IDENTITY, IDENTITY, IDENTITY)
#define OPAQUE SWIZZLE(IDENTITY, IDENTITY, IDENTITY, ONE)
/* The channels of an R8G8B8A8 image as they lie when DRM names them from the other end. */
#define FROM_ABGR SWIZZLE(A, B, G, R)
#define FROM_XBGR SWIZZLE(A, B, G, ONE)
#define FROM_ARGB SWIZZLE(G, B, A, R)
#define FROM_XRGB SWIZZLE(G, B, A, ONE)

#define UNORM(d, v, bytes, bits, alpha, map) { \
	.drm = DRM_FORMAT_##d, .vk = VK_FORMAT_##v, .bytes_per_pixel = bytes, .depth = bits, \
	.has_alpha = alpha, .swizzle = map }
#define FLOAT(d, v, bytes, bits, alpha, map) { \
	.drm = DRM_FORMAT_##d, .vk = VK_FORMAT_##v, .bytes_per_pixel = bytes, .depth = bits, \
	.has_alpha = alpha, .is_float = true, .swizzle = map }

/*
 * DRM names the channels of a little-endian word from its highest bits. Vulkan's _PACK formats do the
 * same; its other formats name the channels in the order of the bytes (or of the 16- or 32-bit units),
 * which is the other way round.
 */
static const struct sbx_format formats[] = {
	UNORM(ARGB8888, B8G8R8A8_UNORM, 4, 8, true, AS_IS),
	UNORM(XRGB8888, B8G8R8A8_UNORM, 4, 8, false, OPAQUE),
	UNORM(ABGR8888, R8G8B8A8_UNORM, 4, 8, true, AS_IS),
	UNORM(XBGR8888, R8G8B8A8_UNORM, 4, 8, false, OPAQUE),
	UNORM(RGBA8888, R8G8B8A8_UNORM, 4, 8, true, FROM_ABGR),
	UNORM(RGBX8888, R8G8B8A8_UNORM, 4, 8, false, FROM_XBGR),
	UNORM(BGRA8888, R8G8B8A8_UNORM, 4, 8, true, FROM_ARGB),
	UNORM(BGRX8888, R8G8B8A8_UNORM, 4, 8, false, FROM_XRGB),

	UNORM(R8, R8_UNORM, 1, 8, false, OPAQUE),
	UNORM(GR88, R8G8_UNORM, 2, 8, false, OPAQUE),
	UNORM(RGB888, B8G8R8_UNORM, 3, 8, false, OPAQUE),
	UNORM(BGR888, R8G8B8_UNORM, 3, 8, false, OPAQUE),

	UNORM(RGB565, R5G6B5_UNORM_PACK16, 2, 5, false, OPAQUE),
	UNORM(BGR565, B5G6R5_UNORM_PACK16, 2, 5, false, OPAQUE),
	UNORM(ARGB4444, A4R4G4B4_UNORM_PACK16, 2, 4, true, AS_IS),
	UNORM(XRGB4444, A4R4G4B4_UNORM_PACK16, 2, 4, false, OPAQUE),
	UNORM(ABGR4444, A4B4G4R4_UNORM_PACK16, 2, 4, true, AS_IS),
	UNORM(XBGR4444, A4B4G4R4_UNORM_PACK16, 2, 4, false, OPAQUE),
	UNORM(RGBA4444, R4G4B4A4_UNORM_PACK16, 2, 4, true, AS_IS),
	UNORM(RGBX4444, R4G4B4A4_UNORM_PACK16, 2, 4, false, OPAQUE),
	UNORM(BGRA4444, B4G4R4A4_UNORM_PACK16, 2, 4, true, AS_IS),
	UNORM(BGRX4444, B4G4R4A4_UNORM_PACK16, 2, 4, false, OPAQUE),
	UNORM(ARGB1555, A1R5G5B5_UNORM_PACK16, 2, 5, true, AS_IS),
	UNORM(XRGB1555, A1R5G5B5_UNORM_PACK16, 2, 5, false, OPAQUE),
	UNORM(RGBA5551, R5G5B5A1_UNORM_PACK16, 2, 5, true, AS_IS),
	UNORM(RGBX5551, R5G5B5A1_UNORM_PACK16, 2, 5, false, OPAQUE),
	UNORM(BGRA5551, B5G5R5A1_UNORM_PACK16, 2, 5, true, AS_IS),
	UNORM(BGRX5551, B5G5R5A1_UNORM_PACK16, 2, 5, false, OPAQUE),

	UNORM(ARGB2101010, A2R10G10B10_UNORM_PACK32, 4, 10, true, AS_IS),
	UNORM(XRGB2101010, A2R10G10B10_UNORM_PACK32, 4, 10, false, OPAQUE),
	UNORM(ABGR2101010, A2B10G10R10_UNORM_PACK32, 4, 10, true, AS_IS),
	UNORM(XBGR2101010, A2B10G10R10_UNORM_PACK32, 4, 10, false, OPAQUE),

	UNORM(BGR161616, R16G16B16_UNORM, 6, 16, false, OPAQUE),
	UNORM(ABGR16161616, R16G16B16A16_UNORM, 8, 16, true, AS_IS),
	UNORM(XBGR16161616, R16G16B16A16_UNORM, 8, 16, false, OPAQUE),

	FLOAT(R16F, R16_SFLOAT, 2, 16, false, OPAQUE),
	FLOAT(GR1616F, R16G16_SFLOAT, 4, 16, false, OPAQUE),
	FLOAT(BGR161616F, R16G16B16_SFLOAT, 6, 16, false, OPAQUE),
	FLOAT(ABGR16161616F, R16G16B16A16_SFLOAT, 8, 16, true, AS_IS),
	FLOAT(XBGR16161616F, R16G16B16A16_SFLOAT, 8, 16, false, OPAQUE),
	FLOAT(R32F, R32_SFLOAT, 4, 32, false, OPAQUE),
	FLOAT(GR3232F, R32G32_SFLOAT, 8, 32, false, OPAQUE),
	FLOAT(BGR323232F, R32G32B32_SFLOAT, 12, 32, false, OPAQUE),
	FLOAT(ABGR32323232F, R32G32B32A32_SFLOAT, 16, 32, true, AS_IS),
};

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

#define SAMPLE_FEATURES (VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT | \
	VK_FORMAT_FEATURE_SAMPLED_IMAGE_FILTER_LINEAR_BIT)
#define STORE_FEATURES (SAMPLE_FEATURES | VK_FORMAT_FEATURE_STORAGE_IMAGE_BIT)

struct entry {
	bool known;
	VkFormatFeatureFlags features;
	struct sbx_format_modifier *modifiers;
	size_t count;
};

struct sbx_format_cache {
	struct entry entries[FORMAT_COUNT];
};

const struct sbx_format *sbx_format_from_drm(uint32_t drm) {
	for (size_t i = 0; i < FORMAT_COUNT; i++) {
		if (formats[i].drm == drm) {
			return &formats[i];
		}
	}
	return NULL;
}

const struct sbx_format *sbx_format_all(size_t *count) {
	*count = FORMAT_COUNT;
	return formats;
}

/* A storage image has no swizzle, so what must be turned round can be read only. */
static bool is_reordered(const struct sbx_format *format) {
	return format->swizzle.r != VK_COMPONENT_SWIZZLE_IDENTITY;
}

static uint32_t uses_of(const struct sbx_format *format, VkFormatFeatureFlags features) {
	uint32_t uses = 0;
	if ((features & SAMPLE_FEATURES) == SAMPLE_FEATURES) {
		uses |= SBX_FORMAT_SAMPLE;
	}
	if ((features & STORE_FEATURES) == STORE_FEATURES && !is_reordered(format)) {
		uses |= SBX_FORMAT_STORE;
	}
	return uses;
}

VkImageUsageFlags sbx_format_image_usage(VkFormatFeatureFlags features, uint32_t uses) {
	VkImageUsageFlags usage = VK_IMAGE_USAGE_SAMPLED_BIT;
	if ((uses & SBX_FORMAT_STORE) != 0) {
		usage |= VK_IMAGE_USAGE_STORAGE_BIT;
	}
	if ((features & VK_FORMAT_FEATURE_TRANSFER_SRC_BIT) != 0) {
		usage |= VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
	}
	if ((features & VK_FORMAT_FEATURE_TRANSFER_DST_BIT) != 0) {
		usage |= VK_IMAGE_USAGE_TRANSFER_DST_BIT;
	}
	return usage;
}

int sbx_format_cache_create(struct sbx_device *device) {
	device->formats = calloc(1, sizeof(*device->formats));
	return device->formats != NULL ? 0 : -ENOMEM;
}

void sbx_format_cache_destroy(struct sbx_device *device) {
	for (size_t i = 0; device->formats != NULL && i < FORMAT_COUNT; i++) {
		free(device->formats->entries[i].modifiers);
	}
	free(device->formats);
	device->formats = NULL;
}

/* Whether an image with this modifier can be made from a dma-buf for these uses, and how large. */
static bool can_import(struct sbx_device *device, const struct sbx_format *format,
		const struct sbx_format_modifier *modifier, uint32_t uses, VkExtent3D *max) {
	const VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
		.drmFormatModifier = modifier->modifier,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
	};
	const VkPhysicalDeviceExternalImageFormatInfo external_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
		.pNext = &modifier_info,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkPhysicalDeviceImageFormatInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
		.pNext = &external_info,
		.format = format->vk,
		.type = VK_IMAGE_TYPE_2D,
		.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
		.usage = sbx_format_image_usage(modifier->features, uses),
	};
	VkExternalImageFormatProperties external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
	};
	VkImageFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2, .pNext = &external,
	};
	// Not SBX_VK: VK_ERROR_FORMAT_NOT_SUPPORTED is an answer, not a failure.
	if (device->vki.vkGetPhysicalDeviceImageFormatProperties2(device->physical, &info,
			&properties) != VK_SUCCESS) {
		return false;
	}
	*max = properties.imageFormatProperties.maxExtent;
	return (external.externalMemoryProperties.externalMemoryFeatures &
		VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0;
}

static void narrow(struct sbx_format_modifier *modifier, const VkExtent3D *max) {
	if (modifier->max_width > max->width) {
		modifier->max_width = max->width;
	}
	if (modifier->max_height > max->height) {
		modifier->max_height = max->height;
	}
}

static bool describe_modifier(struct sbx_device *device, const struct sbx_format *format,
		const VkDrmFormatModifierPropertiesEXT *offered, struct sbx_format_modifier *modifier) {
	*modifier = (struct sbx_format_modifier){
		.modifier = offered->drmFormatModifier,
		.planes = offered->drmFormatModifierPlaneCount,
		.max_width = device->caps.max_image_size,
		.max_height = device->caps.max_image_size,
		.features = offered->drmFormatModifierTilingFeatures,
	};
	// Compression may depend on which channel is where, so reordered formats are linear only.
	if (is_reordered(format) && modifier->modifier != DRM_FORMAT_MOD_LINEAR) {
		return false;
	}
	uint32_t uses = uses_of(format, modifier->features);
	VkExtent3D max;
	for (uint32_t use = SBX_FORMAT_SAMPLE; use <= SBX_FORMAT_STORE; use <<= 1) {
		if ((uses & use) != 0 && can_import(device, format, modifier, use, &max)) {
			modifier->uses |= use;
			narrow(modifier, &max);
		}
	}
	return modifier->uses != 0 && modifier->planes > 0 && modifier->planes <= 4;
}

static int ask_modifiers(struct sbx_device *device, const struct sbx_format *format,
		struct entry *entry) {
	VkDrmFormatModifierPropertiesListEXT list = {
		.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
	};
	VkFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2, .pNext = &list,
	};
	device->vki.vkGetPhysicalDeviceFormatProperties2(device->physical, format->vk, &properties);
	uint32_t count = list.drmFormatModifierCount;
	VkDrmFormatModifierPropertiesEXT *offered = calloc(count + 1, sizeof(*offered));
	struct sbx_format_modifier *modifiers = calloc(count + 1, sizeof(*modifiers));
	if (offered == NULL || modifiers == NULL) {
		free(offered);
		free(modifiers);
		return -ENOMEM;
	}
	list.pDrmFormatModifierProperties = offered;
	device->vki.vkGetPhysicalDeviceFormatProperties2(device->physical, format->vk, &properties);
	for (uint32_t i = 0; i < list.drmFormatModifierCount && i < count; i++) {
		if (describe_modifier(device, format, &offered[i], &modifiers[entry->count])) {
			entry->count++;
		}
	}
	free(offered);
	entry->modifiers = modifiers;
	return 0;
}

static struct entry *lookup(struct sbx_device *device, const struct sbx_format *format) {
	struct entry *entry = &device->formats->entries[format - formats];
	if (entry->known) {
		return entry;
	}
	VkFormatProperties properties;
	device->vki.vkGetPhysicalDeviceFormatProperties(device->physical, format->vk, &properties);
	entry->features = properties.optimalTilingFeatures;
	if (device->caps.dmabuf && ask_modifiers(device, format, entry) < 0) {
		return NULL;
	}
	entry->known = true;
	return entry;
}

VkFormatFeatureFlags sbx_format_features(struct sbx_device *device,
		const struct sbx_format *format) {
	struct entry *entry = lookup(device, format);
	return entry != NULL ? entry->features : 0;
}

uint32_t sbx_format_uses(struct sbx_device *device, const struct sbx_format *format) {
	return uses_of(format, sbx_format_features(device, format));
}

const struct sbx_format_modifier *sbx_format_find_modifier(struct sbx_device *device,
		const struct sbx_format *format, uint64_t modifier) {
	struct entry *entry = lookup(device, format);
	for (size_t i = 0; entry != NULL && i < entry->count; i++) {
		if (entry->modifiers[i].modifier == modifier) {
			return &entry->modifiers[i];
		}
	}
	return NULL;
}

int sbx_format_modifiers(struct sbx_device *device, const struct sbx_format *format,
		struct sbx_modifier **modifiers) {
	struct entry *entry = lookup(device, format);
	struct sbx_modifier *copy = entry != NULL ? calloc(entry->count + 1, sizeof(*copy)) : NULL;
	if (copy == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < entry->count; i++) {
		const struct sbx_format_modifier *known = &entry->modifiers[i];
		copy[i] = (struct sbx_modifier){
			.modifier = known->modifier, .planes = known->planes, .uses = known->uses,
			.max_width = known->max_width, .max_height = known->max_height,
		};
	}
	*modifiers = copy;
	return entry->count;
}
