/**
 * Why a frame of a wlr_scene was composed and not scanned out directly.
 *
 * wlr_scene decides and does not say. This looks at the same things in the same order.
 */
#ifndef SBX_BACKEND_SCANOUT_H
#define SBX_BACKEND_SCANOUT_H

#include <signalbox/output.h>

struct wlr_buffer;

/**
 * `state` is what the compositor wanted to commit before the scene filled it in: enum
 * wlr_output_state_field bits. Stops at the second thing that is visible.
 */
enum sbx_scanout sbx_scanout_explain(struct wlr_scene_output *scene_output, uint32_t committed,
	const struct wlr_scene_output_state_options *options);

/**
 * The same for a buffer that is to fill the output, without a scene: whether it could be, as far as can be
 * said without asking the output. ACTIVE: nothing is known against it.
 */
enum sbx_scanout sbx_scanout_explain_buffer(struct wlr_output *output, struct wlr_buffer *buffer);

#endif
