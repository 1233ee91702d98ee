/**
 * When to render: as late as is safe, so that a frame shows what is newest.
 *
 *	         plan()                begin()          committed()               presented()
 *	frame ────┬──── as long as ────┬── our CPU's ────┬── our GPU's ──┬ margin ┬
 *	event     │     nothing is lost│   work          │   work        │        vblank
 *
 * What our work takes is forecast from what it took: the CPU's is measured here, the GPU's by the renderer
 * (loan/pace.h). By how much our timer fires too late, and the CPU takes longer than expected, is learned as
 * well, and forgotten slowly: on a busy machine such a thing happens once in a hundred frames. A vblank that was missed although
 * it could have been made without waiting is an error of the forecast: then the next frames are begun at
 * once, twice as many each time that it happens, and fewer again when it does not.
 *
 * Nothing is delayed where the rhythm is not known (first frames, adaptive sync, an output that was idle), too
 * little has been measured, or frames are to be shown before the vblank (tearing).
 *
 * Computes only; the event loop's thread.
 */
#ifndef SBX_BACKEND_SCHEDULER_H
#define SBX_BACKEND_SCHEDULER_H

#include <signalbox/output.h>
#include "loan/forecast.h"

struct sbx_pace;

enum {
	/** What is kept between the forecast end of our work and when it has to be done, beside the pace's margin. */
	SBX_SCHEDULER_RESERVE_US = 500,
	/** After a miss so many frames are not delayed; doubles to the other one with each further miss. */
	SBX_SCHEDULER_PENALTY_MIN = 32,
	SBX_SCHEDULER_PENALTY_MAX = 1024,
	/** The jitter loses such a part of itself with each frame. */
	SBX_SCHEDULER_FADE = 256,
	/** A timer that is later than that says nothing of the next one: the machine slept, or we were stopped. */
	SBX_SCHEDULER_STOPPED_MS = 100,
	/** After so many delayed frames on time in a row the next penalty is half as long. */
	SBX_SCHEDULER_FORGIVE = 256,
};

struct sbx_scheduler {
	enum sbx_schedule schedule;
	/** Frames are not for the vblank: nothing is delayed. */
	bool at_once;
	/** With SBX_SCHEDULE_FIXED: how long before the vblank. */
	int64_t fixed_ns;
	/** Frames are done when they are committed: the CPU draws. */
	bool cpu_draws;
	/** From the beginning of a frame to its commit. */
	struct sbx_forecast cpu;
	/** By how much a frame was committed later than expected: the worst, and that fades. */
	int64_t jitter_ns;
	/** Frames that are still not to be delayed, and how many the next miss costs. */
	unsigned penalty, next_penalty, on_time;

	/** When the frame was planned to begin; 0: it was not delayed. */
	int64_t planned_ns;
	/** Of the frame that is being rendered; 0: none is. And the vblank that it is for; 0: not known. */
	int64_t begun_ns, begun_target_ns;
	/** Of the frame that was committed and not shown yet. */
	int64_t target_ns;
	bool begun_delayed, delayed;
	int64_t begun_late_ns;

	/** For who wants to know: of the last plan. */
	int64_t delay_ns;
	uint64_t missed;
};

/** A frame could be rendered now. When it should be: now_ns, or later. */
int64_t sbx_scheduler_plan(struct sbx_scheduler *scheduler, const struct sbx_pace *pace, int64_t now_ns);

/** Rendering begins. */
void sbx_scheduler_begin(struct sbx_scheduler *scheduler, const struct sbx_pace *pace, int64_t now_ns);

/** The frame was committed. */
void sbx_scheduler_committed(struct sbx_scheduler *scheduler, int64_t now_ns);

/** It was shown at when_ns, period_ns (0: not known) from the vblank before. */
void sbx_scheduler_presented(struct sbx_scheduler *scheduler, int64_t when_ns, int64_t period_ns);

#endif
