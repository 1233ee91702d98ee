/**
 * Reading textures back.
 */
#ifndef SBX_RENDER_WLR_READ_H
#define SBX_RENDER_WLR_READ_H

#include <stdbool.h>
#include <stdint.h>

struct sbx_texture;
struct wlr_texture_read_pixels_options;

/**
 * Copy pixels to the caller's memory, converted to the format asked for. Waits for what is being
 * written to the texture and for the GPU, a second at most. False: out of bounds, no such conversion, or
 * time is over; the caller's memory may then be partly written.
 */
bool sbx_texture_read(struct sbx_texture *texture,
	const struct wlr_texture_read_pixels_options *options);

/** The format in which it is read without loss: its own, or an RGB format for YCbCr (DRM fourcc). */
uint32_t sbx_texture_read_format(const struct sbx_texture *texture);

#endif
