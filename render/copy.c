#include <errno.h>
#include "render/array.h"
#include "render/batch.h"
#include "render/device.h"
#include "render/format.h"
#include "render/frame.h"
#include "render/image.h"
#include "trace/counter.h"

static bool same_channels(const VkComponentMapping *a, const VkComponentMapping *b) {
	return a->r == b->r && a->g == b->g && a->b == b->b;
}

/*
 * A CPU copies rows 20 times as fast as it runs a shader over them; a GPU does not (a 4K copy on an
 * H200: 598 us, a dispatch: 84 us).
 */
bool sbx_copy_is_possible(const struct sbx_frame *frame, const struct sbx_record *record,
		const struct sbx_image *texture) {
	const struct sbx_image *target = frame->target;
	uint32_t needed = SBX_RECORD_PLAIN | SBX_RECORD_REPLACE;
	if (!frame->composer->device->caps.software || !(record->flags & SBX_RECORD_REPLACE) ||
			!(target->usage & VK_IMAGE_USAGE_TRANSFER_DST_BIT) || frame->grade != NULL ||
			(record->flags & (SBX_RECORD_CONVERT | SBX_RECORD_DEEP))) {
		return false;
	}
	if (texture == NULL) {
		return sbx_fill_is_possible(frame);
	}
	if ((record->flags & (needed | SBX_RECORD_ALPHA)) != needed) {
		return false;
	}
	return texture->format->vk == target->format->vk &&
		same_channels(&texture->format->swizzle, &target->format->swizzle) &&
		// What is in the X of XRGB is not an alpha of one.
		(texture->format->has_alpha || !target->format->has_alpha) &&
		(texture->usage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT);
}

struct sbx_layer *sbx_copy_layer(struct sbx_frame *frame, const struct sbx_plan *plan,
		const struct sbx_part *part) {
	if (part->n_layers != 1) {
		return NULL;
	}
	uint32_t index = frame->composer->partition.layers[part->first_layer];
	struct sbx_layer *layer = &frame->layers[plan->first_layer + index];
	return layer->copyable ? layer : NULL;
}

void sbx_copy_count(struct sbx_layer *layer, const struct sbx_part *part) {
	uint64_t pixels = (uint64_t)(part->x2 - part->x1) * (uint64_t)(part->y2 - part->y1);
	layer->n_copies++;
	if (pixels > layer->fill_pixels) {
		layer->fill_pixels = pixels < UINT32_MAX ? (uint32_t)pixels : UINT32_MAX;
	}
}

static VkImageCopy copy_region(const struct sbx_part *part, const struct sbx_record *record) {
	const VkImageSubresourceLayers all = {
		.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1,
	};
	return (VkImageCopy){
		.srcSubresource = all,
		.srcOffset = { part->x1 + record->offset[0], part->y1 + record->offset[1], 0 },
		.dstSubresource = all,
		.dstOffset = { part->x1, part->y1, 0 },
		.extent = { (uint32_t)(part->x2 - part->x1), (uint32_t)(part->y2 - part->y1), 1 },
	};
}

/** Give each layer its place among the regions; n_copies then counts up again as they are filled in. */
static void reserve_places(struct sbx_frame *frame, const struct sbx_plan *plan) {
	uint32_t first = 0;
	for (size_t i = 0; i < plan->n_layers; i++) {
		struct sbx_layer *layer = &frame->layers[plan->first_layer + i];
		layer->first_copy = first;
		if (layer->texture != NULL) {
			first += layer->n_copies;
			layer->n_copies = 0;
		}
	}
}

static void fill_regions(struct sbx_frame *frame, const struct sbx_plan *plan) {
	const struct sbx_partition *partition = &frame->composer->partition;
	for (size_t i = 0; i < partition->n_parts; i++) {
		struct sbx_layer *layer = sbx_copy_layer(frame, plan, &partition->parts[i]);
		if (layer != NULL && layer->texture != NULL) {
			frame->composer->copies[layer->first_copy + layer->n_copies++] = copy_region(
				&partition->parts[i], &frame->records[layer - frame->layers]);
		}
	}
}

int sbx_copy_record(struct sbx_frame *frame, const struct sbx_plan *plan) {
	struct sbx_composer *composer = frame->composer;
	if (plan->n_copied == 0) {
		return 0;
	}
	if (!sbx_array_grow(&composer->copies, &composer->copies_capacity, plan->n_copied,
			sizeof(composer->copies[0]))) {
		return -ENOMEM;
	}
	reserve_places(frame, plan);
	fill_regions(frame, plan);
	VkCommandBuffer commands = sbx_batch_commands(frame->batch);
	for (size_t i = 0; i < plan->n_layers; i++) {
		const struct sbx_layer *layer = &frame->layers[plan->first_layer + i];
		if (layer->texture != NULL && layer->n_copies > 0) {
			composer->device->vk.vkCmdCopyImage(commands, layer->texture->handle,
				VK_IMAGE_LAYOUT_GENERAL, frame->target->handle, VK_IMAGE_LAYOUT_GENERAL,
				layer->n_copies, &composer->copies[layer->first_copy]);
		}
	}
	int ret = sbx_fill_record(frame, plan);
	if (ret == 0 && plan->n_dispatched > 0) {
		sbx_batch_order(frame->batch);
	}
	sbx_count(SBX_COUNT_COPIED_PARTS, plan->n_copied);
	return ret;
}
