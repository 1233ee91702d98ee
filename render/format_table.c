#include <drm_fourcc.h>
#include "render/format.h"
#include "render/format_cache.h"
#include "render/ycbcr.h"

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

/* Samples of fewer than 16 bits in words of 16: at their high end, or at their low one. */
#define HIGH(bits) (65535.0f / (float)(((1 << (bits)) - 1) << (16 - (bits))))
#define LOW(bits) (65535.0f / (float)((1 << (bits)) - 1))

#define YCBCR(d, v, sample_bits, factor, alpha, sampled, memories, ...) { \
	.drm = DRM_FORMAT_##d, .vk = VK_FORMAT_##v, .depth = sample_bits, .has_alpha = alpha, \
	.swizzle = AS_IS, .ycbcr = &(const struct sbx_ycbcr){ \
		.n_planes = sampled, .n_memories = memories, .bits = sample_bits, .scale = factor, \
		.planes = { __VA_ARGS__ } } }
#define PLANE(d, in, x, y, ...) { \
	.drm = DRM_FORMAT_##d, .memory = in, .swizzle = __VA_ARGS__, .shift_x = x, .shift_y = y }

#define FIRST SWIZZLE(R, ZERO, ZERO, ONE)
#define CB_CR SWIZZLE(R, G, ZERO, ONE)
#define CR_CB SWIZZLE(G, R, ZERO, ONE)

#define ONE_PLANE(d, bits, factor, alpha, all, ...) \
	YCBCR(d, UNDEFINED, bits, factor, alpha, 1, 1, PLANE(all, 0, 0, 0, __VA_ARGS__))
#define TWO_PLANES(d, v, bits, factor, y, cbcr, x_shift, y_shift, ...) \
	YCBCR(d, v, bits, factor, false, 2, 2, PLANE(y, 0, 0, 0, FIRST), \
		PLANE(cbcr, 1, x_shift, y_shift, __VA_ARGS__))
#define THREE_PLANES(d, v, bits, factor, all, cb, cr, x_shift, y_shift) \
	YCBCR(d, v, bits, factor, false, 3, 3, PLANE(all, 0, 0, 0, FIRST), \
		PLANE(all, cb, x_shift, y_shift, FIRST), PLANE(all, cr, x_shift, y_shift, FIRST))
