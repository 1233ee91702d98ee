/**
 * A frame's way to the screen.
 *
 * struct sbx_output attaches to any wlr_output: a monitor, a window of a parent compositor, a virtual
 * output. A compositor commits its frames through it, and then:
 *
 * - A composed frame reaches the screen with its completion, in the strongest way there is: as a fence of
 *   the commit (IN_FENCE_FD of KMS, an acquire point of the parent); else in the buffer's dma-bufs, where
 *   the driver looks there; else the commit itself waits on the event loop until the GPU is done. A commit
 *   is never tried again without its fence. A driver that refuses fences is remembered, and named once.
 * - A client's buffer that is scanned out directly is read by the plane until the flip that replaces it has
 *   happened, whatever else is committed meanwhile; until then it is locked, and its release point not
 *   signalled. A client's fence that has not signalled does not get to KMS, unless the options say so: the
 *   screen keeps its frame until it has, and cursor and other commits are free meanwhile.
 * - A flip whose event is lost stops the output for some seconds, not until it is switched off and on.
 * - A frame that cannot be shown (out of memory, EBUSY, a flip still pending) is tried again later, less and
 *   less often, without another's doing.
 * - Why a frame was not scanned out directly can be read at any time, and so can what happened to the
 *   others: sbx_output_get_info().
 *
 * With wlr_scene:
 *
 *	struct sbx_output *output = sbx_output_create(wlr_output, NULL);
 *	wl_signal_add(sbx_output_get_frame_signal(output), &frame_listener);
 *
 *	static void handle_frame(...) {
 *		sbx_scene_output_commit(output, scene_output, NULL);
 *		wlr_scene_output_send_frame_done(scene_output, &now);
 *	}
 *
 * Without: sbx_output_begin() and sbx_output_commit().
 *
 * Everything here is for the thread of the output's event loop.
 */
#ifndef SIGNALBOX_OUTPUT_H
#define SIGNALBOX_OUTPUT_H

#include <signalbox/api.h>
#include <stdbool.h>
#include <stdint.h>

struct sbx_output;
struct wl_signal;
struct wlr_allocator;
struct wlr_buffer_pass_options;
struct wlr_output;
struct wlr_output_state;
struct wlr_render_pass;
struct wlr_renderer;
struct wlr_scene_output;
struct wlr_scene_output_state_options;

/** When a frame is rendered, where the output's rhythm is known. */
enum sbx_schedule {
	/** At the wlr_output's frame event, which comes after the vblank: latency of up to a period. */
	SBX_SCHEDULE_OFF,
	/**
	 * As late as is safe: what CPU and GPU took for the last frames, by how much timers came late, and a
	 * margin are left until the vblank. After a frame that missed its vblank the next ones are begun at
	 * once. Needs sbx_renderer, which measures the GPU's time, or a renderer that draws with the CPU; with
	 * another one it is like OFF.
	 */
	SBX_SCHEDULE_AUTO,
	/** So long before the vblank, whatever it takes. */
	SBX_SCHEDULE_FIXED,
};

struct sbx_output_options {
	/** The frame signal comes then; it is also the last moment for the latch policy SBX_LATCH_DEADLINE. */
	enum sbx_schedule schedule;
	/** For SBX_SCHEDULE_FIXED, in microseconds. */
	uint32_t fixed_us;
	/** Never scan clients' buffers out directly. */
	bool no_scanout;
	/**
	 * Give a client's fence to the output although it has not signalled: the lowest latency for a client
	 * that one trusts. A slow one then holds up the whole output, cursor included.
	 */
	bool scanout_unsignalled;
};

/**
 * Attach to `output`; `options` may be NULL: all zero. One for each wlr_output: a second is refused (NULL,
 * logged). NULL also when out of memory or fds.
 *
 * It goes with the wlr_output, which need not have a renderer yet.
 */
SBX_API struct sbx_output *sbx_output_create(struct wlr_output *output,
	const struct sbx_output_options *options);

