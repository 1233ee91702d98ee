/**
 * Colour on the CPU: transfer functions, matrices, and what an output's colour transform really is.
 *
 * Everything here is for linear light with sRGB primaries on one side (what is blended) and the encoded
 * values of a texture or an output on the other.
 *
 * No Vulkan, no wlroots: any thread.
 */
#ifndef SBX_RENDER_COLOR_H
#define SBX_RENDER_COLOR_H

#include <stdbool.h>
#include <stddef.h>
#include "render/shaders/layout.h"

/** From encoded value to light. Values below 0 count as 0, but with SBX_CURVE_LINEAR; those above 1 as 1 in PQ. */
float sbx_curve_decode(enum sbx_curve curve, float encoded);
/** From light to encoded value, the reverse. */
float sbx_curve_encode(enum sbx_curve curve, float light);

/** Row by row: out[0] = m[0] * in[0] + m[1] * in[1] + m[2] * in[2]. */
struct sbx_matrix {
	float m[9];
};

extern const struct sbx_matrix sbx_matrix_identity;

/** `out` may be `in`. */
void sbx_matrix_apply(const struct sbx_matrix *matrix, float out[static 3], const float in[static 3]);
/** False: it has none; *inverse is then the identity. `inverse` may be `matrix`. */
bool sbx_matrix_invert(struct sbx_matrix *inverse, const struct sbx_matrix *matrix);
/** Whether no element differs from the identity's by more than 1e-5. */
bool sbx_matrix_is_identity(const struct sbx_matrix *matrix);

enum sbx_color_kind {
	/** Gamma 2.2 and nothing else: encoded values can be blended as they are. */
	SBX_COLOR_DEFAULT,
	/** A matrix, then a curve. */
	SBX_COLOR_CURVE,
	/** A table. */
	SBX_COLOR_TABLE,
};

enum {
	/** Floats of a table: four for each colour. */
	SBX_COLOR_TABLE_FLOATS = 4 * SBX_COLOR_TABLE_SIZE * SBX_COLOR_TABLE_SIZE * SBX_COLOR_TABLE_SIZE,
};

/** An output's colour transform, as the composer can do it. */
struct sbx_color {
	enum sbx_color_kind kind;
	struct sbx_matrix matrix;
	enum sbx_curve curve;
	/**
	 * SBX_COLOR_TABLE: SBX_COLOR_TABLE_SIZE³ colours of four floats (the fourth is 1), red fastest. Owned
	 * by this struct.
	 */
	float *table;
	/**
	 * The table's axes go from 0 to 1 and are light times axis_scale, encoded with this curve, so that most
	 * transforms are nearly straight lines in it, and dark colours have as many points as light ones:
	 * SBX_CURVE_GAMMA22 and 1; or, where what is brighter than 1 is told apart, SBX_CURVE_PQ up to the
	 * 10000 cd/m² that PQ knows, with 1 at 203 cd/m².
	 */
	enum sbx_curve axis;
	float axis_scale;
};

/** The transform itself: from light, sRGB primaries, to the output's encoded values. */
typedef void (*sbx_color_func)(void *data, float out[static 3], const float in[static 3]);

/**
 * Find out what `func` is by asking it: gamma 2.2, a matrix and a curve, or, if neither gives the same
 * within 1e-4 everywhere it is tried, a table. A NULL func is SBX_COLOR_DEFAULT.
 *
 * A table costs some 36,000 calls. False: out of memory; *color is then SBX_COLOR_DEFAULT.
 */
bool sbx_color_init(struct sbx_color *color, sbx_color_func func, void *data);
/** NULL is not allowed; one that was zeroed is. */
void sbx_color_finish(struct sbx_color *color);

/** What the composer will make of it: the table interpolated between its points, trilinearly. */
void sbx_color_eval(const struct sbx_color *color, float out[static 3], const float in[static 3]);

/**
 * From encoded values to light: the inverse, as the composer does it. A matrix that cannot be inverted is left
 * out; a colour that a table does not have becomes one that is near.
 */
void sbx_color_undo(const struct sbx_color *color, float out[static 3], const float in[static 3]);

#endif
