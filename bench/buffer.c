#include "buffer.h"
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/util/log.h>
#include <xf86drm.h>

struct bench_buffer {
	struct wlr_buffer base;
	uint32_t format;
	uint32_t stride;
	size_t size;
	int dmabuf_fd;
	void *data;
};

void bench_memory_open(struct bench_memory *memory, const char *card) {
	memory->card_fd = card != NULL ? open(card, O_RDWR | O_CLOEXEC) : -1;
	memory->udmabuf_fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
}

static void close_fd(int *fd) {
	if (*fd >= 0) {
		close(*fd);
		*fd = -1;
	}
}

void bench_memory_close(struct bench_memory *memory) {
	close_fd(&memory->card_fd);
	close_fd(&memory->udmabuf_fd);
}

static void buffer_destroy(struct wlr_buffer *base) {
	struct bench_buffer *buffer = wl_container_of(base, buffer, base);
	wlr_buffer_finish(base);
	if (buffer->data != NULL) {
		munmap(buffer->data, buffer->size);
	}
	close_fd(&buffer->dmabuf_fd);
	free(buffer);
}

static bool buffer_get_dmabuf(struct wlr_buffer *base, struct wlr_dmabuf_attributes *attribs) {
	struct bench_buffer *buffer = wl_container_of(base, buffer, base);
	*attribs = (struct wlr_dmabuf_attributes){
		.width = base->width,
		.height = base->height,
		.format = buffer->format,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.n_planes = 1,
		.stride[0] = buffer->stride,
		.fd[0] = buffer->dmabuf_fd,
	};
	return true;
}

static bool buffer_begin_data_ptr_access(struct wlr_buffer *base, uint32_t flags, void **data,
		uint32_t *format, size_t *stride) {
	struct bench_buffer *buffer = wl_container_of(base, buffer, base);
	*data = buffer->data;
	*format = buffer->format;
	*stride = buffer->stride;
	return true;
}

static void buffer_end_data_ptr_access(struct wlr_buffer *base) {
}

static const struct wlr_buffer_impl buffer_impl = {
	.destroy = buffer_destroy,
	.get_dmabuf = buffer_get_dmabuf,
	.begin_data_ptr_access = buffer_begin_data_ptr_access,
	.end_data_ptr_access = buffer_end_data_ptr_access,
};

static int allocate_dumb(struct bench_buffer *buffer, int card_fd) {
	struct drm_mode_create_dumb create = {
		.width = buffer->base.width,
		.height = buffer->base.height,
		.bpp = 32,
	};
	if (drmIoctl(card_fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) != 0) {
		return -errno;
	}
	int ret = drmPrimeHandleToFD(card_fd, create.handle, DRM_CLOEXEC | DRM_RDWR,
		&buffer->dmabuf_fd);
	int err = ret != 0 ? -errno : 0;
	// The dma-buf keeps the memory
	drmCloseBufferHandle(card_fd, create.handle);
	buffer->stride = create.pitch;
	buffer->size = create.size;
	return err;
}

static int allocate_udmabuf(struct bench_buffer *buffer, int udmabuf_fd) {
	size_t page = sysconf(_SC_PAGE_SIZE);
	buffer->stride = buffer->base.width * 4;
	buffer->size = ((size_t)buffer->stride * buffer->base.height + page - 1) / page * page;

	int memfd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0) {
		return -errno;
	}
	struct udmabuf_create create = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = buffer->size,
	};
	if (ftruncate(memfd, buffer->size) == 0 && fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
		buffer->dmabuf_fd = ioctl(udmabuf_fd, UDMABUF_CREATE, &create);
	}
	int err = buffer->dmabuf_fd < 0 ? -errno : 0;
	close(memfd);
	return err;
}

static int fill(struct bench_buffer *buffer, uint32_t pixel) {
	void *data = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->dmabuf_fd, 0);
	if (data == MAP_FAILED) {
		return -errno;
	}
	buffer->data = data;
	uint32_t *pixels = data;
	for (size_t i = 0; i < buffer->size / sizeof(*pixels); i++) {
		pixels[i] = pixel;
	}
	return 0;
}

static int allocate(struct bench_buffer *buffer, const struct bench_memory *memory) {
	int err = memory->card_fd >= 0 ? allocate_dumb(buffer, memory->card_fd) : -ENODEV;
	if (err < 0 && memory->udmabuf_fd >= 0) {
		err = allocate_udmabuf(buffer, memory->udmabuf_fd);
	}
	return err;
}

struct wlr_buffer *bench_buffer_create(const struct bench_memory *memory, int width, int height,
		uint32_t format, uint32_t pixel) {
	struct bench_buffer *buffer = calloc(1, sizeof(*buffer));
	if (buffer == NULL) {
		return NULL;
	}
	buffer->dmabuf_fd = -1;
	buffer->format = format;
	wlr_buffer_init(&buffer->base, &buffer_impl, width, height);

	int err = allocate(buffer, memory);
	if (err == 0) {
		err = fill(buffer, pixel);
	}
	if (err < 0) {
		wlr_log(WLR_ERROR, "bench: no memory for a %dx%d dma-buf: %s", width, height, strerror(-err));
		wlr_buffer_drop(&buffer->base);
		return NULL;
	}
	return &buffer->base;
}

uint32_t bench_buffer_read(struct wlr_buffer *base, int x, int y) {
	struct bench_buffer *buffer = wl_container_of(base, buffer, base);
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	ioctl(buffer->dmabuf_fd, DMA_BUF_IOCTL_SYNC, &sync);
	const char *row = (const char *)buffer->data + (size_t)y * buffer->stride;
	uint32_t pixel = ((const uint32_t *)row)[x];
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ;
	ioctl(buffer->dmabuf_fd, DMA_BUF_IOCTL_SYNC, &sync);
	return pixel;
}
