/**
 * What recording (trace/) costs a frame.
 */
#ifndef BENCH_GPU_TRACED_H
#define BENCH_GPU_TRACED_H

/**
 * The same frames with and without being recorded, in turn: frames apart, and many in a row. Prints a
 * table. 0, or 77: no device.
 */
int traced_measure(int width, int height);

#endif
