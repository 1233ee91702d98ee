/**
 * The kernel, with faults: wraps the real calls of sync/kernel.h, so that the n-th fails, or one kind
 * always does; and plays a DRM device with syncobj timelines where there is none.
 */
#ifndef HARNESS_KERNEL_FAKE_H
#define HARNESS_KERNEL_FAKE_H

#include <stdbool.h>
#include <stdint.h>

struct kernel_fake {
	/** Calls (ioctl, eventfd, eventfd_read, poll, dup, map) since kernel_fake_install(). */
	unsigned calls;
	/** While true, calls do not count and kernel_fake_fail() fails none: they are the test's own. */
	bool paused;
	/** Every call of this ioctl (0: of none) fails so; sizes do not matter. */
	unsigned long broken_request;
	int broken_error;
	/** Each eventfd(), each dup(), and each mmap(), fails so, if not 0. */
	int eventfd_error;
	int dup_error;
	int map_error;
	/** What SYNC_IOC_FILE_INFO says of each fence that has signalled, if not 0. */
	int fence_error;
	/** Whether kernel_fake_drm's fences take deadlines, how many they were told, and the last of them. */
	bool takes_deadlines;
	unsigned deadlines;
	uint64_t deadline_ns;
	/** What CLOCK_MONOTONIC says, if not 0. */
	int64_t now_ns;
	/** Answers ioctls in place of the real kernel; KERNEL_FAKE_PASS: it does not want this one. */
	int (*ioctl)(int fd, unsigned long request, void *arg);

	/* kernel_fake_fail() */
	bool armed, failed;
	unsigned fail_at;
	int fail_error;
};

enum { KERNEL_FAKE_PASS = -100000 };

extern struct kernel_fake kernel_fake;

/** From now on sync/ goes through here; everything in kernel_fake is zero. */
void kernel_fake_install(void);

/** Back to the real kernel. */
void kernel_fake_remove(void);

/** The call after the next n calls (0: the next one) fails with `error` (negative), once. */
void kernel_fake_fail(unsigned n, int error);

/** No failure any more. Returns whether the one asked for has happened. */
bool kernel_fake_failed(void);

/**
 * A DRM device in memory: syncobjs with create, destroy, import, export, transfer, wait (which does not
 * sleep), query, signal, reset and eventfd, and sync_files of its own with poll, merge and info. Answers for
 * every fd: give sbx_sync_create() any. Between kernel_fake_install() and kernel_fake_drm_finish().
 */
void kernel_fake_drm_init(void);
void kernel_fake_drm_finish(void);

/** Points up to and including `value` get a fence, which is pending. */
void kernel_fake_drm_materialise(uint32_t handle, uint64_t value);

/** The fence of this point signals, with `error` (negative, or 0). */
void kernel_fake_drm_settle(uint32_t handle, uint64_t value, int error);

/** *sync_file (the caller's) is a pending fence; returns its name for kernel_fake_fence_signal(). */
int kernel_fake_fence_create(int *sync_file);
void kernel_fake_fence_signal(int fence, int error);

/** Registered eventfds that have not fired. */
unsigned kernel_fake_drm_registrations(void);

/** A number of the syncobj behind a handle, the same for all its handles; 0: there is none. */
uint32_t kernel_fake_drm_syncobj(uint32_t handle);

/** Handles that were made and not destroyed. */
unsigned kernel_fake_drm_handles(void);

/** fds of its fences and syncobjs. Those of registrations count like anything else. */
unsigned kernel_fake_drm_fds(void);

/** Open file descriptors of this process, without those of kernel_fake_drm. */
unsigned open_fds(void);

#endif
