#include <drm_fourcc.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-client-protocol.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include "harness/client.h"
#include "harness/kernel_fake.h"
#include "linux-dmabuf-v1-client-protocol.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "sync/fd.h"
#include "sync/timeline.h"
#include "xdg-shell-client-protocol.h"

enum { HEIGHT = 4, MAX_CALLBACKS = 32 };

/* The compositor and its clients share the process: errors are told apart by whom they name. */
static char last_error[1024];

static void log_error(const char *format, va_list args) {
	vsnprintf(last_error, sizeof(last_error), format, args);
}

/* Registry */

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct test_client *client = data;
	const struct {
		const struct wl_interface *interface;
		uint32_t version;
		size_t offset;
	} wanted[] = {
		{ &wl_compositor_interface, 6, offsetof(struct test_client, wl_compositor) },
		{ &wl_subcompositor_interface, 1, offsetof(struct test_client, subcompositor) },
		{ &wl_shm_interface, 1, offsetof(struct test_client, shm) },
		{ &xdg_wm_base_interface, 3, offsetof(struct test_client, wm_base) },
		{ &zwp_linux_dmabuf_v1_interface, 4, offsetof(struct test_client, dmabuf) },
		{ &wp_linux_drm_syncobj_manager_v1_interface, 1, offsetof(struct test_client, syncobj) },
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (strcmp(wanted[i].interface->name, interface) == 0) {
			void *object = wl_registry_bind(registry, name, wanted[i].interface,
				wanted[i].version);
			memcpy((char *)client + wanted[i].offset, &object, sizeof(object));
		}
	}
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static void handle_peer_destroy(struct wl_listener *listener, void *data) {
	struct test_client *client = wl_container_of(listener, client, peer_destroy);
	client->peer = NULL;
}

struct test_client *test_client_create(struct test_compositor *compositor, struct sbx_sync *sync) {
	struct test_client *client = calloc(1, sizeof(*client));
	client->compositor = compositor;
	client->sync = sync;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	wl_log_set_handler_client(log_error);
	client->peer = wl_client_create(compositor->display, fds[0]);
	client->peer_destroy.notify = handle_peer_destroy;
	wl_client_add_destroy_listener(client->peer, &client->peer_destroy);
	client->display = wl_display_connect_to_fd(fds[1]);
	wl_list_insert(&compositor->clients, &client->link);
	client->registry = wl_display_get_registry(client->display);
	wl_registry_add_listener(client->registry, &registry_listener, client);
	assert_true(test_client_roundtrip(client));
	return client;
}

static void destroy_proxy(void *proxy) {
	if (proxy != NULL) {
		wl_proxy_destroy(proxy);
	}
}

void test_client_destroy(struct test_client *client) {
	if (client == NULL) {
		return;
	}
	struct test_compositor *compositor = client->compositor;
	void *proxies[] = { client->wl_compositor, client->subcompositor, client->shm, client->wm_base,
		client->dmabuf, client->syncobj, client->registry };
	for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++) {
		destroy_proxy(proxies[i]);
	}
	wl_display_disconnect(client->display);
	wl_list_remove(&client->link);
	test_pump(compositor);
	assert_null(client->peer);
	free(client);
}

/* Talking */

static void handle_sync_done(void *data, struct wl_callback *callback, uint32_t serial) {
	*(bool *)data = true;
	wl_callback_destroy(callback);
}

static const struct wl_callback_listener sync_listener = { .done = handle_sync_done };

struct roundtrip {
	struct test_client *client;
	bool done;
};

static bool roundtrip_over(void *data) {
	struct roundtrip *roundtrip = data;
	return roundtrip->done || wl_display_get_error(roundtrip->client->display) != 0;
}

bool test_client_roundtrip(struct test_client *client) {
	struct roundtrip roundtrip = { .client = client };
	struct wl_callback *callback = wl_display_sync(client->display);
	wl_callback_add_listener(callback, &sync_listener, &roundtrip.done);
	assert_true(test_pump_until(client->compositor, roundtrip_over, &roundtrip));
	if (!roundtrip.done) {
		wl_callback_destroy(callback);
	}
	return roundtrip.done;
}

void test_client_expect_error(struct test_client *client, const char *name, uint32_t code,
		const char *words) {
	assert_false(test_client_roundtrip(client));
	assert_int_equal(wl_display_get_error(client->display), EPROTO);
	const struct wl_interface *interface = NULL;
	uint32_t id;
	uint32_t got = wl_display_get_protocol_error(client->display, &interface, &id);
	if (interface == NULL || strcmp(interface->name, name) != 0 || got != code) {
		fail_msg("expected %s error %u, got %s error %u: %s", name, code,
			interface != NULL ? interface->name : "no", got, last_error);
	}
	char *copy = strdup(words != NULL ? words : "");
	for (char *save, *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		if (strstr(last_error, word) == NULL) {
			fail_msg("\"%s\" is not in: %s", word, last_error);
		}
	}
	free(copy);
}

