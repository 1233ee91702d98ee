/**
 * Fences that a test signals by hand, on the virtual device vgem.
 *
 * A fence is pending until vgem_fence_signal(), at most 10 seconds: then the kernel signals it. Closing
 * the device signals all of its fences as well. None of them ever fails: vgem knows no errors. For
 * fences that fail see kernel_fake.
 */
#ifndef HARNESS_VGEM_H
#define HARNESS_VGEM_H

#include <stdbool.h>
#include <stdint.h>

/** A DRM node whose syncobjs have timelines, read-write. -ENODEV: there is none. */
int drm_node_open(void);

/** vgem's card node, or -ENODEV. */
int vgem_open(void);

/** A page of memory as dma-buf (*dmabuf_fd is the caller's, *handle belongs to vgem_fd). */
int vgem_buffer_create(int vgem_fd, uint32_t *handle, int *dmabuf_fd);
void vgem_buffer_destroy(int vgem_fd, uint32_t handle);

/** Attach a pending fence to the buffer, of a writer or of a reader. Returns its id, or -errno. */
int vgem_buffer_attach(int vgem_fd, uint32_t handle, bool write);
int vgem_attached_signal(int vgem_fd, uint32_t fence_id);

struct vgem_fence {
	int vgem_fd;
	uint32_t id;
};

/** *sync_file (the caller's) is a pending fence. 0 or -errno. */
int vgem_fence_create(int vgem_fd, struct vgem_fence *fence, int *sync_file);

/** 0, or -ETIMEDOUT: the kernel has signalled it already. */
int vgem_fence_signal(struct vgem_fence *fence);

#endif
