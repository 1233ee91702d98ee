#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "sync/uapi.h"

/* A sync_file is the reading end of a pipe, which becomes readable when the fence signals. */
struct fence {
	bool used, signalled;
	int error;
	int read_fd, write_fd;
	ino_t inode;
	/** Of a merged one. */
	struct fence *parts[2];
};

struct entry {
	uint64_t value;
	struct fence *fence; // NULL: signalled
};

enum { MAX_ENTRIES = 64, MAX_SYNCOBJS = 4096, MAX_REGISTRATIONS = 1024, MAX_FENCES = 512 };

struct syncobj {
	bool used;
	unsigned handles;
	/** What exported fds are duplicates of, a memfd; 0: it was not exported. */
	ino_t inode;
	int file;
	int count;
	struct entry entries[MAX_ENTRIES];
};

struct registration {
	struct syncobj *syncobj;
	uint64_t point;
	bool signalled;
	int eventfd;
};

static struct syncobj syncobjs[MAX_SYNCOBJS];
static struct syncobj *handles[MAX_SYNCOBJS];
static struct registration registrations[MAX_REGISTRATIONS];
static struct fence fences[MAX_FENCES];
static unsigned registered, own_fds;

static ino_t inode_of(int fd) {
	struct stat stat;
	return fstat(fd, &stat) == 0 ? stat.st_ino : 0;
}

/* Fences */

static struct fence *fence_create(void) {
	for (int i = 0; i < MAX_FENCES; i++) {
		struct fence *fence = &fences[i];
		int fds[2];
		if (fence->used || pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
			continue;
		}
		*fence = (struct fence){
			.used = true,
			.read_fd = fds[0],
			.write_fd = fds[1],
			.inode = inode_of(fds[0]),
		};
		own_fds += 2;
		return fence;
	}
	abort();
}

static struct fence *fence_of(int fd) {
	ino_t inode = inode_of(fd);
	for (int i = 0; i < MAX_FENCES; i++) {
		if (fences[i].used && fences[i].inode == inode) {
			return &fences[i];
		}
	}
	return NULL;
}

static void fence_signal(struct fence *fence, int error) {
	if (!fence->signalled) {
		fence->signalled = true;
		fence->error = error;
		if (write(fence->write_fd, "", 1) != 1) {
			abort();
		}
	}
}

static bool is_signalled(const struct fence *fence) {
	return fence == NULL || fence->signalled;
}

/* Merged fences follow their parts. */
static void signal_merged(void) {
	for (int i = 0; i < MAX_FENCES; i++) {
		struct fence *fence = &fences[i];
		if (fence->used && !fence->signalled && fence->parts[0] != NULL &&
				is_signalled(fence->parts[0]) && is_signalled(fence->parts[1])) {
			int error = fence->parts[0]->error;
			fence_signal(fence, error != 0 ? error : fence->parts[1]->error);
		}
	}
}

static struct fence *merge(struct fence *a, struct fence *b) {
	struct fence *fence = fence_create();
	fence->parts[0] = a;
	fence->parts[1] = b;
	signal_merged();
	return fence;
}

static int do_merge(int fd, struct sync_merge_data *arg) {
	struct fence *a = fence_of(fd), *b = fence_of(arg->fd2);
	if (a == NULL || b == NULL) {
		return -EINVAL;
	}
	struct fence *fence = merge(a, b);
	arg->fence = fcntl(fence->read_fd, F_DUPFD_CLOEXEC, 0);
	return arg->fence < 0 ? -errno : 0;
}

static int do_file_info(int fd, struct sync_file_info *arg) {
	const struct fence *fence = fence_of(fd);
	if (fence == NULL) {
		return -EINVAL;
	}
	struct sync_fence_info *infos = (void *)(uintptr_t)arg->sync_fence_info;
	arg->status = !fence->signalled ? 0 : fence->error != 0 ? fence->error : 1;
	if (infos != NULL && arg->num_fences >= 1) {
		infos[0] = (struct sync_fence_info){ .status = arg->status };
	}
	arg->num_fences = 1;
	return 0;
}

/* Syncobjs */

static struct syncobj *find(uint32_t handle) {
	return handle < MAX_SYNCOBJS ? handles[handle] : NULL;
}

/* What covers the point; -1: nothing, it is not materialised. Value 0 is all that is there. */
static int cover(const struct syncobj *syncobj, uint64_t value) {
	if (value == 0) {
		return syncobj->count - 1;
	}
	for (int i = 0; i < syncobj->count; i++) {
		if (syncobj->entries[i].value >= value) {
			return i;
		}
	}
	return -1;
}

static bool point_materialised(const struct syncobj *syncobj, uint64_t value) {
	return cover(syncobj, value) >= 0 || value == 0;
}

