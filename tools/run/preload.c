/*
 * What `signalbox run` loads into a compositor. It stands in front of wlroots with functions of
 * wlroots' names, and lets libsignalbox answer them.
 *
 * By itself it needs nothing but libc, so that it does no harm in a program that has nothing to do with
 * wlroots: libsignalbox, which brings wlroots along, is opened when the compositor asks for a renderer.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <signalbox/log.h>
#include <signalbox/output.h>
#include <signalbox/renderer.h>
#include <signalbox/syncobj.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_linux_dmabuf_v1.h>
#include <wlr/types/wlr_linux_drm_syncobj_v1.h>
#include <wlr/types/wlr_output.h>

#define WLROOTS "libwlroots-"
#define WLROOTS_OURS "libwlroots-0.20.so"
#define SIGNALBOX "libsignalbox.so"

#define EXPORT __attribute__((visibility("default")))

/* The next one of that name after this library: wlroots'. */
#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))
#define OF(handle, function) ((__typeof__(&function))dlsym(handle, #function))

enum state {
	/** Nothing of ours is used. */
	ALOOF,
	/** It is a compositor that can be joined, and has not asked for a renderer yet. */
	WILLING,
	/** It draws with our renderer. */
	JOINED,
};

static enum state state;
static char *device, *policy;
static void *library; // libsignalbox
/** Whether our renderer can wait for what is not signalled. */
static bool can_wait;
/** Ours; NULL: it is gone. */
static struct wlr_renderer *drawing;
/** The display whose clients are offered our explicit sync, and what wlroots' function returns for it. */
static struct wl_display *display;
static struct wlr_linux_drm_syncobj_manager_v1 offered;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...) {
	va_list args;
	va_start(args, format);
	fprintf(stderr, "signalbox: ");
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* The environment is the children's, too */

static bool is_own_name(const char *name, size_t length) {
	static const char own[] = "/libsignalbox-preload.so";
	size_t own_length = sizeof(own) - 1;
	return length >= own_length && memcmp(name + length - own_length, own, own_length) == 0;
}

static void leave_preloads(void) {
	const char *list = getenv("LD_PRELOAD");
	char *others = list != NULL ? calloc(1, strlen(list) + 1) : NULL;
	if (others == NULL) {
		return;
	}
	while (*list != '\0') {
		size_t length = strcspn(list, ": ");
		if (length > 0 && !is_own_name(list, length)) {
			if (others[0] != '\0') {
				strcat(others, ":");
			}
			strncat(others, list, length);
		}
		list += length + (list[length] != '\0');
	}
	if (others[0] != '\0') {
		setenv("LD_PRELOAD", others, true);
	} else {
		unsetenv("LD_PRELOAD");
	}
	free(others);
}

static char *take(const char *name, const char *value) {
	char *copy = value != NULL ? strdup(value) : NULL;
	unsetenv(name);
	return copy;
}

/* Whom we are in */

struct found {
	const char *wlroots, *signalbox;
};

static int look_at_object(struct dl_phdr_info *info, size_t size, void *data) {
	struct found *found = data;
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
	if (strncmp(name, WLROOTS, strlen(WLROOTS)) == 0) {
		found->wlroots = name;
	} else if (strncmp(name, SIGNALBOX, strlen(SIGNALBOX)) == 0) {
		found->signalbox = name;
	}
	return 0;
}

/* NULL: it can be joined. Otherwise why not; static or of `found`. */
static const char *find_obstacle(struct found *found) {
	dl_iterate_phdr(look_at_object, found);
	if (found->signalbox != NULL || dlsym(RTLD_DEFAULT, "sbx_renderer_create") != NULL) {
		return "it uses signalbox already";
	}
	if (found->wlroots == NULL) {
		return "it does not use " WLROOTS_OURS;
	}
	if (strncmp(found->wlroots, WLROOTS_OURS, strlen(WLROOTS_OURS)) != 0) {
		return "it uses another wlroots, not " WLROOTS_OURS;
	}
	if (dlsym(RTLD_DEFAULT, "wlr_renderer_autocreate") != (void *)wlr_renderer_autocreate) {
		return "another preloaded library stands in front";
	}
	if (SBX_SANITIZED && dlsym(RTLD_DEFAULT, "__asan_init") == NULL) {
		return "this signalbox is built with AddressSanitizer, and it is not";
	}
	return NULL;
}

/* libsignalbox */

static bool open_beside(const char *self, const char *folder) {
	char path[PATH_MAX];
	const char *slash = strrchr(self, '/');
	int length = slash != NULL ? (int)(slash - self) : 0;
	int needed = snprintf(path, sizeof(path), "%.*s/%s" SIGNALBOX ".%s", length, self, folder, SBX_SOVERSION);
	if (length == 0 || needed < 0 || (size_t)needed >= sizeof(path) || access(path, R_OK) != 0) {
		return false;
	}
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		say("%s", dlerror());
	}
	return library != NULL;
}

