#include <stdlib.h>

#include "check/buffer.h"
#include "check/capture.h"
#include "check/client.h"
#include "check/screencopy.h"
#include "ext-image-capture-source-v1-client.h"
#include "ext-image-copy-capture-v1-client.h"

enum state { CAPTURE_ASKED, CAPTURE_DESCRIBED, CAPTURE_READY, CAPTURE_FAILED };

struct capture {
	struct client *client;
	struct buffer *buffer;
	struct image image;
	enum state state;
	unsigned limit_ms;
	uint32_t width, height, format, stride; // what the compositor asks for
};

static bool is_known_format(uint32_t format) {
	return format == WL_SHM_FORMAT_XRGB8888 || format == WL_SHM_FORMAT_ARGB8888 ||
		format == WL_SHM_FORMAT_XBGR8888 || format == WL_SHM_FORMAT_ABGR8888;
}

static bool is_described(void *data) {
	return ((struct capture *)data)->state != CAPTURE_ASKED;
}

static bool is_over(void *data) {
	const struct capture *capture = data;
	return capture->state == CAPTURE_READY || capture->state == CAPTURE_FAILED;
}

static bool wait_for(struct capture *capture, bool (*done)(void *data)) {
	return check_wait(capture->client->check, done, capture, capture->limit_ms) &&
		capture->state != CAPTURE_FAILED;
}

// A buffer as the compositor asked for it.
static bool fit_buffer(struct capture *capture) {
	struct image *image = &capture->image;
	if (!is_known_format(capture->format)) {
		return false;
	}
	if (capture->buffer && image->width == (int)capture->width &&
			image->height == (int)capture->height && image->format == capture->format) {
		return true;
	}
	if (capture->buffer) {
		buffer_destroy(capture->buffer);
	}
	capture->buffer = buffer_new_shm(capture->client, (int)capture->width,
		(int)capture->height, capture->stride, capture->format);
	*image = (struct image){
		.width = (int)capture->width, .height = (int)capture->height,
		.stride = capture->stride, .format = capture->format, .data = capture->buffer->map,
	};
	return true;
}

static void handle_buffer_size(void *data, struct ext_image_copy_capture_session_v1 *session,
		uint32_t width, uint32_t height) {
	struct capture *capture = data;
	capture->width = width;
	capture->height = height;
	capture->stride = width * 4;
}

static void handle_shm_format(void *data, struct ext_image_copy_capture_session_v1 *session,
		uint32_t format) {
	struct capture *capture = data;
	if (is_known_format(format)) {
		capture->format = format;
	}
}

static void handle_dmabuf_device(void *data,
		struct ext_image_copy_capture_session_v1 *session, struct wl_array *device) {
	// Shared memory is what we read from.
}

static void handle_dmabuf_format(void *data,
		struct ext_image_copy_capture_session_v1 *session, uint32_t format,
		struct wl_array *modifiers) {
	// See above.
}

static void handle_session_done(void *data,
		struct ext_image_copy_capture_session_v1 *session) {
	struct capture *capture = data;
	if (capture->state == CAPTURE_ASKED) {
		capture->state = CAPTURE_DESCRIBED;
	}
}

static void handle_stopped(void *data, struct ext_image_copy_capture_session_v1 *session) {
	struct capture *capture = data;
	capture->state = CAPTURE_FAILED;
}

static const struct ext_image_copy_capture_session_v1_listener session_listener = {
	.buffer_size = handle_buffer_size,
	.shm_format = handle_shm_format,
	.dmabuf_device = handle_dmabuf_device,
	.dmabuf_format = handle_dmabuf_format,
	.done = handle_session_done,
	.stopped = handle_stopped,
};

static void handle_transform(void *data, struct ext_image_copy_capture_frame_v1 *frame,
		uint32_t transform) {
	// Colours are counted, wherever they are.
}

static void handle_damage(void *data, struct ext_image_copy_capture_frame_v1 *frame,
		int32_t x, int32_t y, int32_t width, int32_t height) {
	// Each picture is whole.
}

static void handle_time(void *data, struct ext_image_copy_capture_frame_v1 *frame,
		uint32_t sec_hi, uint32_t sec_lo, uint32_t nsec) {
	// Pictures are judged by what they show.
}

static void handle_ready(void *data, struct ext_image_copy_capture_frame_v1 *frame) {
	struct capture *capture = data;
	capture->state = CAPTURE_READY;
}

static void handle_failed(void *data, struct ext_image_copy_capture_frame_v1 *frame,
		uint32_t reason) {
	struct capture *capture = data;
	capture->state = CAPTURE_FAILED;
}

static const struct ext_image_copy_capture_frame_v1_listener frame_listener = {
	.transform = handle_transform,
	.damage = handle_damage,
	.presentation_time = handle_time,
	.ready = handle_ready,
	.failed = handle_failed,
};

