#include <drm_fourcc.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>
#include "client.h"
#include "linux-dmabuf-v1-client-protocol.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "presentation-time-client-protocol.h"
#include "xdg-shell-client-protocol.h"

/* Which buffers the compositor takes, and from which device */

struct feedback {
	struct client *client;
	struct {
		uint32_t format;
		uint32_t padding;
		uint64_t modifier;
	} *table;
	size_t size;
	bool done;
};

static void feedback_done(void *data, struct zwp_linux_dmabuf_feedback_v1 *wl) {
	struct feedback *feedback = data;
	feedback->done = true;
}

static void feedback_table(void *data, struct zwp_linux_dmabuf_feedback_v1 *wl, int32_t fd,
		uint32_t size) {
	struct feedback *feedback = data;
	void *table = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (table != MAP_FAILED) {
		feedback->table = table;
		feedback->size = size;
	}
	close(fd);
}

static void feedback_device(void *data, struct zwp_linux_dmabuf_feedback_v1 *wl,
		struct wl_array *device) {
	struct feedback *feedback = data;
	if (device->size == sizeof(feedback->client->device)) {
		memcpy(&feedback->client->device, device->data, device->size);
	}
}

static void feedback_formats(void *data, struct zwp_linux_dmabuf_feedback_v1 *wl,
		struct wl_array *indices) {
	struct feedback *feedback = data;
	const uint16_t *index;
	wl_array_for_each(index, indices) {
		if (*index < feedback->size / sizeof(feedback->table[0]) &&
				feedback->table[*index].format == DRM_FORMAT_XRGB8888 &&
				feedback->table[*index].modifier == DRM_FORMAT_MOD_LINEAR) {
			feedback->client->takes_format = true;
		}
	}
}

static void feedback_ignore(void *data, struct zwp_linux_dmabuf_feedback_v1 *wl) {
}

static void feedback_ignore_array(void *data, struct zwp_linux_dmabuf_feedback_v1 *wl,
		struct wl_array *array) {
}

static void feedback_ignore_flags(void *data, struct zwp_linux_dmabuf_feedback_v1 *wl,
		uint32_t flags) {
}

static const struct zwp_linux_dmabuf_feedback_v1_listener feedback_listener = {
	.done = feedback_done,
	.format_table = feedback_table,
	.main_device = feedback_device,
	.tranche_done = feedback_ignore,
	.tranche_target_device = feedback_ignore_array,
	.tranche_formats = feedback_formats,
	.tranche_flags = feedback_ignore_flags,
};

static bool ask_formats(struct client *client) {
	struct feedback feedback = { .client = client };
	struct zwp_linux_dmabuf_feedback_v1 *wl =
		zwp_linux_dmabuf_v1_get_default_feedback(client->dmabuf);
	zwp_linux_dmabuf_feedback_v1_add_listener(wl, &feedback_listener, &feedback);
	wl_display_roundtrip(client->display);
	zwp_linux_dmabuf_feedback_v1_destroy(wl);
	if (feedback.table != NULL) {
		munmap(feedback.table, feedback.size);
	}
	if (!client->takes_format) {
		fputs("sync-client: the compositor takes no linear XRGB8888 dma-bufs\n", stderr);
	}
	return client->takes_format;
}

/* Globals */

static void handle_ping(void *data, struct xdg_wm_base *shell, uint32_t serial) {
	xdg_wm_base_pong(shell, serial);
}

static const struct xdg_wm_base_listener shell_listener = { .ping = handle_ping };

struct announced {
	struct wl_registry *registry;
	uint32_t name;
	const char *interface;
	uint32_t version;
};

/* A proxy if this is the global that is looked for, else what was there before. */
static void *bind(const struct announced *announced, const struct wl_interface *interface,
		uint32_t version, void *before) {
	if (before != NULL || announced->version < version ||
			strcmp(announced->interface, interface->name) != 0) {
		return before;
	}
	return wl_registry_bind(announced->registry, announced->name, interface, version);
}

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct client *client = data;
	const struct announced it = { registry, name, interface, version };
	client->compositor = bind(&it, &wl_compositor_interface, 4, client->compositor);
	client->shell = bind(&it, &xdg_wm_base_interface, 1, client->shell);
	client->dmabuf = bind(&it, &zwp_linux_dmabuf_v1_interface, 4, client->dmabuf);
	client->syncobj =
		bind(&it, &wp_linux_drm_syncobj_manager_v1_interface, 1, client->syncobj);
	client->presentation = bind(&it, &wp_presentation_interface, 1, client->presentation);
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

/* The window */

static void handle_surface_configure(void *data, struct xdg_surface *surface, uint32_t serial) {
	struct client *client = data;
	xdg_surface_ack_configure(surface, serial);
	if (!client->configured) {
		client->configured = true;
		client->wants_frame = true;
	}
}

static const struct xdg_surface_listener surface_listener = {
	.configure = handle_surface_configure,
};

