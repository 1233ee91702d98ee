/**
 * A client of test_compositor: a real one, on a socket, that makes syncobjs of its own.
 */
#ifndef HARNESS_CLIENT_H
#define HARNESS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-client-core.h>
#include "harness/compositor.h"
#include "sync/point.h"

struct sbx_sync;
struct sbx_timeline;
struct wlr_surface;

struct test_client {
	struct test_compositor *compositor;
	struct wl_list link;
	struct sbx_sync *sync;
	struct wl_client *peer; // the compositor's side; NULL: disconnected
	struct wl_listener peer_destroy;
	struct wl_display *display;
	struct wl_registry *registry;
	struct wl_compositor *wl_compositor;
	struct wl_subcompositor *subcompositor;
	struct wl_shm *shm;
	struct xdg_wm_base *wm_base;
	struct zwp_linux_dmabuf_v1 *dmabuf;
	struct wp_linux_drm_syncobj_manager_v1 *syncobj;
};

/** `sync` (lent) makes its syncobjs. */
struct test_client *test_client_create(struct test_compositor *compositor, struct sbx_sync *sync);
/** Disconnects. NULL is allowed. */
void test_client_destroy(struct test_client *client);

/** Wait for the compositor to have seen everything. False: an error came instead. */
bool test_client_roundtrip(struct test_client *client);

/**
 * Fails the test unless the client got this error; `code` of the interface `name`. `words` (may be NULL)
 * are in the message, each separated by a space in the list.
 */
void test_client_expect_error(struct test_client *client, const char *name, uint32_t code,
	const char *words);

struct test_timeline {
	struct sbx_timeline *own;
	struct wp_linux_drm_syncobj_timeline_v1 *object;
};

void test_timeline_create(struct test_client *client, struct test_timeline *timeline);
/** The same syncobj once more, as another object. `own` stays with the first. */
void test_timeline_import_again(struct test_client *client, const struct test_timeline *first,
	struct test_timeline *again);
void test_timeline_destroy(struct test_timeline *timeline);

struct sbx_point test_point(const struct test_timeline *timeline, uint64_t value);
void test_signal(struct test_client *client, const struct test_timeline *timeline, uint64_t value);
enum sbx_point_state test_state(struct test_client *client, const struct test_timeline *timeline,
	uint64_t value);

struct test_window {
	struct test_client *client;
	struct wl_surface *wl_surface;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel;
	struct wl_subsurface *subsurface;
	struct wp_linux_drm_syncobj_surface_v1 *sync;
	struct test_timeline acquire, release;
	unsigned configures, frames;
	struct wl_callback *callbacks[32]; // not done yet
};

/** A bare surface with a syncobj object and two timelines. */
void test_surface_open(struct test_client *client, struct test_window *window);
/** The same as an xdg-toplevel that is configured. */
void test_window_open(struct test_client *client, struct test_window *window);
/** The same as a synchronised subsurface. */
void test_subsurface_open(struct test_window *parent, struct test_window *window);
void test_window_close(struct test_window *window);

/** The compositor's side; NULL: gone. */
struct wlr_surface *test_window_peer(struct test_window *window);
/** The width of the surface's content; 0: none. */
int test_window_content(struct test_window *window);

/** dma-bufs (of ordinary memory) and shm buffers, `width` x 4. */
struct wl_buffer *test_buffer_dmabuf(struct test_client *client, int width);
struct wl_buffer *test_buffer_shm(struct test_client *client, int width);

/** Attach with points, without commit; NULL: nothing, and no points. */
void test_attach(struct test_window *window, struct wl_buffer *buffer, uint64_t acquire,
	uint64_t release);
void test_commit(struct test_window *window);
/** Attach a new dma-buf whose width names it, with points, ask for a frame, commit, destroy the wl_buffer. */
void test_show(struct test_window *window, int width, uint64_t acquire, uint64_t release);

#endif
