/**
 * How long a frame takes while another process keeps the GPU busy.
 */
#ifndef BENCH_GPU_BUSY_H
#define BENCH_GPU_BUSY_H

/**
 * For each kind of queue that we can ask for: the time from submitting a frame until it is done, on an
 * idle GPU and beside a process that always has work on the graphics queue. 0, or 77: no device.
 */
int busy_measure(int width, int height, int frames);

/** That other process: works until its standard input ends. */
int busy_load(int width, int height);

#endif
