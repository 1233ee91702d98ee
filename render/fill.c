#include <math.h>
#include "render/batch.h"
#include "render/device.h"
#include "render/format.h"
#include "render/frame.h"
#include "render/image.h"

/** Larger parts are filled in strips of so many pixels, so that the colour is written 64 KiB at most. */
#define MAX_PIXELS 16384
/** Regions in one command. */
#define MAX_REGIONS 64

bool sbx_fill_is_possible(const struct sbx_frame *frame) {
	VkFormat format = frame->target->format->vk;
	return (format == VK_FORMAT_B8G8R8A8_UNORM || format == VK_FORMAT_R8G8B8A8_UNORM) &&
		frame->target->width <= MAX_PIXELS;
}

static uint32_t pack_color(VkFormat format, const float *color) {
	bool bgr = format == VK_FORMAT_B8G8R8A8_UNORM;
	uint32_t word = 0;
	for (int c = 0; c < 4; c++) {
		int byte = bgr && c < 3 ? 2 - c : c;
		word |= (uint32_t)lrintf(color[c] * 255) << (8 * byte);
	}
	return word;
}

/**
 * As much of the colour as one strip of the layer's largest part needs. All layers together never need
 * more than the target has pixels.
 */
static int write_color(struct sbx_frame *frame, struct sbx_layer *layer) {
	const struct sbx_record *record = &frame->records[layer - frame->layers];
	uint32_t n = layer->fill_pixels < MAX_PIXELS ? layer->fill_pixels : MAX_PIXELS;
	struct sbx_framedata_slice slice;
	int ret = sbx_framedata_allocate(&frame->composer->data, n * sizeof(uint32_t), &slice);
	if (ret < 0) {
		return ret;
	}
	uint32_t word = pack_color(frame->target->format->vk, record->color);
	uint32_t *out = slice.data;
	for (uint32_t i = 0; i < n; i++) {
		out[i] = word;
	}
	layer->fill_buffer = slice.buffer;
	layer->fill_offset = slice.offset;
	return 0;
}

static void fill_part(struct sbx_frame *frame, const struct sbx_layer *layer,
		const struct sbx_part *part) {
	int32_t width = part->x2 - part->x1, rows = MAX_PIXELS / width;
	VkBufferImageCopy regions[MAX_REGIONS];
	uint32_t n = 0;
	for (int32_t y = part->y1; y < part->y2; y += rows) {
		int32_t height = part->y2 - y < rows ? part->y2 - y : rows;
		regions[n++] = (VkBufferImageCopy){
			.bufferOffset = layer->fill_offset,
			.imageSubresource = { .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1 },
			.imageOffset = { part->x1, y, 0 },
			.imageExtent = { (uint32_t)width, (uint32_t)height, 1 },
		};
		if (n == MAX_REGIONS || y + height == part->y2) {
			frame->composer->device->vk.vkCmdCopyBufferToImage(
				sbx_batch_commands(frame->batch), layer->fill_buffer, frame->target->handle,
				VK_IMAGE_LAYOUT_GENERAL, n, regions);
			n = 0;
		}
	}
}

int sbx_fill_record(struct sbx_frame *frame, const struct sbx_plan *plan) {
	const struct sbx_partition *partition = &frame->composer->partition;
	for (size_t i = 0; plan->n_filled > 0 && i < partition->n_parts; i++) {
		struct sbx_layer *layer = sbx_copy_layer(frame, plan, &partition->parts[i]);
		if (layer == NULL || layer->texture != NULL) {
			continue;
		}
		int ret = layer->fill_buffer == VK_NULL_HANDLE ? write_color(frame, layer) : 0;
		if (ret < 0) {
			return ret;
		}
		fill_part(frame, layer, &partition->parts[i]);
	}
	return 0;
}
