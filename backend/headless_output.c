#include <stdio.h>
#include <stdlib.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_buffer.h>
#include "backend/headless.h"
#include "backend/implicit.h"
#include "loan/redraw.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "trace/log.h"

#define SECOND_NS INT64_C(1000000000)
#define MAX_HZ 1000

#define SUPPORTED (WLR_OUTPUT_STATE_BACKEND_OPTIONAL | WLR_OUTPUT_STATE_BUFFER | \
	WLR_OUTPUT_STATE_ENABLED | WLR_OUTPUT_STATE_MODE | WLR_OUTPUT_STATE_WAIT_TIMELINE | \
	WLR_OUTPUT_STATE_SIGNAL_TIMELINE)

static const struct wlr_output_impl output_impl;

static struct sbx_headless_output *from_output(struct wlr_output *wlr) {
	struct sbx_headless_output *output = wl_container_of(wlr, output, base);
	return output;
}

/* Frames */

static void let_go(struct sbx_headless_output *output, struct sbx_headless_frame *frame) {
	struct sbx_headless_frame old = *frame;
	*frame = (struct sbx_headless_frame){ 0 };
	if (old.signal_timeline != NULL) {
		sbx_desks_signal(&output->backend->desks, old.signal_timeline, old.signal_point);
		wlr_drm_syncobj_timeline_unref(old.signal_timeline);
	}
	wlr_buffer_unlock(old.buffer);
}

static void drop_queued(struct sbx_headless_output *output) {
	sbx_readiness_cancel(&output->readiness);
	let_go(output, &output->queued);
}

/* Vblank */

static uint64_t target_seq(const struct sbx_headless_output *output) {
	return sbx_vblank_at(&output->vblank, output->earliest_ns);
}

static void arm(struct sbx_headless_output *output) {
	sbx_timer_arm(&output->timer, sbx_vblank_time(&output->vblank, target_seq(output)));
}

static void handle_readiness(struct sbx_readiness *readiness) {
	struct sbx_headless_output *output = wl_container_of(readiness, output, readiness);
	if (readiness->done_ns > output->earliest_ns) {
		output->earliest_ns = readiness->done_ns;
	}
	arm(output);
}

static void count_late(struct sbx_headless_output *output) {
	uint64_t next = sbx_vblank_at(&output->vblank, sbx_kernel_now_ns() + 1);
	if (next > output->late_seq) {
		output->late_vblanks += next - output->late_seq;
		output->late_seq = next;
	}
}

static struct wlr_output_event_present describe(const struct sbx_headless_output *output, uint64_t seq) {
	int64_t when_ns = sbx_vblank_time(&output->vblank, seq);
	return (struct wlr_output_event_present){
		.presented = true,
		.when = { .tv_sec = when_ns / SECOND_NS, .tv_nsec = when_ns % SECOND_NS },
		.seq = (unsigned)seq,
		.refresh = (int)sbx_refresh_period_ns(output->vblank.refresh),
		.flags = WLR_OUTPUT_PRESENT_VSYNC | WLR_OUTPUT_PRESENT_ZERO_COPY,
	};
}

/* One event for each commit, in order. A listener may commit again. */
static void answer(struct sbx_headless_output *output, const struct wlr_output_event_present *shown) {
	uint32_t from = output->shown_from_seq, last = output->last_seq;
	while (output->answered_seq != last) {
		uint32_t seq = ++output->answered_seq;
		struct wlr_output_event_present event = { 0 };
		if ((int32_t)(seq - from) >= 0) {
			event = *shown;
		}
		event.commit_seq = seq;
		wlr_output_send_present(&output->base, &event);
	}
}

static void show(struct sbx_headless_output *output) {
	if (output->readiness.state == SBX_READINESS_FAILED) {
		sbx_log_error("driver bug: the fence of a frame of output %s has failed: it keeps the previous frame",
			output->base.name);
		drop_queued(output);
		output->shown_from_seq = output->last_seq + 1;
	} else if (output->queued.buffer != NULL) {
		let_go(output, &output->shown);
		output->shown = output->queued;
		output->queued = (struct sbx_headless_frame){ 0 };
	}
	output->pending = false;
}

