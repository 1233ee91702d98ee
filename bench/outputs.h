/** What a renderer keeps in memory for each output, besides the buffers that it draws into. */
#ifndef BENCH_OUTPUTS_H
#define BENCH_OUTPUTS_H

#include "scene.h"

/** Buffers of an output, all of which are drawn into, of BENCH_WIDTH by BENCH_HEIGHT. */
#define BENCH_OUTPUT_BUFFERS 3

struct bench_outputs {
	/** All was drawn. */
	bool ok;
	/** Bytes for each output: from malloc(), and from vkAllocateMemory(), where a software device has images. */
	double heap, device; // device is negative where nobody watches: GLES2
};

/**
 * Draw into the buffers of one output, then into those of some more, and see what the latter added. `hdr`: each
 * has a colour transform to PQ. Device memory is counted where bench_outputs_prepare() was called before the
 * renderer was created; by GLES2 none is.
 */
void bench_outputs_measure(const struct bench_setup *setup, bool hdr, struct bench_outputs *outputs);

/** For processes that are started from now on: count device memory. */
void bench_outputs_prepare(void);

#endif
