#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/backend.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/render/pass.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_scene.h>
#include "backend/implicit.h"
#include "backend/output.h"
#include "backend/quirks.h"
#include "backend/scanout.h"
#include "loan/desk.h"
#include "loan/loan.h"
#include "loan/redraw.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"
#include "trace/log.h"

#define MS INT64_C(1000000)

/** Unknown reasons are not taken for the fence's fault before the third time in a row. */
#define MAX_SUSPICIONS 3

/** What became of a frame. */
enum fate {
	COMMITTED,
	WAITS,
	/** Not now: the output is busy or out of something. */
	REFUSED,
	/** This buffer will not do: compose instead. */
	COMPOSE,
};

static bool has(const struct wlr_output_state *state, uint32_t field) {
	return (state->committed & field) != 0;
}

static bool has_point(const struct wlr_output_state *state) {
	return has(state, WLR_OUTPUT_STATE_WAIT_TIMELINE) && state->wait_timeline != NULL;
}

/* The frame is done, or who reads it is told so in another way. */
static void drop_wait_timeline(struct wlr_output_state *state) {
	wlr_drm_syncobj_timeline_unref(state->wait_timeline);
	state->wait_timeline = NULL;
	state->committed &= ~(uint32_t)WLR_OUTPUT_STATE_WAIT_TIMELINE;
}

static void drop_timelines(struct wlr_output_state *state) {
	drop_wait_timeline(state);
	wlr_drm_syncobj_timeline_unref(state->signal_timeline);
	state->signal_timeline = NULL;
	state->committed &= ~(uint32_t)WLR_OUTPUT_STATE_SIGNAL_TIMELINE;
}

/*
 * 0, or a negative errno. wlroots does not say which; the kernel's survives in errno where wlroots' log is a
 * terminal, and is ENOTTY where it is not, as the log asks for its colours. Good for a hint only.
 */
static int commit_once(struct sbx_output *output, const struct wlr_output_state *state) {
	output->committing = true;
	errno = 0;
	bool ok = wlr_output_commit_state(output->wlr, state);
	int error = errno;
	output->committing = false;
	if (ok) {
		output->info.frames += has(state, WLR_OUTPUT_STATE_BUFFER);
		output->info.torn += state->tearing_page_flip;
		if (has(state, WLR_OUTPUT_STATE_BUFFER)) {
			sbx_scheduler_committed(&output->scheduler, sbx_kernel_now_ns());
		}
		output->retry_ms = 0;
		output->redraw = false;
		sbx_timer_arm(&output->retry_timer, 0);
		return 0;
	}
	output->info.refused++;
	return error > 0 ? -error : -EIO;
}

/* wlroots logs an error each time, and an output that cannot do it at all is asked less and less often. */
static void refuse_tearing(struct sbx_output *output, unsigned at_least) {
	unsigned pause = (1u << output->tearing_refusals) - 1;
	output->tearing_refusals += pause < SBX_TEARING_PAUSE_MAX_FRAMES;
	output->tearing_pause = pause > at_least ? pause : at_least;
	sbx_output_update_at_once(output);
}

/* One that may tear, and is refused, may be shown at the vblank; nothing that it waited for is pending. */
static int commit_now(struct sbx_output *output, const struct wlr_output_state *state) {
	int ret = commit_once(output, state);
	if (ret == 0 || !state->tearing_page_flip || output->wlr->frame_pending) {
		return ret;
	}
	struct wlr_output_state whole = *state;
	whole.tearing_page_flip = false;
	ret = commit_once(output, &whole);
	if (ret == 0) {
		refuse_tearing(output, SBX_TEARING_PAUSE_FRAMES);
	}
	return ret;
}

static bool wants_tearing(struct sbx_output *output, const struct wlr_output_state *state) {
	if (!(output->tearing || state->tearing_page_flip) || !has(state, WLR_OUTPUT_STATE_BUFFER) ||
			state->allow_reconfiguration) {
		return false;
	}
	if (output->tearing_pause > 0) {
		output->tearing_pause--;
		return false;
	}
	return true;
}

/*
 * Whether the frame is to be shown at once, in the middle of a scanout. The output is asked: drivers refuse that
 * for one frame and not for the next, when the cursor has moved for one. No fence goes with it: some refuse
 * that, too (drm_atomic_set_property() of Linux 6.8 takes nothing new there but FB_ID), and then it is better
 * known what is refused.
 */
