#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_compositor.h>
#include "linux-drm-syncobj-v1-protocol.h"
#include "loan/loan.h"
#include "loan/reader.h"
#include "loan/timeline.h"
#include "protocol/interpose.h"
#include "protocol/latch.h"
#include "protocol/manager.h"
#include "protocol/surface.h"
#include "protocol/timeline.h"
#include "sync/fd.h"
#include "trace/log.h"

enum { NEWEST_VERSION = 1 };

struct wl_list *sbx_syncobj_managers(void) {
	static struct wl_list managers;
	if (managers.next == NULL) {
		wl_list_init(&managers);
	}
	return &managers;
}

static struct sbx_syncobj_manager *from_resource(struct wl_resource *resource) {
	return wl_resource_get_user_data(resource);
}

static void handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

static void handle_get_surface(struct wl_client *client, struct wl_resource *resource, uint32_t id,
		struct wl_resource *surface_resource) {
	struct wlr_surface *surface = wlr_surface_from_resource(surface_resource);
	struct sbx_latch *latch = sbx_latch_get(from_resource(resource), surface);
	if (latch == NULL) {
		wl_resource_post_no_memory(resource);
	} else if (latch->object != NULL) {
		wl_resource_post_error(resource, WP_LINUX_DRM_SYNCOBJ_MANAGER_V1_ERROR_SURFACE_EXISTS,
			"wl_surface#%u has a wp_linux_drm_syncobj_surface_v1 already, #%u",
			wl_resource_get_id(surface_resource), wl_resource_get_id(latch->object->resource));
	} else {
		sbx_syncobj_surface_create(resource, latch, id);
	}
}

static void post_import_error(struct wl_resource *resource, const struct sbx_quota *quota, uint32_t id,
		int error) {
	if (error == -EDQUOT) {
		wl_client_post_implementation_error(wl_resource_get_client(resource),
			"timeline #%u: this client has %u timelines that are still needed, and more are not allowed",
			id, quota->used[SBX_QUOTA_TIMELINES]);
	} else if (error == -ENOMEM) {
		wl_resource_post_no_memory(resource);
	} else {
		wl_resource_post_error(resource, WP_LINUX_DRM_SYNCOBJ_MANAGER_V1_ERROR_INVALID_TIMELINE,
			"timeline #%u: the fd cannot be imported as a DRM syncobj: %s", id, strerror(-error));
	}
}

static void handle_import_timeline(struct wl_client *client, struct wl_resource *resource, uint32_t id,
		int32_t fd) {
	struct sbx_desk *desk = &from_resource(resource)->desk;
	struct sbx_client_timeline *timeline = NULL;
	struct sbx_quota *quota = sbx_quota_get(&desk->quotas, client);
	int ret = quota == NULL ? -ENOMEM :
		sbx_client_timeline_import(desk->sync, quota, &fd, id, &timeline);
	if (ret < 0) {
		post_import_error(resource, quota, id, ret);
	} else if (!sbx_timeline_resource_create(resource, id, &timeline)) {
		sbx_client_timeline_unref(timeline);
	}
	sbx_quota_unref(quota);
	sbx_fd_close(&fd);
}

static const struct wp_linux_drm_syncobj_manager_v1_interface impl = {
	.destroy = handle_destroy,
	.get_surface = handle_get_surface,
	.import_timeline = handle_import_timeline,
};

static void bind_manager(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct wl_resource *resource = wl_resource_create(client,
		&wp_linux_drm_syncobj_manager_v1_interface, (int)version, id);
	if (resource == NULL) {
		wl_client_post_no_memory(client);
		return;
	}
	wl_resource_set_implementation(resource, &impl, data, NULL);
}

static bool filter_global(const struct wl_client *client, const struct wl_global *global, void *data) {
	const struct sbx_syncobj_manager *manager = data;
	return global != manager->global || manager->options.allow_client(client, manager->options.data);
}

static void destroy(struct sbx_syncobj_manager *manager) {
	if (manager->options.allow_client != NULL) {
		wl_display_set_global_filter(manager->display, NULL, NULL);
	}
	wl_list_remove(&manager->link);
	wl_list_remove(&manager->display_destroy.link);
	wl_global_destroy(manager->global);
	sbx_deadline_finish(&manager->deadline);
	sbx_desk_finish(&manager->desk);
	free(manager);
}

static void handle_display_destroy(struct wl_listener *listener, void *data) {
	struct sbx_syncobj_manager *manager = wl_container_of(listener, manager, display_destroy);
	destroy(manager);
}

