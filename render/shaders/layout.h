/**
 * What the composer's shader and the C code that feeds it must agree on, written once: both read this file.
 *
 * So no shader has numbers of its own for what C knows, too (tests/project/shaders.py), and what the
 * compiler made of it is compared with what Vulkan is told (tests/render/pipeline.c).
 */
#ifndef SBX_RENDER_SHADERS_LAYOUT_H
#define SBX_RENDER_SHADERS_LAYOUT_H

#ifdef VULKAN
#define uint32_t uint
#define SBX_ENUM(name)
#define SBX_VALUE(name, value) const uint name = value;
#define SBX_ENUM_END
#else
#include <stdint.h>
#define SBX_ENUM(name) enum name {
#define SBX_VALUE(name, value) name = value,
#define SBX_ENUM_END };
#endif

/** Specialization constants. */
SBX_ENUM(sbx_constant)
	/** Layers may be scaled, turned or cut at the texture's edge; otherwise textures are SBX_RECORD_PLAIN. */
	SBX_VALUE(SBX_CONSTANT_FULL, 0)
	/** Bilinear filtering by four fetches instead of the sampler. */
	SBX_VALUE(SBX_CONSTANT_FETCH_BILINEAR, 1)
	/** Invocations of a workgroup: each draws some pixels of its tile. */
	SBX_VALUE(SBX_CONSTANT_INVOCATIONS, 2)
	/** Some layers are YCbCr. */
	SBX_VALUE(SBX_CONSTANT_YCBCR, 3)
	/** What all parts have in common: see enum sbx_pipeline_kind. */
	SBX_VALUE(SBX_CONSTANT_SINGLE, 4)
	SBX_VALUE(SBX_CONSTANT_STACK, 5)
	/** With SBX_COLORS: what the target holds may have come out of a table. */
	SBX_VALUE(SBX_CONSTANT_UNDO_TABLE, 6)
	/** With SBX_COLORS: a grade may be a table. */
	SBX_VALUE(SBX_CONSTANT_TABLE, 7)
	SBX_VALUE(SBX_CONSTANT_COUNT, 8)
SBX_ENUM_END

/** Descriptor sets, and their bindings. */
SBX_ENUM(sbx_set)
	SBX_VALUE(SBX_SET_TEXTURES, 0)
	SBX_VALUE(SBX_SET_DATA, 1)
	SBX_VALUE(SBX_SET_TARGET, 2)
	SBX_VALUE(SBX_SET_COUNT, 3)
SBX_ENUM_END
SBX_ENUM(sbx_binding)
	/** All textures. */
	SBX_VALUE(SBX_BINDING_TEXTURES, 0)
	/** Clamps to the edge, bilinear, coordinates in texels. */
	SBX_VALUE(SBX_BINDING_SAMPLER, 1)
	/** The same buffer twice, in pieces of 16 bytes and of 4. */
	SBX_VALUE(SBX_BINDING_QUADS, 0)
	SBX_VALUE(SBX_BINDING_WORDS, 1)
	/** The target to be read, and to be written. */
	SBX_VALUE(SBX_BINDING_BEFORE, 0)
	SBX_VALUE(SBX_BINDING_STORE, 1)
SBX_ENUM_END

SBX_ENUM(sbx_tiling)
	/** A workgroup draws a tile of 2^shift columns by 2^(SBX_TILE_SHIFT - shift) rows of its part. */
	SBX_VALUE(SBX_TILE_SHIFT, 8)
	/** For every 2^SBX_CHUNK_SHIFT workgroups the shader is told at which part to begin looking. */
	SBX_VALUE(SBX_CHUNK_SHIFT, 6)
SBX_ENUM_END

/** How the last eight bytes of struct sbx_packed_part are divided. */
SBX_ENUM(sbx_part_bits)
	/** Where its list of layers begins, or its only layer; the rest of the word says how many there are. */
	SBX_VALUE(SBX_PART_LAYER_BITS, 18)
	/** Its first workgroup; then the shift of its tiles. */
	SBX_VALUE(SBX_PART_GROUP_BITS, 24)
	SBX_VALUE(SBX_PART_SHIFT_BITS, 4)
	SBX_VALUE(SBX_PART_OVER_TARGET, 1 << 28)
	SBX_VALUE(SBX_PART_DITHER, 1 << 29)
