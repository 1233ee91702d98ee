/**
 * tiny: a small but complete Wayland compositor on wlr_scene, drawn by signalbox.
 *
 * It shows what an integrator has to do: server.c creates the renderer and offers explicit sync to the
 * clients, output.c gives the frames to the screen; the other files are an ordinary compositor and know
 * nothing of signalbox.
 *
 *	main.c       options, signals, the started command
 *	server.c     the parts of wlroots that make a compositor, and their end
 *	output.c     monitors: modes, frames, background
 *	window.c     xdg-shell windows and popups: place, focus, move, resize, fill
 *	layer.c      layer-shell surfaces: wallpapers, bars, launchers
 *	seat.c       which devices there are; clipboard, drag and drop
 *	keyboard.c   keyboards and key bindings
 *	pointer.c    the cursor, and what it drags
 *	color.c      the monitors' colour profile
 *	headless.c   virtual outputs in place of monitors
 *	stats.c      what frames cost
 */
#ifndef TINY_H
#define TINY_H

#include <signalbox/output.h>
#include <signalbox/syncobj.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <wayland-server-core.h>
#include <wlr/util/box.h>

/** Stacking, bottom to top. The first four of layer-shell with windows between them. */
enum tiny_layer {
	TINY_LAYER_FLOOR, /* the plain colour under everything */
	TINY_LAYER_BACKGROUND,
	TINY_LAYER_BOTTOM,
	TINY_LAYER_WINDOWS,
	TINY_LAYER_TOP,
	TINY_LAYER_FULLSCREEN,
	TINY_LAYER_OVERLAY,
	TINY_LAYER_DRAG_ICON,
	TINY_LAYER_COUNT,
};

struct tiny_options {
	bool wlroots_renderer; /* wlr_renderer_autocreate() in place of ours, to compare */
	bool validation;       /* Vulkan validation layers */
	const char *device;    /* see struct sbx_renderer_options */
	bool mirror;           /* all outputs show the same */
	int width, height;     /* of outputs that have no list of modes (nested, headless); 0: theirs */
	int refresh_mhz;       /* of all outputs, with width and height; 0: theirs */
	enum sbx_latch_policy policy;
	const char *presented_path; /* a line for each frame that reached a monitor; NULL: none */
	struct sbx_output_options output; /* when frames are rendered, and more */
	bool adaptive_sync, tearing; /* of outputs that can */
	const char *icc_path;  /* a profile for all outputs; NULL: none */
	const char *headless;  /* virtual outputs, see headless.c; NULL: what the machine has */
};

/** What frames cost, summed since the first. */
struct tiny_stats {
	uint64_t frames;
	uint64_t frame_cpu_ns, frame_cpu_max_ns; /* of this thread, in the frame handler */
	uint64_t frame_ioctls;                   /* signalbox's, in the frame handler */
	uint64_t first_ns;                       /* CLOCK_MONOTONIC */
	uint64_t first_thread_ns, first_process_ns, first_ioctls;
	uint64_t begin_thread_ns, begin_ioctls; /* of the frame being made */
};

struct tiny_window;

/** What the pointer does with the window it holds. */
enum tiny_drag_mode {
	TINY_DRAG_NONE,
	TINY_DRAG_MOVE,
	TINY_DRAG_RESIZE,
};

struct tiny_drag {
	enum tiny_drag_mode mode;
	struct tiny_window *window;
	double x, y;        /* where the pointer was when it took hold */
	struct wlr_box box; /* where the window was then */
	uint32_t edges;     /* enum wlr_edges: which follow the pointer */
};

struct tiny {
	struct tiny_options options;
	struct tiny_stats stats;

	struct wl_display *display;
	struct wl_event_loop *loop;
	const char *socket; /* WAYLAND_DISPLAY of our clients */
	struct wlr_session *session; /* NULL unless on a seat of this machine */
	struct wlr_backend *backend;
	struct wlr_renderer *renderer;
	struct wlr_allocator *allocator;
	struct wlr_color_transform *color_transform; /* of all outputs; NULL: none */
	struct wlr_compositor *compositor;
	struct sbx_syncobj_manager *syncobj; /* NULL: no explicit sync, or wlroots' */
	FILE *presented; /* may be NULL */
	struct wl_listener renderer_lost;
	/** Where another renderer takes the place of one that was lost; NULL: it is not. */
	struct wl_event_source *renderer_idle;

