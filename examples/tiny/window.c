/*
 * xdg-shell: windows and their popups.
 */
#include <stdlib.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_xdg_decoration_v1.h>
#include <wlr/types/wlr_xdg_shell.h>
#include <wlr/util/edges.h>
#include <wlr/util/log.h>
#include "tiny.h"

#define BORDER 2
#define GAP 16 /* around a new window */
#define BOUNDS_SINCE 4 /* version of xdg_toplevel */

static const float border_color[4] = { 0.18f, 0.22f, 0.30f, 1 };
static const float border_focused_color[4] = { 0.95f, 0.65f, 0.15f, 1 };

enum fill {
	FILL_NONE,
	FILL_USABLE, /* maximized */
	FILL_OUTPUT, /* fullscreen */
};

struct tiny_window {
	struct tiny *tiny;
	struct wlr_xdg_toplevel *toplevel;
	struct wlr_scene_tree *tree; /* at the top left corner of what the user sees as the window */
	struct wlr_scene_rect *borders[4];
	struct wl_list link;
	uint64_t focus_count; /* tiny's when it got the keyboard */
	enum fill fill;
	struct wlr_box free_box; /* where it was before it filled an output */

	/* While it is resized: where it should be, which edges move, and from which configure on. */
	struct wlr_box resize_box;
	uint32_t resize_edges;
	uint32_t resize_serial;

	struct wl_listener map;
	struct wl_listener unmap;
	struct wl_listener commit;
	struct wl_listener destroy;
	struct wl_listener request_move;
	struct wl_listener request_resize;
	struct wl_listener request_maximize;
	struct wl_listener request_fullscreen;
};

struct tiny_popup {
	struct tiny *tiny;
	struct wlr_xdg_popup *wlr;
	struct wlr_scene_tree *tree;
	struct wl_listener commit;
	struct wl_listener reposition;
	struct wl_listener destroy;
};

struct tiny_decoration {
	struct wlr_xdg_toplevel_decoration_v1 *wlr;
	struct wl_listener commit;
	struct wl_listener request_mode;
	struct wl_listener destroy;
};

/* Places and sizes */

struct wlr_box tiny_window_get_box(const struct tiny_window *window) {
	return (struct wlr_box){
		.x = window->tree->node.x,
		.y = window->tree->node.y,
		.width = window->toplevel->base->geometry.width,
		.height = window->toplevel->base->geometry.height,
	};
}

static void arrange_borders(struct tiny_window *window) {
	struct wlr_box box = tiny_window_get_box(window);
	const struct wlr_box sides[4] = {
		{ -BORDER, -BORDER, box.width + 2 * BORDER, BORDER },
		{ -BORDER, box.height, box.width + 2 * BORDER, BORDER },
		{ -BORDER, 0, BORDER, box.height },
		{ box.width, 0, BORDER, box.height },
	};
	for (int i = 0; i < 4; i++) {
		wlr_scene_node_set_enabled(&window->borders[i]->node, window->fill == FILL_NONE);
		wlr_scene_node_set_position(&window->borders[i]->node, sides[i].x, sides[i].y);
		wlr_scene_rect_set_size(window->borders[i], sides[i].width, sides[i].height);
	}
}

static struct wlr_box grow(const struct wlr_box *box, int by) {
	return (struct wlr_box){
		box->x - by, box->y - by, box->width + 2 * by, box->height + 2 * by,
	};
}

static bool is_free(const struct tiny_window *window, const struct wlr_box *box) {
	struct wlr_box wanted = grow(box, GAP), common;
	const struct tiny_window *other;
	wl_list_for_each(other, &window->tiny->windows, link) {
		struct wlr_box taken = tiny_window_get_box(other);
		if (other != window && wlr_box_intersection(&common, &wanted, &taken)) {
			return false;
		}
	}
	return true;
}

/*
 * The first place, row by row, where the window covers no other one; in the middle if there is
 * none. The same windows in the same order always get the same places.
 */
