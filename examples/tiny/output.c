/*
 * Monitors: modes, frames, the floor under everything.
 */
#include <stdlib.h>
#include <time.h>
#include <wlr/backend.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_xdg_output_v1.h>
#include <wlr/util/log.h>
#include "tiny.h"

static const float floor_color[4] = { 0.055f, 0.075f, 0.110f, 1 };

/*
 * The scene does the work: it finds out what changed, collects the acquire points of the buffers that are
 * visible and lets the renderer draw, or finds one client's buffer that can be shown as it is. The
 * struct sbx_output gives the frame to the monitor with the fence that it waits for. The thread that runs
 * this waits for none of it.
 */
static void handle_frame(struct wl_listener *listener, void *data) {
	struct tiny_output *output = wl_container_of(listener, output, frame);
	struct tiny_stats *stats = &output->tiny->stats;
	output->begun_ns = tiny_stats_now_ns();
	const struct wlr_scene_output_state_options options = {
		.color_transform = output->tiny->color_transform,
	};
	if (wlr_scene_output_needs_frame(output->scene_output)) {
		tiny_stats_frame_begin(stats);
		tiny_stats_frame_end(stats,
			sbx_scene_output_commit(output->sbx, output->scene_output, &options));
	}
	/* Clients may go on even if their last frame could not be shown. */
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	wlr_scene_output_send_frame_done(output->scene_output, &now);
}

static void handle_present(struct wl_listener *listener, void *data) {
	struct tiny_output *output = wl_container_of(listener, output, present);
	const struct wlr_output_event_present *event = data;
	uint64_t when_ns = (uint64_t)event->when.tv_sec * 1000000000 + (uint64_t)event->when.tv_nsec;
	if (event->presented && output->tiny->presented != NULL) {
		fprintf(output->tiny->presented, "%s %u %lld.%09ld\n", output->wlr->name, event->seq,
			(long long)event->when.tv_sec, event->when.tv_nsec);
	}
	if (event->presented && output->begun_ns > 0 && when_ns > output->begun_ns) {
		output->age_ns += when_ns - output->begun_ns;
		output->shown++;
		output->begun_ns = 0;
	}
}

/* The window of a nested tiny was resized, for one. */
static void handle_request_state(struct wl_listener *listener, void *data) {
	struct tiny_output *output = wl_container_of(listener, output, request_state);
	const struct wlr_output_event_request_state *event = data;
	wlr_output_commit_state(output->wlr, event->state);
}

static void output_destroy(struct tiny_output *output) {
	tiny_layers_close(output);
	output->wlr->data = NULL;
	tiny_unlisten(&output->frame);
	tiny_unlisten(&output->present);
	tiny_unlisten(&output->request_state);
	tiny_unlisten(&output->destroy);
	wl_list_remove(&output->link);
	if (output->floor != NULL) {
		wlr_scene_node_destroy(&output->floor->node);
	}
	free(output);
}

/*
 * A monitor was unplugged, or somebody closed the window of a nested tiny: on a seat another
 * monitor may come, in a window nothing will.
 */
static void handle_destroy(struct wl_listener *listener, void *data) {
	struct tiny_output *output = wl_container_of(listener, output, destroy);
	struct tiny *tiny = output->tiny;
	output_destroy(output);
	if (wl_list_empty(&tiny->outputs) && tiny->session == NULL) {
		wl_display_terminate(tiny->display);
	}
}

/* The monitor's own mode for --size WxH@HZ, NULL: it lists none. */
static struct wlr_output_mode *find_mode(struct wlr_output *output, const struct tiny_options *options) {
	struct wlr_output_mode *mode;
	wl_list_for_each(mode, &output->modes, link) {
		if (mode->width == options->width && mode->height == options->height &&
				abs(mode->refresh - options->refresh_mhz) < 1000) {
			return mode;
		}
	}
	return NULL;
}

static bool switch_on(struct tiny_output *output) {
	const struct tiny_options *options = &output->tiny->options;
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_enabled(&state, true);
	struct wlr_output_mode *mode = options->refresh_mhz == 0 ?
		wlr_output_preferred_mode(output->wlr) : find_mode(output->wlr, options);
	if (mode != NULL) {
		wlr_output_state_set_mode(&state, mode);
	} else if (options->width > 0) {
		wlr_output_state_set_custom_mode(&state, options->width, options->height,
			options->refresh_mhz);
	}
	if (options->adaptive_sync && output->wlr->adaptive_sync_supported) {
		wlr_output_state_set_adaptive_sync_enabled(&state, true);
	}
	bool on = wlr_output_commit_state(output->wlr, &state);
	wlr_output_state_finish(&state);
	return on;
}

