#include <errno.h>
#include "sync/point.h"
#include "sync/syncobj_priv.h"

/* The kernel's answer about a handle that it does not know is ours for an fd that is none. */
static int no_such_handle(int ret) {
	return ret == -ENOENT ? -EBADF : ret;
}

static int wait_all(struct sbx_sync *sync, uint32_t *handles, uint64_t *values, size_t n,
		uint32_t flags, int64_t deadline_ns) {
	struct drm_syncobj_timeline_wait arg = {
		.handles = (uintptr_t)handles,
		.points = (uintptr_t)values,
		.timeout_nsec = deadline_ns,
		.count_handles = n,
		.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL | flags,
	};
	return sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_WAIT, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &arg);
}

int sbx_sync_look(struct sbx_sync *sync, uint32_t *handles, uint64_t *values, size_t n) {
	return wait_all(sync, handles, values, n, 0, 0);
}

/* What sbx_sync_look() says about a single point. */
static int to_state(int ret, enum sbx_point_state *state) {
	switch (ret) {
	case 0:
		*state = SBX_POINT_SIGNALLED;
		return 0;
	case -ETIME:
		*state = SBX_POINT_MATERIALISED;
		return 0;
	case -EINVAL:
		*state = SBX_POINT_UNMATERIALISED;
		return 0;
	case -ENOENT:
		*state = SBX_POINT_INVALID;
		return 0;
	default:
		return ret;
	}
}

/* The n entries from `first` on in the batch, halved until each half has one answer. */
static int look_closely(struct sbx_sync *sync, size_t first, size_t n,
		enum sbx_point_state *states) {
	int ret = sbx_sync_look(sync, &sync->handles[first], &sync->values[first], n);
	enum sbx_point_state state = SBX_POINT_INVALID;
	if (to_state(ret, &state) < 0) {
		return ret;
	}
	if (n == 1 || state == SBX_POINT_SIGNALLED) {
		for (size_t i = first; i < first + n; i++) {
			states[sync->origins[i]] = state;
		}
		return 0;
	}
	ret = look_closely(sync, first, n / 2, states);
	return ret < 0 ? ret : look_closely(sync, first + n / 2, n - n / 2, states);
}

static int query(struct sbx_sync *sync, size_t n, uint32_t flags) {
	struct drm_syncobj_timeline_array arg = {
		.handles = (uintptr_t)sync->handles,
		.points = (uintptr_t)sync->answers,
		.count_handles = n,
		.flags = flags,
	};
	return sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_QUERY, DRM_IOCTL_SYNCOBJ_QUERY, &arg);
}

static int find_materialised(struct sbx_sync *sync, size_t n, enum sbx_point_state *states) {
	int ret = query(sync, n, DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		states[i] = sync->answers[i] >= sync->values[i] ?
			SBX_POINT_MATERIALISED : SBX_POINT_UNMATERIALISED;
	}
	return ret;
}

/*
 * QUERY never counts too low, but it can count too high: after points 5 (pending), 3 and 7, it takes the
 * 5 that 7 remembers as its predecessor for signalled. So whatever it calls signalled is looked at
 * again, all in one. Of value 0 it knows nothing.
 */
static int find_signalled(struct sbx_sync *sync, size_t n, enum sbx_point_state *states) {
	int ret = query(sync, n, 0);
	if (ret < 0) {
		return ret;
	}
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		if (sync->answers[i] >= sync->values[i]) {
			sync->handles[count] = sync->handles[i];
			sync->values[count] = sync->values[i];
			sync->origins[count++] = i;
		}
	}
	return count > 0 ? look_closely(sync, 0, count, states) : 0;
}

static int tell_apart(struct sbx_sync *sync, size_t n, bool materialised,
		enum sbx_point_state *states) {
	if (materialised) {
		for (size_t i = 0; i < n; i++) {
			states[i] = SBX_POINT_MATERIALISED;
		}
	} else {
		int ret = find_materialised(sync, n, states);
		if (ret < 0) {
			return ret;
		}
	}
	return find_signalled(sync, n, states);
}

static void load_batch(struct sbx_sync *sync, const struct sbx_point *points, size_t n) {
	for (size_t i = 0; i < n; i++) {
		sync->handles[i] = points[i].handle;
		sync->values[i] = points[i].value;
		sync->origins[i] = i;
	}
}

