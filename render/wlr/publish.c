#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_buffer.h>
#include "loan/loan.h"
#include "loan/reader.h"
#include "render/device.h"
#include "render/wlr/buffer.h"
#include "render/wlr/pass.h"
#include "render/wlr/renderer.h"
#include "render/wlr/texture.h"
#include "render/wlr/timeline.h"
#include "sync/dmabuf.h"
#include "sync/fd.h"
#include "trace/log.h"
#include "trace/recorder.h"

#define SECOND_NS UINT64_C(1000000000)
#define OWED_TIMER_MS 100

struct sbx_owed {
	struct wl_list link;
	/** NULL: no point was promised. */
	struct wlr_drm_syncobj_timeline *timeline;
	uint64_t point;
	/** Of the loans that it reads; NULL: none. */
	struct sbx_reader *reader;
	/** The submission that it stands for. */
	uint64_t value;
};

/* The completion of a submission, on its way to those who wait for it. */
struct completion {
	struct sbx_device *device;
	uint64_t value;
	int *fd; /* -1: done */
};

/*
 * The fence could not be handed over: it is waited for here, and then there is nothing to hand over any
 * more. Never told before it is true.
 */
static int wait_instead(struct completion *done, const char *whom, int error) {
	if (*done->fd < 0) {
		return error;
	}
	sbx_log_error("kernel: %s cannot be told when a frame is done (%s): waiting for it", whom,
		strerror(-error));
	int ret = sbx_device_wait(done->device, done->value, SECOND_NS);
	if (ret == 0) {
		sbx_fd_close(done->fd);
	}
	return ret;
}

static int signal_point(struct sbx_pass *pass, int fence) {
	struct sbx_known_timeline *timeline =
		sbx_known_timeline_get(pass->renderer, pass->signal_timeline);
	if (timeline == NULL) {
		return -ENOMEM;
	}
	return sbx_point_import_sync_file(timeline->file->sync,
		sbx_known_timeline_point(timeline, pass->signal_point), fence);
}

static int publish_point(struct sbx_pass *pass, struct completion *done) {
	int error = signal_point(pass, *done->fd);
	if (error == 0) {
		return 0;
	}
	int ret = wait_instead(done, "a timeline", error);
	if (ret != 0) {
		return ret;
	}
	/* wlroots' own way takes other ioctls and other memory. */
	return signal_point(pass, -1) == 0 ||
		wlr_drm_syncobj_timeline_signal(pass->signal_timeline, pass->signal_point) ? 0 : -EIO;
}

static int publish_buffer(const struct sbx_wlr_buffer *buffer, bool write, struct completion *done) {
	for (int i = 0; i < buffer->n_fds && *done->fd >= 0; i++) {
		int error = sbx_dmabuf_import_sync_file(buffer->fds[i], write, *done->fd);
		if (error != 0) {
			error = wait_instead(done, "implicit sync", error);
		}
		if (error != 0) {
			return error;
		}
	}
	return 0;
}

/*
 * Clients with implicit sync draw again when the kernel says that we have read, whatever the target's
 * own sync is.
 */
static int publish_textures(struct sbx_pass *pass, struct completion *done) {
	for (size_t i = 0; i < pass->n_ops && *done->fd >= 0; i++) {
		struct sbx_pass_op *op = &pass->ops[i];
		struct sbx_texture *texture = op->texture;
		if (texture == NULL || op->wait_timeline != NULL || op->lost || op->copied ||
				texture->buffer == NULL ||
				texture->published_serial == pass->serial ||
				sbx_buffer_is_on_loan(texture->buffer->wlr)) {
			continue;
		}
		texture->published_serial = pass->serial;
		int error = publish_buffer(texture->buffer, false, done);
		if (error != 0) {
			return error;
		}
	}
	return 0;
}

/* The buffer that the operation sampled, if it is on loan. */
static struct wlr_buffer *borrowed_by(const struct sbx_pass_op *op) {
	struct sbx_wlr_buffer *buffer = op->texture != NULL && !op->lost && !op->copied ?
		op->texture->buffer : NULL;
	return buffer != NULL && sbx_buffer_is_on_loan(buffer->wlr) ? buffer->wlr : NULL;
}

static bool has_borrowed(const struct sbx_pass *pass) {
	for (size_t i = 0; i < pass->n_ops; i++) {
		if (borrowed_by(&pass->ops[i]) != NULL) {
			return true;
		}
	}
	return false;
}

void sbx_pass_trace_reads(const struct sbx_pass *pass) {
	for (size_t i = 0; sbx_is_tracing() && i < pass->n_ops; i++) {
		const struct wlr_buffer *buffer = borrowed_by(&pass->ops[i]);
		if (buffer != NULL) {
			sbx_buffer_trace_read(buffer, pass->number);
		}
	}
}

static int add_to_loans(struct sbx_pass *pass, struct sbx_reader *reader) {
	for (size_t i = 0; i < pass->n_ops; i++) {
		struct wlr_buffer *buffer = borrowed_by(&pass->ops[i]);
		if (buffer != NULL && !sbx_buffer_add_reader(buffer, reader)) {
			return -ENOMEM;
		}
	}
	return 0;
}