static bool enter_layout(struct tiny_output *output) {
	struct tiny *tiny = output->tiny;
	struct wlr_output_layout_output *place = tiny->options.mirror ?
		wlr_output_layout_add(tiny->layout, output->wlr, 0, 0) :
		wlr_output_layout_add_auto(tiny->layout, output->wlr);
	output->scene_output = wlr_scene_output_create(tiny->scene, output->wlr);
	if (place == NULL || output->scene_output == NULL) {
		return false;
	}
	wlr_scene_output_layout_add_output(tiny->scene_layout, place, output->scene_output);
	return true;
}

static void handle_new_output(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, new_output);
	struct wlr_output *wlr = data;
	struct tiny_output *output = calloc(1, sizeof(*output));
	if (output == NULL) {
		return;
	}
	output->tiny = tiny;
	output->wlr = wlr;
	wlr->data = output;
	wl_list_init(&output->layer_surfaces);
	wl_list_insert(tiny->outputs.prev, &output->link);
	tiny_listen(&output->destroy, &wlr->events.destroy, handle_destroy);

	output->floor = wlr_scene_rect_create(tiny->layers[TINY_LAYER_FLOOR], 0, 0, floor_color);
	output->sbx = sbx_output_create(wlr, &tiny->options.output);
	if (output->floor == NULL || output->sbx == NULL ||
			!sbx_output_init_render(wlr, tiny->allocator, tiny->renderer) ||
			!switch_on(output) || !enter_layout(output)) {
		wlr_log(WLR_ERROR, "output %s stays dark: it cannot be switched on", wlr->name);
		output_destroy(output);
		return;
	}
	sbx_output_set_tearing(output->sbx, tiny->options.tearing);
	tiny_listen(&output->frame, sbx_output_get_frame_signal(output->sbx), handle_frame);
	tiny_listen(&output->present, &wlr->events.present, handle_present);
	tiny_listen(&output->request_state, &wlr->events.request_state, handle_request_state);
}

/* An output came, went, moved or has another size: all that is placed on it follows. */
static void handle_layout_change(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, layout_change);
	struct tiny_output *output;
	wl_list_for_each(output, &tiny->outputs, link) {
		wlr_output_layout_get_box(tiny->layout, output->wlr, &output->box);
		wlr_scene_node_set_position(&output->floor->node, output->box.x, output->box.y);
		wlr_scene_rect_set_size(output->floor, output->box.width, output->box.height);
		tiny_layers_arrange(output);
	}
	tiny_windows_arrange(tiny);
}

struct tiny_output *tiny_output_at(struct tiny *tiny, double x, double y) {
	struct wlr_output *wlr = wlr_output_layout_output_at(tiny->layout, x, y);
	if (wlr != NULL && wlr->data != NULL) {
		return wlr->data;
	}
	struct tiny_output *output;
	wl_list_for_each(output, &tiny->outputs, link) {
		return output;
	}
	return NULL;
}

static int64_t area_of(const struct wlr_output_mode *mode) {
	return (int64_t)mode->width * mode->height;
}

/* Of several with that size the first, which the monitor likes best. */
static struct wlr_output_mode *find_next_mode(struct wlr_output *output, bool larger) {
	int64_t now = (int64_t)output->width * output->height;
	struct wlr_output_mode *mode, *next = NULL;
	wl_list_for_each(mode, &output->modes, link) {
		int64_t area = area_of(mode);
		if ((larger ? area > now : area < now) &&
				(next == NULL || (larger ? area < area_of(next) : area > area_of(next)))) {
			next = mode;
		}
	}
	return next;
}

void tiny_output_change_mode(struct tiny_output *output, bool larger) {
	struct wlr_output_mode *mode = output != NULL ? find_next_mode(output->wlr, larger) : NULL;
	if (mode == NULL) {
		return;
	}
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_mode(&state, mode);
	wlr_output_commit_state(output->wlr, &state);
	wlr_output_state_finish(&state);
}

void tiny_outputs_init_render(struct tiny *tiny) {
	struct tiny_output *output;
	wl_list_for_each(output, &tiny->outputs, link) {
		sbx_output_init_render(output->wlr, tiny->allocator, tiny->renderer);
		wlr_damage_ring_add_whole(&output->scene_output->damage_ring);
		wlr_output_schedule_frame(output->wlr);
	}
}

void tiny_outputs_init(struct tiny *tiny) {
	tiny_listen(&tiny->new_output, &tiny->backend->events.new_output, handle_new_output);
	tiny_listen(&tiny->layout_change, &tiny->layout->events.change, handle_layout_change);
	wlr_xdg_output_manager_v1_create(tiny->display, tiny->layout);
}

/* The outputs themselves belong to the backend. */
void tiny_outputs_finish(struct tiny *tiny) {
	tiny_unlisten(&tiny->new_output);
	tiny_unlisten(&tiny->layout_change);
	struct tiny_output *output, *next;
	wl_list_for_each_safe(output, next, &tiny->outputs, link) {
		output_destroy(output);
	}
}
