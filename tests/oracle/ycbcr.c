#include "oracle/ycbcr.h"

#include <drm_fourcc.h>
#include <math.h>
#include <string.h>
#include "oracle/image.h"

#define YCBCR(d, planes, ...) { \
	.drm = DRM_FORMAT_##d, .name = #d, .ycbcr = &(const struct oracle_ycbcr){ \
		.n_planes = planes, .samples = { __VA_ARGS__ } } }

/* Plane, bytes of a block, lowest bit, bits, pixels across and down. */
#define ONE(p, bytes, at, bits, across, down) { p, bytes, 1, { at }, bits, across, down }
#define TWO(p, bytes, first, second, bits) { p, bytes, 2, { first, second }, bits, 1, 1 }

#define SEMI_PLANAR(d, bytes, shift, bits, across, down) YCBCR(d, 2, \
	ONE(0, bytes, shift, bits, 1, 1), ONE(1, 2 * bytes, shift, bits, across, down), \
	ONE(1, 2 * bytes, 8 * bytes + shift, bits, across, down))
#define SEMI_PLANAR_CR_FIRST(d, across, down) YCBCR(d, 2, ONE(0, 1, 0, 8, 1, 1), \
	ONE(1, 2, 8, 8, across, down), ONE(1, 2, 0, 8, across, down))
#define PLANAR(d, bytes, shift, bits, across, down) YCBCR(d, 3, ONE(0, bytes, shift, bits, 1, 1), \
	ONE(1, bytes, shift, bits, across, down), ONE(2, bytes, shift, bits, across, down))
#define PLANAR_CR_FIRST(d, bytes, shift, bits, across, down) YCBCR(d, 3, \
	ONE(0, bytes, shift, bits, 1, 1), ONE(2, bytes, shift, bits, across, down), \
	ONE(1, bytes, shift, bits, across, down))
#define PACKED_PAIR(d, bytes, bits, y0, cb, y1, cr) YCBCR(d, 1, TWO(0, bytes, y0, y1, bits), \
	ONE(0, bytes, cb, bits, 2, 1), ONE(0, bytes, cr, bits, 2, 1))
#define PACKED(d, bytes, bits, y, cb, cr, a, alpha_bits) YCBCR(d, 1, ONE(0, bytes, y, bits, 1, 1), \
	ONE(0, bytes, cb, bits, 1, 1), ONE(0, bytes, cr, bits, 1, 1), ONE(0, bytes, a, alpha_bits, 1, 1))

static const struct oracle_format formats[] = {
	SEMI_PLANAR(NV12, 1, 0, 8, 2, 2),
	SEMI_PLANAR_CR_FIRST(NV21, 2, 2),
	SEMI_PLANAR(NV16, 1, 0, 8, 2, 1),
	SEMI_PLANAR_CR_FIRST(NV61, 2, 1),
	SEMI_PLANAR(NV24, 1, 0, 8, 1, 1),
	SEMI_PLANAR_CR_FIRST(NV42, 1, 1),
	SEMI_PLANAR(P010, 2, 6, 10, 2, 2),
	SEMI_PLANAR(P210, 2, 6, 10, 2, 1),
	SEMI_PLANAR(P012, 2, 4, 12, 2, 2),
	SEMI_PLANAR(P016, 2, 0, 16, 2, 2),
	PLANAR(YUV410, 1, 0, 8, 4, 4),
	PLANAR_CR_FIRST(YVU410, 1, 0, 8, 4, 4),
	PLANAR(YUV411, 1, 0, 8, 4, 1),
	PLANAR_CR_FIRST(YVU411, 1, 0, 8, 4, 1),
	PLANAR(YUV420, 1, 0, 8, 2, 2),
	PLANAR_CR_FIRST(YVU420, 1, 0, 8, 2, 2),
	PLANAR(YUV422, 1, 0, 8, 2, 1),
	PLANAR_CR_FIRST(YVU422, 1, 0, 8, 2, 1),
	PLANAR(YUV444, 1, 0, 8, 1, 1),
	PLANAR_CR_FIRST(YVU444, 1, 0, 8, 1, 1),
	PLANAR(Q410, 2, 6, 10, 1, 1),
	PLANAR_CR_FIRST(Q401, 2, 6, 10, 1, 1),
	PLANAR(S010, 2, 0, 10, 2, 2),
	PLANAR(S210, 2, 0, 10, 2, 1),
	PLANAR(S410, 2, 0, 10, 1, 1),
	PLANAR(S012, 2, 0, 12, 2, 2),
	PLANAR(S212, 2, 0, 12, 2, 1),
	PLANAR(S412, 2, 0, 12, 1, 1),
	PLANAR(S016, 2, 0, 16, 2, 2),
	PLANAR(S216, 2, 0, 16, 2, 1),
	PLANAR(S416, 2, 0, 16, 1, 1),
	PACKED_PAIR(YUYV, 4, 8, 0, 8, 16, 24),
	PACKED_PAIR(YVYU, 4, 8, 0, 24, 16, 8),
	PACKED_PAIR(UYVY, 4, 8, 8, 0, 24, 16),
	PACKED_PAIR(VYUY, 4, 8, 8, 16, 24, 0),
	PACKED_PAIR(Y210, 8, 10, 6, 22, 38, 54),
	PACKED_PAIR(Y212, 8, 12, 4, 20, 36, 52),
	PACKED_PAIR(Y216, 8, 16, 0, 16, 32, 48),
	PACKED(AYUV, 4, 8, 16, 8, 0, 24, 8),
	PACKED(XYUV8888, 4, 8, 16, 8, 0, 24, 0),
	PACKED(AVUY8888, 4, 8, 0, 8, 16, 24, 8),
	PACKED(XVUY8888, 4, 8, 0, 8, 16, 24, 0),
	PACKED(VUY888, 3, 8, 0, 8, 16, 0, 0),
	PACKED(XVUY2101010, 4, 10, 0, 10, 20, 30, 0),
	PACKED(Y410, 4, 10, 10, 0, 20, 30, 2),
	PACKED(XVYU2101010, 4, 10, 10, 0, 20, 30, 0),
	PACKED(Y412, 8, 12, 20, 4, 36, 52, 12),
	PACKED(XVYU12_16161616, 8, 12, 20, 4, 36, 52, 0),
	PACKED(Y416, 8, 16, 16, 0, 32, 48, 16),
	PACKED(XVYU16161616, 8, 16, 16, 0, 32, 48, 0),
};

