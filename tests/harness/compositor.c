#include <drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_linux_dmabuf_v1.h>
#include <wlr/types/wlr_shm.h>
#include <wlr/types/wlr_subcompositor.h>
#include <wlr/types/wlr_xdg_shell.h>
#include <xf86drm.h>
#include "harness/client.h"
#include "harness/compositor.h"

/*
 * wlroots asks libdrm for the device of the feedback; there is none here, so these answer in libdrm's
 * place (the programs export the two): a device without a render node, for which nothing is opened.
 */
SBX_API int drmGetDeviceFromDevId(dev_t id, uint32_t flags, drmDevicePtr *device);
SBX_API void drmFreeDevice(drmDevicePtr *device);

int drmGetDeviceFromDevId(dev_t id, uint32_t flags, drmDevicePtr *device) {
	static char *nodes[DRM_NODE_MAX] = { (char *)"none", (char *)"none", (char *)"none" };
	*device = calloc(1, sizeof(**device));
	(*device)->nodes = nodes;
	(*device)->available_nodes = 1 << DRM_NODE_PRIMARY;
	return 0;
}

void drmFreeDevice(drmDevicePtr *device) {
	free(*device);
	*device = NULL;
}

/* A renderer */

struct texture {
	struct wlr_texture base;
	struct wlr_buffer *buffer; // NULL: lost
	struct wl_list link; // test_compositor.textures
};

static void texture_destroy(struct wlr_texture *wlr_texture) {
	struct texture *texture = wl_container_of(wlr_texture, texture, base);
	wlr_buffer_unlock(texture->buffer);
	wl_list_remove(&texture->link);
	free(texture);
}

static const struct wlr_texture_impl texture_impl = { .destroy = texture_destroy };

static struct wlr_texture *texture_from_buffer(struct wlr_renderer *renderer,
		struct wlr_buffer *buffer) {
	struct test_compositor *compositor = wl_container_of(renderer, compositor, renderer);
	if (compositor->refuses_textures) {
		return NULL;
	}
	struct texture *texture = calloc(1, sizeof(*texture));
	wlr_texture_init(&texture->base, renderer, &texture_impl, (uint32_t)buffer->width,
		(uint32_t)buffer->height);
	texture->buffer = wlr_buffer_lock(buffer);
	wl_list_insert(&compositor->textures, &texture->link);
	return &texture->base;
}

void test_compositor_lose_textures(struct test_compositor *compositor) {
	struct texture *texture;
	wl_list_for_each(texture, &compositor->textures, link) {
		wlr_buffer_unlock(texture->buffer);
		texture->buffer = NULL;
	}
}

static const struct wlr_drm_format_set *get_formats(struct wlr_renderer *renderer, uint32_t caps) {
	struct test_compositor *compositor = wl_container_of(renderer, compositor, renderer);
	return &compositor->formats;
}

static struct wlr_render_pass *begin_pass(struct wlr_renderer *renderer, struct wlr_buffer *buffer,
		const struct wlr_buffer_pass_options *options) {
	return NULL;
}

static void renderer_destroy(struct wlr_renderer *renderer) {
}

static const struct wlr_renderer_impl renderer_impl = {
	.get_texture_formats = get_formats,
	.texture_from_buffer = texture_from_buffer,
	.begin_buffer_pass = begin_pass,
	.destroy = renderer_destroy,
};

/* Windows */

struct window {
	struct test_compositor *compositor;
	struct wlr_surface *surface;
	struct wl_list link;
	struct wl_listener commit, destroy;
	/* of a toplevel */
	struct wlr_xdg_toplevel *toplevel;
	struct wl_listener toplevel_destroy;
};

