/**
 * A dma-buf that the device cannot import, because its memory is another device's: if it is linear and its
 * driver lets the CPU see it, it is copied into an image of our own, and what was drawn into that is copied back.
 */
#ifndef SBX_RENDER_MAPPING_H
#define SBX_RENDER_MAPPING_H

#include <pixman.h>
#include <stdint.h>

struct sbx_device;
struct sbx_dmabuf;
struct sbx_format;
struct sbx_image;
struct sbx_mapping;

/**
 * Map the buffer. It is checked as sbx_image_import_dmabuf() does, without a line in the log: the import that
 * failed had one. Only what the device would import for `uses` (enum sbx_format_use bits) from linear memory of
 * its own is taken, so that what is announced to clients stays the same. The fds are lent, and duplicated.
 *
 * 0 and *mapping, or -ENOTSUP (not linear, or not for these uses), -EINVAL, -EBADF (the description is wrong),
 * -EMFILE, -ENOMEM, -ENODEV, or why the driver does not let the CPU see it.
 */
int sbx_mapping_create(struct sbx_device *device, const struct sbx_dmabuf *dmabuf, uint32_t uses,
	struct sbx_mapping **mapping);

/** NULL is allowed. */
void sbx_mapping_destroy(struct sbx_mapping *mapping);

/** As the device has it (sbx_format_on_device()). */
const struct sbx_format *sbx_mapping_get_format(const struct sbx_mapping *mapping);

/** An image that can take the content, for the same uses, undefined yet; the caller's. NULL on failure (logged). */
struct sbx_image *sbx_mapping_create_image(const struct sbx_mapping *mapping);

/**
 * Copy where `damage` (NULL: everywhere) says, as sbx_image_write() does. The buffer is read by the CPU, and
 * not needed any more when this returns.
 *
 * 0; -EAGAIN: somebody is writing to the buffer still, and sbx_mapping_get_busy_fd() says when that is over;
 * or another negative errno. Then nothing, or a part, was copied.
 */
int sbx_mapping_copy(struct sbx_mapping *mapping, struct sbx_image *image,
	const pixman_region32_t *damage);

/** After -EAGAIN: what to poll for POLLIN. Lent. */
int sbx_mapping_get_busy_fd(const struct sbx_mapping *mapping);

/**
 * Copy the image (of such a mapping with the use SBX_FORMAT_STORE) into the buffer. Waits for the GPU and for those
 * who read the buffer still, at most timeout_ns each. 0, -ETIME, -ENODEV, or another negative errno: then
 * the buffer is as it was, or a part of it was copied.
 */
int sbx_mapping_store(struct sbx_mapping *mapping, struct sbx_image *image, uint64_t timeout_ns);

#endif
