// The composer: each workgroup finds its part of the target, each invocation walks that part's stack
// of layers for one pixel, bottom first, and writes the pixel once.
//
// render/record.c writes what is read here; the layouts are described in render/frame.h.
#version 460
#extension GL_EXT_nonuniform_qualifier : require
#extension GL_EXT_samplerless_texture_functions : require

// Layers may be scaled, turned or cut at the texture's edge. Without it every texture layer is PLAIN.
layout(constant_id = 0) const bool FULL = false;
// Bilinear filtering by four fetches instead of the sampler.
layout(constant_id = 1) const bool FETCH_BILINEAR = false;

layout(local_size_x = 256) in;

layout(set = 0, binding = 0) uniform texture2D textures[];
// Clamps to the edge, bilinear, coordinates in texels.
layout(set = 0, binding = 1) uniform sampler bilinear;
// The same buffer twice.
layout(set = 1, binding = 0, std430) restrict readonly buffer Quads {
	uvec4 quads[];
};
layout(set = 1, binding = 1, std430) restrict readonly buffer Words {
	uint words[];
};
layout(set = 2, binding = 0) uniform texture2D target_before;
layout(set = 2, binding = 1) restrict writeonly uniform image2D target;

layout(push_constant) uniform Push {
	uint first_part; // in quads
	uint first_record; // in quads
	uint first_layer; // in words
	uint first_chunk; // in words
	uint n_groups;
	// The largest value that the target holds: sums are cut there as an integer target cuts them.
	float limit;
} push;

const uint CHUNK_SHIFT = 6;
const uint RECORD_QUADS = 3;

const uint RECT = 1;
const uint PLAIN = 2;
const uint REPLACE = 4;
const uint ALPHA = 8;
const uint SWAP = 16;
const uint NEAREST = 32;

// The part that workgroup `group` belongs to: the last one that begins at or before it.
uvec4 find_part(uint group) {
	uint chunk = push.first_chunk + (group >> CHUNK_SHIFT);
	uint low = words[chunk];
	uint high = words[chunk + 1];
	while (low < high) {
		uint middle = (low + high + 1) / 2;
		if ((quads[push.first_part + middle].w & 0xffffff) <= group) {
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

vec4 sample_turned(uvec4 head, uvec4 params, vec4 map, ivec2 pixel) {
	ivec2 local = pixel - ivec2(head.xy);
	local = (head.w & SWAP) != 0 ? local.yx : local;
	vec2 at = (vec2(local) + 0.5) * map.xy + map.zw;
	ivec2 last = ivec2(params.xy);
	if ((head.w & NEAREST) != 0) {
		return texelFetch(textures[head.z], clamp(ivec2(floor(at)), ivec2(0), last), 0);
	}
	if (FETCH_BILINEAR) {
		return fetch_bilinear(head.z, at, last);
	}
	return textureLod(sampler2D(textures[head.z], bilinear), at, 0);
}

vec4 layer_color(uint record, uvec4 head, ivec2 pixel) {
	if ((head.w & RECT) != 0) {
		return uintBitsToFloat(quads[record + 1]);
	}
	vec4 color;
	if (!FULL || (head.w & PLAIN) != 0) {
		color = texelFetch(textures[head.z], pixel + ivec2(head.xy), 0);
	} else {
		color = sample_turned(head, quads[record + 1], uintBitsToFloat(quads[record + 2]), pixel);
	}
	if ((head.w & ALPHA) != 0) {
		color *= uintBitsToFloat(quads[record + 1].z);
	}
	return color;
}

void main() {
	uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
	if (group >= push.n_groups) {
		return;
	}
	uvec4 part = find_part(group);
	uint width = part.y & 0xffff;
	uint height = part.y >> 16;
	uint shift = part.w >> 24 & 15;
	uint across = (width + (1 << shift) - 1) >> shift;
	uint tile = group - (part.w & 0xffffff);
	uint down = tile / across;
	uint x = ((tile - down * across) << shift) + (gl_LocalInvocationIndex & ((1 << shift) - 1));
	uint y = (down << (8 - shift)) + (gl_LocalInvocationIndex >> shift);
	if (x >= width || y >= height) {
		return;
	}
	ivec2 pixel = ivec2(x + (part.x & 0xffff), y + (part.x >> 16));

	vec4 color = vec4(0);
	if ((part.w >> 28 & 1) != 0) {
		color = texelFetch(target_before, pixel, 0);
	}
	uint layer = push.first_layer + (part.z & 0x3ffff);
	uint end = layer + (part.z >> 18);
	for (; layer < end; layer++) {
		uint record = push.first_record + words[layer] * RECORD_QUADS;
		uvec4 head = quads[record];
		vec4 source = layer_color(record, head, pixel);
		color = (head.w & REPLACE) != 0 ? source : source + color * (1 - source.a);
		color = min(color, vec4(push.limit));
	}
	imageStore(target, pixel, color);
}
