/**
 * What signalbox costs the system: one set of counters for the process.
 *
 * Counting is a relaxed atomic add; any thread.
 */
#ifndef SBX_TRACE_COUNTER_H
#define SBX_TRACE_COUNTER_H

#include <stdint.h>

enum sbx_counter {
	/* ioctls, by kind */
	SBX_COUNT_IOCTL_SYNCOBJ_CREATE,
	SBX_COUNT_IOCTL_SYNCOBJ_DESTROY,
	SBX_COUNT_IOCTL_SYNCOBJ_HANDLE_TO_FD,
	SBX_COUNT_IOCTL_SYNCOBJ_FD_TO_HANDLE,
	SBX_COUNT_IOCTL_SYNCOBJ_QUERY,
	SBX_COUNT_IOCTL_SYNCOBJ_SIGNAL,
	SBX_COUNT_IOCTL_SYNCOBJ_RESET,
	SBX_COUNT_IOCTL_SYNCOBJ_TRANSFER,
	SBX_COUNT_IOCTL_SYNCOBJ_WAIT,
	SBX_COUNT_IOCTL_SYNCOBJ_EVENTFD,
	SBX_COUNT_IOCTL_SYNC_FILE_MERGE,
	SBX_COUNT_IOCTL_SYNC_FILE_INFO,
	SBX_COUNT_IOCTL_SYNC_FILE_DEADLINE,
	SBX_COUNT_IOCTL_DMABUF_EXPORT,
	SBX_COUNT_IOCTL_DMABUF_IMPORT,
	SBX_COUNT_IOCTL_DMABUF_SYNC,
	SBX_COUNT_IOCTL_OTHER,
	/* waits registered with the kernel (syncobj eventfd), ever */
	SBX_COUNT_REGISTRATIONS,
	/* those that it has not answered; it forgets none when we do (goes down again) */
	SBX_COUNT_REGISTERED,
	/* file descriptors that sync/ holds now (goes down again) */
	SBX_COUNT_FDS,
	/* syncobj handles that sync/ holds now (goes down again) */
	SBX_COUNT_HANDLES,
	/* render/ */
	SBX_COUNT_FRAMES,
	SBX_COUNT_PARTS,
	SBX_COUNT_COPIED_PARTS,
	/* one more for every frame whose stack of operations was too complex for one dispatch */
	SBX_COUNT_SPLIT_FRAMES,
	SBX_COUNT_SEMAPHORE_IMPORTS,
	SBX_COUNT_SEMAPHORE_EXPORTS,
	/* dma-bufs of other devices copied by the CPU, wholly or in part */
	SBX_COUNT_COPIES,
	/* textures left out of a pass because their wait could not be had */
	SBX_COUNT_WAITS_LOST,
	/* loan/: release points owed now (goes down again), commits with points, ever */
	SBX_COUNT_LOANS,
	SBX_COUNT_COMMITS,
	/* commits that wait now (goes down again), for their acquire point, a child's, or behind another */
	SBX_COUNT_HELD,
	/* what became of them, ever: overtaken while held; their fence failed; applied unwaited because the
	 * surface was unmapped or lost its role, or ended with the compositor */
	SBX_COUNT_SUPERSEDED,
	SBX_COUNT_FAILED,
	SBX_COUNT_FORCED,
	/* points found older than the bound */
	SBX_COUNT_STALLS,
	SBX_COUNT_MAX,
};

extern uint64_t sbx_counters[SBX_COUNT_MAX];

static inline void sbx_count(enum sbx_counter counter, int64_t n) {
	__atomic_fetch_add(&sbx_counters[counter], (uint64_t)n, __ATOMIC_RELAXED);
}

static inline uint64_t sbx_counter_read(enum sbx_counter counter) {
	return __atomic_load_n(&sbx_counters[counter], __ATOMIC_RELAXED);
}

/** The counter's name in reports, "ioctl.syncobj_query". Static. */
const char *sbx_counter_name(enum sbx_counter counter);

/** All counters that are ioctls, summed. */
uint64_t sbx_counter_ioctls(void);

#endif
