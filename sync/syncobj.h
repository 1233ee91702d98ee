/**
 * The syncobjs of one DRM node, and what its kernel can do with them.
 *
 * A struct sbx_sync is the file that all handles (struct sbx_point, struct sbx_timeline) belong to. The
 * node needs no relation to the Vulkan device: fences travel between the two as sync_files.
 *
 * Threads: creating and destroying is for one thread alone; everything done with a sbx_sync in between
 * (point.h, timeline.h) may come from any thread.
 *
 * Source: include/uapi/drm/drm.h and drivers/gpu/drm/drm_syncobj.c of Linux.
 */
#ifndef SBX_SYNC_SYNCOBJ_H
#define SBX_SYNC_SYNCOBJ_H

#include <stdbool.h>

struct sbx_sync;

/** Found out by trying, when the sbx_sync is created. */
struct sbx_sync_caps {
	/** Binary syncobjs. Always true. */
	bool syncobj;
	/** Timelines (DRM_CAP_SYNCOBJ_TIMELINE). Without them most of point.h fails with -EOPNOTSUPP. */
	bool timeline;
	/** DRM_IOCTL_SYNCOBJ_EVENTFD, Linux 6.6. Without it the waiter polls on a timer. */
	bool eventfd;
	/** sync_file from, and to, a timeline point in one ioctl, Linux 6.16. Without: two ioctls. */
	bool point_export;
	bool point_import;
	/** Both of them. */
	bool point_sync_file;
	/** SYNC_IOC_SET_DEADLINE, Linux 6.7. Without it the hint is not given. */
	bool deadline;
};

/**
 * On success *drm_fd is consumed (-1) and *sync is the caller's; on failure *drm_fd is as it was.
 * Any node with syncobjs will do, card or render node. A duplicate of a compositor's fd shares its
 * handles, so that points on syncobjs which somebody else created there can be used.
 *
 * Errors: -ENOTSUP (not a DRM node, or one without syncobjs), -EBADF, -EMFILE, -ENOMEM.
 */
int sbx_sync_create(int *drm_fd, struct sbx_sync **sync);

/** All its timelines and waiter pools must be gone. NULL is allowed. */
void sbx_sync_destroy(struct sbx_sync *sync);

/** Lent, valid as long as `sync`. */
int sbx_sync_get_drm_fd(const struct sbx_sync *sync);

const struct sbx_sync_caps *sbx_sync_get_caps(const struct sbx_sync *sync);

/**
 * Do without what is false in `caps`; what the kernel lacks stays false. For tests of the ways round,
 * and for drivers whose new ioctls turn out not to work. Before the first use of `sync`.
 */
void sbx_sync_limit_caps(struct sbx_sync *sync, const struct sbx_sync_caps *caps);

#endif
