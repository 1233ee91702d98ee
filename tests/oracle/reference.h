/**
 * What a scene must look like, worked out on the CPU in two ways.
 *
 * The first follows the definition of compose.h pixel by pixel in floating point. It knows where two
 * answers are right (nearest, sampled at the border of two texels), and which pixels must be exact.
 * The second is pixman, an implementation that has no line in common with ours. It takes no bilinear
 * scaling: pixman's weights have 7 bits, which is further off than what is asked of us.
 */
#ifndef SBX_TESTS_ORACLE_REFERENCE_H
#define SBX_TESTS_ORACLE_REFERENCE_H

#include "oracle/scene.h"

struct oracle_pixel {
	/** Anything from `low` to `high` is right; mostly they are equal. */
	float low[4], high[4];
	/** A copy of one texel of the target's own format, or what the target had: no rounding at all. */
	bool exact;
	/** What may be lost because places in a texture are floats. */
	float loss;
};

/** Mistakes that a reference can be told to make: the comparison must notice each. */
enum oracle_mistake {
	ORACLE_CORRECT,
	ORACLE_TRANSFORM_BACKWARDS, /* 90 for 270 */
	ORACLE_NO_CLIP,
	ORACLE_NO_ALPHA,
	ORACLE_ORDER, /* the last two layers exchanged */
	ORACLE_HALF_PIXEL, /* samples at pixel corners */
	ORACLE_BLEND_ALWAYS, /* NONE taken for PREMULTIPLIED */
	ORACLE_RANGE, /* limited taken for full, full for limited */
	ORACLE_ENCODING_709, /* BT.709 for BT.601 */
	ORACLE_CHROMA_MIDDLE, /* wherever it is */
	/* From here on they are noticed in scenes with colours only. */
	ORACLE_FIRST_OF_COLOR,
	ORACLE_CURVE_22 = ORACLE_FIRST_OF_COLOR, /* every texture's curve taken for gamma 2.2 */
	ORACLE_NO_MATRIX, /* every texture's primaries and luminance taken for sRGB's */
	ORACLE_RECTS_AS_LIGHT, /* colours of rectangles are not decoded */
	ORACLE_BLEND_ELECTRICAL, /* although there is a grade */
	ORACLE_GRADE_SRGB, /* the output's curve taken for sRGB's */
	ORACLE_MISTAKES,
};

/** target width * height pixels; to be freed. */
struct oracle_pixel *oracle_reference(const struct oracle_scene *scene, enum oracle_mistake mistake);

/** The same by pixman: width * height * 4 floats; to be freed. Scenes made with pixman_only. */
float *oracle_pixman(const struct oracle_scene *scene);

struct oracle_difference {
	int x, y, channel;
	float actual, low, high, allowed;
};

/**
 * Compare. At a blended pixel one step of the target's format is allowed (1/255 for 8 bits) and `slack`
 * besides. Exact pixels must be equal. True: no difference; else *difference is the first.
 */
bool oracle_compare(const struct oracle_scene *scene, const struct oracle_pixel *reference,
	const struct oracle_image *actual, float slack, struct oracle_difference *difference);

/** Against pixman, where the reference knows one answer only. */
bool oracle_compare_pixman(const struct oracle_scene *scene, const struct oracle_pixel *reference,
	const float *pixman, const struct oracle_image *actual, float slack,
	struct oracle_difference *difference);

#endif
