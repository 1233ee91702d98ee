/**
 * YCbCr: pictures of brightness and colour difference, in up to three planes of memory.
 *
 * Each plane is sampled as a texture of its own, of an ordinary one-plane format; the shader puts the
 * parts together. So one pipeline does for all of them, whatever encoding and range.
 */
#ifndef SBX_RENDER_YCBCR_H
#define SBX_RENDER_YCBCR_H

#include <stdbool.h>
#include <stdint.h>
#include <volk.h>

struct sbx_format;

#define SBX_YCBCR_MAX_PLANES 3

/** A plane as it is sampled. Two of them may lie in the same memory (Y and CbCr of YUYV). */
struct sbx_ycbcr_plane {
	/** The one-plane format (DRM fourcc) of its texels. */
	uint32_t drm;
	/**
	 * To Y, Cb, Cr, A when it is the only plane; to Y in the first of several; to Cb, Cr in the
	 * second of two; to Cb, to Cr in three.
	 */
	VkComponentMapping swizzle;
	/** Which of the dma-buf's planes it lies in. */
	uint8_t memory;
	/** log2 of how many pixels one texel stands for. */
	uint8_t shift_x, shift_y;
};

struct sbx_ycbcr {
	uint8_t n_planes;
	/** Planes of a linear dma-buf. */
	uint8_t n_memories;
	/** Bits that count in each sample: 8, 10, 12, 16. */
	uint8_t bits;
	/** What a sample read as 0..1 is to be multiplied by so that 1 is the largest number of `bits`. */
	float scale;
	struct sbx_ycbcr_plane planes[SBX_YCBCR_MAX_PLANES];
};

/** Matrix coefficients (ITU-T H.273). Non-constant luminance in all cases. */
enum sbx_encoding {
	/** BT.601, as wlroots takes it where nobody said anything. */
	SBX_ENCODING_DEFAULT,
	SBX_ENCODING_BT601,
	SBX_ENCODING_BT709,
	SBX_ENCODING_BT2020,
	SBX_ENCODING_FCC,
	SBX_ENCODING_SMPTE240,
	/** No matrix: Y is green, Cb blue, Cr red. */
	SBX_ENCODING_IDENTITY,
	SBX_ENCODING_COUNT,
};

enum sbx_range {
	/** Limited. */
	SBX_RANGE_DEFAULT,
	/** 8 bits: 16..235 for brightness, 16..240 for colour difference. */
	SBX_RANGE_LIMITED,
	SBX_RANGE_FULL,
	SBX_RANGE_COUNT,
};

/** Where the samples of a subsampled plane lie among those of brightness: ChromaLocType of H.273. */
enum sbx_chroma_location {
	/** In the middle, as type 1. */
	SBX_CHROMA_DEFAULT,
	SBX_CHROMA_LEFT, /* type 0 */
	SBX_CHROMA_CENTER, /* type 1 */
	SBX_CHROMA_TOP_LEFT, /* type 2 */
	SBX_CHROMA_TOP, /* type 3 */
	SBX_CHROMA_BOTTOM_LEFT, /* type 4 */
	SBX_CHROMA_BOTTOM, /* type 5 */
	SBX_CHROMA_COUNT,
};

/** How a texture that is YCbCr was encoded; all zero: the defaults. */
struct sbx_coding {
	enum sbx_encoding encoding;
	enum sbx_range range;
	enum sbx_chroma_location chroma;
};

/**
 * RGB = rows * (Y, Cb, Cr, 1), of samples as they are read (0..1, ycbcr->scale not applied). Rows in the
 * order red, green, blue.
 */
void sbx_ycbcr_matrix(const struct sbx_ycbcr *ycbcr, enum sbx_encoding encoding, enum sbx_range range,
	float rows[static 3][4]);

/** To be added to a place in luma texels divided by the subsampling, to get one in chroma texels. */
void sbx_ycbcr_chroma_offset(const struct sbx_ycbcr *ycbcr, enum sbx_chroma_location location,
	float offset[static 2]);

/** The size of plane `index` of a picture of this size. */
void sbx_ycbcr_plane_size(const struct sbx_ycbcr *ycbcr, uint32_t index, uint32_t width,
	uint32_t height, uint32_t *plane_width, uint32_t *plane_height);

/** Vulkan's formats of several planes take only sizes that are multiples of the subsampling. */
bool sbx_ycbcr_is_even(const struct sbx_ycbcr *ycbcr, uint32_t width, uint32_t height);

#endif
