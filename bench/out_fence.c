/*
 * How much earlier OUT_FENCE_PTR says that a flip has happened: preloaded into a compositor, it asks for that
 * fence with each flip, and compares when it signalled with when the compositor is told of the flip. At the
 * end the numbers go to the file named by SBX_OUT_FENCE. See bench/kms.sh and docs/decisions/0031.
 */
#include <dlfcn.h>
#include <linux/sync_file.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

enum { MAX_PROPS = 512, MAX_FLIPS = 100000, MAX_CRTCS = 16 };

static int (*real_ioctl)(int fd, unsigned long request, void *arg);
static uint32_t active_prop, out_fence_prop;
/* Of the flip that is pending, by its place among the CRTCs. */
static int32_t pending[MAX_CRTCS];
static int64_t earlier_ns[MAX_FLIPS];
static int flips, unsignalled, failed, refused;

int ioctl(int fd, unsigned long request, ...) __attribute__((visibility("default")));
int drmHandleEvent(int fd, drmEventContextPtr context) __attribute__((visibility("default")));

static int64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The commit with one property more for the first CRTC that is on. False: there is none, or no room. */
static bool add_out_fence(const struct drm_mode_atomic *atomic, struct drm_mode_atomic *changed,
		uint32_t *counts, uint32_t *props, uint64_t *values, int32_t *fence) {
	const uint32_t *old_counts = (const uint32_t *)(uintptr_t)atomic->count_props_ptr;
	const uint32_t *old_props = (const uint32_t *)(uintptr_t)atomic->props_ptr;
	const uint64_t *old_values = (const uint64_t *)(uintptr_t)atomic->prop_values_ptr;
	uint32_t from = 0, to = 0;
	bool added = false;
	for (uint32_t i = 0; i < atomic->count_objs; i++) {
		bool wanted = false;
		counts[i] = old_counts[i];
		for (uint32_t j = 0; j < old_counts[i]; j++, from++, to++) {
			props[to] = old_props[from];
			values[to] = old_values[from];
			wanted |= old_props[from] == active_prop && old_values[from] != 0;
		}
		if (wanted && !added) {
			props[to] = out_fence_prop;
			values[to++] = (uintptr_t)fence;
			counts[i]++;
			added = true;
		}
		if (to + 64 > MAX_PROPS) {
			return false;
		}
	}
	*changed = *atomic;
	changed->count_props_ptr = (uintptr_t)counts;
	changed->props_ptr = (uintptr_t)props;
	changed->prop_values_ptr = (uintptr_t)values;
	return added;
}

static int commit(int fd, struct drm_mode_atomic *atomic) {
	static uint32_t counts[MAX_PROPS], props[MAX_PROPS];
	static uint64_t values[MAX_PROPS];
	struct drm_mode_atomic changed;
	int32_t fence = -1;
	bool flip = (atomic->flags & DRM_MODE_PAGE_FLIP_EVENT) != 0 &&
		(atomic->flags & DRM_MODE_ATOMIC_ALLOW_MODESET) == 0 && atomic->count_objs < MAX_PROPS;
	if (!flip || active_prop == 0 || out_fence_prop == 0 ||
			!add_out_fence(atomic, &changed, counts, props, values, &fence)) {
		return real_ioctl(fd, DRM_IOCTL_MODE_ATOMIC, atomic);
	}
	int ret = real_ioctl(fd, DRM_IOCTL_MODE_ATOMIC, &changed);
	refused += ret != 0;
	for (int i = 0; ret == 0 && i < MAX_CRTCS; i++) {
		if (pending[i] < 0) {
			pending[i] = fence;
			return 0;
		}
	}
	if (fence >= 0) {
		close(fence);
	}
	return ret;
}

static void learn_property(const struct drm_mode_get_property *property) {
	if (strcmp(property->name, "ACTIVE") == 0) {
		active_prop = property->prop_id;
	} else if (strcmp(property->name, "OUT_FENCE_PTR") == 0) {
		out_fence_prop = property->prop_id;
	}
}

int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	if (real_ioctl == NULL) {
		real_ioctl = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
	}
	if (request == DRM_IOCTL_MODE_ATOMIC) {
		return commit(fd, arg);
	}
	int ret = real_ioctl(fd, request, arg);
	if (ret == 0 && request == DRM_IOCTL_MODE_GETPROPERTY) {
		learn_property(arg);
	}
	return ret;
}

/* When it signalled; 0: it has not, -1: it has failed. */
static int64_t signalled_at(int32_t fence) {
	struct sync_fence_info info[4] = { 0 };
	struct sync_file_info file = { .num_fences = 4, .sync_fence_info = (uintptr_t)info };
	if (real_ioctl(fence, SYNC_IOC_FILE_INFO, &file) != 0 || file.status < 0) {
		return -1;
	}
	return file.status == 0 ? 0 : (int64_t)info[0].timestamp_ns;
}

/* One event a call, on one monitor: the flip that is pending. */
int drmHandleEvent(int fd, drmEventContextPtr context) {
	int64_t told_ns = now_ns();
	for (int i = 0; i < MAX_CRTCS; i++) {
		if (pending[i] < 0) {
			continue;
		}
		int64_t at_ns = signalled_at(pending[i]);
		close(pending[i]);
		pending[i] = -1;
		unsignalled += at_ns == 0;
		failed += at_ns < 0;
		if (at_ns > 0 && flips < MAX_FLIPS) {
			earlier_ns[flips++] = told_ns - at_ns;
		}
	}
	int (*real)(int, drmEventContextPtr) = (int (*)(int, drmEventContextPtr))dlsym(RTLD_NEXT, "drmHandleEvent");
	return real(fd, context);
}

static int compare(const void *a, const void *b) {
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

__attribute__((constructor)) static void begin(void) {
	memset(pending, 0xff, sizeof(pending));
}

__attribute__((destructor)) static void end(void) {
	const char *path = getenv("SBX_OUT_FENCE");
	FILE *file = path != NULL && flips > 0 ? fopen(path, "we") : NULL;
	if (file == NULL) {
		return;
	}
	qsort(earlier_ns, (size_t)flips, sizeof(earlier_ns[0]), compare);
	fprintf(file, "flips %d\nunsignalled %d\nfailed %d\nrefused %d\n", flips, unsignalled, failed, refused);
	fprintf(file, "earlier_p50_us %lld\nearlier_p95_us %lld\nearlier_max_us %lld\n",
		(long long)earlier_ns[flips / 2] / 1000, (long long)earlier_ns[flips * 95 / 100] / 1000,
		(long long)earlier_ns[flips - 1] / 1000);
	fclose(file);
}
