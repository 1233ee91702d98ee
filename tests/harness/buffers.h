/**
 * dma-bufs for tests: ordinary memory behind a real dma-buf fd, mapped for the CPU.
 *
 * They come from /dev/udmabuf, or from a DRM card's dumb buffers where one is asked for.
 */
#ifndef TESTS_HARNESS_BUFFERS_H
#define TESTS_HARNESS_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "render/image.h"

struct test_buffer {
	/** The dma-buf. */
	int fd;
	size_t size;
	/** Its memory. */
	void *data;
	/* The memfd behind a udmabuf, or the card of a dumb buffer. */
	int backing_fd;
	uint32_t handle;
};

/** A udmabuf of `size` bytes, rounded up to pages; all zero. 0 or -errno (-ENOENT: no /dev/udmabuf). */
int test_buffer_udmabuf(size_t size, struct test_buffer *buffer);

/** A dumb buffer of the first card that is not vgem, 32 bits a pixel; *stride in bytes. 0 or -errno. */
int test_buffer_dumb(uint32_t width, uint32_t height, uint32_t *stride, struct test_buffer *buffer);

void test_buffer_finish(struct test_buffer *buffer);

/** Between these the CPU may read and write data (DMA_BUF_IOCTL_SYNC). */
void test_buffer_begin_access(const struct test_buffer *buffer);
void test_buffer_end_access(const struct test_buffer *buffer);

/** A linear one-plane description of the buffer. */
struct sbx_dmabuf test_buffer_describe(const struct test_buffer *buffer, uint32_t format,
	uint32_t width, uint32_t height, uint32_t stride);

#endif