static int clamp(int length) {
	return length < PICTURE_MIN_SIZE ? PICTURE_MIN_SIZE :
		length > PICTURE_MAX_SIZE ? PICTURE_MAX_SIZE : length;
}

/* 0: we may choose. The next frame has the new size; no frame is drawn just for it. */
static void handle_configure(void *data, struct xdg_toplevel *toplevel, int32_t width,
		int32_t height, struct wl_array *states) {
	struct client *client = data;
	client->width = clamp(width > 0 ? width : client->options.width);
	client->height = clamp(height > 0 ? height : client->options.height);
}

static void handle_close(void *data, struct xdg_toplevel *toplevel) {
	struct client *client = data;
	client->closed = true;
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = handle_configure,
	.close = handle_close,
};

static bool open_window(struct client *client) {
	client->surface = wl_compositor_create_surface(client->compositor);
	client->xdg_surface = xdg_wm_base_get_xdg_surface(client->shell, client->surface);
	xdg_surface_add_listener(client->xdg_surface, &surface_listener, client);
	client->toplevel = xdg_surface_get_toplevel(client->xdg_surface);
	xdg_toplevel_add_listener(client->toplevel, &toplevel_listener, client);
	xdg_toplevel_set_title(client->toplevel, client->options.name);
	xdg_toplevel_set_app_id(client->toplevel, client->options.name);
	if (client->options.fullscreen) {
		xdg_toplevel_set_fullscreen(client->toplevel, NULL);
	}
	if (client->explicit_sync) {
		client->sync_surface = wp_linux_drm_syncobj_manager_v1_get_surface(client->syncobj,
			client->surface);
	}
	wl_surface_commit(client->surface);
	return wl_display_flush(client->display) >= 0;
}

bool window_init(struct client *client) {
	client->display = wl_display_connect(NULL);
	if (client->display == NULL) {
		fputs("sync-client: no Wayland compositor (WAYLAND_DISPLAY)\n", stderr);
		return false;
	}
	client->width = client->options.width;
	client->height = client->options.height;
	client->registry = wl_display_get_registry(client->display);
	wl_registry_add_listener(client->registry, &registry_listener, client);
	wl_display_roundtrip(client->display);
	if (client->compositor == NULL || client->shell == NULL || client->dmabuf == NULL) {
		fputs("sync-client: the compositor lacks xdg-shell or linux-dmabuf (version 4)\n", stderr);
		return false;
	}
	xdg_wm_base_add_listener(client->shell, &shell_listener, client);
	client->explicit_sync = client->syncobj != NULL && !client->options.no_points;
	if (client->syncobj == NULL && !client->options.no_points) {
		fputs("sync-client: the compositor has no wp_linux_drm_syncobj_manager_v1: going on "
			"without explicit sync\n", stderr);
	}
	return ask_formats(client) && open_window(client);
}

/* Buffers */

static void handle_release(void *data, struct wl_buffer *wl_buffer) {
	struct client *client = data;
	for (int i = 0; !client->explicit_sync && i < client->options.buffers; i++) {
		if (client->buffers[i].wl_buffer == wl_buffer) {
			frames_released(client, &client->buffers[i]);
		}
	}
}

static const struct wl_buffer_listener buffer_listener = { .release = handle_release };

struct wl_buffer *window_import(struct client *client, const struct memory *memory, int width,
		int height) {
	struct zwp_linux_buffer_params_v1 *params = zwp_linux_dmabuf_v1_create_params(client->dmabuf);
	zwp_linux_buffer_params_v1_add(params, memory->dmabuf_fd, 0, 0, memory->stride,
		DRM_FORMAT_MOD_LINEAR >> 32, DRM_FORMAT_MOD_LINEAR & UINT32_MAX);
	struct wl_buffer *buffer = zwp_linux_buffer_params_v1_create_immed(params, width, height,
		DRM_FORMAT_XRGB8888, 0);
	zwp_linux_buffer_params_v1_destroy(params);
	wl_buffer_add_listener(buffer, &buffer_listener, client);
	return buffer;
}

bool window_import_timelines(struct client *client, struct buffer *buffer) {
	buffer->wl_acquire = wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj,
		buffer->acquire.fd);
	buffer->wl_release = wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj,
		buffer->release.fd);
	return buffer->wl_acquire != NULL && buffer->wl_release != NULL;
}

void window_forget_timelines(struct buffer *buffer) {
	if (buffer->wl_acquire != NULL) {
		wp_linux_drm_syncobj_timeline_v1_destroy(buffer->wl_acquire);
		buffer->wl_acquire = NULL;
	}
	if (buffer->wl_release != NULL) {
		wp_linux_drm_syncobj_timeline_v1_destroy(buffer->wl_release);
		buffer->wl_release = NULL;
	}
}

/* When it was on the monitor */