	struct wlr_scene *scene;
	struct wlr_scene_tree *layers[TINY_LAYER_COUNT];
	struct wlr_output_layout *layout;
	struct wlr_scene_output_layout *scene_layout;

	struct wl_list outputs; /* tiny_output.link, the oldest first */
	struct wl_listener new_output;
	struct wl_listener layout_change;

	struct wl_list windows; /* tiny_window.link, mapped ones, in the order in which they appeared */
	struct tiny_window *focused; /* may be NULL */
	uint64_t focus_count;
	struct wl_listener new_window;
	struct wl_listener new_popup;
	struct wl_listener new_decoration;
	struct wl_listener new_layer_surface;

	struct wlr_seat *seat;
	struct wl_list keyboards; /* tiny_keyboard.link */
	bool has_pointer;       /* there is or was one */
	struct wl_listener new_input;
	struct wl_listener request_selection;
	struct wl_listener request_primary_selection;
	struct wl_listener request_start_drag;
	struct wl_listener start_drag;

	struct wlr_cursor *cursor;
	struct wlr_xcursor_manager *cursor_theme;
	bool cursor_used; /* nothing is drawn before the pointer's first motion */
	struct tiny_drag drag;
	struct wl_listener cursor_motion;
	struct wl_listener cursor_motion_absolute;
	struct wl_listener cursor_button;
	struct wl_listener cursor_axis;
	struct wl_listener cursor_frame;
	struct wl_listener request_cursor;
	struct wl_listener request_shape;
};

struct tiny_output {
	struct tiny *tiny;
	struct wlr_output *wlr;
	struct sbx_output *sbx; /* takes the frames to the screen */
	struct wlr_scene_output *scene_output;
	struct wlr_scene_rect *floor;
	struct wlr_box box;    /* in the layout; empty while the output is not there */
	struct wlr_box usable; /* what bars leave of it */
	struct wl_list link;
	struct wl_list layer_surfaces; /* tiny_layer_surface.link */
	/* From when rendering began to when the frame was shown, summed. */
	uint64_t begun_ns, age_ns, shown;
	struct wl_listener frame;
	struct wl_listener present;
	struct wl_listener request_state;
	struct wl_listener destroy;
};

/* server.c */

/**
 * Create everything up to a started backend. On failure the reason is logged and what exists is
 * left for tiny_finish().
 */
bool tiny_init(struct tiny *tiny);

/** Disconnect the clients and free everything; a half-made one too. */
void tiny_finish(struct tiny *tiny);

static inline void tiny_listen(struct wl_listener *listener, struct wl_signal *signal,
		wl_notify_func_t notify) {
	listener->notify = notify;
	wl_signal_add(signal, listener);
}

/** Stop listening; harmless if it never did (all zero) or was stopped before. */
static inline void tiny_unlisten(struct wl_listener *listener) {
	if (listener->link.next != NULL) {
		wl_list_remove(&listener->link);
		listener->link = (struct wl_list){ 0 };
	}
}

/* output.c */

void tiny_outputs_init(struct tiny *tiny);
void tiny_outputs_finish(struct tiny *tiny);
/** Give all outputs the renderer and allocator that `tiny` has now. */
void tiny_outputs_init_render(struct tiny *tiny);
/** The output at that place, else the first one. NULL if there is none. */
struct tiny_output *tiny_output_at(struct tiny *tiny, double x, double y);
/** The next larger or smaller one that the monitor lists, if there is one. `output` may be NULL. */
void tiny_output_change_mode(struct tiny_output *output, bool larger);

/* window.c */