static void choose_tearing(struct sbx_output *output, struct wlr_output_state *state) {
	struct wlr_output_state test = *state;
	test.tearing_page_flip = true;
	test.committed &= ~(uint32_t)(WLR_OUTPUT_STATE_WAIT_TIMELINE | WLR_OUTPUT_STATE_SIGNAL_TIMELINE);
	state->tearing_page_flip = wants_tearing(output, state);
	if (!state->tearing_page_flip) {
		return;
	}
	state->tearing_page_flip = wlr_output_test_state(output->wlr, &test);
	if (state->tearing_page_flip) {
		output->tearing_refusals = 0;
		sbx_output_update_at_once(output);
	} else {
		refuse_tearing(output, 0);
	}
}

static enum fate refuse(struct sbx_output *output, bool redraw) {
	sbx_output_retry(output, redraw);
	return REFUSED;
}

/* Waiting */

static void forget_waiting(struct sbx_output *output) {
	sbx_readiness_cancel(&output->readiness);
	sbx_timer_arm(&output->wait_timer, 0);
	output->waits = false;
	wlr_output_state_finish(&output->waiting);
	output->waiting = (struct wlr_output_state){ 0 };
}

void sbx_output_drop_waiting(struct sbx_output *output) {
	if (output->waits) {
		forget_waiting(output);
		output->info.dropped++;
	}
}

static void handle_readiness(struct sbx_readiness *readiness) {
	struct sbx_output *output = wl_container_of(readiness, output, readiness);
	sbx_output_advance(output);
}

/* Takes what is in *state, and leaves it empty. */
static enum fate let_wait(struct sbx_output *output, struct wlr_output_state *state, enum sbx_frame_kind kind) {
	int ms = kind == SBX_FRAME_CLIENT ? SBX_WAIT_CLIENT_MS : SBX_WAIT_COMPOSED_MS;
	output->waits = true;
	output->wait_is_due = false;
	output->waiting_kind = kind;
	output->waiting = *state;
	wlr_output_state_init(state);
	output->info.waited++;
	// Whatever is damaged from now on is not in this frame.
	output->wlr->needs_frame = output->more = false;
	sbx_timer_arm(&output->wait_timer, sbx_kernel_now_ns() + ms * MS);
	return WAITS;
}

static void note_suspect(struct sbx_output *output) {
	int error = -output->suspect_errno;
	bool typical = error == EPERM || error == EINVAL || error == EAGAIN || error == EOPNOTSUPP ||
		error == EACCES;
	if (typical || ++output->quirks->suspicions >= MAX_SUSPICIONS) {
		sbx_quirks_learn_refusal(output->quirks, typical ? error : 0);
	}
}

static void commit_waiting(struct sbx_output *output) {
	struct wlr_output_state state = output->waiting;
	enum sbx_frame_kind kind = output->waiting_kind;
	bool more = output->more || output->wlr->needs_frame;
	wlr_output_state_init(&output->waiting);
	forget_waiting(output);
	if (kind != SBX_FRAME_CLIENT) {
		drop_timelines(&state);
	} else if (state.tearing_page_flip) {
		drop_wait_timeline(&state);
	}
	int ret = commit_now(output, &state);
	wlr_output_state_finish(&state);
	if (ret < 0) {
		output->info.dropped++;
		output->scanout_pause = kind == SBX_FRAME_CLIENT && ret != -EBUSY ? SBX_SCANOUT_PAUSE_FRAMES : 0;
		sbx_output_retry(output, true);
		return;
	}
	output->info.scanned_out += kind == SBX_FRAME_CLIENT;
	if (kind == SBX_FRAME_SUSPECT) {
		note_suspect(output);
	}
	if (more) {
		// The scene takes the damage of this frame for all there is, and may forget what came since.
		sbx_redraw(output->wlr);
	}
}

bool sbx_output_commit_front(struct sbx_output *output, bool reconfigure) {
	if (output->front == NULL) {
		return false;
	}
	bool redraw = output->redraw;
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	state.allow_reconfiguration = reconfigure;
	wlr_output_state_set_buffer(&state, output->front);
	state.buffer_src_box = output->front_src_box;
	state.buffer_dst_box = output->front_dst_box;
	pixman_region32_t nothing;
	pixman_region32_init(&nothing);
	wlr_output_state_set_damage(&state, &nothing);
	pixman_region32_fini(&nothing);
	bool ok = commit_now(output, &state) == 0;
	wlr_output_state_finish(&state);
	if (ok && redraw) {
		sbx_output_retry(output, true); // this has not drawn it
	}
	return ok;
}

