/** A picture of so many textures, each with an acquire point, drawn again and again. */
#ifndef BENCH_SCENE_H
#define BENCH_SCENE_H

#include "buffer.h"
#include "count.h"
#include "peer.h"
#include <stdbool.h>
#include <stdint.h>

#define BENCH_WIDTH 1280
#define BENCH_HEIGHT 720

enum bench_layout {
	/** 32x24 opaque textures in cells of 32x28, from the top left; nothing else is drawn. */
	BENCH_SMALL,
	/** 256x360 opaque textures, five by two: they cover the picture once. */
	BENCH_TILES,
	/** A rectangle over everything, then 640x360 opaque windows, each 64,36 further. */
	BENCH_WINDOWS,
	/** The same windows at an alpha of one half. */
	BENCH_BLEND,
	BENCH_LAYOUTS,
};

/** What the table prints for a layout. */
const char *bench_layout_name(enum bench_layout layout);

/** One row of the table. */
struct bench_case {
	enum bench_layout layout;
	int textures;
	/** Each texture has a new point, signalled, before every frame. Otherwise always the same. */
	bool fresh;
};

#define BENCH_MAX_FRAMES 512

/** How long a case is measured: until the time is spent or max_frames are done. */
struct bench_limits {
	int budget_ms;
	/** These are done even when the time is spent. */
	int min_frames;
	/** At most BENCH_MAX_FRAMES, like warm_up. */
	int max_frames;
	/** Frames before the first that counts. */
	int warm_up;
};

/** What was measured, a frame. */
struct bench_result {
	bool ok;
	/** Points were passed to the renderer and signalled by it. */
	bool explicit_sync;
	int frames;
	/** Mean over all frames, all threads. */
	double ioctls[BENCH_KINDS];
	double ioctls_total;
	/** Open fds: after the last frame, and how many more than after the warm-up. */
	int fds, fds_grown;
	/** Medians: CPU of the calling thread until submit returned, CPU of the process and time until
	 * the frame was complete. */
	double main_ms, whole_ms, wall_ms;
};

/**
 * Draw `what` with `renderer` within `limits`. `result->ok` is false when something could not be had
 * or a frame failed; then the log says what.
 */
void bench_scene_measure(struct wlr_renderer *renderer, const struct bench_nodes *nodes,
	const struct bench_memory *memory, const struct bench_case *what,
	const struct bench_limits *limits, struct bench_result *result);

#endif
