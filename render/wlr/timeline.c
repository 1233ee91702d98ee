#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/drm_syncobj.h>
#include "render/wlr/renderer.h"
#include "render/wlr/timeline.h"
#include "sync/fd.h"
#include "sync/syncobj.h"
#include "trace/log.h"

static void destroy(struct sbx_known_timeline *timeline) {
	wlr_addon_finish(&timeline->addon);
	wl_list_remove(&timeline->link);
	free(timeline);
}

static void handle_addon_destroy(struct wlr_addon *addon) {
	struct sbx_known_timeline *timeline = wl_container_of(addon, timeline, addon);
	destroy(timeline);
}

static const struct wlr_addon_interface addon_impl = {
	.name = "sbx_known_timeline",
	.destroy = handle_addon_destroy,
};

/* Where this cannot be told, every timeline gets a file of its own: that costs more but is not wrong. */
static struct sbx_drm_file *find_file(struct sbx_renderer *renderer, int drm_fd) {
	struct sbx_drm_file *file;
	wl_list_for_each(file, &renderer->drm_files, link) {
		if (sbx_fd_is_same(sbx_sync_get_drm_fd(file->sync), drm_fd)) {
			return file;
		}
	}
	return NULL;
}

static struct sbx_drm_file *add_file(struct sbx_renderer *renderer, int drm_fd) {
	int fd = -1;
	struct sbx_drm_file *file = calloc(1, sizeof(*file));
	int error = file == NULL ? -ENOMEM : sbx_fd_dup(drm_fd, &fd);
	if (error == 0) {
		error = sbx_sync_create(&fd, &file->sync);
	}
	if (error != 0) {
		sbx_log_error("render: no syncobjs by way of DRM fd %d: %s", drm_fd, strerror(-error));
		sbx_fd_close(&fd);
		free(file);
		return NULL;
	}
	wl_list_insert(renderer->drm_files.prev, &file->link);
	return file;
}

const struct sbx_sync *sbx_drm_file_open(struct sbx_renderer *renderer, int drm_fd) {
	struct sbx_drm_file *file = add_file(renderer, drm_fd);
	return file != NULL ? file->sync : NULL;
}

struct sbx_known_timeline *sbx_known_timeline_find(struct sbx_renderer *renderer,
		struct wlr_drm_syncobj_timeline *wlr_timeline) {
	struct wlr_addon *addon = wlr_addon_find(&wlr_timeline->addons, renderer, &addon_impl);
	struct sbx_known_timeline *timeline = NULL;
	return addon != NULL ? wl_container_of(addon, timeline, addon) : NULL;
}

struct sbx_known_timeline *sbx_known_timeline_get(struct sbx_renderer *renderer,
		struct wlr_drm_syncobj_timeline *wlr_timeline) {
	struct sbx_known_timeline *timeline = sbx_known_timeline_find(renderer, wlr_timeline);
	if (timeline != NULL) {
		return timeline;
	}
	struct sbx_drm_file *file = find_file(renderer, wlr_timeline->drm_fd);
	if (file == NULL) {
		file = add_file(renderer, wlr_timeline->drm_fd);
	}
	timeline = file != NULL ? calloc(1, sizeof(*timeline)) : NULL;
	if (timeline == NULL) {
		return NULL;
	}
	timeline->renderer = renderer;
	timeline->file = file;
	timeline->handle = wlr_timeline->handle;
	timeline->id = ++renderer->timeline_serial;
	wlr_addon_init(&timeline->addon, &wlr_timeline->addons, renderer, &addon_impl);
	wl_list_insert(&renderer->timelines, &timeline->link);
	return timeline;
}

struct sbx_point sbx_known_timeline_point(const struct sbx_known_timeline *timeline,
		uint64_t value) {
	return (struct sbx_point){ .handle = timeline->handle, .value = value };
}

void sbx_known_timeline_destroy_all(struct sbx_renderer *renderer) {
	struct sbx_known_timeline *timeline, *next_timeline;
	wl_list_for_each_safe(timeline, next_timeline, &renderer->timelines, link) {
		destroy(timeline);
	}
	struct sbx_drm_file *file, *next_file;
	wl_list_for_each_safe(file, next_file, &renderer->drm_files, link) {
		wl_list_remove(&file->link);
		sbx_sync_destroy(file->sync);
		free(file);
	}
}