/* Timelines */

static struct wp_linux_drm_syncobj_timeline_v1 *import(struct test_client *client,
		struct sbx_timeline *timeline) {
	int fd = -1;
	kernel_fake.paused = true;
	assert_int_equal(sbx_timeline_export(timeline, &fd), 0);
	kernel_fake.paused = false;
	struct wp_linux_drm_syncobj_timeline_v1 *object =
		wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, fd);
	test_client_roundtrip(client);
	sbx_fd_close(&fd);
	return object;
}

void test_timeline_create(struct test_client *client, struct test_timeline *timeline) {
	kernel_fake.paused = true;
	assert_int_equal(sbx_timeline_create(client->sync, &timeline->own), 0);
	kernel_fake.paused = false;
	timeline->object = import(client, timeline->own);
}

void test_timeline_import_again(struct test_client *client, const struct test_timeline *first,
		struct test_timeline *again) {
	again->own = NULL;
	again->object = import(client, first->own);
}

void test_timeline_destroy(struct test_timeline *timeline) {
	if (timeline->object != NULL) {
		wp_linux_drm_syncobj_timeline_v1_destroy(timeline->object);
	}
	kernel_fake.paused = true;
	sbx_timeline_destroy(timeline->own);
	kernel_fake.paused = false;
	*timeline = (struct test_timeline){0};
}

struct sbx_point test_point(const struct test_timeline *timeline, uint64_t value) {
	return sbx_timeline_point(timeline->own, value);
}

void test_signal(struct test_client *client, const struct test_timeline *timeline, uint64_t value) {
	struct sbx_point point = test_point(timeline, value);
	kernel_fake.paused = true;
	assert_int_equal(sbx_points_signal(client->sync, &point, 1), 0);
	kernel_fake.paused = false;
}

enum sbx_point_state test_state(struct test_client *client, const struct test_timeline *timeline,
		uint64_t value) {
	struct sbx_point point = test_point(timeline, value);
	enum sbx_point_state state = SBX_POINT_INVALID;
	kernel_fake.paused = true;
	assert_int_equal(sbx_points_query(client->sync, &point, 1, &state), 0);
	kernel_fake.paused = false;
	return state;
}

/* Windows */

static void handle_configure(void *data, struct xdg_surface *xdg_surface, uint32_t serial) {
	struct test_window *window = data;
	window->configures++;
	xdg_surface_ack_configure(xdg_surface, serial);
}

static const struct xdg_surface_listener xdg_surface_listener = { .configure = handle_configure };

static void handle_toplevel_configure(void *data, struct xdg_toplevel *toplevel, int32_t width,
		int32_t height, struct wl_array *states) {
}

static void handle_close(void *data, struct xdg_toplevel *toplevel) {
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = handle_toplevel_configure,
	.close = handle_close,
};

void test_surface_open(struct test_client *client, struct test_window *window) {
	*window = (struct test_window){ .client = client };
	window->wl_surface = wl_compositor_create_surface(client->wl_compositor);
	if (client->syncobj != NULL) {
		window->sync = wp_linux_drm_syncobj_manager_v1_get_surface(client->syncobj,
			window->wl_surface);
		test_timeline_create(client, &window->acquire);
		test_timeline_create(client, &window->release);
	}
}

static bool is_configured(void *data) {
	return ((struct test_window *)data)->configures > 0;
}

void test_window_open(struct test_client *client, struct test_window *window) {
	test_surface_open(client, window);
	window->xdg_surface = xdg_wm_base_get_xdg_surface(client->wm_base, window->wl_surface);
	xdg_surface_add_listener(window->xdg_surface, &xdg_surface_listener, window);
	window->toplevel = xdg_surface_get_toplevel(window->xdg_surface);
	xdg_toplevel_add_listener(window->toplevel, &toplevel_listener, window);
	wl_surface_commit(window->wl_surface);
	assert_true(test_pump_until(client->compositor, is_configured, window));
	test_pump(client->compositor);
}

void test_subsurface_open(struct test_window *parent, struct test_window *window) {
	struct test_client *client = parent->client;
	test_surface_open(client, window);
	window->subsurface = wl_subcompositor_get_subsurface(client->subcompositor, window->wl_surface,
		parent->wl_surface);
}

