#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/drm_syncobj.h>
#include "loan/loan.h"
#include "render/compose.h"
#include "render/wlr/buffer.h"
#include "render/wlr/pass.h"
#include "render/wlr/renderer.h"
#include "render/wlr/shadow.h"
#include "render/wlr/texture.h"
#include "render/wlr/timeline.h"
#include "sync/dmabuf.h"
#include "sync/fd.h"
#include "sync/sync_file.h"
#include "trace/counter.h"
#include "trace/log.h"

/*
 * A fence that failed before anyone looked at it counts as signalled, and only exporting it tells: two
 * ioctls a point. So it is looked for where few points are new, as in ordinary use, and the cost of a
 * frame stays bounded where many are.
 */
#define MAX_STATUS_CHECKS 2

/* Kernels before 6.0 cannot export the fences of a dma-buf; poll() waits for them. */
#define DMABUF_POLL_MS 1000

#define SECOND_NS INT64_C(1000000000)

/* Nothing is wrong with the fence or the client: a later frame may well succeed. */
static bool is_transient(int error) {
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

/* The line for a wait that was lost: whose fault it is, and which wait. */
static void log_lost(struct sbx_renderer *renderer, const struct sbx_pass_op *op, int error) {
	int64_t now = sbx_renderer_now_ns();
	if (renderer->lost_wait_logged_ns != 0 && now - renderer->lost_wait_logged_ns < SECOND_NS) {
		return;
	}
	renderer->lost_wait_logged_ns = now;
	char what[64] = "a dma-buf's own fences";
	if (op->wait_timeline != NULL) {
		snprintf(what, sizeof(what), "acquire point %" PRIu64, op->wait_point);
	}
	bool clients = op->wait_timeline != NULL && !is_transient(error);
	sbx_log_error("%s: cannot wait for %s of a texture of %ux%u: %s: left out of this frame",
		clients ? "client bug" : "kernel", what, op->texture->base.width,
		op->texture->base.height, error == -ENOENT ? "not materialised" : strerror(-error));
}

static bool grow_acquires(struct sbx_pass *pass) {
	if (pass->n_acquires < pass->acquires_capacity) {
		return true;
	}
	size_t capacity = pass->acquires_capacity * 2 + 16;
	struct sbx_acquire *acquires =
		reallocarray(pass->acquires, capacity, sizeof(*acquires));
	if (acquires == NULL) {
		return false;
	}
	pass->acquires = acquires;
	pass->acquires_capacity = capacity;
	return true;
}

static bool grow_points(struct sbx_pass *pass) {
	if (pass->acquires_capacity <= pass->points_capacity) {
		return true;
	}
	struct sbx_point *points =
		reallocarray(pass->points, pass->acquires_capacity, sizeof(*points));
	if (points == NULL) {
		return false;
	}
	pass->points = points;
	enum sbx_point_state *states =
		reallocarray(pass->states, pass->acquires_capacity, sizeof(*states));
	if (states == NULL) {
		return false;
	}
	pass->states = states;
	pass->points_capacity = pass->acquires_capacity;
	return true;
}

static int find_acquire(const struct sbx_pass *pass, const struct sbx_known_timeline *timeline,
		uint64_t value) {
	if (timeline->pass_serial != pass->serial) {
		return -1;
	}
	int i = timeline->first_acquire;
	while (i >= 0 && pass->acquires[i].point.value != value) {
		i = pass->acquires[i].next;
	}
	return i;
}

static int add_acquire(struct sbx_pass *pass, struct sbx_known_timeline *timeline,
		uint64_t value) {
	if (!grow_acquires(pass)) {
		return -ENOMEM;
	}
	int index = (int)pass->n_acquires++;
	pass->acquires[index] = (struct sbx_acquire){
		.timeline = timeline,
		.point = sbx_known_timeline_point(timeline, value),
		.state = SBX_POINT_UNMATERIALISED,
		.next = timeline->pass_serial == pass->serial ? timeline->first_acquire : -1,
	};
	timeline->pass_serial = pass->serial;
	timeline->first_acquire = index;
	return index;
}

static void lose(struct sbx_pass *pass, struct sbx_pass_op *op, int error) {
	op->lost = true;
	sbx_count(SBX_COUNT_WAITS_LOST, 1);
	log_lost(pass->renderer, op, error);
}

/*
 * Most textures of most frames have been waited for before: they cost nothing here. Exactly this point
 * must have been seen signalled: a client that resets its syncobj does not get a later, unsignalled
 * point taken for granted.
 */
static int collect_op(struct sbx_pass *pass, struct sbx_pass_op *op) {
	struct sbx_known_timeline *timeline = op->known != NULL ? op->known :
		sbx_known_timeline_get(pass->renderer, op->wait_timeline);
	if (timeline == NULL) {
		return -ENOMEM;
	}
	if (op->texture->ready_timeline == timeline->id &&
			op->texture->ready_point == op->wait_point) {
		return 0;
	}
	op->acquire = find_acquire(pass, timeline, op->wait_point);
	if (op->acquire < 0) {
		op->acquire = add_acquire(pass, timeline, op->wait_point);
	}
	return op->acquire < 0 ? -ENOMEM : 0;
}

/* Returns whether a resource was missing. */
static bool collect(struct sbx_pass *pass) {
	bool transient = false;
	for (size_t i = 0; i < pass->n_ops; i++) {
		struct sbx_pass_op *op = &pass->ops[i];
		if (op->wait_timeline == NULL || op->copied) {
			continue;
		}
		int error = collect_op(pass, op);
		if (error != 0) {
			lose(pass, op, error);
			transient = true;
		}
	}
	return transient;
}

static void query_file(struct sbx_pass *pass, struct sbx_drm_file *file) {
	size_t n = 0;
	for (size_t i = 0; i < pass->n_acquires; i++) {
		if (pass->acquires[i].timeline->file == file) {
			pass->points[n++] = pass->acquires[i].point;
		}
	}
	if (n == 0) {
		return;
	}
	int error = sbx_points_query(file->sync, pass->points, n, pass->states);
	n = 0;
	for (size_t i = 0; i < pass->n_acquires; i++) {
		if (pass->acquires[i].timeline->file == file) {
			pass->acquires[i].error = error;
			pass->acquires[i].state = error == 0 ? pass->states[n] : SBX_POINT_INVALID;
			n++;
		}
	}
}

/* One question a DRM file, however many points. */
static void query(struct sbx_pass *pass) {
	if (!grow_points(pass)) {
		for (size_t i = 0; i < pass->n_acquires; i++) {
			pass->acquires[i].error = -ENOMEM;
		}
		return;
	}
	struct sbx_drm_file *file;
	wl_list_for_each(file, &pass->renderer->drm_files, link) {
		query_file(pass, file);
	}
}

/* Let the frame wait for *fence. A fence that is over needs no wait; one that failed is refused. */
static int wait_for(struct sbx_pass *pass, struct sbx_frame *frame, int *fence) {
	int error = 0;
	int status = sbx_fence_status(*fence, &error);
	if (status > 0) {
		sbx_fd_close(fence);
		return error;
	}
	/* Whether it is pending is not known when the question fails: then it counts as pending. */
	int ret = sbx_frame_wait(frame, fence);
	pass->waits = true;
	sbx_fd_close(fence);
	return ret;
}

static int wait_for_point(struct sbx_pass *pass, struct sbx_frame *frame,
		const struct sbx_acquire *acquire) {
	int fence = -1;
	int error = sbx_point_export_sync_file(acquire->timeline->file->sync, acquire->point, &fence);
	return error != 0 ? error : wait_for(pass, frame, &fence);
}

static int check_signalled(const struct sbx_acquire *acquire) {
	int fence = -1, error = 0;
	if (sbx_point_export_sync_file(acquire->timeline->file->sync, acquire->point, &fence) == 0) {
		sbx_fence_status(fence, &error);
	}
	sbx_fd_close(&fence);
	return error;
}

static void resolve(struct sbx_pass *pass, struct sbx_frame *frame, struct sbx_acquire *acquire,
		bool check) {
	if (acquire->error != 0) {
		return;
	}
	switch (acquire->state) {
	case SBX_POINT_SIGNALLED:
		acquire->error = check ? check_signalled(acquire) : 0;
		break;
	case SBX_POINT_MATERIALISED:
		acquire->error = wait_for_point(pass, frame, acquire);
		break;
	case SBX_POINT_UNMATERIALISED:
		acquire->error = -ENOENT;
		break;
	case SBX_POINT_INVALID:
		acquire->error = -EBADF;
		break;
	}
}

/* Returns whether a resource was missing. */
static bool resolve_all(struct sbx_pass *pass, struct sbx_frame *frame) {
	size_t signalled = 0;
	for (size_t i = 0; i < pass->n_acquires; i++) {
		signalled += pass->acquires[i].state == SBX_POINT_SIGNALLED;
	}
	bool transient = false;
	for (size_t i = 0; i < pass->n_acquires; i++) {
		resolve(pass, frame, &pass->acquires[i], signalled <= MAX_STATUS_CHECKS);
		transient |= is_transient(pass->acquires[i].error);
	}
	return transient;
}

static void settle_op(struct sbx_pass *pass, struct sbx_pass_op *op) {
	const struct sbx_acquire *acquire = &pass->acquires[op->acquire];
	if (acquire->error != 0) {
		lose(pass, op, acquire->error);
	} else if (acquire->state == SBX_POINT_SIGNALLED) {
		op->texture->ready_timeline = acquire->timeline->id;
		op->texture->ready_point = op->wait_point;
	}
}

static int poll_dmabuf(int fd, bool write) {
	struct pollfd pollfd = { .fd = fd, .events = write ? POLLOUT : POLLIN };
	int ret = poll(&pollfd, 1, DMABUF_POLL_MS);
	return ret < 0 ? -errno : ret == 0 ? -ETIME : 0;
}

/* As wait_for(); but a driver's own fence that failed protects nothing any more. */
static int wait_for_implicit(struct sbx_pass *pass, struct sbx_frame *frame, int dmabuf_fd,
		bool write) {
	int fence = -1;
	int error = sbx_dmabuf_export_sync_file(dmabuf_fd, write, &fence);
	if (error == -ENOTSUP) {
		return poll_dmabuf(dmabuf_fd, write);
	}
	if (error == 0 && sbx_fence_wait(fence, 0) != 0) {
		pass->waits = true;
		error = sbx_frame_wait(frame, &fence);
	}
	sbx_fd_close(&fence);
	return error;
}

static int acquire_buffer(struct sbx_pass *pass, struct sbx_frame *frame,
		const struct sbx_wlr_buffer *buffer, bool write) {
	for (int i = 0; i < buffer->n_fds; i++) {
		int error = wait_for_implicit(pass, frame, buffer->fds[i], write);
		if (error != 0) {
			return error;
		}
	}
	return 0;
}

/* The loan has waited already, or has a fence to wait for; and the client uses no implicit sync. */
static int acquire_loan(struct sbx_pass *pass, struct sbx_frame *frame, const struct wlr_buffer *buffer) {
	int lent_fence = -1, fence = -1;
	int error = sbx_buffer_get_acquire_fence(buffer, &lent_fence);
	if (error == 0 && lent_fence >= 0) {
		error = sbx_fd_dup(lent_fence, &fence);
	}
	return error != 0 || fence < 0 ? error : wait_for(pass, frame, &fence);
}

static int acquire_texture(struct sbx_pass *pass, struct sbx_frame *frame,
		const struct sbx_wlr_buffer *buffer) {
	if (buffer == NULL) {
		return -ENOENT;
	}
	return sbx_buffer_is_on_loan(buffer->wlr) ? acquire_loan(pass, frame, buffer->wlr) :
		acquire_buffer(pass, frame, buffer, false);
}

static int acquire_implicit(struct sbx_pass *pass, struct sbx_frame *frame,
		struct sbx_texture *texture) {
	if (texture->implicit_serial == pass->serial) {
		return texture->implicit_error;
	}
	texture->implicit_serial = pass->serial;
	texture->implicit_error = acquire_texture(pass, frame, texture->buffer);
	return texture->implicit_error;
}

/* dma-bufs without a point; shared memory was copied and has nothing to wait for. */
static bool is_implicit(const struct sbx_pass_op *op) {
	return op->texture != NULL && op->wait_timeline == NULL && op->texture->is_dmabuf && !op->copied;
}

static int export_wait(struct sbx_pass *pass, const struct sbx_pass_op *op, int *fence) {
	struct sbx_known_timeline *timeline = sbx_known_timeline_get(pass->renderer, op->wait_timeline);
	return timeline == NULL ? -ENOMEM : sbx_point_export_sync_file(timeline->file->sync,
		sbx_known_timeline_point(timeline, op->wait_point), fence);
}

/* -EAGAIN is no failure: it will be drawn when it can be copied. */
static int refresh_copy(struct sbx_pass *pass, const struct sbx_pass_op *op) {
	struct sbx_wlr_buffer *buffer = op->texture->buffer;
	if (op->wait_timeline == NULL) {
		return sbx_shadow_refresh_lent(buffer);
	}
	int fence = -1;
	int error = export_wait(pass, op, &fence);
	if (error != 0) {
		log_lost(pass->renderer, op, error);
		return error;
	}
	error = sbx_shadow_refresh(buffer, fence);
	sbx_fd_close(&fence);
	if (error == -ECANCELED) {
		log_lost(pass->renderer, op, error);
	}
	return error;
}

/* What cannot be copied yet is drawn as it was before. */
void sbx_pass_refresh_copies(struct sbx_pass *pass) {
	pass->starved = false;
	if (pass->renderer->n_shadows == 0) {
		return;
	}
	for (size_t i = 0; i < pass->n_ops; i++) {
		struct sbx_pass_op *op = &pass->ops[i];
		struct sbx_wlr_buffer *buffer = op->texture != NULL ? op->texture->buffer : NULL;
		if (buffer == NULL || buffer->shadow == NULL) {
			continue;
		}
		op->copied = true;
		if (!sbx_shadow_is_stale(buffer)) {
			continue;
		}
		int error = refresh_copy(pass, op);
		op->lost = error != 0 && !buffer->shadow->has_content;
		pass->starved |= is_transient(error);
		if (error == 0) {
			sbx_buffer_trace_read(buffer->wlr, pass->number);
		}
	}
}

static bool settle(struct sbx_pass *pass, struct sbx_frame *frame) {
	bool transient = false;
	for (size_t i = 0; i < pass->n_ops; i++) {
		struct sbx_pass_op *op = &pass->ops[i];
		if (op->acquire >= 0) {
			settle_op(pass, op);
		} else if (is_implicit(op)) {
			int error = acquire_implicit(pass, frame, op->texture);
			if (error != 0) {
				lose(pass, op, error);
				transient |= is_transient(error);
			}
		}
	}
	return transient;
}

/*
 * What is left out is missing from the picture until its surface changes. Where it is for want of a
 * file descriptor or of memory, the previous frame is better: the pass fails and the compositor draws
 * all of it again. At most once a second, so that this is no way to stop the screen
 * (docs/decisions/0004-lost-waits.md).
 */
static bool may_postpone(struct sbx_renderer *renderer) {
	int64_t now = sbx_renderer_now_ns();
	if (renderer->postponed_ns != 0 && now - renderer->postponed_ns < SECOND_NS) {
		return false;
	}
	renderer->postponed_ns = now;
	return true;
}

int sbx_pass_acquire(struct sbx_pass *pass, struct sbx_frame *frame) {
	bool transient = pass->starved;
	transient |= collect(pass);
	if (pass->n_acquires > 0) {
		query(pass);
		transient |= resolve_all(pass, frame);
	}
	transient |= settle(pass, frame);
	if (transient && may_postpone(pass->renderer)) {
		return -EAGAIN;
	}
	/*
	 * Whoever read the target before may be at it still: a parent compositor, another GPU's copy, a
	 * capture. With explicit sync they are done when the swapchain gives the buffer out again, but
	 * not all of them use it, and asking costs one ioctl.
	 */
	int error = acquire_buffer(pass, frame, pass->buffer, true);
	if (error != 0) {
		sbx_log_error("render: cannot wait for the target's readers: %s", strerror(-error));
	}
	return error;
}
