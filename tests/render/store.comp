#version 450
#extension GL_EXT_shader_image_load_formatted : require
// Writes one pixel as the composer does: without naming the format.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) uniform writeonly image2D image;
layout(push_constant) uniform Constants { vec4 color; };

void main() {
	imageStore(image, ivec2(0, 0), color);
}
