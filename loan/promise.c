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
#include "sync/timeline.h"
#include "trace/log.h"

/** What is known of a timeline: as long as it lives, and as long as a promise is on it. */
struct route {
	/** NULL: the timeline has gone, and the handle with it. */
	struct wlr_drm_syncobj_timeline *timeline;
	struct wlr_addon addon;
	struct wl_list promises; // sbx_promise.link
	bool spared;
	/** Of the timeline's own DRM file, in which its handle is valid. NULL: not open. */
	struct sbx_sync *sync;
	uint32_t handle;
	/** It is not open, and until it is, this route keeps the timeline. */
	bool holds;
	/** As a binary syncobj, what was there when the timeline went: needs no fd. There with `sync`. */
	struct sbx_timeline *shelter;
	/** Nor did that work: what was there is not known, and never will be. */
	bool blind;
};

struct sbx_promise {
	struct route *route;
	struct wl_list link; // route.promises
	uint64_t value;
	/** When to look no longer; 0: nobody has looked yet. */
	int64_t until_ns;
};

static void route_destroy(struct route *route) {
	sbx_timeline_destroy(route->shelter);
	sbx_sync_destroy(route->sync);
	free(route);
}

/* All that is there of it. */
static struct sbx_point whole_timeline(const struct route *route) {
	return (struct sbx_point){ .handle = route->handle, .value = 0 };
}

/* The device has been removed, or the file is closed; -ENOTSUP: it never was what it should be. */
static bool is_final(int error) {
	return error == -ENODEV || error == -EBADF || error == -ENOTSUP;
}

/*
 * The last who could signal it goes. What is not there will not come; what is there stays, with all that
 * was promised before it.
 */
