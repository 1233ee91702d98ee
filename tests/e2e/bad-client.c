/*
 * A client that does one thing wrong, and tells how the compositor took it.
 *
 *	bad-client --list	the names of the cases, one a line
 *	bad-client CASE		0: refused as the protocol says (or borne, where nothing is to be
 *				refused); 1: not; 77: the compositor or the machine lacks what it needs
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <wayland-client.h>
#include <xf86drm.h>
#include "linux-dmabuf-v1-client-protocol.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "sync-client/client.h"
#include "xdg-shell-client-protocol.h"

#define SIDE 128
#define PALETTE 3
#define MISSING 77
#define BAD_MODIFIER fourcc_mod_code(INTEL, 2)

/* What a case hands over in place of a dma-buf. */
enum substitute {
	DMABUF,
	MEMFD,
	DEV_NULL,
};

struct buffer_case {
	const char *name;
	int width, height;
	uint32_t format;
	uint64_t modifier;
	uint32_t planes; /* a bit for each */
	uint32_t stride, offset;
	enum substitute substitute;
	int error; /* of zwp_linux_buffer_params_v1; -1: the event "failed" */
};

#define XRGB DRM_FORMAT_XRGB8888
#define STRIDE (SIDE * 4)
#define ERROR(name) ZWP_LINUX_BUFFER_PARAMS_V1_ERROR_##name

/* One thing is wrong in each. */
static const struct buffer_case buffer_cases[] = {
	{ "dmabuf-modifier", SIDE, SIDE, XRGB, BAD_MODIFIER, 1, STRIDE, 0, DMABUF, -1 },
	{ "dmabuf-format", SIDE, SIDE, fourcc_code('N', 'O', 'N', 'E'), 0, 1, STRIDE, 0, DMABUF, -1 },
	{ "dmabuf-no-plane", SIDE, SIDE, XRGB, 0, 0, STRIDE, 0, DMABUF, ERROR(INCOMPLETE) },
	{ "dmabuf-plane-1-alone", SIDE, SIDE, XRGB, 0, 2, STRIDE, 0, DMABUF, ERROR(INCOMPLETE) },
	{ "dmabuf-plane-4", SIDE, SIDE, XRGB, 0, 1 | 1 << 4, STRIDE, 0, DMABUF, ERROR(PLANE_IDX) },
	{ "dmabuf-two-planes", SIDE, SIDE, XRGB, 0, 3, STRIDE, 0, DMABUF, -1 },
	{ "dmabuf-four-planes", SIDE, SIDE, XRGB, 0, 15, STRIDE, 0, DMABUF, -1 },
	{ "dmabuf-stride-short", SIDE, SIDE, XRGB, 0, 1, STRIDE - 64, 0, DMABUF, -1 },
	{ "dmabuf-stride-4", SIDE, SIDE, XRGB, 0, 1, 4, 0, DMABUF, -1 },
	{ "dmabuf-stride-0", SIDE, SIDE, XRGB, 0, 1, 0, 0, DMABUF, ERROR(OUT_OF_BOUNDS) },
	{ "dmabuf-stride-long", SIDE, SIDE, XRGB, 0, 1, SIDE * 8, 0, DMABUF, ERROR(OUT_OF_BOUNDS) },
	{ "dmabuf-stride-huge", SIDE, SIDE, XRGB, 0, 1, UINT32_MAX, 0, DMABUF, ERROR(OUT_OF_BOUNDS) },
	{ "dmabuf-offset", SIDE, SIDE, XRGB, 0, 1, STRIDE, STRIDE, DMABUF, ERROR(OUT_OF_BOUNDS) },
	{ "dmabuf-offset-huge", SIDE, SIDE, XRGB, 0, 1, STRIDE, UINT32_MAX - 3, DMABUF,
		ERROR(OUT_OF_BOUNDS) },
	{ "dmabuf-width-0", 0, SIDE, XRGB, 0, 1, STRIDE, 0, DMABUF, ERROR(INVALID_DIMENSIONS) },
	{ "dmabuf-height-0", SIDE, 0, XRGB, 0, 1, STRIDE, 0, DMABUF, ERROR(INVALID_DIMENSIONS) },
	{ "dmabuf-width-negative", -1, SIDE, XRGB, 0, 1, STRIDE, 0, DMABUF, ERROR(INVALID_DIMENSIONS) },
	{ "dmabuf-height-huge", SIDE, INT32_MAX, XRGB, 0, 1, STRIDE, 0, DMABUF, ERROR(OUT_OF_BOUNDS) },
	{ "dmabuf-width-huge", INT32_MAX, SIDE, XRGB, 0, 1, STRIDE, 0, DMABUF, -1 },
	{ "dmabuf-memfd", SIDE, SIDE, XRGB, 0, 1, STRIDE, 0, MEMFD, -1 },
	{ "dmabuf-dev-null", SIDE, SIDE, XRGB, 0, 1, STRIDE, 0, DEV_NULL, ERROR(OUT_OF_BOUNDS) },
};

