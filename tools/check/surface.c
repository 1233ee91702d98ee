#include <stdlib.h>

#include "check/surface.h"
#include "linux-drm-syncobj-v1-client.h"
#include "presentation-time-client.h"
#include "xdg-shell-client.h"

uint32_t check_colour(struct check *check) {
	// 4 levels in each channel, 64 apart so that no rounding takes one for another; 37 steps
	// through all of them in an order in which neighbours differ much. Greys are left out: a
	// desktop is full of them.
	static const uint8_t levels[] = { 24, 88, 152, 216 };
	for (;;) {
		unsigned i = (check->colour++ * 37) % 64;
		unsigned r = i % 4, g = i / 4 % 4, b = i / 16;
		if (r != g || g != b) {
			return (uint32_t)levels[r] << 16 | (uint32_t)levels[g] << 8 | levels[b];
		}
	}
}

void surface_get_sync(struct surface *surface) {
	struct client *client = surface->client;
	if (!client->syncobj) {
		check_trouble(client->check, "the compositor has no linux-drm-syncobj-v1");
	}
	surface->sync = wp_linux_drm_syncobj_manager_v1_get_surface(client->syncobj, surface->wl);
}

void surface_destroy_sync(struct surface *surface) {
	wp_linux_drm_syncobj_surface_v1_destroy(surface->sync);
	surface->sync = NULL;
}

static struct surface *surface_new_implicit(struct client *client) {
	struct surface *surface = calloc(1, sizeof(*surface));
	surface->client = client;
	surface->width = surface->height = WINDOW_SIZE;
	surface->wl = wl_compositor_create_surface(client->compositor);
	return surface;
}

struct surface *surface_new(struct client *client) {
	struct surface *surface = surface_new_implicit(client);
	surface_get_sync(surface);
	return surface;
}

static void handle_surface_configure(void *data, struct xdg_surface *xdg, uint32_t serial) {
	struct surface *surface = data;
	surface->configured = true;
	xdg_surface_ack_configure(xdg, serial);
}

static const struct xdg_surface_listener xdg_surface_listener = {
	.configure = handle_surface_configure,
};

static bool is_fullscreen(const struct wl_array *states) {
	const uint32_t *state;
	wl_array_for_each(state, states) {
		if (*state == XDG_TOPLEVEL_STATE_FULLSCREEN) {
			return true;
		}
	}
	return false;
}

static void handle_toplevel_configure(void *data, struct xdg_toplevel *toplevel,
		int32_t width, int32_t height, struct wl_array *states) {
	struct surface *surface = data;
	// Elsewhere the size is a wish, and a small window is cheaper.
	if (is_fullscreen(states) && width > 0 && height > 0) {
		surface->width = width;
		surface->height = height;
	}
}

static void handle_close(void *data, struct xdg_toplevel *toplevel) {
	struct surface *surface = data;
	surface->closed = true;
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = handle_toplevel_configure,
	.close = handle_close,
};

static bool is_configured(void *data) {
	const struct surface *surface = data;
	return surface->configured || surface->client->gone;
}

static void wait_configured(struct surface *surface) {
	struct check *check = surface->client->check;
	check_doing(check, "waiting for a window to be configured");
	if (!check_wait(check, is_configured, surface, check->env->patience_ms)) {
		check_fail(check, "a new window was not configured within %u ms",
			check->env->patience_ms);
	}
}

static struct surface *toplevel_new(struct client *client) {
	struct surface *surface = surface_new(client);
	surface->xdg = xdg_wm_base_get_xdg_surface(client->wm_base, surface->wl);
	xdg_surface_add_listener(surface->xdg, &xdg_surface_listener, surface);
	surface->toplevel = xdg_surface_get_toplevel(surface->xdg);
	xdg_toplevel_add_listener(surface->toplevel, &toplevel_listener, surface);
	xdg_toplevel_set_title(surface->toplevel, client->check->test->name);
	xdg_toplevel_set_app_id(surface->toplevel, "signalbox-check");
	return surface;
}

struct surface *window_open(struct client *client) {
	struct surface *surface = toplevel_new(client);
	wl_surface_commit(surface->wl);
	wait_configured(surface);
	return surface;
}

struct surface *a_window(struct check *check) {
	return window_open(client_open(check));
}

struct surface *a_bad_window(struct check *check) {
	struct surface *window = a_window(check);
	client_may_fail(window->client);
	return window;
}

void window_configure_again(struct surface *surface) {
	surface->configured = false;
	wl_surface_commit(surface->wl);
	wait_configured(surface);
}

struct surface *subsurface_open(struct surface *parent) {
	struct client *client = parent->client;
	struct surface *surface = surface_new(client);
	surface->parent = parent;
	surface->width = parent->width / 2;
	surface->height = parent->height / 2;
	surface->sub = wl_subcompositor_get_subsurface(client->subcompositor, surface->wl,
		parent->wl);
	wl_subsurface_set_position(surface->sub, parent->width / 4, parent->height / 4);
	return surface;
}

void surface_attach(struct surface *surface, struct buffer *buffer) {
	wl_surface_attach(surface->wl, buffer ? buffer->wl : NULL, 0, 0);
	if (buffer) {
		wl_surface_damage_buffer(surface->wl, 0, 0, buffer->width, buffer->height);
	}
}

void surface_set_acquire(struct surface *surface, struct point point) {
	wp_linux_drm_syncobj_surface_v1_set_acquire_point(surface->sync, point.timeline->object,
		(uint32_t)(point.value >> 32), (uint32_t)point.value);
}

