// Colour: between a texture's values, what is blended, and what the target holds (render/color.h).
// Included by compose.comp.
//
// Blended is light with sRGB primaries in a frame that has a grade (struct sbx_grade_record of
// render/frame.h), otherwise what an sRGB monitor of gamma 2.2 is sent.
//
// Drivers put a function's code in every place that calls it. What is here is long, so most of it is called
// in one place only.

const float PQ_M1 = 0.1593017578125;
const float PQ_M2 = 78.84375;
const float PQ_C1 = 0.8359375;
const float PQ_C2 = 18.8515625;
const float PQ_C3 = 18.6875;

const float BLACK = 0.01;
const float WHITE = 100.0;
const float BLACK_ROOT = pow(BLACK, 1.0 / 2.4);
const float WHITE_ROOT = pow(WHITE, 1.0 / 2.4);
const float BT1886_B = BLACK_ROOT / (WHITE_ROOT - BLACK_ROOT);
const float BT1886_A = pow(WHITE_ROOT - BLACK_ROOT, 2.4);

vec3 decode(uint curve, vec3 x) {
	if (curve == SBX_CURVE_LINEAR) {
		return x;
	}
	x = max(x, vec3(0));
	if (curve == SBX_CURVE_GAMMA22) {
		return pow(x, vec3(2.2));
	}
	if (curve == SBX_CURVE_SRGB) {
		return mix(x / 12.92, pow((x + 0.055) / 1.055, vec3(2.4)), greaterThan(x, vec3(0.04045)));
	}
	if (curve == SBX_CURVE_PQ) {
		vec3 p = pow(min(x, vec3(1)), vec3(1 / PQ_M2));
		return pow(max(p - PQ_C1, vec3(0)) / (PQ_C2 - PQ_C3 * p), vec3(1 / PQ_M1));
	}
	return (BT1886_A * pow(x + BT1886_B, vec3(2.4)) - BLACK) / (WHITE - BLACK);
}

vec3 encode(uint curve, vec3 x) {
	if (curve == SBX_CURVE_LINEAR) {
		return x;
	}
	x = max(x, vec3(0));
	if (curve == SBX_CURVE_GAMMA22) {
		return pow(x, vec3(1 / 2.2));
	}
	if (curve == SBX_CURVE_SRGB) {
		return mix(x * 12.92, 1.055 * pow(x, vec3(1 / 2.4)) - 0.055, greaterThan(x, vec3(0.0031308)));
	}
	if (curve == SBX_CURVE_PQ) {
		vec3 p = pow(min(x, vec3(1)), vec3(PQ_M1));
		return pow((PQ_C1 + PQ_C2 * p) / (1 + PQ_C3 * p), vec3(PQ_M2));
	}
	return pow((x * (WHITE - BLACK) + BLACK) / BT1886_A, vec3(1 / 2.4)) - BT1886_B;
}

const int TABLE_SIZE = int(SBX_COLOR_TABLE_SIZE);

// A table is an image of TABLE_SIZE columns (red) and TABLE_SIZE * TABLE_SIZE rows (blue, then green).
vec3 table_at(uint slot, ivec3 place) {
	return texelFetch(textures[slot], ivec2(place.r, place.b * TABLE_SIZE + place.g), 0).rgb;
}

// `at`: a place in the table. Of what is no number, clamp() may have made anything.
ivec3 cell(vec3 at) {
	return clamp(ivec3(at), ivec3(0), ivec3(TABLE_SIZE - 2));
}

vec3 look_up(uint slot, vec3 at) {
	at = clamp(at, 0, 1) * (TABLE_SIZE - 1);
	if (!FETCH_BILINEAR) {
		// Two pieces of it, one behind the other. Where green is at its end, the next piece has no weight.
		float blue = min(floor(at.b), TABLE_SIZE - 2);
		vec2 place = vec2(at.r, blue * TABLE_SIZE + at.g) + 0.5;
		return mix(textureLod(sampler2D(textures[slot], bilinear), place, 0).rgb,
			textureLod(sampler2D(textures[slot], bilinear), place + vec2(0, TABLE_SIZE), 0).rgb, at.b - blue);
	}
	ivec3 base = cell(at);
	vec3 weight = at - vec3(base);
	vec3 rows[4];
	for (int i = 0; i < 4; i++) {
		ivec3 low = base + ivec3(0, i % 2, i / 2);
		rows[i] = mix(table_at(slot, low), table_at(slot, low + ivec3(1, 0, 0)), weight.r);
	}
	return mix(mix(rows[0], rows[1], weight.g), mix(rows[2], rows[3], weight.g), weight.b);
}

