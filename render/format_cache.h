/**
 * What the device can do with each format, asked once.
 */
#ifndef SBX_RENDER_FORMAT_CACHE_H
#define SBX_RENDER_FORMAT_CACHE_H

#include <stdint.h>
#include <volk.h>

struct sbx_device;
struct sbx_format;
struct sbx_modifier;

int sbx_format_cache_create(struct sbx_device *device);
void sbx_format_cache_destroy(struct sbx_device *device);

/** A modifier as the device describes it. */
struct sbx_format_modifier {
	uint64_t modifier;
	uint32_t planes, uses, max_width, max_height;
	VkFormatFeatureFlags features;
};

/** This format's entry for `modifier`, or NULL. Lent by the device. */
const struct sbx_format_modifier *sbx_format_find_modifier(struct sbx_device *device,
	const struct sbx_format *format, uint64_t modifier);

/**
 * How an image with these features is created for these uses (enum sbx_format_use): copies are
 * allowed wherever the features have them.
 */
VkImageUsageFlags sbx_format_image_usage(VkFormatFeatureFlags features, uint32_t uses);

/** The features of this format in an image of our own. */
VkFormatFeatureFlags sbx_format_features(struct sbx_device *device, const struct sbx_format *format);

#endif
