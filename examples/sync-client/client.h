/**
 * sync-client: an ordinary Wayland client that draws into dma-bufs and commits them with explicit
 * acquire and release points (linux-drm-syncobj-v1), as a GPU driver does; but it draws with the
 * CPU and can do so as late as it likes.
 *
 *	main.c       options and the event loop
 *	frame.c      a frame's life: begin, draw, ready, replaced, released
 *	window.c     the globals and the window
 *	memory.c     pixels that are a dma-buf
 *	fence.c      DRM timelines, and fences that are pending until we say so
 *	series.c     numbers and their percentiles
 *	picture.c    what is drawn
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "picture.h"

#define MAX_BUFFERS 8
#define READY_HISTORY 64

/* series.c */

struct series {
	uint64_t *values;
	size_t count, capacity;
};

void series_add(struct series *series, uint64_t value);
/** `part` of 100 of the values are not above the result; 100 is the largest. 0 if there are none. */
uint64_t series_percentile(struct series *series, unsigned part);
uint64_t series_mean(const struct series *series);
void series_finish(struct series *series);

/* memory.c */

enum memory_kind {
	MEMORY_ANY,     /* the first of the others that works */
	MEMORY_DUMB,    /* dumb buffer of the display device; can be scanned out */
	MEMORY_UDMABUF, /* ordinary memory */
};

struct memory {
	enum memory_kind kind;
	int drm_fd; /* borrowed */
	uint32_t handle;
	int dmabuf_fd;
	void *pixels;
	size_t size;
	uint32_t stride;
};

/**
 * Allocate mapped XRGB8888 pixels that `memory->dmabuf_fd` gives to others. `drm_fd` is a primary
 * node or -1, lent for the life of the memory. Returns 0 or -errno, and then holds nothing.
 */
int memory_init(struct memory *memory, enum memory_kind kind, int drm_fd, int width, int height);
void memory_finish(struct memory *memory);
/** Tell the exporter that the CPU writes from now on, or has finished. */
void memory_write(struct memory *memory, bool begin);
const char *memory_kind_name(enum memory_kind kind);

/* fence.c */

enum fence_kind {
	FENCE_ANY,  /* vgem if there is one */
	FENCE_VGEM, /* a real kernel fence, pending while we draw */
	FENCE_CPU,  /* no fence: the point does not exist until we signal it */
};

/** A DRM timeline that both sides know. */
struct timeline {
	int drm_fd; /* borrowed */
	uint32_t handle;
	int fd; /* for the compositor */
};

int timeline_init(struct timeline *timeline, int drm_fd);
void timeline_finish(struct timeline *timeline);
/** Signal a point from the CPU. */
int timeline_signal(struct timeline *timeline, uint64_t point);
bool timeline_is_signalled(struct timeline *timeline, uint64_t point);
/** Write to `event_fd` when the point is signalled. -errno if this kernel cannot. */
int timeline_watch(struct timeline *timeline, uint64_t point, int event_fd);

/** Something that carries one pending fence at a time. */
struct fence_source {
	int vgem_fd; /* borrowed; -1: none, fences come from the CPU */
	uint32_t handle;
	int dmabuf_fd;
	uint32_t pending; /* 0: none */
};

/** Open the vgem device; -1 if there is none. */
int vgem_open(void);
/** `vgem_fd` is lent; -1 gives a source without real fences. */
int fence_source_init(struct fence_source *source, int vgem_fd);
void fence_source_finish(struct fence_source *source);
/** Put a fence at `point` that stays pending (vgem), or do nothing at all. */
int fence_source_arm(struct fence_source *source, struct timeline *timeline, uint64_t point);
/** Signal what fence_source_arm() left pending. */
int fence_source_signal(struct fence_source *source, struct timeline *timeline, uint64_t point);

/* frame.c */

enum buffer_state {
	BUFFER_FREE,
	BUFFER_DRAWING, /* committed, but its acquire point is not signalled yet */
	BUFFER_SHOWN,   /* the window's content, as far as we know */
	BUFFER_RETIRED, /* replaced; its release point will be signalled */
};

