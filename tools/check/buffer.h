#ifndef SBX_CHECK_BUFFER_H
#define SBX_CHECK_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "check/client.h"

struct gbm_bo;

/** A wl_buffer that we can draw into with the CPU: XRGB8888. */
struct buffer {
	struct client *client;
	struct wl_buffer *wl;
	int width, height;
	uint32_t stride;
	size_t size;
	int fd;             /**< the dma-buf, -1 for shared memory */
	void *map;          /**< NULL for GBM, which maps for each drawing */
	struct gbm_bo *bo;
};

/** A dma-buf of the kind that the probe chose. Ends the check if there is none. */
struct buffer *buffer_new(struct client *client, int width, int height);

/**
 * Try one kind: NULL, with the reason in why, if it cannot be allocated or the compositor does
 * not take it. For the probe.
 */
struct buffer *buffer_try(struct client *client, enum buffer_kind kind, int width, int height,
	char why[static CHECK_LINE]);

/**
 * Load the driver's libraries into this process, so that the processes of the checks inherit
 * them: loading takes longer than most checks.
 */
void buffer_preload(const struct check_env *env);

/** Ordinary shared memory (wl_shm); format is enum wl_shm_format. */
struct buffer *buffer_new_shm(struct client *client, int width, int height, uint32_t stride,
	uint32_t format);

/** colour is 0xRRGGBB; the writes are done when this returns. */
void buffer_fill(struct buffer *buffer, uint32_t colour);
/** Rows from (inclusive) to (exclusive). */
void buffer_fill_rows(struct buffer *buffer, int from, int to, uint32_t colour);

/** Destroy the wl_buffer only. */
void buffer_destroy_object(struct buffer *buffer);
/** All of it, where a check makes so many that the process would run out. */
void buffer_destroy(struct buffer *buffer);

#endif
