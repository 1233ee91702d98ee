#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>
#include "harness/buffers.h"

static void reset(struct test_buffer *buffer) {
	*buffer = (struct test_buffer){ .fd = -1, .backing_fd = -1, .data = MAP_FAILED };
}

static int create_memfd(struct test_buffer *buffer) {
	buffer->backing_fd = memfd_create("test-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (buffer->backing_fd < 0 || ftruncate(buffer->backing_fd, buffer->size) != 0 ||
			fcntl(buffer->backing_fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
		return -errno;
	}
	return 0;
}

static int create_udmabuf(struct test_buffer *buffer) {
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0) {
		return -errno;
	}
	struct udmabuf_create create = {
		.memfd = buffer->backing_fd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = buffer->size,
	};
	buffer->fd = ioctl(device, UDMABUF_CREATE, &create);
	int ret = buffer->fd < 0 ? -errno : 0;
	close(device);
	return ret;
}

int test_buffer_udmabuf(size_t size, struct test_buffer *buffer) {
	size_t page = sysconf(_SC_PAGESIZE);
	reset(buffer);
	buffer->size = (size + page - 1) / page * page;
	int ret = create_memfd(buffer);
	if (ret == 0) {
		ret = create_udmabuf(buffer);
	}
	if (ret == 0) {
		buffer->data = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			buffer->backing_fd, 0);
		ret = buffer->data == MAP_FAILED ? -errno : 0;
	}
	if (ret < 0) {
		test_buffer_finish(buffer);
	}
	return ret;
}

static int open_card(void) {
	for (int i = 0; i < 8; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		drmVersion *version = fd >= 0 ? drmGetVersion(fd) : NULL;
		bool suits = version != NULL && strcmp(version->name, "vgem") != 0;
		drmFreeVersion(version);
		if (suits) {
			return fd;
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	return -1;
}

static int map_dumb(struct test_buffer *buffer) {
	uint64_t offset = 0;
	if (drmModeMapDumbBuffer(buffer->backing_fd, buffer->handle, &offset) != 0) {
		return -errno;
	}
	buffer->data = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		buffer->backing_fd, offset);
	return buffer->data == MAP_FAILED ? -errno : 0;
}

int test_buffer_dumb(uint32_t width, uint32_t height, uint32_t *stride,
		struct test_buffer *buffer) {
	reset(buffer);
	buffer->backing_fd = open_card();
	if (buffer->backing_fd < 0) {
		return -ENOENT;
	}
	uint64_t size = 0;
	int ret = 0;
	if (drmModeCreateDumbBuffer(buffer->backing_fd, width, height, 32, 0, &buffer->handle, stride,
			&size) != 0 || drmPrimeHandleToFD(buffer->backing_fd, buffer->handle,
			DRM_CLOEXEC | DRM_RDWR, &buffer->fd) != 0) {
		ret = -errno;
	}
	buffer->size = size;
	if (ret == 0) {
		ret = map_dumb(buffer);
	}
	if (ret < 0) {
		test_buffer_finish(buffer);
	}
	return ret;
}

void test_buffer_finish(struct test_buffer *buffer) {
	if (buffer->data != MAP_FAILED) {
		munmap(buffer->data, buffer->size);
	}
	if (buffer->fd >= 0) {
		close(buffer->fd);
	}
	if (buffer->handle != 0) {
		drmModeDestroyDumbBuffer(buffer->backing_fd, buffer->handle);
	}
	if (buffer->backing_fd >= 0) {
		close(buffer->backing_fd);
	}
	reset(buffer);
}

static void sync_access(const struct test_buffer *buffer, uint64_t flags) {
	struct dma_buf_sync sync = { .flags = flags | DMA_BUF_SYNC_RW };
	while (ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync) != 0 && errno == EINTR) {
	}
}

void test_buffer_begin_access(const struct test_buffer *buffer) {
	sync_access(buffer, DMA_BUF_SYNC_START);
}

void test_buffer_end_access(const struct test_buffer *buffer) {
	sync_access(buffer, DMA_BUF_SYNC_END);
}

struct sbx_dmabuf test_buffer_describe(const struct test_buffer *buffer, uint32_t format,
		uint32_t width, uint32_t height, uint32_t stride) {
	return (struct sbx_dmabuf){
		.width = width, .height = height, .format = format, .modifier = DRM_FORMAT_MOD_LINEAR,
		.planes = 1, .stride = { stride }, .fd = { buffer->fd, -1, -1, -1 },
	};
}
