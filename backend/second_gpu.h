/**
 * Outputs of another GPU than the one whose memory the compositor's allocator gives out.
 */
#ifndef SBX_BACKEND_SECOND_GPU_H
#define SBX_BACKEND_SECOND_GPU_H

#include <signalbox/output.h>

struct wlr_allocator;
struct wlr_backend;
struct wlr_renderer;

/** Whether `backend` is KMS of a GPU that is not the session's first. */
bool sbx_is_second_gpu(struct wlr_backend *backend);

/**
 * The allocator of that GPU's memory: one for each backend, until it is destroyed. NULL: there is none (logged).
 */
struct wlr_allocator *sbx_second_gpu_get_allocator(struct wlr_backend *backend, struct wlr_renderer *renderer);

/**
 * Whether the GPU behind `backend` can have what `allocator` gives out. Asked by importing a small buffer, of
 * which nothing is left behind.
 */
bool sbx_second_gpu_takes(struct wlr_backend *backend, struct wlr_allocator *allocator);

#endif
