/**
 * How much of a time was spent in the Vulkan loader and the driver.
 *
 * Stands between volk and the loader (the bench is linked with --wrap=volkInitialize), from the first
 * call on. What is not in its list counts as ours: cheap calls, and the look-ups of all functions.
 */
#ifndef BENCH_GPU_DRIVER_TIME_H
#define BENCH_GPU_DRIVER_TIME_H

#include <stdint.h>

/** Nanoseconds of CLOCK_MONOTONIC in them so far, of this process. */
int64_t driver_time_ns(void);

#endif
