/**
 * DRM fourcc <-> VkFormat: what can be sampled, what can be written.
 */
#ifndef SBX_RENDER_FORMAT_H
#define SBX_RENDER_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <volk.h>

struct sbx_device;

struct sbx_ycbcr;

/**
 * One pixel format. DRM names formats by little-endian words, Vulkan's packed formats too, its unpacked
 * ones by bytes.
 */
struct sbx_format {
	uint32_t drm;
	/** YCbCr: Vulkan's format of all planes together, VK_FORMAT_UNDEFINED where it has none. */
	VkFormat vk;
	/** 0: YCbCr, whose pixels have no size of their own. */
	uint32_t bytes_per_pixel;
	/**
	 * Bytes of a texel in an image of ours, known for sbx_format_on_device() only: more than the above
	 * where the device has no format of three channels, and one of four takes its place.
	 */
	uint32_t texel_bytes;
	/** False for XRGB and the like: alpha reads as one, and stores of it do not matter. */
	bool has_alpha;
	/** How the image's channels become RGBA when sampled (alpha one for X formats). */
	VkComponentMapping swizzle;
	/** Bits of the narrowest colour channel (5, 8, 10, 16) and whether it is floating point. */
	uint8_t depth;
	bool is_float;
	/** How the planes of a YCbCr format are sampled (ycbcr.h); NULL: RGB. */
	const struct sbx_ycbcr *ycbcr;
};

/** The format of this DRM fourcc, or NULL. Static. */
const struct sbx_format *sbx_format_from_drm(uint32_t drm);

/** All formats known, whatever the device: an array of *count. Static. */
const struct sbx_format *sbx_format_all(size_t *count);

enum sbx_format_use {
	SBX_FORMAT_SAMPLE = 1 << 0, /* can be a texture */
	SBX_FORMAT_STORE = 1 << 1, /* can be a target: storage writes and sampling */
};

/** What an image of our own (not a dma-buf) of this format can be used for: sbx_format_use bits. */
uint32_t sbx_format_uses(struct sbx_device *device, const struct sbx_format *format);

struct sbx_modifier {
	uint64_t modifier;
	uint32_t planes; /* memory planes */
	uint32_t uses; /* sbx_format_use bits */
	uint32_t max_width, max_height;
};

/**
 * The modifiers with which dma-bufs of this format can be imported, each with its uses. Returns their
 * number (0: none) and an array to be freed in *modifiers, or a negative errno.
 */
int sbx_format_modifiers(struct sbx_device *device, const struct sbx_format *format,
	struct sbx_modifier **modifiers);

#endif
