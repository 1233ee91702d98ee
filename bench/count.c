#include "count.h"
#include <dirent.h>
#include <libdrm/drm.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_uint_fast64_t counts_now[BENCH_KINDS];
static _Thread_local bool thread_muted;

static const char *const kind_names[BENCH_KINDS] = {
	[BENCH_SYNCOBJ_CREATE] = "syncobj create",
	[BENCH_SYNCOBJ_DESTROY] = "syncobj destroy",
	[BENCH_SYNCOBJ_EXPORT] = "syncobj to fd",
	[BENCH_SYNCOBJ_IMPORT] = "fd to syncobj",
	[BENCH_SYNCOBJ_TRANSFER] = "transfer",
	[BENCH_SYNCOBJ_QUERY] = "query",
	[BENCH_SYNCOBJ_SIGNAL] = "signal",
	[BENCH_SYNCOBJ_WAIT] = "wait",
	[BENCH_SYNCOBJ_EVENTFD] = "eventfd",
	[BENCH_SYNC_FILE] = "sync_file",
	[BENCH_DMABUF_FENCE] = "dma-buf fence",
	[BENCH_DMABUF_SYNC] = "dma-buf cpu",
	[BENCH_DRM_OTHER] = "other drm",
	[BENCH_OTHER] = "other",
};

const char *bench_kind_name(enum bench_kind kind) {
	return kind_names[kind];
}

static enum bench_kind drm_kind(unsigned int number) {
	switch (number) {
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_CREATE):
		return BENCH_SYNCOBJ_CREATE;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_DESTROY):
		return BENCH_SYNCOBJ_DESTROY;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD):
		return BENCH_SYNCOBJ_EXPORT;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE):
		return BENCH_SYNCOBJ_IMPORT;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_TRANSFER):
		return BENCH_SYNCOBJ_TRANSFER;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_QUERY):
		return BENCH_SYNCOBJ_QUERY;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_RESET):
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_SIGNAL):
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL):
		return BENCH_SYNCOBJ_SIGNAL;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_WAIT):
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT):
		return BENCH_SYNCOBJ_WAIT;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_EVENTFD):
		return BENCH_SYNCOBJ_EVENTFD;
	default:
		return BENCH_DRM_OTHER;
	}
}

static enum bench_kind request_kind(unsigned long request) {
	switch (_IOC_TYPE(request)) {
	case DRM_IOCTL_BASE:
		return drm_kind(_IOC_NR(request));
	case SYNC_IOC_MAGIC:
		return BENCH_SYNC_FILE;
	case DMA_BUF_BASE:
		return _IOC_NR(request) == _IOC_NR(DMA_BUF_IOCTL_SYNC) ?
			BENCH_DMABUF_SYNC : BENCH_DMABUF_FENCE;
	default:
		return BENCH_OTHER;
	}
}

__attribute__((visibility("default")))
int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);

	if (!thread_muted) {
		atomic_fetch_add_explicit(&counts_now[request_kind(request)], 1, memory_order_relaxed);
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

void bench_count_mute(bool muted) {
	thread_muted = muted;
}

void bench_count_reset(void) {
	for (size_t i = 0; i < BENCH_KINDS; i++) {
		atomic_store(&counts_now[i], 0);
	}
}

void bench_count_read(uint64_t counts[static BENCH_KINDS]) {
	for (size_t i = 0; i < BENCH_KINDS; i++) {
		counts[i] = atomic_load(&counts_now[i]);
	}
}

int bench_count_fds(void) {
	DIR *dir = opendir("/proc/self/fd");
	if (dir == NULL) {
		return -1;
	}
	int count = 0;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		count += entry->d_name[0] != '.';
	}
	closedir(dir);
	return count - 1; // the directory itself
}

static atomic_int_fast64_t device_bytes;
static atomic_bool device_watched;

__attribute__((visibility("default")))
void bench_count_device_memory(int64_t bytes) {
	atomic_fetch_add(&device_bytes, bytes);
	atomic_store(&device_watched, true);
}

int64_t bench_count_device_bytes(void) {
	return atomic_load(&device_watched) ? atomic_load(&device_bytes) : -1;
}