SBX_ENUM_END

/** Pieces of 16 bytes. */
SBX_ENUM(sbx_quads)
	/** struct sbx_record */
	SBX_VALUE(SBX_RECORD_QUADS, 3)
	/** struct sbx_ycbcr_record */
	SBX_VALUE(SBX_YCBCR_QUADS, 5)
SBX_ENUM_END

SBX_ENUM(sbx_record_flags)
	/** A colour, no texture. */
	SBX_VALUE(SBX_RECORD_RECT, 1 << 0)
	/** One texel a pixel, not turned, never outside the texture: an integer fetch does. */
	SBX_VALUE(SBX_RECORD_PLAIN, 1 << 1)
	SBX_VALUE(SBX_RECORD_SWAP, 1 << 2)
	SBX_VALUE(SBX_RECORD_NEAREST, 1 << 3)
	/** Replaces what is below: so nothing is, and the shader need not know. */
	SBX_VALUE(SBX_RECORD_REPLACE, 1 << 4)
	/** `alpha` is not 1. */
	SBX_VALUE(SBX_RECORD_ALPHA, 1 << 5)
	/** Sampled plane by plane: a struct sbx_ycbcr_record says how. */
	SBX_VALUE(SBX_RECORD_YCBCR, 1 << 6)
	/** A matrix follows what is decoded. */
	SBX_VALUE(SBX_RECORD_MATRIX, 1 << 7)
	/** Three bits: enum sbx_curve. */
	SBX_VALUE(SBX_RECORD_CURVE_SHIFT, 8)
	SBX_VALUE(SBX_RECORD_CURVE, 7 << SBX_RECORD_CURVE_SHIFT)
	/** It is something else than gamma 2.2 with sRGB primaries. */
	SBX_VALUE(SBX_RECORD_CONVERT, 1 << 11)
	/** It has more bits than the target, to which it is to be dithered. */
	SBX_VALUE(SBX_RECORD_DEEP, 1 << 12)
SBX_ENUM_END

/** How encoded values become light. */
SBX_ENUM(sbx_curve)
	/** A power of 2.2: what an sRGB monitor does, and what wlroots takes for granted. */
	SBX_VALUE(SBX_CURVE_GAMMA22, 0)
	/** Encoded values are light; neither cut above 1 nor below 0. */
	SBX_VALUE(SBX_CURVE_LINEAR, 1)
	/** The piecewise function of IEC 61966-2-1. */
	SBX_VALUE(SBX_CURVE_SRGB, 2)
	/** SMPTE ST 2084 (H.273 code point 16); 1 is 10000 cd/m2. */
	SBX_VALUE(SBX_CURVE_PQ, 3)
	/** ITU-R BT.1886 for black at 0.01 and white at 100 cd/m2. */
	SBX_VALUE(SBX_CURVE_BT1886, 4)
	/** In a grade's place for a curve: there is a table. */
	SBX_VALUE(SBX_CURVE_COUNT, 5)
SBX_ENUM_END

SBX_ENUM(sbx_grade_flags)
	/** Beside the curve of a grade: its matrix is not the identity. */
	SBX_VALUE(SBX_GRADE_MATRIX, 1 << 3)
SBX_ENUM_END

SBX_ENUM(sbx_color_table)
	/** Points on each axis of a colour table. */
	SBX_VALUE(SBX_COLOR_TABLE_SIZE, 33)
SBX_ENUM_END

/** The push constants: places, of parts and records in units of 16 bytes, of the rest in 4. */
struct sbx_push {
	uint32_t first_part;
	uint32_t first_record;
	uint32_t first_layer;
	uint32_t first_chunk;
	uint32_t n_groups;
	uint32_t n_parts;
	/** The largest value that the target holds, 1 for integers: sums are cut there as such a target does. */
	float limit;
	/** Where the grade is, in quads from the first record; 0: there is none. */
	uint32_t grade;
	/** A step of the target's format, in red, green and blue: what dithering may add or take. */
	float steps[3];
};

#endif
