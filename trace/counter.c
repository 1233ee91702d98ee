#include "trace/counter.h"

uint64_t sbx_counters[SBX_COUNT_MAX];

static const char *const names[SBX_COUNT_MAX] = {
	[SBX_COUNT_IOCTL_SYNCOBJ_CREATE] = "ioctl.syncobj_create",
	[SBX_COUNT_IOCTL_SYNCOBJ_DESTROY] = "ioctl.syncobj_destroy",
	[SBX_COUNT_IOCTL_SYNCOBJ_HANDLE_TO_FD] = "ioctl.syncobj_handle_to_fd",
	[SBX_COUNT_IOCTL_SYNCOBJ_FD_TO_HANDLE] = "ioctl.syncobj_fd_to_handle",
	[SBX_COUNT_IOCTL_SYNCOBJ_QUERY] = "ioctl.syncobj_query",
	[SBX_COUNT_IOCTL_SYNCOBJ_SIGNAL] = "ioctl.syncobj_signal",
	[SBX_COUNT_IOCTL_SYNCOBJ_RESET] = "ioctl.syncobj_reset",
	[SBX_COUNT_IOCTL_SYNCOBJ_TRANSFER] = "ioctl.syncobj_transfer",
	[SBX_COUNT_IOCTL_SYNCOBJ_WAIT] = "ioctl.syncobj_wait",
	[SBX_COUNT_IOCTL_SYNCOBJ_EVENTFD] = "ioctl.syncobj_eventfd",
	[SBX_COUNT_IOCTL_SYNC_FILE_MERGE] = "ioctl.sync_file_merge",
	[SBX_COUNT_IOCTL_SYNC_FILE_INFO] = "ioctl.sync_file_info",
	[SBX_COUNT_IOCTL_SYNC_FILE_DEADLINE] = "ioctl.sync_file_deadline",
	[SBX_COUNT_IOCTL_DMABUF_EXPORT] = "ioctl.dmabuf_export",
	[SBX_COUNT_IOCTL_DMABUF_IMPORT] = "ioctl.dmabuf_import",
	[SBX_COUNT_IOCTL_DMABUF_SYNC] = "ioctl.dmabuf_sync",
	[SBX_COUNT_IOCTL_OTHER] = "ioctl.other",
	[SBX_COUNT_REGISTRATIONS] = "registrations",
	[SBX_COUNT_REGISTERED] = "registered_waits",
	[SBX_COUNT_FDS] = "fds",
	[SBX_COUNT_HANDLES] = "handles",
	[SBX_COUNT_FRAMES] = "frames",
	[SBX_COUNT_PARTS] = "parts",
	[SBX_COUNT_COPIED_PARTS] = "copied_parts",
	[SBX_COUNT_SPLIT_FRAMES] = "split_frames",
	[SBX_COUNT_SEMAPHORE_IMPORTS] = "semaphore_imports",
	[SBX_COUNT_SEMAPHORE_EXPORTS] = "semaphore_exports",
	[SBX_COUNT_COPIES] = "copies",
	[SBX_COUNT_WAITS_LOST] = "waits_lost",
	[SBX_COUNT_LOANS] = "loans",
	[SBX_COUNT_COMMITS] = "commits",
	[SBX_COUNT_HELD] = "held",
	[SBX_COUNT_SUPERSEDED] = "superseded",
	[SBX_COUNT_FAILED] = "failed",
	[SBX_COUNT_FORCED] = "forced",
	[SBX_COUNT_STALLS] = "stalls",
};

const char *sbx_counter_name(enum sbx_counter counter) {
	return names[counter];
}

uint64_t sbx_counter_ioctls(void) {
	uint64_t sum = 0;
	for (int i = SBX_COUNT_IOCTL_SYNCOBJ_CREATE; i <= SBX_COUNT_IOCTL_OTHER; i++) {
		sum += sbx_counter_read(i);
	}
	return sum;
}
