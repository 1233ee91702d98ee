/**
 * Points on timelines: asked for, signalled and waited for in batches, and turned into sync_files and
 * back.
 *
 * A point passes through UNMATERIALISED (nobody has said yet what will signal it), MATERIALISED (a fence
 * is there) and SIGNALLED. Whoever holds the syncobj can reset it or replace its fence, so a state may
 * also go back: what must not change afterwards is exported as a sync_file.
 *
 * Value 0 is the binary payload: the syncobj's fence as it is now, whatever it is.
 *
 * Any thread. Nothing here waits, except sbx_points_wait(), and that with a bound. Nothing is allocated
 * in steady state.
 *
 * Source: drivers/gpu/drm/drm_syncobj.c, drivers/dma-buf/dma-fence-chain.c of Linux. Two things to know
 * from there: a point counts as signalled when its own fence *and those of all earlier points* are; and
 * a point that is added out of order (a value that is not larger than the last one) makes all earlier
 * points wait for it.
 */
#ifndef SBX_SYNC_POINT_H
#define SBX_SYNC_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbx_sync;

/** Handles belong to one sbx_sync's DRM fd. Points own nothing. */
struct sbx_point {
	uint32_t handle;
	uint64_t value;
};

enum sbx_point_state {
	SBX_POINT_UNMATERIALISED,
	SBX_POINT_MATERIALISED,
	SBX_POINT_SIGNALLED,
	/** There is no syncobj with this handle. */
	SBX_POINT_INVALID,
};

/**
 * states[i] becomes the state of points[i]. Handles may occur several times. n may be 0.
 *
 * One ioctl when n is 1 or all points are signalled, two or three when all of them are materialised,
 * four otherwise; only an invalid handle, points of value 0 which are not signalled, and timelines with
 * points out of order cost more, and spoil no answer for the others. SIGNALLED is always what a wait
 * would say: DRM_IOCTL_SYNCOBJ_QUERY by itself counts too far on a timeline whose points are out of
 * order, so its word is never taken alone.
 *
 * A fence that failed is SIGNALLED: export it and ask sbx_fence_status().
 *
 * 0 or -errno (-ENOMEM, -EOPNOTSUPP, -ENODEV, -EIO); then *states are undefined.
 */
int sbx_points_query(struct sbx_sync *sync, const struct sbx_point *points, size_t n,
	enum sbx_point_state *states);

/**
 * values[i] becomes the largest value on the timeline of points[i] that is materialised; 0: none is. The
 * value in points[i] does not matter. One ioctl for up to a few thousand; n may be 0.
 *
 * 0 or -errno (-EBADF: no such handle, -ENOMEM); then *values are undefined.
 */
int sbx_points_last(struct sbx_sync *sync, const struct sbx_point *points, size_t n, uint64_t *values);

/**
 * Signal points from the CPU, those of one handle in the order given: one ioctl, and one more when there
 * are points of value 0.
 *
 * When the kernel refuses the batch (one handle is invalid, -ENOMEM), every point is tried by itself:
 * one that cannot be signalled holds up no other. Returns 0 or the first error (-EBADF: no such handle,
 * -ENOMEM); n may be 0.
 */
int sbx_points_signal(struct sbx_sync *sync, const struct sbx_point *points, size_t n);

/**
 * Wait until all points are signalled (or, !signalled: materialised), at most timeout_ns from now (0:
 * just ask; negative: -EINVAL; the kernel rounds up to its tick). Blocks; not for an event loop.
 *
 * 0, -ETIME, -EBADF (no such handle), -ENOMEM, -EOPNOTSUPP.
 */
int sbx_points_wait(struct sbx_sync *sync, const struct sbx_point *points, size_t n, bool signalled,
	int64_t timeout_ns);

/**
 * *sync_file becomes a sync_file (the caller's) with the fence of `point`. What happens to the syncobj
 * later does not change it. One ioctl where caps.point_export, else two. Never sleeps.
 *
 * On failure *sync_file is -1: -ENOENT (not materialised: nothing to export yet), -EBADF (no such
 * handle), -EMFILE, -ENOMEM.
 */
int sbx_point_export_sync_file(struct sbx_sync *sync, struct sbx_point point, int *sync_file);

/**
 * Make `point` signal when sync_file (lent) does: it is materialised from now on. -1 has signalled
 * already: the point is signalled from the CPU. One ioctl where caps.point_import, else two.
 *
 * On failure the point is as it was: -EBADF (no such handle), -EINVAL (not a sync_file), -ENOMEM.
 */
int sbx_point_import_sync_file(struct sbx_sync *sync, struct sbx_point point, int sync_file);

/**
 * Make `dst` signal when `src` does, in one ioctl. What becomes of src's syncobj later does not matter.
 * The kernel drops fences that have signalled on the way, and with them their error: read the status
 * from a sync_file of `src` if it matters.
 *
 * On failure dst is as it was: -ENOENT (src is not materialised), -EBADF (no such handle), -ENOMEM,
 * -EOPNOTSUPP.
 */
int sbx_point_transfer(struct sbx_sync *sync, struct sbx_point dst, struct sbx_point src);

/**
 * Remove all fences of the point's syncobj: every point of it is unmaterialised again. The value does
 * not matter. 0, -EBADF.
 */
int sbx_point_reset(struct sbx_sync *sync, struct sbx_point point);

#endif
