#include <dlfcn.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_linux_drm_syncobj_v1.h>
#include "loan/loan.h"
#include "loan/offer.h"
#include "loan/promise.h"
#include "loan/reader.h"
#include "protocol/binding.h"
#include "protocol/interpose.h"
#include "protocol/latch.h"
#include "protocol/manager.h"
#include "trace/log.h"

/** wlroots' own: the next of that name behind this library. */
#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

/* Our states are known by this; it is no timeline, and nobody looks into it. */
static struct wlr_drm_syncobj_timeline mark;

/* A surface that nobody has, to see who answers for it. */
static struct wlr_surface probe;
static struct wlr_linux_drm_syncobj_surface_v1_state probe_state;

static bool is_ours(const struct wlr_linux_drm_syncobj_surface_v1_state *state) {
	return state->WLR_PRIVATE.release_timeline == &mark;
}

static struct sbx_latch *find_latch(struct wlr_surface *surface) {
	struct sbx_syncobj_manager *manager;
	wl_list_for_each(manager, sbx_syncobj_managers(), link) {
		struct sbx_latch *latch = sbx_latch_find(manager, surface);
		if (latch != NULL) {
			return latch;
		}
	}
	return NULL;
}

/* NULL: its content is not on loan. */
static struct wlr_linux_drm_syncobj_surface_v1_state *answer(struct wlr_surface *surface) {
	struct sbx_latch *latch = find_latch(surface);
	if (latch == NULL || latch->current.loan == NULL) {
		return NULL;
	}
	latch->answer = (struct wlr_linux_drm_syncobj_surface_v1_state){
		.acquire_timeline = sbx_loan_get_offer(latch->current.loan),
		.acquire_point = SBX_OFFER_POINT,
	};
	latch->answer.WLR_PRIVATE.release_timeline = &mark;
	return &latch->answer;
}

SBX_API struct wlr_linux_drm_syncobj_surface_v1_state *wlr_linux_drm_syncobj_v1_get_surface_state(
		struct wlr_surface *surface) {
	static __typeof__(&wlr_linux_drm_syncobj_v1_get_surface_state) next;
	if (surface == &probe) {
		return &probe_state;
	}
	struct wlr_linux_drm_syncobj_surface_v1_state *state = answer(surface);
	if (state == NULL) {
		next = next != NULL ? next : NEXT(wlr_linux_drm_syncobj_v1_get_surface_state);
		state = next(surface);
	}
	return state;
}

SBX_API bool wlr_linux_drm_syncobj_v1_state_signal_release_with_buffer(
		struct wlr_linux_drm_syncobj_surface_v1_state *state, struct wlr_buffer *buffer) {
	return is_ours(state) ||
		NEXT(wlr_linux_drm_syncobj_v1_state_signal_release_with_buffer)(state, buffer);
}

/*
 * Without memory for a reader the buffer is locked for good instead: its loan never ends, which is better
 * than to end while somebody may be reading.
 */
static bool add_reader(struct wlr_buffer *buffer, struct wlr_drm_syncobj_timeline *timeline,
		uint64_t point) {
	struct sbx_promise *promise = sbx_promise_create(timeline, point);
	struct sbx_reader *reader = promise != NULL ? sbx_reader_create_promised(&promise, point) : NULL;
	bool ok = reader != NULL && sbx_buffer_add_reader(buffer, reader);
	if (!ok) {
		wlr_buffer_lock(buffer);
	}
	sbx_reader_unref(reader);
	sbx_promise_destroy(promise);
	return ok;
}

SBX_API bool wlr_linux_drm_syncobj_v1_state_add_release_point(
		struct wlr_linux_drm_syncobj_surface_v1_state *state, struct wlr_drm_syncobj_timeline *timeline,
		uint64_t point, struct wl_event_loop *loop) {
	if (!is_ours(state)) {
		return NEXT(wlr_linux_drm_syncobj_v1_state_add_release_point)(state, timeline, point, loop);
	}
	const struct sbx_latch *latch = wl_container_of(state, latch, answer);
	const struct sbx_loan *loan = latch->current.loan;
	struct wlr_buffer *buffer = loan != NULL ? sbx_loan_get_buffer(loan) : NULL;
	return buffer == NULL || sbx_promise_is_spared(timeline) ||
		add_reader(buffer, timeline, point);
}

SBX_API struct wlr_linux_drm_syncobj_manager_v1 *wlr_linux_drm_syncobj_manager_v1_create(
		struct wl_display *display, uint32_t version, int drm_fd) {
	struct sbx_syncobj_manager *manager;
	wl_list_for_each(manager, sbx_syncobj_managers(), link) {
		if (manager->display == display) {
			return &manager->view;
		}
	}
	return NEXT(wlr_linux_drm_syncobj_manager_v1_create)(display, version, drm_fd);
}

/* What stands in the way; NULL: nothing. */
static const char *find_obstacle(void) {
	const char *name = "wlr_linux_drm_syncobj_v1_get_surface_state";
	__typeof__(&wlr_linux_drm_syncobj_v1_get_surface_state) first, next;
	first = (__typeof__(first))dlsym(RTLD_DEFAULT, name);
	next = (__typeof__(next))dlsym(RTLD_NEXT, name);
	wlr_addon_set_init(&probe.addons);
	if (first == NULL || first(&probe) != &probe_state) {
		return "libsignalbox is linked behind it";
	}
	return next != NULL && sbx_binding_is_open((const void *)next, name) ? NULL :
		"it calls its own functions (-Bsymbolic-functions)";
}

bool sbx_interpose_is_asked(void) {
	static enum { UNKNOWN, ASKED, NOT_ASKED } state;
	if (state != UNKNOWN) {
		return state == ASKED;
	}
	const char *obstacle = find_obstacle();
	if (obstacle == NULL) {
		sbx_log_info("protocol: wlroots asks signalbox what to wait for");
	} else {
		sbx_log_info("protocol: wlroots does not ask signalbox what to wait for: %s; "
			"commits are shown when they are signalled, whatever the policy", obstacle);
	}
	state = obstacle == NULL ? ASKED : NOT_ASKED;
	return state == ASKED;
}
