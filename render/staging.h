/**
 * The staging ring: memory through which pixels travel from the CPU to images.
 */
#ifndef SBX_RENDER_STAGING_H
#define SBX_RENDER_STAGING_H

#include <stddef.h>
#include <stdint.h>
#include <volk.h>

struct sbx_device;

/** The ring grows by doubling between these; what is larger gets a buffer of its own. */
#define SBX_STAGING_MIN_SIZE (1u << 20)
#define SBX_STAGING_MAX_SIZE (64u << 20)

/** A piece of staging memory, valid until the upload batch that it was taken for is complete. */
struct sbx_staging_piece {
	VkBuffer buffer;
	VkDeviceSize offset;
	void *data;
};

int sbx_staging_create(struct sbx_device *device);
void sbx_staging_destroy(struct sbx_device *device);

/**
 * Take `size` bytes at a multiple of `alignment`, to be read by the device's upload batch. If the ring
 * is full at its largest size, what is recorded is sent and the GPU waited for (bounded). Returns 0 or
 * -ENOMEM, -ETIME, -ENODEV.
 */
int sbx_staging_take(struct sbx_device *device, size_t size, size_t alignment,
	struct sbx_staging_piece *piece);

/** The size of the ring now: for tests and reports. */
size_t sbx_staging_size(const struct sbx_device *device);

#endif
