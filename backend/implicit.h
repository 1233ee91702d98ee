/**
 * Implicit sync of a wlr_buffer: the fences that ride along with its dma-bufs.
 */
#ifndef SBX_BACKEND_IMPLICIT_H
#define SBX_BACKEND_IMPLICIT_H

struct wlr_buffer;

/**
 * *sync_file (the caller's) signals when all that is being written to the buffer now is; -1: it is already,
 * or the buffer has no dma-bufs, or the kernel does not tell (Linux before 6.0). 0, or -errno (-EMFILE,
 * -ENOMEM): nothing is known.
 */
int sbx_implicit_get_fence(struct wlr_buffer *buffer, int *sync_file);

/**
 * Who reads the buffer implicitly (KMS, a parent compositor) waits for sync_file (lent). 0, or -errno:
 * -ENOTSUP (no dma-bufs, or Linux before 6.0), -EMFILE, -ENOMEM. Planes done before the failure keep it.
 */
int sbx_implicit_put_fence(struct wlr_buffer *buffer, int sync_file);

#endif
