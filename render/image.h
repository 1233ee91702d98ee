/**
 * Images: a client's dma-buf, a texture filled from shared memory, a target.
 *
 * Every image is used in VK_IMAGE_LAYOUT_GENERAL, for sampling, storing and copying alike: one layout
 * means no transition between two uses, a batch needs one memory barrier for all images of our own,
 * and dma-bufs are handed over in GENERAL anyway. (VK_KHR_unified_image_layouts says it costs nothing
 * on current hardware.)
 */
#ifndef SBX_RENDER_IMAGE_H
#define SBX_RENDER_IMAGE_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>
#include <volk.h>

struct sbx_device;
struct sbx_format;
struct sbx_batch;

#define SBX_DMABUF_MAX_PLANES 4
#define SBX_IMAGE_MAX_PLANES 3

/** A dma-buf as a client or an allocator describes it. The fds are lent. */
struct sbx_dmabuf {
	uint32_t width, height;
	uint32_t format; /* DRM fourcc */
	uint64_t modifier; /* explicit, never DRM_FORMAT_MOD_INVALID */
	uint32_t planes;
	uint32_t offset[SBX_DMABUF_MAX_PLANES];
	uint32_t stride[SBX_DMABUF_MAX_PLANES];
	int fd[SBX_DMABUF_MAX_PLANES];
};

struct sbx_image {
	struct sbx_device *device;
	/** As the device has it (sbx_format_on_device()). */
	const struct sbx_format *format;
	uint32_t width, height;
	/**
	 * YCbCr: what is sampled, one image for each plane (render/ycbcr.h), owned by this one. Either they
	 * are views of this one's handle, which is what batches know, or this one has no handle.
	 */
	struct sbx_image *planes[SBX_IMAGE_MAX_PLANES];
	uint32_t n_planes;
	VkImage handle;
	VkDeviceMemory memory[SBX_DMABUF_MAX_PLANES];
	uint32_t memory_count;
	/** To sample from (swizzled so that it reads as RGBA), and to store to (null: not a target). */
	VkImageView sample_view, store_view;
	/** What it was created for, e.g. VK_IMAGE_USAGE_TRANSFER_SRC_BIT where the format can. */
	VkImageUsageFlags usage;
	/** GENERAL, or UNDEFINED for an image that we made before its first use. */
	VkImageLayout layout;
	/** Shared with others: between our uses it belongs to VK_QUEUE_FAMILY_FOREIGN_EXT. */
	bool foreign;
	/** Shared as an opaque fd: then to VK_QUEUE_FAMILY_EXTERNAL, which is this driver elsewhere. */
	bool opaque;
	/** Where the composer's descriptor array holds the views; -1: not yet. Owned by the composer. */
	int sample_slot, store_slot;
	/** The last submission that uses it; destruction waits for it. */
	uint64_t last_use;
	/** The batch (by serial number) whose list of images it is in, and the one that uploads to it. */
	uint64_t batch_serial, upload_serial;
	/** Set by the composer: forget the slots. Called once, when the image is really destroyed. */
	void (*released)(struct sbx_image *image, void *data);
	void *released_data;
};

/**
 * An image of our own, undefined content, optimal tiling. `uses`: enum sbx_format_use bits. One of a
 * YCbCr format is written to plane by plane: sbx_image_write(image->planes[i], ...).
 * Returns NULL on failure (logged).
 */
struct sbx_image *sbx_image_create(struct sbx_device *device, const struct sbx_format *format,
	uint32_t width, uint32_t height, uint32_t uses);

/**
 * Import a dma-buf. The fds are lent: Vulkan gets duplicates, which it owns only if the import
 * succeeds. Everything a client controls is checked first, in numbers: format, modifier, plane count,
 * size (zero, larger than the device takes), offset and stride against the buffer's real size
 * (lseek), and that each fd is a dma-buf. Planes may lie in one dma-buf or in several.
 *
 * Returns 0 and *image, or -EINVAL (the buffer's description is wrong), -ENOTSUP (the device cannot
 * take this format or modifier, or have this memory: mapping.h), -EBADF, -ENOMEM, -EMFILE, -ENODEV; one line
 * is logged.
 */
int sbx_image_import_dmabuf(struct sbx_device *device, const struct sbx_dmabuf *dmabuf,
	uint32_t uses, struct sbx_image **image);

/**
 * An image that other processes with the same driver and GPU can have, by VK_KHR_external_memory_fd's opaque
 * fds: no layout to agree on, no DRM. It must be used here, as a target say, before others import it.
 * Who may use it when is for the two sides to agree, by semaphores.
 *
 * 0 and *image, or -EINVAL (size), -ENOTSUP (this device, format or use; YCbCr), -ENOMEM, -ENODEV.
 */
int sbx_image_create_opaque(struct sbx_device *device, const struct sbx_format *format,
	uint32_t width, uint32_t height, uint32_t uses, struct sbx_image **image);

/** Its memory as an fd, the caller's. Each call makes one. -EINVAL: not such an image. */
int sbx_image_export_opaque(struct sbx_image *image, int *fd);

/**
 * The other side of the two above; format, size and uses must be the same there. *fd is consumed on
 * success. The driver has to believe what it is told: this is for fds from one's own programs, never from
 * clients. Errors as above, -EBADF (fd -1), and what the driver says of an fd that is something else.
 */
int sbx_image_import_opaque(struct sbx_device *device, const struct sbx_format *format,
	uint32_t width, uint32_t height, uint32_t uses, int *fd, struct sbx_image **image);

/**
 * Destroy it once the GPU is past image->last_use. NULL is allowed.
 */
void sbx_image_destroy(struct sbx_image *image);

/**
 * Copy pixels into an image of our own, where `damage` (NULL: everywhere) says, through the device's
 * staging ring. The copy is recorded into the device's upload batch, which goes to the queue before
 * the next sbx_batch_submit(). `data` is the pixel at 0,0, `stride` in bytes, in the image's format;
 * it is not needed after the call. 0 or a negative errno (the texture then keeps its old content).
 */
int sbx_image_write(struct sbx_image *image, const void *data, uint32_t stride,
	const pixman_region32_t *damage);

/**
 * Read pixels back: waits for the GPU, at most `timeout_ns`. `box` in pixels of the image, `format` of
 * the same layout as the image's (the same bytes per pixel; wlr/ converts otherwise), `data` at the
 * first pixel of the box. `acquire_fd` (-1: none) is a sync_file to wait for first, lent.
 * 0, -ETIME, -ENODEV, -EINVAL.
 */
int sbx_image_read(struct sbx_image *image, const pixman_box32_t *box, void *data, uint32_t stride,
	int acquire_fd, uint64_t timeout_ns);

#endif
