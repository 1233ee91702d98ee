#include "render/grade.h"

#include <drm_fourcc.h>
#include <stdint.h>
#include <stdlib.h>
#include "render/batch.h"
#include "render/format.h"
#include "render/image.h"

/**
 * A table as the shader has it: red along the rows, green and blue down the columns. Floats of 32 bits can be
 * sampled nearly everywhere, and neither cut what a table has nor round it.
 */
static const struct sbx_format *float_format(void) {
	return sbx_format_from_drm(DRM_FORMAT_ABGR32323232F);
}

bool sbx_grade_is_possible(struct sbx_device *device) {
	return (sbx_format_uses(device, float_format()) & SBX_FORMAT_SAMPLE) != 0;
}

/**
 * In sixteen bits, which samplers read many times as fast, or NULL: it holds something outside 0 to 1, or there is
 * no memory.
 */
static uint16_t *in_sixteen_bits(const float *table) {
	uint16_t *result = calloc(SBX_COLOR_TABLE_FLOATS, sizeof(*result));
	for (size_t i = 0; i < SBX_COLOR_TABLE_FLOATS && result != NULL; i++) {
		if (!(table[i] >= 0 && table[i] <= 1)) {
			free(result);
			return NULL;
		}
		result[i] = (uint16_t)(table[i] * UINT16_MAX + 0.5f);
	}
	return result;
}

static struct sbx_image *upload(struct sbx_device *device, const float *table) {
	const uint32_t size = SBX_COLOR_TABLE_SIZE;
	const struct sbx_format *format = sbx_format_from_drm(DRM_FORMAT_ABGR16161616);
	uint16_t *narrow = NULL;
	if ((sbx_format_uses(device, format) & SBX_FORMAT_SAMPLE) != 0) {
		narrow = in_sixteen_bits(table);
	}
	if (narrow == NULL) {
		format = float_format();
	}
	struct sbx_image *image = sbx_image_create(device, format, size, size * size, SBX_FORMAT_SAMPLE);
	const void *content = narrow != NULL ? (const void *)narrow : table;
	size_t stride = size * 4 * (narrow != NULL ? sizeof(*narrow) : sizeof(*table));
	// A frame that fails may lose uploads that wait for it. This one is not made again.
	if (image != NULL && (sbx_image_write(image, content, (uint32_t)stride, NULL) < 0 ||
			sbx_batch_submit_uploads(device) < 0)) {
		sbx_image_destroy(image);
		image = NULL;
	}
	free(narrow);
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
