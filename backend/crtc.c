#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wlr/backend.h>
#include <wlr/config.h>
#include <wlr/types/wlr_output.h>
#include <xf86drm.h>
#include <xf86drmMode.h>
#if WLR_HAS_DRM_BACKEND
#include <wlr/backend/drm.h>
#endif
#include "backend/crtc.h"

#if WLR_HAS_DRM_BACKEND

/* False: the object has no such property, or it is hidden from us. */
static bool find_property(int drm_fd, uint32_t object, uint32_t type, const char *name, uint32_t *id,
		uint64_t *value) {
	drmModeObjectProperties *all = drmModeObjectGetProperties(drm_fd, object, type);
	bool found = false;
	for (uint32_t i = 0; all != NULL && i < all->count_props && !found; i++) {
		drmModePropertyRes *property = drmModeGetProperty(drm_fd, all->props[i]);
		found = property != NULL && strcmp(property->name, name) == 0;
		if (found) {
			*id = property->prop_id;
			*value = all->prop_values[i];
		}
		drmModeFreeProperty(property);
	}
	drmModeFreeObjectProperties(all);
	return found;
}

/* -1: that cannot be known. */
static int get_drm_fd(struct wlr_output *output) {
	if (!wlr_output_is_drm(output) || wlr_drm_backend_get_parent(output->backend) != NULL) {
		return -1; // of a second GPU wlroots gives out the first one's
	}
	return wlr_backend_get_drm_fd(output->backend);
}

/*
 * A commit that changes nothing and must not block: the kernel refuses it with EBUSY as long as the flip
 * before it has not happened (drm_atomic_helper_setup_commit()). It asks for no event: that would be taken for
 * one of wlroots'.
 */
static enum sbx_crtc_state try_commit(int drm_fd, uint32_t crtc, uint32_t active) {
	drmModeAtomicReq *request = drmModeAtomicAlloc();
	enum sbx_crtc_state state = SBX_CRTC_UNKNOWN;
	if (request != NULL && drmModeAtomicAddProperty(request, crtc, active, 1) >= 0) {
		int ret = drmModeAtomicCommit(drm_fd, request, DRM_MODE_ATOMIC_NONBLOCK, NULL);
		state = ret == 0 ? SBX_CRTC_IDLE : ret == -EBUSY ? SBX_CRTC_BUSY : SBX_CRTC_UNKNOWN;
	}
	drmModeAtomicFree(request);
	return state;
}

static enum sbx_crtc_state ask_kernel(struct wlr_output *output) {
	int drm_fd = get_drm_fd(output);
	uint32_t id, active;
	uint64_t crtc, is_active;
	if (drm_fd < 0 || !find_property(drm_fd, wlr_drm_connector_get_id(output), DRM_MODE_OBJECT_CONNECTOR,
			"CRTC_ID", &id, &crtc) || crtc == 0 ||
			!find_property(drm_fd, (uint32_t)crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", &active, &is_active) ||
			!is_active) {
		return SBX_CRTC_UNKNOWN;
	}
	return try_commit(drm_fd, (uint32_t)crtc, active);
}

#else

static enum sbx_crtc_state ask_kernel(struct wlr_output *output) {
	return SBX_CRTC_UNKNOWN;
}

#endif

static enum sbx_crtc_state (*ask)(struct wlr_output *output) = ask_kernel;

enum sbx_crtc_state sbx_crtc_ask(struct wlr_output *output) {
	return ask(output);
}

void sbx_crtc_use(enum sbx_crtc_state (*function)(struct wlr_output *output)) {
	ask = function != NULL ? function : ask_kernel;
}
