#ifndef SBX_CHECK_SURFACE_H
#define SBX_CHECK_SURFACE_H

#include "check/buffer.h"
#include "check/client.h"
#include "check/timeline.h"

/** Windows are small, so that a check costs little on any machine. */
#define WINDOW_SIZE 96

/** A wl_surface with explicit sync, and its role. */
struct surface {
	struct client *client;
	struct wl_surface *wl;
	struct wp_linux_drm_syncobj_surface_v1 *sync; /**< NULL: implicit */
	struct xdg_surface *xdg;
	struct xdg_toplevel *toplevel;
	struct wl_subsurface *sub;
	struct surface *parent; /**< of a subsurface */
	int width, height; /**< of the buffers that frame_new() makes */
	bool configured;
	bool closed;       /**< the compositor asked the window to close */
};

/** Without a role; with explicit sync. */
struct surface *surface_new(struct client *client);
/** A toplevel that has been configured and waits for its first buffer. */
struct surface *window_open(struct client *client);
/** One on a connection of its own. */
struct surface *a_window(struct check *check);
/** Same, of a client of which nobody says that it must not get an error. */
struct surface *a_bad_window(struct check *check);
/** Same, as large as the output. Ends the check as skipped if the compositor does not want to. */
struct surface *window_open_fullscreen(struct client *client);
/** A synchronised subsurface of half the parent's size, in its middle. */
struct surface *subsurface_open(struct surface *parent);

/** Start or end explicit sync on this surface. */
void surface_get_sync(struct surface *surface);
void surface_destroy_sync(struct surface *surface);

/** Pending state, as the protocol has it; buffer may be NULL. */
void surface_attach(struct surface *surface, struct buffer *buffer);
void surface_set_acquire(struct surface *surface, struct point point);
void surface_set_release(struct surface *surface, struct point point);
void surface_commit(struct surface *surface);

/** attach(NULL) and commit. */
void surface_commit_nothing(struct surface *surface);
/** Commit without touching anything. */
void surface_commit_empty(struct surface *surface);
/** Role and wl_surface go; the sync object stays (destroy it before or after). */
void surface_destroy(struct surface *surface);
/** xdg_toplevel and xdg_surface go. */
void surface_destroy_role(struct surface *surface);
/** After an unmap: wait to be configured once more. */
void window_configure_again(struct surface *surface);

/** What the compositor told about one commit. */
struct commit {
	bool done;      /**< wl_surface.frame */
	bool presented; /**< wp_presentation_feedback */
	bool discarded;
	uint64_t sent_ns, done_ns, presented_ns;
};

/**
 * One picture: a buffer full of one colour that nothing else in this check has, with the
 * points of its next commit. Each frame has two timelines of its own.
 */
struct frame {
	struct surface *surface;
	struct buffer *buffer;
	uint32_t colour;
	struct point acquire, release;
	struct commit *commit; /**< the last one, NULL before */
};

/** Drawn, acquire point not signalled, not committed. */
struct frame *frame_new(struct surface *surface);
/** The same buffer for a further commit: a new colour (drawn), the next points. */
void frame_renew(struct frame *frame);
/** The next points; the picture stays. */
void frame_next_points(struct frame *frame);
/** Pending state: attach, damage, both points, and requests for the events of struct commit. */
void frame_attach(struct frame *frame);
/** frame_attach(), commit and flush. */
void frame_commit(struct frame *frame);
/** Signal the acquire point from the CPU. */
void frame_signal(struct frame *frame);
/** Put a pending vgem fence behind the acquire point. */
struct fence *frame_fence(struct frame *frame);

/** A colour that this check has not used yet. */
uint32_t check_colour(struct check *check);

#endif