void sbx_output_advance(struct sbx_output *output) {
	struct wlr_output *wlr = output->wlr;
	if (output->readiness.state == SBX_READINESS_PENDING) {
		if (wlr->needs_frame && !wlr->frame_pending && wlr->hardware_cursor != NULL &&
				output->quirks->is_kms && output->front != NULL) {
			// The cursor moves with it. Without a buffer wlroots would let the commit block until the vblank.
			output->more = true;
			sbx_output_commit_front(output, false);
		}
		return;
	}
	if (output->readiness.state == SBX_READINESS_FAILED) {
		sbx_log_error("%s: the fence of a frame of %s has failed: it keeps the previous frame",
			output->waiting_kind == SBX_FRAME_CLIENT ? "client bug" : "driver bug", output->wlr->name);
		sbx_output_drop_waiting(output);
		sbx_output_retry(output, true);
	} else if (!wlr->frame_pending) {
		commit_waiting(output);
	} // else the frame event will come
}

void sbx_output_give_up_waiting(struct sbx_output *output) {
	bool client = output->waiting_kind == SBX_FRAME_CLIENT;
	if (output->readiness.state == SBX_READINESS_DONE) {
		// It was the flip before it that took too long, and is reported by itself.
		sbx_timer_arm(&output->wait_timer, sbx_kernel_now_ns() + SBX_WAIT_COMPOSED_MS * MS);
		return;
	}
	if (!output->wait_is_due) {
		// We may be what was late, woken from a sleep for example, and the fence be next in this dispatch.
		output->wait_is_due = true;
		sbx_timer_arm(&output->wait_timer, sbx_kernel_now_ns());
		return;
	}
	if (!client) {
		sbx_log_error("driver bug: a frame of %s is not done after %d ms: it keeps the previous frame",
			output->wlr->name, SBX_WAIT_COMPOSED_MS);
	}
	sbx_output_drop_waiting(output);
	if (client) {
		output->info.scanout = SBX_SCANOUT_FENCE;
		output->scanout_pause = SBX_SCANOUT_PAUSE_FRAMES;
	}
	sbx_output_retry(output, true);
}

/* Composed frames */

static struct sbx_point point_of(const struct wlr_output_state *state) {
	return (struct sbx_point){ .handle = state->wait_timeline->handle, .value = state->wait_point };
}

static bool await_point(struct sbx_output *output, const struct wlr_output_state *state) {
	struct sbx_desk *desk = sbx_desks_get(&output->desks, state->wait_timeline->drm_fd);
	if (desk != NULL) {
		sbx_readiness_await_point(&output->readiness, desk, point_of(state), handle_readiness);
	}
	return desk != NULL;
}

static bool await_implicit(struct sbx_output *output, struct wlr_buffer *buffer) {
	int fence = -1;
	bool ok = sbx_implicit_get_fence(buffer, &fence) == 0 &&
		sbx_readiness_await_fence(&output->readiness, output->wlr->event_loop, &fence,
			handle_readiness) == 0;
	sbx_fd_close(&fence);
	return ok;
}

static bool await(struct sbx_output *output, const struct wlr_output_state *state) {
	return has_point(state) ? await_point(output, state) : await_implicit(output, state->buffer);
}

static enum fate commit_or_refuse(struct sbx_output *output, const struct wlr_output_state *state) {
	return commit_now(output, state) == 0 ? COMMITTED : refuse(output, false);
}

/* Not before it is done; the loop goes on meanwhile. */
static enum fate commit_when_done(struct sbx_output *output, struct wlr_output_state *state,
		enum sbx_frame_kind kind) {
	if (!await(output, state)) {
		return refuse(output, false);
	}
	switch (output->readiness.state) {
	case SBX_READINESS_PENDING:
		return let_wait(output, state, kind);
	case SBX_READINESS_FAILED:
		output->info.dropped++;
		return refuse(output, true);
	case SBX_READINESS_DONE:
		break;
	}
	drop_timelines(state);
	enum fate fate = commit_or_refuse(output, state);
	if (fate == COMMITTED && kind == SBX_FRAME_SUSPECT) {
		note_suspect(output);
	}
	return fate;
}

