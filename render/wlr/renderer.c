#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wlr/backend.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/log.h>
#include <xf86drm.h>
#include "loan/pace.h"
#include "loan/screen.h"
#include "render/compose.h"
#include "render/device.h"
#include "render/grade.h"
#include "render/wlr/buffer.h"
#include "render/wlr/formats.h"
#include "render/wlr/grades.h"
#include "render/wlr/node.h"
#include "render/wlr/pass.h"
#include "render/wlr/renderer.h"
#include "render/wlr/texture.h"
#include "render/wlr/timeline.h"
#include "render/wlr/timer.h"
#include "sync/fd.h"
#include "sync/syncobj.h"
#include "trace/log.h"
#include "trace/recorder.h"

/* A player that is paused, a window that is still: they come back, but not soon. */
#define IDLE_IMPORT_NS INT64_C(5000000000)

static const struct wlr_renderer_impl renderer_impl;

static void log_to_wlroots(enum sbx_log_level level, const char *format, va_list args) {
	static const enum wlr_log_importance importances[] = {
		[SBX_LOG_SILENT] = WLR_SILENT,
		[SBX_LOG_ERROR] = WLR_ERROR,
		[SBX_LOG_INFO] = WLR_INFO,
		[SBX_LOG_DEBUG] = WLR_DEBUG,
	};
	_wlr_vlog(importances[level], format, args);
}

/* A renderer's impl is private to wlroots: ours are known by who listens to their end. */
static void handle_base_destroy(struct wl_listener *listener, void *data) {
	wl_list_remove(&listener->link);
}

bool sbx_renderer_is_sbx(const struct wlr_renderer *renderer) {
	return renderer != NULL && wl_signal_get((struct wl_signal *)&renderer->events.destroy,
		handle_base_destroy) != NULL;
}

struct sbx_renderer *sbx_renderer_from_wlr(struct wlr_renderer *wlr_renderer) {
	struct sbx_renderer *renderer = wl_container_of(wlr_renderer, renderer, base);
	return renderer;
}

int64_t sbx_renderer_now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void remove_source(struct wl_event_source **source) {
	if (*source != NULL) {
		wl_event_source_remove(*source);
		*source = NULL;
	}
}

void sbx_renderer_tell_lost(struct sbx_renderer *renderer) {
	if (!renderer->lost_noted || renderer->lost_told) {
		return;
	}
	renderer->lost_told = true;
	remove_source(&renderer->lost_source);
	wl_signal_emit_mutable(&renderer->base.events.lost, NULL);
}

static void handle_lost_idle(void *data) {
	struct sbx_renderer *renderer = data;
	renderer->lost_source = NULL; /* an idle source is removed by its dispatch */
	sbx_renderer_tell_lost(renderer);
}

bool sbx_renderer_check_lost(struct sbx_renderer *renderer) {
	if (!renderer->device->lost) {
		return false;
	}
	if (!renderer->lost_noted) {
		renderer->lost_noted = true;
		sbx_log_error("driver: the device was lost: this renderer draws nothing any more");
		if (renderer->event_loop != NULL) {
			renderer->lost_source = wl_event_loop_add_idle(renderer->event_loop, handle_lost_idle,
				renderer);
		}
	}
	return true;
}

/*
 * wlr_backend does not say which event loop it is on; its outputs do. All of them are paced, as they share
 * the GPU: what one waits for delays the others.
 */
static void handle_backend_new_output(struct wl_listener *listener, void *data) {
	struct sbx_renderer *renderer = wl_container_of(listener, renderer, backend_new_output);
	struct wlr_output *output = data;
	renderer->event_loop = output->event_loop;
	sbx_pace_get(output);
	sbx_screen_watch(output);
}

static void leave_backend(struct sbx_renderer *renderer) {
	wl_list_remove(&renderer->backend_new_output.link);
	wl_list_remove(&renderer->backend_destroy.link);
	wl_list_init(&renderer->backend_new_output.link);
	wl_list_init(&renderer->backend_destroy.link);
	remove_source(&renderer->lost_source);
	remove_source(&renderer->owed_timer);
	renderer->event_loop = NULL;
}

static void handle_backend_destroy(struct wl_listener *listener, void *data) {
	struct sbx_renderer *renderer = wl_container_of(listener, renderer, backend_destroy);
	leave_backend(renderer);
}

