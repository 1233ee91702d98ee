/*
 * The control of run-scanout.sh: loaded into a compositor, it lets wlroots know of no surface's points, so
 * that direct scanout goes unfenced. signalbox is not to notice, so what it asks to see who answers is
 * passed on: the answer to that has no timeline.
 */
#include <dlfcn.h>
#include <wlr/types/wlr_linux_drm_syncobj_v1.h>

__attribute__((visibility("default")))
struct wlr_linux_drm_syncobj_surface_v1_state *wlr_linux_drm_syncobj_v1_get_surface_state(
		struct wlr_surface *surface) {
	static __typeof__(&wlr_linux_drm_syncobj_v1_get_surface_state) next;
	if (next == NULL) {
		next = (__typeof__(next))dlsym(RTLD_NEXT, "wlr_linux_drm_syncobj_v1_get_surface_state");
	}
	struct wlr_linux_drm_syncobj_surface_v1_state *state = next(surface);
	return state != NULL && state->acquire_timeline == NULL ? state : NULL;
}
