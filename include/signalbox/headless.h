/**
 * A backend without monitors, for remote desktops, CI and tests: virtual outputs with an exact refresh,
 * explicit sync, and honest presentation times.
 *
 *	struct wlr_backend *backend = sbx_headless_backend_create(loop, NULL);
 *	sbx_headless_add_output(backend, &(struct sbx_headless_output_options){
 *		.width = 1920, .height = 1080, .refresh_numerator = 60000, .refresh_denominator = 1001,
 *	});
 *
 * It is a wlr_backend like any other: wlr_backend_start(), events.new_output, wlr_backend_destroy(); it may
 * be one of several in a wlr_multi_backend. Outputs are added at any time, and removed with
 * wlr_output_destroy(), but not in one of their own events. No DRM device is needed: where clients and
 * renderer do with shared memory, none is touched.
 *
 * What a commit with a buffer does:
 *
 *	commit ──▶ QUEUED ──its fence has signalled, and it is vblank──▶ SHOWN ──the next one is──▶ let go
 *	              └────── another commit with a buffer, or the fence failed ──────────────────▶ let go
 *
 * - The wait timeline is honoured: a frame whose point is not signalled at a vblank is late. The output
 *   goes on showing the previous frame, nobody blocks, and the frame is shown at the first vblank after the
 *   point has signalled. A point that nobody has materialised yet is waited for as well. Without a wait
 *   timeline the buffer's own (implicit) fences are waited for in the same way. A frame whose fence fails
 *   is never shown: the output keeps its frame and asks for another one.
 * - The signal timeline is honoured: its point is signalled when the frame is let go, and the buffer is
 *   locked (wlr_buffer_lock()) until then.
 * - A second buffer before the first was shown takes its place (KMS would refuse it).
 * - events.present and events.frame come at the vblank. `when` is the vblank's own time, not the time at
 *   which the event loop came round to it, and `seq` its number: a late loop does not make a frame late,
 *   but a late fence does. The flags say VSYNC and ZERO_COPY, and no HW_ flag, as there is no hardware.
 *   Frames that were never shown have presented = false.
 * - No timer runs while nothing was committed.
 *
 * Modes are custom modes (there is no list): wlr_output_state_set_custom_mode(). Cursors are drawn into the
 * frame, as there is nobody else to show them. Adaptive sync, gamma and tearing are refused.
 */
#ifndef SIGNALBOX_HEADLESS_H
#define SIGNALBOX_HEADLESS_H

#include <signalbox/api.h>
#include <stdbool.h>
#include <stdint.h>

struct wl_event_loop;
struct wlr_backend;
struct wlr_buffer;
struct wlr_output;

/** May all be zero. */
struct sbx_headless_options {
	/**
	 * Whether there is a DRM node for who asks the backend for one (wlr_backend_get_drm_fd(): renderers,
	 * allocators, and wlr_scene for its timelines), and which: lent during the call, duplicated. Wait and
	 * signal timelines of any node are honoured, with this or without.
	 */
	bool has_drm_fd;
	int drm_fd;
};

/**
 * NULL: out of memory or fds. Destroyed with wlr_backend_destroy() or with the event loop. Everything here
 * is for that loop's thread.
 */
SBX_API struct wlr_backend *sbx_headless_backend_create(struct wl_event_loop *loop,
	const struct sbx_headless_options *options);

SBX_API bool sbx_backend_is_headless(const struct wlr_backend *backend);

struct sbx_headless_output_options {
	/** Unique; copied. NULL: "VIRTUAL-1" and so on. */
	const char *name;
	/** In pixels, more than 0. */
	int32_t width, height;
	/**
	 * refresh_numerator / refresh_denominator vblanks a second, exactly: an hour later the clock is where
	 * the quotient says, to the nanosecond. Both 0: 60 / 1. From 1 to 1000 Hz.
	 *
	 * wlroots knows thousandths of a Hz: a commit with a custom mode of that rounded refresh (or of
	 * refresh 0) keeps the exact one, another refresh is taken as so many thousandths.
	 */
	uint32_t refresh_numerator, refresh_denominator;
};

/**
 * Add an output to a backend of this kind. Before wlr_backend_start() it is announced with it, later at
 * once. NULL: out of memory or fds, or options out of range (logged).
 */
SBX_API struct wlr_output *sbx_headless_add_output(struct wlr_backend *backend,
	const struct sbx_headless_output_options *options);

SBX_API bool sbx_output_is_headless(const struct wlr_output *output);

/**
 * What the output shows now: what a monitor would, for who streams or captures it. Lent: lock it to keep
 * it. NULL: nothing yet, or it is off.
 */
SBX_API struct wlr_buffer *sbx_headless_output_get_shown(const struct wlr_output *output);

/** How often a frame was not ready at a vblank at which it could have been shown. */
SBX_API uint64_t sbx_headless_output_get_late_vblanks(const struct wlr_output *output);

#endif
