/**
 * A grade: an output's colour transform, ready for the composer. A table is an image on the device.
 */
#ifndef SBX_RENDER_GRADE_H
#define SBX_RENDER_GRADE_H

#include "render/color.h"

struct sbx_device;
struct sbx_image;

struct sbx_grade {
	struct sbx_device *device;
	struct sbx_color color;
	/** Of color.matrix; the identity where it has none. */
	struct sbx_matrix inverse_matrix;
	/** SBX_COLOR_TABLE: color.table. */
	struct sbx_image *table;
};

/** Whether the device takes tables: it must sample floats of 32 bits, as all but some small ones do. */
bool sbx_grade_is_possible(struct sbx_device *device);

/**
 * Find out what `func` is (sbx_color_init()) and upload its table if it takes one, with all
 * other uploads that wait. NULL: out of memory, or a lost device.
 */
struct sbx_grade *sbx_grade_create(struct sbx_device *device, sbx_color_func func, void *data);
/** What the GPU still uses is destroyed when it is past it. NULL is allowed. */
void sbx_grade_destroy(struct sbx_grade *grade);

#endif
