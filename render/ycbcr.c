#include "render/ycbcr.h"

#include <math.h>

/** The parts of red and blue in brightness (H.273, MatrixCoefficients). */
static const struct weights {
	double red, blue;
} weights[] = {
	[SBX_ENCODING_DEFAULT] = { 0.299, 0.114 },
	[SBX_ENCODING_BT601] = { 0.299, 0.114 },
	[SBX_ENCODING_BT709] = { 0.2126, 0.0722 },
	[SBX_ENCODING_BT2020] = { 0.2627, 0.0593 },
	[SBX_ENCODING_FCC] = { 0.30, 0.11 },
	[SBX_ENCODING_SMPTE240] = { 0.212, 0.087 },
};

/** A sample becomes (sample - zero) * gain. */
struct level {
	double zero, gain;
};

/** Codes `black` and `length` are for 8 bits; more bits have them shifted. */
static struct level limited(const struct sbx_ycbcr *ycbcr, int black, int length) {
	double unit = ldexp(1, ycbcr->bits - 8) / (ldexp(1, ycbcr->bits) - 1) / (double)ycbcr->scale;
	return (struct level){ black * unit, 1 / (length * unit) };
}

static struct level brightness(const struct sbx_ycbcr *ycbcr, enum sbx_range range) {
	return range == SBX_RANGE_FULL ? (struct level){ 0, (double)ycbcr->scale } :
		limited(ycbcr, 16, 219);
}

static struct level difference(const struct sbx_ycbcr *ycbcr, enum sbx_range range) {
	if (range != SBX_RANGE_FULL) {
		return limited(ycbcr, 128, 224);
	}
	double middle = ldexp(1, ycbcr->bits - 1) / (ldexp(1, ycbcr->bits) - 1);
	return (struct level){ middle / (double)ycbcr->scale, (double)ycbcr->scale };
}

static void put_row(float row[static 4], const double factors[static 3],
		const struct level levels[static 3]) {
	double sum = 0;
	for (int i = 0; i < 3; i++) {
		row[i] = (float)(factors[i] * levels[i].gain);
		sum -= factors[i] * levels[i].gain * levels[i].zero;
	}
	row[3] = (float)sum;
}

void sbx_ycbcr_matrix(const struct sbx_ycbcr *ycbcr, enum sbx_encoding encoding, enum sbx_range range,
		float rows[static 3][4]) {
	struct level y = brightness(ycbcr, range), c = difference(ycbcr, range);
	if (encoding == SBX_ENCODING_IDENTITY) {
		const struct level levels[] = { y, y, y };
		put_row(rows[0], (const double[]){ 0, 0, 1 }, levels);
		put_row(rows[1], (const double[]){ 1, 0, 0 }, levels);
		put_row(rows[2], (const double[]){ 0, 1, 0 }, levels);
		return;
	}
	const struct level levels[] = { y, c, c };
	double red = weights[encoding].red, blue = weights[encoding].blue, green = 1 - red - blue;
	put_row(rows[0], (const double[]){ 1, 0, 2 * (1 - red) }, levels);
	put_row(rows[1], (const double[]){ 1, -2 * (1 - blue) * blue / green,
		-2 * (1 - red) * red / green }, levels);
	put_row(rows[2], (const double[]){ 1, 2 * (1 - blue), 0 }, levels);
}

/** -1: the samples lie on the first pixel of those they stand for, 0: in the middle, 1: on the last. */
static const struct place {
	int x, y;
} places[] = {
	[SBX_CHROMA_DEFAULT] = { 0, 0 },
	[SBX_CHROMA_LEFT] = { -1, 0 },
	[SBX_CHROMA_CENTER] = { 0, 0 },
	[SBX_CHROMA_TOP_LEFT] = { -1, -1 },
	[SBX_CHROMA_TOP] = { 0, -1 },
	[SBX_CHROMA_BOTTOM_LEFT] = { -1, 1 },
	[SBX_CHROMA_BOTTOM] = { 0, 1 },
};

/** The first pixel's middle is at 0.5 of 2^shift pixels, that of the sample at 0.5 of one. */
static float offset_on_axis(int place, uint8_t shift) {
	return (float)-place * (0.5f - ldexpf(0.5f, -shift));
}

void sbx_ycbcr_chroma_offset(const struct sbx_ycbcr *ycbcr, enum sbx_chroma_location location,
		float offset[static 2]) {
	const struct sbx_ycbcr_plane *chroma = &ycbcr->planes[ycbcr->n_planes - 1];
	offset[0] = offset_on_axis(places[location].x, chroma->shift_x);
	offset[1] = offset_on_axis(places[location].y, chroma->shift_y);
}

static uint32_t shift_up(uint32_t size, uint8_t shift) {
	return (size >> shift) + ((size & ((1u << shift) - 1)) != 0);
}

void sbx_ycbcr_plane_size(const struct sbx_ycbcr *ycbcr, uint32_t index, uint32_t width,
		uint32_t height, uint32_t *plane_width, uint32_t *plane_height) {
	*plane_width = shift_up(width, ycbcr->planes[index].shift_x);
	*plane_height = shift_up(height, ycbcr->planes[index].shift_y);
}

bool sbx_ycbcr_is_even(const struct sbx_ycbcr *ycbcr, uint32_t width, uint32_t height) {
	const struct sbx_ycbcr_plane *chroma = &ycbcr->planes[ycbcr->n_planes - 1];
	return (width & ((1u << chroma->shift_x) - 1)) == 0 &&
		(height & ((1u << chroma->shift_y) - 1)) == 0;
}
