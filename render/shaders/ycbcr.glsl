// Textures of YCbCr, sampled plane by plane (render/ycbcr.h). Included by compose.comp.
//
// What is needed besides the layer's record is struct sbx_ycbcr_record of render/frame.h.

// `at` in texels of the first plane. Brightness is filtered as the layer says; colour difference always
// bilinearly, at the place of that brightness.
vec4 sample_ycbcr(uvec4 head, uvec4 params, vec2 at) {
	uint extra = push.first_record + params.w;
	uvec4 planes = quads[extra];
	vec4 chroma = uintBitsToFloat(quads[extra + 1]);
	ivec2 last = ivec2(params.xy);
	vec4 texel;
	if ((head.w & NEAREST) != 0) {
		ivec2 nearest = clamp(ivec2(floor(at)), ivec2(0), last);
		texel = texelFetch(textures[head.z], nearest, 0);
		at = vec2(nearest) + 0.5;
	} else {
		texel = sample_bilinear(head.z, at, last);
	}
	uint n_planes = planes.z & 255;
	if (n_planes > 1) {
		vec2 chroma_at = at * exp2(-vec2(planes.zz >> uvec2(8, 16) & 255)) + chroma.xy;
		ivec2 chroma_last = ivec2(planes.ww >> uvec2(0, 16) & 0xffff);
		texel.yz = sample_bilinear(planes.x, chroma_at, chroma_last).xy;
		if (n_planes > 2) {
			texel.z = sample_bilinear(planes.y, chroma_at, chroma_last).x;
		}
	}
	vec4 color = vec4(0, 0, 0, min(texel.a * chroma.z, 1));
	for (uint i = 0; i < 3; i++) {
		color[i] = clamp(dot(uintBitsToFloat(quads[extra + 2 + i]), vec4(texel.xyz, 1)), 0, 1);
	}
	return color;
}
