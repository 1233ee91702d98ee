/**
 * Implicit sync: the fences that ride along with a dma-buf. And its memory, for the CPU.
 *
 * Any thread.
 *
 * Source: include/uapi/linux/dma-buf.h (Linux 6.0) and Documentation/driver-api/dma-buf.rst.
 */
#ifndef SBX_SYNC_DMABUF_H
#define SBX_SYNC_DMABUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * *sync_file becomes a fence (a new sync_file, the caller's) to wait for before accessing the buffer.
 *
 * `write` says what *we* are about to do. false, we read: the fence covers the writers. true, we write:
 * it covers readers and writers. It is a snapshot: work added to the buffer later is not in it.
 *
 * On failure *sync_file is -1: -ENOTSUP (Linux before 6.0, or not a dma-buf), -EBADF, -EMFILE,
 * -ENOMEM.
 */
int sbx_dmabuf_export_sync_file(int dmabuf_fd, bool write, int *sync_file);

/**
 * Tell implicit users of the buffer about our work, which ends with sync_file (lent; -1: it is done,
 * nothing to tell).
 *
 * `write` says what *we* did. false, we read: later writers wait for us. true, we wrote: later readers
 * and writers do.
 *
 * 0, -ENOTSUP (Linux before 6.0, or not a dma-buf), -EINVAL (not a sync_file), -EBADF, -ENOMEM.
 */
int sbx_dmabuf_import_sync_file(int dmabuf_fd, bool write, int sync_file);

/**
 * *data becomes the first `size` bytes of the buffer, for reading, and for writing too if `write`;
 * munmap() it. Its pixels may be touched between sbx_dmabuf_begin_access() and sbx_dmabuf_end_access() only.
 *
 * A negative errno where the driver does not let the CPU see the buffer (often -EINVAL), or -ENOMEM.
 */
int sbx_dmabuf_map(int dmabuf_fd, size_t size, bool write, void **data);

/**
 * Wait for the fences that are in the buffer now, at most timeout_ns: for those of writers, and if `write` for
 * those of readers, too. 0, -ETIME, or another negative errno.
 */
int sbx_dmabuf_wait(int dmabuf_fd, bool write, int64_t timeout_ns);

/**
 * Make the buffer's mappings show what is in it. Never waits for a fence that was there when it was called:
 * -EAGAIN if there is one, and poll() of the dma-buf says when it is over (POLLIN, or POLLOUT if `write`).
 *
 * 0, and sbx_dmabuf_end_access() must follow; -EAGAIN; or another negative errno.
 */
int sbx_dmabuf_begin_access(int dmabuf_fd, bool write);

/** The same `write`. What was written is in the buffer now. 0 or a negative errno: it may not be. */
int sbx_dmabuf_end_access(int dmabuf_fd, bool write);

#endif
