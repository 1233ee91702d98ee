#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#if HAVE_GBM
#include <gbm.h>
#endif

#include "check/buffer.h"
#include "check/device.h"
#include "linux-dmabuf-v1-client.h"

#define BYTES_PER_PIXEL 4

static bool give_reason(char *why, const char *what) {
	snprintf(why, CHECK_LINE, "%s: %s", what, strerror(errno));
	return false;
}

#if HAVE_GBM
static bool allocate_gbm(struct buffer *buffer, struct device *device, char *why) {
	if (!device->gbm) {
		device->gbm = gbm_create_device(device->buffer_fd);
	}
	if (!device->gbm) {
		return give_reason(why, "gbm_create_device");
	}
	buffer->bo = gbm_bo_create(device->gbm, (uint32_t)buffer->width, (uint32_t)buffer->height,
		GBM_FORMAT_XRGB8888, GBM_BO_USE_LINEAR | GBM_BO_USE_RENDERING);
	if (!buffer->bo) {
		return give_reason(why, "gbm_bo_create");
	}
	buffer->fd = gbm_bo_get_fd(buffer->bo);
	buffer->stride = gbm_bo_get_stride(buffer->bo);
	return buffer->fd >= 0 || give_reason(why, "gbm_bo_get_fd");
}

void buffer_preload(const struct check_env *env) {
	int fd = env->buffers == BUFFER_GBM ? open(env->buffer_node, O_RDWR | O_CLOEXEC) : -1;
	struct gbm_device *gbm = fd < 0 ? NULL : gbm_create_device(fd);
	if (gbm) {
		gbm_device_destroy(gbm);
	}
	if (fd >= 0) {
		close(fd);
	}
}

static void fill_gbm(struct buffer *buffer, int from, int to, uint32_t colour) {
	uint32_t stride = 0;
	void *map_data = NULL;
	char *pixels = gbm_bo_map(buffer->bo, 0, (uint32_t)from, (uint32_t)buffer->width,
		(uint32_t)(to - from), GBM_BO_TRANSFER_WRITE, &stride, &map_data);
	if (!pixels) {
		check_trouble(buffer->client->check, "gbm_bo_map: %s", strerror(errno));
	}
	for (int y = 0; y < to - from; y++) {
		uint32_t *row = (uint32_t *)(pixels + (size_t)y * stride);
		for (int x = 0; x < buffer->width; x++) {
			row[x] = 0xff000000 | colour;
		}
	}
	gbm_bo_unmap(buffer->bo, map_data);
}
#else
static bool allocate_gbm(struct buffer *buffer, struct device *device, char *why) {
	errno = ENOSYS;
	return give_reason(why, "built without GBM");
}

void buffer_preload(const struct check_env *env) {
}

static void fill_gbm(struct buffer *buffer, int from, int to, uint32_t colour) {
}
#endif

static bool allocate_dumb(struct buffer *buffer, struct device *device, char *why) {
	struct drm_mode_create_dumb create = {
		.width = (uint32_t)buffer->width, .height = (uint32_t)buffer->height, .bpp = 32,
	};
	if (drmIoctl(device->buffer_fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) != 0) {
		return give_reason(why, "dumb buffer");
	}
	buffer->stride = create.pitch;
	buffer->size = create.size;
	struct drm_mode_map_dumb map = { .handle = create.handle };
	if (drmIoctl(device->buffer_fd, DRM_IOCTL_MODE_MAP_DUMB, &map) != 0) {
		return give_reason(why, "mapping a dumb buffer");
	}
	void *pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		device->buffer_fd, (off_t)map.offset);
	if (pixels == MAP_FAILED ||
			drmPrimeHandleToFD(device->buffer_fd, create.handle, DRM_CLOEXEC | DRM_RDWR,
				&buffer->fd) != 0) {
		return give_reason(why, "sharing a dumb buffer");
	}
	// The dma-buf and the mapping keep the memory; the handle would only be in the way.
	drmCloseBufferHandle(device->buffer_fd, create.handle);
	buffer->map = pixels;
	return true;
}

