#include "oracle/image.h"

#include <drm_fourcc.h>
#include <math.h>
#include <pixman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER(d, p, size, r, rb, g, gb, b, bb, a, ab) { \
	.drm = DRM_FORMAT_##d, .name = #d, .pixman = p, .bytes = size, \
	.shift = { r, g, b, a }, .bits = { rb, gb, bb, ab } }

static const struct oracle_format formats[] = {
	INTEGER(ARGB8888, PIXMAN_a8r8g8b8, 4, 16, 8, 8, 8, 0, 8, 24, 8),
	INTEGER(XRGB8888, PIXMAN_x8r8g8b8, 4, 16, 8, 8, 8, 0, 8, 24, 0),
	INTEGER(ABGR8888, PIXMAN_a8b8g8r8, 4, 0, 8, 8, 8, 16, 8, 24, 8),
	INTEGER(XBGR8888, PIXMAN_x8b8g8r8, 4, 0, 8, 8, 8, 16, 8, 24, 0),
	INTEGER(RGBA8888, PIXMAN_r8g8b8a8, 4, 24, 8, 16, 8, 8, 8, 0, 8),
	INTEGER(BGRX8888, PIXMAN_b8g8r8x8, 4, 8, 8, 16, 8, 24, 8, 0, 0),
	INTEGER(RGB565, PIXMAN_r5g6b5, 2, 11, 5, 5, 6, 0, 5, 0, 0),
	INTEGER(ARGB4444, PIXMAN_a4r4g4b4, 2, 8, 4, 4, 4, 0, 4, 12, 4),
	INTEGER(ARGB2101010, PIXMAN_a2r10g10b10, 4, 20, 10, 10, 10, 0, 10, 30, 2),
	INTEGER(XBGR2101010, PIXMAN_x2b10g10r10, 4, 0, 10, 10, 10, 20, 10, 30, 0),
	INTEGER(ABGR16161616, 0, 8, 0, 16, 16, 16, 32, 16, 48, 16),
	{
		.drm = DRM_FORMAT_ABGR16161616F, .name = "ABGR16161616F", .bytes = 8, .is_half = true,
		.shift = { 0, 16, 32, 48 }, .bits = { 16, 16, 16, 16 },
	},
};

const struct oracle_format *oracle_formats(size_t *count) {
	*count = sizeof(formats) / sizeof(formats[0]);
	return formats;
}

const struct oracle_format *oracle_format(uint32_t drm) {
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (formats[i].drm == drm) {
			return &formats[i];
		}
	}
	return NULL;
}

struct oracle_image *oracle_image_create(const struct oracle_format *format, int width, int height) {
	struct oracle_image *image = calloc(1, sizeof(*image));
	uint32_t stride = ((uint32_t)width * format->bytes + 3) / 4 * 4 + 16;
	uint8_t *data = calloc((size_t)height, stride);
	if (image == NULL || data == NULL) {
		abort();
	}
	*image = (struct oracle_image){ format, width, height, stride, data };
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

void oracle_image_get(const struct oracle_image *image, int x, int y, float rgba[static 4]) {
	const struct oracle_format *format = image->format;
	uint64_t word = 0;
	memcpy(&word, image->data + (size_t)y * image->stride + (size_t)x * format->bytes,
		format->bytes);
	for (int c = 0; c < 4; c++) {
		uint64_t mask = channel_mask(format, c), bits = word >> format->shift[c] & mask;
		rgba[c] = format->bits[c] == 0 ? 1 : format->is_half ? half_to_float((uint16_t)bits) :
			(float)((double)bits / (double)mask);
	}
}

void oracle_image_put(struct oracle_image *image, int x, int y, const float rgba[static 4]) {
	const struct oracle_format *format = image->format;
	uint64_t word = 0;
	for (int c = 0; c < 4; c++) {
		float value = fminf(fmaxf(rgba[c], 0), 1);
		uint64_t mask = channel_mask(format, c);
		uint64_t bits = format->is_half ? half_from_float(value) :
			(uint64_t)llrint((double)value * (double)mask);
		word |= (format->bits[c] == 0 ? 0 : bits) << format->shift[c];
	}
	memcpy(image->data + (size_t)y * image->stride + (size_t)x * format->bytes, &word,
		format->bytes);
}

float oracle_format_step(const struct oracle_format *format, int c, float value) {
	if (!format->is_half) {
		return format->bits[c] == 0 ? 1 : 1 / (float)channel_mask(format, c);
	}
	int exponent;
	frexpf(fmaxf(value, 6.1e-5f), &exponent);
	return ldexpf(1, exponent - 11);
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
