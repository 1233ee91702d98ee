#include "check/screencopy.h"

enum { MANAGER_CAPTURE_OUTPUT = 0 };
enum { FRAME_COPY = 0, FRAME_DESTROY = 1 };

static const struct wl_interface *capture_output_types[] = {
	&screencopy_frame_interface, NULL, &wl_output_interface,
};
static const struct wl_interface *capture_region_types[] = {
	&screencopy_frame_interface, NULL, &wl_output_interface, NULL, NULL, NULL, NULL,
};
static const struct wl_interface *copy_types[] = { &wl_buffer_interface };
static const struct wl_interface *number_types[] = { NULL, NULL, NULL, NULL };

static const struct wl_message manager_requests[] = {
	{ "capture_output", "nio", capture_output_types },
	{ "capture_output_region", "nioiiii", capture_region_types },
	{ "destroy", "", number_types },
};

const struct wl_interface screencopy_manager_interface = {
	"zwlr_screencopy_manager_v1", 1, 3, manager_requests, 0, NULL,
};

static const struct wl_message frame_requests[] = {
	{ "copy", "o", copy_types },
	{ "destroy", "", number_types },
};

static const struct wl_message frame_events[] = {
	{ "buffer", "uuuu", number_types },
	{ "flags", "u", number_types },
	{ "ready", "uuu", number_types },
	{ "failed", "", number_types },
};

const struct wl_interface screencopy_frame_interface = {
	"zwlr_screencopy_frame_v1", 1, 2, frame_requests, 4, frame_events,
};

struct wl_proxy *screencopy_capture(struct wl_proxy *manager, struct wl_output *output,
		const struct screencopy_frame_listener *listener, void *data) {
	struct wl_proxy *frame = wl_proxy_marshal_flags(manager, MANAGER_CAPTURE_OUTPUT,
		&screencopy_frame_interface, wl_proxy_get_version(manager), 0, NULL, 0, output);
	wl_proxy_add_listener(frame, (void (**)(void))listener, data);
	return frame;
}

void screencopy_copy(struct wl_proxy *frame, struct wl_buffer *buffer) {
	wl_proxy_marshal_flags(frame, FRAME_COPY, NULL, wl_proxy_get_version(frame), 0, buffer);
}

void screencopy_destroy(struct wl_proxy *frame) {
	wl_proxy_marshal_flags(frame, FRAME_DESTROY, NULL, wl_proxy_get_version(frame),
		WL_MARSHAL_FLAG_DESTROY);
}
