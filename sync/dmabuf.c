#include <errno.h>
#include "sync/dmabuf.h"
#include "sync/kernel.h"
#include "sync/uapi.h"

int sbx_dmabuf_export_sync_file(int dmabuf_fd, bool write, int *sync_file) {
	*sync_file = -1;
	struct dma_buf_export_sync_file arg = {
		.flags = write ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ,
		.fd = -1,
	};
	int ret = sbx_kernel_ioctl(SBX_COUNT_IOCTL_DMABUF_EXPORT, dmabuf_fd,
		DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg);
	if (ret < 0) {
		return ret == -ENOTTY ? -ENOTSUP : ret;
	}
	*sync_file = arg.fd;
	return 0;
}

int sbx_dmabuf_import_sync_file(int dmabuf_fd, bool write, int sync_file) {
	if (sync_file < 0) {
		return 0;
	}
	struct dma_buf_import_sync_file arg = {
		.flags = write ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ,
		.fd = sync_file,
	};
	int ret = sbx_kernel_ioctl(SBX_COUNT_IOCTL_DMABUF_IMPORT, dmabuf_fd,
		DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg);
	return ret == -ENOTTY ? -ENOTSUP : ret;
}
