/**
 * Colour worked out on the CPU, in doubles, from the definitions of the standards; no line in common with
 * render/color.c. What floats may lose is added on both sides, so a colour is a range for each channel.
 */
#ifndef SBX_TESTS_ORACLE_COLOR_H
#define SBX_TESTS_ORACLE_COLOR_H

#include <stdbool.h>
#include "render/compose.h"

enum oracle_grade_kind {
	ORACLE_GRADE_NONE,
	/** A matrix and a curve. */
	ORACLE_GRADE_CURVE,
	/**
	 * The same, and behind them what only a table can do: each channel is bent (to this power), and a part of
	 * it spread over all.
	 */
	ORACLE_GRADE_TABLE,
};
#define ORACLE_BEND 1.2
#define ORACLE_MIX 0.1

struct oracle_grade {
	enum oracle_grade_kind kind;
	enum sbx_curve curve;
	struct sbx_matrix matrix;
};

struct oracle_range {
	double low[4], high[4];
};

/**
 * How far the composer may be off: relatively in light (more where it was PQ), absolutely in encoded values and
 * relatively above 1.
 */
#define ORACLE_LIGHT_LOSS 3e-5
#define ORACLE_CODE_LOSS 5e-5
#define ORACLE_RELATIVE_LOSS 1e-5
/** A table of 33 points is off by so much besides, as those here are bent. */
#define ORACLE_TABLE_LOSS (2.0f / 255)

double oracle_decode(enum sbx_curve curve, double x);
double oracle_encode(enum sbx_curve curve, double x);

/** The transform itself, a sbx_color_func; `data` is a struct oracle_grade of a kind that has one. */
void oracle_grade_eval(void *data, float out[static 3], const float in[static 3]);

/**
 * A texture's colour, premultiplied, which may be off by `loss`: as light, or, if not `graded`, as values of
 * gamma 2.2.
 */
void oracle_to_blend(const struct sbx_light *light, bool graded, const float rgba[static 4], double loss,
	struct oracle_range *range);

/** What the target holds, as light. Not of ORACLE_GRADE_NONE. */
void oracle_from_target(const struct oracle_grade *grade, const float rgba[static 4],
	struct oracle_range *range);
/** And the other way. */
void oracle_to_target(const struct oracle_grade *grade, const struct oracle_range *light,
	struct oracle_range *range);

#endif