static bool copy_session(struct capture *capture,
		struct ext_image_copy_capture_session_v1 *session) {
	if (!wait_for(capture, is_described) || !fit_buffer(capture)) {
		return false;
	}
	struct ext_image_copy_capture_frame_v1 *frame =
		ext_image_copy_capture_session_v1_create_frame(session);
	ext_image_copy_capture_frame_v1_add_listener(frame, &frame_listener, capture);
	ext_image_copy_capture_frame_v1_attach_buffer(frame, capture->buffer->wl);
	ext_image_copy_capture_frame_v1_damage_buffer(frame, 0, 0, capture->image.width,
		capture->image.height);
	ext_image_copy_capture_frame_v1_capture(frame);
	bool ready = wait_for(capture, is_over);
	ext_image_copy_capture_frame_v1_destroy(frame);
	return ready;
}

// Only the first picture of a session comes without waiting for the content to change, so
// each picture gets a session of its own.
static bool take_ext(struct capture *capture) {
	struct client *client = capture->client;
	if (!client->copy_capture || !client->output_source || !client->output) {
		return false;
	}
	struct ext_image_capture_source_v1 *source =
		ext_output_image_capture_source_manager_v1_create_source(client->output_source,
			client->output);
	struct ext_image_copy_capture_session_v1 *session =
		ext_image_copy_capture_manager_v1_create_session(client->copy_capture, source, 0);
	ext_image_copy_capture_session_v1_add_listener(session, &session_listener, capture);
	bool ready = copy_session(capture, session);
	ext_image_copy_capture_session_v1_destroy(session);
	ext_image_capture_source_v1_destroy(source);
	return ready;
}

static void handle_wlr_buffer(void *data, struct wl_proxy *frame, uint32_t format,
		uint32_t width, uint32_t height, uint32_t stride) {
	struct capture *capture = data;
	capture->width = width;
	capture->height = height;
	capture->format = format;
	capture->stride = stride;
	capture->state = CAPTURE_DESCRIBED;
}

static void handle_wlr_flags(void *data, struct wl_proxy *frame, uint32_t flags) {
	// Colours are counted, wherever they are.
}

static void handle_wlr_ready(void *data, struct wl_proxy *frame, uint32_t sec_hi,
		uint32_t sec_lo, uint32_t nsec) {
	struct capture *capture = data;
	capture->state = CAPTURE_READY;
}

static void handle_wlr_failed(void *data, struct wl_proxy *frame) {
	struct capture *capture = data;
	capture->state = CAPTURE_FAILED;
}

static const struct screencopy_frame_listener wlr_listener = {
	.buffer = handle_wlr_buffer,
	.flags = handle_wlr_flags,
	.ready = handle_wlr_ready,
	.failed = handle_wlr_failed,
};

static bool take_wlr(struct capture *capture) {
	struct client *client = capture->client;
	if (!client->screencopy || !client->output) {
		return false;
	}
	struct wl_proxy *frame = screencopy_capture(client->screencopy, client->output,
		&wlr_listener, capture);
	bool ready = wait_for(capture, is_described) && fit_buffer(capture);
	if (ready) {
		screencopy_copy(frame, capture->buffer->wl);
		ready = wait_for(capture, is_over);
	}
	screencopy_destroy(frame);
	return ready;
}

void capture_open(struct check *check) {
	if (!check->capture) {
		check->capture = calloc(1, sizeof(*check->capture));
		check->capture->client = client_open(check);
	}
}

static const struct image *take(struct check *check, enum capture_kind kind,
		unsigned limit_ms) {
	capture_open(check);
	struct capture *capture = check->capture;
	capture->state = CAPTURE_ASKED;
	capture->limit_ms = limit_ms;
	bool taken = kind == CAPTURE_EXT ? take_ext(capture) : take_wlr(capture);
	return taken ? &capture->image : NULL;
}

const struct image *capture_try(struct check *check, enum capture_kind kind) {
	return take(check, kind, check->env->patience_ms);
}

const struct image *capture_try_take(struct check *check, unsigned limit_ms) {
	return take(check, check->env->capture, limit_ms);
}

bool capture_is_possible(const struct check *check) {
	return check->env->capture != CAPTURE_NONE;
}

const struct image *capture_take(struct check *check) {
	const struct image *image = capture_try_take(check, 2 * check->env->patience_ms);
	if (!image) {
		check_fail(check, "a capture of the output did not come within %u ms",
			2 * check->env->patience_ms);
	}
	return image;
}

static bool is_near(uint32_t a, uint32_t b) {
	for (int shift = 0; shift < 24; shift += 8) {
		int difference = (int)(a >> shift & 0xff) - (int)(b >> shift & 0xff);
		if (difference < -2 || difference > 2) {
			return false;
		}
	}
	return true;
}

static uint32_t swap_red_and_blue(uint32_t colour) {
	return (colour & 0xff00) | (colour & 0xff) << 16 | (colour >> 16 & 0xff);
}

unsigned image_count(const struct image *image, uint32_t colour) {
	bool swapped = image->format == WL_SHM_FORMAT_XBGR8888 ||
		image->format == WL_SHM_FORMAT_ABGR8888;
	uint32_t wanted = swapped ? swap_red_and_blue(colour) : colour;
	unsigned count = 0;
	for (int y = 0; y < image->height; y++) {
		const uint32_t *row = (const uint32_t *)((const char *)image->data +
			(size_t)y * image->stride);
		for (int x = 0; x < image->width; x++) {
			count += is_near(row[x], wanted);
		}
	}
	return count;
}
