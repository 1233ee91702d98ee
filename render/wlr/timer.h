/**
 * wlr_render_timer: the GPU time of a pass.
 */
#ifndef SBX_RENDER_WLR_TIMER_H
#define SBX_RENDER_WLR_TIMER_H

#include <wlr/render/interface.h>

struct sbx_timer;

/** NULL where the device has no timestamps. */
struct wlr_render_timer *sbx_render_timer_create(struct wlr_renderer *renderer);

/** The core's timer in it; NULL if it is not one of ours, or NULL. */
struct sbx_timer *sbx_render_timer_get(struct wlr_render_timer *timer);

#endif