static void handle_vblank(void *data) {
	struct sbx_headless_output *output = data;
	bool failed = output->readiness.state == SBX_READINESS_FAILED;
	if (!output->pending) {
		return;
	}
	if (output->readiness.state == SBX_READINESS_PENDING) {
		count_late(output);
		return; // handle_readiness() will arm the timer
	}
	uint64_t seq = target_seq(output);
	int64_t when_ns = sbx_vblank_time(&output->vblank, seq);
	if (when_ns > sbx_kernel_now_ns()) {
		sbx_timer_arm(&output->timer, when_ns);
		return;
	}
	if (output->queued.buffer != NULL && seq > output->late_seq) {
		output->late_vblanks += seq - output->late_seq;
	}
	show(output);
	struct wlr_output_event_present event = describe(output, seq);
	answer(output, &event);
	if (failed) {
		sbx_redraw(&output->base);
	}
	wlr_output_send_frame(&output->base);
}

/* Commit */

static bool output_test(struct wlr_output *wlr, const struct wlr_output_state *state) {
	uint32_t unsupported = state->committed & ~(uint32_t)SUPPORTED;
	if (unsupported != 0 || state->tearing_page_flip) {
		sbx_log_debug("backend: output %s cannot do what a commit asks for (0x%x%s)", wlr->name,
			unsupported, state->tearing_page_flip ? ", tearing" : "");
		return false;
	}
	if ((state->committed & WLR_OUTPUT_STATE_MODE) != 0) {
		return state->mode_type == WLR_OUTPUT_STATE_MODE_CUSTOM && state->custom_mode.width > 0 &&
			state->custom_mode.height > 0 && state->custom_mode.refresh >= 0 &&
			state->custom_mode.refresh <= MAX_HZ * 1000;
	}
	return true;
}

static bool await_point(struct sbx_readiness *readiness, struct sbx_desks *desks,
		const struct wlr_output_state *state) {
	struct sbx_desk *desk = sbx_desks_get(desks, state->wait_timeline->drm_fd);
	if (desk == NULL) {
		return false;
	}
	struct sbx_point point = { .handle = state->wait_timeline->handle, .value = state->wait_point };
	sbx_readiness_await_point(readiness, desk, point, handle_readiness);
	return true;
}

static bool await_implicit(struct sbx_readiness *readiness, struct wl_event_loop *loop,
		struct wlr_buffer *buffer) {
	int fence = -1;
	bool ok = sbx_implicit_get_fence(buffer, &fence) == 0 &&
		sbx_readiness_await_fence(readiness, loop, &fence, handle_readiness) == 0;
	sbx_fd_close(&fence);
	return ok;
}

/* False: what the frame waits for cannot be waited for. Nothing has changed then. */
static bool queue(struct sbx_headless_output *output, const struct wlr_output_state *state) {
	struct sbx_headless *backend = output->backend;
	bool explicit = (state->committed & WLR_OUTPUT_STATE_WAIT_TIMELINE) != 0 &&
		state->wait_timeline != NULL;
	struct sbx_headless_frame frame = { .buffer = wlr_buffer_lock(state->buffer) };
	if (!(explicit ? await_point(&output->readiness, &backend->desks, state) :
			await_implicit(&output->readiness, backend->loop, state->buffer))) {
		wlr_buffer_unlock(frame.buffer);
		return false;
	}
	if ((state->committed & WLR_OUTPUT_STATE_SIGNAL_TIMELINE) != 0 && state->signal_timeline != NULL) {
		frame.signal_timeline = wlr_drm_syncobj_timeline_ref(state->signal_timeline);
		frame.signal_point = state->signal_point;
	}
	let_go(output, &output->queued);
	output->queued = frame;
	return true;
}

static void switch_off(struct sbx_headless_output *output) {
	drop_queued(output);
	let_go(output, &output->shown);
	output->shown_from_seq = output->last_seq + 1;
	if (output->pending) {
		// Somebody waits for the answer that a queued frame will not be shown.
		sbx_timer_arm(&output->timer, output->earliest_ns);
	} else {
		output->answered_seq = output->last_seq;
	}
}

static bool will_be_on(const struct wlr_output *wlr, const struct wlr_output_state *state) {
	return (state->committed & WLR_OUTPUT_STATE_ENABLED) != 0 ? state->enabled : wlr->enabled;
}