void test_window_close(struct test_window *window) {
	for (size_t i = 0; i < MAX_CALLBACKS; i++) {
		destroy_proxy(window->callbacks[i]);
	}
	if (window->sync != NULL) {
		wp_linux_drm_syncobj_surface_v1_destroy(window->sync);
	}
	if (window->subsurface != NULL) {
		wl_subsurface_destroy(window->subsurface);
	}
	if (window->toplevel != NULL) {
		xdg_toplevel_destroy(window->toplevel);
	}
	if (window->xdg_surface != NULL) {
		xdg_surface_destroy(window->xdg_surface);
	}
	if (window->wl_surface != NULL) {
		wl_surface_destroy(window->wl_surface);
	}
	test_timeline_destroy(&window->acquire);
	test_timeline_destroy(&window->release);
	struct test_client *client = window->client;
	*window = (struct test_window){ .client = client };
}

struct wlr_surface *test_window_peer(struct test_window *window) {
	struct test_client *client = window->client;
	struct wl_resource *resource = client->peer == NULL ? NULL :
		wl_client_get_object(client->peer, wl_proxy_get_id((struct wl_proxy *)window->wl_surface));
	return resource != NULL ? wlr_surface_from_resource(resource) : NULL;
}

int test_window_content(struct test_window *window) {
	struct wlr_surface *surface = test_window_peer(window);
	return surface != NULL && surface->buffer != NULL ? surface->buffer->base.width : 0;
}

/* Buffers */

struct wl_buffer *test_buffer_dmabuf(struct test_client *client, int width) {
	int fd = memfd_create("buffer", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)width * 4 * HEIGHT), 0);
	struct zwp_linux_buffer_params_v1 *params = zwp_linux_dmabuf_v1_create_params(client->dmabuf);
	zwp_linux_buffer_params_v1_add(params, fd, 0, 0, (uint32_t)width * 4,
		DRM_FORMAT_MOD_LINEAR >> 32, DRM_FORMAT_MOD_LINEAR & 0xFFFFFFFF);
	struct wl_buffer *buffer = zwp_linux_buffer_params_v1_create_immed(params, width, HEIGHT,
		DRM_FORMAT_XRGB8888, 0);
	zwp_linux_buffer_params_v1_destroy(params);
	close(fd);
	return buffer;
}

struct wl_buffer *test_buffer_shm(struct test_client *client, int width) {
	int fd = memfd_create("buffer", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)width * 4 * HEIGHT), 0);
	struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, fd, width * 4 * HEIGHT);
	struct wl_buffer *buffer = wl_shm_pool_create_buffer(pool, 0, width, HEIGHT, width * 4,
		WL_SHM_FORMAT_XRGB8888);
	wl_shm_pool_destroy(pool);
	close(fd);
	return buffer;
}

void test_attach(struct test_window *window, struct wl_buffer *buffer, uint64_t acquire,
		uint64_t release) {
	wl_surface_attach(window->wl_surface, buffer, 0, 0);
	wl_surface_damage_buffer(window->wl_surface, 0, 0, INT32_MAX, INT32_MAX);
	if (buffer != NULL && window->sync != NULL) {
		wp_linux_drm_syncobj_surface_v1_set_acquire_point(window->sync, window->acquire.object,
			(uint32_t)(acquire >> 32), (uint32_t)acquire);
		wp_linux_drm_syncobj_surface_v1_set_release_point(window->sync, window->release.object,
			(uint32_t)(release >> 32), (uint32_t)release);
	}
}

void test_commit(struct test_window *window) {
	wl_surface_commit(window->wl_surface);
	test_pump(window->client->compositor);
}

static void handle_frame(void *data, struct wl_callback *callback, uint32_t time_ms) {
	struct test_window *window = data;
	window->frames++;
	for (size_t i = 0; i < MAX_CALLBACKS; i++) {
		if (window->callbacks[i] == callback) {
			window->callbacks[i] = NULL;
		}
	}
	wl_callback_destroy(callback);
}

static const struct wl_callback_listener frame_listener = { .done = handle_frame };

static void ask_for_frame(struct test_window *window) {
	for (size_t i = 0; i < MAX_CALLBACKS; i++) {
		if (window->callbacks[i] == NULL) {
			window->callbacks[i] = wl_surface_frame(window->wl_surface);
			wl_callback_add_listener(window->callbacks[i], &frame_listener, window);
			return;
		}
	}
}

void test_show(struct test_window *window, int width, uint64_t acquire, uint64_t release) {
	struct wl_buffer *buffer = test_buffer_dmabuf(window->client, width);
	test_attach(window, buffer, acquire, release);
	ask_for_frame(window);
	test_commit(window);
	wl_buffer_destroy(buffer);
	test_pump(window->client->compositor);
}