static void place(struct tiny_window *window) {
	struct tiny *tiny = window->tiny;
	struct tiny_output *output = tiny_output_at(tiny, tiny->cursor->x, tiny->cursor->y);
	if (output == NULL) {
		return;
	}
	const struct wlr_box area = grow(&output->usable, -GAP);
	struct wlr_box box = tiny_window_get_box(window);
	for (box.y = area.y; box.y + box.height <= area.y + area.height; box.y += GAP / 2) {
		for (box.x = area.x; box.x + box.width <= area.x + area.width; box.x += GAP / 2) {
			if (is_free(window, &box)) {
				tiny_window_move(window, box.x, box.y);
				return;
			}
		}
	}
	tiny_window_move(window, area.x + (area.width - box.width) / 2,
		area.y + (area.height - box.height) / 2);
}

void tiny_window_move(struct tiny_window *window, int x, int y) {
	wlr_scene_node_set_position(&window->tree->node, x, y);
}

void tiny_window_resize(struct tiny_window *window, const struct wlr_box *box, uint32_t edges) {
	const struct wlr_xdg_toplevel_state *state = &window->toplevel->current;
	window->resize_box = *box;
	window->resize_box.width = box->width > state->min_width ? box->width : state->min_width;
	window->resize_box.height = box->height > state->min_height ? box->height : state->min_height;
	window->resize_edges = edges;
	window->resize_serial = wlr_xdg_toplevel_set_size(window->toplevel,
		window->resize_box.width, window->resize_box.height);
}

/*
 * The client draws at its own pace, and perhaps not the size it was asked for: the edges that the
 * user does not pull at stay where they are, whatever comes.
 */
static void follow_resize(struct tiny_window *window) {
	if (window->resize_edges == WLR_EDGE_NONE) {
		return;
	}
	const struct wlr_box *wanted = &window->resize_box;
	struct wlr_box box = tiny_window_get_box(window);
	if (window->resize_edges & WLR_EDGE_LEFT) {
		box.x = wanted->x + wanted->width - box.width;
	}
	if (window->resize_edges & WLR_EDGE_TOP) {
		box.y = wanted->y + wanted->height - box.height;
	}
	tiny_window_move(window, box.x, box.y);
	if (window->toplevel->base->current.configure_serial == window->resize_serial &&
			window->tiny->drag.window != window) {
		window->resize_edges = WLR_EDGE_NONE;
	}
}

static void arrange_filling(struct tiny_window *window) {
	struct wlr_box at = window->free_box;
	struct tiny_output *output =
		tiny_output_at(window->tiny, at.x + at.width / 2.0, at.y + at.height / 2.0);
	if (output == NULL || window->fill == FILL_NONE) {
		return;
	}
	const struct wlr_box *box = window->fill == FILL_OUTPUT ? &output->box : &output->usable;
	tiny_window_move(window, box->x, box->y);
	wlr_xdg_toplevel_set_size(window->toplevel, box->width, box->height);
}

static void set_fill(struct tiny_window *window, enum fill fill) {
	struct tiny *tiny = window->tiny;
	tiny_pointer_drop(tiny, window);
	wlr_xdg_toplevel_set_maximized(window->toplevel, fill == FILL_USABLE);
	wlr_xdg_toplevel_set_fullscreen(window->toplevel, fill == FILL_OUTPUT);
	/* Not while it still has the size of the monitor, although it was told to take its own again. */
	if (window->fill == FILL_NONE && !window->toplevel->current.fullscreen &&
			!window->toplevel->current.maximized) {
		window->free_box = tiny_window_get_box(window);
	}
	window->fill = fill;
	window->resize_edges = WLR_EDGE_NONE;
	wlr_scene_node_reparent(&window->tree->node, tiny->layers[
		fill == FILL_OUTPUT ? TINY_LAYER_FULLSCREEN : TINY_LAYER_WINDOWS]);
	if (fill == FILL_NONE) {
		tiny_window_move(window, window->free_box.x, window->free_box.y);
		wlr_xdg_toplevel_set_size(window->toplevel,
			window->free_box.width, window->free_box.height);
	} else {
		arrange_filling(window);
	}
	arrange_borders(window);
}