/** Detach. A frame that waits for its fence is dropped, and what is locked is unlocked. NULL is allowed. */
SBX_API void sbx_output_destroy(struct sbx_output *output);

/**
 * In place of wlr_output_init_render(), where there may be several GPUs. The allocator gives out memory of the
 * session's first GPU (or of none); whether another GPU, whose monitor `output` is, can show that depends
 * on both drivers. Where it cannot, the output gets an allocator of its own, for that GPU's memory, and
 * sbx_renderer draws into that: on the GPU where it can have the memory, else the CPU copies each frame there.
 * Where it can, nothing is changed. wlroots may copy the frame with a renderer of its own in both cases.
 *
 * What it returns is as wlr_output_init_render() says. wlr_output.allocator is the one chosen; it goes with the
 * output's backend. Call it for outputs with a struct sbx_output and for others.
 */
SBX_API bool sbx_output_init_render(struct wlr_output *output, struct wlr_allocator *allocator,
	struct wlr_renderer *renderer);

/** The one that is attached to `output`; NULL: none. */
SBX_API struct sbx_output *sbx_output_from_wlr_output(struct wlr_output *output);

/**
 * Emitted with the struct sbx_output when it is time to render: in place of wlr_output.events.frame, which
 * also comes while a frame still waits for its fence.
 */
SBX_API struct wl_signal *sbx_output_get_frame_signal(struct sbx_output *output);

/**
 * What wlr_scene_output_commit() does, with the guarantees above. `options` may be NULL.
 *
 * True: the frame is committed, or waits for its fence and is committed by itself, or nothing has changed.
 * False: it could not be; the screen keeps what it shows, and another frame event will come.
 */
SBX_API bool sbx_scene_output_commit(struct sbx_output *output, struct wlr_scene_output *scene_output,
	const struct wlr_scene_output_state_options *options);

/**
 * Begin to compose a frame into the output's next buffer, as wlr_output_begin_render_pass(); `options` may
 * be NULL, and must not have a signal timeline. NULL: not now, a frame is on its way or there is no buffer.
 *
 * The pass is submitted by sbx_output_commit(). `state` is the caller's and must live until then.
 */
SBX_API struct wlr_render_pass *sbx_output_begin(struct sbx_output *output,
	struct wlr_output_state *state, const struct wlr_buffer_pass_options *options);

/**
 * Submit `pass` and commit `state`. Without a pass (NULL) the state's buffer is a client's, to be scanned
 * out directly, or there is none. States with output layers are refused: a frame may have to wait, and the
 * layers' array is the caller's.
 *
 * Afterwards `state` is to be finished as ever; if the frame waits, what was in it has been taken out.
 *
 * True: committed, or it waits for its fence and is committed by itself. False: it could not be, and
 * the screen keeps what it shows; a client's buffer is then best composed
 * (sbx_output_info.scanout says why).
 */
SBX_API bool sbx_output_commit(struct sbx_output *output, struct wlr_render_pass *pass,
	struct wlr_output_state *state);

/** Another schedule, from the next frame on. `fixed_us` counts for SBX_SCHEDULE_FIXED only. */
SBX_API void sbx_output_set_schedule(struct sbx_output *output, enum sbx_schedule schedule,
	uint32_t fixed_us);

/**
 * From the next frame on frames may be shown at once, in the middle of a scanout, not at the vblank: the lowest
 * latency, and pictures that are torn. For a game in full screen that asks for it
 * (wp_tearing_control_v1), usually. wlr_output_state.tearing_page_flip asks the same for one frame.
 *
 * It is a wish: where the output refuses, the frame is shown at the vblank; sbx_output_info.torn counts those
 * that it did not refuse. The other guarantees stand: such a frame is committed when its fence has signalled
 * and not before (sbx_output_options.scanout_unsignalled does not count), it is the plane's until
 * the next one has taken its place, and its rendering is not delayed.
 */
SBX_API void sbx_output_set_tearing(struct sbx_output *output, bool tearing);

/** Whether a frame waits for its fence: what is begun now would have to wait behind it. */
SBX_API bool sbx_output_is_busy(const struct sbx_output *output);