static int open_memory(size_t size, unsigned seals) {
	int fd = memfd_create("signalbox-check", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && (ftruncate(fd, (off_t)size) != 0 ||
			(seals && fcntl(fd, F_ADD_SEALS, seals) != 0))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool allocate_udmabuf(struct buffer *buffer, struct device *device, char *why) {
	buffer->stride = ((uint32_t)buffer->width * BYTES_PER_PIXEL + 255) & ~255u;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	buffer->size = (buffer->stride * (size_t)buffer->height + page - 1) / page * page;
	int memory = open_memory(buffer->size, F_SEAL_SHRINK);
	int control = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	struct udmabuf_create create = {
		.memfd = (uint32_t)memory, .flags = UDMABUF_FLAGS_CLOEXEC, .size = buffer->size,
	};
	if (memory >= 0 && control >= 0) {
		buffer->fd = ioctl(control, UDMABUF_CREATE, &create);
	}
	if (buffer->fd < 0) {
		return give_reason(why, "udmabuf");
	}
	buffer->map = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	close(memory);
	close(control);
	return buffer->map != MAP_FAILED || give_reason(why, "mapping a udmabuf");
}

static bool allocate(struct buffer *buffer, enum buffer_kind kind, char *why) {
	struct device *device = device_get(buffer->client->check);
	switch (kind) {
	case BUFFER_GBM:
		return allocate_gbm(buffer, device, why);
	case BUFFER_DUMB:
		return allocate_dumb(buffer, device, why);
	case BUFFER_UDMABUF:
		return allocate_udmabuf(buffer, device, why);
	case BUFFER_NONE:
		break;
	}
	return false;
}

static struct buffer *new_buffer(struct client *client, int width, int height) {
	struct buffer *buffer = calloc(1, sizeof(*buffer));
	buffer->client = client;
	buffer->width = width;
	buffer->height = height;
	buffer->fd = -1;
	return buffer;
}

static struct zwp_linux_buffer_params_v1 *describe(struct buffer *buffer) {
	uint64_t modifier = buffer->client->check->env->modifier;
	struct zwp_linux_buffer_params_v1 *params =
		zwp_linux_dmabuf_v1_create_params(buffer->client->dmabuf);
	zwp_linux_buffer_params_v1_add(params, buffer->fd, 0, 0, buffer->stride,
		(uint32_t)(modifier >> 32), (uint32_t)modifier);
	return params;
}

struct buffer *buffer_new(struct client *client, int width, int height) {
	struct buffer *buffer = new_buffer(client, width, height);
	char why[CHECK_LINE] = "";
	if (!allocate(buffer, client->check->env->buffers, why)) {
		check_trouble(client->check, "no buffer: %s", why);
	}
	struct zwp_linux_buffer_params_v1 *params = describe(buffer);
	buffer->wl = zwp_linux_buffer_params_v1_create_immed(params, width, height,
		DRM_FORMAT_XRGB8888, 0);
	zwp_linux_buffer_params_v1_destroy(params);
	return buffer;
}

struct answer {
	bool given;
	struct wl_buffer *buffer;
};

static void handle_created(void *data, struct zwp_linux_buffer_params_v1 *params,
		struct wl_buffer *buffer) {
	*(struct answer *)data = (struct answer){ true, buffer };
}

static void handle_failed(void *data, struct zwp_linux_buffer_params_v1 *params) {
	*(struct answer *)data = (struct answer){ true, NULL };
}

static const struct zwp_linux_buffer_params_v1_listener params_listener = {
	.created = handle_created,
	.failed = handle_failed,
};

static bool answer_given(void *data) {
	return ((struct answer *)data)->given;
}

// Drivers talk about what they cannot do; here that is no news.
static bool allocate_silently(struct buffer *buffer, enum buffer_kind kind, char *why) {
	fflush(stderr);
	int stderr_fd = dup(STDERR_FILENO), null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null_fd, STDERR_FILENO);
	bool allocated = allocate(buffer, kind, why);
	fflush(stderr);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(null_fd);
	return allocated;
}

struct buffer *buffer_try(struct client *client, enum buffer_kind kind, int width, int height,
		char why[static CHECK_LINE]) {
	struct buffer *buffer = new_buffer(client, width, height);
	if (!allocate_silently(buffer, kind, why)) {
		return NULL;
	}
	struct answer answer = { 0 };
	struct zwp_linux_buffer_params_v1 *params = describe(buffer);
	zwp_linux_buffer_params_v1_add_listener(params, &params_listener, &answer);
	zwp_linux_buffer_params_v1_create(params, width, height, DRM_FORMAT_XRGB8888, 0);
	check_wait(client->check, answer_given, &answer, client->check->env->patience_ms);
	zwp_linux_buffer_params_v1_destroy(params);
	if (!answer.buffer) {
		snprintf(why, CHECK_LINE, "%s: the compositor does not take such a buffer",
			check_buffer_kind_name(kind));
		return NULL;
	}
	buffer->wl = answer.buffer;
	return buffer;
}

struct buffer *buffer_new_shm(struct client *client, int width, int height, uint32_t stride,
		uint32_t format) {
	struct buffer *buffer = new_buffer(client, width, height);
	buffer->stride = stride;
	buffer->size = stride * (size_t)height;
	int memory = open_memory(buffer->size, 0);
	buffer->map = memory < 0 ? MAP_FAILED :
		mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (buffer->map == MAP_FAILED) {
		check_trouble(client->check, "no shared memory: %s", strerror(errno));
	}
	struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, memory, (int32_t)buffer->size);
	buffer->wl = wl_shm_pool_create_buffer(pool, 0, width, height, (int32_t)stride, format);
	wl_shm_pool_destroy(pool);
	close(memory);
	return buffer;
}