/* Two pixels in one word, read in two ways: pixel by pixel for Y, pair by pair for Cb and Cr. */
#define PAIRS(d, bits, factor, pixel, pair, y, cb, cr) \
	YCBCR(d, UNDEFINED, bits, factor, false, 2, 1, \
		PLANE(pixel, 0, 0, 0, SWIZZLE(y, ZERO, ZERO, ONE)), \
		PLANE(pair, 0, 1, 0, SWIZZLE(cb, cr, ZERO, ONE)))

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
	UNORM(R16, R16_UNORM, 2, 16, false, OPAQUE),
	UNORM(GR1616, R16G16_UNORM, 4, 16, false, OPAQUE),
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

	TWO_PLANES(NV12, G8_B8R8_2PLANE_420_UNORM, 8, 1, R8, GR88, 1, 1, CB_CR),
	TWO_PLANES(NV21, G8_B8R8_2PLANE_420_UNORM, 8, 1, R8, GR88, 1, 1, CR_CB),
	TWO_PLANES(NV16, G8_B8R8_2PLANE_422_UNORM, 8, 1, R8, GR88, 1, 0, CB_CR),
	TWO_PLANES(NV61, G8_B8R8_2PLANE_422_UNORM, 8, 1, R8, GR88, 1, 0, CR_CB),
	TWO_PLANES(NV24, G8_B8R8_2PLANE_444_UNORM, 8, 1, R8, GR88, 0, 0, CB_CR),
	TWO_PLANES(NV42, G8_B8R8_2PLANE_444_UNORM, 8, 1, R8, GR88, 0, 0, CR_CB),
	TWO_PLANES(P010, G10X6_B10X6R10X6_2PLANE_420_UNORM_3PACK16, 10, HIGH(10), R16, GR1616,
		1, 1, CB_CR),
	TWO_PLANES(P210, G10X6_B10X6R10X6_2PLANE_422_UNORM_3PACK16, 10, HIGH(10), R16, GR1616,
		1, 0, CB_CR),
	TWO_PLANES(P012, G12X4_B12X4R12X4_2PLANE_420_UNORM_3PACK16, 12, HIGH(12), R16, GR1616,
		1, 1, CB_CR),
	TWO_PLANES(P016, G16_B16R16_2PLANE_420_UNORM, 16, 1, R16, GR1616, 1, 1, CB_CR),

	THREE_PLANES(YUV410, UNDEFINED, 8, 1, R8, 1, 2, 2, 2),
	THREE_PLANES(YVU410, UNDEFINED, 8, 1, R8, 2, 1, 2, 2),
	THREE_PLANES(YUV411, UNDEFINED, 8, 1, R8, 1, 2, 2, 0),
	THREE_PLANES(YVU411, UNDEFINED, 8, 1, R8, 2, 1, 2, 0),
	THREE_PLANES(YUV420, G8_B8_R8_3PLANE_420_UNORM, 8, 1, R8, 1, 2, 1, 1),
	THREE_PLANES(YVU420, G8_B8_R8_3PLANE_420_UNORM, 8, 1, R8, 2, 1, 1, 1),
	THREE_PLANES(YUV422, G8_B8_R8_3PLANE_422_UNORM, 8, 1, R8, 1, 2, 1, 0),
	THREE_PLANES(YVU422, G8_B8_R8_3PLANE_422_UNORM, 8, 1, R8, 2, 1, 1, 0),
	THREE_PLANES(YUV444, G8_B8_R8_3PLANE_444_UNORM, 8, 1, R8, 1, 2, 0, 0),
	THREE_PLANES(YVU444, G8_B8_R8_3PLANE_444_UNORM, 8, 1, R8, 2, 1, 0, 0),
	THREE_PLANES(Q410, G10X6_B10X6_R10X6_3PLANE_444_UNORM_3PACK16, 10, HIGH(10), R16, 1, 2, 0, 0),
	THREE_PLANES(Q401, G10X6_B10X6_R10X6_3PLANE_444_UNORM_3PACK16, 10, HIGH(10), R16, 2, 1, 0, 0),
	THREE_PLANES(S010, UNDEFINED, 10, LOW(10), R16, 1, 2, 1, 1),
	THREE_PLANES(S210, UNDEFINED, 10, LOW(10), R16, 1, 2, 1, 0),
	THREE_PLANES(S410, UNDEFINED, 10, LOW(10), R16, 1, 2, 0, 0),
	THREE_PLANES(S012, UNDEFINED, 12, LOW(12), R16, 1, 2, 1, 1),
	THREE_PLANES(S212, UNDEFINED, 12, LOW(12), R16, 1, 2, 1, 0),
	THREE_PLANES(S412, UNDEFINED, 12, LOW(12), R16, 1, 2, 0, 0),
	THREE_PLANES(S016, UNDEFINED, 16, 1, R16, 1, 2, 1, 1),
	THREE_PLANES(S216, UNDEFINED, 16, 1, R16, 1, 2, 1, 0),
	THREE_PLANES(S416, UNDEFINED, 16, 1, R16, 1, 2, 0, 0),

	PAIRS(YUYV, 8, 1, GR88, ABGR8888, R, G, A),
	PAIRS(YVYU, 8, 1, GR88, ABGR8888, R, A, G),
	PAIRS(UYVY, 8, 1, GR88, ABGR8888, G, R, B),
	PAIRS(VYUY, 8, 1, GR88, ABGR8888, G, B, R),
	PAIRS(Y210, 10, HIGH(10), GR1616, ABGR16161616, R, G, A),
	PAIRS(Y212, 12, HIGH(12), GR1616, ABGR16161616, R, G, A),
	PAIRS(Y216, 16, 1, GR1616, ABGR16161616, R, G, A),

	ONE_PLANE(AYUV, 8, 1, true, ABGR8888, SWIZZLE(B, G, R, A)),
	ONE_PLANE(XYUV8888, 8, 1, false, ABGR8888, SWIZZLE(B, G, R, ONE)),
	ONE_PLANE(AVUY8888, 8, 1, true, ABGR8888, SWIZZLE(R, G, B, A)),
	ONE_PLANE(XVUY8888, 8, 1, false, ABGR8888, SWIZZLE(R, G, B, ONE)),
	ONE_PLANE(VUY888, 8, 1, false, BGR888, SWIZZLE(R, G, B, ONE)),
	ONE_PLANE(XVUY2101010, 10, 1, false, ABGR2101010, SWIZZLE(R, G, B, ONE)),
	ONE_PLANE(Y410, 10, 1, true, ABGR2101010, SWIZZLE(G, R, B, A)),
	ONE_PLANE(XVYU2101010, 10, 1, false, ABGR2101010, SWIZZLE(G, R, B, ONE)),
	ONE_PLANE(Y412, 12, HIGH(12), true, ABGR16161616, SWIZZLE(G, R, B, A)),
	ONE_PLANE(XVYU12_16161616, 12, HIGH(12), false, ABGR16161616, SWIZZLE(G, R, B, ONE)),
	ONE_PLANE(Y416, 16, 1, true, ABGR16161616, SWIZZLE(G, R, B, A)),
	ONE_PLANE(XVYU16161616, 16, 1, false, ABGR16161616, SWIZZLE(G, R, B, ONE)),
};

/*
 * The same bytes read through another of Vulkan's formats, of which a device may have one and not the
 * other: what Vulkan 1.3 demands of all are B4G4R4A4, R5G6B5, A1R5G5B5 and A2B10G10R10. Three channels are
 * rare; there the pixels are widened on their way into an image (texel_bytes).
 */
