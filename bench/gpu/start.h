/**
 * How long it takes until the first frame can be drawn.
 */
#ifndef BENCH_GPU_START_H
#define BENCH_GPU_START_H

/**
 * Start `times` processes one after the other that open the device, make the composer and draw a frame; with no cache, with all caches, and with the driver's own but without ours. Prints
 * medians, the driver's share apart. 0, or 77: no device.
 */
int start_measure(int times);

/** One such process: prints its figures. */
int start_once(void);

#endif
