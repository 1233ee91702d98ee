/**
 * The GPU's timestamps as times of CLOCK_MONOTONIC.
 *
 * Where the driver can read both clocks at once (VK_EXT_calibrated_timestamps) the relation is known from
 * that. Elsewhere it is closed in on: a batch cannot begin before it was submitted, nor end after it was
 * seen complete, and each batch narrows down what is left between the two. Every time comes with how far
 * it may be off.
 */
#ifndef SBX_RENDER_GPU_CLOCK_H
#define SBX_RENDER_GPU_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct sbx_gpu_clock {
	/** Nanoseconds a tick, and how many bits a timestamp has; set by the owner. */
	double period_ns;
	uint32_t valid_bits;

	/** Nothing is known before the first calibration or batch. */
	bool known;
	/** ref_ticks was at ref_ns plus something between low_ns and high_ns. */
	uint64_t ref_ticks;
	int64_t ref_ns, low_ns, high_ns;
};

/** Both clocks were read within deviation_ns of each other. */
void sbx_gpu_clock_calibrate(struct sbx_gpu_clock *clock, uint64_t ticks, int64_t now_ns,
	uint64_t deviation_ns);

/** A batch, submitted not before submitted_ns and seen complete at done_ns, began and ended then. */
void sbx_gpu_clock_observe(struct sbx_gpu_clock *clock, uint64_t began_ticks, uint64_t ended_ticks,
	int64_t submitted_ns, int64_t done_ns);

/** False: nothing is known yet. The true time is not further than *uncertainty_ns from *ns. */
bool sbx_gpu_clock_convert(const struct sbx_gpu_clock *clock, uint64_t ticks, int64_t *ns,
	uint64_t *uncertainty_ns);

#endif