struct bad_client {
	struct wl_display *display;
	struct wl_registry *registry;
	struct wl_compositor *compositor;
	struct xdg_wm_base *shell;
	struct zwp_linux_dmabuf_v1 *dmabuf;
	struct wp_linux_drm_syncobj_manager_v1 *syncobj;
	dev_t device;
	int drm_fd, vgem_fd;

	struct memory memory;
	struct wl_buffer *created;
	bool failed; /* the event */

	struct wl_surface *surface;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel;
	struct wp_linux_drm_syncobj_surface_v1 *sync;
	bool configured;
	struct timeline acquire, release;
	struct wp_linux_drm_syncobj_timeline_v1 *wl_acquire, *wl_release;
	struct fence_source source;
};

struct sync_case {
	const char *name;
	int (*run)(struct bad_client *client);
	const struct wl_interface *interface; /* of the error; NULL: none is due */
	uint32_t error;
};

/* Globals */

struct announced {
	struct wl_registry *registry;
	uint32_t name;
	const char *interface;
};

static void *bind(const struct announced *it, const struct wl_interface *interface,
		uint32_t version, void *before) {
	if (strcmp(it->interface, interface->name) != 0) {
		return before;
	}
	return wl_registry_bind(it->registry, it->name, interface, version);
}

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct bad_client *client = data;
	const struct announced it = { registry, name, interface };
	client->compositor = bind(&it, &wl_compositor_interface, 4, client->compositor);
	client->shell = bind(&it, &xdg_wm_base_interface, 1, client->shell);
	client->dmabuf = bind(&it, &zwp_linux_dmabuf_v1_interface, 4, client->dmabuf);
	client->syncobj =
		bind(&it, &wp_linux_drm_syncobj_manager_v1_interface, 1, client->syncobj);
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static void ignore_feedback(void *data, struct zwp_linux_dmabuf_feedback_v1 *feedback) {
}

static void ignore_table(void *data, struct zwp_linux_dmabuf_feedback_v1 *feedback, int32_t fd,
		uint32_t size) {
	close(fd);
}

static void ignore_array(void *data, struct zwp_linux_dmabuf_feedback_v1 *feedback,
		struct wl_array *array) {
}

static void ignore_flags(void *data, struct zwp_linux_dmabuf_feedback_v1 *feedback,
		uint32_t flags) {
}

static void handle_device(void *data, struct zwp_linux_dmabuf_feedback_v1 *feedback,
		struct wl_array *device) {
	struct bad_client *client = data;
	memcpy(&client->device, device->data, sizeof(client->device));
}

static const struct zwp_linux_dmabuf_feedback_v1_listener feedback_listener = {
	.done = ignore_feedback,
	.format_table = ignore_table,
	.main_device = handle_device,
	.tranche_done = ignore_feedback,
	.tranche_target_device = ignore_array,
	.tranche_formats = ignore_array,
	.tranche_flags = ignore_flags,
};

static void open_device(struct bad_client *client) {
	struct zwp_linux_dmabuf_feedback_v1 *feedback =
		zwp_linux_dmabuf_v1_get_default_feedback(client->dmabuf);
	zwp_linux_dmabuf_feedback_v1_add_listener(feedback, &feedback_listener, client);
	wl_display_roundtrip(client->display);
	zwp_linux_dmabuf_feedback_v1_destroy(feedback);

	drmDevice *device = NULL;
	if (drmGetDeviceFromDevId(client->device, 0, &device) == 0) {
		client->drm_fd = open(device->nodes[DRM_NODE_PRIMARY], O_RDWR | O_CLOEXEC);
		drmFreeDevice(&device);
	}
}

