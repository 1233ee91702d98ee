#include <limits.h>
#include <stdlib.h>
#include "render/batch.h"
#include "render/wlr/renderer.h"
#include "render/wlr/timer.h"

struct render_timer {
	struct wlr_render_timer base;
	struct sbx_timer *timer;
};

static const struct wlr_render_timer_impl timer_impl;

static struct render_timer *from_wlr(struct wlr_render_timer *wlr_timer) {
	struct render_timer *timer = wl_container_of(wlr_timer, timer, base);
	return timer;
}

static int timer_get_duration_ns(struct wlr_render_timer *wlr_timer) {
	int64_t duration = sbx_timer_duration_ns(from_wlr(wlr_timer)->timer);
	return duration > INT_MAX ? INT_MAX : (int)duration;
}

static void timer_destroy(struct wlr_render_timer *wlr_timer) {
	struct render_timer *timer = from_wlr(wlr_timer);
	sbx_timer_destroy(timer->timer);
	free(timer);
}

static const struct wlr_render_timer_impl timer_impl = {
	.get_duration_ns = timer_get_duration_ns,
	.destroy = timer_destroy,
};

struct wlr_render_timer *sbx_render_timer_create(struct wlr_renderer *wlr_renderer) {
	struct render_timer *timer = calloc(1, sizeof(*timer));
	if (timer == NULL) {
		return NULL;
	}
	timer->base.impl = &timer_impl;
	timer->timer = sbx_timer_create(sbx_renderer_from_wlr(wlr_renderer)->device);
	if (timer->timer == NULL) {
		free(timer);
		return NULL;
	}
	return &timer->base;
}

struct sbx_timer *sbx_render_timer_get(struct wlr_render_timer *timer) {
	return timer != NULL && timer->impl == &timer_impl ? from_wlr(timer)->timer : NULL;
}
