/**
 * The rhythm of an output: when its vblanks come, what our work for a frame takes, and when the last
 * moment is to decide what a frame shows. Here those who know meet those who want to know, without
 * knowing each other: the renderer reports what its passes took, the latch asks until when a fence is
 * needed, and a scheduler, where there is one, says when it renders.
 *
 * A moment is announced
 * - in the output's frame event, before the compositor hears of it: that is when most render;
 * - on an idle output, where no frame event comes by itself, by a timer, if it was asked for
 *   (sbx_pace_want()); what is latched then damages the output, and the compositor renders;
 * - by sbx_pace_announce() in place of the frame event, once a scheduler has taken over
 *   (sbx_pace_take_over()).
 *
 * The rhythm is known from the present events that come with a vblank. It is not where the output has no
 * refresh rate, is off, has adaptive sync or shows nothing for SBX_PACE_STALE_MS. Then there is no last
 * moment, and nothing is decided by it.
 *
 * Costs three listeners an output, and a timer that runs only when it was asked for. Process-wide, the
 * event loop's thread only.
 */
#ifndef SBX_LOAN_PACE_H
#define SBX_LOAN_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/util/addon.h>
#include "loan/forecast.h"

struct wlr_buffer;
struct wlr_output;

enum {
	/** Between our GPU being done and the vblank: the kernel and the display engine need some, too. */
	SBX_PACE_MARGIN_US = 1000,
	/** From the timer's moment until our GPU has its work. */
	SBX_PACE_WAKE_US = 2000,
	/** Vblanks are reckoned from the last one seen for so long; then clocks have drifted apart. */
	SBX_PACE_STALE_MS = 10000,
};

struct sbx_pace {
	struct wlr_output *output;
	struct wlr_addon addon; // of the output
	struct wl_list link; // all paces
	struct wl_list targets; // buffers that were shown on it
	/** The last vblank seen, CLOCK_MONOTONIC, 0: none; the time between two as it was said then. */
	int64_t vblank_ns, period_ns;
	/** What our GPU took for its last frames. */
	struct sbx_forecast work;
	/** Whether somebody wants to know that. */
	bool measured;
	/** A scheduler announces the moments, not the frame event. */
	bool taken_over;
	/** NULL: no memory for it; then there are moments in frame events only. */
	struct wl_event_source *timer;
	/** What the timer runs for; 0: it does not. */
	int64_t timer_ns;
	struct wl_listener frame, present, commit;
};

/** The output's, made if there was none; NULL: no memory. Lives as long as the output. */
struct sbx_pace *sbx_pace_get(struct wlr_output *output);

/** From now on passes into the buffers of outputs are measured: all of them, as they share the GPU. */
void sbx_paces_measure(void);

/**
 * When our GPU has to begin with the next frame (the next that can still be on time, and that has not been
 * sent yet), so that it is done SBX_PACE_MARGIN_US before the vblank. False: the rhythm is not known. Our
 * work counts as nothing as long as it has not been measured.
 */
bool sbx_pace_get_start(const struct sbx_pace *pace, int64_t now_ns, int64_t *start_ns);

/** The same, if our work has been measured: until then the fences of what it shows have to signal. */
bool sbx_pace_get_need(const struct sbx_pace *pace, int64_t now_ns, int64_t *need_ns);

/**
 * The earliest start of all outputs that have a frame on its way, as far as their rhythm is known: they
 * will render next, and GPU work is done in order. INT64_MAX: none.
 */
int64_t sbx_paces_get_busy_need(int64_t now_ns);

/**
 * Somebody has content that will be done at done_ns: let there be a moment for the first frame that it
 * can be in. One timer an output; of several wishes the earliest counts.
 */
void sbx_pace_want(struct sbx_pace *pace, int64_t done_ns);

/** `listener` is called at each moment of each output with its struct sbx_pace. Remove it as any. */
void sbx_paces_listen(struct wl_listener *listener);

/* For a scheduler: */

/** It announces the moments of rendering from now on (true), or frame events do again. */
void sbx_pace_take_over(struct sbx_pace *pace, bool taken_over);

/** Rendering begins now, or would if there were something to show. May change what there is. */
void sbx_pace_announce(struct sbx_pace *pace);

/* For a renderer: */

/** Whether it is worth measuring what drawing into `target` takes. */
bool sbx_pace_measures(const struct wlr_buffer *target);

/** A pass into `target` took so long on the GPU, waiting for others not included. */
void sbx_pace_report(struct wlr_buffer *target, int64_t work_ns);

#endif
