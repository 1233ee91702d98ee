#include <stdlib.h>
#include <wlr/backend.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/render/swapchain.h>
#include "backend/output.h"
#include "backend/quirks.h"
#include "loan/pace.h"
#include "loan/redraw.h"
#include "sync/kernel.h"
#include "trace/log.h"

#define MS INT64_C(1000000)
#define US INT64_C(1000)

static const char *const way_names[] = {
	[SBX_FENCE_NONE] = "none",
	[SBX_FENCE_COMMIT] = "commit",
	[SBX_FENCE_IMPLICIT] = "implicit",
	[SBX_FENCE_WAIT] = "wait",
};

const char *sbx_fence_way_name(enum sbx_fence_way way) {
	return (size_t)way < sizeof(way_names) / sizeof(way_names[0]) ? way_names[way] : "unknown";
}

/* Events of the wlr_output */

static void render(struct sbx_output *output) {
	if (output->pace != NULL && output->pace->taken_over) {
		sbx_pace_announce(output->pace);
	}
	sbx_scheduler_begin(&output->scheduler, output->pace, sbx_kernel_now_ns());
	wl_signal_emit_mutable(&output->frame, output);
}

static void handle_render_timer(void *data) {
	struct sbx_output *output = data;
	// Others may have committed meanwhile; then the frame event of that will come.
	if (!output->waits && !output->wlr->frame_pending && output->wlr->enabled) {
		render(output);
	}
}

static void handle_wlr_frame(struct wl_listener *listener, void *data) {
	struct sbx_output *output = wl_container_of(listener, output, wlr_frame);
	if (output->waits) {
		sbx_output_advance(output);
		return;
	}
	if (output->render_timer.due_ns != 0) {
		return; // it will be soon
	}
	int64_t now_ns = sbx_kernel_now_ns();
	int64_t start_ns = sbx_scheduler_plan(&output->scheduler, output->pace, now_ns);
	if (start_ns > now_ns) {
		sbx_timer_arm(&output->render_timer, start_ns);
	} else {
		render(output);
	}
}

static void handle_wlr_present(struct wl_listener *listener, void *data) {
	struct sbx_output *output = wl_container_of(listener, output, wlr_present);
	const struct wlr_output_event_present *event = data;
	sbx_output_forget_flip(output);
	// A parent says of frames that nobody saw that they were not presented, for as long as nobody looks; what
	// it reads is locked by wlroots until it gives that back.
	if (event->presented || !output->quirks->is_kms) {
		sbx_plane_present(&output->plane, event->commit_seq);
	}
	if (event->presented) {
		int64_t when_ns = event->when.tv_sec * 1000 * MS + event->when.tv_nsec;
		if ((event->flags & WLR_OUTPUT_PRESENT_VSYNC) == 0) {
			output->scheduler.target_ns = 0; // it was aimed at no vblank
		}
		sbx_scheduler_presented(&output->scheduler, when_ns, event->refresh);
	}
}

bool sbx_output_is_foreign(const struct sbx_output *output, struct wlr_buffer *buffer) {
	struct wlr_swapchain *swapchain = output->wlr->swapchain;
	return swapchain == NULL || !wlr_swapchain_has_buffer(swapchain, buffer);
}

static void set_front(struct sbx_output *output, const struct wlr_output_state *state) {
	struct wlr_buffer *old = output->front;
	output->front = state != NULL ? wlr_buffer_lock(state->buffer) : NULL;
	if (state != NULL) {
		output->front_src_box = state->buffer_src_box;
		output->front_dst_box = state->buffer_dst_box;
	}
	wlr_buffer_unlock(old);
}

static void note_off(struct sbx_output *output) {
	set_front(output, NULL);
	sbx_plane_clear(&output->plane);
	sbx_output_forget_flip(output);
	sbx_timer_arm(&output->retry_timer, 0);
	sbx_timer_arm(&output->render_timer, 0);
	output->scheduler.target_ns = 0;
}

