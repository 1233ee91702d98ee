#version 450
// Writes one word, perhaps beyond the end of what is bound.
layout(local_size_x = 1) in;
layout(set = 0, binding = 0, std430) buffer Words { uint words[]; };
layout(push_constant) uniform Constants { uint at; };

void main() {
	words[at] = 1;
}
