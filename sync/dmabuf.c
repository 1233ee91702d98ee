#include <errno.h>
#include <poll.h>
#include <stdint.h>
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

int sbx_dmabuf_map(int dmabuf_fd, size_t size, bool write, void **data) {
	return sbx_kernel_map(dmabuf_fd, size, write, data);
}

static int sync_access(int dmabuf_fd, uint64_t flags, bool write) {
	struct dma_buf_sync arg = { .flags = flags | (write ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ) };
	return sbx_kernel_ioctl(SBX_COUNT_IOCTL_DMABUF_SYNC, dmabuf_fd, DMA_BUF_IOCTL_SYNC, &arg);
}

int sbx_dmabuf_wait(int dmabuf_fd, bool write, int64_t timeout_ns) {
	if (dmabuf_fd < 0) {
		return -EBADF; // poll() would wait for nothing
	}
	struct pollfd pollfd = { .fd = dmabuf_fd, .events = write ? POLLOUT : POLLIN };
	int64_t end_ns = sbx_kernel_now_ns() + timeout_ns;
	int ret;
	do {
		int64_t left_ns = timeout_ns > 0 ? end_ns - sbx_kernel_now_ns() : 0;
		ret = sbx_kernel_poll(&pollfd, 1, left_ns > 0 ? left_ns : 0);
	} while (ret == -EINTR);
	return ret == 0 ? -ETIME : ret < 0 ? ret : (pollfd.revents & pollfd.events) == 0 ? -EBADF : 0;
}

/* DMA_BUF_SYNC_START waits for the fences, for as long as they take: so they are asked for first. */
int sbx_dmabuf_begin_access(int dmabuf_fd, bool write) {
	int ret = sbx_dmabuf_wait(dmabuf_fd, write, 0);
	return ret == -ETIME ? -EAGAIN : ret < 0 ? ret : sync_access(dmabuf_fd, DMA_BUF_SYNC_START, write);
}

int sbx_dmabuf_end_access(int dmabuf_fd, bool write) {
	return sync_access(dmabuf_fd, DMA_BUF_SYNC_END, write);
}
