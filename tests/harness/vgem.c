#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xf86drm.h>
#include "harness/vgem.h"

/* From vgem_drm.h, which libdrm does not install. */
struct attach_arg {
	uint32_t handle, flags, out_fence, pad;
};
struct signal_arg {
	uint32_t fence, flags;
};
#define VGEM_FENCE_WRITE 1
#define IOCTL_VGEM_FENCE_ATTACH DRM_IOWR(DRM_COMMAND_BASE + 1, struct attach_arg)
#define IOCTL_VGEM_FENCE_SIGNAL DRM_IOW(DRM_COMMAND_BASE + 2, struct signal_arg)

static bool is_vgem(int fd) {
	drmVersion *version = drmGetVersion(fd);
	bool found = version != NULL && strcmp(version->name, "vgem") == 0;
	drmFreeVersion(version);
	return found;
}

static bool has_timelines(int fd) {
	uint64_t value = 0;
	return drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &value) == 0 && value != 0;
}

static int open_first(const char *format, int first, bool (*fits)(int fd)) {
	for (int i = first; i < first + 16; i++) {
		char path[64];
		snprintf(path, sizeof(path), format, i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && fits(fd)) {
			return fd;
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	return -ENODEV;
}

int drm_node_open(void) {
	int fd = open_first("/dev/dri/renderD%d", 128, has_timelines);
	return fd >= 0 ? fd : open_first("/dev/dri/card%d", 0, has_timelines);
}

int vgem_open(void) {
	return open_first("/dev/dri/card%d", 0, is_vgem);
}

int vgem_buffer_create(int vgem_fd, uint32_t *handle, int *dmabuf_fd) {
	struct drm_mode_create_dumb create = { .width = 32, .height = 32, .bpp = 32 };
	if (drmIoctl(vgem_fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) != 0) {
		return -errno;
	}
	*handle = create.handle;
	if (drmPrimeHandleToFD(vgem_fd, create.handle, DRM_CLOEXEC | DRM_RDWR, dmabuf_fd) != 0) {
		int ret = -errno;
		vgem_buffer_destroy(vgem_fd, create.handle);
		return ret;
	}
	return 0;
}

void vgem_buffer_destroy(int vgem_fd, uint32_t handle) {
	struct drm_mode_destroy_dumb destroy = { .handle = handle };
	drmIoctl(vgem_fd, DRM_IOCTL_MODE_DESTROY_DUMB, &destroy);
}

int vgem_buffer_attach(int vgem_fd, uint32_t handle, bool write) {
	struct attach_arg attach = { .handle = handle, .flags = write ? VGEM_FENCE_WRITE : 0 };
	return drmIoctl(vgem_fd, IOCTL_VGEM_FENCE_ATTACH, &attach) == 0 ? (int)attach.out_fence : -errno;
}

int vgem_attached_signal(int vgem_fd, uint32_t fence_id) {
	struct signal_arg arg = { .fence = fence_id };
	return drmIoctl(vgem_fd, IOCTL_VGEM_FENCE_SIGNAL, &arg) == 0 ? 0 : -errno;
}

int vgem_fence_create(int vgem_fd, struct vgem_fence *fence, int *sync_file) {
	uint32_t handle = 0;
	int dmabuf_fd = -1;
	int ret = vgem_buffer_create(vgem_fd, &handle, &dmabuf_fd);
	if (ret < 0) {
		return ret;
	}
	ret = vgem_buffer_attach(vgem_fd, handle, true);
	if (ret >= 0) {
		*fence = (struct vgem_fence){ .vgem_fd = vgem_fd, .id = ret };
		struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ };
		ret = ioctl(dmabuf_fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export) == 0 ? 0 : -errno;
		*sync_file = ret == 0 ? export.fd : -1;
	}
	close(dmabuf_fd);
	vgem_buffer_destroy(vgem_fd, handle);
	return ret;
}

int vgem_fence_signal(struct vgem_fence *fence) {
	return vgem_attached_signal(fence->vgem_fd, fence->id);
}