static bool output_commit(struct wlr_output *wlr, const struct wlr_output_state *state) {
	struct sbx_headless_output *output = from_output(wlr);
	bool has_buffer = (state->committed & WLR_OUTPUT_STATE_BUFFER) != 0;
	bool on = will_be_on(wlr, state);
	if (!output_test(wlr, state) || (on && has_buffer && !queue(output, state))) {
		return false;
	}
	int64_t now_ns = sbx_kernel_now_ns();
	if ((state->committed & WLR_OUTPUT_STATE_MODE) != 0) {
		sbx_vblank_set_refresh(&output->vblank,
			sbx_refresh_from_mhz(state->custom_mode.refresh, output->vblank.refresh), now_ns);
	}
	output->last_seq = wlr->commit_seq + 1;
	if (!on) {
		switch_off(output);
		return true;
	}
	if (has_buffer || !output->pending) {
		output->shown_from_seq = output->last_seq;
		output->earliest_ns = now_ns + 1;
		output->late_seq = target_seq(output);
	}
	output->pending = true;
	arm(output);
	return true;
}

/* Life */

static void output_destroy(struct wlr_output *wlr) {
	struct sbx_headless_output *output = from_output(wlr);
	wlr_output_finish(wlr);
	sbx_timer_finish(&output->timer);
	drop_queued(output);
	let_go(output, &output->shown);
	wl_list_remove(&output->link);
	free(output);
}

static const struct wlr_output_impl output_impl = {
	.destroy = output_destroy,
	.test = output_test,
	.commit = output_commit,
};

static struct sbx_refresh choose_refresh(const struct sbx_headless_output_options *options) {
	if (options->refresh_numerator == 0 && options->refresh_denominator == 0) {
		return (struct sbx_refresh){ .numerator = 60, .denominator = 1 };
	}
	return (struct sbx_refresh){ options->refresh_numerator, options->refresh_denominator };
}

static bool is_in_range(const struct sbx_headless_output_options *options, struct sbx_refresh refresh) {
	return options->width > 0 && options->height > 0 && refresh.denominator > 0 &&
		refresh.numerator >= refresh.denominator &&
		refresh.numerator <= UINT64_C(1) * MAX_HZ * refresh.denominator;
}

static void set_names(struct sbx_headless_output *output, const char *name) {
	char text[64];
	unsigned number = ++output->backend->output_count;
	snprintf(text, sizeof(text), "VIRTUAL-%u", number);
	wlr_output_set_name(&output->base, name != NULL ? name : text);
	snprintf(text, sizeof(text), "Virtual output %u", number);
	wlr_output_set_description(&output->base, text);
}

struct sbx_headless_output *sbx_headless_output_create(struct sbx_headless *backend,
		const struct sbx_headless_output_options *options) {
	struct sbx_refresh refresh = choose_refresh(options);
	if (!is_in_range(options, refresh)) {
		sbx_log_error("backend: no virtual output of %dx%d at %u/%u Hz", options->width, options->height,
			refresh.numerator, refresh.denominator);
		return NULL;
	}
	struct sbx_headless_output *output = calloc(1, sizeof(*output));
	if (output == NULL || sbx_timer_init(&output->timer, backend->loop, handle_vblank, output) < 0) {
		sbx_log_error("backend: no virtual output: out of memory or file descriptors");
		free(output);
		return NULL;
	}
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_custom_mode(&state, options->width, options->height, sbx_refresh_mhz(refresh));
	wlr_output_init(&output->base, &backend->base, &output_impl, backend->loop, &state);
	wlr_output_state_finish(&state);
	output->backend = backend;
	sbx_vblank_init(&output->vblank, refresh, sbx_kernel_now_ns());
	set_names(output, options->name);
	wl_list_insert(backend->outputs.prev, &output->link);
	return output;
}

bool sbx_output_is_headless(const struct wlr_output *output) {
	return output->impl == &output_impl;
}

struct wlr_buffer *sbx_headless_output_get_shown(const struct wlr_output *wlr) {
	const struct sbx_headless_output *output = wl_container_of(wlr, output, base);
	return output->shown.buffer;
}

uint64_t sbx_headless_output_get_late_vblanks(const struct wlr_output *wlr) {
	const struct sbx_headless_output *output = wl_container_of(wlr, output, base);
	return output->late_vblanks;
}