/* Also what others commit: modes, cursors, gamma. */
static void handle_wlr_commit(struct wl_listener *listener, void *data) {
	struct sbx_output *output = wl_container_of(listener, output, wlr_commit);
	const struct wlr_output_event_commit *event = data;
	const struct wlr_output_state *state = event->state;
	const uint32_t supersedes = WLR_OUTPUT_STATE_BUFFER | WLR_OUTPUT_STATE_MODE |
		WLR_OUTPUT_STATE_ENABLED | WLR_OUTPUT_STATE_TRANSFORM | WLR_OUTPUT_STATE_RENDER_FORMAT;
	if (!output->committing && (state->committed & supersedes) != 0) {
		sbx_output_drop_waiting(output);
	}
	if ((state->committed & WLR_OUTPUT_STATE_BUFFER) != 0) {
		bool foreign = sbx_output_is_foreign(output, state->buffer);
		sbx_plane_commit(&output->plane, foreign ? state->buffer : NULL, output->wlr->commit_seq);
		set_front(output, state);
		sbx_output_watch_flip(output);
	}
	if (!output->wlr->enabled) {
		note_off(output);
	}
}

/* Timers */

static void handle_wait_timer(void *data) {
	sbx_output_give_up_waiting(data);
}

static void handle_retry_timer(void *data) {
	struct sbx_output *output = data;
	bool redraw = output->redraw;
	output->redraw = false;
	if (redraw) {
		sbx_redraw(output->wlr);
	} else {
		wlr_output_schedule_frame(output->wlr);
	}
}

static void handle_flip_timer(void *data) {
	sbx_output_handle_late_flip(data);
}

void sbx_output_retry(struct sbx_output *output, bool redraw) {
	output->redraw |= redraw;
	if (output->retry_timer.due_ns != 0) {
		return;
	}
	int ms = output->retry_ms * 2;
	output->retry_ms = ms < SBX_RETRY_MIN_MS ? SBX_RETRY_MIN_MS :
		ms > SBX_RETRY_MAX_MS ? SBX_RETRY_MAX_MS : ms;
	sbx_timer_arm(&output->retry_timer, sbx_kernel_now_ns() + output->retry_ms * MS);
}

/* Life */

static void finish_timers(struct sbx_output *output) {
	sbx_timer_finish(&output->wait_timer);
	sbx_timer_finish(&output->retry_timer);
	sbx_timer_finish(&output->flip_timer);
	sbx_timer_finish(&output->render_timer);
}

static void destroy(struct sbx_output *output) {
	sbx_output_drop_waiting(output);
	finish_timers(output);
	set_front(output, NULL);
	sbx_plane_finish(&output->plane);
	wlr_drm_syncobj_timeline_unref(output->timeline);
	sbx_desks_finish(&output->desks);
	wl_list_remove(&output->wlr_frame.link);
	wl_list_remove(&output->wlr_present.link);
	wl_list_remove(&output->wlr_commit.link);
	wlr_addon_finish(&output->addon);
	free(output);
}

static void handle_addon_destroy(struct wlr_addon *addon) {
	struct sbx_output *output = wl_container_of(addon, output, addon);
	destroy(output);
}

static const struct wlr_addon_interface addon_impl = {
	.name = "sbx_output",
	.destroy = handle_addon_destroy,
};

struct sbx_output *sbx_output_from_wlr_output(struct wlr_output *wlr) {
	struct wlr_addon *addon = wlr_addon_find(&wlr->addons, NULL, &addon_impl);
	struct sbx_output *output = NULL;
	return addon != NULL ? wl_container_of(addon, output, addon) : NULL;
}

static bool init_timers(struct sbx_output *output, struct wl_event_loop *loop) {
	return sbx_timer_init(&output->wait_timer, loop, handle_wait_timer, output) == 0 &&
		sbx_timer_init(&output->retry_timer, loop, handle_retry_timer, output) == 0 &&
		sbx_timer_init(&output->flip_timer, loop, handle_flip_timer, output) == 0 &&
		sbx_timer_init(&output->render_timer, loop, handle_render_timer, output) == 0;
}

