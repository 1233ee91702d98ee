/**
 * Linear dma-bufs as wlr_buffers: dumb buffers of a DRM primary node, or udmabufs.
 *
 * Every renderer can use them: they give a dma-buf and, for pixman, a pointer.
 */
#ifndef BENCH_BUFFER_H
#define BENCH_BUFFER_H

#include <stdint.h>

struct wlr_buffer;

struct bench_memory {
	/** A DRM primary node for dumb buffers, or -1. */
	int card_fd;
	/** /dev/udmabuf, or -1. */
	int udmabuf_fd;
};

/** Open what there is. `card` is the path of a primary node, or NULL. */
void bench_memory_open(struct bench_memory *memory, const char *card);

/** Close both. */
void bench_memory_close(struct bench_memory *memory);

/**
 * Make a buffer of `width` by `height` pixels of a 32-bit DRM format, filled with `pixel`. NULL when
 * neither kind of memory can be had (logged). Dropped with wlr_buffer_drop().
 */
struct wlr_buffer *bench_buffer_create(const struct bench_memory *memory, int width, int height,
	uint32_t format, uint32_t pixel);

/** A pixel of a buffer made above, as it is in memory. */
uint32_t bench_buffer_read(struct wlr_buffer *buffer, int x, int y);

#endif
