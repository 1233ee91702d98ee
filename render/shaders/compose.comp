// The composer: each workgroup finds its part of the target, each invocation walks that part's stack
// of layers, bottom first, and writes its pixel once.
//
// Compiled twice: with SBX_COLORS for pipelines that convert colours and dither, and without for those that know
// nothing of that and are made in half the time.
//
// render/record.c writes what is read here; the layouts are described in layout.h and render/frame.h.
#version 460
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_nonuniform_qualifier : require
#extension GL_EXT_samplerless_texture_functions : require
#extension GL_GOOGLE_include_directive : require

#include "layout.h"

layout(constant_id = SBX_CONSTANT_FULL) const bool FULL = false;
layout(constant_id = SBX_CONSTANT_FETCH_BILINEAR) const bool FETCH_BILINEAR = false;
layout(constant_id = SBX_CONSTANT_YCBCR) const bool YCBCR = false;
layout(constant_id = SBX_CONSTANT_SINGLE) const bool SINGLE = false;
layout(constant_id = SBX_CONSTANT_STACK) const bool STACK = false;
layout(constant_id = SBX_CONSTANT_UNDO_TABLE) const bool UNDO_TABLE = false;
layout(constant_id = SBX_CONSTANT_TABLE) const bool TABLE = false;

layout(local_size_x_id = SBX_CONSTANT_INVOCATIONS) in;
const uint PIXELS = (1 << SBX_TILE_SHIFT) / gl_WorkGroupSize.x;

layout(set = SBX_SET_TEXTURES, binding = SBX_BINDING_TEXTURES) uniform texture2D textures[];
layout(set = SBX_SET_TEXTURES, binding = SBX_BINDING_SAMPLER) uniform sampler bilinear;
layout(set = SBX_SET_DATA, binding = SBX_BINDING_QUADS, std430) restrict readonly buffer Quads {
	uvec4 quads[];
};
layout(set = SBX_SET_DATA, binding = SBX_BINDING_WORDS, std430) restrict readonly buffer Words {
	uint words[];
};
layout(set = SBX_SET_TARGET, binding = SBX_BINDING_BEFORE) uniform texture2D target_before;
layout(set = SBX_SET_TARGET, binding = SBX_BINDING_STORE) restrict writeonly uniform image2D target;

layout(push_constant) uniform Push {
	sbx_push push;
};

const uint GROUP_MASK = (1 << SBX_PART_GROUP_BITS) - 1;
const uint LAYER_MASK = (1 << SBX_PART_LAYER_BITS) - 1;

// The part that workgroup `group` belongs to: the last one that begins at or before it.
uvec4 find_part(uint group) {
	if (push.n_parts == 1) {
		return quads[push.first_part];
	}
	uint chunk = push.first_chunk + (group >> SBX_CHUNK_SHIFT);
	uint low = words[chunk];
	uint high = words[chunk + 1];
	while (low < high) {
		uint middle = (low + high + 1) / 2;
		if ((quads[push.first_part + middle].w & GROUP_MASK) <= group) {
			low = middle;
		} else {
			high = middle - 1;
		}
	}
	return quads[push.first_part + low];
}

vec4 fetch_bilinear(uint slot, vec2 at, ivec2 last) {
	vec2 corner = floor(at - 0.5);
	vec2 weight = at - 0.5 - corner;
	ivec2 a = clamp(ivec2(corner), ivec2(0), last);
	ivec2 b = clamp(ivec2(corner) + 1, ivec2(0), last);
	vec4 upper = mix(texelFetch(textures[slot], a, 0),
		texelFetch(textures[slot], ivec2(b.x, a.y), 0), weight.x);
	vec4 lower = mix(texelFetch(textures[slot], ivec2(a.x, b.y), 0),
		texelFetch(textures[slot], b, 0), weight.x);
	return mix(upper, lower, weight.y);
}

