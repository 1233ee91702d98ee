/*
 * A display driver with faults: preloaded into a compositor, it answers some mode setting ioctls itself.
 *
 * The file named by SBX_KMS_FAULT holds what is wrong, one line each; it may change at any time:
 *
 *	fence ERRNO [N]     commits that bring a fence fail (N: the next N of them)
 *	commit ERRNO [N]    commits fail
 *	noflip [N]          commits are carried out, and their flip is never told of
 *	stuck               the next flip does not happen, and the kernel is busy with it, while this line is there
 *	unplug NUMBER       the connector with this type id ("Virtual-NUMBER") is disconnected
 *
 * TEST_ONLY commits are left alone, and so are those that may change the mode, but for "stuck". What was done
 * is written, a line each, to the same name with ".log" behind it: "fence EPERM", "commit EBUSY", "noflip";
 * "stuck begins", then "stuck refused" for commits that do not block and "stuck blocked" for those that would;
 * "passed" with "fence" or "no-fence" for the commits that got through.
 *
 * With SBX_KMS_NAIVE in the environment the compositor is what it would be without struct sbx_output's care:
 * its frames are committed as wlroots does it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

enum { MAX_FENCE_PROPS = 64 };

static int (*real_ioctl)(int fd, unsigned long request, void *arg);
static uint32_t fence_props[MAX_FENCE_PROPS];
static int fence_prop_count;

static struct {
	char text[512];
	int left[3]; // of fence, commit, noflip; -1: without end
} faults;

int ioctl(int fd, unsigned long request, ...) __attribute__((visibility("default")));
bool sbx_scene_output_commit(void *output, void *scene_output, const void *options)
	__attribute__((visibility("default")));

static const struct {
	const char *name;
	int number;
} errors[] = {
	{ "EPERM", EPERM }, { "EINVAL", EINVAL }, { "EAGAIN", EAGAIN }, { "EBUSY", EBUSY },
	{ "ENOSPC", ENOSPC }, { "ENOMEM", ENOMEM }, { "EACCES", EACCES },
};

static const char *const kinds[] = { "fence", "commit", "noflip" };

/* The line that begins with `kind`; NULL: there is none. */
static const char *find_line(const char *kind) {
	size_t length = strlen(kind);
	for (const char *at = faults.text; at != NULL && *at != '\0'; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, kind, length) == 0 && (at[length] == ' ' || at[length] == '\n' || at[length] == '\0')) {
			return at + length;
		}
	}
	return NULL;
}

static void begin_again(void) {
	for (int i = 0; i < 3; i++) {
		const char *line = find_line(kinds[i]);
		char word[32];
		int n = -1;
		if (line != NULL && i == 2) {
			sscanf(line, " %d", &n);
		} else if (line != NULL) {
			sscanf(line, " %31s %d", word, &n);
		}
		faults.left[i] = line != NULL ? n : 0;
	}
}

static void read_faults(void) {
	const char *path = getenv("SBX_KMS_FAULT");
	FILE *file = path != NULL ? fopen(path, "re") : NULL;
	char text[sizeof(faults.text)] = "";
	if (file != NULL) {
		size_t length = fread(text, 1, sizeof(text) - 1, file);
		text[length] = '\0';
		fclose(file);
	}
	if (strcmp(text, faults.text) != 0) {
		memcpy(faults.text, text, sizeof(text));
		begin_again();
	}
}

static void note(const char *what, const char *more) {
	const char *path = getenv("SBX_KMS_FAULT");
	char name[512];
	snprintf(name, sizeof(name), "%s.log", path != NULL ? path : "kms-fault");
	FILE *file = fopen(name, "ae");
	if (file != NULL) {
		fprintf(file, "%s %s\n", what, more);
		fclose(file);
	}
}

/* Whether a fault of this kind is due now, and its errno. */
static bool take(int kind, int *error) {
	if (faults.left[kind] == 0) {
		return false;
	}
	faults.left[kind] -= faults.left[kind] > 0;
	char word[32] = "";
	const char *line = find_line(kinds[kind]);
	if (line != NULL && kind != 2) {
		sscanf(line, " %31s", word);
	}
	*error = EIO;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (strcmp(word, errors[i].name) == 0) {
			*error = errors[i].number;
		}
	}
	note(kinds[kind], word);
	return true;
}

