#include "oracle/image.h"

#include <drm_fourcc.h>
#include <math.h>
#include <pixman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "oracle/ycbcr.h"

#define CHANNELS(d, p, size, r, rb, g, gb, b, bb, a, ab) \
	.drm = DRM_FORMAT_##d, .name = #d, .pixman = p, .bytes = size, \
	.shift = { r, g, b, a }, .bits = { rb, gb, bb, ab }
#define INTEGER(...) { CHANNELS(__VA_ARGS__) }
#define FLOAT(...) { CHANNELS(__VA_ARGS__), .is_float = true }

/* pixman's code, bytes, then shift and bits of red, green, blue and alpha. */
static const struct oracle_format formats[] = {
	INTEGER(ARGB8888, PIXMAN_a8r8g8b8, 4, 16, 8, 8, 8, 0, 8, 24, 8),
	INTEGER(XRGB8888, PIXMAN_x8r8g8b8, 4, 16, 8, 8, 8, 0, 8, 0, 0),
	INTEGER(ABGR8888, PIXMAN_a8b8g8r8, 4, 0, 8, 8, 8, 16, 8, 24, 8),
	INTEGER(XBGR8888, PIXMAN_x8b8g8r8, 4, 0, 8, 8, 8, 16, 8, 0, 0),
	INTEGER(RGBA8888, PIXMAN_r8g8b8a8, 4, 24, 8, 16, 8, 8, 8, 0, 8),
	INTEGER(RGBX8888, PIXMAN_r8g8b8x8, 4, 24, 8, 16, 8, 8, 8, 0, 0),
	INTEGER(BGRA8888, PIXMAN_b8g8r8a8, 4, 8, 8, 16, 8, 24, 8, 0, 8),
	INTEGER(BGRX8888, PIXMAN_b8g8r8x8, 4, 8, 8, 16, 8, 24, 8, 0, 0),
	INTEGER(R8, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0),
	INTEGER(GR88, 0, 2, 0, 8, 8, 8, 0, 0, 0, 0),
	INTEGER(R16, 0, 2, 0, 16, 0, 0, 0, 0, 0, 0),
	INTEGER(GR1616, 0, 4, 0, 16, 16, 16, 0, 0, 0, 0),
	INTEGER(RGB888, PIXMAN_r8g8b8, 3, 16, 8, 8, 8, 0, 8, 0, 0),
	INTEGER(BGR888, PIXMAN_b8g8r8, 3, 0, 8, 8, 8, 16, 8, 0, 0),
	INTEGER(RGB565, PIXMAN_r5g6b5, 2, 11, 5, 5, 6, 0, 5, 0, 0),
	INTEGER(BGR565, PIXMAN_b5g6r5, 2, 0, 5, 5, 6, 11, 5, 0, 0),
	INTEGER(ARGB4444, PIXMAN_a4r4g4b4, 2, 8, 4, 4, 4, 0, 4, 12, 4),
	INTEGER(XRGB4444, PIXMAN_x4r4g4b4, 2, 8, 4, 4, 4, 0, 4, 0, 0),
	INTEGER(ABGR4444, PIXMAN_a4b4g4r4, 2, 0, 4, 4, 4, 8, 4, 12, 4),
	INTEGER(XBGR4444, PIXMAN_x4b4g4r4, 2, 0, 4, 4, 4, 8, 4, 0, 0),
	INTEGER(RGBA4444, 0, 2, 12, 4, 8, 4, 4, 4, 0, 4),
	INTEGER(RGBX4444, 0, 2, 12, 4, 8, 4, 4, 4, 0, 0),
	INTEGER(BGRA4444, 0, 2, 4, 4, 8, 4, 12, 4, 0, 4),
	INTEGER(BGRX4444, 0, 2, 4, 4, 8, 4, 12, 4, 0, 0),
	INTEGER(ARGB1555, PIXMAN_a1r5g5b5, 2, 10, 5, 5, 5, 0, 5, 15, 1),
	INTEGER(XRGB1555, PIXMAN_x1r5g5b5, 2, 10, 5, 5, 5, 0, 5, 0, 0),
	INTEGER(RGBA5551, 0, 2, 11, 5, 6, 5, 1, 5, 0, 1),
	INTEGER(RGBX5551, 0, 2, 11, 5, 6, 5, 1, 5, 0, 0),
	INTEGER(BGRA5551, 0, 2, 1, 5, 6, 5, 11, 5, 0, 1),
	INTEGER(BGRX5551, 0, 2, 1, 5, 6, 5, 11, 5, 0, 0),
	INTEGER(ARGB2101010, PIXMAN_a2r10g10b10, 4, 20, 10, 10, 10, 0, 10, 30, 2),
	INTEGER(XRGB2101010, PIXMAN_x2r10g10b10, 4, 20, 10, 10, 10, 0, 10, 0, 0),
	INTEGER(ABGR2101010, PIXMAN_a2b10g10r10, 4, 0, 10, 10, 10, 20, 10, 30, 2),
	INTEGER(XBGR2101010, PIXMAN_x2b10g10r10, 4, 0, 10, 10, 10, 20, 10, 0, 0),
	INTEGER(BGR161616, 0, 6, 0, 16, 16, 16, 32, 16, 0, 0),
	INTEGER(ABGR16161616, 0, 8, 0, 16, 16, 16, 32, 16, 48, 16),
	INTEGER(XBGR16161616, 0, 8, 0, 16, 16, 16, 32, 16, 0, 0),
	FLOAT(R16F, 0, 2, 0, 16, 0, 0, 0, 0, 0, 0),
	FLOAT(GR1616F, 0, 4, 0, 16, 16, 16, 0, 0, 0, 0),
	FLOAT(BGR161616F, 0, 6, 0, 16, 16, 16, 32, 16, 0, 0),
	FLOAT(ABGR16161616F, 0, 8, 0, 16, 16, 16, 32, 16, 48, 16),
	FLOAT(XBGR16161616F, 0, 8, 0, 16, 16, 16, 32, 16, 0, 0),
	FLOAT(R32F, 0, 4, 0, 32, 0, 0, 0, 0, 0, 0),
	FLOAT(GR3232F, 0, 8, 0, 32, 32, 32, 0, 0, 0, 0),
	FLOAT(BGR323232F, 0, 12, 0, 32, 32, 32, 64, 32, 0, 0),
	FLOAT(ABGR32323232F, 0, 16, 0, 32, 32, 32, 64, 32, 96, 32),
};