void tiny_window_toggle_fullscreen(struct tiny_window *window) {
	set_fill(window, window->fill == FILL_OUTPUT ? FILL_NONE : FILL_OUTPUT);
}

void tiny_windows_arrange(struct tiny *tiny) {
	struct tiny_window *window;
	wl_list_for_each(window, &tiny->windows, link) {
		arrange_filling(window);
	}
}

/* Focus */

struct tiny_window *tiny_window_at(struct tiny *tiny, double x, double y) {
	double local_x, local_y;
	struct wlr_scene_node *node =
		wlr_scene_node_at(&tiny->scene->tree.node, x, y, &local_x, &local_y);
	while (node != NULL && node->data == NULL) {
		node = node->parent != NULL ? &node->parent->node : NULL;
	}
	return node != NULL ? node->data : NULL;
}

static void show_focus(struct tiny_window *window, bool focused) {
	wlr_xdg_toplevel_set_activated(window->toplevel, focused);
	for (int i = 0; i < 4; i++) {
		wlr_scene_rect_set_color(window->borders[i],
			focused ? border_focused_color : border_color);
	}
}

void tiny_window_focus(struct tiny *tiny, struct tiny_window *window) {
	if (tiny->focused == window) {
		return;
	}
	if (tiny->focused != NULL) {
		show_focus(tiny->focused, false);
	}
	tiny->focused = window;
	if (window != NULL) {
		window->focus_count = ++tiny->focus_count;
		wlr_scene_node_raise_to_top(&window->tree->node);
		show_focus(window, true);
	}
	tiny_keyboard_focus(tiny, window != NULL ? window->toplevel->base->surface : NULL);
}

void tiny_window_focus_next(struct tiny *tiny) {
	if (wl_list_empty(&tiny->windows)) {
		return;
	}
	struct wl_list *next =
		tiny->focused != NULL ? tiny->focused->link.next : tiny->windows.next;
	if (next == &tiny->windows) {
		next = next->next;
	}
	struct tiny_window *window = wl_container_of(next, window, link);
	tiny_window_focus(tiny, window);
}

void tiny_window_focus_latest(struct tiny *tiny) {
	struct tiny_window *window, *latest = NULL;
	wl_list_for_each(window, &tiny->windows, link) {
		if (latest == NULL || window->focus_count > latest->focus_count) {
			latest = window;
		}
	}
	tiny->focused = NULL;
	tiny_window_focus(tiny, latest);
}

void tiny_window_close(struct tiny_window *window) {
	wlr_xdg_toplevel_send_close(window->toplevel);
}

/* A window's life */

static void handle_map(struct wl_listener *listener, void *data) {
	struct tiny_window *window = wl_container_of(listener, window, map);
	struct tiny *tiny = window->tiny;
	wl_list_insert(tiny->windows.prev, &window->link);
	arrange_borders(window);
	place(window);
	if (window->toplevel->requested.fullscreen) {
		set_fill(window, FILL_OUTPUT);
	} else if (window->toplevel->requested.maximized) {
		set_fill(window, FILL_USABLE);
	}
	tiny_window_focus(tiny, window);
	tiny_pointer_refresh(tiny);
}

static void handle_unmap(struct wl_listener *listener, void *data) {
	struct tiny_window *window = wl_container_of(listener, window, unmap);
	struct tiny *tiny = window->tiny;
	tiny_pointer_drop(tiny, window);
	wl_list_remove(&window->link);
	window->fill = FILL_NONE;
	window->resize_edges = WLR_EDGE_NONE;
	if (tiny->focused == window) {
		tiny_window_focus_latest(tiny);
	}
	tiny_pointer_refresh(tiny);
}

