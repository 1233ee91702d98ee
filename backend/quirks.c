#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/backend.h>
#include <wlr/config.h>
#include <xf86drm.h>
#if WLR_HAS_DRM_BACKEND
#include <wlr/backend/drm.h>
#endif
#include "backend/quirks.h"
#include "trace/log.h"

enum { MAX_DRIVERS = 16 };

static const struct sbx_quirks known[] = {
	// No implicit sync: https://github.com/NVIDIA/open-gpu-kernel-modules/issues/622 and what it links to.
	// Still reads after the flip: https://github.com/Smithay/smithay/issues/2151. Fences are refused with
	// EPERM before 560; newer ones take them, so that is learned.
	{ .driver = "nvidia-drm", .ignores_implicit = true, .extra_flips = 1 },
};

static struct sbx_quirks learned[MAX_DRIVERS];
static int learned_count;

static bool is_kms(struct wlr_backend *backend) {
#if WLR_HAS_DRM_BACKEND
	return wlr_backend_is_drm(backend);
#else
	return false;
#endif
}

static void find_driver(struct wlr_backend *backend, char *driver, size_t size) {
	int drm_fd = wlr_backend_get_drm_fd(backend);
	drmVersion *version = drm_fd >= 0 ? drmGetVersion(drm_fd) : NULL;
	snprintf(driver, size, "%s", version != NULL ? version->name : "parent");
	drmFreeVersion(version);
}

static struct sbx_quirks describe(struct wlr_backend *backend) {
	struct sbx_quirks quirks = { 0 };
	find_driver(backend, quirks.driver, sizeof(quirks.driver));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].driver, quirks.driver) == 0) {
			quirks = known[i];
		}
	}
	quirks.is_kms = is_kms(backend);
	if (!quirks.is_kms) {
		quirks.extra_flips = 0; // that is the parent's business
	}
	return quirks;
}

struct sbx_quirks *sbx_quirks_get(struct wlr_backend *backend) {
	struct sbx_quirks quirks = describe(backend);
	for (int i = 0; i < learned_count; i++) {
		if (learned[i].is_kms == quirks.is_kms && strcmp(learned[i].driver, quirks.driver) == 0) {
			return &learned[i];
		}
	}
	// More drivers than places: the last ones share one.
	int place = learned_count < MAX_DRIVERS ? learned_count++ : MAX_DRIVERS - 1;
	learned[place] = quirks;
	return &learned[place];
}

void sbx_quirks_learn_refusal(struct sbx_quirks *quirks, int error) {
	if (quirks->refuses_fences) {
		return;
	}
	quirks->refuses_fences = true;
	quirks->refused_errno = error;
	sbx_log_error("driver bug: %s%s refuses a commit with a fence%s%s: from now on %s", quirks->driver,
		quirks->is_kms ? "" : " (parent)", error != 0 ? ": " : "", error != 0 ? strerror(error) : "",
		quirks->ignores_implicit ? "commits wait for their fences on the event loop" :
		"fences ride along with the buffers");
}

void sbx_quirks_forget(void) {
	learned_count = 0;
}
