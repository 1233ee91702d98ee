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
	/** 8x8 opaque textures in cells of 32x28, from the top left; nothing else is drawn. What a texture
	 * costs shows here, and hardly what its pixels cost. */
	BENCH_SMALL,
	/** 256x360 opaque textures, five by two: they cover the picture once. */
	BENCH_TILES,
	/** A rectangle over everything, then opaque windows of 320x180, each 96,54 further: each but the
	 * first covers 39 % of the one before it. */
	BENCH_WINDOWS,
	/** The same windows at an alpha of one half. */
	BENCH_BLEND,
	/** BENCH_TILES at an alpha of one half over a rectangle: every pixel costs the same, and none is copied. */
	BENCH_VEIL,
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
	/** So much of the picture is drawn, as when nothing else has changed: its clip has the picture's shape
	 * and begins at 480,270, or as far to the left and up as it must. 0: nothing is drawn, in a pass like any
	 * other. */
	int percent;
};

/** All of it is drawn. */
#define BENCH_WHOLE 100

#define BENCH_MAX_FRAMES 512

/** How long a case is measured: until the time is spent or max_frames are done. */
struct bench_limits {
	int budget_ms;
	/** These are done even when the time is spent. */
	int min_frames;
	/** At most BENCH_MAX_FRAMES, like warm_up. */
	int max_frames;
	/** Frames before the first that counts: so many, but only two (one for each target) when those
	 * take all the time, and only one when that takes five times as long. */
	int warm_up;
};

/** What was measured, a frame. */
struct bench_result {
	/** All was drawn, and the last picture shows every opaque texture where it belongs. */
	bool ok;
	/** Points were passed to the renderer and signalled by it. */
	bool explicit_sync;
	int frames;
	/** Mean over all frames, all threads. */
	double ioctls[BENCH_KINDS];
	double ioctls_total;
	/** Open fds that the renderer has after the last frame: all but the bench's own, which are one for
	 * each buffer and what was open before the renderer. And how many more than after the warm-up. */
	int fds, fds_grown;
	/** How many more fds are open after all textures, buffers and points of the case were destroyed
	 * than before they were made. */
	int fds_left;
	/** Bytes from malloc() that the process has after the last frame, and had not before the case; those of
	 * software devices' images among them. */
	int64_t memory;
	/** Medians: CPU of the calling thread until submit returned, CPU of the process and time until
	 * the frame was complete. */
	double main_ms, whole_ms, wall_ms;
};

/** What a case is drawn with. All of it is lent. */
struct bench_setup {
	struct wlr_renderer *renderer;
	const struct bench_peer *peer;
	const struct bench_nodes *nodes;
	const struct bench_memory *memory;
	/** Open fds before the renderer was created. */
	int own_fds;
};

/**
 * Draw `what` within `limits`. `result->ok` is false when something could not be had or a frame
 * failed; then the log says what.
 */
void bench_scene_measure(const struct bench_setup *setup, const struct bench_case *what,
	const struct bench_limits *limits, struct bench_result *result);

#endif
