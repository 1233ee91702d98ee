#include "loan/pace.h"
#include "render/batch.h"
#include "render/device.h"
#include "render/wlr/buffer.h"
#include "render/wlr/pass.h"
#include "render/wlr/renderer.h"
#include "render/wlr/work.h"
#include "sync/fd.h"
#include "sync/sync_file.h"
#include "trace/counter.h"

static void close_fence(struct sbx_work *work) {
	if (work->fence_fd >= 0) {
		sbx_count(SBX_COUNT_FDS, -1);
		sbx_fd_close(&work->fence_fd);
	}
}

/* Returns what the last pass took; -1: not known. */
static int64_t measured_ns(const struct sbx_work *work) {
	if (work->timed) {
		return sbx_timer_duration_ns(work->timer);
	}
	struct sbx_fence_info info;
	if (work->fence_fd < 0 || sbx_fence_info(work->fence_fd, &info) < 0 || info.status == 0) {
		return -1;
	}
	return (int64_t)info.timestamp_ns - work->sent_ns;
}

void sbx_work_begin(struct sbx_pass *pass) {
	struct sbx_work *work = &pass->buffer->work;
	int64_t work_ns = measured_ns(work);
	if (work_ns >= 0) {
		sbx_pace_report(pass->target, work_ns);
	}
	work->timed = false;
	close_fence(work);
	struct sbx_device *device = pass->renderer->device;
	if (pass->timer != NULL || device->caps.timestamp_valid_bits == 0 ||
			!sbx_pace_measures(pass->target)) {
		return;
	}
	if (work->timer == NULL) {
		work->timer = sbx_timer_create(device);
	}
	pass->timer = work->timer;
}

void sbx_work_sent(struct sbx_pass *pass, int64_t sent_ns, int done_fd) {
	struct sbx_work *work = &pass->buffer->work;
	if (pass->timer != NULL && pass->timer == work->timer) {
		work->timed = true;
	} else if (!pass->waits && sbx_pace_measures(pass->target)) {
		close_fence(work); // of another pass on the same target, begun before this one was submitted
		work->sent_ns = sent_ns;
		if (done_fd < 0) {
			sbx_pace_report(pass->target, sbx_renderer_now_ns() - sent_ns);
		} else if (sbx_fd_dup(done_fd, &work->fence_fd) == 0) {
			sbx_count(SBX_COUNT_FDS, 1);
		}
	}
}

void sbx_work_finish(struct sbx_work *work) {
	close_fence(work);
	sbx_timer_destroy(work->timer);
	work->timer = NULL;
}
