/**
 * Pictures in memory for tests, pixel by pixel as numbers.
 */
#ifndef SBX_TESTS_ORACLE_IMAGE_H
#define SBX_TESTS_ORACLE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oracle_ycbcr;

/** How a pixel of a format is read: by the definition in drm_fourcc.h, not by anything in render/. */
struct oracle_format {
	uint32_t drm;
	const char *name;
	/** 0: pixman has none. */
	int pixman;
	uint32_t bytes;
	/** Channels of 16 or 32 bits are floats. */
	bool is_float;
	/** Where r, g, b, a are in the little-endian pixel, and how wide; 0: not there. */
	uint8_t shift[4], bits[4];
	/** NULL: RGB. Otherwise it has nothing of the above but its name. */
	const struct oracle_ycbcr *ycbcr;
};

#define ORACLE_MAX_PLANES 3

struct oracle_image {
	const struct oracle_format *format;
	int width, height;
	/** Of the first plane. */
	uint32_t stride;
	uint8_t *data;
	/** YCbCr: where each plane begins in `data`, and its stride. */
	size_t offsets[ORACLE_MAX_PLANES];
	uint32_t strides[ORACLE_MAX_PLANES];
};

/** RGB formats; those of YCbCr are in ycbcr.h. */
const struct oracle_format *oracle_formats(size_t *count);
/** Of either kind; NULL: unknown. */
const struct oracle_format *oracle_format(uint32_t drm);

/** Zeroed. The stride is more than needed, a multiple of 4 and of a pixel. Exits without memory. */
struct oracle_image *oracle_image_create(const struct oracle_format *format, int width, int height);
void oracle_image_destroy(struct oracle_image *image);

/** Of an RGB image: r, g, b, a from 0 to 1; without a channel, alpha is 1 and colour 0. */
void oracle_image_get(const struct oracle_image *image, int x, int y, float rgba[static 4]);
void oracle_image_put(struct oracle_image *image, int x, int y, const float rgba[static 4]);

/** The step between neighbouring values of the format near `value` in channel `c`. */
float oracle_format_step(const struct oracle_format *format, int c, float value);

/** Write a PPM to look at (colour over a checkerboard). False: errno says why. */
bool oracle_image_dump(const struct oracle_image *image, const char *path);

#endif