static void join_backend(struct sbx_renderer *renderer, struct wlr_backend *backend) {
	renderer->backend_new_output.notify = handle_backend_new_output;
	renderer->backend_destroy.notify = handle_backend_destroy;
	wl_list_init(&renderer->backend_new_output.link);
	wl_list_init(&renderer->backend_destroy.link);
	if (backend != NULL) {
		wl_signal_add(&backend->events.new_output, &renderer->backend_new_output);
		wl_signal_add(&backend->events.destroy, &renderer->backend_destroy);
	}
}

static const struct wlr_drm_format_set *renderer_get_texture_formats(
		struct wlr_renderer *wlr_renderer, uint32_t buffer_caps) {
	struct sbx_renderer *renderer = sbx_renderer_from_wlr(wlr_renderer);
	if ((buffer_caps & WLR_BUFFER_CAP_DMABUF) != 0) {
		return &renderer->dmabuf_formats;
	}
	return (buffer_caps & WLR_BUFFER_CAP_DATA_PTR) != 0 ? &renderer->shm_formats : NULL;
}

static const struct wlr_drm_format_set *renderer_get_render_formats(
		struct wlr_renderer *wlr_renderer) {
	return &sbx_renderer_from_wlr(wlr_renderer)->render_formats;
}

static int renderer_get_drm_fd(struct wlr_renderer *wlr_renderer) {
	return sbx_renderer_from_wlr(wlr_renderer)->drm_fd;
}

/* Takes what sbx_renderer_create() left half made, too. */
static void destroy(struct sbx_renderer *renderer) {
	leave_backend(renderer);
	sbx_pass_destroy_idle(renderer);
	sbx_texture_destroy_all(renderer);
	struct sbx_wlr_buffer *buffer, *next;
	wl_list_for_each_safe(buffer, next, &renderer->buffers, link) {
		sbx_wlr_buffer_destroy(buffer);
	}
	sbx_succession_finish(&renderer->succession);
	sbx_grades_destroy_all(renderer);
	sbx_composer_destroy(renderer->composer);
	sbx_device_destroy(renderer->device);
	renderer->device = NULL;
	/* With the device gone, nothing of it reads a client's buffer any more. */
	sbx_publish_owed(renderer);
	sbx_known_timeline_destroy_all(renderer);
	sbx_formats_finish(renderer);
	sbx_fd_close(&renderer->drm_fd);
	free(renderer);
}

static void renderer_destroy(struct wlr_renderer *wlr_renderer) {
	destroy(sbx_renderer_from_wlr(wlr_renderer));
}

static const struct wlr_renderer_impl renderer_impl = {
	.get_texture_formats = renderer_get_texture_formats,
	.get_render_formats = renderer_get_render_formats,
	.destroy = renderer_destroy,
	.get_drm_fd = renderer_get_drm_fd,
	.texture_from_buffer = sbx_texture_from_buffer,
	.begin_buffer_pass = sbx_pass_begin,
	.render_timer_create = sbx_render_timer_create,
};

static int open_device(struct sbx_renderer *renderer, const struct sbx_renderer_options *options) {
	struct sbx_device_options device_options = {
		.name = options->device,
		.drm_fd = renderer->drm_fd,
		.validation = options->validation,
		.need_dmabuf = true,
	};
	int error = sbx_device_create(&device_options, &renderer->device);
	if (error == 0) {
		error = sbx_composer_create(renderer->device, &renderer->composer);
	}
	if (error == 0 && renderer->drm_fd < 0) {
		renderer->drm_fd = sbx_node_open_any(renderer->device->render_node,
			renderer->device->primary_node);
	}
	return error != 0 ? error : sbx_formats_init(renderer);
}

/* What stands in the way of explicit sync, NULL: nothing. */
static const char *open_sync(struct sbx_renderer *renderer,
		const struct sbx_renderer_options *options) {
	const char *off = getenv("WLR_RENDER_NO_EXPLICIT_SYNC");
	if (options->no_explicit_sync || (off != NULL && strcmp(off, "1") == 0)) {
		return "switched off";
	}
	if (renderer->drm_fd < 0) {
		return "no DRM node";
	}
	if (!renderer->device->caps.sync_fd.import) {
		return "the device cannot import SYNC_FD semaphores";
	}
	const struct sbx_sync *sync = sbx_drm_file_open(renderer, renderer->drm_fd);
	if (sync == NULL) {
		return "the DRM node has no syncobjs";
	}
	return sbx_sync_get_caps(sync)->timeline ? NULL : "the DRM node has no syncobj timelines";
}

