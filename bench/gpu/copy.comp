// Copies a buffer, 16 bytes a read, four reads on their way in each invocation.
#version 460
layout(local_size_x = 256) in;
layout(set = 0, binding = 0, std430) restrict readonly buffer From {
	uvec4 from[];
};
layout(set = 0, binding = 1, std430) restrict writeonly buffer To {
	uvec4 to[];
};

void main() {
	uint first = gl_WorkGroupID.x * 1024 + gl_LocalInvocationIndex;
	uvec4 a = from[first], b = from[first + 256], c = from[first + 512], d = from[first + 768];
	to[first] = a;
	to[first + 256] = b;
	to[first + 512] = c;
	to[first + 768] = d;
}
