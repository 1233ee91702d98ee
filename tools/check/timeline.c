#include <drm/vgem_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xf86drm.h>

#include "check/device.h"
#include "check/timeline.h"
#include "linux-drm-syncobj-v1-client.h"

static int sync_fd(const struct timeline *timeline) {
	return device_get(timeline->check)->sync_fd;
}

struct timeline *timeline_new(struct check *check) {
	struct timeline *timeline = calloc(1, sizeof(*timeline));
	timeline->check = check;
	if (drmSyncobjCreate(device_get(check)->sync_fd, 0, &timeline->handle) != 0) {
		check_trouble(check, "drmSyncobjCreate: %s", strerror(errno));
	}
	return timeline;
}

int timeline_fd(struct timeline *timeline) {
	int fd = -1;
	if (drmSyncobjHandleToFD(sync_fd(timeline), timeline->handle, &fd) != 0) {
		check_trouble(timeline->check, "drmSyncobjHandleToFD: %s", strerror(errno));
	}
	return fd;
}

struct wp_linux_drm_syncobj_timeline_v1 *timeline_import(struct timeline *timeline,
		struct client *client) {
	if (!client->syncobj) {
		check_trouble(timeline->check, "the compositor has no linux-drm-syncobj-v1");
	}
	int fd = timeline_fd(timeline);
	struct wp_linux_drm_syncobj_timeline_v1 *object =
		wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, fd);
	close(fd);
	return object;
}

struct timeline *timeline_open(struct client *client) {
	struct timeline *timeline = timeline_new(client->check);
	timeline->object = timeline_import(timeline, client);
	return timeline;
}

void timeline_destroy_object(struct timeline *timeline) {
	wp_linux_drm_syncobj_timeline_v1_destroy(timeline->object);
	timeline->object = NULL;
}

void timeline_reset(struct timeline *timeline) {
	drmSyncobjReset(sync_fd(timeline), &timeline->handle, 1);
}

void timeline_destroy_handle(struct timeline *timeline) {
	drmSyncobjDestroy(sync_fd(timeline), timeline->handle);
	timeline->handle = 0;
}

void point_signal(struct point point) {
	if (drmSyncobjTimelineSignal(sync_fd(point.timeline), &point.timeline->handle,
			&point.value, 1) != 0) {
		check_trouble(point.timeline->check, "drmSyncobjTimelineSignal: %s", strerror(errno));
	}
}

static bool point_wait(struct point point, uint32_t flags) {
	return drmSyncobjTimelineWait(sync_fd(point.timeline), &point.timeline->handle,
		&point.value, 1, 0, flags, NULL) == 0;
}

bool point_is_signalled(struct point point) {
	return point_wait(point, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT);
}

bool point_is_materialised(struct point point) {
	return point_wait(point, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE);
}

int point_watch(struct point point) {
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd >= 0 && drmSyncobjEventfd(sync_fd(point.timeline), point.timeline->handle,
			point.value, fd, 0) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static uint32_t vgem_buffer(struct check *check, int fd) {
	struct drm_mode_create_dumb create = { .width = 16, .height = 16, .bpp = 32 };
	if (drmIoctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) != 0) {
		check_trouble(check, "vgem: no buffer: %s", strerror(errno));
	}
	return create.handle;
}

static int fence_of_buffer(struct check *check, int fd, uint32_t handle) {
	int dmabuf_fd = -1;
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ, .fd = -1 };
	if (drmPrimeHandleToFD(fd, handle, DRM_CLOEXEC | DRM_RDWR, &dmabuf_fd) != 0 ||
			ioctl(dmabuf_fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export) != 0) {
		check_trouble(check, "vgem: no sync_file: %s", strerror(errno));
	}
	close(dmabuf_fd);
	return export.fd;
}

struct fence *fence_new(struct check *check) {
	int fd = device_get(check)->vgem_fd;
	if (fd < 0) {
		check_skip(check, "a pending fence is needed, and there is no vgem device to make it");
	}
	uint32_t handle = vgem_buffer(check, fd);
	struct drm_vgem_fence_attach attach = { .handle = handle, .flags = VGEM_FENCE_WRITE };
	if (drmIoctl(fd, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach) != 0) {
		check_trouble(check, "vgem: no fence: %s", strerror(errno));
	}
	struct fence *fence = calloc(1, sizeof(*fence));
	fence->check = check;
	fence->id = attach.out_fence;
	fence->sync_file_fd = fence_of_buffer(check, fd, handle);
	return fence;
}

void fence_signal(struct fence *fence) {
	struct drm_vgem_fence_signal signal = { .fence = fence->id };
	// It answers with an error when the 10 s are over, and has signalled all the same.
	drmIoctl(device_get(fence->check)->vgem_fd, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal);
}

void point_set_fence(struct point point, struct fence *fence) {
	int fd = sync_fd(point.timeline);
	uint32_t binary = 0;
	if (drmSyncobjCreate(fd, 0, &binary) != 0 ||
			drmSyncobjImportSyncFile(fd, binary, fence->sync_file_fd) != 0 ||
			drmSyncobjTransfer(fd, point.timeline->handle, point.value, binary, 0, 0) != 0) {
		check_trouble(point.timeline->check, "cannot put a fence behind a point: %s",
			strerror(errno));
	}
	drmSyncobjDestroy(fd, binary);
}
