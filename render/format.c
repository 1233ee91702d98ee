#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include "render/device.h"
#include "render/format.h"
#include "render/format_cache.h"
#include "render/ycbcr.h"

#define SAMPLE_FEATURES (VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT | \
	VK_FORMAT_FEATURE_SAMPLED_IMAGE_FILTER_LINEAR_BIT)
#define STORE_FEATURES (SAMPLE_FEATURES | VK_FORMAT_FEATURE_STORAGE_IMAGE_BIT)

struct entry {
	bool known;
	/* As this device has it. */
	struct sbx_format format;
	/* YCbCr: what all planes have. */
	VkFormatFeatureFlags features;
	struct sbx_format_modifier *modifiers;
	size_t count;
};

struct sbx_format_cache {
	struct entry entries[SBX_FORMAT_COUNT];
};

/* A storage image has no swizzle, so what must be turned round can be read only. */
static bool is_reordered(const struct sbx_format *format) {
	return format->swizzle.r != VK_COMPONENT_SWIZZLE_IDENTITY;
}

static bool can_sample(VkFormatFeatureFlags features) {
	return (features & SAMPLE_FEATURES) == SAMPLE_FEATURES;
}

static uint32_t uses_of(const struct sbx_format *format, VkFormatFeatureFlags features) {
	uint32_t uses = can_sample(features) ? SBX_FORMAT_SAMPLE : 0;
	if ((features & STORE_FEATURES) == STORE_FEATURES && !is_reordered(format) &&
			format->ycbcr == NULL) {
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
	for (size_t i = 0; device->formats != NULL && i < SBX_FORMAT_COUNT; i++) {
		free(device->formats->entries[i].modifiers);
	}
	free(device->formats);
	device->formats = NULL;
}

uint32_t sbx_format_plane_views(const struct sbx_format *format,
		VkFormat views[static 3]) {
	const struct sbx_ycbcr *ycbcr = format->ycbcr;
	for (uint32_t i = 0; ycbcr != NULL && i < ycbcr->n_planes; i++) {
		views[i] = sbx_format_from_drm(ycbcr->planes[i].drm)->vk;
	}
	return ycbcr != NULL ? ycbcr->n_planes : 0;
}

/* Whether each plane of a YCbCr format can be sampled through the format that it has by itself. */
static bool planes_can_sample(struct sbx_device *device, const struct sbx_format *format,
		uint64_t modifier) {
	for (uint32_t i = 0; i < format->ycbcr->n_planes; i++) {
		const struct sbx_format_modifier *plane = sbx_format_find_modifier(device,
			sbx_format_from_drm(format->ycbcr->planes[i].drm), modifier);
		if (plane == NULL || (plane->uses & SBX_FORMAT_SAMPLE) == 0) {
			return false;
		}
	}
	return true;
}

/* Whether an image with this modifier can be made from a dma-buf for these uses, and how large. */
static bool can_import(struct sbx_device *device, const struct sbx_format *format,
		const struct sbx_format_modifier *modifier, uint32_t uses, VkExtent3D *max) {
	VkFormat views[SBX_YCBCR_MAX_PLANES];
	const VkImageFormatListCreateInfo views_info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO,
		.viewFormatCount = sbx_format_plane_views(format, views),
		.pViewFormats = views,
	};
	const VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
		.pNext = format->ycbcr != NULL ? &views_info : NULL,
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
		.flags = format->ycbcr != NULL ? VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT : 0,
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

static void describe_uses(struct sbx_device *device, const struct sbx_format *format, uint32_t uses,
		struct sbx_format_modifier *modifier) {
	VkExtent3D max;
	for (uint32_t use = SBX_FORMAT_SAMPLE; use <= SBX_FORMAT_STORE; use <<= 1) {
		if ((uses & use) != 0 && can_import(device, format, modifier, use, &max)) {
			modifier->uses |= use;
			narrow(modifier, &max);
		}
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
		.whole = format->ycbcr != NULL,
	};
	// Compression may depend on which channel is where, so reordered formats are linear only.
	if (is_reordered(format) && modifier->modifier != DRM_FORMAT_MOD_LINEAR) {
		return false;
	}
	if (format->ycbcr == NULL) {
		describe_uses(device, format, uses_of(format, modifier->features), modifier);
	} else if (planes_can_sample(device, format, modifier->modifier)) {
		describe_uses(device, format, SBX_FORMAT_SAMPLE, modifier);
	}
	return modifier->uses != 0 && modifier->planes > 0 && modifier->planes <= 4;
}

/* Linear planes are images by themselves: every driver takes that, odd sizes and separate buffers too. */
static void add_split(struct sbx_device *device, struct entry *entry,
		struct sbx_format_modifier *modifiers) {
	const struct sbx_format *format = &entry->format;
	if (!planes_can_sample(device, format, DRM_FORMAT_MOD_LINEAR)) {
		return;
	}
	size_t i = 0;
	while (i < entry->count && modifiers[i].modifier != DRM_FORMAT_MOD_LINEAR) {
		i++;
	}
	if (i == entry->count) {
		modifiers[entry->count++] = (struct sbx_format_modifier){
			.modifier = DRM_FORMAT_MOD_LINEAR,
			.planes = format->ycbcr->n_memories,
			.uses = SBX_FORMAT_SAMPLE,
			.max_width = device->caps.max_image_size,
			.max_height = device->caps.max_image_size,
		};
	}
	modifiers[i].split = modifiers[i].planes == format->ycbcr->n_memories;
}

static int ask_modifiers(struct sbx_device *device, struct entry *entry) {
	const struct sbx_format *format = &entry->format;
	VkDrmFormatModifierPropertiesListEXT list = {
		.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
	};
	VkFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2, .pNext = &list,
	};
	if (format->vk != VK_FORMAT_UNDEFINED) {
		device->vki.vkGetPhysicalDeviceFormatProperties2(device->physical, format->vk,
			&properties);
	}
	uint32_t count = list.drmFormatModifierCount;
	VkDrmFormatModifierPropertiesEXT *offered = calloc(count + 1, sizeof(*offered));
	struct sbx_format_modifier *modifiers = calloc(count + 1, sizeof(*modifiers));
	if (offered == NULL || modifiers == NULL) {
		free(offered);
		free(modifiers);
		return -ENOMEM;
	}
	list.pDrmFormatModifierProperties = offered;
	if (count > 0) {
		device->vki.vkGetPhysicalDeviceFormatProperties2(device->physical, format->vk,
			&properties);
	}
	for (uint32_t i = 0; i < list.drmFormatModifierCount && i < count; i++) {
		if (describe_modifier(device, format, &offered[i], &modifiers[entry->count])) {
			entry->count++;
		}
	}
	free(offered);
	if (format->ycbcr != NULL) {
		add_split(device, entry, modifiers);
	}
	entry->modifiers = modifiers;
	return 0;
}

