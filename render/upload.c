#include <errno.h>
#include <string.h>
#include "render/batch.h"
#include "render/device.h"
#include "render/format.h"
#include "render/image.h"
#include "render/staging.h"
#include "trace/log.h"

/* Rectangles in one vkCmdCopyBufferToImage. */
#define MAX_REGIONS 64

/* Where the pixels come from. */
struct source {
	const char *data;
	uint32_t stride;
};

static size_t box_bytes(const struct sbx_image *image, const pixman_box32_t *box) {
	return (size_t)(box->x2 - box->x1) * (box->y2 - box->y1) * image->format->texel_bytes;
}

/* Copies start at whole pixels, and at whole cache lines where the pixel size allows. */
static size_t pixel_alignment(const struct sbx_image *image) {
	return 16 * (size_t)image->format->texel_bytes;
}

static size_t align_up(size_t value, size_t alignment) {
	return (value + alignment - 1) / alignment * alignment;
}

/* The channel that is not in the source is never read: a swizzle puts a one there. */
static void widen_row(const char *from, char *to, int32_t pixels, const struct sbx_format *format) {
	for (int32_t x = 0; x < pixels; x++) {
		memcpy(to, from, format->bytes_per_pixel);
		memset(to + format->bytes_per_pixel, 0, format->texel_bytes - format->bytes_per_pixel);
		from += format->bytes_per_pixel;
		to += format->texel_bytes;
	}
}

static void widen_rows(const struct sbx_image *image, const struct source *source,
		const pixman_box32_t *box, char *to) {
	const struct sbx_format *format = image->format;
	int32_t width = box->x2 - box->x1;
	for (int32_t y = box->y1; y < box->y2; y++) {
		widen_row(source->data + (size_t)y * source->stride +
			(size_t)box->x1 * format->bytes_per_pixel, to, width, format);
		to += (size_t)width * format->texel_bytes;
	}
}

/* Rows are packed tightly. */
static void copy_rows(const struct sbx_image *image, const struct source *source,
		const pixman_box32_t *box, char *to) {
	uint32_t bytes = image->format->bytes_per_pixel;
	size_t row = (size_t)(box->x2 - box->x1) * bytes;
	const char *from = source->data + (size_t)box->y1 * source->stride + (size_t)box->x1 * bytes;
	if (row == source->stride) {
		memcpy(to, from, row * (box->y2 - box->y1));
		return;
	}
	for (int32_t y = box->y1; y < box->y2; y++) {
		memcpy(to, from, row);
		to += row;
		from += source->stride;
	}
}

static VkBufferImageCopy copy_region(const pixman_box32_t *box, VkDeviceSize offset) {
	return (VkBufferImageCopy){
		.bufferOffset = offset,
		.imageSubresource = { .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1 },
		.imageOffset = { .x = box->x1, .y = box->y1 },
		.imageExtent = {
			.width = box->x2 - box->x1, .height = box->y2 - box->y1, .depth = 1,
		},
	};
}

/* The image has its layout, and what the same batch wrote to it before stays before. */
static int prepare(struct sbx_batch *uploads, struct sbx_image *image) {
	uint64_t serial = sbx_batch_serial(uploads);
	if (image->upload_serial == serial) {
		sbx_batch_order(uploads);
	} else {
		int ret = sbx_batch_use_target(uploads, image);
		if (ret < 0) {
			return ret;
		}
		image->upload_serial = serial;
	}
	sbx_batch_flush_barriers(uploads);
	image->last_use = image->device->submitted + 1;
	return 0;
}

/* The staging memory that `count` boxes take, one behind the other. */
static size_t staged_size(const struct sbx_image *image, const pixman_box32_t *boxes, int count) {
	size_t size = 0;
	for (int i = 0; i < count; i++) {
		size += align_up(box_bytes(image, &boxes[i]), pixel_alignment(image));
	}
	return size;
}

static void record_copies(struct sbx_batch *uploads, struct sbx_image *image,
		const struct sbx_staging_piece *piece, const pixman_box32_t *boxes, int count) {
	VkBufferImageCopy regions[MAX_REGIONS];
	VkDeviceSize offset = piece->offset;
	for (int i = 0; i < count; i += MAX_REGIONS) {
		int n = count - i < MAX_REGIONS ? count - i : MAX_REGIONS;
		for (int j = 0; j < n; j++) {
			regions[j] = copy_region(&boxes[i + j], offset);
			offset += staged_size(image, &boxes[i + j], 1);
		}
		image->device->vk.vkCmdCopyBufferToImage(sbx_batch_commands(uploads), piece->buffer,
			image->handle, VK_IMAGE_LAYOUT_GENERAL, n, regions);
	}
}

/*
 * All that can fail comes first, so that a texture has all of the damage or none. The upload batch is
 * begun before memory is taken for it: taking may send it (the ring is full), never the other way.
 */
static int upload_boxes(struct sbx_image *image, const struct source *source,
		const pixman_box32_t *boxes, int count) {
	struct sbx_device *device = image->device;
	struct sbx_staging_piece piece;
	if (sbx_batch_uploads(device) == NULL) {
		return device->lost ? -ENODEV : -ENOMEM;
	}
	int ret = sbx_staging_take(device, staged_size(image, boxes, count), pixel_alignment(image),
		&piece);
	if (ret < 0) {
		return ret;
	}
	struct sbx_batch *uploads = sbx_batch_uploads(device);
	ret = uploads != NULL ? prepare(uploads, image) : -ENOMEM;
	if (ret < 0) {
		return ret;
	}
	char *to = piece.data;
	for (int i = 0; i < count; i++) {
		if (image->format->texel_bytes != image->format->bytes_per_pixel) {
			widen_rows(image, source, &boxes[i], to);
		} else {
			copy_rows(image, source, &boxes[i], to);
		}
		to += staged_size(image, &boxes[i], 1);
	}
	record_copies(uploads, image, &piece, boxes, count);
	return 0;
}

static int check_source(const struct sbx_image *image, const struct source *source) {
	uint64_t row = (uint64_t)image->width * image->format->bytes_per_pixel;
	if (image->foreign || (image->usage & VK_IMAGE_USAGE_TRANSFER_DST_BIT) == 0) {
		sbx_log_error("render: cannot write pixels to this kind of image");
		return -EINVAL;
	}
	if (source->stride < row) {
		sbx_log_error("client bug: a row of %u pixels takes %llu bytes, the stride is %u",
			image->width, (unsigned long long)row, source->stride);
		return -EINVAL;
	}
	return image->device->lost ? -ENODEV : 0;
}

int sbx_image_write(struct sbx_image *image, const void *data, uint32_t stride,
		const pixman_region32_t *damage) {
	const struct source source = { .data = data, .stride = stride };
	int ret = check_source(image, &source);
	if (ret < 0) {
		return ret;
	}
	pixman_region32_t region;
	pixman_region32_init_rect(&region, 0, 0, image->width, image->height);
	if (damage != NULL) {
		pixman_region32_intersect(&region, &region, damage);
	}
	int count = 0;
	const pixman_box32_t *boxes = pixman_region32_rectangles(&region, &count);
	ret = count > 0 ? upload_boxes(image, &source, boxes, count) : 0;
	pixman_region32_fini(&region);
	return ret;
}
