/**
 * A screen that the test plays: a wlr_output that takes or refuses commits as it is told, and flips when the
 * test says so; with a renderer whose passes draw nothing and are done when the test says so.
 */
#ifndef TESTS_BACKEND_SCREEN_H
#define TESTS_BACKEND_SCREEN_H

#include "backend/output.h"
#include "backend/rig.h"
#include <wlr/backend/interface.h>
#include <wlr/interfaces/wlr_output.h>
#include <wlr/render/allocator.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/interface.h>

struct screen {
	struct rig *rig;
	struct wlr_backend backend;
	struct wlr_output wlr;
	struct wlr_renderer renderer;
	struct wlr_allocator allocator;
	struct wlr_drm_format_set formats, no_formats;
	struct sbx_output *output;
	struct wl_listener frame;
	unsigned frames; // events of sbx_output

	/* What commits get. */
	/** errno of every commit; 0: taken. */
	int error;
	/** errno of commits that bring a fence; 0: as the others. */
	int fence_error;
	/** errno of commits that are to be shown at once; 0: as the others. And tests of them fail. */
	int tearing_error;
	bool refuse_tearing;
	/** Tests of buffers that are not the screen's own fail. */
	bool refuse_foreign;
	/** The primary plane takes no format at all. */
	bool limit_formats;

	/* What was seen: of the last commit that was taken. */
	unsigned commits, refused, tearing_tests;
	uint32_t committed;
	struct wlr_buffer *buffer;
	bool had_fence, reconfigures, tore;
	struct sbx_point fence;

	/* Whether the passes' work is pending, and until which fence. */
	bool slow;
	/** Their point is not materialised when they are submitted; which one that is. */
	bool unmaterialised;
	struct sbx_point promised;
	bool shared_memory; // the screen's buffers are no dma-bufs
	struct rig_fence work;
	int submit_count;
};

/** An output of 64 x 32 that is on, KMS by its word, with a struct sbx_output. */
void screen_init(struct screen *screen, struct rig *rig, const struct sbx_output_options *options);
void screen_finish(struct screen *screen);

/** The flip of what was committed last has happened: at a vblank, unless it was to be shown at once. */
void screen_flip(struct screen *screen);

/** Compose a frame without a scene; what sbx_output_commit() says. */
bool screen_draw(struct screen *screen);

/** Commit a client's buffer. */
bool screen_scan_out(struct screen *screen, struct wlr_buffer *buffer);

struct sbx_output_info screen_info(struct screen *screen);

/** Let time pass, the flip included where one is pending. */
void screen_pass_ms(struct screen *screen, int ms);

#endif
