#ifndef SBX_CHECK_TIMELINE_H
#define SBX_CHECK_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "check/client.h"

/** A DRM syncobj of ours, and the object by which one client's compositor side knows it. */
struct timeline {
	struct check *check;
	uint32_t handle; /**< on device.sync_fd; shared with processes from check_fork() */
	struct wp_linux_drm_syncobj_timeline_v1 *object; /**< NULL until imported */
};

struct point {
	struct timeline *timeline;
	uint64_t value;
};

/** A syncobj that no compositor knows yet. */
struct timeline *timeline_new(struct check *check);
/** The same, imported by this client. */
struct timeline *timeline_open(struct client *client);
/** Import it (once more); the caller owns the object. */
struct wp_linux_drm_syncobj_timeline_v1 *timeline_import(struct timeline *timeline,
	struct client *client);
/** A file descriptor of the syncobj, owned by the caller. */
int timeline_fd(struct timeline *timeline);
/** Destroy the protocol object; the syncobj stays. */
void timeline_destroy_object(struct timeline *timeline);
/** DRM_IOCTL_SYNCOBJ_RESET: the syncobj loses all its points. */
void timeline_reset(struct timeline *timeline);
/** DRM_IOCTL_SYNCOBJ_DESTROY: our handle goes; the compositor keeps its own. */
void timeline_destroy_handle(struct timeline *timeline);

/** Signal from the CPU. */
void point_signal(struct point point);
bool point_is_signalled(struct point point);
/** A fence stands behind it, signalled or not. */
bool point_is_materialised(struct point point);
/** An eventfd that becomes readable when the point is signalled; -1 if the kernel cannot. */
int point_watch(struct point point);

/** A fence of vgem: materialised, not signalled. The kernel fails it after 10 s. */
struct fence {
	struct check *check;
	uint32_t id;
	int sync_file_fd;
};

/** Ends the check as skipped where there is no vgem. */
struct fence *fence_new(struct check *check);
void fence_signal(struct fence *fence);
/** Put the fence behind the point, which thereby materialises. */
void point_set_fence(struct point point, struct fence *fence);

#endif
