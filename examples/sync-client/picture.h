/**
 * The moving picture of sync-client: a signal head that travels over a field of light.
 *
 * It is a pure function of the frame number, so that whoever looks at a captured picture can tell
 * which frame each part of it belongs to, and whether every pixel is that frame's:
 * - the first pixels of the top row say that here is such a picture, and how large (the marker);
 * - the two lowest rows of every tile of 32x32 pixels spell the frame number, 16 bits, the lowest
 *   first, each bit two pixels wide.
 *
 * Pixels are DRM_FORMAT_XRGB8888 in the CPU's byte order, the X byte 0xff.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PICTURE_TILE 32
#define PICTURE_MARKER 10 /* pixels */
#define PICTURE_MIN_SIZE 64
#define PICTURE_MAX_SIZE 4096
#define PICTURE_PALETTES 4

struct picture {
	int width, height; /* PICTURE_MIN_SIZE to PICTURE_MAX_SIZE */
	unsigned palette;  /* below PICTURE_PALETTES */
};

/**
 * Draw the rows from `first` to below `end` of frame `frame` (its low 16 bits count). `pixels` is
 * the picture's top left corner, `stride` is in bytes.
 */
void picture_draw(const struct picture *picture, uint32_t frame, void *pixels, size_t stride,
	int first, int end);

/**
 * Whether a picture begins at `pixels`, of which at least PICTURE_MARKER must follow in the row;
 * if so, which.
 */
bool picture_find(const uint32_t *pixels, struct picture *picture);

/**
 * The frame number that the tile spells whose top left corner is at `pixels` (stride in bytes);
 * -1 if it spells none.
 */
int32_t picture_read_tile(const uint32_t *pixels, size_t stride);

#endif
