/**
 * Draw scenes of the oracle through wlroots' renderer interface, whosever renderer it is.
 */
#ifndef TESTS_WLR_SHOW_H
#define TESTS_WLR_SHOW_H

#include <wlr/render/color.h>
#include "harness/draw.h"

struct wlr_renderer;

struct show {
	struct wlr_renderer *renderer;
	/** Targets lie in dma-bufs, textures in dma-bufs or in memory; otherwise all in memory. */
	bool dmabufs;
	/** Lent, for the timeline that says when a pass is done; -1: it is when it was submitted. */
	int drm_fd;
};

/** Of `formats` (ends with 0) keep, in place, those that the renderer takes as textures. */
void show_keep_textures(const struct show *show, uint32_t *formats);

/**
 * Let the lights of the scene's textures be what wlr_render_texture_options can say: primaries that wlroots
 * knows, in its own numbers, and a luminance. Chroma is in the middle, where wlroots takes it to be.
 */
void show_adapt(struct oracle_scene *scene);

/** NULL where the scene has no grade. To be given back with wlr_color_transform_unref(). */
struct wlr_color_transform *show_transform(const struct oracle_grade *grade);

/** Draw a scene that was adapted; fails the test where the renderer does not. */
struct oracle_image *show_scene(const struct show *show, const struct oracle_scene *scene);

#endif
