#include <math.h>
#include "render/format.h"
#include "render/frame.h"
#include "render/image.h"
#include "render/ycbcr.h"

/** A map's origin further out than this is moved in, so that the shader's integers cannot overflow. */
#define MAX_ORIGIN (1 << 20)

/**
 * How each transform reads the texture: whether its axes are swapped, and which of them then run
 * backwards. wl_output_transform turns counter-clockwise; so 90 puts the texture's right edge on top,
 * and u = 1 - y, v = x.
 */
static const struct turn {
	bool swap, backwards_u, backwards_v;
} turns[] = {
	[SBX_TRANSFORM_NORMAL] = { false, false, false },
	[SBX_TRANSFORM_90] = { true, true, false },
	[SBX_TRANSFORM_180] = { false, true, true },
	[SBX_TRANSFORM_270] = { true, false, true },
	[SBX_TRANSFORM_FLIPPED] = { false, true, false },
	[SBX_TRANSFORM_FLIPPED_90] = { true, false, false },
	[SBX_TRANSFORM_FLIPPED_180] = { false, false, true },
	[SBX_TRANSFORM_FLIPPED_270] = { true, true, true },
};

/** The texture along one of its axes: from `begin`, `length` texels over `pixels` pixels. */
struct axis {
	double begin, length;
	int64_t pixels;
};

static void set_axis(const struct axis *axis, bool backwards, int64_t origin_moved, float *scale,
		float *offset) {
	double s = axis->length / (double)axis->pixels;
	double begin = backwards ? axis->begin + axis->length : axis->begin;
	s = backwards ? -s : s;
	*scale = (float)s;
	*offset = (float)(begin + s * (double)origin_moved);
}

static int64_t clamp_origin(int32_t origin) {
	return origin < -MAX_ORIGIN ? -MAX_ORIGIN : origin > MAX_ORIGIN ? MAX_ORIGIN : origin;
}

static void set_map(struct sbx_record *record, const struct sbx_texture_op *op) {
	const struct turn *turn = &turns[op->transform];
	int64_t width = (int64_t)op->box.x2 - op->box.x1, height = (int64_t)op->box.y2 - op->box.y1;
	int64_t x = clamp_origin(op->box.x1), y = clamp_origin(op->box.y1);
	int64_t moved_x = x - op->box.x1, moved_y = y - op->box.y1;
	struct axis u = { op->src_x, op->src_width, turn->swap ? height : width };
	struct axis v = { op->src_y, op->src_height, turn->swap ? width : height };
	set_axis(&u, turn->backwards_u, turn->swap ? moved_y : moved_x, &record->map[0],
		&record->map[2]);
	set_axis(&v, turn->backwards_v, turn->swap ? moved_x : moved_y, &record->map[1],
		&record->map[3]);
	record->offset[0] = (int32_t)x;
	record->offset[1] = (int32_t)y;
	record->flags |= turn->swap ? SBX_RECORD_SWAP : 0;
}

/** `length` texels from `begin` on are whole ones of `size`. */
static bool is_whole(double begin, int64_t length, uint32_t size) {
	if (begin == 0) {
		return length <= size;
	}
	return begin > 0 && begin <= size && begin == (double)(uint32_t)begin &&
		(int64_t)begin + length <= size;
}

/** Every pixel of the box shows exactly one texel of the texture. */
static bool is_unscaled(const struct sbx_texture_op *op) {
	int64_t width = (int64_t)op->box.x2 - op->box.x1, height = (int64_t)op->box.y2 - op->box.y1;
	bool swap = turns[op->transform].swap;
	int64_t columns = swap ? height : width, rows = swap ? width : height;
	return op->src_width == (double)columns && op->src_height == (double)rows &&
		is_whole(op->src_x, columns, op->texture->width) &&
		is_whole(op->src_y, rows, op->texture->height);
}

static uint32_t light_flags(const struct sbx_light *light) {
	uint32_t flags = (uint32_t)light->curve << SBX_RECORD_CURVE_SHIFT;
	if (light->has_matrix) {
		flags |= SBX_RECORD_MATRIX;
	}
	return flags != 0 ? flags | SBX_RECORD_CONVERT : 0;
}

