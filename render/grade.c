#include "render/grade.h"

#include <drm_fourcc.h>
#include <stdlib.h>
#include "render/batch.h"
#include "render/format.h"
#include "render/image.h"

/**
 * A table as the shader has it: red along the rows, green and blue down the columns. Floats of 32 bits can be
 * sampled nearly everywhere, and neither cut what a table has nor round it.
 */
static const struct sbx_format *table_format(void) {
	return sbx_format_from_drm(DRM_FORMAT_ABGR32323232F);
}

bool sbx_grade_is_possible(struct sbx_device *device) {
	return (sbx_format_uses(device, table_format()) & SBX_FORMAT_SAMPLE) != 0;
}

static struct sbx_image *upload(struct sbx_device *device, const float *table) {
	const uint32_t size = SBX_COLOR_TABLE_SIZE;
	struct sbx_image *image = sbx_image_create(device, table_format(), size, size * size,
		SBX_FORMAT_SAMPLE);
	if (image == NULL) {
		return NULL;
	}
	// A frame that fails may lose uploads that wait for it. This one is not made again.
	if (sbx_image_write(image, table, size * 4 * sizeof(*table), NULL) < 0 ||
			sbx_batch_submit_uploads(device) < 0) {
		sbx_image_destroy(image);
		return NULL;
	}
	return image;
}

struct sbx_grade *sbx_grade_create(struct sbx_device *device, sbx_color_func func, void *data) {
	struct sbx_grade *grade = calloc(1, sizeof(*grade));
	if (grade == NULL) {
		return NULL;
	}
	grade->device = device;
	bool ok = sbx_color_init(&grade->color, func, data);
	sbx_matrix_invert(&grade->inverse_matrix, &grade->color.matrix);
	if (ok && grade->color.kind == SBX_COLOR_TABLE) {
		grade->table = upload(device, grade->color.table);
		ok = grade->table != NULL;
	}
	if (!ok) {
		sbx_grade_destroy(grade);
		return NULL;
	}
	return grade;
}

void sbx_grade_destroy(struct sbx_grade *grade) {
	if (grade == NULL) {
		return;
	}
	sbx_image_destroy(grade->table);
	sbx_color_finish(&grade->color);
	free(grade);
}