static void forget_feedback(struct ready *ready) {
	if (ready->feedback != NULL) {
		wp_presentation_feedback_destroy(ready->feedback);
		ready->feedback = NULL;
	}
}

static void handle_sync_output(void *data, struct wp_presentation_feedback *feedback,
		struct wl_output *output) {
}

static void handle_presented(void *data, struct wp_presentation_feedback *feedback,
		uint32_t seconds_high, uint32_t seconds_low, uint32_t nanoseconds, uint32_t refresh,
		uint32_t sequence_high, uint32_t sequence_low, uint32_t flags) {
	struct ready *ready = data;
	struct client *client = ready->client;
	uint64_t seconds = (uint64_t)seconds_high << 32 | seconds_low;
	uint64_t shown_ns = seconds * 1000000000 + nanoseconds;
	forget_feedback(ready);
	client->presented++;
	series_add(&client->latencies, shown_ns > ready->committed_ns ? shown_ns - ready->committed_ns : 0);
	if (client->presented_file != NULL) {
		fprintf(client->presented_file, "%" PRIu64 " %" PRIu64 ".%09u\n",
			(uint64_t)sequence_high << 32 | sequence_low, seconds, nanoseconds);
	}
	/*
	 * A flip is dated to the refresh it belongs to, which on a virtual display may have begun just
	 * before the frame was ready.
	 */
	if (shown_ns + refresh < ready->at_ns) {
		client->early_shows++;
	} else {
		series_add(&client->displays, shown_ns > ready->at_ns ? shown_ns - ready->at_ns : 0);
	}
}

static void handle_discarded(void *data, struct wp_presentation_feedback *feedback) {
	struct ready *ready = data;
	forget_feedback(ready);
	ready->client->discarded++;
}

static const struct wp_presentation_feedback_listener presentation_listener = {
	.sync_output = handle_sync_output,
	.presented = handle_presented,
	.discarded = handle_discarded,
};

static void ask_when_shown(struct client *client, struct buffer *buffer) {
	struct ready *ready = &client->ready[buffer->frame % READY_HISTORY];
	if (client->presentation == NULL) {
		return;
	}
	/* One that was never answered is not interesting any more. */
	forget_feedback(ready);
	ready->committed_ns = buffer->committed_ns;
	ready->feedback = wp_presentation_feedback(client->presentation, client->surface);
	wp_presentation_feedback_add_listener(ready->feedback, &presentation_listener, ready);
}

/* Commit */

static void handle_frame(void *data, struct wl_callback *callback, uint32_t time) {
	struct client *client = data;
	wl_callback_destroy(callback);
	client->frame_callback = NULL;
	client->wants_frame = true;
}

static const struct wl_callback_listener frame_listener = { .done = handle_frame };

static void set_points(struct client *client, struct buffer *buffer) {
	wp_linux_drm_syncobj_surface_v1_set_acquire_point(client->sync_surface, buffer->wl_acquire,
		buffer->point >> 32, buffer->point & UINT32_MAX);
	wp_linux_drm_syncobj_surface_v1_set_release_point(client->sync_surface, buffer->wl_release,
		buffer->point >> 32, buffer->point & UINT32_MAX);
}

void window_commit(struct client *client, struct buffer *buffer) {
	wl_surface_attach(client->surface, buffer->wl_buffer, 0, 0);
	wl_surface_damage_buffer(client->surface, 0, 0, buffer->width, buffer->height);
	if (client->explicit_sync) {
		set_points(client, buffer);
	}
	client->frame_callback = wl_surface_frame(client->surface);
	wl_callback_add_listener(client->frame_callback, &frame_listener, client);
	ask_when_shown(client, buffer);
	wl_surface_commit(client->surface);
}

void window_finish(struct client *client) {
	for (int i = 0; i < READY_HISTORY; i++) {
		forget_feedback(&client->ready[i]);
	}
	if (client->frame_callback != NULL) {
		wl_callback_destroy(client->frame_callback);
	}
	if (client->sync_surface != NULL) {
		wp_linux_drm_syncobj_surface_v1_destroy(client->sync_surface);
	}
	if (client->surface != NULL) {
		xdg_toplevel_destroy(client->toplevel);
		xdg_surface_destroy(client->xdg_surface);
		wl_surface_destroy(client->surface);
	}
	if (client->presentation != NULL) {
		wp_presentation_destroy(client->presentation);
	}
	if (client->syncobj != NULL) {
		wp_linux_drm_syncobj_manager_v1_destroy(client->syncobj);
	}
	if (client->dmabuf != NULL) {
		zwp_linux_dmabuf_v1_destroy(client->dmabuf);
	}
	if (client->shell != NULL) {
		xdg_wm_base_destroy(client->shell);
	}
	if (client->compositor != NULL) {
		wl_compositor_destroy(client->compositor);
	}
	if (client->display != NULL) {
		wl_registry_destroy(client->registry);
		wl_display_disconnect(client->display);
	}
}
