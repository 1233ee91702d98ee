/**
 * Memory for what the shader reads of a frame: parts, layers, records. Written by the CPU, used again
 * once the GPU is past the frame; it grows to what the largest frame needed and then stays.
 */
#ifndef SBX_RENDER_FRAMEDATA_H
#define SBX_RENDER_FRAMEDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <volk.h>

struct sbx_buffer;
struct sbx_descriptors;
struct sbx_device;

#define SBX_FRAMEDATA_BLOCKS 32

struct sbx_framedata_block {
	struct sbx_buffer *buffer;
	VkDescriptorSet set;
	size_t used;
	/** Holds data of the frame that is being recorded. */
	bool in_frame;
};

struct sbx_framedata {
	struct sbx_device *device;
	struct sbx_descriptors *descriptors;
	struct sbx_framedata_block blocks[SBX_FRAMEDATA_BLOCKS];
};

struct sbx_framedata_slice {
	/** Write here, once, from front to back: it may be write-combined memory. */
	void *data;
	/** Where that is in `buffer`, in bytes; a multiple of 16. */
	uint32_t offset;
	VkBuffer buffer;
	/** The shader reads the buffer through this. */
	VkDescriptorSet set;
};

void sbx_framedata_init(struct sbx_framedata *data, struct sbx_device *device,
	struct sbx_descriptors *descriptors);
/** The GPU must be past all frames. */
void sbx_framedata_finish(struct sbx_framedata *data);

/** Room of `size` bytes for the current frame. 0, -ENOMEM, -ENODEV, -ETIME (the GPU hangs). */
int sbx_framedata_allocate(struct sbx_framedata *data, size_t size,
	struct sbx_framedata_slice *slice);

/** The frame is on its way as submission `value`, 0: it was dropped. */
void sbx_framedata_end_frame(struct sbx_framedata *data, uint64_t value);

#endif
