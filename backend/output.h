/**
 * The inside of struct sbx_output: see include/signalbox/output.h for what it does.
 *
 *	output.c   its life, the wlr_output's events, what is told to the outside
 *	commit.c   how a frame gets to the wlr_output, and what happens when it does not
 *	flip.c     a flip that does not happen; crtc.c asks the kernel about it
 *	plane.c    what the screen may be reading
 *	quirks.c   what drivers do otherwise
 *	scanout.c  why a frame was composed
 *	scheduler.c  when to render
 */
#ifndef SBX_BACKEND_OUTPUT_H
#define SBX_BACKEND_OUTPUT_H

#include <signalbox/output.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/addon.h>
#include "backend/desks.h"
#include "backend/plane.h"
#include "backend/readiness.h"
#include "backend/scheduler.h"
#include "backend/timer.h"

struct sbx_quirks;

enum {
	/** How long a composed frame may wait for the GPU, and a client's buffer for the client. */
	SBX_WAIT_COMPOSED_MS = 1000,
	SBX_WAIT_CLIENT_MS = 100,
	/** Between two tries of what was refused: doubles from the one to the other. */
	SBX_RETRY_MIN_MS = 8,
	SBX_RETRY_MAX_MS = 1000,
	/** A flip that takes longer is a driver's bug; looked at again after twice as long, up to the second. */
	SBX_FLIP_LATE_MS = 2000,
	SBX_FLIP_RETRY_MAX_MS = 16000,
	/** After a refused commit of a client's buffer so many frames are composed. */
	SBX_SCANOUT_PAUSE_FRAMES = 60,
	/** After a refused commit of a frame that may tear so many frames wait for the vblank, */
	SBX_TEARING_PAUSE_FRAMES = 60,
	/** and after refused tests 0, 1, 3, 7, ... up to that many. */
	SBX_TEARING_PAUSE_MAX_FRAMES = 255,
};

enum sbx_frame_kind {
	SBX_FRAME_COMPOSED,
	SBX_FRAME_CLIENT,
	/** A composed frame that was refused with its fence: without it, once it has signalled, as a test. */
	SBX_FRAME_SUSPECT,
};

struct sbx_output {
	struct wlr_output *wlr;
	struct wlr_addon addon;
	struct sbx_output_options options;
	struct sbx_output_info info;
	struct sbx_quirks *quirks;
	struct sbx_desks desks;
	struct sbx_plane plane;
	struct wl_signal frame;
	struct sbx_scheduler scheduler;
	struct sbx_pace *pace; // NULL: no memory for it
	/** For a frame that is not rendered at once. */
	struct sbx_timer render_timer;

	/** Of frames that are not wlr_scene's; made when it is needed. */
	struct wlr_drm_syncobj_timeline *timeline;
	uint64_t point;

	/** A frame that waits for its fence. */
	bool waits;
	enum sbx_frame_kind waiting_kind;
	struct wlr_output_state waiting;
	struct sbx_readiness readiness;
	struct sbx_timer wait_timer;
	bool wait_is_due;
	/** Something was damaged since it was drawn. */
	bool more;

	/** What was committed last, locked, and how it was placed. */
	struct wlr_buffer *front;
	struct wlr_fbox front_src_box;
	struct wlr_box front_dst_box;

	/** What was refused is tried again; all of it is drawn again if that is set. */
	struct sbx_timer retry_timer;
	int retry_ms;
	bool redraw;

	/** Until the flip of what was committed last has taken too long. */
	struct sbx_timer flip_timer;
	int flip_ms;
	bool flip_is_due, flip_is_late;

	/** We are committing: not somebody else. */
	bool committing;
	int suspect_errno;
	unsigned scanout_pause;
	bool tearing;
	unsigned tearing_pause, tearing_refusals; // in a row

	struct wl_listener wlr_frame, wlr_present, wlr_commit;
};

/** The frame that waits is not to be shown any more. Nothing happens if none does. */
void sbx_output_drop_waiting(struct sbx_output *output);

/** Commit the frame that waits, if it may be committed now. */
void sbx_output_advance(struct sbx_output *output);

/** Try again later; `redraw`: what was drawn is lost. */
void sbx_output_retry(struct sbx_output *output, bool redraw);

/** What is on the screen once more; `reconfigure`: past a flip that wlroots waits for. False: refused. */
bool sbx_output_commit_front(struct sbx_output *output, bool reconfigure);

/** A frame was committed; its flip has happened, or is not expected any more; the timer between. */
void sbx_output_watch_flip(struct sbx_output *output);
void sbx_output_forget_flip(struct sbx_output *output);
void sbx_output_handle_late_flip(struct sbx_output *output);

/** Tearing is wished for, or refused: whether frames are to be rendered without regard to the vblank. */
void sbx_output_update_at_once(struct sbx_output *output);

/** Whether the buffer is not the output's own. */
bool sbx_output_is_foreign(const struct sbx_output *output, struct wlr_buffer *buffer);

/** For the wait timer: it has taken too long. */
void sbx_output_give_up_waiting(struct sbx_output *output);

#endif
