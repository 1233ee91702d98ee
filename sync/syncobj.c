#include <errno.h>
#include <stdlib.h>
#include "sync/fd.h"
#include "sync/point.h"
#include "sync/sync_file.h"
#include "sync/syncobj_priv.h"

/* More in one ioctl saves nothing, and the kernel allocates in proportion. */
enum { MIN_BATCH = 64, MAX_BATCH = 4096 };

static size_t allocate_batch(struct sbx_sync *sync, size_t capacity) {
	size_t bytes = capacity * (3 * sizeof(uint64_t) + sizeof(uint32_t));
	void *memory = malloc(bytes);
	if (memory == NULL) {
		return sync->capacity;
	}
	free(sync->memory);
	sync->memory = memory;
	sync->values = memory;
	sync->answers = sync->values + capacity;
	sync->origins = sync->answers + capacity;
	sync->handles = (uint32_t *)(sync->origins + capacity);
	sync->capacity = capacity;
	return capacity;
}

size_t sbx_sync_reserve(struct sbx_sync *sync, size_t wanted) {
	size_t capacity = sync->capacity;
	while (capacity < wanted && capacity < MAX_BATCH) {
		capacity *= 2;
	}
	if (capacity > sync->capacity) {
		capacity = allocate_batch(sync, capacity);
	}
	return wanted < capacity ? wanted : capacity;
}

int sbx_sync_create_handle(struct sbx_sync *sync, uint32_t *handle) {
	struct drm_syncobj_create arg = {0};
	int ret = sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_CREATE, DRM_IOCTL_SYNCOBJ_CREATE, &arg);
	if (ret < 0) {
		return ret;
	}
	sbx_count(SBX_COUNT_HANDLES, 1);
	*handle = arg.handle;
	return 0;
}

void sbx_sync_destroy_handle(struct sbx_sync *sync, uint32_t handle) {
	if (handle == 0) {
		return;
	}
	struct drm_syncobj_destroy arg = { .handle = handle };
	sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_DESTROY, DRM_IOCTL_SYNCOBJ_DESTROY, &arg);
	sbx_count(SBX_COUNT_HANDLES, -1);
}

static int get_cap(struct sbx_sync *sync, uint64_t capability, bool *value) {
	struct drm_get_cap arg = { .capability = capability };
	int ret = sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_OTHER, DRM_IOCTL_GET_CAP, &arg);
	*value = ret == 0 && arg.value != 0;
	return ret;
}

/* There is no syncobj 0: whoever gets as far as noticing it knows the ioctl. */
static bool probe_eventfd(struct sbx_sync *sync) {
	struct drm_syncobj_eventfd arg = { .fd = -1 };
	return sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_EVENTFD, DRM_IOCTL_SYNCOBJ_EVENTFD,
		&arg) == -ENOENT;
}

static bool probe_point_export(struct sbx_sync *sync, int *sync_file) {
	struct sbx_point point = { sync->scratch, 1 };
	if (sbx_points_signal(sync, &point, 1) < 0) {
		return false;
	}
	sync->caps.point_export = true;
	if (sbx_point_export_sync_file(sync, point, sync_file) == 0) {
		return true;
	}
	sync->caps.point_export = false;
	sbx_point_export_sync_file(sync, (struct sbx_point){ sync->scratch, 0 }, sync_file);
	return false;
}

/* Success is not enough: a kernel that ignores the flag replaces the whole syncobj's fence. */
static bool probe_point_import(struct sbx_sync *sync, int sync_file) {
	struct sbx_point point = { sync->scratch, 2 };
	sync->caps.point_import = true;
	return sync_file >= 0 && sbx_point_import_sync_file(sync, point, sync_file) == 0 &&
		sbx_sync_look(sync, &point.handle, &point.value, 1) == 0;
}

static void probe_points(struct sbx_sync *sync) {
	int sync_file = -1;
	sync->caps.point_export = probe_point_export(sync, &sync_file);
	sync->caps.point_import = probe_point_import(sync, sync_file);
	sync->caps.point_sync_file = sync->caps.point_export && sync->caps.point_import;
	sync->caps.deadline = sync_file >= 0 && sbx_fence_set_deadline(sync_file, 1) == 0;
	sbx_fd_close(&sync_file);
}

static int probe(struct sbx_sync *sync) {
	int ret = get_cap(sync, DRM_CAP_SYNCOBJ, &sync->caps.syncobj);
	if (ret < 0) {
		return ret == -ENOTTY || ret == -EINVAL ? -ENOTSUP : ret;
	}
	if (!sync->caps.syncobj) {
		return -ENOTSUP;
	}
	get_cap(sync, DRM_CAP_SYNCOBJ_TIMELINE, &sync->caps.timeline);
	ret = sbx_sync_create_handle(sync, &sync->scratch);
	if (ret < 0) {
		return ret;
	}
	if (sync->caps.timeline) {
		sync->caps.eventfd = probe_eventfd(sync);
		probe_points(sync);
	}
	return 0;
}

static void destroy(struct sbx_sync *sync) {
	sbx_sync_destroy_handle(sync, sync->scratch);
	pthread_mutex_destroy(&sync->lock);
	free(sync->memory);
	free(sync);
}

int sbx_sync_create(int *drm_fd, struct sbx_sync **out) {
	*out = NULL;
	struct sbx_sync *sync = calloc(1, sizeof(*sync));
	if (sync == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_init(&sync->lock, NULL);
	sync->drm_fd = *drm_fd;
	int ret = allocate_batch(sync, MIN_BATCH) == 0 ? -ENOMEM : probe(sync);
	if (ret < 0) {
		destroy(sync);
		return ret;
	}
	sbx_fd_steal(drm_fd);
	sbx_count(SBX_COUNT_FDS, 1);
	*out = sync;
	return 0;
}

void sbx_sync_destroy(struct sbx_sync *sync) {
	if (sync == NULL) {
		return;
	}
	int drm_fd = sync->drm_fd;
	destroy(sync);
	sbx_fd_close(&drm_fd);
	sbx_count(SBX_COUNT_FDS, -1);
}

int sbx_sync_get_drm_fd(const struct sbx_sync *sync) {
	return sync->drm_fd;
}

const struct sbx_sync_caps *sbx_sync_get_caps(const struct sbx_sync *sync) {
	return &sync->caps;
}

void sbx_sync_limit_caps(struct sbx_sync *sync, const struct sbx_sync_caps *caps) {
	sync->caps.timeline &= caps->timeline;
	sync->caps.eventfd &= caps->eventfd;
	sync->caps.point_export &= caps->point_export;
	sync->caps.point_import &= caps->point_import;
	sync->caps.point_sync_file = sync->caps.point_export && sync->caps.point_import;
	sync->caps.deadline &= caps->deadline;
}
