#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "render/device.h"
#include "render/format.h"
#include "render/format_cache.h"
#include "render/image.h"
#include "render/image_private.h"
#include "render/mapping.h"
#include "render/ycbcr.h"
#include "sync/dmabuf.h"
#include "sync/fd.h"

/* Planes often share a buffer; it is mapped for each of them. */
struct memory {
	int fd;
	size_t size;
	void *data;
	uint32_t offset, stride;
};

struct sbx_mapping {
	struct sbx_device *device;
	const struct sbx_format *format;
	uint32_t width, height, uses;
	struct memory memories[SBX_DMABUF_MAX_PLANES];
	uint32_t count;
	/* The one that was found busy. */
	uint32_t busy;
};

static int map_plane(struct sbx_mapping *mapping, const struct sbx_dmabuf *dmabuf, uint64_t size) {
	uint32_t plane = mapping->count;
	struct memory *memory = &mapping->memories[plane];
	*memory = (struct memory){
		.fd = -1, .size = size, .offset = dmabuf->offset[plane], .stride = dmabuf->stride[plane],
	};
	mapping->count++;
	int ret = sbx_fd_dup(dmabuf->fd[plane], &memory->fd);
	bool write = (mapping->uses & SBX_FORMAT_STORE) != 0;
	return ret < 0 ? ret : sbx_dmabuf_map(memory->fd, size, write, &memory->data);
}

int sbx_mapping_create(struct sbx_device *device, const struct sbx_dmabuf *dmabuf, uint32_t uses,
		struct sbx_mapping **out) {
	uint64_t sizes[SBX_DMABUF_MAX_PLANES];
	const struct sbx_format *format = NULL;
	int ret = dmabuf->modifier != DRM_FORMAT_MOD_LINEAR ? -ENOTSUP :
		sbx_dmabuf_check(device, dmabuf, uses, &format, sizes);
	if (ret < 0) {
		return ret;
	}
	struct sbx_mapping *mapping = calloc(1, sizeof(*mapping));
	if (mapping == NULL) {
		return -ENOMEM;
	}
	mapping->device = device;
	mapping->format = sbx_format_on_device(device, format);
	mapping->width = dmabuf->width;
	mapping->height = dmabuf->height;
	mapping->uses = uses;
	for (uint32_t i = 0; i < dmabuf->planes && ret == 0; i++) {
		ret = map_plane(mapping, dmabuf, sizes[i]);
	}
	if (ret < 0) {
		sbx_mapping_destroy(mapping);
		return ret;
	}
	*out = mapping;
	return 0;
}

void sbx_mapping_destroy(struct sbx_mapping *mapping) {
	for (uint32_t i = 0; mapping != NULL && i < mapping->count; i++) {
		struct memory *memory = &mapping->memories[i];
		if (memory->data != NULL) {
			munmap(memory->data, memory->size);
		}
		sbx_fd_close(&memory->fd);
	}
	free(mapping);
}

const struct sbx_format *sbx_mapping_get_format(const struct sbx_mapping *mapping) {
	return mapping->format;
}

struct sbx_image *sbx_mapping_create_image(const struct sbx_mapping *mapping) {
	return sbx_image_create(mapping->device, mapping->format, mapping->width, mapping->height,
		mapping->uses);
}

int sbx_mapping_get_busy_fd(const struct sbx_mapping *mapping) {
	return mapping->memories[mapping->busy].fd;
}

static int end_access(struct sbx_mapping *mapping, uint32_t count) {
	int ret = 0;
	for (uint32_t i = 0; i < count; i++) {
		int error = sbx_dmabuf_end_access(mapping->memories[i].fd, false);
		ret = ret < 0 ? ret : error;
	}
	return ret;
}

static int begin_access(struct sbx_mapping *mapping) {
	for (uint32_t i = 0; i < mapping->count; i++) {
		int ret = sbx_dmabuf_begin_access(mapping->memories[i].fd, false);
		if (ret < 0) {
			mapping->busy = i;
			end_access(mapping, i);
			return ret;
		}
	}
	return 0;
}

static int copy_memory(const struct memory *memory, struct sbx_image *image,
		const pixman_region32_t *damage) {
	return sbx_image_write(image, (const char *)memory->data + memory->offset, memory->stride, damage);
}

/* What of a plane of fewer pixels belongs to the damage. */
static bool scale_damage(pixman_region32_t *scaled, const pixman_region32_t *damage,
		const struct sbx_ycbcr_plane *plane) {
	int count = 0;
	const pixman_box32_t *boxes = pixman_region32_rectangles(damage, &count);
	int32_t round_x = (1 << plane->shift_x) - 1, round_y = (1 << plane->shift_y) - 1;
	bool ok = true;
	for (int i = 0; i < count && ok; i++) {
		int32_t x1 = boxes[i].x1 >> plane->shift_x, y1 = boxes[i].y1 >> plane->shift_y;
		int32_t x2 = (boxes[i].x2 + round_x) >> plane->shift_x;
		int32_t y2 = (boxes[i].y2 + round_y) >> plane->shift_y;
		ok = pixman_region32_union_rect(scaled, scaled, x1, y1, (unsigned)(x2 - x1),
			(unsigned)(y2 - y1));
	}
	return ok;
}

static int copy_plane(const struct sbx_mapping *mapping, struct sbx_image *image, uint32_t index,
		const pixman_region32_t *damage) {
	const struct sbx_ycbcr_plane *plane = &mapping->format->ycbcr->planes[index];
	const struct memory *memory = &mapping->memories[plane->memory];
	if (damage == NULL) {
		return copy_memory(memory, image->planes[index], NULL);
	}
	pixman_region32_t scaled;
	pixman_region32_init(&scaled);
	int ret = scale_damage(&scaled, damage, plane) ?
		copy_memory(memory, image->planes[index], &scaled) : -ENOMEM;
	pixman_region32_fini(&scaled);
	return ret;
}

static int copy(const struct sbx_mapping *mapping, struct sbx_image *image,
		const pixman_region32_t *damage) {
	if (mapping->format->ycbcr == NULL) {
		return copy_memory(&mapping->memories[0], image, damage);
	}
	int ret = 0;
	for (uint32_t i = 0; i < image->n_planes && ret == 0; i++) {
		ret = copy_plane(mapping, image, i, damage);
	}
	return ret;
}

int sbx_mapping_copy(struct sbx_mapping *mapping, struct sbx_image *image,
		const pixman_region32_t *damage) {
	int ret = begin_access(mapping);
	if (ret < 0) {
		return ret;
	}
	ret = copy(mapping, image, damage);
	int error = end_access(mapping, mapping->count);
	return ret < 0 ? ret : error;
}

/* Targets have one plane. */
int sbx_mapping_store(struct sbx_mapping *mapping, struct sbx_image *image, uint64_t timeout_ns) {
	const struct memory *memory = &mapping->memories[0];
	const pixman_box32_t all = { 0, 0, (int32_t)mapping->width, (int32_t)mapping->height };
	int ret = sbx_dmabuf_wait(memory->fd, true, (int64_t)timeout_ns);
	if (ret == 0) {
		ret = sbx_dmabuf_begin_access(memory->fd, true);
	}
	if (ret < 0) {
		return ret;
	}
	ret = sbx_image_read(image, &all, (char *)memory->data + memory->offset, memory->stride, -1,
		timeout_ns);
	int error = sbx_dmabuf_end_access(memory->fd, true);
	return ret < 0 ? ret : error;
}