// The CPU's writes belong between these two where the memory is not coherent.
static void sync_cpu(struct buffer *buffer, uint64_t flags) {
	struct dma_buf_sync sync = { .flags = flags | DMA_BUF_SYNC_WRITE };
	if (buffer->fd >= 0) {
		ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync);
	}
}

static void fill_mapped(struct buffer *buffer, int from, int to, uint32_t colour) {
	sync_cpu(buffer, DMA_BUF_SYNC_START);
	for (int y = from; y < to; y++) {
		uint32_t *row = (uint32_t *)((char *)buffer->map + (size_t)y * buffer->stride);
		for (int x = 0; x < buffer->width; x++) {
			row[x] = 0xff000000 | colour;
		}
	}
	sync_cpu(buffer, DMA_BUF_SYNC_END);
}

void buffer_fill_rows(struct buffer *buffer, int from, int to, uint32_t colour) {
	if (buffer->bo) {
		fill_gbm(buffer, from, to, colour);
	} else {
		fill_mapped(buffer, from, to, colour);
	}
}

void buffer_fill(struct buffer *buffer, uint32_t colour) {
	buffer_fill_rows(buffer, 0, buffer->height, colour);
}

void buffer_destroy_object(struct buffer *buffer) {
	wl_buffer_destroy(buffer->wl);
	buffer->wl = NULL;
}

void buffer_destroy(struct buffer *buffer) {
	if (buffer->wl) {
		wl_buffer_destroy(buffer->wl);
	}
#if HAVE_GBM
	if (buffer->bo) {
		gbm_bo_destroy(buffer->bo);
	}
#endif
	if (buffer->map) {
		munmap(buffer->map, buffer->size);
	}
	if (buffer->fd >= 0) {
		close(buffer->fd);
	}
	free(buffer);
}
