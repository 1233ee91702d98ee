#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>
#include "client.h"

static int map(struct memory *memory, int fd, off_t offset) {
	void *pixels = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (pixels == MAP_FAILED) {
		return -errno;
	}
	memory->pixels = pixels;
	return 0;
}

/* Only the primary node makes dumb buffers; being DRM master is not needed. */
static int init_dumb(struct memory *memory, int drm_fd, int width, int height) {
	uint64_t offset, size;
	if (drm_fd < 0) {
		return -ENODEV;
	}
	memory->kind = MEMORY_DUMB;
	memory->drm_fd = drm_fd;
	if (drmModeCreateDumbBuffer(drm_fd, width, height, 32, 0, &memory->handle, &memory->stride,
			&size) != 0) {
		return -errno;
	}
	memory->size = size;
	if (drmPrimeHandleToFD(drm_fd, memory->handle, DRM_CLOEXEC | DRM_RDWR,
			&memory->dmabuf_fd) != 0 ||
			drmModeMapDumbBuffer(drm_fd, memory->handle, &offset) != 0) {
		return -errno;
	}
	return map(memory, drm_fd, offset);
}

static int create_udmabuf(int device_fd, int memfd, size_t size) {
	struct udmabuf_create create = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	int fd = ioctl(device_fd, UDMABUF_CREATE, &create);
	return fd >= 0 ? fd : -errno;
}

static int init_udmabuf(struct memory *memory, int width, int height) {
	size_t page = sysconf(_SC_PAGESIZE);
	memory->kind = MEMORY_UDMABUF;
	memory->stride = (width * 4 + 255) / 256 * 256;
	memory->size = ((size_t)memory->stride * height + page - 1) / page * page;

	int ret = 0;
	int device_fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int memfd = memfd_create("sync-client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (device_fd < 0 || memfd < 0 || ftruncate(memfd, memory->size) != 0 ||
			fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
		ret = -errno;
	}
	if (ret == 0) {
		memory->dmabuf_fd = create_udmabuf(device_fd, memfd, memory->size);
		ret = memory->dmabuf_fd < 0 ? memory->dmabuf_fd : map(memory, memfd, 0);
	}
	if (memfd >= 0) {
		close(memfd);
	}
	if (device_fd >= 0) {
		close(device_fd);
	}
	return ret;
}

int memory_init(struct memory *memory, enum memory_kind kind, int drm_fd, int width, int height) {
	*memory = (struct memory){ .dmabuf_fd = -1 };
	int ret = -ENODEV;
	if (kind != MEMORY_UDMABUF) {
		ret = init_dumb(memory, drm_fd, width, height);
		if (ret != 0) {
			memory_finish(memory);
		}
	}
	if (ret != 0 && kind != MEMORY_DUMB) {
		ret = init_udmabuf(memory, width, height);
		if (ret != 0) {
			memory_finish(memory);
		}
	}
	return ret;
}

void memory_finish(struct memory *memory) {
	if (memory->pixels != NULL) {
		munmap(memory->pixels, memory->size);
	}
	if (memory->dmabuf_fd >= 0) {
		close(memory->dmabuf_fd);
	}
	if (memory->handle != 0) {
		drmModeDestroyDumbBuffer(memory->drm_fd, memory->handle);
	}
	*memory = (struct memory){ .dmabuf_fd = -1 };
}

void memory_write(struct memory *memory, bool begin) {
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_WRITE | (begin ? DMA_BUF_SYNC_START : DMA_BUF_SYNC_END),
	};
	/* Where this fails the memory is coherent, or nothing could be done about it. */
	ioctl(memory->dmabuf_fd, DMA_BUF_IOCTL_SYNC, &sync);
}

const char *memory_kind_name(enum memory_kind kind) {
	return kind == MEMORY_DUMB ? "dumb buffers" : kind == MEMORY_UDMABUF ? "udmabuf" : "nothing";
}
