#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/drm_syncobj.h>
#include "backend/desks.h"
#include "loan/desk.h"
#include "sync/fd.h"
#include "sync/syncobj.h"
#include "trace/log.h"

struct entry {
	struct wl_list link; // sbx_desks.list
	struct sbx_desk desk;
};

void sbx_desks_init(struct sbx_desks *desks, struct wl_event_loop *loop) {
	desks->loop = loop;
	wl_list_init(&desks->list);
}

void sbx_desks_finish(struct sbx_desks *desks) {
	struct entry *entry, *next;
	wl_list_for_each_safe(entry, next, &desks->list, link) {
		wl_list_remove(&entry->link);
		sbx_desk_finish(&entry->desk);
		free(entry);
	}
}

struct sbx_desk *sbx_desks_get(struct sbx_desks *desks, int drm_fd) {
	struct entry *entry;
	wl_list_for_each(entry, &desks->list, link) {
		if (sbx_fd_is_same(sbx_sync_get_drm_fd(entry->desk.sync), drm_fd)) {
			return &entry->desk;
		}
	}
	entry = calloc(1, sizeof(*entry));
	int ret = entry == NULL ? -ENOMEM :
		sbx_desk_init(&entry->desk, drm_fd, desks->loop, &(struct sbx_syncobj_limits){ 0 });
	if (ret < 0) {
		sbx_log_error("backend: no syncobjs by way of DRM fd %d: %s", drm_fd, strerror(-ret));
		free(entry);
		return NULL;
	}
	wl_list_insert(&desks->list, &entry->link);
	return &entry->desk;
}

void sbx_desks_signal(struct sbx_desks *desks, struct wlr_drm_syncobj_timeline *timeline,
		uint64_t value) {
	struct sbx_desk *desk = sbx_desks_get(desks, timeline->drm_fd);
	struct sbx_point point = { .handle = timeline->handle, .value = value };
	int ret = desk != NULL ? sbx_points_signal(desk->sync, &point, 1) : -ENODEV;
	if (ret < 0 && !wlr_drm_syncobj_timeline_signal(timeline, value)) {
		sbx_log_error("kernel: point %llu of a timeline cannot be signalled: %s",
			(unsigned long long)value, strerror(-ret));
	}
}