static bool is_switched_off(void) {
	static const char *const off[] = { "0", "no", "off", "false" };
	const char *value = getenv("SIGNALBOX_EXPLICIT_SYNC");
	for (size_t i = 0; value != NULL && i < sizeof(off) / sizeof(off[0]); i++) {
		if (strcmp(value, off[i]) == 0) {
			return true;
		}
	}
	return false;
}

static uint32_t stall_bound_ms(int32_t wanted_ms) {
	return wanted_ms == 0 ? SBX_SYNCOBJ_DEFAULT_STALL_MS : wanted_ms > 0 ? (uint32_t)wanted_ms : 0;
}

static void start_offering(struct sbx_syncobj_manager *manager, struct wl_display *display) {
	manager->display = display;
	manager->view.global = manager->global;
	manager->asked = sbx_interpose_is_asked();
	wl_list_insert(sbx_syncobj_managers(), &manager->link);
	sbx_deadline_init(&manager->deadline, manager);
	manager->display_destroy.notify = handle_display_destroy;
	wl_display_add_destroy_listener(display, &manager->display_destroy);
	if (manager->options.allow_client != NULL) {
		wl_display_set_global_filter(display, filter_global, manager);
	}
	if (!manager->options.keep_fd_limit) {
		sbx_quota_raise_fd_limit();
	}
}

struct sbx_syncobj_manager *sbx_syncobj_manager_create(struct wl_display *display, uint32_t version,
		int drm_fd, const struct sbx_syncobj_options *options) {
	if (is_switched_off()) {
		sbx_log_info("protocol: explicit sync is switched off (SIGNALBOX_EXPLICIT_SYNC)");
		return NULL;
	}
	if (version == 0 || version > NEWEST_VERSION) {
		sbx_log_error("protocol: explicit sync: no version %u", version);
		return NULL;
	}
	struct sbx_syncobj_manager *manager = calloc(1, sizeof(*manager));
	if (manager == NULL) {
		return NULL;
	}
	if (options != NULL) {
		manager->options = *options;
	}
	wl_list_init(&manager->ready);
	int ret = sbx_desk_init(&manager->desk, drm_fd, wl_display_get_event_loop(display),
		&manager->options.limits);
	if (ret < 0) {
		sbx_log_info("protocol: no explicit sync: the DRM node has no syncobj timelines (%s)",
			strerror(-ret));
		free(manager);
		return NULL;
	}
	manager->global = wl_global_create(display, &wp_linux_drm_syncobj_manager_v1_interface,
		(int)version, manager, bind_manager);
	if (manager->global == NULL) {
		sbx_desk_finish(&manager->desk);
		free(manager);
		return NULL;
	}
	sbx_watch_set_bound(&manager->desk.watch, stall_bound_ms(manager->options.stall_ms));
	start_offering(manager, display);
	return manager;
}

struct wl_global *sbx_syncobj_manager_get_global(const struct sbx_syncobj_manager *manager) {
	return manager->global;
}

void sbx_syncobj_manager_set_policy(struct sbx_syncobj_manager *manager,
		enum sbx_latch_policy policy) {
	manager->options.policy = policy;
}

bool sbx_syncobj_surface_set_policy(struct sbx_syncobj_manager *manager, struct wlr_surface *surface,
		enum sbx_latch_policy policy) {
	struct sbx_latch *latch = sbx_latch_get(manager, surface);
	if (latch != NULL) {
		latch->policy = policy;
	}
	return latch != NULL;
}

bool sbx_syncobj_buffer_add_reader(struct wlr_buffer *buffer, int sync_file) {
	if (sync_file < 0 || !sbx_buffer_is_on_loan(buffer)) {
		return true;
	}
	int fd = -1;
	if (sbx_fd_dup(sync_file, &fd) < 0) {
		return false;
	}
	struct sbx_reader *reader = sbx_reader_create(NULL, 0, &fd);
	bool ok = reader != NULL && sbx_buffer_add_reader(buffer, reader);
	sbx_reader_unref(reader);
	sbx_fd_close(&fd);
	return ok;
}

void sbx_syncobj_manager_get_stats(const struct sbx_syncobj_manager *manager,
		struct sbx_syncobj_stats *stats) {
	*stats = (struct sbx_syncobj_stats){
		.held_commits = manager->held_commits,
		.superseded = manager->superseded,
		.failed = manager->desk.failed,
		.predicted = manager->deadline.predicted,
		.predictions_kept = manager->deadline.kept,
		.predictions_broken = manager->deadline.broken,
	};
	memcpy(stats->latched, manager->latched, sizeof(stats->latched));
	const struct sbx_loan *loan;
	wl_list_for_each(loan, &manager->desk.loans, link) {
		stats->loans++;
		stats->ending += loan->state == SBX_LOAN_ENDING;
	}
}
