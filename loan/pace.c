#include <stdlib.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>
#include "loan/pace.h"
#include "sync/kernel.h"

#define SECOND_NS INT64_C(1000000000)
#define MS_NS INT64_C(1000000)
#define US_NS INT64_C(1000)
/* Slower or faster than any display: such a refresh rate is a mistake, and counts as none. */
#define LONGEST_PERIOD_NS SECOND_NS
#define SHORTEST_PERIOD_NS MS_NS

/** On a buffer that was shown on an output. */
struct target {
	struct sbx_pace *pace;
	struct wl_list link; // sbx_pace.targets
	struct wlr_addon addon; // of the buffer
};

static struct wl_list paces = { .prev = &paces, .next = &paces };
static struct wl_signal moments = {
	.listener_list = { .prev = &moments.listener_list, .next = &moments.listener_list },
};

void sbx_paces_listen(struct wl_listener *listener) {
	wl_signal_add(&moments, listener);
}

void sbx_pace_announce(struct sbx_pace *pace) {
	// Everybody may be gone afterwards, the output too.
	wl_signal_emit_mutable(&moments, pace);
}

/* Rhythm */

static bool is_known(const struct sbx_pace *pace, int64_t now_ns) {
	const struct wlr_output *output = pace->output;
	return output->enabled && pace->vblank_ns > 0 && pace->period_ns > 0 &&
		output->adaptive_sync_status != WLR_OUTPUT_ADAPTIVE_SYNC_ENABLED &&
		now_ns - pace->vblank_ns < SBX_PACE_STALE_MS * MS_NS;
}

/* The first vblank that no frame has been sent for. */
static int64_t first_free(const struct sbx_pace *pace, int64_t now_ns) {
	int64_t passed = now_ns < pace->vblank_ns ? 0 : (now_ns - pace->vblank_ns) / pace->period_ns + 1;
	return pace->vblank_ns + (passed + pace->output->frame_pending) * pace->period_ns;
}

/* What is left of the time until a vblank when our work has begun just in time. */
static int64_t get_lead(const struct sbx_pace *pace) {
	int64_t work_ns;
	sbx_forecast_get(&pace->work, &work_ns);
	return work_ns + SBX_PACE_MARGIN_US * US_NS;
}

static int64_t first_after(const struct sbx_pace *pace, int64_t free_ns, int64_t from_ns) {
	return from_ns <= free_ns ? free_ns :
		free_ns + (from_ns - free_ns + pace->period_ns - 1) / pace->period_ns * pace->period_ns;
}

/* When our work has to begin for the first frame whose work can begin at from_ns or later. */
static bool find_start(const struct sbx_pace *pace, int64_t now_ns, int64_t from_ns, int64_t *start_ns) {
	*start_ns = 0;
	if (!is_known(pace, now_ns)) {
		return false;
	}
	int64_t lead_ns = get_lead(pace);
	*start_ns = first_after(pace, first_free(pace, now_ns), from_ns + lead_ns) - lead_ns;
	return true;
}

bool sbx_pace_get_start(const struct sbx_pace *pace, int64_t now_ns, int64_t *start_ns) {
	return find_start(pace, now_ns, now_ns, start_ns);
}

bool sbx_pace_get_need(const struct sbx_pace *pace, int64_t now_ns, int64_t *need_ns) {
	int64_t work_ns;
	bool measured = sbx_forecast_get(&pace->work, &work_ns);
	return sbx_pace_get_start(pace, now_ns, need_ns) && measured;
}

int64_t sbx_paces_get_busy_need(int64_t now_ns) {
	int64_t earliest_ns = INT64_MAX;
	const struct sbx_pace *pace;
	wl_list_for_each(pace, &paces, link) {
		int64_t need_ns;
		if (pace->output->frame_pending && sbx_pace_get_start(pace, now_ns, &need_ns) &&
				need_ns < earliest_ns) {
			earliest_ns = need_ns;
		}
	}
	return earliest_ns;
}

