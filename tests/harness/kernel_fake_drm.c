#include <drm.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "harness/kernel_fake.h"

/* A timeline in order: everything up to `signalled` is, everything up to `materialised` has a fence. */
struct syncobj {
	bool used;
	uint64_t signalled, materialised;
};

struct registration {
	uint32_t handle;
	uint64_t point;
	bool signalled;
	int eventfd;
};

enum { MAX_SYNCOBJS = 2048, MAX_REGISTRATIONS = 256 };

static struct syncobj syncobjs[MAX_SYNCOBJS];
static struct registration registrations[MAX_REGISTRATIONS];
static unsigned registered;

static struct syncobj *find(uint32_t handle) {
	return handle < MAX_SYNCOBJS && syncobjs[handle].used ? &syncobjs[handle] : NULL;
}

static bool reached(const struct registration *registration) {
	const struct syncobj *syncobj = find(registration->handle);
	return syncobj != NULL && registration->point <=
		(registration->signalled ? syncobj->signalled : syncobj->materialised);
}

static void drop_registration(unsigned i) {
	close(registrations[i].eventfd);
	registrations[i] = registrations[--registered];
}

static void fire(void) {
	for (unsigned i = 0; i < registered; ) {
		if (reached(&registrations[i])) {
			eventfd_write(registrations[i].eventfd, 1);
			drop_registration(i);
		} else {
			i++;
		}
	}
}

static int do_create(struct drm_syncobj_create *arg) {
	for (uint32_t handle = 1; handle < MAX_SYNCOBJS; handle++) {
		if (!syncobjs[handle].used) {
			syncobjs[handle] = (struct syncobj){ .used = true };
			arg->handle = handle;
			return 0;
		}
	}
	return -ENOSPC;
}

static int do_destroy(const struct drm_syncobj_destroy *arg) {
	struct syncobj *syncobj = find(arg->handle);
	if (syncobj == NULL) {
		return -EINVAL;
	}
	syncobj->used = false;
	for (unsigned i = 0; i < registered; ) {
		if (registrations[i].handle == arg->handle) {
			drop_registration(i);
		} else {
			i++;
		}
	}
	return 0;
}

static bool all_exist(const uint32_t *handles, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		if (find(handles[i]) == NULL) {
			return false;
		}
	}
	return true;
}

static int do_wait(const struct drm_syncobj_timeline_wait *arg) {
	const uint32_t *handles = (void *)(uintptr_t)arg->handles;
	const uint64_t *points = (void *)(uintptr_t)arg->points;
	if (!all_exist(handles, arg->count_handles)) {
		return -ENOENT;
	}
	bool submit = arg->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT;
	bool available = arg->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
	int ret = 0;
	for (uint32_t i = 0; i < arg->count_handles; i++) {
		const struct syncobj *syncobj = find(handles[i]);
		if (syncobj->materialised < points[i] && !submit && !available) {
			return -EINVAL;
		}
		if (points[i] > (available ? syncobj->materialised : syncobj->signalled)) {
			ret = -ETIME;
		}
	}
	return ret;
}

static int do_query(const struct drm_syncobj_timeline_array *arg) {
	const uint32_t *handles = (void *)(uintptr_t)arg->handles;
	uint64_t *points = (void *)(uintptr_t)arg->points;
	if (!all_exist(handles, arg->count_handles)) {
		return -ENOENT;
	}
	for (uint32_t i = 0; i < arg->count_handles; i++) {
		const struct syncobj *syncobj = find(handles[i]);
		points[i] = arg->flags & DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED ?
			syncobj->materialised : syncobj->signalled;
	}
	return 0;
}

static int do_signal(const struct drm_syncobj_timeline_array *arg) {
	const uint32_t *handles = (void *)(uintptr_t)arg->handles;
	const uint64_t *points = (void *)(uintptr_t)arg->points;
	if (!all_exist(handles, arg->count_handles)) {
		return -ENOENT;
	}
	for (uint32_t i = 0; i < arg->count_handles; i++) {
		struct syncobj *syncobj = find(handles[i]);
		syncobj->signalled = points[i] > syncobj->signalled ? points[i] : syncobj->signalled;
		syncobj->materialised = syncobj->signalled > syncobj->materialised ?
			syncobj->signalled : syncobj->materialised;
	}
	fire();
	return 0;
}

static int do_reset(const struct drm_syncobj_array *arg) {
	const uint32_t *handles = (void *)(uintptr_t)arg->handles;
	if (!all_exist(handles, arg->count_handles)) {
		return -ENOENT;
	}
	for (uint32_t i = 0; i < arg->count_handles; i++) {
		syncobjs[handles[i]] = (struct syncobj){ .used = true };
	}
	return 0;
}

static int do_eventfd(const struct drm_syncobj_eventfd *arg) {
	if (find(arg->handle) == NULL) {
		return -ENOENT;
	}
	if (registered == MAX_REGISTRATIONS) {
		return -ENOMEM;
	}
	registrations[registered++] = (struct registration){
		.handle = arg->handle,
		.point = arg->point,
		.signalled = !(arg->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE),
		.eventfd = dup(arg->fd),
	};
	fire();
	return 0;
}

static int do_get_cap(struct drm_get_cap *arg) {
	arg->value = arg->capability == DRM_CAP_SYNCOBJ || arg->capability == DRM_CAP_SYNCOBJ_TIMELINE;
	return 0;
}

static int handle_ioctl(int fd, unsigned long request, void *arg) {
	if (_IOC_TYPE(request) != DRM_IOCTL_BASE) {
		return KERNEL_FAKE_PASS;
	}
	switch (request) {
	case DRM_IOCTL_GET_CAP:
		return do_get_cap(arg);
	case DRM_IOCTL_SYNCOBJ_CREATE:
		return do_create(arg);
	case DRM_IOCTL_SYNCOBJ_DESTROY:
		return do_destroy(arg);
	case DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT:
		return do_wait(arg);
	case DRM_IOCTL_SYNCOBJ_QUERY:
		return do_query(arg);
	case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL:
		return do_signal(arg);
	case DRM_IOCTL_SYNCOBJ_RESET:
		return do_reset(arg);
	case DRM_IOCTL_SYNCOBJ_EVENTFD:
		return do_eventfd(arg);
	default:
		return -EINVAL;
	}
}

void kernel_fake_drm_init(void) {
	memset(syncobjs, 0, sizeof(syncobjs));
	kernel_fake.ioctl = handle_ioctl;
}

void kernel_fake_drm_finish(void) {
	while (registered > 0) {
		drop_registration(0);
	}
	kernel_fake.ioctl = NULL;
}

void kernel_fake_drm_materialise(uint32_t handle, uint64_t value) {
	struct syncobj *syncobj = find(handle);
	if (syncobj != NULL && syncobj->materialised < value) {
		syncobj->materialised = value;
		fire();
	}
}

unsigned kernel_fake_drm_registrations(void) {
	return registered;
}
