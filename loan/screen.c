#include <stdbool.h>
#include <stdlib.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layer.h>
#include "loan/loan.h"
#include "loan/redraw.h"
#include "loan/screen.h"
#include "trace/recorder.h"

/* More planes than an output has. What is beyond is not recorded. */
enum { MAX_PLANES = 8 };

/** What one commit gave an output to show by itself. */
struct frame {
	uint32_t seq;
	struct sbx_subject loans[MAX_PLANES];
	int count;
};

struct screen {
	struct wlr_output *output;
	struct wl_list link;
	uint32_t number;
	/** Given last, and shown now. */
	struct frame queued, shown;
	bool pending; // queued is not shown yet
	struct wl_listener commit, present, destroy;
};

static struct wl_list screens = { &screens, &screens };

static bool has_loan(const struct frame *frame, uint64_t loan) {
	for (int i = 0; i < frame->count; i++) {
		if (frame->loans[i].loan == loan) {
			return true;
		}
	}
	return false;
}

static void trace(const struct screen *screen, enum sbx_event_kind kind, const struct sbx_subject *subject,
		uint32_t seq, int64_t time_ns) {
	if (sbx_is_tracing()) {
		sbx_recorder_add(&(struct sbx_event){
			.time_ns = time_ns,
			.kind = kind,
			.output = screen->number,
			.value = seq,
			.subject = *subject,
		});
	}
}

/* A client's buffer is given to outputs in a wrapper. */
static const struct sbx_subject *find_subject(struct wlr_buffer *buffer) {
	struct wlr_client_buffer *client_buffer = wlr_client_buffer_get(buffer);
	struct wlr_buffer *source = client_buffer != NULL ? client_buffer->source : buffer;
	return source != NULL ? sbx_buffer_get_subject(source) : NULL;
}

static void add_plane(struct frame *frame, struct wlr_buffer *buffer) {
	const struct sbx_subject *subject = buffer != NULL ? find_subject(buffer) : NULL;
	if (subject != NULL && frame->count < MAX_PLANES && !has_loan(frame, subject->loan)) {
		frame->loans[frame->count++] = *subject;
	}
}

static void trace_commit(const struct screen *screen, const struct wlr_output_state *state) {
	if (sbx_is_tracing()) {
		bool composed = state->buffer != NULL && find_subject(state->buffer) == NULL;
		sbx_recorder_add(&(struct sbx_event){
			.kind = SBX_EVENT_OUTPUT_COMMITTED,
			.output = screen->number,
			.value = screen->output->commit_seq,
			.extra = composed ? sbx_buffer_trace_id(state->buffer) : 0,
		});
	}
}

static void queue(struct screen *screen, const struct frame *frame) {
	const struct frame *before = screen->pending ? &screen->queued : &screen->shown;
	for (int i = 0; i < frame->count; i++) {
		if (!has_loan(before, frame->loans[i].loan)) {
			trace(screen, SBX_EVENT_SCANOUT_QUEUED, &frame->loans[i], frame->seq, 0);
		}
	}
	screen->queued = *frame;
	screen->pending = true;
}

/* time_ns 0: now. */
static void show(struct screen *screen, const struct frame *frame, uint32_t seq, int64_t time_ns) {
	for (int i = 0; i < frame->count; i++) {
		if (!has_loan(&screen->shown, frame->loans[i].loan)) {
			trace(screen, SBX_EVENT_SCANNED_OUT, &frame->loans[i], seq, time_ns);
		}
	}
	for (int i = 0; i < screen->shown.count; i++) {
		if (!has_loan(frame, screen->shown.loans[i].loan)) {
			trace(screen, SBX_EVENT_FLIPPED_AWAY, &screen->shown.loans[i], seq, time_ns);
		}
	}
	screen->shown = *frame;
	screen->pending = false;
}

static void show_nothing(struct screen *screen) {
	show(screen, &(struct frame){0}, screen->output->commit_seq, 0);
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct screen *screen = wl_container_of(listener, screen, commit);
	const struct wlr_output_event_commit *event = data;
	const struct wlr_output_state *state = event->state;
	if ((state->committed & WLR_OUTPUT_STATE_ENABLED) && !state->enabled) {
		show_nothing(screen);
		return;
	}
	if (!(state->committed & WLR_OUTPUT_STATE_BUFFER)) {
		return;
	}
	struct frame frame = { .seq = screen->output->commit_seq };
	add_plane(&frame, state->buffer);
	for (size_t i = 0; (state->committed & WLR_OUTPUT_STATE_LAYERS) && i < state->layers_len; i++) {
		add_plane(&frame, state->layers[i].accepted ? state->layers[i].buffer : NULL);
	}
	trace_commit(screen, state);
	queue(screen, &frame);
}

static void handle_present(struct wl_listener *listener, void *data) {
	struct screen *screen = wl_container_of(listener, screen, present);
	const struct wlr_output_event_present *event = data;
	if (!event->presented) {
		return;
	}
	int64_t when_ns = (int64_t)event->when.tv_sec * 1000000000 + event->when.tv_nsec;
	if (sbx_is_tracing()) {
		sbx_recorder_add(&(struct sbx_event){
			.time_ns = when_ns,
			.kind = SBX_EVENT_OUTPUT_PRESENTED,
			.output = screen->number,
			.value = event->commit_seq,
			.extra = (uint64_t)event->refresh,
		});
	}
	// Commits that change something else have a number, too, and no frame.
	if (screen->pending && (int32_t)(event->commit_seq - screen->queued.seq) >= 0) {
		show(screen, &screen->queued, event->commit_seq, when_ns);
	}
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct screen *screen = wl_container_of(listener, screen, destroy);
	show_nothing(screen);
	wl_list_remove(&screen->commit.link);
	wl_list_remove(&screen->present.link);
	wl_list_remove(&screen->destroy.link);
	wl_list_remove(&screen->link);
	free(screen);
}

void sbx_screen_watch(struct wlr_output *output) {
	struct screen *screen;
	wl_list_for_each(screen, &screens, link) {
		if (screen->output == output) {
			return;
		}
	}
	screen = calloc(1, sizeof(*screen));
	if (screen == NULL) {
		return;
	}
	screen->output = output;
	screen->number = sbx_recorder_name_output(output->name);
	screen->commit.notify = handle_commit;
	wl_signal_add(&output->events.commit, &screen->commit);
	screen->present.notify = handle_present;
	wl_signal_add(&output->events.present, &screen->present);
	screen->destroy.notify = handle_destroy;
	wl_signal_add(&output->events.destroy, &screen->destroy);
	wl_list_insert(&screens, &screen->link);
}

void sbx_screens_redraw(void) {
	struct screen *screen, *next;
	wl_list_for_each_safe(screen, next, &screens, link) {
		sbx_redraw(screen->output);
	}
}

const char *sbx_screens_find_loan(uint64_t loan) {
	const struct screen *screen;
	wl_list_for_each(screen, &screens, link) {
		if (has_loan(&screen->shown, loan) || (screen->pending && has_loan(&screen->queued, loan))) {
			return screen->output->name;
		}
	}
	return NULL;
}