static bool point_signalled(const struct syncobj *syncobj, uint64_t value) {
	int last = cover(syncobj, value);
	for (int i = 0; i <= last; i++) {
		if (!is_signalled(syncobj->entries[i].fence)) {
			return false;
		}
	}
	return last >= 0 || value == 0;
}

/* The entries stay sorted; signalled ones but the last are forgotten when there is no room. */
static void add_entry(struct syncobj *syncobj, uint64_t value, struct fence *fence) {
	int kept = 0;
	for (int i = 0; syncobj->count == MAX_ENTRIES && i < MAX_ENTRIES; i++) {
		if (i == MAX_ENTRIES - 1 || !is_signalled(syncobj->entries[i].fence)) {
			syncobj->entries[kept++] = syncobj->entries[i];
		}
	}
	if (kept == MAX_ENTRIES) {
		abort();
	}
	syncobj->count = kept > 0 ? kept : syncobj->count;
	int i = syncobj->count++;
	for (; i > 0 && syncobj->entries[i - 1].value > value; i--) {
		syncobj->entries[i] = syncobj->entries[i - 1];
	}
	syncobj->entries[i] = (struct entry){ value, fence };
}

static bool reached(const struct registration *registration) {
	return registration->signalled ? point_signalled(registration->syncobj, registration->point) :
		point_materialised(registration->syncobj, registration->point);
}

static void drop_registration(unsigned i) {
	close(registrations[i].eventfd);
	registrations[i] = registrations[--registered];
}

static void fire(void) {
	signal_merged();
	for (unsigned i = 0; i < registered; ) {
		if (reached(&registrations[i])) {
			eventfd_write(registrations[i].eventfd, 1);
			drop_registration(i);
		} else {
			i++;
		}
	}
}

static int new_handle(struct syncobj *syncobj, uint32_t *handle) {
	for (uint32_t i = 1; i < MAX_SYNCOBJS; i++) {
		if (handles[i] == NULL) {
			handles[i] = syncobj;
			syncobj->handles++;
			*handle = i;
			return 0;
		}
	}
	return -ENOSPC;
}

static int do_create(struct drm_syncobj_create *arg) {
	for (uint32_t i = 0; i < MAX_SYNCOBJS; i++) {
		if (!syncobjs[i].used) {
			syncobjs[i] = (struct syncobj){ .used = true };
			return new_handle(&syncobjs[i], &arg->handle);
		}
	}
	return -ENOSPC;
}

static void drop_registrations_of(const struct syncobj *syncobj) {
	for (unsigned i = 0; i < registered; ) {
		if (registrations[i].syncobj == syncobj) {
			drop_registration(i);
		} else {
			i++;
		}
	}
}

/* One that was exported can be imported again: nobody tells us when the last fd goes. */
static int do_destroy(const struct drm_syncobj_destroy *arg) {
	struct syncobj *syncobj = find(arg->handle);
	if (syncobj == NULL) {
		return -EINVAL;
	}
	handles[arg->handle] = NULL;
	if (--syncobj->handles == 0) {
		syncobj->used = syncobj->inode != 0;
		drop_registrations_of(syncobj);
	}
	return 0;
}

static int export_syncobj(struct syncobj *syncobj, int *fd) {
	if (syncobj->inode == 0) {
		syncobj->file = memfd_create("syncobj", MFD_CLOEXEC);
		syncobj->inode = inode_of(syncobj->file);
		own_fds++;
	}
	*fd = fcntl(syncobj->file, F_DUPFD_CLOEXEC, 0);
	return *fd < 0 ? -errno : 0;
}

/* Earlier points count, too, while they are pending. NULL: signalled. */
static struct fence *fence_up_to(const struct syncobj *syncobj, int last) {
	struct fence *fence = syncobj->entries[last].fence;
	for (int i = 0; i < last; i++) {
		struct fence *earlier = syncobj->entries[i].fence;
		if (!is_signalled(earlier)) {
			fence = is_signalled(fence) ? earlier : merge(fence, earlier);
		}
	}
	return fence;
}

static int export_fence(struct syncobj *syncobj, uint64_t value, int *fd) {
	int i = cover(syncobj, value);
	if (i < 0) {
		return -EINVAL;
	}
	struct fence *fence = fence_up_to(syncobj, i);
	if (fence == NULL) {
		fence = fence_create();
		fence_signal(fence, 0);
	}
	*fd = fcntl(fence->read_fd, F_DUPFD_CLOEXEC, 0);
	return *fd < 0 ? -errno : 0;
}

static int do_handle_to_fd(struct sbx_uapi_syncobj_handle *arg) {
	struct syncobj *syncobj = find(arg->handle);
	if (syncobj == NULL) {
		return -EINVAL;
	}
	return arg->flags & SBX_UAPI_HANDLE_SYNC_FILE ? export_fence(syncobj, arg->point, &arg->fd) :
		export_syncobj(syncobj, &arg->fd);
}

