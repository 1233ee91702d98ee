#include <drm_fourcc.h>
#include <stdlib.h>
#include <wlr/backend.h>
#include <wlr/config.h>
#include <wlr/render/allocator.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>
#include <xf86drm.h>
#if WLR_HAS_DRM_BACKEND
#include <wlr/backend/drm.h>
#endif
#include "backend/second_gpu.h"
#include "trace/log.h"

/* As large as any device's smallest. */
enum { PROBE_SIZE = 64 };

struct second_gpu {
	struct wlr_backend *backend;
	struct wlr_allocator *allocator;
	struct wl_list link;
	struct wl_listener destroy;
};

static struct wl_list second_gpus = { &second_gpus, &second_gpus };

bool sbx_is_second_gpu(struct wlr_backend *backend) {
#if WLR_HAS_DRM_BACKEND
	return wlr_backend_is_drm(backend) && wlr_drm_backend_get_parent(backend) != NULL;
#else
	return false;
#endif
}

/* Its outputs went before it. */
static void handle_backend_destroy(struct wl_listener *listener, void *data) {
	struct second_gpu *gpu = wl_container_of(listener, gpu, destroy);
	wl_list_remove(&gpu->destroy.link);
	wl_list_remove(&gpu->link);
	wlr_allocator_destroy(gpu->allocator);
	free(gpu);
}

struct wlr_allocator *sbx_second_gpu_get_allocator(struct wlr_backend *backend,
		struct wlr_renderer *renderer) {
	struct second_gpu *gpu;
	wl_list_for_each(gpu, &second_gpus, link) {
		if (gpu->backend == backend) {
			return gpu->allocator;
		}
	}
	gpu = calloc(1, sizeof(*gpu));
	struct wlr_allocator *allocator = gpu != NULL ? wlr_allocator_autocreate(backend, renderer) : NULL;
	if (allocator == NULL) {
		sbx_log_error("backend: no memory of a second GPU can be had");
		free(gpu);
		return NULL;
	}
	gpu->backend = backend;
	gpu->allocator = allocator;
	gpu->destroy.notify = handle_backend_destroy;
	wl_signal_add(&backend->events.destroy, &gpu->destroy);
	wl_list_insert(&second_gpus, &gpu->link);
	return allocator;
}

/* Every display has this format. */
static struct wlr_buffer *create_probe(struct wlr_allocator *allocator) {
	uint64_t linear = DRM_FORMAT_MOD_LINEAR;
	const struct wlr_drm_format format = {
		.format = DRM_FORMAT_XRGB8888, .len = 1, .capacity = 1, .modifiers = &linear,
	};
	return wlr_allocator_create_buffer(allocator, PROBE_SIZE, PROBE_SIZE, &format);
}

static bool can_import(int drm_fd, const struct wlr_dmabuf_attributes *dmabuf) {
	for (int i = 0; i < dmabuf->n_planes; i++) {
		uint32_t handle = 0;
		if (drmPrimeFDToHandle(drm_fd, dmabuf->fd[i], &handle) != 0) {
			return false;
		}
		drmCloseBufferHandle(drm_fd, handle);
	}
	return true;
}

bool sbx_second_gpu_takes(struct wlr_backend *backend, struct wlr_allocator *allocator) {
	struct wlr_buffer *probe = create_probe(allocator);
	struct wlr_dmabuf_attributes dmabuf;
	bool takes = probe != NULL && wlr_buffer_get_dmabuf(probe, &dmabuf) &&
		can_import(wlr_backend_get_drm_fd(backend), &dmabuf);
	if (probe != NULL) {
		wlr_buffer_drop(probe);
	}
	return takes;
}

static struct wlr_allocator *choose(struct wlr_output *output, struct wlr_allocator *allocator,
		struct wlr_renderer *renderer) {
	if (!sbx_is_second_gpu(output->backend) ||
			sbx_second_gpu_takes(output->backend, allocator)) {
		return allocator;
	}
	struct wlr_allocator *own = sbx_second_gpu_get_allocator(output->backend, renderer);
	if (own != NULL) {
		sbx_log_info("backend: output %s is on another GPU, which cannot have the first one's memory: its "
			"frames are drawn into its own", output->name);
	}
	return own != NULL ? own : allocator;
}

bool sbx_output_init_render(struct wlr_output *output, struct wlr_allocator *allocator,
		struct wlr_renderer *renderer) {
	return wlr_output_init_render(output, choose(output, allocator, renderer), renderer);
}