/* The timer */

static void stop_timer(struct sbx_pace *pace) {
	if (pace->timer_ns != 0) {
		pace->timer_ns = 0;
		wl_event_source_timer_update(pace->timer, 0);
	}
}

/* The event loop counts in milliseconds. */
static void run_timer(struct sbx_pace *pace, int64_t now_ns) {
	int64_t left_ms = (pace->timer_ns - now_ns) / MS_NS;
	wl_event_source_timer_update(pace->timer, left_ms > 0 ? (int)left_ms : 1);
}

static int handle_timer(void *data) {
	struct sbx_pace *pace = data;
	int64_t now_ns = sbx_kernel_now_ns();
	if (pace->timer_ns - now_ns >= MS_NS) {
		// By our clock it is too early.
		run_timer(pace, now_ns);
		return 0;
	}
	pace->timer_ns = 0;
	// Others have something to show meanwhile: the frame event is the better moment.
	if (!pace->output->frame_pending) {
		sbx_pace_announce(pace);
	}
	return 0;
}

static void start_timer(struct sbx_pace *pace, int64_t now_ns, int64_t at_ns) {
	if (pace->timer == NULL) {
		pace->timer = wl_event_loop_add_timer(pace->output->event_loop, handle_timer, pace);
	}
	if (pace->timer != NULL && (pace->timer_ns == 0 || pace->timer_ns > at_ns)) {
		pace->timer_ns = at_ns;
		run_timer(pace, now_ns);
	}
}

void sbx_pace_want(struct sbx_pace *pace, int64_t done_ns) {
	int64_t now_ns = sbx_kernel_now_ns();
	int64_t wake_ns = SBX_PACE_WAKE_US * US_NS;
	int64_t from_ns = done_ns > now_ns + wake_ns ? done_ns : now_ns + wake_ns, start_ns;
	if (from_ns - now_ns < SBX_PACE_STALE_MS * MS_NS &&
			find_start(pace, now_ns, from_ns, &start_ns)) {
		start_timer(pace, now_ns, start_ns - wake_ns);
	}
}

/* The output */

static void handle_frame(struct wl_listener *listener, void *data) {
	struct sbx_pace *pace = wl_container_of(listener, pace, frame);
	if (!pace->taken_over) {
		stop_timer(pace);
		sbx_pace_announce(pace);
	}
}

static int64_t period_of(const struct wlr_output *output, int said_ns) {
	int64_t period_ns = said_ns > 0 ? said_ns :
		output->refresh > 0 ? SECOND_NS * 1000 / output->refresh : 0;
	return period_ns >= SHORTEST_PERIOD_NS && period_ns <= LONGEST_PERIOD_NS ? period_ns : 0;
}

static void handle_present(struct wl_listener *listener, void *data) {
	struct sbx_pace *pace = wl_container_of(listener, pace, present);
	const struct wlr_output_event_present *event = data;
	int64_t when_ns = event->when.tv_sec * SECOND_NS + event->when.tv_nsec;
	if (event->presented && (event->flags & WLR_OUTPUT_PRESENT_VSYNC) != 0 &&
			when_ns <= sbx_kernel_now_ns()) {
		pace->vblank_ns = when_ns;
		pace->period_ns = period_of(pace->output, event->refresh);
	}
}

static void target_destroy(struct target *target) {
	wl_list_remove(&target->link);
	wlr_addon_finish(&target->addon);
	free(target);
}

static void handle_buffer_destroy(struct wlr_addon *addon) {
	struct target *target = wl_container_of(addon, target, addon);
	target_destroy(target);
}

static const struct wlr_addon_interface target_impl = {
	.name = "sbx_pace_target",
	.destroy = handle_buffer_destroy,
};

static struct target *find_target(const struct wlr_buffer *buffer) {
	// Looking does not change it, but the set has no const function.
	struct wlr_addon_set *addons = (struct wlr_addon_set *)&buffer->addons;
	struct wlr_addon *addon = wlr_addon_find(addons, NULL, &target_impl);
	struct target *target = NULL;
	return addon != NULL ? wl_container_of(addon, target, addon) : NULL;
}

