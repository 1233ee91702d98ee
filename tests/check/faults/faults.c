/*
 * Breaks a compositor on purpose, so that one sees the checks of `signalbox check` fail.
 *
 * Loaded into any compositor that uses libwayland-server (LD_PRELOAD), it stands between the
 * clients' requests and the compositor's linux-drm-syncobj-v1: it wraps the handlers of the
 * protocol's three interfaces and of wl_surface. CHECK_FAULT names the one fault to commit; see
 * faults.list for what each must make fail.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wayland-server-protocol.h>
#include <xf86drm.h>

#include "linux-drm-syncobj-v1-server.h"
#include "presentation-time-server.h"

enum fault {
	FAULT_NONE,
	FAULT_ACQUIRE_IGNORED,       // every acquire point counts as signalled
	FAULT_ACQUIRE_NEVER,         // none ever does
	FAULT_ACQUIRE_FIRST,         // the first one set in a cycle is kept
	FAULT_RELEASE_NEVER,         // no release point is signalled
	FAULT_RELEASE_AT_SET,        // signalled when it is set
	FAULT_RELEASE_AT_COMMIT,     // signalled when it is committed
	FAULT_RELEASE_REPLACED,      // a replaced release point is signalled too
	FAULT_RELEASE_MORE,          // the point after it is signalled too
	FAULT_LOW_WORD,              // only 32 bits of a point count
	FAULT_POINTS_STAY,           // points are not used up by a commit
	FAULT_ERRORS_IGNORED,        // the protocol's errors are not raised
	FAULT_ERRORS_WRONG,          // they are raised with another code
	FAULT_ERROR_AT_DESTROY,      // destroying a surface object is an error
	FAULT_ERROR_AT_EMPTY,        // a commit without points is an error
	FAULT_ERROR_AT_SET,          // points are judged when set
	FAULT_ERROR_AT_IMPORT,       // a client without a surface object cannot import
	FAULT_ERROR_AT_REIMPORT,     // a syncobj that has been used cannot be imported
	FAULT_MANAGER_GOES,          // destroying the manager ends its timelines
	FAULT_TIMELINE_GOES,         // destroying a timeline signals all of it
	FAULT_SYNC_GOES,             // destroying the surface object releases
	FAULT_FRAME_EARLY,           // frame events come at once
	FAULT_PRESENTED_EARLY,       // presentation feedback too
	FAULT_WAITS_IN_LOOP,         // waits for acquire points on the CPU
	FAULT_SLOW,                  // 1.5 s for one commit in 16; 0.5 ms in each for every import so far
	FAULT_LEAKS,                 // fds
	FAULT_LEAKS_MEMORY,
	FAULT_DIES,                  // when a commit has to be held
	FAULT_COUNT,
};

static const char *const fault_names[FAULT_COUNT] = {
	"none", "acquire-ignored", "acquire-never", "acquire-first", "release-never",
	"release-at-set", "release-at-commit", "release-replaced", "release-more", "low-word",
	"points-stay", "errors-ignored", "errors-wrong", "error-at-destroy", "error-at-empty",
	"error-at-set", "error-at-import", "error-at-reimport", "manager-goes", "timeline-goes",
	"sync-goes", "frame-early", "presented-early", "waits-in-loop", "slow", "leaks",
	"leaks-memory", "dies",
};

struct known_point {
	uint32_t handle; // 0: none
	uint64_t value;
};

// A syncobj surface object, while it lives and after: tests are short.
struct known_surface {
	struct known_surface *next;
	struct wl_listener sync_gone;
	struct wl_resource *sync, *surface;
	struct wl_resource *timelines[2]; // last acquire and release set
	struct known_point points[2];
	bool set[2];                      // in this commit cycle
	bool attached;
	unsigned commits;
};

struct known_timeline {
	struct known_timeline *next;
	struct wl_resource *resource;
	uint32_t handle;
};

enum { ACQUIRE, RELEASE };

static enum fault chosen;
static int drm_fd = -1;
static struct known_surface *surfaces;
static struct known_timeline *timelines;
static unsigned import_count;
static struct wl_resource *last_timeline; // the resource that was made last
static bool manager_is_gone;

static const struct wp_linux_drm_syncobj_manager_v1_interface *real_manager, our_manager;
static const struct wp_linux_drm_syncobj_timeline_v1_interface *real_timeline, our_timeline;
static const struct wp_linux_drm_syncobj_surface_v1_interface *real_sync, our_sync;
static const struct wl_surface_interface *real_surface;
static const struct wp_presentation_interface *real_presentation;

static pid_t pid_of(struct wl_client *client) {
	pid_t pid = 0;
	wl_client_get_credentials(client, &pid, NULL, NULL);
	return pid;
}

// True once for every CHECK_FAULT_SPARED, the name of a file that is not there yet.
static bool is_first_start(void) {
	const char *path = getenv("CHECK_FAULT_SPARED");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	bool first = !path || fd >= 0;
	if (fd >= 0) {
		close(fd);
	}
	return first;
}

// The tool begins with a look at the compositor, in a process of its own. That one is spared, or
// nothing could be tested. It is the first client, but not of a compositor that the tool had to
// start again: there the first is a check.
static enum fault fault_for(struct wl_client *client) {
	static pid_t spared;
	if (spared == 0) {
		spared = is_first_start() ? pid_of(client) : -1;
	}
	return pid_of(client) == spared ? FAULT_NONE : chosen;
}

static bool is_class(struct wl_resource *resource, const struct wl_interface *interface) {
	return strcmp(wl_resource_get_class(resource), interface->name) == 0;
}

static int open_device(void) {
	for (int i = 0; i < 16; i++) {
		char path[64];
		uint64_t has = 0;
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", 128 + i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &has) == 0 && has) {
			return fd;
		}
		close(fd);
	}
	return -1;
}

__attribute__((constructor)) static void start(void) {
	const char *name = getenv("CHECK_FAULT");
	for (int i = 0; name && i < FAULT_COUNT; i++) {
		if (strcmp(name, fault_names[i]) == 0) {
			chosen = i;
		}
	}
	if (name && chosen == FAULT_NONE && strcmp(name, "none") != 0) {
		fprintf(stderr, "faults: there is no \"%s\"\n", name);
		abort();
	}
	// What the compositor starts is not to be broken.
	unsetenv("LD_PRELOAD");
}

static struct known_surface *find_sync(struct wl_resource *sync) {
	struct known_surface *known = surfaces;
	while (known && known->sync != sync) {
		known = known->next;
	}
	return known;
}

static struct known_surface *find_surface(struct wl_resource *surface) {
	struct known_surface *known = surfaces;
	while (known && (known->surface != surface || !known->sync)) {
		known = known->next;
	}
	return known;
}

static uint32_t handle_of(struct wl_resource *timeline) {
	struct known_timeline *known = timelines;
	while (known && known->resource != timeline) {
		known = known->next;
	}
	return known ? known->handle : 0;
}

static void signal_point(uint32_t handle, uint64_t value) {
	if (handle) {
		drmSyncobjTimelineSignal(drm_fd, &handle, &value, 1);
	}
}

// A timeline that only the compositor knows, made through its own import.
static struct wl_resource *make_hidden(struct wl_client *client, struct wl_resource *manager,
		bool signalled) {
	uint32_t handle = 0;
	int fd = -1;
	drmSyncobjCreate(drm_fd, 0, &handle);
	if (signalled) {
		signal_point(handle, UINT64_MAX);
	}
	drmSyncobjHandleToFD(drm_fd, handle, &fd);
	drmSyncobjDestroy(drm_fd, handle);
	real_manager->import_timeline(client, manager, 0, fd);
	return last_timeline;
}

static struct wl_resource *any_manager;

// One time in so many, so that the compositor lives long enough.
static void leak(enum fault fault, unsigned times) {
	static unsigned calls;
	static char *volatile lost; // or the compiler would find out that nobody needs it
	bool now = calls++ % times == 0;
	if (fault == FAULT_LEAKS && now) {
		int fd = dup(drm_fd);
		(void)fd;
	}
	if (fault == FAULT_LEAKS_MEMORY && now) {
		lost = malloc(1 << 19);
		memset(lost, 1, 1 << 19);
	}
}

// The manager.

static void manager_destroy(struct wl_client *client, struct wl_resource *resource) {
	manager_is_gone = true;
	real_manager->destroy(client, resource);
}

static void handle_sync_gone(struct wl_listener *listener, void *data) {
	struct known_surface *known = wl_container_of(listener, known, sync_gone);
	known->sync = NULL;
}

static void manager_get_surface(struct wl_client *client, struct wl_resource *resource,
		uint32_t id, struct wl_resource *surface) {
	enum fault fault = fault_for(client);
	real_manager->get_surface(client, resource, id, surface);
	struct wl_resource *sync = wl_client_get_object(client, id);
	if (!sync || !is_class(sync, &wp_linux_drm_syncobj_surface_v1_interface)) {
		return; // an error that is ignored
	}
	struct known_surface *known = calloc(1, sizeof(*known));
	known->sync = sync;
	known->sync_gone.notify = handle_sync_gone;
	wl_resource_add_destroy_listener(sync, &known->sync_gone);
	known->surface = surface;
	known->next = surfaces;
	surfaces = known;
	any_manager = resource;
	leak(fault, 8);
}

static bool has_points(uint32_t handle) {
	uint64_t value = 0;
	return drmSyncobjQuery(drm_fd, &handle, &value, 1) == 0 && value > 1;
}

static bool has_surface(struct wl_client *client) {
	for (const struct known_surface *known = surfaces; known; known = known->next) {
		if (known->sync && wl_resource_get_client(known->sync) == client) {
			return true;
		}
	}
	return false;
}

static void refuse_import(struct wl_resource *manager) {
	wl_resource_post_error(manager, WP_LINUX_DRM_SYNCOBJ_MANAGER_V1_ERROR_INVALID_TIMELINE,
		"broken on purpose");
}

static void manager_import(struct wl_client *client, struct wl_resource *resource, uint32_t id,
		int fd) {
	enum fault fault = fault_for(client);
	struct known_timeline *known = calloc(1, sizeof(*known));
	drmSyncobjFDToHandle(drm_fd, fd, &known->handle);
	any_manager = resource;
	leak(fault, 8);
	import_count++;
	if (known->handle && ((fault == FAULT_ERROR_AT_IMPORT && !has_surface(client)) ||
			(fault == FAULT_ERROR_AT_REIMPORT && has_points(known->handle)))) {
		refuse_import(resource);
		close(fd);
		return;
	}
	real_manager->import_timeline(client, resource, id, fd);
	known->resource = last_timeline;
	known->next = timelines;
	timelines = known;
}

static const struct wp_linux_drm_syncobj_manager_v1_interface our_manager = {
	.destroy = manager_destroy,
	.get_surface = manager_get_surface,
	.import_timeline = manager_import,
};

// Timelines.

static void timeline_destroy(struct wl_client *client, struct wl_resource *resource) {
	if (fault_for(client) == FAULT_TIMELINE_GOES) {
		signal_point(handle_of(resource), UINT64_MAX);
	}
	for (struct known_timeline *known = timelines; known; known = known->next) {
		if (known->resource == resource) {
			known->resource = NULL;
		}
	}
	real_timeline->destroy(client, resource);
}

static const struct wp_linux_drm_syncobj_timeline_v1_interface our_timeline = {
	.destroy = timeline_destroy,
};

// Surface objects.

static void sync_destroy(struct wl_client *client, struct wl_resource *resource) {
	struct known_surface *known = find_sync(resource);
	enum fault fault = fault_for(client);
	if (fault == FAULT_ERROR_AT_DESTROY) {
		wl_resource_post_error(resource, 99, "broken on purpose");
		return;
	}
	if (known && fault == FAULT_SYNC_GOES) {
		signal_point(known->points[ACQUIRE].handle, known->points[ACQUIRE].value);
		signal_point(known->points[RELEASE].handle, known->points[RELEASE].value);
	}
	if (known) {
		known->sync = NULL;
	}
	real_sync->destroy(client, resource);
}

static void remember(struct known_surface *known, int which, struct wl_resource *timeline,
		uint64_t value) {
	enum fault fault = fault_for(wl_resource_get_client(timeline));
	if (which == RELEASE && fault == FAULT_RELEASE_REPLACED && known->set[RELEASE]) {
		signal_point(known->points[RELEASE].handle, known->points[RELEASE].value);
	}
	known->timelines[which] = timeline;
	known->points[which] = (struct known_point){ handle_of(timeline), value };
	known->set[which] = true;
}

static struct wl_resource *replace_timeline(struct wl_client *client, int which,
		struct wl_resource *timeline) {
	enum fault fault = fault_for(client);
	bool never = manager_is_gone && fault == FAULT_MANAGER_GOES;
	if (which == ACQUIRE && fault == FAULT_ACQUIRE_IGNORED) {
		return make_hidden(client, any_manager, true);
	}
	if ((which == ACQUIRE && (fault == FAULT_ACQUIRE_NEVER || never)) ||
			(which == RELEASE && fault == FAULT_RELEASE_NEVER)) {
		return make_hidden(client, any_manager, false);
	}
	return timeline;
}

static void set_real(int which, struct wl_client *client, struct wl_resource *resource,
		struct wl_resource *timeline, uint64_t value) {
	uint32_t hi = (uint32_t)(value >> 32), lo = (uint32_t)value;
	if (which == ACQUIRE) {
		real_sync->set_acquire_point(client, resource, timeline, hi, lo);
	} else {
		real_sync->set_release_point(client, resource, timeline, hi, lo);
	}
}

static bool conflicts(const struct known_surface *known) {
	const struct known_point *points = known->points;
	return known->set[ACQUIRE] && known->set[RELEASE] &&
		points[ACQUIRE].handle == points[RELEASE].handle &&
		points[ACQUIRE].value >= points[RELEASE].value;
}

static void set_point(int which, struct wl_client *client, struct wl_resource *resource,
		struct wl_resource *timeline, uint64_t value) {
	enum fault fault = fault_for(client);
	struct known_surface *known = find_sync(resource);
	if (!known || (known->set[which] && fault == FAULT_ACQUIRE_FIRST)) {
		return;
	}
	if (fault == FAULT_LOW_WORD) {
		value = (uint32_t)value;
	}
	remember(known, which, timeline, value);
	leak(fault, 512);
	if (fault == FAULT_ERROR_AT_SET && (conflicts(known) || !known->attached)) {
		wl_resource_post_error(resource, 99, "broken on purpose");
		return;
	}
	// Points that are signalled at the first commit would tell our protocol code that both are on one
	// syncobj.
	if (which == RELEASE && fault == FAULT_RELEASE_AT_SET && known->commits > 0) {
		signal_point(known->points[RELEASE].handle, value);
	}
	if (which == RELEASE && fault == FAULT_RELEASE_MORE) {
		value += value < UINT64_MAX;
	}
	struct wl_resource *used = replace_timeline(client, which, timeline);
	set_real(which, client, resource, used, value);
	if (used != timeline) {
		// The point stays. The id must go, or the next object that the compositor makes has one
		// that the client does not expect.
		wl_resource_destroy(used);
	}
}

static void sync_set_acquire(struct wl_client *client, struct wl_resource *resource,
		struct wl_resource *timeline, uint32_t hi, uint32_t lo) {
	set_point(ACQUIRE, client, resource, timeline, (uint64_t)hi << 32 | lo);
}

static void sync_set_release(struct wl_client *client, struct wl_resource *resource,
		struct wl_resource *timeline, uint32_t hi, uint32_t lo) {
	set_point(RELEASE, client, resource, timeline, (uint64_t)hi << 32 | lo);
}

static const struct wp_linux_drm_syncobj_surface_v1_interface our_sync = {
	.destroy = sync_destroy,
	.set_acquire_point = sync_set_acquire,
	.set_release_point = sync_set_release,
};

// wl_surface.

static void surface_attach(struct wl_client *client, struct wl_resource *resource,
		struct wl_resource *buffer, int32_t x, int32_t y) {
	struct known_surface *known = find_surface(resource);
	if (known) {
		known->attached = buffer != NULL;
	}
	real_surface->attach(client, resource, buffer, x, y);
}

static void use_old_points(struct wl_client *client, struct known_surface *known) {
	for (int which = ACQUIRE; which <= RELEASE; which++) {
		if (!known->set[which] && known->timelines[which]) {
			set_real(which, client, known->sync, known->timelines[which],
				known->points[which].value);
		}
	}
}

static bool is_signalled(struct known_point point) {
	return drmSyncobjTimelineWait(drm_fd, &point.handle, &point.value, 1, 0,
		DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, NULL) == 0;
}

static void wait_in_loop(const struct known_surface *known) {
	for (int i = 0; i < 600 && !is_signalled(known->points[ACQUIRE]); i++) {
		usleep(10000);
	}
}

static void wait_ms(unsigned ms) {
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	nanosleep(&time, NULL);
}

static void before_commit(struct wl_client *client, struct known_surface *known) {
	enum fault fault = fault_for(client);
	if (fault == FAULT_POINTS_STAY && known->attached) {
		use_old_points(client, known);
	}
	if (fault == FAULT_ERROR_AT_EMPTY && !known->set[ACQUIRE] && known->commits > 0) {
		wl_resource_post_error(known->sync, 99, "broken on purpose");
	}
	if (fault == FAULT_WAITS_IN_LOOP && known->set[ACQUIRE]) {
		wait_in_loop(known);
	}
	known->commits += known->set[ACQUIRE];
	if (fault == FAULT_SLOW && known->commits % 16 == 0) {
		wait_ms(1500);
	}
	if (fault == FAULT_DIES && known->set[ACQUIRE] && !is_signalled(known->points[ACQUIRE])) {
		abort();
	}
}

static void surface_commit(struct wl_client *client, struct wl_resource *resource) {
	enum fault fault = fault_for(client);
	struct known_surface *known = find_surface(resource);
	if (fault == FAULT_SLOW) {
		wait_ms(import_count / 2);
	}
	if (known) {
		leak(fault, 8);
		before_commit(client, known);
	}
	real_surface->commit(client, resource);
	if (!known) {
		return;
	}
	if (fault == FAULT_RELEASE_AT_COMMIT && known->set[RELEASE]) {
		signal_point(known->points[RELEASE].handle, known->points[RELEASE].value);
	}
	known->set[ACQUIRE] = known->set[RELEASE] = known->attached = false;
}

static void surface_frame(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	real_surface->frame(client, resource, id);
	struct wl_resource *callback = wl_client_get_object(client, id);
	if (callback && fault_for(client) == FAULT_FRAME_EARLY && find_surface(resource)) {
		wl_callback_send_done(callback, 0);
		wl_resource_destroy(callback);
	}
}

static void presentation_feedback(struct wl_client *client, struct wl_resource *resource,
		struct wl_resource *surface, uint32_t id) {
	real_presentation->feedback(client, resource, surface, id);
	struct wl_resource *feedback = wl_client_get_object(client, id);
	if (feedback && fault_for(client) == FAULT_PRESENTED_EARLY && find_surface(surface)) {
		wp_presentation_feedback_send_presented(feedback, 0, 1, 0, 0, 0, 0, 0);
		wl_resource_destroy(feedback);
	}
}

static struct wl_surface_interface wrapped_surface;
static struct wp_presentation_interface wrapped_presentation;

// What the compositor calls.

// The table to use instead of the compositor's.
static const void *wrap(struct wl_resource *resource, const void *implementation) {
	if (is_class(resource, &wp_linux_drm_syncobj_manager_v1_interface)) {
		real_manager = implementation;
		return &our_manager;
	}
	if (is_class(resource, &wp_linux_drm_syncobj_timeline_v1_interface)) {
		last_timeline = resource;
		real_timeline = implementation;
		return &our_timeline;
	}
	if (is_class(resource, &wp_linux_drm_syncobj_surface_v1_interface)) {
		// An object that is inert after its surface went gets another table: it stays.
		if (implementation && (!real_sync || real_sync == implementation)) {
			real_sync = implementation;
			return &our_sync;
		}
	}
	if (is_class(resource, &wl_surface_interface)) {
		real_surface = implementation;
		wrapped_surface = *real_surface;
		wrapped_surface.attach = surface_attach;
		wrapped_surface.commit = surface_commit;
		wrapped_surface.frame = surface_frame;
		return &wrapped_surface;
	}
	if (is_class(resource, &wp_presentation_interface)) {
		real_presentation = implementation;
		wrapped_presentation = *real_presentation;
		wrapped_presentation.feedback = presentation_feedback;
		return &wrapped_presentation;
	}
	return implementation;
}

static const void *wrapped(const void *implementation) {
	return implementation == NULL ? NULL :
		implementation == real_manager ? &our_manager :
		implementation == real_timeline ? &our_timeline :
		implementation == real_sync ? (const void *)&our_sync :
		implementation == real_surface ? (const void *)&wrapped_surface :
		implementation == real_presentation ? (const void *)&wrapped_presentation :
		implementation;
}

#define EXPORT __attribute__((visibility("default")))

EXPORT void wl_resource_set_implementation(struct wl_resource *resource,
		const void *implementation, void *data, wl_resource_destroy_func_t destroy) {
	static __typeof__(wl_resource_set_implementation) *real;
	if (!real) {
		real = dlsym(RTLD_NEXT, "wl_resource_set_implementation");
	}
	if (chosen != FAULT_NONE && implementation) {
		if (drm_fd < 0) {
			drm_fd = open_device();
		}
		implementation = wrap(resource, implementation);
	}
	real(resource, implementation, data, destroy);
}

// The compositor asks whether a resource is its own by its table.
EXPORT int wl_resource_instance_of(struct wl_resource *resource,
		const struct wl_interface *interface, const void *implementation) {
	static __typeof__(wl_resource_instance_of) *real;
	if (!real) {
		real = dlsym(RTLD_NEXT, "wl_resource_instance_of");
	}
	return real(resource, interface, implementation) ||
		real(resource, interface, wrapped(implementation));
}

// False if the compositor is to keep silent.
static bool break_error(struct wl_resource *resource, uint32_t *code) {
	if (strncmp(wl_resource_get_class(resource), "wp_linux_drm_syncobj_", 21) != 0) {
		return true;
	}
	enum fault fault = fault_for(wl_resource_get_client(resource));
	if (fault == FAULT_ERRORS_WRONG) {
		*code += 10;
	}
	return fault != FAULT_ERRORS_IGNORED;
}

EXPORT void wl_resource_post_error_vargs(struct wl_resource *resource, uint32_t code,
		const char *message, va_list args) {
	static __typeof__(wl_resource_post_error_vargs) *real;
	if (!real) {
		real = dlsym(RTLD_NEXT, "wl_resource_post_error_vargs");
	}
	if (break_error(resource, &code)) {
		real(resource, code, message, args);
	}
}

EXPORT void wl_resource_post_error(struct wl_resource *resource, uint32_t code,
		const char *message, ...) {
	static __typeof__(wl_resource_post_error_vargs) *real;
	if (!real) {
		real = dlsym(RTLD_NEXT, "wl_resource_post_error_vargs");
	}
	va_list args;
	va_start(args, message);
	if (break_error(resource, &code)) {
		real(resource, code, message, args);
	}
	va_end(args);
}
