#include <inttypes.h>
#include <stdlib.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include "linux-drm-syncobj-v1-protocol.h"
#include "loan/loan.h"
#include "loan/timeline.h"
#include "protocol/latch.h"
#include "protocol/surface.h"
#include "protocol/timeline.h"

static struct sbx_syncobj_surface *from_resource(struct wl_resource *resource) {
	return wl_resource_get_user_data(resource);
}

static void clear_point(struct sbx_pending_point *point) {
	sbx_client_timeline_unref(point->timeline);
	*point = (struct sbx_pending_point){0};
}

static void handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

/* A point that was set before in this commit cycle is forgotten, and never signalled. */
static void set_point(struct wl_resource *resource, struct sbx_pending_point *point, const char *which,
		struct wl_resource *timeline_resource, uint32_t hi, uint32_t lo) {
	uint64_t value = (uint64_t)hi << 32 | lo;
	if (from_resource(resource)->latch == NULL) {
		wl_resource_post_error(resource, WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_SURFACE,
			"%s point %" PRIu64 " of timeline #%u: the wl_surface has been destroyed", which, value,
			wl_resource_get_id(timeline_resource));
		return;
	}
	clear_point(point);
	point->timeline = sbx_client_timeline_ref(sbx_timeline_from_resource(timeline_resource));
	point->value = value;
}

static void handle_set_acquire_point(struct wl_client *client, struct wl_resource *resource,
		struct wl_resource *timeline, uint32_t hi, uint32_t lo) {
	set_point(resource, &from_resource(resource)->acquire, "acquire", timeline, hi, lo);
}

static void handle_set_release_point(struct wl_client *client, struct wl_resource *resource,
		struct wl_resource *timeline, uint32_t hi, uint32_t lo) {
	set_point(resource, &from_resource(resource)->release, "release", timeline, hi, lo);
}

static const struct wp_linux_drm_syncobj_surface_v1_interface impl = {
	.destroy = handle_destroy,
	.set_acquire_point = handle_set_acquire_point,
	.set_release_point = handle_set_release_point,
};

static void handle_resource_destroy(struct wl_resource *resource) {
	struct sbx_syncobj_surface *object = from_resource(resource);
	clear_point(&object->acquire);
	clear_point(&object->release);
	if (object->latch != NULL) {
		object->latch->object = NULL;
	}
	free(object);
}

void sbx_syncobj_surface_create(struct wl_resource *manager_resource, struct sbx_latch *latch,
		uint32_t id) {
	struct sbx_syncobj_surface *object = calloc(1, sizeof(*object));
	struct wl_resource *resource = object == NULL ? NULL :
		wl_resource_create(wl_resource_get_client(manager_resource),
			&wp_linux_drm_syncobj_surface_v1_interface,
			wl_resource_get_version(manager_resource), id);
	if (resource == NULL) {
		free(object);
		wl_resource_post_no_memory(manager_resource);
		return;
	}
	object->resource = resource;
	object->latch = latch;
	latch->object = object;
	wl_resource_set_implementation(resource, &impl, object, handle_resource_destroy);
}

void sbx_syncobj_surface_orphan(struct sbx_syncobj_surface *object) {
	object->latch = NULL;
}

static uint32_t surface_id(const struct sbx_syncobj_surface *object) {
	return wl_resource_get_id(object->latch->surface->resource);
}

/* Points without a buffer. Returns whether all is well. */
static bool check_no_buffer(const struct sbx_syncobj_surface *object,
		const struct sbx_pending_point *point, const char *which) {
	if (point->timeline == NULL) {
		return true;
	}
	wlr_surface_reject_pending(object->latch->surface, object->resource,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_BUFFER,
		"wl_surface#%u: %s point %" PRIu64 " of timeline #%u is set, but no buffer is attached",
		surface_id(object), which, point->value, point->timeline->id);
	return false;
}

static bool check_is_set(const struct sbx_syncobj_surface *object, const struct sbx_pending_point *point,
		const char *which, enum wp_linux_drm_syncobj_surface_v1_error error) {
	if (point->timeline != NULL) {
		return true;
	}
	wlr_surface_reject_pending(object->latch->surface, object->resource, error,
		"wl_surface#%u: a buffer is attached, but no %s point is set", surface_id(object), which);
	return false;
}

static bool check_buffer(const struct sbx_syncobj_surface *object) {
	struct wlr_surface *surface = object->latch->surface;
	struct wlr_dmabuf_attributes dmabuf;
	if (wlr_buffer_get_dmabuf(surface->pending.buffer, &dmabuf)) {
		return true;
	}
	wlr_surface_reject_pending(surface, object->resource,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_UNSUPPORTED_BUFFER,
		"wl_surface#%u: the attached buffer of %dx%d is no dma-buf: it cannot be used with points",
		surface_id(object), surface->pending.buffer->width, surface->pending.buffer->height);
	return false;
}

#define CONFLICT "wl_surface#%u: acquire point %" PRIu64 " of timeline #%u is not smaller than release " \
	"point %" PRIu64 " of timeline #%u, which is the same syncobj"

static bool check_order(const struct sbx_syncobj_surface *object) {
	const struct sbx_pending_point *acquire = &object->acquire, *release = &object->release;
	if (acquire->value < release->value || !sbx_client_timeline_is_same(acquire->timeline,
			release->timeline, release->value)) {
		return true;
	}
	wlr_surface_reject_pending(object->latch->surface, object->resource,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_CONFLICTING_POINTS, CONFLICT, surface_id(object),
		acquire->value, acquire->timeline->id, release->value, release->timeline->id);
	return false;
}

static bool check(const struct sbx_syncobj_surface *object, bool has_buffer) {
	if (!has_buffer) {
		return check_no_buffer(object, &object->acquire, "acquire") &&
			check_no_buffer(object, &object->release, "release");
	}
	return check_buffer(object) &&
		check_is_set(object, &object->acquire, "acquire",
			WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_ACQUIRE_POINT) &&
		check_is_set(object, &object->release, "release",
			WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_NO_RELEASE_POINT) &&
		check_order(object);
}

enum sbx_points sbx_syncobj_surface_take(struct sbx_syncobj_surface *object,
		struct sbx_loan_terms *terms) {
	bool has_buffer = object->latch->surface->pending.buffer != NULL;
	if (!check(object, has_buffer)) {
		return SBX_POINTS_WRONG;
	}
	if (!has_buffer) {
		return SBX_POINTS_NONE;
	}
	terms->acquire = object->acquire.timeline;
	terms->acquire_value = object->acquire.value;
	terms->release = object->release.timeline;
	terms->release_value = object->release.value;
	object->acquire = object->release = (struct sbx_pending_point){0};
	return SBX_POINTS_SET;
}

void sbx_syncobj_surface_post_conflict(struct sbx_syncobj_surface *object,
		const struct sbx_client_timeline *acquire, uint64_t acquire_value,
		const struct sbx_client_timeline *release, uint64_t release_value) {
	wl_resource_post_error(object->resource,
		WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_CONFLICTING_POINTS, CONFLICT, surface_id(object),
		acquire_value, acquire->id, release_value, release->id);
}
