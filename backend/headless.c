#include <stdlib.h>
#include "backend/headless.h"
#include "sync/fd.h"
#include "trace/log.h"

static const struct wlr_backend_impl backend_impl;

static struct sbx_headless *from_backend(struct wlr_backend *wlr) {
	struct sbx_headless *backend = wl_container_of(wlr, backend, base);
	return backend;
}

bool sbx_backend_is_headless(const struct wlr_backend *backend) {
	return backend->impl == &backend_impl;
}

static bool backend_start(struct wlr_backend *wlr) {
	struct sbx_headless *backend = from_backend(wlr);
	backend->started = true;
	struct sbx_headless_output *output, *next;
	wl_list_for_each_safe(output, next, &backend->outputs, link) {
		wl_signal_emit_mutable(&backend->base.events.new_output, &output->base);
	}
	return true;
}

static void backend_destroy(struct wlr_backend *wlr) {
	struct sbx_headless *backend = from_backend(wlr);
	wlr_backend_finish(wlr);
	struct sbx_headless_output *output, *next;
	wl_list_for_each_safe(output, next, &backend->outputs, link) {
		wlr_output_destroy(&output->base);
	}
	sbx_desks_finish(&backend->desks);
	wl_list_remove(&backend->loop_destroy.link);
	sbx_fd_close(&backend->drm_fd);
	free(backend);
}

static int backend_get_drm_fd(struct wlr_backend *wlr) {
	return from_backend(wlr)->drm_fd;
}

static const struct wlr_backend_impl backend_impl = {
	.start = backend_start,
	.destroy = backend_destroy,
	.get_drm_fd = backend_get_drm_fd,
};

static void handle_loop_destroy(struct wl_listener *listener, void *data) {
	struct sbx_headless *backend = wl_container_of(listener, backend, loop_destroy);
	backend_destroy(&backend->base);
}

struct wlr_backend *sbx_headless_backend_create(struct wl_event_loop *loop,
		const struct sbx_headless_options *options) {
	struct sbx_headless *backend = calloc(1, sizeof(*backend));
	int drm_fd = -1;
	bool wanted = options != NULL && options->has_drm_fd;
	if (backend == NULL || (wanted && sbx_fd_dup(options->drm_fd, &drm_fd) < 0)) {
		sbx_log_error("backend: no headless backend: out of memory or file descriptors");
		free(backend);
		return NULL;
	}
	wlr_backend_init(&backend->base, &backend_impl);
	backend->base.buffer_caps =
		WLR_BUFFER_CAP_DATA_PTR | WLR_BUFFER_CAP_DMABUF | WLR_BUFFER_CAP_SHM;
	backend->base.features.timeline = true;
	backend->loop = loop;
	backend->drm_fd = drm_fd;
	wl_list_init(&backend->outputs);
	sbx_desks_init(&backend->desks, loop);
	backend->loop_destroy.notify = handle_loop_destroy;
	wl_event_loop_add_destroy_listener(loop, &backend->loop_destroy);
	return &backend->base;
}

struct wlr_output *sbx_headless_add_output(struct wlr_backend *wlr,
		const struct sbx_headless_output_options *options) {
	if (!sbx_backend_is_headless(wlr)) {
		sbx_log_error("backend: an output of ours cannot be added to another kind of backend");
		return NULL;
	}
	struct sbx_headless *backend = from_backend(wlr);
	struct sbx_headless_output *output = sbx_headless_output_create(backend, options);
	if (output != NULL && backend->started) {
		wl_signal_emit_mutable(&wlr->events.new_output, &output->base);
	}
	return output != NULL ? &output->base : NULL;
}
