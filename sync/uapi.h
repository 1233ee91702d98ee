/**
 * What this room needs of the kernel's interface and older headers lack. Each entry goes when the
 * headers we build against at the least have it.
 */
#ifndef SBX_SYNC_UAPI_H
#define SBX_SYNC_UAPI_H

#include <drm.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <stdint.h>
#include <sys/ioctl.h>

/*
 * struct drm_syncobj_handle of Linux 6.16, with the point. The size is part of an ioctl's number, but
 * DRM only looks at the index in it: older kernels take the longer struct and ignore its end.
 */
struct sbx_uapi_syncobj_handle {
	uint32_t handle;
	uint32_t flags;
	int32_t fd;
	uint32_t pad;
	uint64_t point;
};

#define SBX_UAPI_HANDLE_TO_FD DRM_IOWR(0xC1, struct sbx_uapi_syncobj_handle)
#define SBX_UAPI_FD_TO_HANDLE DRM_IOWR(0xC2, struct sbx_uapi_syncobj_handle)

/* The same bits in both directions. */
#define SBX_UAPI_HANDLE_SYNC_FILE (1 << 0)
#define SBX_UAPI_HANDLE_POINT (1 << 1)

/* Linux 6.7 */
#ifndef SYNC_IOC_SET_DEADLINE
struct sync_set_deadline {
	__u64 deadline_ns;
	__u64 pad;
};
#define SYNC_IOC_SET_DEADLINE _IOW(SYNC_IOC_MAGIC, 5, struct sync_set_deadline)
#endif

/* Linux 6.0 */
#ifndef DMA_BUF_IOCTL_EXPORT_SYNC_FILE
struct dma_buf_export_sync_file {
	__u32 flags;
	__s32 fd;
};
struct dma_buf_import_sync_file {
	__u32 flags;
	__s32 fd;
};
#define DMA_BUF_IOCTL_EXPORT_SYNC_FILE _IOWR(DMA_BUF_BASE, 2, struct dma_buf_export_sync_file)
#define DMA_BUF_IOCTL_IMPORT_SYNC_FILE _IOW(DMA_BUF_BASE, 3, struct dma_buf_import_sync_file)
#endif

#endif
