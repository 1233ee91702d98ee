/**
 * A render pass: what is to be drawn is only written down until the pass is submitted. Then the waits
 * are known, and what cannot be waited for can be left out.
 *
 * recorded (pass.c) -> acquire: what may be drawn, and after which fences (acquire.c)
 *   -> drawn (the composer) -> publish: who is told that it is done (publish.c)
 */
#ifndef SBX_RENDER_WLR_PASS_H
#define SBX_RENDER_WLR_PASS_H

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wlr/render/interface.h>
#include "render/compose.h"
#include "sync/point.h"

struct sbx_wlr_buffer;
struct sbx_known_grade;
struct sbx_known_timeline;
struct sbx_renderer;
struct sbx_texture;
struct wlr_drm_syncobj_timeline;

struct sbx_pass_op {
	/** NULL: a rectangle. Recorded (sbx_texture_record) until the pass is over. */
	struct sbx_texture *texture;
	/** Referenced until the pass is over; NULL: implicit sync. */
	struct wlr_drm_syncobj_timeline *wait_timeline;
	/** What is known of it; NULL: nothing yet. */
	struct sbx_known_timeline *known;
	uint64_t wait_point;
	/** Index in sbx_pass.acquires; -1: nothing to wait for. */
	int acquire;
	/** Its wait could not be had: it is not drawn. */
	bool lost;
	/** Of a buffer that the CPU copies: what is drawn is ours, there is nothing to wait for or to tell. */
	bool copied;
	bool clipped;
	/** A copy; its memory is used again by later passes. */
	pixman_region32_t clip;
	union {
		struct sbx_rect_op rect_op;
		struct sbx_texture_op texture_op;
	};
};

/** One point that the pass waits for, however many operations need it. */
struct sbx_acquire {
	struct sbx_known_timeline *timeline;
	struct sbx_point point;
	enum sbx_point_state state;
	/** 0; or why it cannot be waited for. */
	int error;
	/** The next one of the same timeline; -1: none. */
	int next;
};

struct sbx_pass {
	struct wlr_render_pass base;
	struct sbx_renderer *renderer;
	struct sbx_pass *next_idle;
	/** Locked. */
	struct wlr_buffer *target;
	struct sbx_wlr_buffer *buffer;
	struct sbx_timer *timer;
	/** Of the output's colour transform; NULL: there is none. */
	struct sbx_known_grade *known_grade;
	/** Referenced; NULL: implicit sync. */
	struct wlr_drm_syncobj_timeline *signal_timeline;
	uint64_t signal_point;

	struct sbx_pass_op *ops;
	size_t n_ops, ops_capacity;
	struct sbx_acquire *acquires;
	size_t n_acquires, acquires_capacity;
	/** For the batched question, as long as acquires. */
	struct sbx_point *points;
	enum sbx_point_state *states;
	size_t points_capacity;
	/** Unlike any other pass's. */
	uint64_t serial;
	/** The same for the recording (trace/): of all renderers of the process. */
	uint64_t number;
	/** Something could not be written down. */
	bool failed;
	/** Memory or a file descriptor was missing for a copy. */
	bool starved;
	/** The GPU has to wait for a fence of somebody else. */
	bool waits;
};

struct wlr_render_pass *sbx_pass_begin(struct wlr_renderer *renderer, struct wlr_buffer *buffer,
	const struct wlr_buffer_pass_options *options);

/** Free the passes kept for later. */
void sbx_pass_destroy_idle(struct sbx_renderer *renderer);

/** Bring textures up to date whose buffers the CPU copies; before the frame is begun. */
void sbx_pass_refresh_copies(struct sbx_pass *pass);

/**
 * Find out what every operation and the target have to wait for, and let `frame` wait for it.
 * Operations whose wait cannot be had are marked lost, counted, and named in the log.
 *
 * Returns 0, or a negative errno: then the pass is not to be drawn (the target cannot be waited for, or
 * a texture's wait failed for lack of a resource and the screen had better keep its previous frame).
 */
int sbx_pass_acquire(struct sbx_pass *pass, struct sbx_frame *frame);

/** Record that the pass reads the buffers on loan that it draws. */
void sbx_pass_trace_reads(const struct sbx_pass *pass);

/**
 * The frame was submitted as submission `value`: tell everyone who waits for it. *done_fd is consumed.
 *
 * Returns 0, or a negative errno: -ETIME or -ENODEV when the completion could neither be told nor waited
 * for.
 */
int sbx_pass_publish(struct sbx_pass *pass, int *done_fd, uint64_t value);

/** Nothing of the pass was or will be executed: whoever waits for its point need not. */
void sbx_pass_publish_nothing(struct sbx_pass *pass);

/**
 * The GPU may be at it for an unknown time, as submission `value`: the point is signalled once it is
 * known to be past that, or by the end of the device.
 */
void sbx_pass_publish_later(struct sbx_pass *pass, uint64_t value);

/**
 * Signal those points of sbx_pass_publish_later() whose submission is complete; all of them when
 * renderer->device is NULL: it no longer exists.
 */
void sbx_publish_owed(struct sbx_renderer *renderer);

#endif
