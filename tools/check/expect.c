#include "check/capture.h"
#include "check/expect.h"

// So many pixels are no chance: a part of the frame's area.
#define SHOWN_PART 4
#define TRACE_PART 32
#define MIN_LOOKS 3

static struct check *check_of(const struct frame *frame) {
	return frame->surface->client->check;
}

static unsigned area_of(const struct frame *frame) {
	return (unsigned)(frame->buffer->width * frame->buffer->height);
}

static unsigned count_now(const struct frame *frame) {
	return image_count(capture_take(check_of(frame)), frame->colour);
}

bool is_shown(struct frame *frame) {
	return capture_is_possible(check_of(frame)) &&
		count_now(frame) >= area_of(frame) / SHOWN_PART;
}

static bool was_latched(void *data) {
	const struct frame *frame = data;
	return frame->commit->done || frame->commit->presented;
}

static bool look_for(struct frame *frame) {
	struct check *check = check_of(frame);
	uint64_t start = now_ns();
	do {
		if (is_shown(frame)) {
			return true;
		}
		check_pause(check, 2);
	} while (ms_since(start) < check->env->patience_ms);
	return is_shown(frame);
}

void expect_shown(struct frame *frame) {
	struct check *check = check_of(frame);
	check_doing(check, "waiting for content to be shown");
	bool shown = capture_is_possible(check) ? look_for(frame) :
		check_wait(check, was_latched, frame, check->env->patience_ms);
	if (!shown) {
		check_fail(check, "the content was not shown within %u ms", check->env->patience_ms);
	}
}

static void fail_if_seen(struct frame *frame, const struct image *image) {
	struct check *check = check_of(frame);
	const struct commit *commit = frame->commit;
	if (image && image_count(image, frame->colour) > area_of(frame) / TRACE_PART) {
		check_fail(check, "the content was shown although it must not be");
	}
	if (commit && commit->presented) {
		check_fail(check, "the content was reported as presented although it must not be");
	}
	if (commit && commit->done && !capture_is_possible(check)) {
		check_fail(check, "the content got its frame event although it must not be shown");
	}
}

void expect_hidden(struct frame *frame) {
	struct check *check = check_of(frame);
	check_doing(check, "watching that content is not shown");
	uint64_t start = now_ns();
	for (int looks = 0; looks < MIN_LOOKS || ms_since(start) < check->env->quiet_ms; looks++) {
		check_pause(check, 4);
		fail_if_seen(frame, capture_is_possible(check) ? capture_take(check) : NULL);
	}
}

void expect_hidden_while_pending(struct frame *frame) {
	struct check *check = check_of(frame);
	unsigned quiet_ms = check->env->quiet_ms;
	check_doing(check, "watching that content is not shown while its fence is pending");
	uint64_t start = now_ns();
	do {
		check_pause(check, 4);
		fail_if_seen(frame, capture_is_possible(check) ?
			capture_try_take(check, quiet_ms) : NULL);
	} while (ms_since(start) < quiet_ms);
}

void expect_stays(struct frame *frame) {
	struct check *check = check_of(frame);
	if (!capture_is_possible(check)) {
		check_pause(check, check->env->quiet_ms);
		return;
	}
	check_doing(check, "watching that content stays");
	uint64_t start = now_ns();
	for (int looks = 0; looks < MIN_LOOKS || ms_since(start) < check->env->quiet_ms; looks++) {
		if (!is_shown(frame)) {
			check_fail(check, "the content did not stay on the screen");
		}
		check_pause(check, 4);
	}
}

void expect_gone(struct frame *frame) {
	struct check *check = check_of(frame);
	check_doing(check, "waiting for content to leave the screen");
	uint64_t start = now_ns();
	while (capture_is_possible(check) && count_now(frame) > area_of(frame) / TRACE_PART) {
		if (ms_since(start) > check->env->patience_ms) {
			check_fail(check, "the content was still on the screen after %u ms",
				check->env->patience_ms);
		}
		check_pause(check, 2);
	}
}

