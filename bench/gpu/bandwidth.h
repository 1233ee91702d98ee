/**
 * How fast this device moves bytes: the yardstick for the scenes of the same run.
 */
#ifndef BENCH_GPU_BANDWIDTH_H
#define BENCH_GPU_BANDWIDTH_H

struct sbx_device;

/**
 * Bytes read plus bytes written in a nanosecond while a compute shader copies a buffer of the GPU's
 * memory that no cache holds; the median of some copies. 0: out of memory, or no timestamps.
 */
double bandwidth_of_copies(struct sbx_device *device);

#endif
