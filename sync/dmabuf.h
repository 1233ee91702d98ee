/**
 * Implicit sync: the fences that ride along with a dma-buf.
 *
 * Any thread.
 *
 * Source: include/uapi/linux/dma-buf.h (Linux 6.0) and Documentation/driver-api/dma-buf.rst.
 */
#ifndef SBX_SYNC_DMABUF_H
#define SBX_SYNC_DMABUF_H

#include <stdbool.h>

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

#endif
