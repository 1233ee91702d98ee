/**
 * sync_files: fences as file descriptors.
 *
 * Everywhere -1 stands for a fence that has signalled already, as vkGetSemaphoreFdKHR has it. A fence
 * signals exactly once, is done with or without an error, and is never reset.
 *
 * Any thread.
 *
 * Source: include/uapi/linux/sync_file.h and drivers/dma-buf/sync_file.c of Linux.
 */
#ifndef SBX_SYNC_SYNC_FILE_H
#define SBX_SYNC_SYNC_FILE_H

#include <stdint.h>

/**
 * Merge *src into *dst, so that *dst signals when both have.
 *
 * -1 stands for "already signalled" on either side. On success *src is consumed and set to -1 (and *dst
 * is another fd). On failure (negative errno, e.g. -EMFILE) both are left as they were: no fence is ever
 * lost, and the caller can keep or wait for the two of them. -EINVAL, -ENOTTY: one of them is not a
 * sync_file; or dst == src.
 */
int sbx_fence_merge(int *dst, int *src);

/**
 * 1: signalled; 0: pending; -errno: the question itself failed (-EINVAL, -ENOTTY, -EBADF: not a
 * sync_file, -ENOMEM) and nothing is known.
 *
 * *error (may be NULL) becomes 0, or the negative errno with which the fence failed. Of several fences
 * in one sync_file (merged, or points of a timeline) the one that failed decides: the result is then 1,
 * even if others are pending, as nothing good can come of it any more.
 */
int sbx_fence_status(int sync_file, int *error);

struct sbx_fence_info {
	/** 1 signalled, 0 pending, as sbx_fence_status(). */
	int status;
	/** 0, or the negative errno with which the fence failed. */
	int error;
	/** When the last of its fences signalled, CLOCK_MONOTONIC; 0 if status is 0, or not known (-1). */
	uint64_t timestamp_ns;
};

/** The same with the time of it. 0 or -errno, then *info is zero. */
int sbx_fence_info(int sync_file, struct sbx_fence_info *info);

/**
 * Tell the driver behind the fence when (CLOCK_MONOTONIC) it should be done at the latest. A hint: GPUs
 * use it to choose their clock. 0 also for -1; -ENOTSUP before Linux 6.7, or not a sync_file.
 */
int sbx_fence_set_deadline(int sync_file, uint64_t deadline_ns);

/**
 * Block until the fence is done, with or without error, at most timeout_ns from now (0: just look;
 * negative: -EINVAL). 0, -ETIME, -EBADF, -EINVAL (no sync_file; the fd cannot be polled).
 */
int sbx_fence_wait(int sync_file, int64_t timeout_ns);

#endif