static VkFormatFeatureFlags ask_features(struct sbx_device *device, VkFormat format) {
	VkFormatProperties properties;
	device->vki.vkGetPhysicalDeviceFormatProperties(device->physical, format, &properties);
	return properties.optimalTilingFeatures;
}

static void choose_rgb(struct sbx_device *device, struct entry *entry) {
	struct sbx_format alternate;
	entry->features = ask_features(device, entry->format.vk);
	for (size_t i = 0; !can_sample(entry->features) &&
			sbx_format_alternate(&entry->format, i, &alternate); i++) {
		VkFormatFeatureFlags features = ask_features(device, alternate.vk);
		if (can_sample(features)) {
			entry->format = alternate;
			entry->features = features;
		}
	}
}

static void choose_ycbcr(struct sbx_device *device, struct entry *entry) {
	const struct sbx_ycbcr *ycbcr = entry->format.ycbcr;
	entry->features = ~0u;
	for (uint32_t i = 0; i < ycbcr->n_planes; i++) {
		entry->features &= sbx_format_features(device,
			sbx_format_from_drm(ycbcr->planes[i].drm));
	}
}

static struct entry *lookup(struct sbx_device *device, const struct sbx_format *format) {
	size_t index = sbx_format_index(format);
	struct entry *entry = &device->formats->entries[index];
	if (entry->known) {
		return entry;
	}
	size_t count;
	entry->format = sbx_format_all(&count)[index];
	entry->format.texel_bytes = entry->format.bytes_per_pixel;
	entry->count = 0;
	if (format->ycbcr != NULL) {
		choose_ycbcr(device, entry);
	} else {
		choose_rgb(device, entry);
	}
	// What has to be widened is not read where it lies.
	bool widened = entry->format.texel_bytes != entry->format.bytes_per_pixel;
	if (device->caps.dmabuf && !widened && ask_modifiers(device, entry) < 0) {
		return NULL;
	}
	entry->known = true;
	return entry;
}

const struct sbx_format *sbx_format_on_device(struct sbx_device *device,
		const struct sbx_format *format) {
	struct entry *entry = lookup(device, format);
	return entry != NULL ? &entry->format : NULL;
}

VkFormatFeatureFlags sbx_format_features(struct sbx_device *device,
		const struct sbx_format *format) {
	struct entry *entry = lookup(device, format);
	return entry != NULL ? entry->features : 0;
}

uint32_t sbx_format_uses(struct sbx_device *device, const struct sbx_format *format) {
	struct entry *entry = lookup(device, format);
	return entry != NULL ? uses_of(&entry->format, entry->features) : 0;
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
