#ifndef SBX_CHECK_DEVICE_H
#define SBX_CHECK_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "check/check.h"

struct gbm_device;

/** The nodes of this machine, as the probe chose them. An fd of -1 is not there. */
struct device {
	int sync_fd;   /**< where timelines are made */
	int buffer_fd; /**< where buffers are made (GBM, dumb) */
	int vgem_fd;   /**< where pending fences are made */
	struct gbm_device *gbm; /**< NULL until a buffer needs it */
};

/** The device of this check; opened at the first call, ends the check if that fails. */
struct device *device_get(struct check *check);

/** Open a node that offers syncobj timelines; -1 if it does not or cannot be opened. */
int device_open_syncobj(const char *path);

/** The primary node of the vgem driver into path; false if there is none that we may use. */
bool device_find_vgem(char *path, size_t size);

/**
 * The nodes of a device id as linux-dmabuf names it; "" for a node it lacks. With 0 the first
 * device that has a render node.
 */
bool device_find_nodes(dev_t id, char *primary, char *render, size_t size);

#endif
