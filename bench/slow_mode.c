/*
 * Monitors at a rate that an emulated machine can keep: preloaded into a compositor, it lets all their modes have
 * SBX_SLOW_HZ vertical blanks a second. See bench/kms.sh.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <xf86drmMode.h>

drmModeConnectorPtr drmModeGetConnector(int fd, uint32_t id) __attribute__((visibility("default")));

drmModeConnectorPtr drmModeGetConnector(int fd, uint32_t id) {
	drmModeConnectorPtr (*real)(int, uint32_t) =
		(drmModeConnectorPtr (*)(int, uint32_t))dlsym(RTLD_NEXT, "drmModeGetConnector");
	drmModeConnectorPtr connector = real(fd, id);
	const char *hz = getenv("SBX_SLOW_HZ");
	// The compositor's children need not have it.
	unsetenv("LD_PRELOAD");
	for (int i = 0; connector != NULL && hz != NULL && i < connector->count_modes; i++) {
		drmModeModeInfo *mode = &connector->modes[i];
		mode->vrefresh = (uint32_t)atoi(hz);
		mode->clock = (uint32_t)mode->htotal * mode->vtotal * mode->vrefresh / 1000;
	}
	return connector;
}