const struct oracle_format *oracle_ycbcr_formats(size_t *count) {
	*count = sizeof(formats) / sizeof(formats[0]);
	return formats;
}

static int divide_up(int value, int by) {
	return (value + by - 1) / by;
}

static const struct oracle_samples *samples_in(const struct oracle_ycbcr *ycbcr, int plane) {
	const struct oracle_samples *samples = ycbcr->samples;
	while (samples->plane != plane) {
		samples++;
	}
	return samples;
}

size_t oracle_ycbcr_row(const struct oracle_ycbcr *ycbcr, int plane, int width) {
	const struct oracle_samples *samples = samples_in(ycbcr, plane);
	return (size_t)divide_up(divide_up(width, samples->across), samples->n) * samples->bytes;
}

int oracle_ycbcr_rows(const struct oracle_ycbcr *ycbcr, int plane, int height) {
	return divide_up(height, samples_in(ycbcr, plane)->down);
}

void oracle_ycbcr_size(const struct oracle_image *image, enum oracle_sample kind, int *width,
		int *height) {
	const struct oracle_samples *samples = &image->format->ycbcr->samples[kind];
	*width = samples->bits == 0 ? 0 : divide_up(image->width, samples->across);
	*height = samples->bits == 0 ? 0 : divide_up(image->height, samples->down);
}

static uint8_t *block_of(const struct oracle_image *image, const struct oracle_samples *samples, int x,
		int y) {
	return image->data + image->offsets[samples->plane] +
		(size_t)y * image->strides[samples->plane] + (size_t)(x / samples->n) * samples->bytes;
}

void oracle_ycbcr_put(struct oracle_image *image, enum oracle_sample kind, int x, int y, double value) {
	const struct oracle_samples *samples = &image->format->ycbcr->samples[kind];
	uint8_t *block = block_of(image, samples, x, y);
	uint64_t mask = (UINT64_C(1) << samples->bits) - 1, word = 0;
	int at = samples->at[x % samples->n];
	memcpy(&word, block, samples->bytes);
	word = (word & ~(mask << at)) | (uint64_t)llrint(value * (double)mask) << at;
	memcpy(block, &word, samples->bytes);
}

/** The code at a place, or at the nearest that the picture has. */
static double get_code(const struct oracle_image *image, enum oracle_sample kind, int x, int y) {
	const struct oracle_samples *samples = &image->format->ycbcr->samples[kind];
	int width, height;
	oracle_ycbcr_size(image, kind, &width, &height);
	x = x < 0 ? 0 : x >= width ? width - 1 : x;
	y = y < 0 ? 0 : y >= height ? height - 1 : y;
	uint64_t word = 0;
	memcpy(&word, block_of(image, samples, x, y), samples->bytes);
	return (double)(word >> samples->at[x % samples->n] & ((UINT64_C(1) << samples->bits) - 1));
}

