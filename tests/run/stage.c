/*
 * A compositor as far as its renderer and its globals: says which it got, and which environment its
 * children would have. With OWN it is one that uses signalbox by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <wayland-server-core.h>
#include <wlr/backend/headless.h>
#include <wlr/render/pixman.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_compositor.h>
#ifdef OWN
#include <signalbox/renderer.h>
#endif

static void print_variable(const char *name) {
	const char *value = getenv(name);
	printf("%s=%s\n", name, value != NULL ? value : "");
}

int main(void) {
	struct wl_display *display = wl_display_create();
	struct wl_event_loop *loop = wl_display_get_event_loop(display);
	struct wlr_backend *backend = wlr_headless_backend_create(loop);
	struct wlr_renderer *renderer = NULL;
#ifdef OWN
	renderer = sbx_renderer_create(backend, NULL);
#endif
	if (renderer == NULL) {
		renderer = wlr_renderer_autocreate(backend);
	}
	if (renderer == NULL) {
		return 3;
	}
	wlr_compositor_create(display, 6, renderer);
	wl_event_loop_dispatch(loop, 0);
	printf("renderer: %s\n", wlr_renderer_is_pixman(renderer) ? "pixman" : "another");
	print_variable("LD_PRELOAD");
	print_variable("SIGNALBOX_RUN");
	print_variable("SIGNALBOX_RUN_DEVICE");
	wl_display_destroy_clients(display);
	wlr_renderer_destroy(renderer);
	wlr_backend_destroy(backend);
	wl_display_destroy(display);
	return 5;
}