static bool connect_client(struct bad_client *client) {
	client->display = wl_display_connect(NULL);
	if (client->display == NULL) {
		return false;
	}
	client->registry = wl_display_get_registry(client->display);
	wl_registry_add_listener(client->registry, &registry_listener, client);
	wl_display_roundtrip(client->display);
	if (client->compositor == NULL || client->shell == NULL || client->dmabuf == NULL) {
		return false;
	}
	open_device(client);
	client->vgem_fd = vgem_open();
	return memory_init(&client->memory, MEMORY_ANY, client->drm_fd, SIDE, SIDE) == 0;
}

/* What the compositor said */

static int judge_error(struct bad_client *client, const char *name,
		const struct wl_interface *expected, uint32_t expected_code) {
	const struct wl_interface *interface = NULL;
	int error = wl_display_get_error(client->display);
	uint32_t id, code = 0;
	if (error == EPROTO) {
		code = wl_display_get_protocol_error(client->display, &interface, &id);
	}
	if (interface == expected && (expected == NULL ? error == 0 : code == expected_code)) {
		printf("%s: %s\n", name, expected != NULL ? "refused, error as the protocol says" : "borne");
		return 0;
	}
	printf("%s: NOT as expected: error %d (%s), interface %s code %u\n", name, error,
		strerror(error), interface != NULL ? interface->name : "none", code);
	return 1;
}

/* dma-bufs */

static void handle_created(void *data, struct zwp_linux_buffer_params_v1 *params,
		struct wl_buffer *buffer) {
	struct bad_client *client = data;
	client->created = buffer;
}

static void handle_failed(void *data, struct zwp_linux_buffer_params_v1 *params) {
	struct bad_client *client = data;
	client->failed = true;
}

static const struct zwp_linux_buffer_params_v1_listener params_listener = {
	.created = handle_created,
	.failed = handle_failed,
};

static int open_substitute(const struct bad_client *client, enum substitute substitute) {
	switch (substitute) {
	case MEMFD: {
		int fd = memfd_create("bad-client", MFD_CLOEXEC);
		return fd >= 0 && ftruncate(fd, SIDE * SIDE * 4) == 0 ? fd : -1;
	}
	case DEV_NULL:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case DMABUF:
		break;
	}
	return dup(client->memory.dmabuf_fd);
}

static int run_buffer_case(struct bad_client *client, const struct buffer_case *it) {
	struct zwp_linux_buffer_params_v1 *params = zwp_linux_dmabuf_v1_create_params(client->dmabuf);
	zwp_linux_buffer_params_v1_add_listener(params, &params_listener, client);
	int fd = open_substitute(client, it->substitute);
	for (uint32_t i = 0; i < 8; i++) {
		if (it->planes & 1u << i) {
			zwp_linux_buffer_params_v1_add(params, fd, i, it->offset, it->stride,
				it->modifier >> 32, it->modifier & UINT32_MAX);
		}
	}
	close(fd);
	zwp_linux_buffer_params_v1_create(params, it->width, it->height, it->format, 0);
	wl_display_roundtrip(client->display);
	if (it->error >= 0) {
		return judge_error(client, it->name, &zwp_linux_buffer_params_v1_interface, it->error);
	}
	if (client->created != NULL) {
		printf("%s: NOT as expected: the buffer was accepted\n", it->name);
		return 1;
	}
	zwp_linux_buffer_params_v1_destroy(params);
	if (!client->failed || wl_display_get_error(client->display) != 0) {
		return judge_error(client, it->name, NULL, 0) || !client->failed;
	}
	printf("%s: refused, by the event\n", it->name);
	return 0;
}

/* Explicit sync */

static void handle_configure(void *data, struct xdg_surface *surface, uint32_t serial) {
	struct bad_client *client = data;
	xdg_surface_ack_configure(surface, serial);
	client->configured = true;
}

static const struct xdg_surface_listener surface_listener = { .configure = handle_configure };

static void handle_toplevel_configure(void *data, struct xdg_toplevel *toplevel, int32_t width,
		int32_t height, struct wl_array *states) {
}

static void handle_close(void *data, struct xdg_toplevel *toplevel) {
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = handle_toplevel_configure,
	.close = handle_close,
};

