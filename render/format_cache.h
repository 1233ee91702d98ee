/**
 * What the device can do with each format, asked once.
 */
#ifndef SBX_RENDER_FORMAT_CACHE_H
#define SBX_RENDER_FORMAT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <volk.h>

struct sbx_device;
struct sbx_format;
struct sbx_modifier;

/** How many sbx_format_all() has. */
#define SBX_FORMAT_COUNT 96

/** Its place among them: that of the one with the same fourcc. */
size_t sbx_format_index(const struct sbx_format *format);

/** The `n`th (from 0) other way to have these pixels in Vulkan, the best first; false: no more. */
bool sbx_format_alternate(const struct sbx_format *format, size_t n, struct sbx_format *alternate);

int sbx_format_cache_create(struct sbx_device *device);
void sbx_format_cache_destroy(struct sbx_device *device);

/** A modifier as the device describes it. */
struct sbx_format_modifier {
	uint64_t modifier;
	uint32_t planes, uses, max_width, max_height;
	VkFormatFeatureFlags features;
	/** YCbCr: all planes can be one image of Vulkan's; each can be an image by itself. */
	bool whole, split;
};

/**
 * The format as this device has it: where it cannot sample the usual Vulkan format, by another one that
 * has the same bytes. Lent by the device. NULL: out of memory.
 */
const struct sbx_format *sbx_format_on_device(struct sbx_device *device,
	const struct sbx_format *format);

/** This format's entry for `modifier`, or NULL. Lent by the device. */
const struct sbx_format_modifier *sbx_format_find_modifier(struct sbx_device *device,
	const struct sbx_format *format, uint64_t modifier);

/**
 * How an image with these features is created for these uses (enum sbx_format_use): copies are
 * allowed wherever the features have them.
 */
VkImageUsageFlags sbx_format_image_usage(VkFormatFeatureFlags features, uint32_t uses);

/** YCbCr: the formats in which its planes are seen; returns how many. RGB: 0. */
uint32_t sbx_format_plane_views(const struct sbx_format *format, VkFormat views[static 3]);

/** The features of this format in an image of our own. */
VkFormatFeatureFlags sbx_format_features(struct sbx_device *device, const struct sbx_format *format);

#endif
