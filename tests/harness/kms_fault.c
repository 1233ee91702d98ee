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
 *	vrr                 monitors say that they can do adaptive sync (read when they are connected)
 *	async               the driver says that it can flip at once (read at the start); it flips at the vblank
 *	tear ERRNO [N]      commits that are to flip at once fail
 *	tear-test ERRNO [N] tests of such commits fail
 *
 * TEST_ONLY commits are left alone, but for those that are to flip at once, and so are those that may change the
 * mode, but for "stuck". What was done is written, a line each, to the same name with ".log" behind it:
 * "fence EPERM", "commit EBUSY", "noflip", "tear EINVAL", "tear-test EINVAL"; "stuck begins", then "stuck refused"
 * for commits that do not block and "stuck blocked" for those that would; "passed" with "fence" or "no-fence" for
 * the commits that got through, or "async" with the same for those of them that were to flip at once; "vrr on"
 * and "vrr off" when a commit changes that.
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

enum {
	MAX_PROPS = 64,
	/** The driver has no property with such a number. */
	VRR_CAPABLE_PROP = 0x7fffff01,
};

enum kind {
	FENCE,
	COMMIT,
	NOFLIP,
	TEAR,
	TEAR_TEST,
	KIND_COUNT,
};

/** Properties of that name, of all planes or CRTCs. */
struct props {
	uint32_t ids[MAX_PROPS];
	int count;
};

static int (*real_ioctl)(int fd, unsigned long request, void *arg);
static struct props fence_props, vrr_props;