/* Swapchain buffers come back: what is drawn into one that was shown here will be shown here. */
static void adopt(struct sbx_pace *pace, struct wlr_buffer *buffer) {
	struct target *target = find_target(buffer);
	if (target == NULL) {
		target = calloc(1, sizeof(*target));
		if (target == NULL) {
			return;
		}
		wlr_addon_init(&target->addon, &buffer->addons, NULL, &target_impl);
		wl_list_init(&target->link);
	}
	target->pace = pace;
	wl_list_remove(&target->link);
	wl_list_insert(&pace->targets, &target->link);
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct sbx_pace *pace = wl_container_of(listener, pace, commit);
	const struct wlr_output_event_commit *event = data;
	const struct wlr_output_state *state = event->state;
	if (state->committed & (WLR_OUTPUT_STATE_MODE | WLR_OUTPUT_STATE_ENABLED)) {
		// Another rhythm, and another size.
		pace->vblank_ns = 0;
		pace->work = (struct sbx_forecast){0};
	}
	if (pace->measured && (state->committed & WLR_OUTPUT_STATE_BUFFER) != 0 && state->buffer != NULL) {
		adopt(pace, state->buffer);
	}
}

static void handle_output_destroy(struct wlr_addon *addon) {
	struct sbx_pace *pace = wl_container_of(addon, pace, addon);
	struct target *target, *next;
	wl_list_for_each_safe(target, next, &pace->targets, link) {
		target_destroy(target);
	}
	if (pace->timer != NULL) {
		wl_event_source_remove(pace->timer);
	}
	wl_list_remove(&pace->frame.link);
	wl_list_remove(&pace->present.link);
	wl_list_remove(&pace->commit.link);
	wl_list_remove(&pace->link);
	wlr_addon_finish(&pace->addon);
	free(pace);
}

static const struct wlr_addon_interface pace_impl = {
	.name = "sbx_pace",
	.destroy = handle_output_destroy,
};

static struct sbx_pace *create(struct wlr_output *output) {
	struct sbx_pace *pace = calloc(1, sizeof(*pace));
	if (pace == NULL) {
		return NULL;
	}
	pace->output = output;
	const struct sbx_pace *other;
	wl_list_for_each(other, &paces, link) {
		pace->measured |= other->measured;
	}
	wl_list_init(&pace->targets);
	pace->frame.notify = handle_frame;
	// Before the compositor's listener, whenever that was added.
	wl_list_insert(&output->events.frame.listener_list, &pace->frame.link);
	pace->present.notify = handle_present;
	wl_signal_add(&output->events.present, &pace->present);
	pace->commit.notify = handle_commit;
	wl_signal_add(&output->events.commit, &pace->commit);
	wl_list_insert(&paces, &pace->link);
	wlr_addon_init(&pace->addon, &output->addons, NULL, &pace_impl);
	return pace;
}

struct sbx_pace *sbx_pace_get(struct wlr_output *output) {
	struct wlr_addon *addon = wlr_addon_find(&output->addons, NULL, &pace_impl);
	struct sbx_pace *pace = NULL;
	return addon != NULL ? wl_container_of(addon, pace, addon) : create(output);
}

void sbx_paces_measure(void) {
	struct sbx_pace *pace;
	wl_list_for_each(pace, &paces, link) {
		pace->measured = true;
	}
}

void sbx_pace_take_over(struct sbx_pace *pace, bool taken_over) {
	pace->taken_over = taken_over;
}

/* The renderer */

bool sbx_pace_measures(const struct wlr_buffer *target) {
	return find_target(target) != NULL;
}

void sbx_pace_report(struct wlr_buffer *target, int64_t work_ns) {
	struct target *found = find_target(target);
	if (found != NULL) {
		sbx_forecast_add(&found->pace->work, work_ns);
	}
}
