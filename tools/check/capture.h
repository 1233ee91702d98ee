#ifndef SBX_CHECK_CAPTURE_H
#define SBX_CHECK_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "check/check.h"

/**
 * Pictures of the first output, taken on a connection of their own.
 *
 * Where a window is does not matter: pixels are counted by colour, and each frame of a check
 * has a colour of its own.
 */
struct image {
	int width, height;
	uint32_t stride;
	uint32_t format; /**< enum wl_shm_format */
	const void *data;
};

/** True where this compositor lets one capture (env.capture). */
bool capture_is_possible(const struct check *check);

/** One picture; valid until the next. Ends the check when none comes in time. */
const struct image *capture_take(struct check *check);

/** Same, but NULL if none comes within limit_ms; what comes later is thrown away. */
const struct image *capture_try_take(struct check *check, unsigned limit_ms);

/** Connect now, where that might not work any more when the first picture is wanted. */
void capture_open(struct check *check);

/** For the probe: try this kind, once; NULL if it does not work. */
const struct image *capture_try(struct check *check, enum capture_kind kind);

/** How many pixels have that colour (0xRRGGBB), within the rounding of 2 in each channel. */
unsigned image_count(const struct image *image, uint32_t colour);

#endif