static int import_syncobj(int fd, uint32_t *handle) {
	ino_t inode = inode_of(fd);
	for (uint32_t i = 0; i < MAX_SYNCOBJS; i++) {
		if (inode != 0 && syncobjs[i].used && syncobjs[i].inode == inode) {
			return new_handle(&syncobjs[i], handle);
		}
	}
	return -EINVAL;
}

/* At value 0 it takes the place of all. */
static void put_fence(struct syncobj *syncobj, uint64_t value, struct fence *fence) {
	syncobj->count = value > 0 ? syncobj->count : 0;
	add_entry(syncobj, value, fence);
	fire();
}

static int import_fence(struct syncobj *syncobj, uint64_t value, int fd) {
	struct fence *fence = fence_of(fd);
	if (syncobj == NULL || fence == NULL) {
		return syncobj == NULL ? -ENOENT : -EINVAL;
	}
	put_fence(syncobj, value, fence);
	return 0;
}

static int do_transfer(const struct drm_syncobj_transfer *arg) {
	struct syncobj *dst = find(arg->dst_handle);
	const struct syncobj *src = find(arg->src_handle);
	if (dst == NULL || src == NULL) {
		return -ENOENT;
	}
	int i = cover(src, arg->src_point);
	if (i < 0) {
		return -EINVAL;
	}
	put_fence(dst, arg->dst_point, fence_up_to(src, i));
	return 0;
}

static int do_fd_to_handle(struct sbx_uapi_syncobj_handle *arg) {
	return arg->flags & SBX_UAPI_HANDLE_SYNC_FILE ?
		import_fence(find(arg->handle), arg->point, arg->fd) :
		import_syncobj(arg->fd, &arg->handle);
}

static bool all_exist(const uint32_t *ids, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		if (find(ids[i]) == NULL) {
			return false;
		}
	}
	return true;
}

static int do_wait(const struct drm_syncobj_timeline_wait *arg) {
	const uint32_t *ids = (void *)(uintptr_t)arg->handles;
	const uint64_t *points = (void *)(uintptr_t)arg->points;
	if (!all_exist(ids, arg->count_handles)) {
		return -ENOENT;
	}
	bool submit = arg->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT;
	bool available = arg->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
	int ret = 0;
	for (uint32_t i = 0; i < arg->count_handles; i++) {
		const struct syncobj *syncobj = find(ids[i]);
		bool materialised = point_materialised(syncobj, points[i]);
		if (!materialised && !submit && !available) {
			return -EINVAL;
		}
		if (!(available ? materialised : point_signalled(syncobj, points[i]))) {
			ret = -ETIME;
		}
	}
	return ret;
}

static uint64_t last_value(const struct syncobj *syncobj, bool submitted) {
	uint64_t value = 0;
	for (int i = 0; i < syncobj->count; i++) {
		if (!submitted && !is_signalled(syncobj->entries[i].fence)) {
			break;
		}
		value = syncobj->entries[i].value;
	}
	return value;
}

static int do_query(const struct drm_syncobj_timeline_array *arg) {
	const uint32_t *ids = (void *)(uintptr_t)arg->handles;
	uint64_t *points = (void *)(uintptr_t)arg->points;
	if (!all_exist(ids, arg->count_handles)) {
		return -ENOENT;
	}
	for (uint32_t i = 0; i < arg->count_handles; i++) {
		points[i] = last_value(find(ids[i]), arg->flags & DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED);
	}
	return 0;
}

/* A fence that the point already has, from kernel_fake_drm_materialise(), signals with it. */
static void signal_point(struct syncobj *syncobj, uint64_t value) {
	for (int i = 0; i < syncobj->count; i++) {
		struct entry *entry = &syncobj->entries[i];
		if (entry->value <= value && entry->fence != NULL && entry->fence->parts[0] == NULL) {
			fence_signal(entry->fence, 0);
		}
	}
	add_entry(syncobj, value, NULL);
}

static int do_signal(const struct drm_syncobj_timeline_array *arg) {
	const uint32_t *ids = (void *)(uintptr_t)arg->handles;
	const uint64_t *points = (void *)(uintptr_t)arg->points;
	if (!all_exist(ids, arg->count_handles)) {
		return -ENOENT;
	}
	for (uint32_t i = 0; i < arg->count_handles; i++) {
		signal_point(find(ids[i]), points[i]);
	}
	fire();
	return 0;
}

static int do_reset(const struct drm_syncobj_array *arg) {
	const uint32_t *ids = (void *)(uintptr_t)arg->handles;
	if (!all_exist(ids, arg->count_handles)) {
		return -ENOENT;
	}
	for (uint32_t i = 0; i < arg->count_handles; i++) {
		find(ids[i])->count = 0;
	}
	return 0;
}

