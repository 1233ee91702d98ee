#include <errno.h>
#include "render/image.h"
#include "trace/log.h"

int sbx_image_import_dmabuf(struct sbx_device *device, const struct sbx_dmabuf *dmabuf,
		uint32_t uses, struct sbx_image **image) {
	return -ENOTSUP;
}
