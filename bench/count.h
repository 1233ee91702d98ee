/**
 * Counts the ioctls of this process by kind.
 *
 * The program exports a function called ioctl(), so that every library in it (libdrm, wlroots,
 * libsignalbox, the Vulkan and EGL drivers) calls this one through its PLT. It counts and passes on.
 */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include <stdbool.h>
#include <stdint.h>

enum bench_kind {
	BENCH_SYNCOBJ_CREATE,
	BENCH_SYNCOBJ_DESTROY,
	BENCH_SYNCOBJ_EXPORT,
	BENCH_SYNCOBJ_IMPORT,
	BENCH_SYNCOBJ_TRANSFER,
	BENCH_SYNCOBJ_QUERY,
	BENCH_SYNCOBJ_SIGNAL,
	BENCH_SYNCOBJ_WAIT,
	BENCH_SYNCOBJ_EVENTFD,
	BENCH_SYNC_FILE,
	BENCH_DMABUF_FENCE,
	BENCH_DMABUF_SYNC,
	BENCH_DRM_OTHER,
	BENCH_OTHER,
	BENCH_KINDS,
};

/** What the table prints for a kind. */
const char *bench_kind_name(enum bench_kind kind);

/**
 * Take the ioctls of the calling thread out of the count, or back in. For the bench's own calls:
 * signalling the clients' points, waiting for the end of a frame.
 */
void bench_count_mute(bool muted);

/** Set all counts to zero. */
void bench_count_reset(void);

/** Copy the counts of all threads since the last reset into `counts`. */
void bench_count_read(uint64_t counts[static BENCH_KINDS]);

/** The number of open fds of this process, -1 when /proc does not say. */
int bench_count_fds(void);

/** For vulkan_memory.c: so many bytes of device memory more, or fewer; 0: there is a device. */
void bench_count_device_memory(int64_t bytes);

/** All that there are; -1: nobody watches. */
int64_t bench_count_device_bytes(void);

#endif