vec4 sample_bilinear(uint slot, vec2 at, ivec2 last) {
	if (FETCH_BILINEAR) {
		return fetch_bilinear(slot, at, last);
	}
	return textureLod(sampler2D(textures[slot], bilinear), at, 0);
}

// The pixels of this invocation: where they are, what has been drawn of them, and what comes upon that.
ivec2 pixels[PIXELS];
vec4 colors[PIXELS];
vec4 texels[PIXELS];
#define EACH_PIXEL [[unroll]] for (uint i = 0; i < PIXELS; i++)

#include "ycbcr.glsl"
#include "color.glsl"

vec4 sample_turned(uvec4 head, uvec4 params, vec4 map, ivec2 pixel) {
	ivec2 local = pixel - ivec2(head.xy);
	local = (head.w & SBX_RECORD_SWAP) != 0 ? local.yx : local;
	vec2 at = (vec2(local) + 0.5) * map.xy + map.zw;
	ivec2 last = ivec2(params.xy);
	if (YCBCR && (head.w & SBX_RECORD_YCBCR) != 0) {
		return sample_ycbcr(head, params, at);
	}
	if ((head.w & SBX_RECORD_NEAREST) != 0) {
		return texelFetch(textures[head.z], clamp(ivec2(floor(at)), ivec2(0), last), 0);
	}
	return sample_bilinear(head.z, at, last);
}

// What replaces everything below is always the lowest of its stack, over nothing: it blends like the rest.
vec4 over(vec4 source, vec4 below) {
	return min(source + below * (1 - source.a), vec4(push.limit));
}

void draw_rect(vec4 color) {
	EACH_PIXEL {
		colors[i] = over(color, colors[i]);
	}
}

void draw_plain(uvec4 head, float alpha) {
	EACH_PIXEL {
		vec4 texel = texelFetch(textures[head.z], pixels[i] + ivec2(head.xy), 0);
		colors[i] = over(texel * alpha, colors[i]);
	}
}

void draw_turned(uvec4 head, uvec4 params, float alpha, vec4 map) {
	EACH_PIXEL {
		colors[i] = over(sample_turned(head, params, map, pixels[i]) * alpha, colors[i]);
	}
}

void draw_layer(uint record) {
	uvec4 head = quads[record];
	uvec4 params = quads[record + 1];
	if ((head.w & SBX_RECORD_RECT) != 0) {
		draw_rect(uintBitsToFloat(params));
	} else if (!FULL || (head.w & SBX_RECORD_PLAIN) != 0) {
		draw_plain(head, uintBitsToFloat(params.z));
	} else {
		draw_turned(head, params, uintBitsToFloat(params.z), uintBitsToFloat(quads[record + 2]));
	}
}

// A single layer over nothing.
void draw_single(uint record) {
	uvec4 head = quads[record];
	uvec4 params = quads[record + 1];
	if ((head.w & SBX_RECORD_RECT) != 0) {
		EACH_PIXEL {
			colors[i] = uintBitsToFloat(params);
		}
	} else {
		EACH_PIXEL {
			colors[i] = texelFetch(textures[head.z], pixels[i] + ivec2(head.xy), 0) *
				uintBitsToFloat(params.z);
		}
	}
}

uint listed_record(uint at) {
	return push.first_record + words[push.first_layer + at] * SBX_RECORD_QUADS;
}

// Two layers: the texels of both are on their way before the first is blended. Reading more of them at
// a time needs registers, and so leaves fewer workgroups that could run meanwhile.
void draw_pair(uint first) {
	uvec4 heads[2];
	float alphas[2];
	vec4 pair[2 * PIXELS];
	[[unroll]] for (uint k = 0; k < 2; k++) {
		uint record = listed_record(first + k);
		heads[k] = quads[record];
		alphas[k] = uintBitsToFloat(quads[record + 1].z);
	}
	[[unroll]] for (uint k = 0; k < 2; k++) {
		EACH_PIXEL {
			pair[k * PIXELS + i] = texelFetch(textures[heads[k].z],
				pixels[i] + ivec2(heads[k].xy), 0);
		}
	}
	[[unroll]] for (uint k = 0; k < 2; k++) {
		EACH_PIXEL {
			vec4 source = pair[k * PIXELS + i] * alphas[k];
			// As over() on a target of integers; this cut costs no instruction.
			colors[i] = clamp(source + colors[i] * (1 - source.a), 0, 1);
		}
	}
}