static bool is_signalled(void *data) {
	return point_is_signalled(*(struct point *)data);
}

void expect_signalled(struct point point, const char *what) {
	struct check *check = point.timeline->check;
	check_doing(check, "waiting for %s", what);
	if (!check_wait(check, is_signalled, &point, check->env->patience_ms)) {
		check_fail(check, "%s was not signalled within %u ms", what, check->env->patience_ms);
	}
}

void expect_unsignalled(struct point point, const char *what) {
	struct check *check = point.timeline->check;
	check_doing(check, "watching that %s is not signalled", what);
	if (check_wait(check, is_signalled, &point, check->env->quiet_ms)) {
		check_fail(check, "%s was signalled", what);
	}
}

void expect_released(struct frame *frame) {
	expect_signalled(frame->release, "the release point");
}

static bool has_left(struct frame *frame) {
	struct check *check = check_of(frame);
	uint64_t start = now_ns();
	while (!is_shown(frame)) {
		if (ms_since(start) > check->env->quiet_ms) {
			return true;
		}
		check_pause(check, 4);
	}
	return false;
}

// Have it drawn again.
static void damage(struct frame *frame, bool in_tree) {
	struct surface *surface = frame->surface;
	wl_surface_damage_buffer(surface->wl, 0, 0, frame->buffer->width, frame->buffer->height);
	surface_commit(surface);
	for (surface = surface->parent; in_tree && surface; surface = surface->parent) {
		surface_commit(surface);
	}
}

// Draw another colour into a buffer that was given back, and let the surface be drawn again.
static bool is_read_after_release(struct frame *frame, bool in_tree) {
	struct check *check = check_of(frame);
	struct frame drawn = *frame;
	drawn.colour = check_colour(check);
	buffer_fill(frame->buffer, drawn.colour);
	for (int looks = 0; looks < MIN_LOOKS; looks++) {
		damage(frame, in_tree);
		check_pause(check, check->env->quiet_ms / MIN_LOOKS);
		if (is_shown(&drawn)) {
			return true;
		}
	}
	return false;
}

// What a release point that was signalled although nothing has replaced its content must be like.
static void judge_early_release(struct frame *frame, bool in_tree) {
	struct check *check = check_of(frame);
	if (!was_latched(frame)) {
		check_fail(check, "the release point of a buffer that is still to be shown was "
			"signalled");
	}
	if (!capture_is_possible(check)) {
		check_fail(check, "the release point of a buffer that nothing has replaced was "
			"signalled");
	}
	if (has_left(frame)) {
		check_fail(check, "the release point was signalled and the content has left the "
			"screen, although nothing may have replaced it");
	}
	if (is_read_after_release(frame, in_tree)) {
		check_fail(check, "the release point of a buffer in use was signalled: what was drawn "
			"into it after that is on the screen");
	}
	check_note(check, "a release point was signalled while its content was on the screen, "
		"but the compositor had no more use for the buffer");
}

static void watch_release(struct frame *frame, bool in_tree) {
	struct check *check = check_of(frame);
	struct point release = frame->release;
	check_doing(check, "watching that the release point of a buffer in use is not signalled");
	if (check_wait(check, is_signalled, &release, check->env->quiet_ms)) {
		judge_early_release(frame, in_tree);
	}
}

void expect_not_released(struct frame *frame) {
	watch_release(frame, false);
}

void expect_not_released_in_tree(struct frame *frame) {
	watch_release(frame, true);
}

void expect_served(struct client *client) {
	check_doing(client->check, "asking whether this client is still served");
	client_roundtrip(client);
}

struct frame *hold(struct surface *surface) {
	struct frame *frame = frame_new(surface);
	frame_commit(frame);
	return frame;
}

struct frame *put(struct surface *surface) {
	struct frame *frame = frame_new(surface);
	frame_signal(frame);
	frame_commit(frame);
	return frame;
}

struct frame *show(struct surface *surface) {
	struct frame *frame = put(surface);
	expect_shown(frame);
	return frame;
}
