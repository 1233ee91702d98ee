/**
 * The inside of the headless backend: see include/signalbox/headless.h for what it does.
 *
 *	headless.c         the backend, and its list of outputs
 *	headless_output.c  one output: what is queued, what is shown, and the virtual vblank
 */
#ifndef SBX_BACKEND_HEADLESS_H
#define SBX_BACKEND_HEADLESS_H

#include <signalbox/headless.h>
#include <wayland-server-core.h>
#include <wlr/backend/interface.h>
#include <wlr/interfaces/wlr_output.h>
#include "backend/desks.h"
#include "backend/readiness.h"
#include "backend/timer.h"
#include "backend/vblank.h"

struct sbx_headless {
	struct wlr_backend base;
	struct wl_event_loop *loop;
	struct wl_listener loop_destroy;
	int drm_fd; // -1: none
	bool started;
	unsigned output_count; // ever
	struct wl_list outputs; // sbx_headless_output.link, the oldest first
	struct sbx_desks desks;
};

/** A buffer, locked, and the point that is signalled when it is let go. All zero: none. */
struct sbx_headless_frame {
	struct wlr_buffer *buffer;
	struct wlr_drm_syncobj_timeline *signal_timeline;
	uint64_t signal_point;
};

struct sbx_headless_output {
	struct wlr_output base;
	struct sbx_headless *backend;
	struct wl_list link;
	struct sbx_vblank vblank;
	struct sbx_timer timer;

	struct sbx_headless_frame shown, queued;
	/** Of the queued frame. */
	struct sbx_readiness readiness;
	/** There is a commit to be answered with events.present and events.frame. */
	bool pending;
	/** The first moment from which the pending commit may be shown: it was made, and is ready. */
	int64_t earliest_ns;
	/** The next vblank that counts as late if the queued frame is still not ready then. */
	uint64_t late_seq;
	uint64_t late_vblanks;
	/** Commits up to this one are answered; those before shown_from are not shown, the others are. */
	uint32_t answered_seq, shown_from_seq, last_seq;
};

/** NULL: out of memory or fds, or out of range (logged). It is in backend->outputs, not announced. */
struct sbx_headless_output *sbx_headless_output_create(struct sbx_headless *backend,
	const struct sbx_headless_output_options *options);

#endif