// Textures as they are, perhaps above a rectangle.
void draw_stack(uint first, uint n_layers) {
	if (n_layers == 1) {
		draw_single(push.first_record + first * SBX_RECORD_QUADS);
		return;
	}
	uint end = first + n_layers;
	uint lowest = listed_record(first);
	if ((quads[lowest].w & SBX_RECORD_RECT) != 0) {
		draw_rect(uintBitsToFloat(quads[lowest + 1]));
		first++;
	}
	for (; first + 2 <= end; first += 2) {
		draw_pair(first);
	}
	if (first < end) {
		draw_layer(listed_record(first));
	}
}

// The i-th layer of a part, from the bottom.
uint layer_record(uint first, uint n_layers, uint i) {
	// A single layer is named by the part itself: one read less that the next has to wait for.
	uint layer = first;
	if (n_layers > 1) {
		layer = words[push.first_layer + first + i];
	}
	return push.first_record + layer * SBX_RECORD_QUADS;
}

void draw_layers(uint first, uint n_layers) {
	for (uint i = 0; i < n_layers; i++) {
		draw_layer(layer_record(first, n_layers, i));
	}
}

vec4 sample_layer(uvec4 head, uvec4 params, uint record, ivec2 pixel) {
	if (!FULL || (head.w & SBX_RECORD_PLAIN) != 0) {
		return texelFetch(textures[head.z], pixel + ivec2(head.xy), 0);
	}
	return sample_turned(head, params, uintBitsToFloat(quads[record + 2]), pixel);
}

// Reads a layer's texels, and what becomes of them: the curve and the matrix (where it is; 0: none) that they are
// decoded with, if they are, and alpha. Returns whether they are.
bool read_layer(uint record, bool graded, out uint curve, out uint matrix, out float alpha) {
	uvec4 head = quads[record];
	uvec4 params = quads[record + 1];
	curve = head.w >> SBX_RECORD_CURVE_SHIFT & 7;
	matrix = 0;
	alpha = 1;
	if ((head.w & SBX_RECORD_RECT) != 0) {
		EACH_PIXEL texels[i] = uintBitsToFloat(params);
		return false;
	}
	EACH_PIXEL texels[i] = sample_layer(head, params, record, pixels[i]);
	alpha = uintBitsToFloat(params.z);
	if ((head.w & SBX_RECORD_MATRIX) != 0) {
		matrix = push.first_record + params.w + ((head.w & SBX_RECORD_YCBCR) != 0 ? SBX_YCBCR_QUADS : 0);
	}
	return graded || (head.w & SBX_RECORD_CONVERT) != 0;
}

// As draw_layers(), with what is in the target decoded first and the result encoded last, as a frame's grade
// wants it; layers are converted in between.
void draw_colored(uint first, uint n_layers, bool over_target) {
	bool graded = push.grade != 0;
	uint place = push.first_record + push.grade;
	uvec4 grade = graded ? quads[place] : uvec4(0);
	bool has_matrix = (grade.x & SBX_GRADE_MATRIX) != 0;
	grade.x &= ~SBX_GRADE_MATRIX;
	// What the target holds is the lowest layer.
	for (uint n = graded && over_target ? 0 : 1; n <= n_layers; n++) {
		uint curve = grade.x, matrix = has_matrix ? place + 4 : 0;
		float alpha = 1;
		bool converted = true;
		if (n == 0) {
			EACH_PIXEL {
				texels[i] = colors[i];
				colors[i] = vec4(0);
			}
		} else {
			converted = read_layer(layer_record(first, n_layers, n - 1), graded, curve, matrix, alpha);
		}
		if (converted) {
			decode_texels(curve, matrix, !graded, alpha, grade);
		} else {
			EACH_PIXEL texels[i] *= alpha;
		}
		if (graded) {
			// no limit
			EACH_PIXEL colors[i] = texels[i] + colors[i] * (1 - texels[i].a);
		} else {
			EACH_PIXEL colors[i] = over(texels[i], colors[i]);
		}
	}
	if (graded) {
		encode_colors(has_matrix ? place + 1 : 0, grade);
	}
}