static void log_lines(char *text) {
	char *rest = NULL;
	for (char *line = text != NULL ? strtok_r(text, "\n", &rest) : NULL; line != NULL;
			line = strtok_r(NULL, "\n", &rest)) {
		sbx_log_debug("%s", line);
	}
	free(text);
}

static void report(const struct sbx_renderer *renderer, const char *obstacle) {
	char *node = renderer->drm_fd >= 0 ? drmGetDeviceNameFromFd2(renderer->drm_fd) : NULL;
	log_lines(sbx_device_report(renderer->device));
	sbx_log_info("render: %s, DRM node %s, explicit sync: %s%s", renderer->device->name,
		node != NULL ? node : "none", obstacle == NULL ? "yes" : "no: ",
		obstacle == NULL ? "" : obstacle);
	free(node);
}

static struct sbx_renderer *alloc(struct wlr_backend *backend,
		const struct sbx_renderer_options *options) {
	struct sbx_renderer *renderer = calloc(1, sizeof(*renderer));
	if (renderer == NULL) {
		return NULL;
	}
	wlr_renderer_init(&renderer->base, &renderer_impl, WLR_BUFFER_CAP_DMABUF);
	/* Identity, too, but wlroots announces that by itself, and would do it twice. */
	renderer->base.color_encodings = WLR_COLOR_ENCODING_BT709 | WLR_COLOR_ENCODING_FCC |
		WLR_COLOR_ENCODING_BT601 | WLR_COLOR_ENCODING_SMPTE240 | WLR_COLOR_ENCODING_BT2020;
	renderer->base_destroy.notify = handle_base_destroy;
	wl_signal_add(&renderer->base.events.destroy, &renderer->base_destroy);
	renderer->drm_fd = -1;
	renderer->idle_import_ns = IDLE_IMPORT_NS;
	renderer->event_loop = options->event_loop;
	wl_list_init(&renderer->buffers);
	wl_list_init(&renderer->textures);
	wl_list_init(&renderer->timelines);
	wl_list_init(&renderer->drm_files);
	wl_list_init(&renderer->owed);
	wl_list_init(&renderer->grades);
	sbx_succession_init(&renderer->succession);
	join_backend(renderer, backend);
	return renderer;
}

static struct wlr_renderer *create(struct wlr_backend *backend,
		const struct sbx_renderer_options *options) {
	sbx_log_set_default(log_to_wlroots);
	sbx_recorder_init();
	if (wlr_log_get_verbosity() >= WLR_DEBUG) {
		sbx_log_set_default_verbosity(SBX_LOG_DEBUG);
	}
	struct sbx_renderer *renderer = alloc(backend, options);
	if (renderer == NULL) {
		return NULL;
	}
	int error = sbx_node_open_wanted(backend, options, &renderer->drm_fd);
	if (error == 0) {
		error = open_device(renderer, options);
	}
	if (error != 0) {
		sbx_log_error("render: no renderer: %s", strerror(-error));
		destroy(renderer);
		return NULL;
	}
	const char *obstacle = open_sync(renderer, options);
	renderer->base.features.timeline = obstacle == NULL;
	renderer->base.features.input_color_transform = true;
	renderer->base.features.output_color_transform = sbx_grade_is_possible(renderer->device);
	report(renderer, obstacle);
	return &renderer->base;
}

/*
 * Drivers and layers start threads, some with an open signal mask (seen with lavapipe, Mesa 26.1, and one
 * more with the validation layers). A compositor
 * that takes its signals by wl_event_loop_add_signal() blocks them in its own thread, perhaps after this;
 * any other thread that does not would be given them, and the process would end by SIGTERM.
 */
struct wlr_renderer *sbx_renderer_create(struct wlr_backend *backend,
		const struct sbx_renderer_options *options) {
	static const struct sbx_renderer_options defaults = {0};
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	struct wlr_renderer *renderer = create(backend, options != NULL ? options : &defaults);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return renderer;
}
