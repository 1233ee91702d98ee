#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "render/batch.h"
#include "render/buffer.h"
#include "render/device.h"
#include "render/format.h"
#include "render/image.h"
#include "render/readback.h"
#include "sync/fd.h"
#include "trace/log.h"

struct sbx_readback {
	/* Kept from one read to the next; NULL while a read that timed out may still write to it. */
	struct sbx_buffer *buffer;
};

int sbx_readback_create(struct sbx_device *device) {
	device->readback = calloc(1, sizeof(*device->readback));
	return device->readback != NULL ? 0 : -ENOMEM;
}

void sbx_readback_destroy(struct sbx_device *device) {
	if (device->readback == NULL) {
		return;
	}
	if (device->readback->buffer != NULL) {
		device->readback->buffer->last_use = 0;
		sbx_buffer_destroy(device->readback->buffer);
	}
	free(device->readback);
	device->readback = NULL;
}

static void drop_buffer(struct sbx_device *device) {
	sbx_buffer_destroy(device->readback->buffer);
	device->readback->buffer = NULL;
}

static struct sbx_buffer *get_buffer(struct sbx_device *device, VkDeviceSize size) {
	struct sbx_readback *readback = device->readback;
	if (readback->buffer != NULL && readback->buffer->size < size) {
		drop_buffer(device);
	}
	if (readback->buffer == NULL) {
		readback->buffer = sbx_buffer_create(device, size, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
			SBX_BUFFER_READBACK, "read-back");
	}
	return readback->buffer;
}

static int check_read(const struct sbx_image *image, const pixman_box32_t *box, uint32_t stride) {
	if (box->x1 < 0 || box->y1 < 0 || box->x1 >= box->x2 || box->y1 >= box->y2 ||
			box->x2 > (int64_t)image->width || box->y2 > (int64_t)image->height) {
		sbx_log_error("render: cannot read %d,%d to %d,%d of an image of %ux%u pixels", box->x1,
			box->y1, box->x2, box->y2, image->width, image->height);
		return -EINVAL;
	}
	uint64_t row = (uint64_t)(box->x2 - box->x1) * image->format->bytes_per_pixel;
	if (stride < row) {
		sbx_log_error("render: cannot read rows of %llu bytes with a stride of %u",
			(unsigned long long)row, stride);
		return -EINVAL;
	}
	if ((image->usage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT) == 0) {
		sbx_log_error("render: %s cannot copy from this kind of image", image->device->name);
		return -ENOTSUP;
	}
	return image->device->lost ? -ENODEV : 0;
}

static int wait_for(struct sbx_batch *batch, int acquire_fd) {
	int fd = -1;
	int ret = sbx_fd_dup(acquire_fd, &fd);
	if (ret == 0) {
		ret = sbx_batch_wait(batch, &fd);
	}
	sbx_fd_close(&fd);
	return ret;
}

static void record_copy(struct sbx_batch *batch, const struct sbx_image *image,
		const pixman_box32_t *box, const struct sbx_buffer *buffer) {
	struct sbx_device *device = image->device;
	const VkBufferImageCopy region = {
		.imageSubresource = { .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1 },
		.imageOffset = { .x = box->x1, .y = box->y1 },
		.imageExtent = {
			.width = box->x2 - box->x1, .height = box->y2 - box->y1, .depth = 1,
		},
	};
	device->vk.vkCmdCopyImageToBuffer(sbx_batch_commands(batch), image->handle,
		VK_IMAGE_LAYOUT_GENERAL, buffer->handle, 1, &region);
	const VkMemoryBarrier2 barrier = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
		.srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT,
	};
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1,
		.pMemoryBarriers = &barrier,
	};
	device->vk.vkCmdPipelineBarrier2(sbx_batch_commands(batch), &info);
}

static int send_copy(struct sbx_image *image, const pixman_box32_t *box, int acquire_fd,
		struct sbx_buffer *buffer) {
	struct sbx_batch *batch = sbx_batch_begin(image->device);
	if (batch == NULL) {
		return image->device->lost ? -ENODEV : -ENOMEM;
	}
	int ret = wait_for(batch, acquire_fd);
	if (ret == 0) {
		ret = sbx_batch_use_texture(batch, image);
	}
	if (ret < 0) {
		sbx_batch_cancel(batch);
		return ret;
	}
	sbx_batch_flush_barriers(batch);
	record_copy(batch, image, box, buffer);
	return sbx_batch_submit(batch, NULL, &buffer->last_use);
}

static void copy_row(const struct sbx_format *format, const char *from, char *to, int32_t pixels) {
	if (format->texel_bytes == format->bytes_per_pixel) {
		memcpy(to, from, (size_t)pixels * format->bytes_per_pixel);
		return;
	}
	for (int32_t x = 0; x < pixels; x++) {
		memcpy(to, from, format->bytes_per_pixel);
		from += format->texel_bytes;
		to += format->bytes_per_pixel;
	}
}

static void copy_rows(const struct sbx_buffer *buffer, const struct sbx_format *format,
		const pixman_box32_t *box, char *to, uint32_t stride) {
	const char *from = buffer->data;
	int32_t width = box->x2 - box->x1;
	for (int32_t y = box->y1; y < box->y2; y++) {
		copy_row(format, from, to, width);
		from += (size_t)width * format->texel_bytes;
		to += stride;
	}
}

int sbx_image_read(struct sbx_image *image, const pixman_box32_t *box, void *data, uint32_t stride,
		int acquire_fd, uint64_t timeout_ns) {
	struct sbx_device *device = image->device;
	int ret = check_read(image, box, stride);
	if (ret < 0) {
		return ret;
	}
	struct sbx_buffer *buffer = get_buffer(device, (VkDeviceSize)(box->x2 - box->x1) *
		(VkDeviceSize)(box->y2 - box->y1) * image->format->texel_bytes);
	if (buffer == NULL) {
		return -ENOMEM;
	}
	ret = send_copy(image, box, acquire_fd, buffer);
	if (ret == 0) {
		ret = sbx_device_wait(device, buffer->last_use, timeout_ns);
	}
	if (ret < 0) {
		drop_buffer(device);
		return ret;
	}
	copy_rows(buffer, image->format, box, data, stride);
	return 0;
}
