/*
 * Which devices there are, and what travels between clients: clipboard, drag and drop.
 */
#include <wlr/backend.h>
#include <wlr/types/wlr_data_device.h>
#include <wlr/types/wlr_input_device.h>
#include <wlr/types/wlr_primary_selection.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_seat.h>
#include "tiny.h"

void tiny_seat_update_capabilities(struct tiny *tiny) {
	uint32_t capabilities = 0;
	if (tiny->has_pointer) {
		capabilities |= WL_SEAT_CAPABILITY_POINTER;
	}
	if (!wl_list_empty(&tiny->keyboards)) {
		capabilities |= WL_SEAT_CAPABILITY_KEYBOARD;
	}
	wlr_seat_set_capabilities(tiny->seat, capabilities);
}

static void handle_new_input(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, new_input);
	struct wlr_input_device *device = data;
	if (device->type == WLR_INPUT_DEVICE_KEYBOARD) {
		tiny_keyboard_add(tiny, device);
	} else if (device->type == WLR_INPUT_DEVICE_POINTER) {
		tiny_pointer_add(tiny, device);
	}
	tiny_seat_update_capabilities(tiny);
}

static void handle_request_selection(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, request_selection);
	const struct wlr_seat_request_set_selection_event *event = data;
	wlr_seat_set_selection(tiny->seat, event->source, event->serial);
}

static void handle_request_primary_selection(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, request_primary_selection);
	const struct wlr_seat_request_set_primary_selection_event *event = data;
	wlr_seat_set_primary_selection(tiny->seat, event->source, event->serial);
}

static void handle_request_start_drag(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, request_start_drag);
	const struct wlr_seat_request_start_drag_event *event = data;
	if (wlr_seat_validate_pointer_grab_serial(tiny->seat, event->origin, event->serial)) {
		wlr_seat_start_pointer_drag(tiny->seat, event->drag, event->serial);
	} else {
		wlr_data_source_destroy(event->drag->source);
	}
}

/* The icon hangs in a layer that follows the pointer; the scene destroys it with the drag. */
static void handle_start_drag(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, start_drag);
	const struct wlr_drag *drag = data;
	if (drag->icon != NULL) {
		wlr_scene_drag_icon_create(tiny->layers[TINY_LAYER_DRAG_ICON], drag->icon);
	}
}

bool tiny_seat_init(struct tiny *tiny) {
	struct wlr_seat *seat = tiny->seat = wlr_seat_create(tiny->display, "seat0");
	if (seat == NULL) {
		return false;
	}
	tiny_listen(&tiny->new_input, &tiny->backend->events.new_input, handle_new_input);
	tiny_listen(&tiny->request_selection, &seat->events.request_set_selection,
		handle_request_selection);
	tiny_listen(&tiny->request_primary_selection, &seat->events.request_set_primary_selection,
		handle_request_primary_selection);
	tiny_listen(&tiny->request_start_drag, &seat->events.request_start_drag,
		handle_request_start_drag);
	tiny_listen(&tiny->start_drag, &seat->events.start_drag, handle_start_drag);
	return true;
}

/* The seat itself goes with the display. */
void tiny_seat_finish(struct tiny *tiny) {
	tiny_unlisten(&tiny->new_input);
	tiny_unlisten(&tiny->request_selection);
	tiny_unlisten(&tiny->request_primary_selection);
	tiny_unlisten(&tiny->request_start_drag);
	tiny_unlisten(&tiny->start_drag);
}