void surface_set_release(struct surface *surface, struct point point) {
	wp_linux_drm_syncobj_surface_v1_set_release_point(surface->sync, point.timeline->object,
		(uint32_t)(point.value >> 32), (uint32_t)point.value);
}

void surface_commit(struct surface *surface) {
	wl_surface_commit(surface->wl);
	client_flush(surface->client);
}

void surface_commit_nothing(struct surface *surface) {
	surface_attach(surface, NULL);
	surface_commit(surface);
}

void surface_commit_empty(struct surface *surface) {
	surface_commit(surface);
}

void surface_destroy_role(struct surface *surface) {
	if (surface->sub) {
		wl_subsurface_destroy(surface->sub);
		surface->sub = NULL;
	}
	if (surface->toplevel) {
		xdg_toplevel_destroy(surface->toplevel);
		xdg_surface_destroy(surface->xdg);
		surface->toplevel = NULL;
		surface->xdg = NULL;
	}
}

void surface_destroy(struct surface *surface) {
	surface_destroy_role(surface);
	wl_surface_destroy(surface->wl);
	surface->wl = NULL;
	client_flush(surface->client);
}

static void handle_done(void *data, struct wl_callback *callback, uint32_t time) {
	struct commit *commit = data;
	commit->done = true;
	commit->done_ns = now_ns();
	wl_callback_destroy(callback);
}

static const struct wl_callback_listener done_listener = { .done = handle_done };

static void handle_sync_output(void *data, struct wp_presentation_feedback *feedback,
		struct wl_output *output) {
	// Which output it was makes no difference here.
}

static void handle_presented(void *data, struct wp_presentation_feedback *feedback,
		uint32_t sec_hi, uint32_t sec_lo, uint32_t nsec, uint32_t refresh, uint32_t seq_hi,
		uint32_t seq_lo, uint32_t flags) {
	struct commit *commit = data;
	commit->presented = true;
	commit->presented_ns = ((uint64_t)sec_hi << 32 | sec_lo) * 1000000000 + nsec;
	wp_presentation_feedback_destroy(feedback);
}

static void handle_discarded(void *data, struct wp_presentation_feedback *feedback) {
	struct commit *commit = data;
	commit->discarded = true;
	wp_presentation_feedback_destroy(feedback);
}

static const struct wp_presentation_feedback_listener feedback_listener = {
	.sync_output = handle_sync_output,
	.presented = handle_presented,
	.discarded = handle_discarded,
};

static struct commit *commit_new(struct surface *surface) {
	struct commit *commit = calloc(1, sizeof(*commit));
	struct wl_callback *callback = wl_surface_frame(surface->wl);
	wl_callback_add_listener(callback, &done_listener, commit);
	if (surface->client->presentation) {
		struct wp_presentation_feedback *feedback =
			wp_presentation_feedback(surface->client->presentation, surface->wl);
		wp_presentation_feedback_add_listener(feedback, &feedback_listener, commit);
	}
	return commit;
}

struct frame *frame_new(struct surface *surface) {
	struct client *client = surface->client;
	struct frame *frame = calloc(1, sizeof(*frame));
	frame->surface = surface;
	frame->buffer = buffer_new(client, surface->width, surface->height);
	frame->colour = check_colour(client->check);
	buffer_fill(frame->buffer, frame->colour);
	frame->acquire = (struct point){ timeline_open(client), 1 };
	frame->release = (struct point){ timeline_open(client), 1 };
	return frame;
}

void frame_next_points(struct frame *frame) {
	frame->acquire.value++;
	frame->release.value++;
}

void frame_renew(struct frame *frame) {
	frame_next_points(frame);
	frame->colour = check_colour(frame->surface->client->check);
	buffer_fill(frame->buffer, frame->colour);
}

void frame_attach(struct frame *frame) {
	surface_attach(frame->surface, frame->buffer);
	if (frame->surface->sync) {
		surface_set_acquire(frame->surface, frame->acquire);
		surface_set_release(frame->surface, frame->release);
	}
	frame->commit = commit_new(frame->surface);
}

void frame_commit(struct frame *frame) {
	frame_attach(frame);
	frame->commit->sent_ns = now_ns();
	surface_commit(frame->surface);
}

void frame_signal(struct frame *frame) {
	point_signal(frame->acquire);
}

struct fence *frame_fence(struct frame *frame) {
	struct fence *fence = fence_new(frame->surface->client->check);
	point_set_fence(frame->acquire, fence);
	return fence;
}

static bool is_as_large_as_output(void *data) {
	const struct surface *surface = data;
	return surface->width != WINDOW_SIZE || surface->client->gone;
}

struct surface *window_open_fullscreen(struct client *client) {
	struct surface *surface = toplevel_new(client);
	xdg_toplevel_set_fullscreen(surface->toplevel, NULL);
	wl_surface_commit(surface->wl);
	wait_configured(surface);
	if (!is_as_large_as_output(surface)) {
		// Some do it only to a window that is there.
		struct frame *frame = frame_new(surface);
		frame_signal(frame);
		frame_commit(frame);
		xdg_toplevel_set_fullscreen(surface->toplevel, NULL);
		check_wait(client->check, is_as_large_as_output, surface,
			client->check->env->patience_ms);
	}
	if (!is_as_large_as_output(surface)) {
		check_skip(client->check, "the compositor did not make the window full-screen");
	}
	return surface;
}