// Where in its tile of 2^shift columns the pixel `index` lies. A GPU draws 32 of them at once: these make up
// 16 columns of two rows, because tiled images keep pieces of two rows together. A CPU is as well off with rows,
// and the sampler better.
uvec2 place_in_tile(uint index, uint shift) {
	if (FETCH_BILINEAR || FULL) {
		return uvec2(index & ((1 << shift) - 1), index >> shift);
	}
	return uvec2((index & 15) | (index >> 5 & ((1 << (shift - 4)) - 1)) << 4,
		(index >> 4 & 1) | index >> (shift + 1) << 1);
}

const uint BAND = 16;

// Where in the part the tile lies, in tiles. Where many layers are read, tiles go down BAND rows before they go
// on to the right: about as tiled images lie in memory.
uvec2 place_of_tile(uint tile, uvec2 size, uint shift) {
	uint across = (size.x + (1 << shift) - 1) >> shift;
	if (!STACK) {
		return uvec2(tile % across, tile / across);
	}
	uint rows = (size.y + (1 << (SBX_TILE_SHIFT - shift)) - 1) >> (SBX_TILE_SHIFT - shift);
	uint top = tile / (across * BAND) * BAND;
	uint left = tile - top * across;
	uint high = min(BAND, rows - top);
	return uvec2(left / high, top + left % high);
}

void main() {
	uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
	if (group >= push.n_groups) {
		return;
	}
	uvec4 part = find_part(group);
	uvec2 origin = uvec2(part.x & 0xffff, part.x >> 16);
	uvec2 size = uvec2(part.y & 0xffff, part.y >> 16);
	uint shift = part.w >> SBX_PART_GROUP_BITS & ((1 << SBX_PART_SHIFT_BITS) - 1);
	uvec2 corner = place_of_tile(group - (part.w & GROUP_MASK), size, shift) <<
		uvec2(shift, SBX_TILE_SHIFT - shift);
	bool inside[PIXELS];
	EACH_PIXEL {
		uint index = gl_LocalInvocationIndex + i * gl_WorkGroupSize.x;
		uvec2 at = corner + place_in_tile(index, shift);
		inside[i] = all(lessThan(at, size));
		// Tiles reach over the part's edge: look at its last pixel instead, and write nothing.
		pixels[i] = ivec2(origin + min(at, size - 1));
		colors[i] = vec4(0);
	}
	uint first = part.z & LAYER_MASK;
	uint n_layers = part.z >> SBX_PART_LAYER_BITS;
	if (SINGLE) {
#ifdef SBX_COLORS
		draw_colored(first, 1, false);
#else
		draw_single(push.first_record + first * SBX_RECORD_QUADS);
#endif
	} else {
		bool over_target = (part.w & SBX_PART_OVER_TARGET) != 0;
		if (over_target) {
			EACH_PIXEL {
				colors[i] = texelFetch(target_before, pixels[i], 0);
			}
		}
#ifdef SBX_COLORS
		draw_colored(first, n_layers, over_target);
#else
		if (STACK) {
			draw_stack(first, n_layers);
		} else {
			draw_layers(first, n_layers);
		}
#endif
	}
#ifdef SBX_COLORS
	if ((part.w & SBX_PART_DITHER) != 0) {
		dither_colors();
	}
#endif
	EACH_PIXEL {
		if (inside[i]) {
			imageStore(target, pixels[i], colors[i]);
		}
	}
}
