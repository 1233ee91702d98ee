#include <errno.h>
#include <stdlib.h>
#include "sync/fd.h"
#include "sync/syncobj_priv.h"
#include "sync/timeline.h"

struct sbx_timeline {
	struct sbx_sync *sync;
	uint32_t handle;
};

static struct sbx_timeline *allocate(struct sbx_sync *sync) {
	struct sbx_timeline *timeline = calloc(1, sizeof(*timeline));
	if (timeline != NULL) {
		timeline->sync = sync;
	}
	return timeline;
}

int sbx_timeline_create(struct sbx_sync *sync, struct sbx_timeline **out) {
	*out = NULL;
	struct sbx_timeline *timeline = allocate(sync);
	int ret = timeline != NULL ? sbx_sync_create_handle(sync, &timeline->handle) : -ENOMEM;
	if (ret < 0) {
		sbx_timeline_destroy(timeline);
		return ret;
	}
	*out = timeline;
	return 0;
}

int sbx_timeline_import(struct sbx_sync *sync, int *syncobj_fd, struct sbx_timeline **out) {
	*out = NULL;
	struct sbx_timeline *timeline = allocate(sync);
	if (timeline == NULL) {
		return -ENOMEM;
	}
	struct sbx_uapi_syncobj_handle arg = { .fd = *syncobj_fd };
	int ret = sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_FD_TO_HANDLE, SBX_UAPI_FD_TO_HANDLE, &arg);
	if (ret < 0) {
		sbx_timeline_destroy(timeline);
		return ret;
	}
	sbx_count(SBX_COUNT_HANDLES, 1);
	timeline->handle = arg.handle;
	sbx_fd_close(syncobj_fd);
	*out = timeline;
	return 0;
}

int sbx_timeline_export(const struct sbx_timeline *timeline, int *syncobj_fd) {
	*syncobj_fd = -1;
	struct sbx_uapi_syncobj_handle arg = { .handle = timeline->handle, .fd = -1 };
	int ret = sbx_sync_ioctl(timeline->sync, SBX_COUNT_IOCTL_SYNCOBJ_HANDLE_TO_FD,
		SBX_UAPI_HANDLE_TO_FD, &arg);
	if (ret == 0) {
		*syncobj_fd = arg.fd;
	}
	return ret;
}

void sbx_timeline_destroy(struct sbx_timeline *timeline) {
	if (timeline == NULL) {
		return;
	}
	sbx_sync_destroy_handle(timeline->sync, timeline->handle);
	free(timeline);
}

struct sbx_point sbx_timeline_point(const struct sbx_timeline *timeline, uint64_t value) {
	return (struct sbx_point){ timeline->handle, value };
}
