#include "render/framedata.h"

#include <errno.h>
#include "render/buffer.h"
#include "render/descriptors.h"
#include "render/device.h"
#include "trace/log.h"

#define MIN_BLOCK_SIZE (64 * 1024)
/** What Vulkan guarantees for maxStorageBufferRange. */
#define MAX_BLOCK_SIZE (128 * 1024 * 1024)
#define ALIGNMENT 16
#define WAIT_TIMEOUT_NS 1000000000ull

void sbx_framedata_init(struct sbx_framedata *data, struct sbx_device *device,
		struct sbx_descriptors *descriptors) {
	*data = (struct sbx_framedata){ .device = device, .descriptors = descriptors };
}

void sbx_framedata_finish(struct sbx_framedata *data) {
	for (size_t i = 0; i < SBX_FRAMEDATA_BLOCKS; i++) {
		sbx_buffer_destroy(data->blocks[i].buffer);
	}
	*data = (struct sbx_framedata){0};
}

static bool has_room(const struct sbx_framedata_block *block, size_t size) {
	return block->buffer != NULL && block->buffer->size - block->used >= size;
}

static bool is_free(const struct sbx_framedata *data, const struct sbx_framedata_block *block) {
	return !block->in_frame && (block->buffer == NULL ||
		block->buffer->last_use <= data->device->completed);
}

/** A block that already holds data of this frame and has room, or a free one: the largest there is. */
static struct sbx_framedata_block *find_block(struct sbx_framedata *data, size_t size) {
	struct sbx_framedata_block *found = NULL;
	for (size_t i = 0; i < SBX_FRAMEDATA_BLOCKS; i++) {
		struct sbx_framedata_block *block = &data->blocks[i];
		if (block->in_frame && has_room(block, size)) {
			return block;
		}
		if (is_free(data, block) && (found == NULL || (block->buffer != NULL &&
				(found->buffer == NULL || block->buffer->size > found->buffer->size)))) {
			found = block;
		}
	}
	return found;
}

static int wait_for_oldest(struct sbx_framedata *data) {
	uint64_t oldest = UINT64_MAX;
	for (size_t i = 0; i < SBX_FRAMEDATA_BLOCKS; i++) {
		const struct sbx_framedata_block *block = &data->blocks[i];
		if (!block->in_frame && block->buffer->last_use < oldest) {
			oldest = block->buffer->last_use;
		}
	}
	// All of them are in one frame: it is larger than anything we draw.
	return oldest == UINT64_MAX ? -ENOMEM :
		sbx_device_wait(data->device, oldest, WAIT_TIMEOUT_NS);
}

/** Each further block of a frame is larger than the ones before, so that 32 are enough for any. */
static size_t block_size(const struct sbx_framedata *data, size_t need) {
	size_t size = MIN_BLOCK_SIZE;
	for (size_t i = 0; i < SBX_FRAMEDATA_BLOCKS; i++) {
		const struct sbx_framedata_block *block = &data->blocks[i];
		if (block->in_frame && size < 2 * block->buffer->size) {
			size = 2 * block->buffer->size;
		}
	}
	while (size < need) {
		size *= 2;
	}
	return size < MAX_BLOCK_SIZE ? size : MAX_BLOCK_SIZE;
}

static int replace_buffer(struct sbx_framedata *data, struct sbx_framedata_block *block, size_t need) {
	if (block->set == VK_NULL_HANDLE) {
		int ret = sbx_descriptors_allocate_data(data->descriptors, &block->set);
		if (ret < 0) {
			return ret;
		}
	}
	struct sbx_buffer *buffer = sbx_buffer_create(data->device, block_size(data, need),
		VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT, SBX_BUFFER_UPLOAD,
		"frame data");
	if (buffer == NULL) {
		return -ENOMEM;
	}
	sbx_buffer_destroy(block->buffer);
	block->buffer = buffer;
	sbx_descriptors_write_data(data->descriptors, block->set, buffer->handle);
	return 0;
}

static int begin_block(struct sbx_framedata *data, struct sbx_framedata_block *block, size_t need) {
	block->used = 0;
	if (!has_room(block, need)) {
		int ret = replace_buffer(data, block, need);
		if (ret < 0) {
			return ret;
		}
	}
	block->in_frame = true;
	return 0;
}

int sbx_framedata_allocate(struct sbx_framedata *data, size_t size,
		struct sbx_framedata_slice *slice) {
	if (size > MAX_BLOCK_SIZE) {
		return -ENOMEM;
	}
	struct sbx_framedata_block *block = find_block(data, size);
	if (block == NULL) {
		sbx_device_poll(data->device);
		block = find_block(data, size);
	}
	if (block == NULL) {
		int ret = wait_for_oldest(data);
		if (ret < 0) {
			return ret;
		}
		block = find_block(data, size);
	}
	if (block == NULL) {
		return -ENOMEM;
	}
	if (!block->in_frame) {
		int ret = begin_block(data, block, size);
		if (ret < 0) {
			return ret;
		}
	}
	slice->data = (char *)block->buffer->data + block->used;
	slice->offset = (uint32_t)block->used;
	slice->buffer = block->buffer->handle;
	slice->set = block->set;
	block->used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	return 0;
}

void sbx_framedata_end_frame(struct sbx_framedata *data, uint64_t value) {
	for (size_t i = 0; i < SBX_FRAMEDATA_BLOCKS; i++) {
		struct sbx_framedata_block *block = &data->blocks[i];
		if (block->in_frame) {
			block->in_frame = false;
			block->buffer->last_use = value != 0 ? value : block->buffer->last_use;
		}
	}
}