/* Its fence goes into the buffer. False: it does not. */
static bool move_fence_to_buffer(struct sbx_output *output, struct wlr_output_state *state) {
	struct sbx_desk *desk = sbx_desks_get(&output->desks, state->wait_timeline->drm_fd);
	int fence = -1;
	bool ok = desk != NULL && sbx_point_export_sync_file(desk->sync, point_of(state), &fence) == 0 &&
		sbx_implicit_put_fence(state->buffer, fence) == 0;
	sbx_fd_close(&fence);
	if (ok) {
		drop_timelines(state);
	}
	return ok;
}

static bool is_dmabuf(struct wlr_buffer *buffer) {
	struct wlr_dmabuf_attributes dmabuf;
	return wlr_buffer_get_dmabuf(buffer, &dmabuf);
}

static enum sbx_fence_way choose_way(const struct sbx_output *output, const struct wlr_output_state *state) {
	if (!has_point(state) && !is_dmabuf(state->buffer)) {
		return SBX_FENCE_NONE; // drawn by the CPU
	}
	if (state->tearing_page_flip) {
		return SBX_FENCE_WAIT;
	}
	if (has_point(state) && output->wlr->backend->features.timeline && !output->quirks->refuses_fences) {
		return SBX_FENCE_COMMIT;
	}
	return output->quirks->ignores_implicit ? SBX_FENCE_WAIT : SBX_FENCE_IMPLICIT;
}

/* A fence that is not there yet cannot be given to anybody: no driver has refused it. */
static bool has_materialised(struct sbx_output *output, const struct wlr_output_state *state) {
	struct sbx_desk *desk = sbx_desks_get(&output->desks, state->wait_timeline->drm_fd);
	struct sbx_point point = point_of(state);
	enum sbx_point_state point_state;
	return desk != NULL && sbx_points_query(desk->sync, &point, 1, &point_state) == 0 &&
		(point_state == SBX_POINT_MATERIALISED || point_state == SBX_POINT_SIGNALLED);
}

static enum fate commit_with_fence(struct sbx_output *output, struct wlr_output_state *state) {
	int ret = commit_now(output, state);
	if (ret == 0) {
		output->quirks->suspicions = 0;
		return COMMITTED;
	}
	if (ret == -EBUSY || ret == -ENOMEM || output->wlr->frame_pending) {
		return refuse(output, false);
	}
	// Is it the fence? Then it works without one, once there is nothing to wait for any more.
	output->suspect_errno = ret;
	return commit_when_done(output, state,
		has_materialised(output, state) ? SBX_FRAME_SUSPECT : SBX_FRAME_COMPOSED);
}

static enum fate commit_composed(struct sbx_output *output, struct wlr_output_state *state) {
	choose_tearing(output, state);
	enum sbx_fence_way way = choose_way(output, state);
	if (way == SBX_FENCE_IMPLICIT && has_point(state) && !move_fence_to_buffer(output, state)) {
		way = SBX_FENCE_WAIT;
	}
	output->info.way = way;
	output->scheduler.cpu_draws = way == SBX_FENCE_NONE;
	switch (way) {
	case SBX_FENCE_COMMIT:
		return commit_with_fence(output, state);
	case SBX_FENCE_NONE:
	case SBX_FENCE_IMPLICIT:
		return commit_or_refuse(output, state);
	case SBX_FENCE_WAIT:
		break;
	}
	return commit_when_done(output, state, SBX_FRAME_COMPOSED);
}

/* Clients' buffers */

/* Our timeline, on the output's DRM node or else the renderer's. NULL: there is none. */
static struct wlr_drm_syncobj_timeline *get_timeline(struct sbx_output *output) {
	struct wlr_renderer *renderer = output->wlr->renderer;
	if (output->timeline == NULL && renderer != NULL && renderer->features.timeline) {
		int drm_fd = wlr_backend_get_drm_fd(output->wlr->backend);
		drm_fd = drm_fd >= 0 ? drm_fd : wlr_renderer_get_drm_fd(renderer);
		output->timeline = drm_fd >= 0 ? wlr_drm_syncobj_timeline_create(drm_fd) : NULL;
	}
	return output->timeline;
}