static int query_batch(struct sbx_sync *sync, const struct sbx_point *points, size_t n,
		enum sbx_point_state *states) {
	load_batch(sync, points, n);
	int ret = sbx_sync_look(sync, sync->handles, sync->values, n);
	if (n == 1) {
		return to_state(ret, states);
	}
	switch (ret) {
	case 0:
		for (size_t i = 0; i < n; i++) {
			states[i] = SBX_POINT_SIGNALLED;
		}
		return 0;
	case -ETIME:
	case -EINVAL:
		ret = tell_apart(sync, n, ret == -ETIME, states);
		break;
	}
	if (ret == -ENOENT) {
		load_batch(sync, points, n);
		ret = look_closely(sync, 0, n, states);
	}
	return ret;
}

int sbx_points_query(struct sbx_sync *sync, const struct sbx_point *points, size_t n,
		enum sbx_point_state *states) {
	int ret = 0;
	pthread_mutex_lock(&sync->lock);
	for (size_t done = 0, part; done < n && ret == 0; done += part) {
		part = sbx_sync_reserve(sync, n - done);
		ret = query_batch(sync, points + done, part, states + done);
	}
	pthread_mutex_unlock(&sync->lock);
	return ret;
}

int sbx_points_last(struct sbx_sync *sync, const struct sbx_point *points, size_t n, uint64_t *values) {
	int ret = 0;
	pthread_mutex_lock(&sync->lock);
	for (size_t done = 0, part; done < n && ret == 0; done += part) {
		part = sbx_sync_reserve(sync, n - done);
		load_batch(sync, points + done, part);
		ret = query(sync, part, DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED);
		for (size_t i = 0; ret == 0 && i < part; i++) {
			values[done + i] = sync->answers[i];
		}
	}
	pthread_mutex_unlock(&sync->lock);
	return no_such_handle(ret);
}

static int signal_some(struct sbx_sync *sync, size_t first, size_t n, bool binary) {
	struct drm_syncobj_array handles = {
		.handles = (uintptr_t)&sync->handles[first],
		.count_handles = n,
	};
	struct drm_syncobj_timeline_array points = {
		.handles = (uintptr_t)&sync->handles[first],
		.points = (uintptr_t)&sync->values[first],
		.count_handles = n,
	};
	return binary ?
		sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_SIGNAL, DRM_IOCTL_SYNCOBJ_SIGNAL, &handles) :
		sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_SIGNAL, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL,
			&points);
}

/*
 * TIMELINE_SIGNAL with value 0 would append to the timeline; what it means here, "the fence is done",
 * is the older ioctl. The former refuses a batch before it signals any of it, so that trying again one
 * by one adds no point twice; for the latter twice does no harm.
 */
static int signal_batch(struct sbx_sync *sync, const struct sbx_point *points, size_t n, bool binary) {
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		if ((points[i].value == 0) == binary) {
			sync->handles[count] = points[i].handle;
			sync->values[count++] = points[i].value;
		}
	}
	int first_error = count > 0 ? signal_some(sync, 0, count, binary) : 0;
	if (first_error == 0 || count == 1) {
		return first_error;
	}
	first_error = 0;
	for (size_t i = 0; i < count; i++) {
		int ret = signal_some(sync, i, 1, binary);
		first_error = first_error < 0 ? first_error : ret;
	}
	return first_error;
}

int sbx_points_signal(struct sbx_sync *sync, const struct sbx_point *points, size_t n) {
	int first_error = 0;
	pthread_mutex_lock(&sync->lock);
	for (size_t done = 0, part; done < n; done += part) {
		part = sbx_sync_reserve(sync, n - done);
		for (int binary = 0; binary < 2; binary++) {
			int ret = signal_batch(sync, points + done, part, binary);
			first_error = first_error < 0 ? first_error : ret;
		}
	}
	pthread_mutex_unlock(&sync->lock);
	return no_such_handle(first_error);
}

