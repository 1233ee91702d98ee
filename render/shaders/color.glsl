// Colour: between a texture's values, what is blended, and what the target holds (render/color.h).
// Included by compose.comp.
//
// Blended is light with sRGB primaries in a frame that has a grade (struct sbx_grade_record of
// render/frame.h), otherwise what an sRGB monitor of gamma 2.2 is sent.
//
// Drivers put a function's code in every place that calls it. What is here is long, so most of it is called
// in one place only, in a loop.

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

// `at`: a place on the axes, from 0 to 1. Of what is no number, clamp() may have made anything.
ivec3 cell(vec3 at) {
	return clamp(ivec3(at * (TABLE_SIZE - 1)), ivec3(0), ivec3(TABLE_SIZE - 2));
}

vec3 look_up(uint slot, vec3 at) {
	at = clamp(at, 0, 1);
	ivec3 base = cell(at);
	vec3 weight = at * (TABLE_SIZE - 1) - vec3(base);
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
		ivec3 base = cell(at);
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

vec3 apply_matrix(uint at, vec3 color) {
	return vec3(dot(uintBitsToFloat(quads[at]).rgb, color),
		dot(uintBitsToFloat(quads[at + 1]).rgb, color),
		dot(uintBitsToFloat(quads[at + 2]).rgb, color));
}

vec4 straight(vec4 color) {
	return color.a == 0 ? vec4(0) : vec4(color.rgb / color.a, color.a);
}

// From values of one curve to those of another, with the matrix at `matrix` (0: none) between. SBX_CURVE_COUNT: the way
// through the table of `grade`, the first quad of a struct sbx_grade_record.
vec4 convert(vec4 color, uint from, uint matrix, uint to, uvec4 grade) {
	vec4 result = straight(color);
	bool from_table = from == SBX_CURVE_COUNT, to_table = to == SBX_CURVE_COUNT;
	float scale = uintBitsToFloat(grade.w);
	if (from_table) {
		result.rgb = find_place(grade.y, result.rgb);
	}
	result.rgb = decode(from_table ? grade.z : from, result.rgb) / (from_table ? scale : 1);
	if (matrix != 0) {
		result.rgb = apply_matrix(matrix, result.rgb);
	}
	result.rgb = encode(to_table ? grade.z : to, result.rgb * (to_table ? scale : 1));
	if (to_table) {
		result.rgb = look_up(grade.y, result.rgb);
	}
	return vec4(result.rgb * result.a, result.a);
}

// Less than half a step up or down, the 64 places of an 8x8 square all differently (Bayer's order), and then to
// the nearest step: what the target holds exactly stays, and of all else the mean is right. GPUs may round by
// themselves at another place than the middle (seen: at 0.54 of a step), so they get nothing to round.
vec4 dither(vec4 color, ivec2 pixel) {
	uint x = uint(pixel.x ^ pixel.y), y = uint(pixel.y);
	uint place = (x & 1) << 5 | (y & 1) << 4 | (x & 2) << 2 | (y & 2) << 1 | (x & 4) >> 1 | (y & 4) >> 2;
	float shift = (float(place) + 0.5) / 64 - 0.5;
	vec3 steps = vec3(push.steps[0], push.steps[1], push.steps[2]);
	return vec4(floor(color.rgb / steps + shift + 0.5) * steps, color.a);
}