bool sbx_record_from_texture(struct sbx_record *record, const struct sbx_texture_op *op) {
	float alpha = op->alpha > 1 ? 1 : op->alpha > 0 ? op->alpha : 0;
	if (!(op->src_width > 0) || !(op->src_height > 0) ||
			(alpha == 0 && op->blend == SBX_BLEND_PREMULTIPLIED)) {
		return false;
	}
	*record = (struct sbx_record){
		.last_x = op->texture->width - 1,
		.last_y = op->texture->height - 1,
		.alpha = alpha,
		.flags = light_flags(&op->light),
	};
	if (alpha != 1) {
		record->flags |= SBX_RECORD_ALPHA;
	}
	if (op->blend == SBX_BLEND_NONE || (alpha == 1 && !op->texture->format->has_alpha)) {
		record->flags |= SBX_RECORD_REPLACE;
	}
	bool unscaled = is_unscaled(op), ycbcr = op->texture->format->ycbcr != NULL;
	if (ycbcr) {
		record->flags |= SBX_RECORD_YCBCR;
	}
	if (unscaled && op->transform == SBX_TRANSFORM_NORMAL && !ycbcr) {
		record->flags |= SBX_RECORD_PLAIN;
		record->offset[0] = (int32_t)((int64_t)op->src_x - op->box.x1);
		record->offset[1] = (int32_t)((int64_t)op->src_y - op->box.y1);
		return true;
	}
	if (unscaled || op->filter == SBX_FILTER_NEAREST) {
		record->flags |= SBX_RECORD_NEAREST;
	}
	set_map(record, op);
	return true;
}

void sbx_ycbcr_record_init(struct sbx_ycbcr_record *record, const struct sbx_image *texture,
		const struct sbx_coding *coding) {
	const struct sbx_ycbcr *ycbcr = texture->format->ycbcr;
	const struct sbx_image *chroma = texture->planes[ycbcr->n_planes - 1];
	const struct sbx_ycbcr_plane *last = &ycbcr->planes[ycbcr->n_planes - 1];
	*record = (struct sbx_ycbcr_record){
		.planes = ycbcr->n_planes | (uint32_t)last->shift_x << 8 | (uint32_t)last->shift_y << 16,
		.last = (chroma->width - 1) | (chroma->height - 1) << 16,
		.alpha_scale = texture->format->has_alpha ? ycbcr->scale : 1,
	};
	for (uint32_t i = 1; i < ycbcr->n_planes; i++) {
		record->slots[i - 1] = (uint32_t)texture->planes[i]->sample_slot;
	}
	sbx_ycbcr_chroma_offset(ycbcr, coding->chroma, record->offset);
	sbx_ycbcr_matrix(ycbcr, coding->encoding, coding->range, record->rows);
}

void sbx_matrix_rows(const struct sbx_matrix *matrix, float rows[3][4]) {
	for (int row = 0; row < 3; row++) {
		for (int column = 0; column < 3; column++) {
			rows[row][column] = matrix->m[3 * row + column];
		}
		rows[row][3] = 0;
	}
}

void sbx_grade_record_init(struct sbx_grade_record *record, const struct sbx_grade *grade) {
	const struct sbx_color *color = &grade->color;
	bool table = color->kind == SBX_COLOR_TABLE;
	*record = (struct sbx_grade_record){
		.curve = (uint32_t)(table ? SBX_CURVE_COUNT : color->curve),
		.table = table ? (uint32_t)grade->table->sample_slot : 0,
		.axis = (uint32_t)color->axis,
		.axis_scale = color->axis_scale,
	};
	if (!sbx_matrix_is_identity(&color->matrix)) {
		record->curve |= SBX_GRADE_MATRIX;
	}
	sbx_matrix_rows(&color->matrix, record->rows);
	sbx_matrix_rows(&grade->inverse_matrix, record->inverse_rows);
}

bool sbx_record_from_rect(struct sbx_record *record, const struct sbx_rect_op *op) {
	*record = (struct sbx_record){ .flags = SBX_RECORD_RECT };
	bool visible = op->blend == SBX_BLEND_NONE;
	for (int i = 0; i < 4; i++) {
		record->color[i] = fminf(fmaxf(op->color[i], 0), 1);
		visible = visible || record->color[i] > 0;
	}
	if (op->blend == SBX_BLEND_NONE || record->color[3] == 1) {
		record->flags |= SBX_RECORD_REPLACE;
	}
	return visible;
}
