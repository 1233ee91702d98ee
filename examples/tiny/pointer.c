/*
 * The cursor, and what it drags.
 */
#include <linux/input-event-codes.h>
#include <time.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_cursor_shape_v1.h>
#include <wlr/types/wlr_input_device.h>
#include <wlr/types/wlr_pointer.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/types/wlr_xcursor_manager.h>
#include <wlr/util/edges.h>
#include "tiny.h"

static struct wlr_surface *surface_at(struct tiny *tiny, double *local_x, double *local_y) {
	struct wlr_scene_node *node = wlr_scene_node_at(&tiny->scene->tree.node,
		tiny->cursor->x, tiny->cursor->y, local_x, local_y);
	if (node == NULL || node->type != WLR_SCENE_NODE_BUFFER) {
		return NULL;
	}
	struct wlr_scene_surface *surface =
		wlr_scene_surface_try_from_buffer(wlr_scene_buffer_from_node(node));
	return surface != NULL ? surface->surface : NULL;
}

static void show_default(struct tiny *tiny) {
	if (tiny->cursor_used) {
		wlr_cursor_set_xcursor(tiny->cursor, tiny->cursor_theme, "default");
	}
}

static void pass_on(struct tiny *tiny, uint32_t time_msec) {
	double x, y;
	struct wlr_surface *surface = surface_at(tiny, &x, &y);
	if (surface == NULL) {
		show_default(tiny);
		wlr_seat_pointer_notify_clear_focus(tiny->seat);
		return;
	}
	wlr_seat_pointer_notify_enter(tiny->seat, surface, x, y);
	wlr_seat_pointer_notify_motion(tiny->seat, time_msec, x, y);
}

/* Dragging */

static int at_least_one(int length) {
	return length > 1 ? length : 1;
}

static void drag_resize(const struct tiny_drag *drag, int dx, int dy) {
	struct wlr_box box = drag->box;
	if (drag->edges & WLR_EDGE_LEFT) {
		box.width = at_least_one(drag->box.width - dx);
		box.x = drag->box.x + drag->box.width - box.width;
	} else if (drag->edges & WLR_EDGE_RIGHT) {
		box.width = at_least_one(drag->box.width + dx);
	}
	if (drag->edges & WLR_EDGE_TOP) {
		box.height = at_least_one(drag->box.height - dy);
		box.y = drag->box.y + drag->box.height - box.height;
	} else if (drag->edges & WLR_EDGE_BOTTOM) {
		box.height = at_least_one(drag->box.height + dy);
	}
	tiny_window_resize(drag->window, &box, drag->edges);
}

static void drag_on(struct tiny *tiny) {
	const struct tiny_drag *drag = &tiny->drag;
	/* Whole pixels on both ends: a tablet's steps are no multiples of a pixel. */
	int dx = (int)tiny->cursor->x - (int)drag->x;
	int dy = (int)tiny->cursor->y - (int)drag->y;
	if (drag->mode == TINY_DRAG_MOVE) {
		tiny_window_move(drag->window, drag->box.x + dx, drag->box.y + dy);
	} else {
		drag_resize(drag, dx, dy);
	}
}

void tiny_pointer_drag(struct tiny *tiny, enum tiny_drag_mode mode, struct tiny_window *window,
		uint32_t edges) {
	tiny->drag = (struct tiny_drag){
		.mode = mode,
		.window = window,
		.x = tiny->cursor->x,
		.y = tiny->cursor->y,
		.box = tiny_window_get_box(window),
		.edges = edges,
	};
	/* The client sees the pointer leave: the rest of this click is not for it. */
	wlr_seat_pointer_notify_clear_focus(tiny->seat);
	wlr_cursor_set_xcursor(tiny->cursor, tiny->cursor_theme,
		mode == TINY_DRAG_MOVE ? "grabbing" : "all-resize");
}

static void drop(struct tiny *tiny) {
	tiny->drag = (struct tiny_drag){ 0 };
	show_default(tiny);
	tiny_pointer_refresh(tiny);
}

void tiny_pointer_drop(struct tiny *tiny, const struct tiny_window *window) {
	if (tiny->drag.window == window) {
		drop(tiny);
	}
}

/* The corner of the window that is next to the pointer. */
static uint32_t nearest_corner(struct tiny *tiny, const struct tiny_window *window) {
	struct wlr_box box = tiny_window_get_box(window);
	uint32_t edges = tiny->cursor->x < box.x + box.width / 2.0 ? WLR_EDGE_LEFT : WLR_EDGE_RIGHT;
	return edges | (tiny->cursor->y < box.y + box.height / 2.0 ? WLR_EDGE_TOP : WLR_EDGE_BOTTOM);
}

/* A click focuses; with Alt it takes hold of the window, and the client does not see it. */
static bool press(struct tiny *tiny, uint32_t button) {
	struct tiny_window *window = tiny_window_at(tiny, tiny->cursor->x, tiny->cursor->y);
	if (window == NULL) {
		return false;
	}
	tiny_window_focus(tiny, window);
	if (!tiny_keyboard_has_command(tiny)) {
		return false;
	}
	if (button == BTN_LEFT) {
		tiny_pointer_drag(tiny, TINY_DRAG_MOVE, window, WLR_EDGE_NONE);
	} else if (button == BTN_RIGHT) {
		tiny_pointer_drag(tiny, TINY_DRAG_RESIZE, window, nearest_corner(tiny, window));
	}
	return tiny->drag.mode != TINY_DRAG_NONE;
}

/* Events */