static struct wl_buffer *import(struct bad_client *client, const struct memory *memory) {
	struct zwp_linux_buffer_params_v1 *params = zwp_linux_dmabuf_v1_create_params(client->dmabuf);
	zwp_linux_buffer_params_v1_add(params, memory->dmabuf_fd, 0, 0, memory->stride, 0, 0);
	struct wl_buffer *buffer = zwp_linux_buffer_params_v1_create_immed(params, SIDE, SIDE,
		DRM_FORMAT_XRGB8888, 0);
	zwp_linux_buffer_params_v1_destroy(params);
	return buffer;
}

/* A window that may be drawn to, with timelines, and a buffer that shows frame 1. */
static bool open_window(struct bad_client *client) {
	if (client->syncobj == NULL || client->drm_fd < 0 ||
			timeline_init(&client->acquire, client->drm_fd) != 0 ||
			timeline_init(&client->release, client->drm_fd) != 0) {
		return false;
	}
	client->wl_acquire =
		wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, client->acquire.fd);
	client->wl_release =
		wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, client->release.fd);
	client->surface = wl_compositor_create_surface(client->compositor);
	client->sync = wp_linux_drm_syncobj_manager_v1_get_surface(client->syncobj, client->surface);
	client->xdg_surface = xdg_wm_base_get_xdg_surface(client->shell, client->surface);
	xdg_surface_add_listener(client->xdg_surface, &surface_listener, client);
	client->toplevel = xdg_surface_get_toplevel(client->xdg_surface);
	xdg_toplevel_add_listener(client->toplevel, &toplevel_listener, client);
	wl_surface_commit(client->surface);
	while (!client->configured) {
		if (wl_display_roundtrip(client->display) < 0) {
			return false;
		}
	}
	const struct picture picture = { SIDE, SIDE, PALETTE };
	picture_draw(&picture, 1, client->memory.pixels, client->memory.stride, 0, SIDE);
	client->created = import(client, &client->memory);
	return true;
}

static void set_acquire(struct bad_client *client, uint32_t point) {
	wp_linux_drm_syncobj_surface_v1_set_acquire_point(client->sync, client->wl_acquire, 0, point);
}

static void set_release(struct bad_client *client, uint32_t point) {
	wp_linux_drm_syncobj_surface_v1_set_release_point(client->sync, client->wl_release, 0, point);
}

static int commit(struct bad_client *client, struct wl_buffer *buffer) {
	if (buffer != NULL) {
		wl_surface_attach(client->surface, buffer, 0, 0);
	}
	wl_surface_damage_buffer(client->surface, 0, 0, SIDE, SIDE);
	wl_surface_commit(client->surface);
	wl_display_roundtrip(client->display);
	return 0;
}

/* Serve the connection for a while. Waiting is what this client does for a living. */
static void linger(struct bad_client *client, int ms) {
	uint64_t end_ns = now_ns() + (uint64_t)ms * 1000000;
	while (now_ns() < end_ns && wl_display_roundtrip(client->display) >= 0) {
		poll(NULL, 0, 20);
	}
}

uint64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int run_timeline_fd(struct bad_client *client) {
	if (client->syncobj == NULL) {
		return MISSING;
	}
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, fd);
	close(fd);
	wl_display_roundtrip(client->display);
	return 0;
}

static int run_no_acquire(struct bad_client *client) {
	if (!open_window(client)) {
		return MISSING;
	}
	set_release(client, 1);
	return commit(client, client->created);
}

static int run_no_release(struct bad_client *client) {
	if (!open_window(client)) {
		return MISSING;
	}
	set_acquire(client, 1);
	return commit(client, client->created);
}

static int run_no_buffer(struct bad_client *client) {
	if (!open_window(client)) {
		return MISSING;
	}
	set_acquire(client, 1);
	set_release(client, 1);
	return commit(client, NULL);
}

static int run_conflict(struct bad_client *client) {
	if (!open_window(client)) {
		return MISSING;
	}
	set_acquire(client, 2);
	wp_linux_drm_syncobj_surface_v1_set_release_point(client->sync, client->wl_acquire, 0, 1);
	return commit(client, client->created);
}

/* A point that nobody ever signals: this window never appears, and all others go on. */
static int run_never(struct bad_client *client) {
	if (!open_window(client)) {
		return MISSING;
	}
	set_acquire(client, 1);
	set_release(client, 1);
	commit(client, client->created);
	linger(client, 500);
	return 0;
}

