/**
 * A compositor in this process, without outputs and without a GPU: wl_compositor, subsurfaces, xdg-shell,
 * dma-bufs of any memory, shared memory, and our explicit sync. Its renderer draws nothing; as renderers
 * do, it keeps a buffer locked while it is a surface's content.
 *
 * The client (client.h) lives in the same process and thread; test_pump() lets the two talk.
 *
 *	struct test_compositor *compositor = test_compositor_create(drm_fd, NULL);
 *	struct test_client *client = test_client_create(compositor, sync);
 *	struct test_window window;
 *	test_window_open(client, &window);
 */
#ifndef HARNESS_COMPOSITOR_H
#define HARNESS_COMPOSITOR_H

#include <signalbox/syncobj.h>
#include <stdbool.h>
#include <wayland-server-core.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/interface.h>

struct wlr_buffer;
struct wlr_compositor;
struct wlr_surface;

struct test_compositor {
	struct wl_display *display;
	struct wl_event_loop *loop;
	struct sbx_syncobj_manager *manager;
	struct wlr_compositor *wlr_compositor;
	struct wlr_renderer renderer;
	struct wl_list textures; // of its own renderer
	/** Its own renderer has no memory for more textures. */
	bool refuses_textures;
	struct wlr_drm_format_set formats;
	struct wl_list clients; // test_client.link
	struct wl_list windows; // of the server's side
	struct wl_listener new_surface, new_toplevel;
	/** Every commit that was applied to any surface, and the first 64 of them. */
	unsigned commit_count;
	struct {
		struct wlr_surface *surface;
		/** The buffer's width is its name; 0: none. */
		int width;
	} commits[64];
	/** What the client library or wlroots logged as an error, last. */
	char error[512];
};

/** drm_fd is lent. The test fails if it cannot be made. */
struct test_compositor *test_compositor_create(int drm_fd, const struct sbx_syncobj_options *options);
/** The same with a renderer (lent, NULL: its own) that makes the surfaces' textures. */
struct test_compositor *test_compositor_create_with(int drm_fd, const struct sbx_syncobj_options *options,
	struct wlr_renderer *renderer);
/** Clients first. */
void test_compositor_destroy(struct test_compositor *compositor);

/** The surface number i of the compositor's, the newest first; NULL: there are not that many. */
struct wlr_surface *test_compositor_surface(struct test_compositor *compositor, unsigned i);

/** Its own renderer's textures do not read their buffers any more, as those of a device that was lost. */
void test_compositor_lose_textures(struct test_compositor *compositor);

/** Let everybody talk until nobody has anything to say. */
void test_pump(struct test_compositor *compositor);

/** Pump until done(data), five seconds at most. Returns what it said last. */
bool test_pump_until(struct test_compositor *compositor, bool (*done)(void *data), void *data);

/** Pump for this long. */
void test_pump_for(struct test_compositor *compositor, int ms);

#endif
