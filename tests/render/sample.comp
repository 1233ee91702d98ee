#version 450
// Reads one pixel as the composer sees it: through the image's swizzled view.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) uniform sampler2D image;
layout(set = 0, binding = 1) buffer Result { vec4 color; } result;

void main() {
	result.color = texelFetch(image, ivec2(0, 0), 0);
}