static void handle_moved(struct tiny *tiny, uint32_t time_msec) {
	if (!tiny->cursor_used) {
		tiny->cursor_used = true;
		show_default(tiny);
	}
	wlr_scene_node_set_position(&tiny->layers[TINY_LAYER_DRAG_ICON]->node,
		tiny->cursor->x, tiny->cursor->y);
	if (tiny->drag.mode != TINY_DRAG_NONE) {
		drag_on(tiny);
	} else {
		pass_on(tiny, time_msec);
	}
}

static void handle_motion(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, cursor_motion);
	const struct wlr_pointer_motion_event *event = data;
	wlr_cursor_move(tiny->cursor, &event->pointer->base, event->delta_x, event->delta_y);
	handle_moved(tiny, event->time_msec);
}

static void handle_motion_absolute(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, cursor_motion_absolute);
	const struct wlr_pointer_motion_absolute_event *event = data;
	wlr_cursor_warp_absolute(tiny->cursor, &event->pointer->base, event->x, event->y);
	handle_moved(tiny, event->time_msec);
}

static void handle_button(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, cursor_button);
	const struct wlr_pointer_button_event *event = data;
	if (event->state == WL_POINTER_BUTTON_STATE_RELEASED && tiny->drag.mode != TINY_DRAG_NONE) {
		/* The seat counts buttons, also those whose press the client did not see. */
		wlr_seat_pointer_notify_button(tiny->seat, event->time_msec, event->button,
			event->state);
		drop(tiny);
		return;
	}
	if (event->state == WL_POINTER_BUTTON_STATE_PRESSED && press(tiny, event->button)) {
		return;
	}
	wlr_seat_pointer_notify_button(tiny->seat, event->time_msec, event->button, event->state);
}

static void handle_axis(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, cursor_axis);
	const struct wlr_pointer_axis_event *event = data;
	wlr_seat_pointer_notify_axis(tiny->seat, event->time_msec, event->orientation, event->delta,
		event->delta_discrete, event->source, event->relative_direction);
}

static void handle_frame(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, cursor_frame);
	wlr_seat_pointer_notify_frame(tiny->seat);
}

/* Only the client that has the pointer may change how it looks. */
static bool may_set_cursor(struct tiny *tiny, const struct wlr_seat_client *client) {
	return tiny->cursor_used && tiny->drag.mode == TINY_DRAG_NONE &&
		client == tiny->seat->pointer_state.focused_client;
}

static void handle_request_cursor(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, request_cursor);
	const struct wlr_seat_pointer_request_set_cursor_event *event = data;
	if (may_set_cursor(tiny, event->seat_client)) {
		wlr_cursor_set_surface(tiny->cursor, event->surface, event->hotspot_x,
			event->hotspot_y);
	}
}

static void handle_request_shape(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, request_shape);
	const struct wlr_cursor_shape_manager_v1_request_set_shape_event *event = data;
	if (event->device_type == WLR_CURSOR_SHAPE_MANAGER_V1_DEVICE_TYPE_POINTER &&
			may_set_cursor(tiny, event->seat_client)) {
		wlr_cursor_set_xcursor(tiny->cursor, tiny->cursor_theme,
			wlr_cursor_shape_v1_name(event->shape));
	}
}

void tiny_pointer_refresh(struct tiny *tiny) {
	if (tiny->drag.mode == TINY_DRAG_NONE && tiny->has_pointer) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		pass_on(tiny, now.tv_sec * 1000 + now.tv_nsec / 1000000);
	}
}

void tiny_pointer_add(struct tiny *tiny, struct wlr_input_device *device) {
	wlr_cursor_attach_input_device(tiny->cursor, device);
	tiny->has_pointer = true;
}

bool tiny_pointer_init(struct tiny *tiny) {
	struct wlr_cursor *cursor = tiny->cursor = wlr_cursor_create();
	tiny->cursor_theme = wlr_xcursor_manager_create(NULL, 24);
	if (cursor == NULL || tiny->cursor_theme == NULL) {
		return false;
	}
	wlr_cursor_attach_output_layout(cursor, tiny->layout);
	tiny_listen(&tiny->cursor_motion, &cursor->events.motion, handle_motion);
	tiny_listen(&tiny->cursor_motion_absolute, &cursor->events.motion_absolute,
		handle_motion_absolute);
	tiny_listen(&tiny->cursor_button, &cursor->events.button, handle_button);
	tiny_listen(&tiny->cursor_axis, &cursor->events.axis, handle_axis);
	tiny_listen(&tiny->cursor_frame, &cursor->events.frame, handle_frame);
	tiny_listen(&tiny->request_cursor, &tiny->seat->events.request_set_cursor,
		handle_request_cursor);
	struct wlr_cursor_shape_manager_v1 *shapes =
		wlr_cursor_shape_manager_v1_create(tiny->display, 1);
	tiny_listen(&tiny->request_shape, &shapes->events.request_set_shape, handle_request_shape);
	return true;
}

void tiny_pointer_finish(struct tiny *tiny) {
	tiny_unlisten(&tiny->cursor_motion);
	tiny_unlisten(&tiny->cursor_motion_absolute);
	tiny_unlisten(&tiny->cursor_button);
	tiny_unlisten(&tiny->cursor_axis);
	tiny_unlisten(&tiny->cursor_frame);
	tiny_unlisten(&tiny->request_cursor);
	tiny_unlisten(&tiny->request_shape);
	if (tiny->cursor_theme != NULL) {
		wlr_xcursor_manager_destroy(tiny->cursor_theme);
	}
	if (tiny->cursor != NULL) {
		wlr_cursor_destroy(tiny->cursor);
	}
}
