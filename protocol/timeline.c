#include <wayland-server-core.h>
#include "linux-drm-syncobj-v1-protocol.h"
#include "loan/timeline.h"
#include "protocol/timeline.h"

static void handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

static const struct wp_linux_drm_syncobj_timeline_v1_interface impl = {
	.destroy = handle_destroy,
};

static void handle_resource_destroy(struct wl_resource *resource) {
	sbx_client_timeline_unref(sbx_timeline_from_resource(resource));
}

bool sbx_timeline_resource_create(struct wl_resource *parent, uint32_t id,
		struct sbx_client_timeline **timeline) {
	struct wl_resource *resource = wl_resource_create(wl_resource_get_client(parent),
		&wp_linux_drm_syncobj_timeline_v1_interface, wl_resource_get_version(parent), id);
	if (resource == NULL) {
		wl_resource_post_no_memory(parent);
		return false;
	}
	wl_resource_set_implementation(resource, &impl, *timeline, handle_resource_destroy);
	*timeline = NULL;
	return true;
}

struct sbx_client_timeline *sbx_timeline_from_resource(struct wl_resource *resource) {
	return wl_resource_get_user_data(resource);
}
