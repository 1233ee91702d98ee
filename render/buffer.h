/**
 * A buffer that the CPU sees too, mapped for its whole life.
 */
#ifndef SBX_RENDER_BUFFER_H
#define SBX_RENDER_BUFFER_H

#include <stdint.h>
#include <volk.h>

struct sbx_device;

struct sbx_buffer {
	struct sbx_device *device;
	VkBuffer handle;
	VkDeviceMemory memory;
	VkDeviceSize size;
	void *data;
	/** The last submission that uses it; sbx_buffer_destroy() waits for it. Set by the user. */
	uint64_t last_use;
};

enum sbx_buffer_access {
	/** The CPU writes, the GPU reads: write-combined memory is fine. */
	SBX_BUFFER_UPLOAD,
	/** The same, and many GPU threads read the same few bytes: memory of the GPU, if the CPU sees it. */
	SBX_BUFFER_UPLOAD_SHARED,
	/** The GPU writes, the CPU reads: cached memory where there is any. */
	SBX_BUFFER_READBACK,
};

/**
 * Host-coherent memory: no flushes are needed. `name` is for validation messages. NULL: out of memory
 * (logged).
 */
struct sbx_buffer *sbx_buffer_create(struct sbx_device *device, VkDeviceSize size,
	VkBufferUsageFlags usage, enum sbx_buffer_access access, const char *name);

/** Destroy it once the GPU is past buffer->last_use. NULL is allowed. */
void sbx_buffer_destroy(struct sbx_buffer *buffer);

#endif