/* The output waits for the client's fence (lent) itself. */
static bool pass_fence_on(struct sbx_output *output, struct wlr_output_state *state, int fence) {
	struct wlr_drm_syncobj_timeline *timeline = get_timeline(output);
	struct sbx_desk *desk = timeline != NULL && output->wlr->backend->features.timeline &&
		!output->quirks->refuses_fences ? sbx_desks_get(&output->desks, timeline->drm_fd) : NULL;
	struct sbx_point point = { .value = output->point + 1 };
	if (desk == NULL) {
		return false;
	}
	point.handle = timeline->handle;
	if (sbx_point_import_sync_file(desk->sync, point, fence) < 0) {
		return false;
	}
	wlr_output_state_set_wait_timeline(state, timeline, ++output->point);
	return true;
}

/* *fence (the caller's) is what the client's work ends with. */
static int get_client_fence(const struct wlr_output_state *state, int *fence) {
	if (!sbx_buffer_is_on_loan(state->buffer)) {
		return sbx_implicit_get_fence(state->buffer, fence);
	}
	int lent = -1;
	int ret = sbx_buffer_get_acquire_fence(state->buffer, &lent);
	return ret == 0 ? sbx_fd_dup(lent, fence) : ret;
}

static bool passes_fences_on(const struct sbx_output *output, const struct wlr_output_state *state) {
	return output->options.scanout_unsignalled && !state->tearing_page_flip;
}

/* Whether the output is to wait for the client's fence (lent), or its own way of finding it is enough. */
static bool may_pass_on(struct sbx_output *output, struct wlr_output_state *state, int fence) {
	if (!passes_fences_on(output, state) || fence < 0 || sbx_fence_status(fence, NULL) != 0) {
		return false;
	}
	// An implicit fence is in the buffer already.
	return !sbx_buffer_is_on_loan(state->buffer) || pass_fence_on(output, state, fence);
}

/* Begin to wait for what the client's buffer needs, if anything. False: it must not be shown. */
static bool await_client(struct sbx_output *output, struct wlr_output_state *state) {
	sbx_readiness_cancel(&output->readiness);
	if (has_point(state)) {
		// wlroots' own protocol: the point is the client's.
		return passes_fences_on(output, state) || await_point(output, state);
	}
	int fence = -1;
	bool ok = get_client_fence(state, &fence) == 0;
	if (ok && !may_pass_on(output, state, fence)) {
		ok = sbx_readiness_await_fence(&output->readiness, output->wlr->event_loop, &fence,
			handle_readiness) == 0;
	}
	sbx_fd_close(&fence);
	return ok && output->readiness.state != SBX_READINESS_FAILED;
}

/*
 * A surface's buffer comes in a wrapper of wlroots'. The client's own is what is on loan and what is locked;
 * false: it has been given back, and only the texture is left.
 */
static bool unwrap(struct wlr_output_state *state) {
	struct wlr_client_buffer *wrapper = wlr_client_buffer_get(state->buffer);
	if (wrapper == NULL) {
		return true;
	}
	if (wrapper->source == NULL || wrapper->source->n_locks == 0) {
		return false;
	}
	wlr_output_state_set_buffer(state, wrapper->source);
	return true;
}

static enum fate commit_client(struct sbx_output *output, struct wlr_output_state *state) {
	if (!unwrap(state)) {
		output->info.scanout = SBX_SCANOUT_NO_DMABUF;
		return COMPOSE;
	}
	choose_tearing(output, state);
	if (!await_client(output, state)) {
		output->info.scanout = SBX_SCANOUT_FENCE;
		return COMPOSE;
	}
	if (output->readiness.state == SBX_READINESS_PENDING) {
		output->info.scanout = SBX_SCANOUT_ACTIVE;
		return let_wait(output, state, SBX_FRAME_CLIENT);
	}
	if (state->tearing_page_flip) {
		drop_wait_timeline(state);
	}
	int ret = commit_now(output, state);
	if (ret == 0) {
		output->info.scanout = SBX_SCANOUT_ACTIVE;
		output->info.scanned_out++;
		return COMMITTED;
	}
	if (ret == -EBUSY || output->wlr->frame_pending) {
		return refuse(output, false);
	}
	output->info.scanout = SBX_SCANOUT_COMMIT;
	output->scanout_pause = SBX_SCANOUT_PAUSE_FRAMES;
	return COMPOSE;
}

/* With wlr_scene */

static bool build(struct wlr_scene_output *scene_output, struct wlr_output_state *state,
		const struct wlr_scene_output_state_options *options, bool compose) {
	if (compose) {
		wlr_output_lock_attach_render(scene_output->output, true);
	}
	bool ok = wlr_scene_output_build_state(scene_output, state, options);
	if (compose) {
		wlr_output_lock_attach_render(scene_output->output, false);
	}
	return ok;
}