static void listen(struct wl_listener *listener, struct wl_signal *signal, wl_notify_func_t notify) {
	listener->notify = notify;
	wl_signal_add(signal, listener);
}

struct sbx_output *sbx_output_create(struct wlr_output *wlr, const struct sbx_output_options *options) {
	if (sbx_output_from_wlr_output(wlr) != NULL) {
		sbx_log_error("backend: output %s has a struct sbx_output already", wlr->name);
		return NULL;
	}
	struct sbx_output *output = calloc(1, sizeof(*output));
	if (output == NULL || !init_timers(output, wlr->event_loop)) {
		sbx_log_error("backend: output %s: out of memory or file descriptors", wlr->name);
		if (output != NULL) {
			finish_timers(output);
		}
		free(output);
		return NULL;
	}
	output->wlr = wlr;
	output->options = options != NULL ? *options : (struct sbx_output_options){ 0 };
	output->quirks = sbx_quirks_get(wlr->backend);
	output->plane.extra_flips = output->quirks->extra_flips;
	output->flip_ms = SBX_FLIP_LATE_MS;
	output->info.scanout = SBX_SCANOUT_NO_FRAME;
	wl_signal_init(&output->frame);
	sbx_desks_init(&output->desks, wlr->event_loop);
	wlr_addon_init(&output->addon, &wlr->addons, NULL, &addon_impl);
	output->pace = sbx_pace_get(wlr);
	sbx_output_set_schedule(output, output->options.schedule, output->options.fixed_us);
	listen(&output->wlr_frame, &wlr->events.frame, handle_wlr_frame);
	listen(&output->wlr_present, &wlr->events.present, handle_wlr_present);
	listen(&output->wlr_commit, &wlr->events.commit, handle_wlr_commit);
	return output;
}

void sbx_output_destroy(struct sbx_output *output) {
	if (output == NULL) {
		return;
	}
	if (output->pace != NULL) {
		sbx_pace_take_over(output->pace, false);
	}
	destroy(output);
}

struct wl_signal *sbx_output_get_frame_signal(struct sbx_output *output) {
	return &output->frame;
}

void sbx_output_set_schedule(struct sbx_output *output, enum sbx_schedule schedule, uint32_t fixed_us) {
	output->scheduler.schedule = schedule;
	output->scheduler.fixed_ns = fixed_us * US;
	if (output->pace != NULL) {
		sbx_pace_take_over(output->pace, schedule != SBX_SCHEDULE_OFF);
	}
	if (schedule == SBX_SCHEDULE_AUTO) {
		sbx_paces_measure();
	}
}

void sbx_output_update_at_once(struct sbx_output *output) {
	output->scheduler.at_once = output->tearing && output->tearing_refusals == 0;
}

void sbx_output_set_tearing(struct sbx_output *output, bool tearing) {
	output->tearing = tearing;
	sbx_output_update_at_once(output);
}

bool sbx_output_is_busy(const struct sbx_output *output) {
	return output->waits;
}

static uint32_t expected_us(const struct sbx_forecast *forecast) {
	int64_t duration_ns;
	sbx_forecast_get(forecast, &duration_ns);
	return (uint32_t)(duration_ns / US);
}

void sbx_output_get_info(const struct sbx_output *output, struct sbx_output_info *info) {
	*info = output->info;
	info->refuses_fences = output->quirks->refuses_fences;
	info->refused_errno = output->quirks->refuses_fences ? output->quirks->refused_errno : 0;
	info->on_screen = sbx_plane_count(&output->plane);
	info->missed_vblanks = output->scheduler.missed;
	info->delay_us = (uint32_t)(output->scheduler.delay_ns / US);
	info->cpu_us = expected_us(&output->scheduler.cpu);
	info->gpu_us = output->pace != NULL ? expected_us(&output->pace->work) : 0;
}