static const struct alternate {
	uint32_t drm;
	VkFormat vk;
	VkComponentMapping swizzle;
	/* 0: as many as the pixel. */
	uint32_t texel_bytes;
} alternates[] = {
	{ DRM_FORMAT_ARGB4444, VK_FORMAT_B4G4R4A4_UNORM_PACK16, SWIZZLE(G, R, A, B), 0 },
	{ DRM_FORMAT_XRGB4444, VK_FORMAT_B4G4R4A4_UNORM_PACK16, SWIZZLE(G, R, A, ONE), 0 },
	{ DRM_FORMAT_ABGR4444, VK_FORMAT_B4G4R4A4_UNORM_PACK16, SWIZZLE(A, R, G, B), 0 },
	{ DRM_FORMAT_XBGR4444, VK_FORMAT_B4G4R4A4_UNORM_PACK16, SWIZZLE(A, R, G, ONE), 0 },
	{ DRM_FORMAT_RGBA4444, VK_FORMAT_B4G4R4A4_UNORM_PACK16, SWIZZLE(B, G, R, A), 0 },
	{ DRM_FORMAT_RGBX4444, VK_FORMAT_B4G4R4A4_UNORM_PACK16, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_BGRA4444, VK_FORMAT_R4G4B4A4_UNORM_PACK16, SWIZZLE(B, G, R, A), 0 },
	{ DRM_FORMAT_BGRX4444, VK_FORMAT_R4G4B4A4_UNORM_PACK16, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_RGB565, VK_FORMAT_B5G6R5_UNORM_PACK16, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_BGR565, VK_FORMAT_R5G6B5_UNORM_PACK16, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_RGBA5551, VK_FORMAT_B5G5R5A1_UNORM_PACK16, SWIZZLE(B, G, R, A), 0 },
	{ DRM_FORMAT_RGBX5551, VK_FORMAT_B5G5R5A1_UNORM_PACK16, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_BGRA5551, VK_FORMAT_R5G5B5A1_UNORM_PACK16, SWIZZLE(B, G, R, A), 0 },
	{ DRM_FORMAT_BGRX5551, VK_FORMAT_R5G5B5A1_UNORM_PACK16, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_ARGB2101010, VK_FORMAT_A2B10G10R10_UNORM_PACK32, SWIZZLE(B, G, R, A), 0 },
	{ DRM_FORMAT_XRGB2101010, VK_FORMAT_A2B10G10R10_UNORM_PACK32, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_ABGR2101010, VK_FORMAT_A2R10G10B10_UNORM_PACK32, SWIZZLE(B, G, R, A), 0 },
	{ DRM_FORMAT_XBGR2101010, VK_FORMAT_A2R10G10B10_UNORM_PACK32, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_ARGB8888, VK_FORMAT_R8G8B8A8_UNORM, SWIZZLE(B, G, R, A), 0 },
	{ DRM_FORMAT_XRGB8888, VK_FORMAT_R8G8B8A8_UNORM, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_RGB888, VK_FORMAT_R8G8B8_UNORM, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_BGR888, VK_FORMAT_B8G8R8_UNORM, SWIZZLE(B, G, R, ONE), 0 },
	{ DRM_FORMAT_RGB888, VK_FORMAT_B8G8R8A8_UNORM, OPAQUE, 4 },
	{ DRM_FORMAT_BGR888, VK_FORMAT_R8G8B8A8_UNORM, OPAQUE, 4 },
	{ DRM_FORMAT_BGR161616, VK_FORMAT_R16G16B16A16_UNORM, OPAQUE, 8 },
	{ DRM_FORMAT_BGR161616F, VK_FORMAT_R16G16B16A16_SFLOAT, OPAQUE, 8 },
	{ DRM_FORMAT_BGR323232F, VK_FORMAT_R32G32B32A32_SFLOAT, OPAQUE, 16 },
};

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))
_Static_assert(FORMAT_COUNT == SBX_FORMAT_COUNT, "the cache has an entry for each");

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

size_t sbx_format_index(const struct sbx_format *format) {
	size_t index = 0;
	while (formats[index].drm != format->drm) {
		index++;
	}
	return index;
}

bool sbx_format_alternate(const struct sbx_format *format, size_t n, struct sbx_format *alternate) {
	for (size_t i = 0; i < sizeof(alternates) / sizeof(alternates[0]); i++) {
		if (alternates[i].drm != format->drm || n-- > 0) {
			continue;
		}
		*alternate = *format;
		alternate->vk = alternates[i].vk;
		alternate->swizzle = alternates[i].swizzle;
		alternate->texel_bytes = alternates[i].texel_bytes != 0 ? alternates[i].texel_bytes :
			format->bytes_per_pixel;
		return true;
	}
	return false;
}