/* In the same folder, where it was installed, or in the one above, where it was built. */
static bool open_library(void) {
	Dl_info info;
	if (library != NULL) {
		return true;
	}
	if (dladdr((void *)wlr_renderer_autocreate, &info) == 0) {
		return false;
	}
	return open_beside(info.dli_fname, "") || open_beside(info.dli_fname, "../");
}

static struct wlr_renderer *create_renderer(struct wlr_backend *backend) {
	if (!open_library()) {
		return NULL;
	}
	return OF(library, sbx_renderer_create)(backend,
		&(struct sbx_renderer_options){ .device = device });
}

/* --check */

static void print_line(enum sbx_log_level level, const char *format, va_list args) {
	vprintf(format, args);
	putchar('\n');
}

static void check(const char *obstacle) {
	if (obstacle != NULL) {
		printf("signalbox: not joined: %s: %s\n", program_invocation_short_name, obstacle);
	} else if (!open_library()) {
		printf("signalbox: not joined: libsignalbox cannot be loaded\n");
		obstacle = "";
	} else {
		OF(library, sbx_log_init)(SBX_LOG_INFO, print_line);
		struct wlr_renderer *renderer = create_renderer(NULL);
		obstacle = renderer != NULL ? NULL : "";
		printf("signalbox: %s\n", renderer != NULL ?
			"would be joined: renderer, explicit sync" : "not joined: there is no renderer");
		OF(library, wlr_renderer_destroy)(renderer);
	}
	fflush(stdout);
	_exit(obstacle != NULL);
}

/*
 * Asked for each surface and frame, so that they are looked up once. libsignalbox passes on what is not
 * about its surfaces.
 */
static __typeof__(&wlr_linux_drm_syncobj_v1_get_surface_state) get_surface_state;
static __typeof__(&wlr_linux_drm_syncobj_v1_state_signal_release_with_buffer) signal_release_with_buffer;
static __typeof__(&wlr_linux_drm_syncobj_v1_state_add_release_point) add_release_point;

static void look_up(void *handle) {
	get_surface_state = OF(handle, wlr_linux_drm_syncobj_v1_get_surface_state);
	signal_release_with_buffer = OF(handle, wlr_linux_drm_syncobj_v1_state_signal_release_with_buffer);
	add_release_point = OF(handle, wlr_linux_drm_syncobj_v1_state_add_release_point);
}

/* Before the compositor's main(). */
__attribute__((constructor)) static void begin(void) {
	const char *mode = getenv("SIGNALBOX_RUN");
	bool checking = mode != NULL && strcmp(mode, "check") == 0;
	unsetenv("SIGNALBOX_RUN");
	device = take("SIGNALBOX_RUN_DEVICE", getenv("SIGNALBOX_RUN_DEVICE"));
	policy = take("SIGNALBOX_RUN_POLICY", getenv("SIGNALBOX_RUN_POLICY"));
	leave_preloads();
	struct found found = {0};
	const char *obstacle = find_obstacle(&found);
	if (checking) {
		check(obstacle);
	}
	if (obstacle != NULL) {
		say("%s is not joined: %s", program_invocation_short_name, obstacle);
	}
	state = obstacle == NULL ? WILLING : ALOOF;
	look_up(RTLD_NEXT);
}

/* In wlroots' place */

static void handle_renderer_destroy(struct wl_listener *listener, void *data) {
	OF(library, wl_list_remove)(&listener->link);
	drawing = NULL;
}

/* Who draws; the compositor makes another one when the GPU was lost. */
static void remember(struct wlr_renderer *renderer) {
	static struct wl_listener destroy = { .notify = handle_renderer_destroy };
	if (drawing != NULL) {
		OF(library, wl_list_remove)(&destroy.link);
	}
	drawing = renderer;
	OF(library, wl_list_insert)(renderer->events.destroy.listener_list.prev, &destroy.link);
}

EXPORT struct wlr_renderer *wlr_renderer_autocreate(struct wlr_backend *backend) {
	struct wlr_renderer *renderer = state != ALOOF ? create_renderer(backend) : NULL;
	if (renderer != NULL) {
		state = JOINED;
		can_wait = renderer->features.timeline;
		remember(renderer);
		look_up(library);
		return renderer;
	}
	if (state != ALOOF) {
		say("%s is not joined: there is no renderer of ours (the log says why); wlroots' own draws",
			program_invocation_short_name);
		state = ALOOF;
	}
	return NEXT(wlr_renderer_autocreate)(backend);
}

