/**
 * Inside of struct sbx_sync, for sync/ alone.
 */
#ifndef SBX_SYNC_SYNCOBJ_PRIV_H
#define SBX_SYNC_SYNCOBJ_PRIV_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include "sync/kernel.h"
#include "sync/syncobj.h"
#include "sync/uapi.h"

struct sbx_sync {
	int drm_fd;
	struct sbx_sync_caps caps;

	/** Guards everything below. Never held over a call that may sleep for long. */
	pthread_mutex_t lock;
	/** The syncobj through which fences pass where the kernel needs two ioctls. */
	uint32_t scratch;
	/**
	 * The arrays of a batch, in one allocation that only grows. If it cannot, the batch is cut in
	 * pieces: nothing fails for want of memory.
	 */
	size_t capacity;
	void *memory;
	uint64_t *values, *answers, *origins;
	uint32_t *handles;
};

/** An ioctl on the DRM fd. */
static inline int sbx_sync_ioctl(struct sbx_sync *sync, enum sbx_counter kind, unsigned long request,
		void *arg) {
	return sbx_kernel_ioctl(kind, sync->drm_fd, request, arg);
}

/** Are all points signalled? 0, -ETIME: all are materialised, -EINVAL: not even that, -ENOENT. */
int sbx_sync_look(struct sbx_sync *sync, uint32_t *handles, uint64_t *values, size_t n);

/** How many of `wanted` points one batch can take; 1 or more. With the lock held. */
size_t sbx_sync_reserve(struct sbx_sync *sync, size_t wanted);

int sbx_sync_create_handle(struct sbx_sync *sync, uint32_t *handle);
void sbx_sync_destroy_handle(struct sbx_sync *sync, uint32_t handle);

#endif
