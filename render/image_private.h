/**
 * What image.c, import.c and mapping.c share.
 */
#ifndef SBX_RENDER_IMAGE_PRIVATE_H
#define SBX_RENDER_IMAGE_PRIVATE_H

#include "render/image.h"

/** An image without handle, memory and views; NULL: out of memory. `format` need not be the device's. */
struct sbx_image *sbx_image_alloc(struct sbx_device *device, const struct sbx_format *format,
	uint32_t width, uint32_t height);

/**
 * Make the views that `uses` needs and name everything. `swizzle`: instead of the format's own; NULL:
 * that. 0 or a negative errno.
 */
int sbx_image_create_views(struct sbx_image *image, uint32_t uses, const VkComponentMapping *swizzle);

/** Make a YCbCr image's planes views of its handle. 0 or a negative errno. */
int sbx_image_create_plane_views(struct sbx_image *image);

/**
 * Check a dma-buf's description as an import does, in numbers, without making anything and without a line in the
 * log. 0, *format and the bytes in each plane's buffer, or what sbx_image_import_dmabuf() would return.
 */
int sbx_dmabuf_check(struct sbx_device *device, const struct sbx_dmabuf *dmabuf, uint32_t uses,
	const struct sbx_format **format, uint64_t sizes[static SBX_DMABUF_MAX_PLANES]);

/** Destroy a half-built image at once: nothing was recorded with it. */
void sbx_image_abandon(struct sbx_image *image);

#endif
