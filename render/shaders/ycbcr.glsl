// Textures of YCbCr, sampled plane by plane (render/ycbcr.h). Included by compose.comp.
//
// What is needed besides the layer's record is struct sbx_ycbcr_record of render/frame.h.

// The samples of all planes, chroma.rg being Cb and Cr where they come from planes of their own.
// A CPU compiles each of the fetches again, in tenths of a second: there they are a loop.
vec4 sample_planes(uvec3 slots, uint n_planes, vec2 at, ivec2 last, vec2 chroma_at, ivec2 chroma_last) {
	vec4 texel = vec4(0);
	if (FETCH_BILINEAR) {
		for (uint i = 0; i < n_planes; i++) {
			vec4 found = fetch_bilinear(slots[i], i == 0 ? at : chroma_at,
				i == 0 ? last : chroma_last);
			texel = i == 0 ? found : i == 1 ? vec4(texel.x, found.xy, texel.a) :
				vec4(texel.xy, found.x, texel.a);
		}
		return texel;
	}
	texel = sample_bilinear(slots.x, at, last);
	if (n_planes > 1) {
		texel.yz = sample_bilinear(slots.y, chroma_at, chroma_last).xy;
	}
	if (n_planes > 2) {
		texel.z = sample_bilinear(slots.z, chroma_at, chroma_last).x;
	}
	return texel;
}

// `at` in texels of the first plane. Brightness is filtered as the layer says (bilinear in the middle of a
// texel is that texel); colour difference always bilinearly, at the place of that brightness.
vec4 sample_ycbcr(uvec4 head, uvec4 params, vec2 at) {
	uint extra = push.first_record + params.w;
	uvec4 planes = quads[extra];
	vec4 chroma = uintBitsToFloat(quads[extra + 1]);
	ivec2 last = ivec2(params.xy);
	if ((head.w & SBX_RECORD_NEAREST) != 0) {
		at = vec2(clamp(ivec2(floor(at)), ivec2(0), last)) + 0.5;
	}
	vec2 chroma_at = at * exp2(-vec2(planes.zz >> uvec2(8, 16) & 255)) + chroma.xy;
	ivec2 chroma_last = ivec2(planes.ww >> uvec2(0, 16) & 0xffff);
	vec4 texel = sample_planes(uvec3(head.z, planes.xy), planes.z & 255, at, last, chroma_at,
		chroma_last);
	vec4 source = vec4(texel.xyz, 1);
	vec3 color = vec3(dot(uintBitsToFloat(quads[extra + 2]), source),
		dot(uintBitsToFloat(quads[extra + 3]), source),
		dot(uintBitsToFloat(quads[extra + 4]), source));
	return vec4(clamp(color, 0, 1), min(texel.a * chroma.z, 1));
}