static int tell_loans(struct sbx_pass *pass, const struct completion *done) {
	int fence = -1;
	int error = sbx_fd_dup(*done->fd, &fence);
	if (error != 0) {
		return error;
	}
	struct sbx_reader *reader = sbx_reader_create(done->device, done->value, &fence);
	error = reader != NULL ? add_to_loans(pass, reader) : -ENOMEM;
	sbx_reader_unref(reader);
	sbx_fd_close(&fence);
	return error;
}

/*
 * One reader, and one fd, for all of them. Before anybody else is told: what fails there does not concern
 * the clients' buffers.
 */
static int publish_loans(struct sbx_pass *pass, struct completion *done) {
	if (*done->fd < 0 || !has_borrowed(pass)) {
		return 0;
	}
	int error = tell_loans(pass, done);
	return error != 0 ? wait_instead(done, "a loan", error) : 0;
}

int sbx_pass_publish(struct sbx_pass *pass, int *done_fd, uint64_t value) {
	struct completion done = {
		.device = pass->renderer->device,
		.value = value,
		.fd = done_fd,
	};
	int error = publish_loans(pass, &done);
	if (error == 0 && pass->signal_timeline != NULL) {
		error = publish_point(pass, &done);
	}
	/*
	 * Whoever gets the target with a point need not look at its own fences, but not everyone who gets
	 * it gets the point: wlr-export-dmabuf hands out the buffers of an output.
	 */
	if (error == 0) {
		error = publish_buffer(pass->buffer, true, &done);
	}
	if (error == 0) {
		error = publish_textures(pass, &done);
	}
	sbx_fd_close(done_fd);
	return error;
}

void sbx_pass_publish_nothing(struct sbx_pass *pass) {
	/* Earlier points of the timeline that are still pending stay so: a point is signalled only when
	 * those before it are. */
	if (pass->signal_timeline != NULL && signal_point(pass, -1) != 0) {
		wlr_drm_syncobj_timeline_signal(pass->signal_timeline, pass->signal_point);
	}
}

static int handle_owed_timer(void *data) {
	struct sbx_renderer *renderer = data;
	sbx_device_poll(renderer->device);
	sbx_publish_owed(renderer);
	return 0;
}

/* Nobody may be drawing any more: look again by ourselves, if there is an event loop. */
static void arm_owed_timer(struct sbx_renderer *renderer) {
	if (renderer->owed_timer == NULL && renderer->event_loop != NULL) {
		renderer->owed_timer = wl_event_loop_add_timer(renderer->event_loop, handle_owed_timer,
			renderer);
	}
	if (renderer->owed_timer != NULL) {
		wl_event_source_timer_update(renderer->owed_timer, OWED_TIMER_MS);
	}
}

/*
 * Without memory for a reader the buffers are locked for good instead: their loans never end, which is
 * better than to end while the GPU may be reading.
 */
static struct sbx_reader *borrow_for_long(struct sbx_pass *pass, uint64_t value) {
	if (!has_borrowed(pass)) {
		return NULL;
	}
	struct sbx_reader *reader = sbx_reader_create_open(pass->renderer->device, value);
	if (reader != NULL && add_to_loans(pass, reader) == 0) {
		return reader;
	}
	for (size_t i = 0; i < pass->n_ops; i++) {
		struct wlr_buffer *buffer = borrowed_by(&pass->ops[i]);
		if (buffer != NULL) {
			wlr_buffer_lock(buffer);
		}
	}
	return reader;
}

void sbx_pass_publish_later(struct sbx_pass *pass, uint64_t value) {
	struct sbx_renderer *renderer = pass->renderer;
	struct sbx_reader *reader = borrow_for_long(pass, value);
	if (reader == NULL && pass->signal_timeline == NULL) {
		return;
	}
	struct sbx_owed *owed = calloc(1, sizeof(*owed));
	if (owed == NULL) {
		// The reader is kept open, and with it the loans.
		return;
	}
	if (pass->signal_timeline != NULL) {
		owed->timeline = wlr_drm_syncobj_timeline_ref(pass->signal_timeline);
	}
	owed->point = pass->signal_point;
	owed->reader = reader;
	owed->value = value;
	wl_list_insert(renderer->owed.prev, &owed->link);
	arm_owed_timer(renderer);
}

static void owed_pay(struct sbx_owed *owed) {
	if (owed->timeline != NULL) {
		wlr_drm_syncobj_timeline_signal(owed->timeline, owed->point);
		wlr_drm_syncobj_timeline_unref(owed->timeline);
	}
	if (owed->reader != NULL) {
		sbx_reader_close(owed->reader);
		sbx_reader_unref(owed->reader);
	}
	wl_list_remove(&owed->link);
	free(owed);
}

void sbx_publish_owed(struct sbx_renderer *renderer) {
	struct sbx_device *device = renderer->device;
	struct sbx_owed *owed, *next;
	wl_list_for_each_safe(owed, next, &renderer->owed, link) {
		if (device != NULL && (device->lost || owed->value > device->completed)) {
			continue;
		}
		owed_pay(owed);
	}
	if (!wl_list_empty(&renderer->owed)) {
		arm_owed_timer(renderer);
	}
}