/** How the output learns that a composed frame is done. */
enum sbx_fence_way {
	/** Not known yet, or the frame was done already. */
	SBX_FENCE_NONE,
	/** A fence of the commit. */
	SBX_FENCE_COMMIT,
	/** The buffer's own fences. */
	SBX_FENCE_IMPLICIT,
	/** It does not: the commit waits for it on the event loop. */
	SBX_FENCE_WAIT,
};

/** Why the last frame was not scanned out directly. */
enum sbx_scanout {
	/** It was. */
	SBX_SCANOUT_ACTIVE,
	/** There was no frame. */
	SBX_SCANOUT_NO_FRAME,
	/** It is forbidden: by sbx_output_options, or for all of wlroots by WLR_SCENE_DISABLE_DIRECT_SCANOUT. */
	SBX_SCANOUT_FORBIDDEN,
	/** Somebody demands composition (wlr_output_lock_attach_render()): a capture, usually. */
	SBX_SCANOUT_LOCKED,
	/** A cursor is drawn into the frame. */
	SBX_SCANOUT_CURSOR,
	/** Mode, format or power change with the frame. */
	SBX_SCANOUT_RECONFIGURED,
	/** Nothing is visible, or a plain colour. */
	SBX_SCANOUT_NO_BUFFER,
	/** More than one thing is visible, or what is seems not to be opaque. */
	SBX_SCANOUT_SEVERAL,
	/** The buffer has no dma-bufs: it is shared memory. */
	SBX_SCANOUT_NO_DMABUF,
	/** The buffer is turned or mirrored against the output. */
	SBX_SCANOUT_TRANSFORM,
	/** Colours need work: a colour transform, another colour space, YCbCr. */
	SBX_SCANOUT_COLOR,
	/** The output cannot show the buffer's format and modifier. */
	SBX_SCANOUT_FORMAT,
	/** The client's fence has failed, or did not signal in time. */
	SBX_SCANOUT_FENCE,
	/** The output refused in its test: size, position, scale, memory that cannot be imported, bandwidth. */
	SBX_SCANOUT_TEST,
	/** The test passed, and then the commit was refused; tried again after a while. */
	SBX_SCANOUT_COMMIT,
};

/** "active", "several", ...: for logs and tools. Static. */
SBX_API const char *sbx_scanout_name(enum sbx_scanout scanout);
SBX_API const char *sbx_fence_way_name(enum sbx_fence_way way);

/** What happened; counters count from the creation on. */
struct sbx_output_info {
	/** Of the last composed frame. */
	enum sbx_fence_way way;
	/** The driver refuses fences; and the errno with which it did, 0: not known. */
	bool refuses_fences;
	int refused_errno;
	enum sbx_scanout scanout;
	/** Frames committed, and those of them that were clients' buffers. */
	uint64_t frames, scanned_out;
	/** Frames that were committed to be shown at once, not at the vblank. */
	uint64_t torn;
	/** Commits that waited on the event loop for their fence. */
	uint64_t waited;
	/** Frames that were never shown: their fence failed or did not come, or something took their place. */
	uint64_t dropped;
	/** Commits that the output refused. */
	uint64_t refused;
	/** Flips that had not happened two seconds after their commit. */
	uint64_t late_flips;
	/**
	 * Those that had happened, and the kernel told nobody: the frame was committed once more, and the output
	 * went on. One that really does not happen is waited for, as long as it takes.
	 */
	uint64_t lost_flips;
	/** Frames that were shown at least one vblank after the one they were rendered for. */
	uint64_t missed_vblanks;
	/** By how much the last frame was begun later than it could have been, in microseconds. */
	uint32_t delay_us;
	/** What frames are expected to take, in microseconds; 0: not known. */
	uint32_t cpu_us, gpu_us;
	/** Clients' buffers that are locked for the screen now. */
	unsigned on_screen;
};

SBX_API void sbx_output_get_info(const struct sbx_output *output, struct sbx_output_info *info);

#endif