int sbx_points_wait(struct sbx_sync *sync, const struct sbx_point *points, size_t n, bool signalled,
		int64_t timeout_ns) {
	if (timeout_ns < 0) {
		return -EINVAL;
	}
	int64_t now_ns = sbx_kernel_now_ns();
	int64_t deadline_ns = timeout_ns < INT64_MAX - now_ns ? now_ns + timeout_ns : INT64_MAX;
	// AVAILABLE alone is not woken up by new points before Linux 6.8.
	uint32_t flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
		(signalled ? 0 : DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE);
	// Not in the shared arrays: the lock would be held for as long as this takes. One deadline serves
	// all parts.
	enum { PART = 64 };
	uint32_t handles[PART];
	uint64_t values[PART];
	int ret = 0;
	for (size_t done = 0; done < n && ret == 0; ) {
		size_t part = 0;
		for (; part < PART && done < n; part++, done++) {
			handles[part] = points[done].handle;
			values[part] = points[done].value;
		}
		ret = wait_all(sync, handles, values, part, flags, timeout_ns > 0 ? deadline_ns : 0);
	}
	return no_such_handle(ret);
}

static int transfer(struct sbx_sync *sync, struct sbx_point dst, struct sbx_point src) {
	struct drm_syncobj_transfer arg = {
		.src_handle = src.handle,
		.src_point = src.value,
		.dst_handle = dst.handle,
		.dst_point = dst.value,
	};
	return sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_TRANSFER, DRM_IOCTL_SYNCOBJ_TRANSFER, &arg);
}

/* A point as the kernel's sync_file ioctls know it. */
static struct sbx_uapi_syncobj_handle to_handle(struct sbx_point point, int fd) {
	return (struct sbx_uapi_syncobj_handle){
		.handle = point.handle,
		.flags = SBX_UAPI_HANDLE_SYNC_FILE | (point.value != 0 ? SBX_UAPI_HANDLE_POINT : 0),
		.fd = fd,
		.point = point.value,
	};
}

static int export_directly(struct sbx_sync *sync, struct sbx_point point, int *sync_file) {
	struct sbx_uapi_syncobj_handle arg = to_handle(point, -1);
	int ret = sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_HANDLE_TO_FD, SBX_UAPI_HANDLE_TO_FD, &arg);
	if (ret == 0) {
		*sync_file = arg.fd;
	}
	return ret;
}

static int import_directly(struct sbx_sync *sync, struct sbx_point point, int sync_file) {
	struct sbx_uapi_syncobj_handle arg = to_handle(point, sync_file);
	return sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_FD_TO_HANDLE, SBX_UAPI_FD_TO_HANDLE, &arg);
}

/* "No fence there" is -EINVAL to the kernel. */
static int no_fence(int ret) {
	return ret == -EINVAL ? -ENOENT : no_such_handle(ret);
}

int sbx_point_export_sync_file(struct sbx_sync *sync, struct sbx_point point, int *sync_file) {
	*sync_file = -1;
	if (sync->caps.point_export || point.value == 0) {
		return no_fence(export_directly(sync, point, sync_file));
	}
	struct sbx_point scratch = { sync->scratch, 0 };
	pthread_mutex_lock(&sync->lock);
	int ret = transfer(sync, scratch, point);
	if (ret == 0) {
		ret = export_directly(sync, scratch, sync_file);
	}
	pthread_mutex_unlock(&sync->lock);
	return no_fence(ret);
}

int sbx_point_import_sync_file(struct sbx_sync *sync, struct sbx_point point, int sync_file) {
	if (sync_file < 0) {
		return sbx_points_signal(sync, &point, 1);
	}
	if (sync->caps.point_import || point.value == 0) {
		return no_such_handle(import_directly(sync, point, sync_file));
	}
	struct sbx_point scratch = { sync->scratch, 0 };
	pthread_mutex_lock(&sync->lock);
	int ret = import_directly(sync, scratch, sync_file);
	if (ret == 0) {
		ret = transfer(sync, point, scratch);
	}
	pthread_mutex_unlock(&sync->lock);
	return no_such_handle(ret);
}

int sbx_point_transfer(struct sbx_sync *sync, struct sbx_point dst, struct sbx_point src) {
	return no_fence(transfer(sync, dst, src));
}

int sbx_point_reset(struct sbx_sync *sync, struct sbx_point point) {
	struct drm_syncobj_array arg = {
		.handles = (uintptr_t)&point.handle,
		.count_handles = 1,
	};
	return no_such_handle(sbx_sync_ioctl(sync, SBX_COUNT_IOCTL_SYNCOBJ_RESET,
		DRM_IOCTL_SYNCOBJ_RESET, &arg));
}
