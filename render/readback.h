/**
 * The buffer through which pixels are read back; sbx_image_read() itself is in image.h.
 */
#ifndef SBX_RENDER_READBACK_H
#define SBX_RENDER_READBACK_H

struct sbx_device;

int sbx_readback_create(struct sbx_device *device);
void sbx_readback_destroy(struct sbx_device *device);

#endif