static void suggest_bounds(struct tiny_window *window) {
	struct tiny *tiny = window->tiny;
	struct tiny_output *output = tiny_output_at(tiny, tiny->cursor->x, tiny->cursor->y);
	if (output != NULL && wl_resource_get_version(window->toplevel->resource) >=
			BOUNDS_SINCE) {
		wlr_xdg_toplevel_set_bounds(window->toplevel, output->usable.width - 2 * GAP,
			output->usable.height - 2 * GAP);
	}
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct tiny_window *window = wl_container_of(listener, window, commit);
	struct wlr_xdg_surface *base = window->toplevel->base;
	if (base->initial_commit) {
		/* 0x0: the client chooses. */
		wlr_xdg_toplevel_set_wm_capabilities(window->toplevel,
			WLR_XDG_TOPLEVEL_WM_CAPABILITIES_MAXIMIZE |
			WLR_XDG_TOPLEVEL_WM_CAPABILITIES_FULLSCREEN);
		suggest_bounds(window);
		wlr_xdg_toplevel_set_size(window->toplevel, 0, 0);
		return;
	}
	if (base->surface->mapped) {
		follow_resize(window);
		arrange_borders(window);
	}
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct tiny_window *window = wl_container_of(listener, window, destroy);
	tiny_unlisten(&window->map);
	tiny_unlisten(&window->unmap);
	tiny_unlisten(&window->commit);
	tiny_unlisten(&window->destroy);
	tiny_unlisten(&window->request_move);
	tiny_unlisten(&window->request_resize);
	tiny_unlisten(&window->request_maximize);
	tiny_unlisten(&window->request_fullscreen);
	wlr_scene_node_destroy(&window->tree->node);
	free(window);
}

/*
 * A client asks to be dragged when the user presses on its title bar. It may name any old serial;
 * the button must be down and the window under the pointer, or we would move it by itself.
 */
static bool may_drag(const struct tiny_window *window) {
	struct tiny *tiny = window->tiny;
	return window->fill == FILL_NONE && tiny->seat->pointer_state.button_count > 0 &&
		tiny_window_at(tiny, tiny->cursor->x, tiny->cursor->y) == window;
}

static void handle_request_move(struct wl_listener *listener, void *data) {
	struct tiny_window *window = wl_container_of(listener, window, request_move);
	if (may_drag(window)) {
		tiny_pointer_drag(window->tiny, TINY_DRAG_MOVE, window, WLR_EDGE_NONE);
	}
}

static void handle_request_resize(struct wl_listener *listener, void *data) {
	struct tiny_window *window = wl_container_of(listener, window, request_resize);
	const struct wlr_xdg_toplevel_resize_event *event = data;
	if (may_drag(window)) {
		tiny_pointer_drag(window->tiny, TINY_DRAG_RESIZE, window, event->edges);
	}
}

/* The protocol wants an answer to each request, granted or not. Before the map, that is later. */
static void answer_fill(struct tiny_window *window, bool wanted, enum fill fill) {
	if (!window->toplevel->base->initialized) {
		return;
	}
	if (window->toplevel->base->surface->mapped) {
		set_fill(window, wanted ? fill : FILL_NONE);
	}
	wlr_xdg_surface_schedule_configure(window->toplevel->base);
}

static void handle_request_maximize(struct wl_listener *listener, void *data) {
	struct tiny_window *window = wl_container_of(listener, window, request_maximize);
	answer_fill(window, window->toplevel->requested.maximized, FILL_USABLE);
}

static void handle_request_fullscreen(struct wl_listener *listener, void *data) {
	struct tiny_window *window = wl_container_of(listener, window, request_fullscreen);
	answer_fill(window, window->toplevel->requested.fullscreen, FILL_OUTPUT);
}