static enum sbx_latch_policy wanted_policy(void) {
	if (!can_wait) {
		return SBX_LATCH_SIGNALLED;
	}
	if (policy != NULL && strcmp(policy, "materialised") == 0) {
		return SBX_LATCH_MATERIALISED;
	}
	return policy != NULL && strcmp(policy, "deadline") == 0 ? SBX_LATCH_DEADLINE : SBX_LATCH_SIGNALLED;
}

EXPORT struct wlr_linux_drm_syncobj_manager_v1 *wlr_linux_drm_syncobj_manager_v1_create(
		struct wl_display *wl_display, uint32_t version, int drm_fd) {
	if (state != JOINED || (display != NULL && display != wl_display)) {
		return NEXT(wlr_linux_drm_syncobj_manager_v1_create)(wl_display, version, drm_fd);
	}
	if (offered.global == NULL) {
		struct sbx_syncobj_options options = { .policy = wanted_policy() };
		struct sbx_syncobj_manager *manager =
			OF(library, sbx_syncobj_manager_create)(wl_display, version, drm_fd, &options);
		display = wl_display;
		offered.global = manager == NULL ? NULL :
			OF(library, sbx_syncobj_manager_get_global)(manager);
	}
	return offered.global != NULL ? &offered : NULL;
}

/*
 * The compositor has made all its globals, and no client has been served. Some offer explicit sync only
 * where renderer and backend are wlroots' and can do it, some (cage) never; ours needs neither.
 */
static void handle_ready(void *data) {
	struct wlr_renderer *renderer = data;
	int drm_fd = OF(library, wlr_renderer_get_drm_fd)(renderer);
	if (offered.global == NULL && drm_fd >= 0) {
		wlr_linux_drm_syncobj_manager_v1_create(display, 1, drm_fd);
	}
	say("%s is joined: renderer%s", program_invocation_short_name,
		offered.global != NULL ? ", explicit sync" : "; no explicit sync (the log says why)");
}

EXPORT struct wlr_compositor *wlr_compositor_create(struct wl_display *wl_display, uint32_t version,
		struct wlr_renderer *renderer) {
	struct wlr_compositor *compositor = NEXT(wlr_compositor_create)(wl_display, version, renderer);
	if (compositor != NULL && state == JOINED && OF(library, sbx_renderer_is_sbx)(renderer)) {
		display = wl_display;
		OF(library, wl_event_loop_add_idle)(OF(library, wl_display_get_event_loop)(wl_display),
			handle_ready, renderer);
	}
	return compositor;
}

/* wlroots asks the DRM device for a client's buffer. Who will draw it knows better: it takes more and less. */
static bool check_dmabuf(struct wlr_dmabuf_attributes *attributes, void *data) {
	struct wlr_texture *texture = drawing == NULL ? NULL :
		OF(library, wlr_texture_from_dmabuf)(drawing, attributes);
	if (texture != NULL) {
		OF(library, wlr_texture_destroy)(texture);
	}
	return texture != NULL;
}

EXPORT struct wlr_linux_dmabuf_v1 *wlr_linux_dmabuf_v1_create(struct wl_display *wl_display,
		uint32_t version, const struct wlr_linux_dmabuf_feedback_v1 *feedback) {
	struct wlr_linux_dmabuf_v1 *dmabuf =
		NEXT(wlr_linux_dmabuf_v1_create)(wl_display, version, feedback);
	if (dmabuf != NULL && state == JOINED) {
		OF(library, wlr_linux_dmabuf_v1_set_check_dmabuf_callback)(dmabuf, check_dmabuf, NULL);
	}
	return dmabuf;
}

/* libsignalbox calls wlroots' function of this name, and finds this one. */
EXPORT bool wlr_output_init_render(struct wlr_output *output, struct wlr_allocator *allocator,
		struct wlr_renderer *renderer) {
	static bool choosing;
	if (state != JOINED || choosing || !OF(library, sbx_renderer_is_sbx)(renderer)) {
		return NEXT(wlr_output_init_render)(output, allocator, renderer);
	}
	choosing = true;
	bool ok = OF(library, sbx_output_init_render)(output, allocator, renderer);
	choosing = false;
	return ok;
}

EXPORT struct wlr_linux_drm_syncobj_surface_v1_state *wlr_linux_drm_syncobj_v1_get_surface_state(
		struct wlr_surface *surface) {
	return get_surface_state(surface);
}

EXPORT bool wlr_linux_drm_syncobj_v1_state_signal_release_with_buffer(
		struct wlr_linux_drm_syncobj_surface_v1_state *surface_state, struct wlr_buffer *buffer) {
	return signal_release_with_buffer(surface_state, buffer);
}

EXPORT bool wlr_linux_drm_syncobj_v1_state_add_release_point(
		struct wlr_linux_drm_syncobj_surface_v1_state *surface_state,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point, struct wl_event_loop *loop) {
	return add_release_point(surface_state, timeline, point, loop);
}