/** Where among its pixels (each 1 wide) a sample lies: on the first, in the middle, on the last. */
enum place { FIRST, MIDDLE, LAST };

static double to_samples(double at, int pixels, enum place place) {
	double first = place == FIRST ? 0.5 : place == MIDDLE ? pixels / 2.0 : pixels - 0.5;
	return (at - first) / pixels;
}

static enum place place_across(enum sbx_chroma_location location) {
	return location == SBX_CHROMA_LEFT || location == SBX_CHROMA_TOP_LEFT ||
		location == SBX_CHROMA_BOTTOM_LEFT ? FIRST : MIDDLE;
}

static enum place place_down(enum sbx_chroma_location location) {
	return location == SBX_CHROMA_TOP_LEFT || location == SBX_CHROMA_TOP ? FIRST :
		location == SBX_CHROMA_BOTTOM_LEFT || location == SBX_CHROMA_BOTTOM ? LAST : MIDDLE;
}

static double bilinear(const struct oracle_image *image, enum oracle_sample kind,
		enum sbx_chroma_location location, double u, double v) {
	const struct oracle_samples *samples = &image->format->ycbcr->samples[kind];
	double x = to_samples(u, samples->across, place_across(location));
	double y = to_samples(v, samples->down, place_down(location));
	int left = (int)floor(x), top = (int)floor(y);
	double right = x - left, down = y - top;
	double upper = get_code(image, kind, left, top) * (1 - right) +
		get_code(image, kind, left + 1, top) * right;
	double lower = get_code(image, kind, left, top + 1) * (1 - right) +
		get_code(image, kind, left + 1, top + 1) * right;
	return upper * (1 - down) + lower * down;
}

/** H.273, 8.3: from codes to 0..1 and -0.5..0.5. */
static double level(double code, int bits, enum sbx_range range, bool difference) {
	double zero = difference ? ldexp(1, bits - 1) : 0, length = ldexp(1, bits) - 1;
	if (range != SBX_RANGE_FULL) {
		zero = ldexp(difference ? 128 : 16, bits - 8);
		length = ldexp(difference ? 224 : 219, bits - 8);
	}
	return (code - zero) / length;
}

static void weights(enum sbx_encoding encoding, double *red, double *blue) {
	switch (encoding) {
	case SBX_ENCODING_BT709:
		*red = 0.2126, *blue = 0.0722;
		break;
	case SBX_ENCODING_BT2020:
		*red = 0.2627, *blue = 0.0593;
		break;
	case SBX_ENCODING_FCC:
		*red = 0.3, *blue = 0.11;
		break;
	case SBX_ENCODING_SMPTE240:
		*red = 0.212, *blue = 0.087;
		break;
	default:
		*red = 0.299, *blue = 0.114;
		break;
	}
}

static void to_rgb(const double codes[static 3], int bits, const struct sbx_coding *coding,
		double rgb[static 3]) {
	bool identity = coding->encoding == SBX_ENCODING_IDENTITY;
	double y = level(codes[0], bits, coding->range, false), red, blue;
	double cb = level(codes[1], bits, coding->range, !identity);
	double cr = level(codes[2], bits, coding->range, !identity);
	if (identity) {
		rgb[0] = cr, rgb[1] = y, rgb[2] = cb;
		return;
	}
	weights(coding->encoding, &red, &blue);
	rgb[0] = y + 2 * (1 - red) * cr;
	rgb[2] = y + 2 * (1 - blue) * cb;
	rgb[1] = (y - red * rgb[0] - blue * rgb[2]) / (1 - red - blue);
}

void oracle_ycbcr_get(const struct oracle_image *image, const struct sbx_coding *coding, double u,
		double v, bool nearest, float rgba[static 4]) {
	const struct oracle_samples *samples = image->format->ycbcr->samples;
	if (nearest) {
		u = fmin(fmax(floor(u), 0), image->width - 1) + 0.5;
		v = fmin(fmax(floor(v), 0), image->height - 1) + 0.5;
	}
	double codes[4] = {0}, rgb[3];
	for (int kind = 0; kind < 4; kind++) {
		if (samples[kind].bits > 0) {
			codes[kind] = bilinear(image, (enum oracle_sample)kind, coding->chroma, u, v);
		}
	}
	to_rgb(codes, samples[ORACLE_Y].bits, coding, rgb);
	for (int c = 0; c < 3; c++) {
		rgba[c] = (float)fmin(fmax(rgb[c], 0), 1);
	}
	rgba[3] = samples[ORACLE_A].bits == 0 ? 1 :
		(float)(codes[3] / (ldexp(1, samples[ORACLE_A].bits) - 1));
}