static bool create_nodes(struct tiny_window *window) {
	struct wlr_xdg_surface *base = window->toplevel->base;
	window->tree = wlr_scene_tree_create(window->tiny->layers[TINY_LAYER_WINDOWS]);
	if (window->tree == NULL) {
		return false;
	}
	window->tree->node.data = window;
	for (int i = 0; i < 4; i++) {
		window->borders[i] = wlr_scene_rect_create(window->tree, 0, 0, border_color);
		if (window->borders[i] == NULL) {
			return false;
		}
	}
	struct wlr_scene_tree *surfaces = wlr_scene_xdg_surface_create(window->tree, base);
	/* Popups find their parent's tree here. */
	base->data = surfaces;
	return surfaces != NULL;
}

static void listen_to_window(struct tiny_window *window) {
	struct wlr_xdg_toplevel *toplevel = window->toplevel;
	struct wlr_surface *surface = toplevel->base->surface;
	tiny_listen(&window->map, &surface->events.map, handle_map);
	tiny_listen(&window->unmap, &surface->events.unmap, handle_unmap);
	tiny_listen(&window->commit, &surface->events.commit, handle_commit);
	tiny_listen(&window->destroy, &toplevel->events.destroy, handle_destroy);
	tiny_listen(&window->request_move, &toplevel->events.request_move, handle_request_move);
	tiny_listen(&window->request_resize, &toplevel->events.request_resize,
		handle_request_resize);
	tiny_listen(&window->request_maximize, &toplevel->events.request_maximize,
		handle_request_maximize);
	tiny_listen(&window->request_fullscreen, &toplevel->events.request_fullscreen,
		handle_request_fullscreen);
}

static void handle_new_window(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, new_window);
	struct wlr_xdg_toplevel *toplevel = data;
	struct tiny_window *window = calloc(1, sizeof(*window));
	if (window == NULL) {
		wl_resource_post_no_memory(toplevel->resource);
		return;
	}
	window->tiny = tiny;
	window->toplevel = toplevel;
	if (!create_nodes(window)) {
		if (window->tree != NULL) {
			wlr_scene_node_destroy(&window->tree->node);
		}
		free(window);
		wl_resource_post_no_memory(toplevel->resource);
		return;
	}
	listen_to_window(window);
}

/* Popups */

/* A menu that does not fit below the mouse opens above it, by the rules that the client gave. */
static void keep_popup_on_output(struct tiny_popup *popup) {
	struct wlr_scene_node *root = &popup->tree->node;
	while (root->parent->node.parent != &popup->tiny->scene->tree) {
		root = &root->parent->node;
	}
	struct tiny_output *output = tiny_output_at(popup->tiny, root->x, root->y);
	if (output == NULL) {
		return;
	}
	struct wlr_box box = output->box;
	box.x -= root->x;
	box.y -= root->y;
	if (root->data != NULL) {
		/* wlroots counts from the surface's corner, which may be that of a shadow. */
		const struct tiny_window *window = root->data;
		box.x += window->toplevel->base->geometry.x;
		box.y += window->toplevel->base->geometry.y;
	}
	wlr_xdg_popup_unconstrain_from_box(popup->wlr, &box);
}

static void handle_popup_commit(struct wl_listener *listener, void *data) {
	struct tiny_popup *popup = wl_container_of(listener, popup, commit);
	if (popup->wlr->base->initial_commit) {
		keep_popup_on_output(popup);
		wlr_xdg_surface_schedule_configure(popup->wlr->base);
	}
}

static void handle_popup_reposition(struct wl_listener *listener, void *data) {
	struct tiny_popup *popup = wl_container_of(listener, popup, reposition);
	keep_popup_on_output(popup);
}

static void handle_popup_destroy(struct wl_listener *listener, void *data) {
	struct tiny_popup *popup = wl_container_of(listener, popup, destroy);
	tiny_unlisten(&popup->commit);
	tiny_unlisten(&popup->reposition);
	tiny_unlisten(&popup->destroy);
	free(popup);
}