static bool is_clients(const struct sbx_output *output, const struct wlr_output_state *state,
		const struct wlr_scene_output_state_options *options) {
	bool other_swapchain = options != NULL && options->swapchain != NULL;
	return has(state, WLR_OUTPUT_STATE_BUFFER) && !other_swapchain &&
		sbx_output_is_foreign(output, state->buffer);
}

static void note_composed(struct sbx_output *output, struct wlr_scene_output *scene_output,
		const struct wlr_scene_output_state_options *options) {
	if (output->options.no_scanout) {
		output->info.scanout = SBX_SCANOUT_FORBIDDEN;
	} else if (output->scanout_pause > 0) {
		output->scanout_pause--; // the reason of the pause stands
	} else {
		output->info.scanout = sbx_scanout_explain(scene_output, 0, options);
	}
}

static enum fate commit_scene(struct sbx_output *output, struct wlr_scene_output *scene_output,
		const struct wlr_scene_output_state_options *options, bool compose) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	enum fate fate = REFUSED;
	if (!build(scene_output, &state, options, compose)) {
		fate = refuse(output, false);
	} else if (!has(&state, WLR_OUTPUT_STATE_BUFFER)) {
		fate = commit_or_refuse(output, &state);
	} else if (is_clients(output, &state, options)) {
		fate = commit_client(output, &state);
	} else {
		if (!compose || output->options.no_scanout || output->scanout_pause > 0) {
			note_composed(output, scene_output, options);
		}
		fate = commit_composed(output, &state);
	}
	wlr_output_state_finish(&state);
	return fate;
}

bool sbx_scene_output_commit(struct sbx_output *output, struct wlr_scene_output *scene_output,
		const struct wlr_scene_output_state_options *options) {
	if (output->waits || !wlr_scene_output_needs_frame(scene_output)) {
		return true;
	}
	bool compose = output->options.no_scanout || output->scanout_pause > 0;
	enum fate fate = commit_scene(output, scene_output, options, compose);
	if (fate == COMPOSE) {
		fate = commit_scene(output, scene_output, options, true);
	}
	return fate == COMMITTED || fate == WAITS;
}

/* Without wlr_scene */

struct wlr_render_pass *sbx_output_begin(struct sbx_output *output, struct wlr_output_state *state,
		const struct wlr_buffer_pass_options *options) {
	if (output->waits) {
		return NULL;
	}
	struct wlr_buffer_pass_options all = options != NULL ? *options : (struct wlr_buffer_pass_options){ 0 };
	struct wlr_drm_syncobj_timeline *timeline = get_timeline(output);
	if (timeline != NULL) {
		all.signal_timeline = timeline;
		all.signal_point = ++output->point;
	}
	return wlr_output_begin_render_pass(output->wlr, state, &all);
}

static enum fate commit_drawn(struct sbx_output *output, struct wlr_output_state *state) {
	if (output->timeline != NULL) {
		wlr_output_state_set_wait_timeline(state, output->timeline, output->point);
	}
	return commit_composed(output, state);
}

static enum fate commit_undrawn(struct sbx_output *output, struct wlr_output_state *state) {
	if (!has(state, WLR_OUTPUT_STATE_BUFFER)) {
		return commit_or_refuse(output, state);
	}
	if (output->waits) {
		return REFUSED; // it comes too early, and nothing of it is lost
	}
	if (output->options.no_scanout) {
		output->info.scanout = SBX_SCANOUT_FORBIDDEN;
		return COMPOSE;
	}
	return commit_client(output, state);
}

bool sbx_output_commit(struct sbx_output *output, struct wlr_render_pass *pass,
		struct wlr_output_state *state) {
	bool drawn = pass == NULL || wlr_render_pass_submit(pass);
	enum fate fate;
	if (has(state, WLR_OUTPUT_STATE_LAYERS)) {
		sbx_log_error("backend: output %s: layers cannot be committed with a struct sbx_output",
			output->wlr->name);
		fate = REFUSED;
	} else if (!drawn) {
		fate = refuse(output, true);
	} else {
		fate = pass != NULL ? commit_drawn(output, state) : commit_undrawn(output, state);
	}
	return fate == COMMITTED || fate == WAITS;
}