static struct {
	char text[512];
	int left[KIND_COUNT]; // -1: without end
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

static const char *const kinds[KIND_COUNT] = {
	[FENCE] = "fence", [COMMIT] = "commit", [NOFLIP] = "noflip", [TEAR] = "tear", [TEAR_TEST] = "tear-test",
};

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
	for (int i = 0; i < KIND_COUNT; i++) {
		const char *line = find_line(kinds[i]);
		char word[32];
		int n = -1;
		if (line != NULL && i == NOFLIP) {
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
static bool take(enum kind kind, int *error) {
	if (faults.left[kind] == 0) {
		return false;
	}
	faults.left[kind] -= faults.left[kind] > 0;
	char word[32] = "";
	const char *line = find_line(kinds[kind]);
	if (line != NULL && kind != NOFLIP) {
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

static bool is_one_of(const struct props *props, uint32_t id) {
	for (int i = 0; i < props->count; i++) {
		if (props->ids[i] == id) {
			return true;
		}
	}
	return false;
}

/* What the commit sets such a property to; -1: it does not, or to that. */
static int64_t find_value(const struct drm_mode_atomic *atomic, const struct props *wanted) {
	const uint32_t *counts = (const uint32_t *)(uintptr_t)atomic->count_props_ptr;
	const uint32_t *props = (const uint32_t *)(uintptr_t)atomic->props_ptr;
	const uint64_t *values = (const uint64_t *)(uintptr_t)atomic->prop_values_ptr;
	uint32_t n = 0;
	for (uint32_t i = 0; i < atomic->count_objs; i++) {
		n += counts[i];
	}
	for (uint32_t i = 0; i < n; i++) {
		if (is_one_of(wanted, props[i]) && (int64_t)values[i] >= 0) {
			return (int64_t)values[i];
		}
	}
	return -1;
}

static void note_vrr(const struct drm_mode_atomic *atomic) {
	static bool on;
	int64_t value = find_value(atomic, &vrr_props);
	if (value >= 0 && on != (value != 0)) {
		on = value != 0;
		note("vrr", on ? "on" : "off");
	}
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

static int test(int fd, unsigned long request, struct drm_mode_atomic *atomic) {
	struct drm_mode_atomic changed = *atomic;
	int error;
	if ((atomic->flags & DRM_MODE_PAGE_FLIP_ASYNC) != 0) {
		read_faults();
		if (take(TEAR_TEST, &error)) {
			errno = error;
			return -1;
		}
		changed.flags &= ~(uint32_t)DRM_MODE_PAGE_FLIP_ASYNC;
	}
	return real_ioctl(fd, request, &changed);
}

/* One that neither is a test nor may change the mode. */
static int flip(int fd, unsigned long request, struct drm_mode_atomic *atomic) {
	int error;
	bool fence = find_value(atomic, &fence_props) >= 0;
	bool at_once = (atomic->flags & DRM_MODE_PAGE_FLIP_ASYNC) != 0;
	if ((at_once && take(TEAR, &error)) || (fence && take(FENCE, &error)) || take(COMMIT, &error)) {
		errno = error;
		return -1;
	}
	struct drm_mode_atomic changed = *atomic;
	changed.flags &= ~(uint32_t)DRM_MODE_PAGE_FLIP_ASYNC;
	if ((atomic->flags & DRM_MODE_PAGE_FLIP_EVENT) != 0 && take(NOFLIP, &error)) {
		changed.flags &= ~(uint32_t)DRM_MODE_PAGE_FLIP_EVENT;
	}
	int ret = real_ioctl(fd, request, &changed);
	if (ret == 0) {
		note(at_once ? "async" : "passed", fence ? "fence" : "no-fence");
	}
	return ret;
}

static int commit(int fd, unsigned long request, struct drm_mode_atomic *atomic) {
	if ((atomic->flags & DRM_MODE_ATOMIC_TEST_ONLY) != 0) {
		return test(fd, request, atomic);
	}
	read_faults();
	int ret;
	if (answer_stuck(atomic, &ret)) {
		return ret;
	}
	ret = (atomic->flags & DRM_MODE_ATOMIC_ALLOW_MODESET) != 0 ? real_ioctl(fd, request, atomic) :
		flip(fd, request, atomic);
	if (ret == 0) {
		note_vrr(atomic);
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

static void learn(struct props *props, const char *name, const struct drm_mode_get_property *property) {
	if (strcmp(property->name, name) == 0 && !is_one_of(props, property->prop_id) && props->count < MAX_PROPS) {
		props->ids[props->count++] = property->prop_id;
	}
}

static void learn_property(const struct drm_mode_get_property *property) {
	learn(&fence_props, "IN_FENCE_FD", property);
	learn(&vrr_props, "VRR_ENABLED", property);
}

/* Abilities that this driver does not have. */

static void pretend_capability(struct drm_get_cap *cap) {
	if (cap->capability == DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP) {
		read_faults();
		cap->value |= find_line("async") != NULL;
	}
}

static void pretend_properties(struct drm_mode_obj_get_properties *all, uint32_t room) {
	// wlroots asks for values without saying of what.
	if (all->obj_type != DRM_MODE_OBJECT_CONNECTOR && all->obj_type != DRM_MODE_OBJECT_ANY) {
		return;
	}
	read_faults();
	if (find_line("vrr") == NULL) {
		return;
	}
	uint32_t *props = (uint32_t *)(uintptr_t)all->props_ptr;
	uint64_t *values = (uint64_t *)(uintptr_t)all->prop_values_ptr;
	if (room > all->count_props) {
		props[all->count_props] = VRR_CAPABLE_PROP;
		values[all->count_props] = 1;
	}
	all->count_props++;
}

static int describe_vrr_capable(struct drm_mode_get_property *property) {
	uint64_t *values = (uint64_t *)(uintptr_t)property->values_ptr;
	strcpy(property->name, "vrr_capable");
	property->flags = DRM_MODE_PROP_RANGE | DRM_MODE_PROP_IMMUTABLE;
	property->count_enum_blobs = 0;
	if (property->count_values >= 2 && values != NULL) {
		values[0] = 0;
		values[1] = 1;
	}
	property->count_values = 2;
	return 0;
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
	if (request == DRM_IOCTL_MODE_GETPROPERTY &&
			((struct drm_mode_get_property *)arg)->prop_id == VRR_CAPABLE_PROP) {
		return describe_vrr_capable(arg);
	}
	uint32_t room = request == DRM_IOCTL_MODE_OBJ_GETPROPERTIES ?
		((struct drm_mode_obj_get_properties *)arg)->count_props : 0;
	int ret = real_ioctl(fd, request, arg);
	if (ret == 0 && request == DRM_IOCTL_MODE_OBJ_GETPROPERTIES) {
		pretend_properties(arg, room);
	} else if (ret == 0 && request == DRM_IOCTL_GET_CAP) {
		pretend_capability(arg);
	} else if (ret == 0 && request == DRM_IOCTL_MODE_GETPROPERTY) {
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