void tiny_popup_create(struct tiny *tiny, struct wlr_xdg_popup *wlr,
		struct wlr_scene_tree *parent) {
	struct tiny_popup *popup = calloc(1, sizeof(*popup));
	/* The scene destroys the tree together with the popup. */
	struct wlr_scene_tree *tree =
		popup != NULL ? wlr_scene_xdg_surface_create(parent, wlr->base) : NULL;
	if (tree == NULL) {
		free(popup);
		wl_resource_post_no_memory(wlr->resource);
		return;
	}
	popup->tiny = tiny;
	popup->wlr = wlr;
	popup->tree = tree;
	wlr->base->data = tree;
	tiny_listen(&popup->commit, &wlr->base->surface->events.commit, handle_popup_commit);
	tiny_listen(&popup->reposition, &wlr->events.reposition, handle_popup_reposition);
	tiny_listen(&popup->destroy, &wlr->events.destroy, handle_popup_destroy);
}

static void handle_new_popup(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, new_popup);
	struct wlr_xdg_popup *wlr = data;
	/* Without a parent it will become one of a layer surface, and layer.c will hear of it. */
	struct wlr_xdg_surface *parent = wlr->parent != NULL ?
		wlr_xdg_surface_try_from_wlr_surface(wlr->parent) : NULL;
	if (parent != NULL && parent->data != NULL) {
		tiny_popup_create(tiny, wlr, parent->data);
	}
}

/* Decorations: a border by us, no title bar by anybody. */

static void set_decoration(struct tiny_decoration *decoration) {
	if (decoration->wlr->toplevel->base->initialized) {
		wlr_xdg_toplevel_decoration_v1_set_mode(decoration->wlr,
			WLR_XDG_TOPLEVEL_DECORATION_V1_MODE_SERVER_SIDE);
	}
}

static void handle_decoration_commit(struct wl_listener *listener, void *data) {
	struct tiny_decoration *decoration = wl_container_of(listener, decoration, commit);
	if (decoration->wlr->toplevel->base->initial_commit) {
		set_decoration(decoration);
	}
}

static void handle_decoration_request(struct wl_listener *listener, void *data) {
	struct tiny_decoration *decoration = wl_container_of(listener, decoration, request_mode);
	set_decoration(decoration);
}

static void handle_decoration_destroy(struct wl_listener *listener, void *data) {
	struct tiny_decoration *decoration = wl_container_of(listener, decoration, destroy);
	tiny_unlisten(&decoration->commit);
	tiny_unlisten(&decoration->request_mode);
	tiny_unlisten(&decoration->destroy);
	free(decoration);
}

static void handle_new_decoration(struct wl_listener *listener, void *data) {
	struct wlr_xdg_toplevel_decoration_v1 *wlr = data;
	struct tiny_decoration *decoration = calloc(1, sizeof(*decoration));
	if (decoration == NULL) {
		return;
	}
	decoration->wlr = wlr;
	tiny_listen(&decoration->commit, &wlr->toplevel->base->surface->events.commit,
		handle_decoration_commit);
	tiny_listen(&decoration->request_mode, &wlr->events.request_mode,
		handle_decoration_request);
	tiny_listen(&decoration->destroy, &wlr->events.destroy, handle_decoration_destroy);
	set_decoration(decoration);
}

void tiny_windows_init(struct tiny *tiny) {
	struct wlr_xdg_shell *shell = wlr_xdg_shell_create(tiny->display, 6);
	tiny_listen(&tiny->new_window, &shell->events.new_toplevel, handle_new_window);
	tiny_listen(&tiny->new_popup, &shell->events.new_popup, handle_new_popup);
	struct wlr_xdg_decoration_manager_v1 *decorations =
		wlr_xdg_decoration_manager_v1_create(tiny->display);
	tiny_listen(&tiny->new_decoration, &decorations->events.new_toplevel_decoration,
		handle_new_decoration);
}

void tiny_windows_finish(struct tiny *tiny) {
	tiny_unlisten(&tiny->new_window);
	tiny_unlisten(&tiny->new_popup);
	tiny_unlisten(&tiny->new_decoration);
}