// Where the table is `wanted`: find_place() of render/color.c, which says more.
vec3 find_place(uint slot, vec3 wanted) {
	vec3 at = clamp(wanted, 0, 1);
	for (int n = 0; n < 10; n++) {
		ivec3 base = cell(at * (TABLE_SIZE - 1));
		vec3 weight = at * (TABLE_SIZE - 1) - vec3(base);
		vec3 found = vec3(0);
		mat3 slope = mat3(0);
		for (int corner = 0; corner < 8; corner++) {
			ivec3 far = ivec3(corner, corner >> 1, corner >> 2) & 1;
			vec3 share = mix(1 - weight, weight, vec3(far));
			vec3 color = table_at(slot, base + far);
			vec3 rise = (vec3(far) * 2 - 1) * share.gbr * share.brg * (TABLE_SIZE - 1);
			found += share.r * share.g * share.b * color;
			slope += mat3(color * rise.r, color * rise.g, color * rise.b);
		}
		vec3 missing = wanted - found;
		if (max(max(abs(missing.r), abs(missing.g)), abs(missing.b)) < 1e-4) {
			break;
		}
		if (abs(determinant(slope)) > 1e-30) {
			missing = inverse(slope) * missing;
		}
		at = clamp(at + clamp(missing, -0.2, 0.2), 0, 1);
	}
	return at;
}

vec4 straight(vec4 color) {
	return vec4(color.rgb * (color.a == 0 ? 0 : 1 / color.a), color.a);
}

vec3 apply_matrix(uint at, vec3 color) {
	return vec3(dot(uintBitsToFloat(quads[at]).rgb, color),
		dot(uintBitsToFloat(quads[at + 1]).rgb, color),
		dot(uintBitsToFloat(quads[at + 2]).rgb, color));
}

// A branch for all pixels, not one for each.
#define EACH_CURVE(curve, function) \
	switch (curve) { \
	case SBX_CURVE_GAMMA22: \
		EACH_PIXEL texels[i].rgb = function(SBX_CURVE_GAMMA22, texels[i].rgb); \
		break; \
	case SBX_CURVE_SRGB: \
		EACH_PIXEL texels[i].rgb = function(SBX_CURVE_SRGB, texels[i].rgb); \
		break; \
	case SBX_CURVE_PQ: \
		EACH_PIXEL texels[i].rgb = function(SBX_CURVE_PQ, texels[i].rgb); \
		break; \
	case SBX_CURVE_BT1886: \
		EACH_PIXEL texels[i].rgb = function(SBX_CURVE_BT1886, texels[i].rgb); \
		break; \
	}

// From values of a curve to light, with the matrix at `matrix` (0: none) after it, and back to values of gamma 2.2
// if `encoded`; then as much of it as `alpha` says. SBX_CURVE_COUNT: the way back through the table of `grade`, the first quad of a struct
// sbx_grade_record.
void decode_texels(uint curve, uint matrix, bool encoded, float alpha, uvec4 grade) {
	EACH_PIXEL texels[i] = straight(texels[i]);
	bool from_table = UNDO_TABLE && curve == SBX_CURVE_COUNT;
	if (from_table) {
		EACH_PIXEL texels[i].rgb = find_place(grade.y, texels[i].rgb);
		curve = grade.z;
	}
	EACH_CURVE(curve, decode)
	if (from_table) {
		EACH_PIXEL texels[i].rgb /= uintBitsToFloat(grade.w);
	}
	if (matrix != 0) {
		EACH_PIXEL texels[i].rgb = apply_matrix(matrix, texels[i].rgb);
	}
	if (encoded) {
		EACH_PIXEL texels[i].rgb = encode(SBX_CURVE_GAMMA22, texels[i].rgb);
	}
	EACH_PIXEL texels[i] = vec4(texels[i].rgb, 1) * (texels[i].a * alpha);
}

// The other way: from light, with the matrix before it, to what the target holds.
void encode_colors(uint matrix, uvec4 grade) {
	EACH_PIXEL texels[i] = straight(colors[i]);
	if (matrix != 0) {
		EACH_PIXEL texels[i].rgb = apply_matrix(matrix, texels[i].rgb);
	}
	bool to_table = TABLE && grade.x == SBX_CURVE_COUNT;
	if (to_table) {
		EACH_PIXEL texels[i].rgb *= uintBitsToFloat(grade.w);
	}
	EACH_CURVE(to_table ? grade.z : grade.x, encode)
	if (to_table) {
		EACH_PIXEL texels[i].rgb = look_up(grade.y, texels[i].rgb);
	}
	EACH_PIXEL colors[i] = vec4(texels[i].rgb, 1) * texels[i].a;
}

// Adding and subtracting it rounds to an integer, ties to even: half of 2^24.
const float ROUND = 12582912;

// Less than half a step up or down, the 64 places of an 8x8 square all differently (Bayer's order), and then to
// the nearest step: what the target holds exactly stays, and of all else the mean is right. GPUs may round by
// themselves at another place than the middle (seen: at 0.54 of a step), so they get nothing to round.
void dither_colors() {
	vec3 steps = vec3(push.steps[0], push.steps[1], push.steps[2]);
	vec3 levels = 1 / steps;
	EACH_PIXEL {
		// 73: three copies of three bits, of which each gives one.
		uint x = uint(pixels[i].x ^ pixels[i].y) & 7, y = uint(pixels[i].y) & 7;
		uint place = (x * 73 & 0x54) >> 1 | (y * 73 & 0x54) >> 2;
		float shift = float(place) / 64 + (0.5 / 64 - 0.5);
		vec3 wanted = colors[i].rgb * levels + shift;
		precise vec3 rounded = wanted + ROUND;
		rounded -= ROUND;
		colors[i].rgb = rounded * steps;
	}
}