const struct oracle_format *oracle_formats(size_t *count) {
	*count = sizeof(formats) / sizeof(formats[0]);
	return formats;
}

static const struct oracle_format *find(const struct oracle_format *list, size_t count, uint32_t drm) {
	for (size_t i = 0; i < count; i++) {
		if (list[i].drm == drm) {
			return &list[i];
		}
	}
	return NULL;
}

const struct oracle_format *oracle_format(uint32_t drm) {
	size_t count;
	const struct oracle_format *ycbcr = oracle_ycbcr_formats(&count);
	const struct oracle_format *found = find(ycbcr, count, drm);
	return found != NULL ? found : find(formats, sizeof(formats) / sizeof(formats[0]), drm);
}

/**
 * 16 bytes and a little more than a row needs, in whole pixels, which OpenGL wants, and in whole words, which pixman
 * wants.
 */
static uint32_t stride_for(size_t row, size_t pixel) {
	return (uint32_t)(((row + 16) / (4 * pixel) + 1) * (4 * pixel));
}

struct oracle_image *oracle_image_create(const struct oracle_format *format, int width, int height) {
	struct oracle_image *image = calloc(1, sizeof(*image));
	if (image == NULL) {
		abort();
	}
	*image = (struct oracle_image){ .format = format, .width = width, .height = height };
	const struct oracle_ycbcr *ycbcr = format->ycbcr;
	size_t size = 0;
	for (int i = 0; i < (ycbcr != NULL ? ycbcr->n_planes : 1); i++) {
		image->offsets[i] = size;
		image->strides[i] = ycbcr != NULL ? stride_for(oracle_ycbcr_row(ycbcr, i, width), 4) :
			stride_for((size_t)width * format->bytes, format->bytes);
		size += (size_t)image->strides[i] *
			(size_t)(ycbcr != NULL ? oracle_ycbcr_rows(ycbcr, i, height) : height);
	}
	image->stride = image->strides[0];
	image->data = calloc(1, size);
	if (image->data == NULL) {
		abort();
	}
	return image;
}

void oracle_image_destroy(struct oracle_image *image) {
	if (image != NULL) {
		free(image->data);
		free(image);
	}
}

