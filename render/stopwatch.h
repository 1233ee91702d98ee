/**
 * When the GPU began and ended each batch that draws a pass, for the recording (trace/). There is nothing
 * of it, no query pool and no timestamp, while nothing is recorded.
 *
 * On a device that is a CPU, a batch that waits for nobody costs no timestamps either: its times are those
 * of its submission and of the end of the wait for it.
 *
 * Each batch has a place of its own, numbered as in the ring of batches.
 */
#ifndef SBX_RENDER_STOPWATCH_H
#define SBX_RENDER_STOPWATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <volk.h>

struct sbx_device;
struct sbx_stopwatch;

/** Room for `places` batches. NULL: out of memory, or the device has no timestamps. */
struct sbx_stopwatch *sbx_stopwatch_create(struct sbx_device *device, unsigned places);

/** Its batches are done. NULL is allowed. */
void sbx_stopwatch_destroy(struct sbx_stopwatch *stopwatch);

/**
 * Record the first timestamp, for this pass, and the second one. NULL: nothing. `waits`: for others' work,
 * as far as is known.
 */
void sbx_stopwatch_begin(struct sbx_stopwatch *stopwatch, unsigned place, uint64_t pass, bool waits,
	VkCommandBuffer commands);
void sbx_stopwatch_end(struct sbx_stopwatch *stopwatch, unsigned place, VkCommandBuffer commands);

/** It was submitted, not before submitted_ns (CLOCK_MONOTONIC). `queued`: behind others not known done. */
void sbx_stopwatch_submit(struct sbx_stopwatch *stopwatch, unsigned place, int64_t submitted_ns,
	bool queued);

/** Somebody has waited for it, and it is complete now. */
void sbx_stopwatch_done(struct sbx_stopwatch *stopwatch, unsigned place);

/** It is complete: tell the recording, once. */
void sbx_stopwatch_collect(struct sbx_stopwatch *stopwatch, unsigned place);

/** It was not submitted after all. */
void sbx_stopwatch_cancel(struct sbx_stopwatch *stopwatch, unsigned place);

#endif