void tiny_windows_init(struct tiny *tiny);
void tiny_windows_finish(struct tiny *tiny);
/** The window at that place, NULL if there is none. */
struct tiny_window *tiny_window_at(struct tiny *tiny, double x, double y);
/** Raise it and give it the keyboard. NULL: nobody has it. */
void tiny_window_focus(struct tiny *tiny, struct tiny_window *window);
/** Focus the window that comes after the focused one in the order of appearance. */
void tiny_window_focus_next(struct tiny *tiny);
/** Focus the window that had the keyboard last and still exists. */
void tiny_window_focus_latest(struct tiny *tiny);
void tiny_window_close(struct tiny_window *window);
void tiny_window_toggle_fullscreen(struct tiny_window *window);
/** Where it is, without shadows and borders, in the layout. */
struct wlr_box tiny_window_get_box(const struct tiny_window *window);
void tiny_window_move(struct tiny_window *window, int x, int y);
/** Ask for a size; the edges that are not in `edges` (enum wlr_edges) stay where they are. */
void tiny_window_resize(struct tiny_window *window, const struct wlr_box *box, uint32_t edges);
/** Windows that fill an output follow it. */
void tiny_windows_arrange(struct tiny *tiny);

struct wlr_scene_tree;
struct wlr_xdg_popup;
/** Show a popup in the scene tree of its parent. */
void tiny_popup_create(struct tiny *tiny, struct wlr_xdg_popup *popup,
	struct wlr_scene_tree *parent);

/* layer.c */

void tiny_layers_init(struct tiny *tiny);
void tiny_layers_finish(struct tiny *tiny);
/** Place the layer surfaces of an output and find out what they leave. */
void tiny_layers_arrange(struct tiny_output *output);
/** The output goes away, and its layer surfaces with it. */
void tiny_layers_close(struct tiny_output *output);

/* seat.c */

bool tiny_seat_init(struct tiny *tiny);
void tiny_seat_finish(struct tiny *tiny);
/** Tell the clients which kinds of devices there are. */
void tiny_seat_update_capabilities(struct tiny *tiny);

/* keyboard.c */

struct wlr_input_device;
struct wlr_surface;
void tiny_keyboards_finish(struct tiny *tiny);
void tiny_keyboard_add(struct tiny *tiny, struct wlr_input_device *device);
/** Give the keyboards to `surface`; NULL: to nobody. */
void tiny_keyboard_focus(struct tiny *tiny, struct wlr_surface *surface);
/** Whether the key that makes a command of a click or a letter (Alt) is held. */
bool tiny_keyboard_has_command(struct tiny *tiny);

/* pointer.c */

bool tiny_pointer_init(struct tiny *tiny);
void tiny_pointer_finish(struct tiny *tiny);
void tiny_pointer_add(struct tiny *tiny, struct wlr_input_device *device);
/** Take hold of a window. `edges` (enum wlr_edges) matter to TINY_DRAG_RESIZE. */
void tiny_pointer_drag(struct tiny *tiny, enum tiny_drag_mode mode, struct tiny_window *window,
	uint32_t edges);
/** The window is going away, or must not be dragged any more. */
void tiny_pointer_drop(struct tiny *tiny, const struct tiny_window *window);
/** What is under the pointer may have changed though it did not move. */
void tiny_pointer_refresh(struct tiny *tiny);

/* color.c */

/** Read options.icc_path, if there is one, for the renderer that there is. False: it is no use; logged. */
bool tiny_color_load(struct tiny *tiny);

/* headless.c */

/** A backend with these outputs ("800x600@60,640x480@60000/1001"). NULL: cannot be had (logged). */
struct wlr_backend *tiny_headless_create(struct wl_event_loop *loop, const char *outputs);

/* stats.c */

/** CLOCK_MONOTONIC. */
uint64_t tiny_stats_now_ns(void);
void tiny_stats_frame_begin(struct tiny_stats *stats);
/** `drawn`: the frame was committed; one that was not is not counted. */
void tiny_stats_frame_end(struct tiny_stats *stats, bool drawn);
/**
 * Write them as lines "name value", the library's counters as "counter.NAME value", what it says of an
 * output as "output.OUTPUT.NAME value". Returns false and logs when the file cannot be written.
 */
bool tiny_stats_write(const struct tiny *tiny, const char *path);

#endif
