#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-util.h>
#include <wlr/render/drm_syncobj.h>
#include "loan/promise.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/point.h"
#include "sync/syncobj.h"
#include "trace/log.h"

/** What is known of a timeline: as long as it lives, and as long as a promise is on it. */
struct route {
	/** Of the timeline's own DRM file, in which its handle is valid. NULL: only spared. */
	struct sbx_sync *sync;
	uint32_t handle;
	/** NULL: the timeline has gone, and the handle with it. */
	struct wlr_drm_syncobj_timeline *timeline;
	struct wlr_addon addon;
	struct wl_list promises; // sbx_promise.link
	bool spared;
};

struct sbx_promise {
	/** NULL: it cannot be followed. */
	struct route *route;
	struct wl_list link; // route.promises
	uint64_t value;
	/** When to look no longer; 0: nobody has looked yet. */
	int64_t until_ns;
	/** The timeline has gone, and this is what was there; -1: nothing to wait for. */
	int fence;
};

static void route_destroy(struct route *route) {
	sbx_sync_destroy(route->sync);
	free(route);
}

static struct sbx_point point_of(const struct sbx_promise *promise) {
	return (struct sbx_point){ .handle = promise->route->handle, .value = promise->value };
}

/*
 * As sbx_promise_look(), while the timeline is there. -EBUSY: somebody may be reading, and only the asking
 * failed; no patience is lost over that.
 */
static int ask(const struct sbx_promise *promise, int *fence) {
	struct sbx_point point = point_of(promise);
	enum sbx_point_state state = SBX_POINT_INVALID;
	int ret = sbx_points_query(promise->route->sync, &point, 1, &state);
	if (ret == -ENODEV || ret == -EBADF) {
		return 0; // the device has been removed
	}
	if (ret < 0) {
		return -EBUSY;
	}
	if (state == SBX_POINT_UNMATERIALISED) {
		return -EAGAIN;
	}
	if (state != SBX_POINT_MATERIALISED) {
		return 0;
	}
	return sbx_point_export_sync_file(promise->route->sync, point, fence) == 0 ? 0 : -EBUSY;
}

/*
 * The last who could signal it goes. What is not there will not come; what is there stays, as a fence of
 * its own.
 */
static void handle_timeline_destroy(struct wlr_addon *addon) {
	struct route *route = wl_container_of(addon, route, addon);
	route->timeline = NULL;
	wlr_addon_finish(&route->addon);
	struct sbx_promise *promise;
	wl_list_for_each(promise, &route->promises, link) {
		struct sbx_point point = point_of(promise);
		enum sbx_point_state state = SBX_POINT_INVALID;
		int ret = sbx_points_query(route->sync, &point, 1, &state);
		if (ret == 0 && state == SBX_POINT_MATERIALISED) {
			ret = sbx_point_export_sync_file(route->sync, point, &promise->fence);
		}
		if (ret < 0 && ret != -ENODEV && ret != -EBADF) {
			// Not known, and never to be: it waits as long as for one that does not come.
			promise->until_ns = sbx_kernel_now_ns() + SBX_PROMISE_PATIENCE_NS;
		}
	}
	if (wl_list_empty(&route->promises)) {
		route_destroy(route);
	}
}

static const struct wlr_addon_interface addon_impl = {
	.name = "sbx_promise",
	.destroy = handle_timeline_destroy,
};

static struct route *find_route(const struct wlr_drm_syncobj_timeline *timeline) {
	// Looking does not change it, but the set has no const function.
	struct wlr_addon_set *addons = (struct wlr_addon_set *)&timeline->addons;
	struct wlr_addon *addon = wlr_addon_find(addons, NULL, &addon_impl);
	struct route *route = NULL;
	return addon != NULL ? wl_container_of(addon, route, addon) : NULL;
}

static struct route *get_route(struct wlr_drm_syncobj_timeline *timeline) {
	struct route *route = find_route(timeline);
	if (route == NULL) {
		route = calloc(1, sizeof(*route));
		if (route == NULL) {
			return NULL;
		}
		route->handle = timeline->handle;
		route->timeline = timeline;
		wl_list_init(&route->promises);
		wlr_addon_init(&route->addon, &timeline->addons, NULL, &addon_impl);
	}
	return route;
}

static bool open_sync(struct route *route) {
	int fd = -1;
	if (route->sync == NULL && sbx_fd_dup(route->timeline->drm_fd, &fd) == 0) {
		sbx_sync_create(&fd, &route->sync);
	}
	sbx_fd_close(&fd);
	return route->sync != NULL && sbx_sync_get_caps(route->sync)->timeline;
}

struct sbx_promise *sbx_promise_create(struct wlr_drm_syncobj_timeline *timeline, uint64_t value) {
	struct sbx_promise *promise = calloc(1, sizeof(*promise));
	if (promise == NULL) {
		return NULL;
	}
	promise->value = value;
	promise->fence = -1;
	wl_list_init(&promise->link);
	struct route *route = get_route(timeline);
	if (route != NULL && open_sync(route)) {
		promise->route = route;
		wl_list_insert(&route->promises, &promise->link);
	}
	return promise;
}

void sbx_promise_destroy(struct sbx_promise *promise) {
	if (promise == NULL) {
		return;
	}
	struct route *route = promise->route;
	wl_list_remove(&promise->link);
	if (route != NULL && route->timeline == NULL && wl_list_empty(&route->promises)) {
		route_destroy(route);
	}
	sbx_fd_close(&promise->fence);
	free(promise);
}

const void *sbx_promise_get_order(const struct sbx_promise *promise) {
	return promise->route;
}

/* Work that wlroots named and did not hand out: nobody reads a buffer that nobody holds. */
static int lose_patience(struct sbx_promise *promise) {
	int64_t now_ns = sbx_kernel_now_ns();
	if (promise->until_ns == 0) {
		promise->until_ns = now_ns + SBX_PROMISE_PATIENCE_NS;
	}
	if (now_ns < promise->until_ns) {
		return -EAGAIN;
	}
	sbx_log_info("loan: point %llu, with which wlroots was to say that a buffer has been read, has not "
		"come", (unsigned long long)promise->value);
	return 0;
}

int sbx_promise_look(struct sbx_promise *promise, int *fence) {
	*fence = -1;
	if (promise->route == NULL) {
		return lose_patience(promise);
	}
	if (promise->route->timeline == NULL) {
		*fence = sbx_fd_steal(&promise->fence);
		return promise->until_ns != 0 && *fence < 0 ? lose_patience(promise) : 0;
	}
	int ret = ask(promise, fence);
	if (ret == -EBUSY) {
		return -EAGAIN;
	}
	return ret == -EAGAIN ? lose_patience(promise) : ret;
}

void sbx_promise_spare(struct wlr_drm_syncobj_timeline *timeline) {
	struct route *route = timeline != NULL ? get_route(timeline) : NULL;
	if (route != NULL) {
		route->spared = true;
	}
}

bool sbx_promise_is_spared(const struct wlr_drm_syncobj_timeline *timeline) {
	const struct route *route = find_route(timeline);
	return route != NULL && route->spared;
}
