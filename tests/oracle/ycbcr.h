/**
 * What YCbCr pictures mean: worked out from the definitions (drm_fourcc.h, ITU-T H.273) in double
 * precision, with no line in common with render/.
 */
#ifndef SBX_TESTS_ORACLE_YCBCR_H
#define SBX_TESTS_ORACLE_YCBCR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "render/ycbcr.h"

struct oracle_image;

enum oracle_sample { ORACLE_Y, ORACLE_CB, ORACLE_CR, ORACLE_A };

/** Where the samples of one kind lie: in blocks of `bytes`, each with `n` of them side by side. */
struct oracle_samples {
	/** Of memory. */
	uint8_t plane;
	uint8_t bytes, n;
	/** The lowest bit of each in its little-endian block. */
	uint8_t at[2];
	/** 0: there are none. */
	uint8_t bits;
	/** Pixels for each sample. */
	uint8_t across, down;
};

struct oracle_ycbcr {
	uint8_t n_planes;
	struct oracle_samples samples[4];
};

struct oracle_format;

/** The table, as part of oracle_formats(). */
const struct oracle_format *oracle_ycbcr_formats(size_t *count);

/** Bytes of a row, and the rows, of plane `plane` of a picture of this size. */
size_t oracle_ycbcr_row(const struct oracle_ycbcr *ycbcr, int plane, int width);
int oracle_ycbcr_rows(const struct oracle_ycbcr *ycbcr, int plane, int height);

/** How many samples of this kind a picture has. */
void oracle_ycbcr_size(const struct oracle_image *image, enum oracle_sample kind, int *width,
	int *height);
/** Put a sample: 0 is code 0, 1 the largest. */
void oracle_ycbcr_put(struct oracle_image *image, enum oracle_sample kind, int x, int y, double value);

/**
 * The colour at u,v (pixel x covers x..x+1), cut to 0..1. `nearest`: brightness of the pixel that u,v lies
 * in, colour difference in the middle of that pixel.
 */
void oracle_ycbcr_get(const struct oracle_image *image, const struct sbx_coding *coding, double u,
	double v, bool nearest, float rgba[static 4]);

#endif