static uint64_t channel_mask(const struct oracle_format *format, int c) {
	return (UINT64_C(1) << format->bits[c]) - 1;
}

/** Rows are padded by 16 bytes, so that eight can be read anywhere in them. */
static uint64_t get_bits(const uint8_t *pixel, int shift, uint64_t mask) {
	uint64_t word;
	memcpy(&word, pixel + shift / 8, sizeof(word));
	return word >> shift % 8 & mask;
}

static void put_bits(uint8_t *pixel, int shift, uint64_t mask, uint64_t value) {
	uint64_t word;
	memcpy(&word, pixel + shift / 8, sizeof(word));
	word = (word & ~(mask << shift % 8)) | value << shift % 8;
	memcpy(pixel + shift / 8, &word, sizeof(word));
}

static float half_to_float(uint16_t bits) {
	int exponent = bits >> 10 & 31, mantissa = bits & 1023;
	float value = exponent == 0 ? ldexpf((float)mantissa, -24) :
		exponent == 31 ? (mantissa == 0 ? INFINITY : NAN) :
		ldexpf((float)(mantissa | 1024), exponent - 25);
	return bits & 0x8000 ? -value : value;
}

/** For 0..65504, rounded to nearest. */
static uint16_t half_from_float(float value) {
	int exponent;
	if (value <= 0) {
		return 0;
	}
	frexpf(value, &exponent);
	exponent = exponent < -13 ? -13 : exponent;
	long mantissa = lrintf(ldexpf(value, 11 - exponent));
	return (uint16_t)((exponent + 13) * 1024 + mantissa);
}

static float float_from_bits(uint64_t bits, int size) {
	uint32_t word = (uint32_t)bits;
	float value;
	memcpy(&value, &word, sizeof(value));
	return size == 16 ? half_to_float((uint16_t)bits) : value;
}

static uint64_t float_to_bits(float value, int size) {
	uint32_t word;
	memcpy(&word, &value, sizeof(word));
	return size == 16 ? half_from_float(value) : word;
}

static uint8_t *pixel_at(const struct oracle_image *image, int x, int y) {
	return image->data + (size_t)y * image->stride + (size_t)x * image->format->bytes;
}

void oracle_image_get(const struct oracle_image *image, int x, int y, float rgba[static 4]) {
	const struct oracle_format *format = image->format;
	for (int c = 0; c < 4; c++) {
		uint64_t mask = channel_mask(format, c);
		uint64_t bits = get_bits(pixel_at(image, x, y), format->shift[c], mask);
		rgba[c] = mask == 0 ? c == 3 : format->is_float ?
			float_from_bits(bits, format->bits[c]) : (float)((double)bits / (double)mask);
	}
}

void oracle_image_put(struct oracle_image *image, int x, int y, const float rgba[static 4]) {
	const struct oracle_format *format = image->format;
	for (int c = 0; c < 4; c++) {
		float value = fminf(fmaxf(rgba[c], 0), 1);
		uint64_t mask = channel_mask(format, c);
		put_bits(pixel_at(image, x, y), format->shift[c], mask, mask == 0 ? 0 :
			format->is_float ? float_to_bits(value, format->bits[c]) :
			(uint64_t)llrint((double)value * (double)mask));
	}
}

float oracle_format_step(const struct oracle_format *format, int c, float value) {
	if (!format->is_float) {
		return format->bits[c] == 0 ? 1 : 1 / (float)channel_mask(format, c);
	}
	int exponent;
	frexpf(fmaxf(value, 6.1e-5f), &exponent);
	return ldexpf(1, exponent - (format->bits[c] == 32 ? 24 : 11));
}

bool oracle_image_dump(const struct oracle_image *image, const char *path) {
	FILE *file = fopen(path, "wb");
	if (file == NULL) {
		return false;
	}
	fprintf(file, "P6\n%d %d\n255\n", image->width, image->height);
	for (int y = 0; y < image->height; y++) {
		for (int x = 0; x < image->width; x++) {
			float rgba[4], below = (x / 4 + y / 4) % 2 != 0 ? 0.4f : 0.6f;
			oracle_image_get(image, x, y, rgba);
			for (int c = 0; c < 3; c++) {
				float value = rgba[c] + below * (1 - rgba[3]);
				fputc((int)(fminf(fmaxf(value, 0), 1) * 255 + 0.5f), file);
			}
		}
	}
	return fclose(file) == 0;
}
