#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include "render/array.h"
#include "render/batch.h"
#include "render/buffer.h"
#include "render/device.h"
#include "render/staging.h"
#include "trace/log.h"

/* How long a full ring waits for the GPU. */
#define FULL_TIMEOUT_NS 1000000000ull

/* Everything up to `end` is read by submissions up to `value`. */
struct mark {
	uint64_t value, end;
};

/*
 * head and tail only ever grow; a place is their remainder by the size, which is a power of two. What
 * lies between tail and head is in use.
 */
struct sbx_staging {
	struct sbx_buffer *buffer;
	uint64_t head, tail;
	/* Oldest first, one for each submission. */
	struct mark *marks;
	size_t n_marks, marks_capacity;
};

int sbx_staging_create(struct sbx_device *device) {
	device->staging = calloc(1, sizeof(*device->staging));
	return device->staging != NULL ? 0 : -ENOMEM;
}

void sbx_staging_destroy(struct sbx_device *device) {
	struct sbx_staging *ring = device->staging;
	if (ring == NULL) {
		return;
	}
	if (ring->buffer != NULL) {
		ring->buffer->last_use = 0;
		sbx_buffer_destroy(ring->buffer);
	}
	free(ring->marks);
	free(ring);
	device->staging = NULL;
}

size_t sbx_staging_size(const struct sbx_device *device) {
	return device->staging->buffer != NULL ? device->staging->buffer->size : 0;
}

/* The upload batch that is being recorded goes with the next submission. */
static uint64_t upload_value(const struct sbx_device *device) {
	return device->submitted + 1;
}

static void reclaim(struct sbx_device *device) {
	struct sbx_staging *ring = device->staging;
	size_t done = 0;
	sbx_device_poll(device);
	while (done < ring->n_marks && ring->marks[done].value <= device->completed) {
		ring->tail = ring->marks[done++].end;
	}
	ring->n_marks -= done;
	if (ring->n_marks == 0) {
		ring->head = ring->tail = 0;
	}
	for (size_t i = 0; i < ring->n_marks; i++) {
		ring->marks[i] = ring->marks[i + done];
	}
}

static bool mark(struct sbx_device *device, uint64_t end) {
	struct sbx_staging *ring = device->staging;
	uint64_t value = upload_value(device);
	if (ring->n_marks > 0 && ring->marks[ring->n_marks - 1].value == value) {
		ring->marks[ring->n_marks - 1].end = end;
		return true;
	}
	if (!sbx_array_reserve(&ring->marks, &ring->marks_capacity, ring->n_marks,
			sizeof(*ring->marks))) {
		return false;
	}
	ring->marks[ring->n_marks++] = (struct mark){ .value = value, .end = end };
	return true;
}

/* Where `size` bytes would begin: not across the end of the buffer. */
static uint64_t place(const struct sbx_staging *ring, size_t size, size_t alignment) {
	uint64_t start = ring->head;
	uint64_t offset = start % ring->buffer->size;
	uint64_t aligned = (offset + alignment - 1) / alignment * alignment;
	if (aligned + size > ring->buffer->size) {
		return start - offset + ring->buffer->size;
	}
	return start - offset + aligned;
}

static bool take_from_ring(struct sbx_device *device, size_t size, size_t alignment,
		struct sbx_staging_piece *piece) {
	struct sbx_staging *ring = device->staging;
	if (ring->buffer == NULL || size > ring->buffer->size) {
		return false;
	}
	uint64_t start = place(ring, size, alignment);
	if (start + size - ring->tail > ring->buffer->size || !mark(device, start + size)) {
		return false;
	}
	ring->head = start + size;
	piece->buffer = ring->buffer->handle;
	piece->offset = start % ring->buffer->size;
	piece->data = (char *)ring->buffer->data + piece->offset;
	return true;
}

static size_t grown_size(const struct sbx_staging *ring, size_t size) {
	size_t grown = ring->buffer != NULL ? ring->buffer->size * 2 : SBX_STAGING_MIN_SIZE;
	while (grown < size) {
		grown *= 2;
	}
	return grown;
}

/* The old buffer lives until what was recorded with it is done. */
static int grow(struct sbx_device *device, size_t grown) {
	struct sbx_staging *ring = device->staging;
	struct sbx_buffer *buffer = sbx_buffer_create(device, grown, VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
		SBX_BUFFER_UPLOAD, "staging ring");
	if (buffer == NULL) {
		return -ENOMEM;
	}
	if (ring->buffer != NULL) {
		ring->buffer->last_use = upload_value(device);
		sbx_buffer_destroy(ring->buffer);
	}
	ring->buffer = buffer;
	ring->head = ring->tail = 0;
	ring->n_marks = 0;
	return 0;
}

static int take_own_buffer(struct sbx_device *device, size_t size,
		struct sbx_staging_piece *piece) {
	struct sbx_buffer *buffer = sbx_buffer_create(device, size, VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
		SBX_BUFFER_UPLOAD, "large upload");
	if (buffer == NULL) {
		return -ENOMEM;
	}
	*piece = (struct sbx_staging_piece){ .buffer = buffer->handle, .data = buffer->data };
	buffer->last_use = upload_value(device);
	sbx_buffer_destroy(buffer);
	return 0;
}

static int wait_for_room(struct sbx_device *device) {
	int ret = sbx_batch_submit_uploads(device);
	if (ret == 0) {
		ret = sbx_device_wait(device, device->submitted, FULL_TIMEOUT_NS);
	}
	if (ret == -ETIME) {
		sbx_log_error("render: the GPU does not take %u MiB of textures",
			SBX_STAGING_MAX_SIZE >> 20);
	}
	return ret;
}

int sbx_staging_take(struct sbx_device *device, size_t size, size_t alignment,
		struct sbx_staging_piece *piece) {
	if (size > SBX_STAGING_MAX_SIZE) {
		return take_own_buffer(device, size, piece);
	}
	reclaim(device);
	if (take_from_ring(device, size, alignment, piece)) {
		return 0;
	}
	size_t grown = grown_size(device->staging, size);
	int ret = grown <= SBX_STAGING_MAX_SIZE ? grow(device, grown) : wait_for_room(device);
	if (ret < 0) {
		return ret;
	}
	reclaim(device);
	return take_from_ring(device, size, alignment, piece) ? 0 : -ENOMEM;
}
