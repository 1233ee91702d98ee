#version 450
#extension GL_EXT_samplerless_texture_functions : require
// Counts the pixels that do not show frame number `expected` (24 bits, red lowest).
layout(local_size_x = 16, local_size_y = 16) in;
layout(set = 0, binding = 0) uniform texture2D image;
layout(set = 0, binding = 1, std430) buffer Wrong { uint wrong[]; };
layout(push_constant) uniform Constants { uint expected, place; };

void main() {
	ivec2 at = ivec2(gl_GlobalInvocationID.xy);
	if (any(greaterThanEqual(at, textureSize(image, 0)))) {
		return;
	}
	uvec3 c = uvec3(texelFetch(image, at, 0).rgb * 255 + 0.5);
	if ((c.r | c.g << 8 | c.b << 16) != expected) {
		atomicAdd(wrong[place], 1);
	}
}
