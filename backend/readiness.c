#include <errno.h>
#include <wayland-server-core.h>
#include "backend/readiness.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"
#include "trace/counter.h"

static void stop_watching(struct sbx_readiness *readiness) {
	if (readiness->source != NULL) {
		wl_event_source_remove(readiness->source);
		readiness->source = NULL;
		sbx_count(SBX_COUNT_FDS, -2); // libwayland watches a duplicate
		sbx_fd_close(&readiness->fence_fd);
	}
}

static void end(struct sbx_readiness *readiness, enum sbx_readiness_state state, int64_t done_ns) {
	readiness->state = state;
	readiness->done_ns = done_ns;
	readiness->notify(readiness);
}

static void handle_gate(struct sbx_gate *gate) {
	struct sbx_readiness *readiness = wl_container_of(gate, readiness, gate);
	if (gate->state == SBX_GATE_SIGNALLED) {
		end(readiness, SBX_READINESS_DONE, sbx_kernel_now_ns());
	} else if (gate->state == SBX_GATE_FAILED) {
		end(readiness, SBX_READINESS_FAILED, sbx_kernel_now_ns());
	}
}

void sbx_readiness_await_point(struct sbx_readiness *readiness, struct sbx_desk *desk,
		struct sbx_point point, void (*notify)(struct sbx_readiness *readiness)) {
	sbx_readiness_cancel(readiness);
	readiness->notify = notify;
	sbx_gate_open(&readiness->gate, desk, point, handle_gate);
	if (readiness->gate.state == SBX_GATE_FAILED) {
		readiness->state = SBX_READINESS_FAILED;
	} else if (readiness->gate.state != SBX_GATE_SIGNALLED) {
		readiness->state = SBX_READINESS_PENDING;
	}
}

/* It is over. Whether well is what its info says; a fence that cannot be asked is not taken for good. */
static int handle_readable(int fd, uint32_t mask, void *data) {
	struct sbx_readiness *readiness = data;
	struct sbx_fence_info info;
	bool good = sbx_fence_info(fd, &info) == 0 && info.error == 0;
	bool has_time = good && info.timestamp_ns > 0 && info.timestamp_ns < INT64_MAX;
	stop_watching(readiness);
	end(readiness, good ? SBX_READINESS_DONE : SBX_READINESS_FAILED,
		has_time ? (int64_t)info.timestamp_ns : sbx_kernel_now_ns());
	return 0;
}

int sbx_readiness_await_fence(struct sbx_readiness *readiness, struct wl_event_loop *loop, int *sync_file,
		void (*notify)(struct sbx_readiness *readiness)) {
	int error = 0;
	bool over = *sync_file < 0 || sbx_fence_status(*sync_file, &error) > 0;
	struct wl_event_source *source = NULL;
	if (!over) {
		source = wl_event_loop_add_fd(loop, *sync_file, WL_EVENT_READABLE, handle_readable, readiness);
		if (source == NULL) {
			return -ENOMEM;
		}
	}
	sbx_readiness_cancel(readiness);
	readiness->notify = notify;
	if (over) {
		readiness->state = error == 0 ? SBX_READINESS_DONE : SBX_READINESS_FAILED;
		sbx_fd_close(sync_file);
		return 0;
	}
	sbx_count(SBX_COUNT_FDS, 2);
	readiness->source = source;
	readiness->fence_fd = sbx_fd_steal(sync_file);
	readiness->state = SBX_READINESS_PENDING;
	return 0;
}

void sbx_readiness_cancel(struct sbx_readiness *readiness) {
	sbx_gate_withdraw(&readiness->gate);
	readiness->gate.desk = NULL;
	stop_watching(readiness);
	readiness->state = SBX_READINESS_DONE;
	readiness->done_ns = 0;
}