static int do_eventfd(const struct drm_syncobj_eventfd *arg) {
	struct syncobj *syncobj = find(arg->handle);
	if (syncobj == NULL) {
		return -ENOENT;
	}
	if (registered == MAX_REGISTRATIONS) {
		return -ENOMEM;
	}
	registrations[registered++] = (struct registration){
		.syncobj = syncobj,
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

static int do_set_deadline(int fd, const struct sync_set_deadline *arg) {
	if (!kernel_fake.takes_deadlines) {
		return -ENOTTY;
	}
	if (fence_of(fd) == NULL) {
		return -EINVAL;
	}
	kernel_fake.deadlines++;
	kernel_fake.deadline_ns = arg->deadline_ns;
	return 0;
}

static int handle_sync_file(int fd, unsigned long request, void *arg) {
	switch (request) {
	case SYNC_IOC_MERGE:
		return do_merge(fd, arg);
	case SYNC_IOC_FILE_INFO:
		return do_file_info(fd, arg);
	case SYNC_IOC_SET_DEADLINE:
		return do_set_deadline(fd, arg);
	default:
		return -ENOTTY;
	}
}

static int handle_ioctl(int fd, unsigned long request, void *arg) {
	if (_IOC_TYPE(request) == SYNC_IOC_MAGIC) {
		return handle_sync_file(fd, request, arg);
	}
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
	case SBX_UAPI_HANDLE_TO_FD:
		return do_handle_to_fd(arg);
	case SBX_UAPI_FD_TO_HANDLE:
		return do_fd_to_handle(arg);
	case DRM_IOCTL_SYNCOBJ_TRANSFER:
		return do_transfer(arg);
	case DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT:
		return do_wait(arg);
	case DRM_IOCTL_SYNCOBJ_QUERY:
		return do_query(arg);
	case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL:
		return do_signal(arg);
	case DRM_IOCTL_SYNCOBJ_RESET:
	case DRM_IOCTL_SYNCOBJ_SIGNAL: // of value 0, which counts as signalled where there is nothing
		return do_reset(arg);
	case DRM_IOCTL_SYNCOBJ_EVENTFD:
		return do_eventfd(arg);
	default:
		return -EINVAL;
	}
}

void kernel_fake_drm_init(void) {
	memset(syncobjs, 0, sizeof(syncobjs));
	memset(handles, 0, sizeof(handles));
	memset(fences, 0, sizeof(fences));
	own_fds = 0;
	kernel_fake.ioctl = handle_ioctl;
}

void kernel_fake_drm_finish(void) {
	while (registered > 0) {
		drop_registration(0);
	}
	for (int i = 0; i < MAX_FENCES; i++) {
		if (fences[i].used) {
			close(fences[i].read_fd);
			close(fences[i].write_fd);
			fences[i].used = false;
		}
	}
	for (int i = 0; i < MAX_SYNCOBJS; i++) {
		if (syncobjs[i].used && syncobjs[i].inode != 0) {
			close(syncobjs[i].file);
			syncobjs[i].used = false;
		}
	}
	own_fds = 0;
	kernel_fake.ioctl = NULL;
}

void kernel_fake_drm_materialise(uint32_t handle, uint64_t value) {
	struct syncobj *syncobj = find(handle);
	if (syncobj != NULL && !point_materialised(syncobj, value)) {
		add_entry(syncobj, value, fence_create());
		fire();
	}
}

void kernel_fake_drm_settle(uint32_t handle, uint64_t value, int error) {
	struct syncobj *syncobj = find(handle);
	int i = syncobj != NULL ? cover(syncobj, value) : -1;
	if (i >= 0 && syncobj->entries[i].fence != NULL) {
		fence_signal(syncobj->entries[i].fence, error);
		fire();
	}
}

int kernel_fake_fence_create(int *sync_file) {
	struct fence *fence = fence_create();
	*sync_file = fcntl(fence->read_fd, F_DUPFD_CLOEXEC, 0);
	return (int)(fence - fences);
}

void kernel_fake_fence_signal(int id, int error) {
	fence_signal(&fences[id], error);
	fire();
}

unsigned kernel_fake_drm_registrations(void) {
	return registered;
}

uint32_t kernel_fake_drm_syncobj(uint32_t handle) {
	const struct syncobj *syncobj = find(handle);
	return syncobj != NULL ? (uint32_t)(syncobj - syncobjs) + 1 : 0;
}

unsigned kernel_fake_drm_handles(void) {
	unsigned count = 0;
	for (int i = 0; i < MAX_SYNCOBJS; i++) {
		count += handles[i] != NULL;
	}
	return count;
}

unsigned kernel_fake_drm_fds(void) {
	return own_fds;
}