static void handle_commit(struct wl_listener *listener, void *data) {
	struct window *window = wl_container_of(listener, window, commit);
	struct test_compositor *compositor = window->compositor;
	unsigned i = compositor->commit_count++;
	if (i < sizeof(compositor->commits) / sizeof(compositor->commits[0])) {
		compositor->commits[i].surface = window->surface;
		compositor->commits[i].width = window->surface->buffer != NULL ?
			window->surface->buffer->base.width : 0;
	}
	if (window->toplevel != NULL && window->toplevel->base->initial_commit) {
		wlr_xdg_toplevel_set_size(window->toplevel, 0, 0);
	}
	struct timespec now = {0};
	wlr_surface_send_frame_done(window->surface, &now);
}

static void handle_surface_destroy(struct wl_listener *listener, void *data) {
	struct window *window = wl_container_of(listener, window, destroy);
	wl_list_remove(&window->link);
	wl_list_remove(&window->commit.link);
	wl_list_remove(&window->destroy.link);
	wl_list_remove(&window->toplevel_destroy.link);
	free(window);
}

static void handle_toplevel_destroy(struct wl_listener *listener, void *data) {
	struct window *window = wl_container_of(listener, window, toplevel_destroy);
	window->toplevel = NULL;
	wl_list_remove(&window->toplevel_destroy.link);
	wl_list_init(&window->toplevel_destroy.link);
}

static void handle_new_surface(struct wl_listener *listener, void *data) {
	struct test_compositor *compositor = wl_container_of(listener, compositor, new_surface);
	struct window *window = calloc(1, sizeof(*window));
	window->compositor = compositor;
	window->surface = data;
	window->commit.notify = handle_commit;
	wl_signal_add(&window->surface->events.commit, &window->commit);
	window->destroy.notify = handle_surface_destroy;
	wl_signal_add(&window->surface->events.destroy, &window->destroy);
	window->toplevel_destroy.notify = handle_toplevel_destroy;
	wl_list_init(&window->toplevel_destroy.link);
	wl_list_insert(&compositor->windows, &window->link);
}

static void handle_new_toplevel(struct wl_listener *listener, void *data) {
	struct test_compositor *compositor = wl_container_of(listener, compositor, new_toplevel);
	struct wlr_xdg_toplevel *toplevel = data;
	struct window *window;
	wl_list_for_each(window, &compositor->windows, link) {
		if (window->surface == toplevel->base->surface) {
			window->toplevel = toplevel;
			wl_signal_add(&toplevel->events.destroy, &window->toplevel_destroy);
		}
	}
}

/* Compositor */

static bool accept_dmabuf(struct wlr_dmabuf_attributes *attributes, void *data) {
	return true;
}

static void create_dmabuf_global(struct test_compositor *compositor) {
	struct wlr_linux_dmabuf_feedback_v1 feedback = { .main_device = 1 };
	struct wlr_linux_dmabuf_feedback_v1_tranche *tranche =
		wlr_linux_dmabuf_feedback_add_tranche(&feedback);
	tranche->target_device = 1;
	wlr_drm_format_set_union(&tranche->formats, &tranche->formats, &compositor->formats);
	struct wlr_linux_dmabuf_v1 *dmabuf =
		wlr_linux_dmabuf_v1_create(compositor->display, 4, &feedback);
	assert_non_null(dmabuf);
	wlr_linux_dmabuf_v1_set_check_dmabuf_callback(dmabuf, accept_dmabuf, NULL);
	wlr_linux_dmabuf_feedback_v1_finish(&feedback);
}

