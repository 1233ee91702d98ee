#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/drm_syncobj.h>
#include "render/device.h"
#include "render/wlr/buffer.h"
#include "render/wlr/pass.h"
#include "render/wlr/renderer.h"
#include "render/wlr/texture.h"
#include "render/wlr/timeline.h"
#include "sync/dmabuf.h"
#include "sync/fd.h"
#include "trace/log.h"

#define SECOND_NS UINT64_C(1000000000)
#define OWED_TIMER_MS 100

struct sbx_owed {
	struct wl_list link;
	struct wlr_drm_syncobj_timeline *timeline;
	uint64_t point;
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
		if (texture == NULL || op->wait_timeline != NULL || op->lost || texture->buffer == NULL ||
				texture->published_serial == pass->serial) {
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

int sbx_pass_publish(struct sbx_pass *pass, int *done_fd, uint64_t value) {
	struct completion done = {
		.device = pass->renderer->device,
		.value = value,
		.fd = done_fd,
	};
	int error = pass->signal_timeline != NULL ? publish_point(pass, &done) :
		publish_buffer(pass->buffer, true, &done);
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

void sbx_pass_publish_later(struct sbx_pass *pass, uint64_t value) {
	struct sbx_renderer *renderer = pass->renderer;
	struct sbx_owed *owed = pass->signal_timeline != NULL ? calloc(1, sizeof(*owed)) : NULL;
	if (owed == NULL) {
		return;
	}
	owed->timeline = wlr_drm_syncobj_timeline_ref(pass->signal_timeline);
	owed->point = pass->signal_point;
	owed->value = value;
	wl_list_insert(renderer->owed.prev, &owed->link);
	arm_owed_timer(renderer);
}

void sbx_publish_owed(struct sbx_renderer *renderer) {
	struct sbx_device *device = renderer->device;
	struct sbx_owed *owed, *next;
	wl_list_for_each_safe(owed, next, &renderer->owed, link) {
		if (device != NULL && (device->lost || owed->value > device->completed)) {
			continue;
		}
		wlr_drm_syncobj_timeline_signal(owed->timeline, owed->point);
		wlr_drm_syncobj_timeline_unref(owed->timeline);
		wl_list_remove(&owed->link);
		free(owed);
	}
	if (!wl_list_empty(&renderer->owed)) {
		arm_owed_timer(renderer);
	}
}
