#include <drm/vgem_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>
#include "client.h"

int timeline_init(struct timeline *timeline, int drm_fd) {
	*timeline = (struct timeline){ .drm_fd = drm_fd, .fd = -1 };
	if (drmSyncobjCreate(drm_fd, 0, &timeline->handle) != 0 ||
			drmSyncobjHandleToFD(drm_fd, timeline->handle, &timeline->fd) != 0) {
		int ret = -errno;
		timeline_finish(timeline);
		return ret;
	}
	return 0;
}

void timeline_finish(struct timeline *timeline) {
	if (timeline->fd >= 0) {
		close(timeline->fd);
	}
	if (timeline->handle != 0) {
		drmSyncobjDestroy(timeline->drm_fd, timeline->handle);
	}
	*timeline = (struct timeline){ .fd = -1 };
}

int timeline_signal(struct timeline *timeline, uint64_t point) {
	return drmSyncobjTimelineSignal(timeline->drm_fd, &timeline->handle, &point, 1) != 0 ?
		-errno : 0;
}

bool timeline_is_signalled(struct timeline *timeline, uint64_t point) {
	uint64_t reached;
	return drmSyncobjQuery(timeline->drm_fd, &timeline->handle, &reached, 1) == 0 &&
		reached >= point;
}

int timeline_watch(struct timeline *timeline, uint64_t point, int event_fd) {
	return drmSyncobjEventfd(timeline->drm_fd, timeline->handle, point, event_fd, 0) != 0 ?
		-errno : 0;
}

static bool is_vgem(int fd) {
	drmVersion *version = drmGetVersion(fd);
	bool is = version != NULL && strcmp(version->name, "vgem") == 0;
	drmFreeVersion(version);
	return is;
}

/* vgem is no device of any bus, so drmGetDevices() does not list it. */
int vgem_open(void) {
	for (int i = 0; i < 16; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && is_vgem(fd)) {
			return fd;
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	return -1;
}

int fence_source_init(struct fence_source *source, int vgem_fd) {
	*source = (struct fence_source){ .vgem_fd = vgem_fd, .dmabuf_fd = -1 };
	uint32_t stride;
	uint64_t size;
	if (vgem_fd < 0) {
		return 0;
	}
	if (drmModeCreateDumbBuffer(vgem_fd, 64, 64, 32, 0, &source->handle, &stride, &size) != 0 ||
			drmPrimeHandleToFD(vgem_fd, source->handle, DRM_CLOEXEC | DRM_RDWR,
				&source->dmabuf_fd) != 0) {
		int ret = -errno;
		fence_source_finish(source);
		return ret;
	}
	return 0;
}

void fence_source_finish(struct fence_source *source) {
	fence_source_signal(source, NULL, 0);
	if (source->dmabuf_fd >= 0) {
		close(source->dmabuf_fd);
	}
	if (source->handle != 0) {
		drmModeDestroyDumbBuffer(source->vgem_fd, source->handle);
	}
	*source = (struct fence_source){ .vgem_fd = -1, .dmabuf_fd = -1 };
}

/* Put the fences of a dma-buf that a reader must wait for at a timeline's point. */
static int move_fence(int dmabuf_fd, struct timeline *timeline, uint64_t point) {
	struct dma_buf_export_sync_file exported = { .flags = DMA_BUF_SYNC_READ, .fd = -1 };
	uint32_t binary = 0;
	int ret = 0;
	if (ioctl(dmabuf_fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &exported) != 0 ||
			drmSyncobjCreate(timeline->drm_fd, 0, &binary) != 0 ||
			drmSyncobjImportSyncFile(timeline->drm_fd, binary, exported.fd) != 0 ||
			drmSyncobjTransfer(timeline->drm_fd, timeline->handle, point, binary, 0, 0) != 0) {
		ret = -errno;
	}
	if (binary != 0) {
		drmSyncobjDestroy(timeline->drm_fd, binary);
	}
	if (exported.fd >= 0) {
		close(exported.fd);
	}
	return ret;
}

int fence_source_arm(struct fence_source *source, struct timeline *timeline, uint64_t point) {
	if (source->vgem_fd < 0) {
		return 0;
	}
	struct drm_vgem_fence_attach attach = {
		.handle = source->handle,
		.flags = VGEM_FENCE_WRITE,
	};
	if (drmIoctl(source->vgem_fd, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach) != 0) {
		return -errno;
	}
	source->pending = attach.out_fence;
	return move_fence(source->dmabuf_fd, timeline, point);
}

int fence_source_signal(struct fence_source *source, struct timeline *timeline, uint64_t point) {
	if (source->pending == 0) {
		return timeline != NULL ? timeline_signal(timeline, point) : 0;
	}
	struct drm_vgem_fence_signal signal = { .fence = source->pending };
	source->pending = 0;
	/* -ETIMEDOUT: the kernel did it before us, 10 s after the fence was attached. */
	return drmIoctl(source->vgem_fd, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal) != 0 ? -errno : 0;
}
