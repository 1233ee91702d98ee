/**
 * What wlroots says of a texture's colours, as the composer has it.
 */
#ifndef SBX_RENDER_WLR_LIGHT_H
#define SBX_RENDER_WLR_LIGHT_H

#include <wlr/render/pass.h>
#include "render/compose.h"

/**
 * Transfer function (none: gamma 2.2), primaries (NULL: sRGB) and luminance multiplier (NULL: 1) of
 * `options`. Numbers that are not finite come out as they are, and fail the frame.
 */
void sbx_light_from_options(struct sbx_light *light, const struct wlr_render_texture_options *options);

#endif