static bool is_fence_prop(uint32_t id) {
	for (int i = 0; i < fence_prop_count; i++) {
		if (fence_props[i] == id) {
			return true;
		}
	}
	return false;
}

static bool brings_fence(const struct drm_mode_atomic *atomic) {
	const uint32_t *counts = (const uint32_t *)(uintptr_t)atomic->count_props_ptr;
	const uint32_t *props = (const uint32_t *)(uintptr_t)atomic->props_ptr;
	const uint64_t *values = (const uint64_t *)(uintptr_t)atomic->prop_values_ptr;
	uint32_t n = 0;
	for (uint32_t i = 0; i < atomic->count_objs; i++) {
		n += counts[i];
	}
	for (uint32_t i = 0; i < n; i++) {
		if (is_fence_prop(props[i]) && (int64_t)values[i] >= 0) {
			return true;
		}
	}
	return false;
}

/* Whether the commit is answered here, because of a flip that does not happen. */
static bool answer_stuck(const struct drm_mode_atomic *atomic, int *ret) {
	static bool stuck;
	bool nonblock = (atomic->flags & DRM_MODE_ATOMIC_NONBLOCK) != 0;
	bool wanted = find_line("stuck") != NULL;
	*ret = 0;
	if (wanted && stuck) {
		note("stuck", nonblock ? "refused" : "blocked");
		errno = EBUSY;
		*ret = -1;
		return true;
	}
	stuck = wanted && nonblock && (atomic->flags & DRM_MODE_PAGE_FLIP_EVENT) != 0;
	if (stuck) {
		note("stuck", "begins");
	}
	return stuck;
}

static int commit(int fd, unsigned long request, struct drm_mode_atomic *atomic) {
	if ((atomic->flags & DRM_MODE_ATOMIC_TEST_ONLY) != 0) {
		return real_ioctl(fd, request, atomic);
	}
	read_faults();
	int stuck_ret;
	if (answer_stuck(atomic, &stuck_ret)) {
		return stuck_ret;
	}
	if ((atomic->flags & DRM_MODE_ATOMIC_ALLOW_MODESET) != 0) {
		return real_ioctl(fd, request, atomic);
	}
	int error;
	bool fence = brings_fence(atomic);
	if ((fence && take(0, &error)) || take(1, &error)) {
		errno = error;
		return -1;
	}
	struct drm_mode_atomic changed = *atomic;
	if ((atomic->flags & DRM_MODE_PAGE_FLIP_EVENT) != 0 && take(2, &error)) {
		changed.flags &= ~(uint32_t)DRM_MODE_PAGE_FLIP_EVENT;
	}
	int ret = real_ioctl(fd, request, &changed);
	if (ret == 0) {
		note("passed", fence ? "fence" : "no-fence");
	}
	return ret;
}

static void unplug(struct drm_mode_get_connector *connector) {
	read_faults();
	const char *line = find_line("unplug");
	unsigned number;
	if (line != NULL && sscanf(line, " %u", &number) == 1 && connector->connector_type_id == number) {
		connector->connection = 2; // disconnected
		connector->count_modes = 0;
	}
}

static void learn_property(const struct drm_mode_get_property *property) {
	if (strcmp(property->name, "IN_FENCE_FD") == 0 && !is_fence_prop(property->prop_id) &&
			fence_prop_count < MAX_FENCE_PROPS) {
		fence_props[fence_prop_count++] = property->prop_id;
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
		return commit(fd, request, arg);
	}
	int ret = real_ioctl(fd, request, arg);
	if (ret == 0 && request == DRM_IOCTL_MODE_GETPROPERTY) {
		learn_property(arg);
	} else if (ret == 0 && request == DRM_IOCTL_MODE_GETCONNECTOR) {
		unplug(arg);
	}
	return ret;
}

bool sbx_scene_output_commit(void *output, void *scene_output, const void *options) {
	if (getenv("SBX_KMS_NAIVE") == NULL) {
		bool (*ours)(void *, void *, const void *) =
			(bool (*)(void *, void *, const void *))dlsym(RTLD_NEXT, "sbx_scene_output_commit");
		return ours(output, scene_output, options);
	}
	bool (*theirs)(void *, const void *) =
		(bool (*)(void *, const void *))dlsym(RTLD_DEFAULT, "wlr_scene_output_commit");
	return theirs(scene_output, options);
}