static void handle_timeline_destroy(struct wlr_addon *addon) {
	struct route *route = wl_container_of(addon, route, addon);
	route->timeline = NULL;
	wlr_addon_finish(&route->addon);
	if (wl_list_empty(&route->promises)) {
		route_destroy(route);
		return;
	}
	if (route->sync == NULL) {
		return;
	}
	int ret = sbx_point_transfer(route->sync, sbx_timeline_point(route->shelter, 0),
		whole_timeline(route));
	route->blind = ret < 0 && ret != -ENOENT && !is_final(ret);
	struct sbx_promise *promise;
	wl_list_for_each(promise, &route->promises, link) {
		promise->until_ns = 0;
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

static int open_files(struct route *route) {
	int fd = -1;
	struct sbx_sync *sync = NULL;
	int ret = sbx_fd_dup(route->timeline->drm_fd, &fd);
	if (ret == 0) {
		ret = sbx_sync_create(&fd, &sync);
	}
	if (ret == 0) {
		ret = sbx_timeline_create(sync, &route->shelter);
	}
	if (ret == 0) {
		route->sync = sync;
	} else {
		sbx_sync_destroy(sync);
	}
	sbx_fd_close(&fd);
	return ret;
}

/* May be the end of the timeline, and where there is no promise, of the route. */
static void let_go(struct route *route) {
	if (route->holds) {
		route->holds = false;
		wlr_drm_syncobj_timeline_unref(route->timeline);
	}
}

/*
 * 0, or -errno: the timeline cannot be looked at (-ENOTSUP and its like: now or ever). Without a file of
 * one's own a handle is good for as long as its timeline lives: so it has to live on.
 */
static int route_open(struct route *route) {
	if (route->sync != NULL) {
		return 0;
	}
	int ret = route->timeline != NULL ? open_files(route) : -ENOTSUP;
	if (ret == 0 || is_final(ret)) {
		let_go(route);
	} else if (!route->holds) {
		wlr_drm_syncobj_timeline_ref(route->timeline);
		route->holds = true;
	}
	return ret;
}

struct sbx_promise *sbx_promise_create(struct wlr_drm_syncobj_timeline *timeline, uint64_t value) {
	struct sbx_promise *promise = calloc(1, sizeof(*promise));
	struct route *route = promise != NULL ? get_route(timeline) : NULL;
	if (route == NULL) {
		free(promise);
		return NULL;
	}
	promise->value = value;
	promise->route = route;
	wl_list_insert(&route->promises, &promise->link);
	route_open(route);
	return promise;
}

void sbx_promise_destroy(struct sbx_promise *promise) {
	if (promise == NULL) {
		return;
	}
	struct route *route = promise->route;
	wl_list_remove(&promise->link);
	free(promise);
	if (!wl_list_empty(&route->promises)) {
		return;
	}
	if (route->timeline == NULL) {
		route_destroy(route);
	} else {
		let_go(route);
	}
}

const void *sbx_promise_get_order(const struct sbx_promise *promise) {
	return promise->route;
}

/*
 * 0: what `point` stands for is done, or signals with *fence. -ENOENT: there is no such point yet; another
 * error: it cannot be had.
 */
static int ask(struct sbx_sync *sync, struct sbx_point point, int *fence) {
	enum sbx_point_state state = SBX_POINT_INVALID;
	int ret = sbx_points_query(sync, &point, 1, &state);
	if (ret < 0) {
		return ret;
	}
	if (state == SBX_POINT_UNMATERIALISED) {
		return -ENOENT;
	}
	return state == SBX_POINT_MATERIALISED ? sbx_point_export_sync_file(sync, point, fence) : 0;
}

/* 0: so long, and no longer; -EAGAIN. */
static int lose_patience(struct sbx_promise *promise, int64_t patience_ns) {
	int64_t now_ns = sbx_kernel_now_ns();
	if (promise->until_ns == 0) {
		promise->until_ns = now_ns + patience_ns;
	}
	return now_ns < promise->until_ns ? -EAGAIN : 0;
}

static void log_missing(const struct sbx_promise *promise) {
	sbx_log_info("loan: point %llu, with which wlroots was to say that a buffer has been read, has not "
		"come", (unsigned long long)promise->value);
}

/* Nobody can look, and nobody reads a buffer that nobody holds. */
static int give_up(struct sbx_promise *promise) {
	int ret = lose_patience(promise, SBX_PROMISE_PATIENCE_NS);
	if (ret == 0) {
		log_missing(promise);
	}
	return ret;
}

/*
 * Work that wlroots named and did not hand out; but it may have taken the place of promises before it,
 * whose work is there.
 */
static int give_up_all_but_earlier(struct sbx_promise *promise, int *fence) {
	int ret = lose_patience(promise, SBX_PROMISE_PATIENCE_NS);
	if (ret == 0) {
		ret = ask(promise->route->sync, whole_timeline(promise->route), fence);
		ret = ret == -ENOENT ? 0 : ret;
	}
	if (ret == 0) {
		log_missing(promise);
	}
	return ret;
}

/* Somebody may read, and nothing will ever say so; but no fence is allowed to take for ever. */
static int give_up_blindly(struct sbx_promise *promise) {
	int ret = lose_patience(promise, SBX_PROMISE_BLIND_NS);
	if (ret == 0) {
		sbx_log_error("kernel: whether a buffer has been read by point %llu could not be found out in time",
			(unsigned long long)promise->value);
	}
	return ret;
}

static int look_while_it_lives(struct sbx_promise *promise, int *fence) {
	struct route *route = promise->route;
	struct sbx_point point = { .handle = route->handle, .value = promise->value };
	int ret = ask(route->sync, point, fence);
	return ret == -ENOENT || ret == -ENOTSUP ? give_up_all_but_earlier(promise, fence) : ret;
}

static int look_afterwards(struct sbx_promise *promise, int *fence) {
	const struct route *route = promise->route;
	if (route->blind) {
		return give_up_blindly(promise);
	}
	int ret = ask(route->sync, sbx_timeline_point(route->shelter, 0), fence);
	return ret == -ENOENT ? 0 : ret;
}

int sbx_promise_look(struct sbx_promise *promise, int *fence) {
	struct route *route = promise->route;
	*fence = -1;
	int ret = route_open(route);
	if (ret < 0) {
		return is_final(ret) ? give_up(promise) : -EAGAIN;
	}
	ret = route->timeline != NULL ? look_while_it_lives(promise, fence) :
		look_afterwards(promise, fence);
	// A device that has been removed reads no more. Any other failure says nothing of who reads, and no
	// patience is lost over it.
	return ret == 0 || is_final(ret) ? 0 : -EAGAIN;
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