struct buffer {
	enum buffer_state state;
	struct client *client;
	struct memory memory;
	int width, height; /* 0: no memory yet */
	struct wl_buffer *wl_buffer;

	struct timeline acquire, release;
	struct wp_linux_drm_syncobj_timeline_v1 *wl_acquire, *wl_release;
	uint64_t point; /* of both timelines, for the latest commit */
	int release_fd; /* eventfd */
	bool released;
	struct fence_source source;

	uint32_t frame;
	uint64_t committed_ns, replaced_ns;
};

struct options {
	const char *name;
	const char *stats_path;
	const char *presented_path;
	int width, height;
	unsigned palette;
	int buffers;
	uint64_t frames;    /* 0: no limit */
	uint64_t hold;      /* frames after which the last one stays; 0: no limit */
	uint64_t run_ns;    /* 0: no limit */
	uint64_t late_ns;   /* 0: draw before the commit */
	bool no_points;     /* implicit sync, whatever is offered */
	bool no_wait;       /* the control: say ready before drawing */
	bool fullscreen;
	enum memory_kind memory;
	const char *node;   /* whose memory it is; NULL: the compositor's device */
	enum fence_kind fence;
};

/** When a frame was ready to be shown; UINT64_MAX: not yet. */
struct ready {
	struct client *client;
	uint64_t at_ns;
	uint64_t committed_ns;
	struct wp_presentation_feedback *feedback; /* NULL: answered, or never asked for */
};

struct client {
	struct options options;
	bool explicit_sync;

	/* window.c */
	struct wl_display *display;
	struct wl_registry *registry;
	struct wl_compositor *compositor;
	struct xdg_wm_base *shell;
	struct zwp_linux_dmabuf_v1 *dmabuf;
	struct wp_linux_drm_syncobj_manager_v1 *syncobj;
	struct wp_presentation *presentation;
	struct wl_surface *surface;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel;
	struct wp_linux_drm_syncobj_surface_v1 *sync_surface;
	struct wl_callback *frame_callback;
	dev_t device;       /* which the compositor wants buffers from */
	bool takes_format;  /* XRGB8888, linear */
	bool configured;
	int width, height;
	bool closed; /* by the user */

	int drm_fd, vgem_fd;
	int memory_fd; /* of dumb buffers; may be drm_fd */

	/* frame.c */
	struct buffer buffers[MAX_BUFFERS];
	struct buffer *shown, *drawing; /* may be NULL */
	int drawn_rows;
	bool wants_frame; /* the compositor is ready for one */
	bool must_poll;   /* nothing wakes us when a point is signalled */
	bool failed;
	uint32_t next_frame;
	struct ready ready[READY_HISTORY]; /* by frame number */

	uint64_t start_ns, end_ns;
	uint64_t frames, presented, discarded;
	FILE *presented_file;    /* NULL: not asked for */
	uint64_t early_releases; /* released while it was the window's content */
	uint64_t early_shows;    /* on a monitor before it was ready */
	struct series acquire_waits, releases, displays, latencies;
};

uint64_t now_ns(void);
bool frames_init(struct client *client);
void frames_finish(struct client *client);
/** Do what can be done now. Returns when to come back at the latest (now_ns()), 0: no matter. */
uint64_t frames_step(struct client *client);
/** The compositor gave `buffer` back, by whichever way. */
void frames_released(struct client *client, struct buffer *buffer);

/* window.c */

bool window_init(struct client *client);
void window_finish(struct client *client);
struct wl_buffer *window_import(struct client *client, const struct memory *memory, int width,
	int height);
bool window_import_timelines(struct client *client, struct buffer *buffer);
void window_forget_timelines(struct buffer *buffer);
/** Show `buffer`: attach, points, frame callback, commit. */
void window_commit(struct client *client, struct buffer *buffer);

#endif
