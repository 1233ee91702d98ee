/*
 * layer-shell: wallpapers, bars, launchers.
 */
#include <stdlib.h>
#include <wlr/types/wlr_layer_shell_v1.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_xdg_shell.h>
#include "tiny.h"

struct tiny_layer_surface {
	struct tiny_output *output;
	struct tiny *tiny;
	struct wlr_layer_surface_v1 *wlr;
	struct wlr_scene_layer_surface_v1 *scene;
	struct wl_list link;
	struct wl_listener map;
	struct wl_listener unmap;
	struct wl_listener commit;
	struct wl_listener new_popup;
	struct wl_listener destroy;
};

static enum tiny_layer find_layer(enum zwlr_layer_shell_v1_layer layer) {
	switch (layer) {
	case ZWLR_LAYER_SHELL_V1_LAYER_BACKGROUND:
		return TINY_LAYER_BACKGROUND;
	case ZWLR_LAYER_SHELL_V1_LAYER_BOTTOM:
		return TINY_LAYER_BOTTOM;
	case ZWLR_LAYER_SHELL_V1_LAYER_TOP:
		return TINY_LAYER_TOP;
	case ZWLR_LAYER_SHELL_V1_LAYER_OVERLAY:
		return TINY_LAYER_OVERLAY;
	}
	return TINY_LAYER_BOTTOM;
}

/* Those that reserve space (bars) come first: the others share what is left. */
static void arrange(struct tiny_output *output, struct wlr_box *usable, bool exclusive) {
	struct tiny_layer_surface *surface;
	wl_list_for_each(surface, &output->layer_surfaces, link) {
		if (surface->wlr->initialized &&
				(surface->wlr->current.exclusive_zone > 0) == exclusive) {
			wlr_scene_layer_surface_v1_configure(surface->scene, &output->box, usable);
		}
	}
}

void tiny_layers_arrange(struct tiny_output *output) {
	struct wlr_box usable = output->box;
	arrange(output, &usable, true);
	arrange(output, &usable, false);
	if (!wlr_box_equal(&usable, &output->usable)) {
		output->usable = usable;
		tiny_windows_arrange(output->tiny);
	}
}

void tiny_layers_close(struct tiny_output *output) {
	struct tiny_layer_surface *surface, *next;
	wl_list_for_each_safe(surface, next, &output->layer_surfaces, link) {
		wlr_layer_surface_v1_destroy(surface->wlr);
	}
}

static void handle_map(struct wl_listener *listener, void *data) {
	struct tiny_layer_surface *surface = wl_container_of(listener, surface, map);
	if (surface->wlr->current.keyboard_interactive) {
		tiny_window_focus(surface->tiny, NULL);
		tiny_keyboard_focus(surface->tiny, surface->wlr->surface);
	}
	tiny_pointer_refresh(surface->tiny);
}

static void handle_unmap(struct wl_listener *listener, void *data) {
	struct tiny_layer_surface *surface = wl_container_of(listener, surface, unmap);
	if (surface->wlr->current.keyboard_interactive) {
		tiny_window_focus_latest(surface->tiny);
	}
	tiny_pointer_refresh(surface->tiny);
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct tiny_layer_surface *surface = wl_container_of(listener, surface, commit);
	if (surface->wlr->current.committed & WLR_LAYER_SURFACE_V1_STATE_LAYER) {
		wlr_scene_node_reparent(&surface->scene->tree->node,
			surface->tiny->layers[find_layer(surface->wlr->current.layer)]);
	}
	if (surface->wlr->initial_commit || surface->wlr->current.committed != 0) {
		tiny_layers_arrange(surface->output);
	}
}

static void handle_new_popup(struct wl_listener *listener, void *data) {
	struct tiny_layer_surface *surface = wl_container_of(listener, surface, new_popup);
	tiny_popup_create(surface->tiny, data, surface->scene->tree);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct tiny_layer_surface *surface = wl_container_of(listener, surface, destroy);
	wl_list_remove(&surface->link);
	tiny_unlisten(&surface->map);
	tiny_unlisten(&surface->unmap);
	tiny_unlisten(&surface->commit);
	tiny_unlisten(&surface->new_popup);
	tiny_unlisten(&surface->destroy);
	tiny_layers_arrange(surface->output);
	free(surface);
}

static void listen_to_surface(struct tiny_layer_surface *surface) {
	struct wlr_layer_surface_v1 *wlr = surface->wlr;
	tiny_listen(&surface->map, &wlr->surface->events.map, handle_map);
	tiny_listen(&surface->unmap, &wlr->surface->events.unmap, handle_unmap);
	tiny_listen(&surface->commit, &wlr->surface->events.commit, handle_commit);
	tiny_listen(&surface->new_popup, &wlr->events.new_popup, handle_new_popup);
	tiny_listen(&surface->destroy, &wlr->events.destroy, handle_destroy);
}

static void handle_new_surface(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, new_layer_surface);
	struct wlr_layer_surface_v1 *wlr = data;
	struct tiny_output *output =
		wlr->output != NULL ? wlr->output->data : tiny_output_at(tiny, -1, -1);
	struct tiny_layer_surface *surface =
		output != NULL ? calloc(1, sizeof(*surface)) : NULL;
	if (surface == NULL) {
		wlr_layer_surface_v1_destroy(wlr);
		return;
	}
	wlr->output = output->wlr;
	surface->tiny = tiny;
	surface->output = output;
	surface->wlr = wlr;
	surface->scene = wlr_scene_layer_surface_v1_create(
		tiny->layers[find_layer(wlr->pending.layer)], wlr);
	if (surface->scene == NULL) {
		free(surface);
		wlr_layer_surface_v1_destroy(wlr);
		return;
	}
	wl_list_insert(output->layer_surfaces.prev, &surface->link);
	listen_to_surface(surface);
}

void tiny_layers_init(struct tiny *tiny) {
	struct wlr_layer_shell_v1 *shell = wlr_layer_shell_v1_create(tiny->display, 4);
	tiny_listen(&tiny->new_layer_surface, &shell->events.new_surface, handle_new_surface);
}

void tiny_layers_finish(struct tiny *tiny) {
	tiny_unlisten(&tiny->new_layer_surface);
}