struct test_compositor *test_compositor_create_with(int drm_fd, const struct sbx_syncobj_options *options,
		struct wlr_renderer *renderer) {
	struct test_compositor *compositor = calloc(1, sizeof(*compositor));
	struct wl_display *display = compositor->display = wl_display_create();
	assert_non_null(display);
	compositor->loop = wl_display_get_event_loop(display);
	wl_list_init(&compositor->clients);
	wl_list_init(&compositor->windows);
	wlr_drm_format_set_add(&compositor->formats, DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR);
	wlr_drm_format_set_add(&compositor->formats, DRM_FORMAT_ARGB8888, DRM_FORMAT_MOD_LINEAR);
	wl_list_init(&compositor->textures);
	wlr_renderer_init(&compositor->renderer, &renderer_impl, WLR_BUFFER_CAP_DMABUF);

	compositor->wlr_compositor = wlr_compositor_create(display, 6,
		renderer != NULL ? renderer : &compositor->renderer);
	compositor->new_surface.notify = handle_new_surface;
	wl_signal_add(&compositor->wlr_compositor->events.new_surface, &compositor->new_surface);
	wlr_subcompositor_create(display);
	struct wlr_xdg_shell *shell = wlr_xdg_shell_create(display, 3);
	compositor->new_toplevel.notify = handle_new_toplevel;
	wl_signal_add(&shell->events.new_toplevel, &compositor->new_toplevel);
	uint32_t formats[] = { DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888 };
	wlr_shm_create(display, 1, formats, 2);
	create_dmabuf_global(compositor);
	compositor->manager = sbx_syncobj_manager_create(display, 1, drm_fd, options);
	return compositor;
}

struct test_compositor *test_compositor_create(int drm_fd, const struct sbx_syncobj_options *options) {
	return test_compositor_create_with(drm_fd, options, NULL);
}

void test_compositor_destroy(struct test_compositor *compositor) {
	wl_display_destroy_clients(compositor->display);
	wl_list_remove(&compositor->new_surface.link);
	wl_list_remove(&compositor->new_toplevel.link);
	wl_display_destroy(compositor->display);
	wlr_renderer_destroy(&compositor->renderer);
	wlr_drm_format_set_finish(&compositor->formats);
	free(compositor);
}

struct wlr_surface *test_compositor_surface(struct test_compositor *compositor, unsigned i) {
	struct window *window;
	wl_list_for_each(window, &compositor->windows, link) {
		if (i-- == 0) {
			return window->surface;
		}
	}
	return NULL;
}

/* Returns whether anything was said. */
static bool listen(struct test_client *client) {
	if (wl_display_get_error(client->display) != 0) {
		return false;
	}
	while (wl_display_prepare_read(client->display) != 0) {
		wl_display_dispatch_pending(client->display);
	}
	wl_display_flush(client->display);
	struct pollfd pollfd = { .fd = wl_display_get_fd(client->display), .events = POLLIN };
	if (poll(&pollfd, 1, 0) <= 0) {
		wl_display_cancel_read(client->display);
		return false;
	}
	wl_display_read_events(client->display);
	return wl_display_dispatch_pending(client->display) > 0;
}

static bool pump_once(struct test_compositor *compositor, int timeout_ms) {
	struct test_client *client;
	bool said = false;
	wl_list_for_each(client, &compositor->clients, link) {
		if (wl_display_get_error(client->display) == 0) {
			wl_display_flush(client->display);
		}
	}
	wl_event_loop_dispatch(compositor->loop, timeout_ms);
	wl_display_flush_clients(compositor->display);
	wl_list_for_each(client, &compositor->clients, link) {
		said |= listen(client);
	}
	return said;
}

void test_pump(struct test_compositor *compositor) {
	// The last time anything can follow from what was said before: a timer's or an idle's work.
	for (int quiet = 0; quiet < 3; ) {
		quiet = pump_once(compositor, 0) ? 0 : quiet + 1;
	}
}

static int64_t now_ms(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool test_pump_until(struct test_compositor *compositor, bool (*done)(void *data), void *data) {
	int64_t end_ms = now_ms() + 5000;
	test_pump(compositor);
	while (!done(data) && now_ms() < end_ms) {
		pump_once(compositor, 1);
	}
	return done(data);
}

static bool is_past(void *data) {
	return now_ms() >= *(int64_t *)data;
}

void test_pump_for(struct test_compositor *compositor, int ms) {
	int64_t end_ms = now_ms() + ms;
	test_pump_until(compositor, is_past, &end_ms);
}