/*
 * Frame 1 is good. Frame 2 waits for a fence that the kernel ends with an error after 10 s, while
 * its pixels are there. The client is told nothing by the protocol, and is not to be disconnected.
 */
static int run_failed_fence(struct bad_client *client) {
	struct memory second;
	if (client->vgem_fd < 0 || !open_window(client) ||
			fence_source_init(&client->source, client->vgem_fd) != 0 ||
			memory_init(&second, MEMORY_ANY, client->drm_fd, SIDE, SIDE) != 0) {
		return MISSING;
	}
	timeline_signal(&client->acquire, 1);
	set_acquire(client, 1);
	set_release(client, 1);
	commit(client, client->created);

	const struct picture picture = { SIDE, SIDE, PALETTE };
	picture_draw(&picture, 2, second.pixels, second.stride, 0, SIDE);
	struct wl_buffer *buffer = import(client, &second);
	fence_source_arm(&client->source, &client->acquire, 2);
	set_acquire(client, 2);
	set_release(client, 2);
	commit(client, buffer);
	linger(client, 13000);
	memory_finish(&second);
	wl_buffer_destroy(buffer);
	return 0;
}

#define SYNC_ERROR(kind, name) &wp_linux_drm_syncobj_##kind##_v1_interface, \
	WP_LINUX_DRM_SYNCOBJ_##name

static const struct sync_case sync_cases[] = {
	{ "sync-timeline-fd", run_timeline_fd, SYNC_ERROR(manager, MANAGER_V1_ERROR_INVALID_TIMELINE) },
	{ "sync-no-acquire", run_no_acquire, SYNC_ERROR(surface, SURFACE_V1_ERROR_NO_ACQUIRE_POINT) },
	{ "sync-no-release", run_no_release, SYNC_ERROR(surface, SURFACE_V1_ERROR_NO_RELEASE_POINT) },
	{ "sync-no-buffer", run_no_buffer, SYNC_ERROR(surface, SURFACE_V1_ERROR_NO_BUFFER) },
	{ "sync-conflict", run_conflict, SYNC_ERROR(surface, SURFACE_V1_ERROR_CONFLICTING_POINTS) },
	{ "sync-never", run_never },
	{ "sync-failed-fence", run_failed_fence },
};

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static int run_case(struct bad_client *client, const char *name) {
	for (size_t i = 0; i < COUNT(buffer_cases); i++) {
		if (strcmp(buffer_cases[i].name, name) == 0) {
			return run_buffer_case(client, &buffer_cases[i]);
		}
	}
	for (size_t i = 0; i < COUNT(sync_cases); i++) {
		const struct sync_case *it = &sync_cases[i];
		if (strcmp(it->name, name) == 0) {
			int ret = it->run(client);
			return ret != 0 ? ret : judge_error(client, name, it->interface, it->error);
		}
	}
	fprintf(stderr, "bad-client: no case \"%s\"\n", name);
	return 2;
}

static void list_cases(void) {
	for (size_t i = 0; i < COUNT(buffer_cases); i++) {
		puts(buffer_cases[i].name);
	}
	for (size_t i = 0; i < COUNT(sync_cases); i++) {
		puts(sync_cases[i].name);
	}
}

/* The rest of the connection's objects go with it. */
static void disconnect(struct bad_client *client) {
	fence_source_finish(&client->source);
	timeline_finish(&client->acquire);
	timeline_finish(&client->release);
	memory_finish(&client->memory);
	if (client->display != NULL) {
		wl_display_disconnect(client->display);
	}
	if (client->vgem_fd >= 0) {
		close(client->vgem_fd);
	}
	if (client->drm_fd >= 0) {
		close(client->drm_fd);
	}
}

int main(int argc, char *argv[]) {
	struct bad_client client = {
		.drm_fd = -1,
		.vgem_fd = -1,
		.memory = { .dmabuf_fd = -1 },
		.acquire = { .fd = -1 },
		.release = { .fd = -1 },
		.source = { .vgem_fd = -1, .dmabuf_fd = -1 },
	};
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list_cases();
		return 0;
	}
	if (argc != 2) {
		fputs("Usage: bad-client --list | CASE\n", stderr);
		return 2;
	}
	int status = connect_client(&client) ? run_case(&client, argv[1]) : MISSING;
	if (status == MISSING) {
		printf("%s: something that this case needs is missing\n", argv[1]);
	}
	disconnect(&client);
	return status;
}
