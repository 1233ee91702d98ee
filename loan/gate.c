#include <errno.h>
#include <string.h>
#include "loan/desk.h"
#include "loan/gate.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"
#include "sync/waiter.h"
#include "trace/counter.h"
#include "trace/log.h"
#include "trace/recorder.h"

enum gate_event {
	POINT_MATERIALISED,
	POINT_SIGNALLED,
	FENCE_SIGNALLED,
	FENCE_FAILED,
	WITHDRAW,
};

static const char *const state_names[] = {
	[SBX_GATE_UNMATERIALISED] = "unmaterialised",
	[SBX_GATE_MATERIALISED] = "materialised",
	[SBX_GATE_SIGNALLED] = "signalled",
	[SBX_GATE_FAILED] = "failed",
	[SBX_GATE_WITHDRAWN] = "withdrawn",
};

static const char *const event_names[] = {
	[POINT_MATERIALISED] = "point materialised",
	[POINT_SIGNALLED] = "point signalled",
	[FENCE_SIGNALLED] = "fence signalled",
	[FENCE_FAILED] = "fence failed",
	[WITHDRAW] = "withdraw",
};

static void stop_listening(struct sbx_gate *gate) {
	if (gate->source != NULL) {
		wl_event_source_remove(gate->source);
		gate->source = NULL;
		sbx_count(SBX_COUNT_FDS, -1);
	}
	sbx_wait_cancel(gate->wait);
	gate->wait = NULL;
	wl_list_remove(&gate->link);
	wl_list_init(&gate->link);
}

static void drop_everything(struct sbx_gate *gate) {
	stop_listening(gate);
	if (gate->fence_fd >= 0) {
		sbx_count(SBX_COUNT_FDS, -1);
		sbx_fd_close(&gate->fence_fd);
	}
}

static void be_troubled(struct sbx_gate *gate) {
	wl_list_remove(&gate->link);
	wl_list_insert(&gate->desk->troubled_gates, &gate->link);
	sbx_desk_retry(gate->desk);
}

static void impossible(const struct sbx_gate *gate, enum gate_event event) {
	sbx_log_error("signalbox bug: gate of point %llu is %s and hears \"%s\"",
		(unsigned long long)gate->point.value, state_names[gate->state], event_names[event]);
}

static enum sbx_gate_state unmaterialised(struct sbx_gate *gate, enum gate_event event) {
	switch (event) {
	case POINT_MATERIALISED:
		return SBX_GATE_MATERIALISED;
	case POINT_SIGNALLED:
		return SBX_GATE_SIGNALLED;
	case FENCE_SIGNALLED:
	case FENCE_FAILED:
		break;
	case WITHDRAW:
		return SBX_GATE_WITHDRAWN;
	}
	impossible(gate, event);
	return gate->state;
}

static enum sbx_gate_state materialised(struct sbx_gate *gate, enum gate_event event) {
	switch (event) {
	case POINT_MATERIALISED:
	case POINT_SIGNALLED:
		break;
	case FENCE_SIGNALLED:
		return SBX_GATE_SIGNALLED;
	case FENCE_FAILED:
		return SBX_GATE_FAILED;
	case WITHDRAW:
		return SBX_GATE_WITHDRAWN;
	}
	impossible(gate, event);
	return gate->state;
}

/* SIGNALLED, FAILED, WITHDRAWN: nothing is listened to any more. */
static enum sbx_gate_state over(struct sbx_gate *gate, enum gate_event event) {
	switch (event) {
	case POINT_MATERIALISED:
	case POINT_SIGNALLED:
	case FENCE_SIGNALLED:
	case FENCE_FAILED:
		impossible(gate, event);
		break;
	case WITHDRAW:
		break;
	}
	return gate->state;
}

static enum sbx_gate_state next_state(struct sbx_gate *gate, enum gate_event event) {
	switch (gate->state) {
	case SBX_GATE_UNMATERIALISED:
		return unmaterialised(gate, event);
	case SBX_GATE_MATERIALISED:
		return materialised(gate, event);
	case SBX_GATE_SIGNALLED:
	case SBX_GATE_FAILED:
	case SBX_GATE_WITHDRAWN:
		break;
	}
	return over(gate, event);
}

/* What is recorded of a state; of the other two, it is what brought them about. */
static void trace_state(const struct sbx_gate *gate) {
	static const enum sbx_event_kind kinds[] = {
		[SBX_GATE_MATERIALISED] = SBX_EVENT_MATERIALISED,
		[SBX_GATE_SIGNALLED] = SBX_EVENT_SIGNALLED,
		[SBX_GATE_FAILED] = SBX_EVENT_FAILED,
	};
	if (gate->subject != NULL && gate->state != SBX_GATE_WITHDRAWN) {
		sbx_trace_loan(kinds[gate->state], gate->subject, (uint64_t)gate->over_ns);
	}
}

static void handle(struct sbx_gate *gate, enum gate_event event) {
	enum sbx_gate_state before = gate->state;
	gate->state = next_state(gate, event);
	if (gate->state != before) {
		sbx_log_debug("loan: gate of point %llu: %s -> %s -> %s",
			(unsigned long long)gate->point.value, state_names[before], event_names[event],
			state_names[gate->state]);
		trace_state(gate);
	}
	if (gate->state != SBX_GATE_UNMATERIALISED && gate->state != SBX_GATE_MATERIALISED) {
		drop_everything(gate);
	}
	if (event == FENCE_FAILED) {
		gate->desk->failed++;
		sbx_count(SBX_COUNT_FAILED, 1);
	}
}

/* Nothing may be touched after notify(): it may be the end of the gate. */
static void tell(struct sbx_gate *gate, enum gate_event event) {
	handle(gate, event);
	gate->notify(gate);
}

/* Some fences do not say when they signalled, or say what cannot be. */
static int64_t time_of(const struct sbx_gate *gate, const struct sbx_fence_info *info) {
	int64_t now_ns = sbx_kernel_now_ns();
	// A point that is signalled from the CPU gets a fence that was made when the machine started (Linux 7.2,
	// drm_syncobj_timeline_signal_ioctl()): what lies before we asked says nothing.
	return info->timestamp_ns >= (uint64_t)gate->since_ns && info->timestamp_ns < (uint64_t)now_ns ?
		(int64_t)info->timestamp_ns : now_ns;
}

/* Returns what sbx_fence_status() says: 0: it is pending, negative: nothing is known. */
static int look_at_fence(struct sbx_gate *gate) {
	struct sbx_fence_info info;
	int ret = sbx_fence_info(gate->fence_fd, &info);
	if (ret < 0) {
		return ret;
	}
	int status = info.status;
	if (status > 0) {
		gate->over_ns = time_of(gate, &info);
		tell(gate, info.error < 0 ? FENCE_FAILED : FENCE_SIGNALLED);
	}
	return status;
}

static int handle_fence(int fd, uint32_t mask, void *data) {
	struct sbx_gate *gate = data;
	// It stays readable: if its status cannot be had now, the timer asks again.
	stop_listening(gate);
	if (look_at_fence(gate) <= 0) {
		be_troubled(gate);
	}
	return 0;
}

static void handle_signalled(void *data, int status) {
	struct sbx_gate *gate = data;
	gate->wait = NULL;
	if (status < 0) {
		be_troubled(gate);
	} else {
		gate->over_ns = sbx_kernel_now_ns();
		tell(gate, POINT_SIGNALLED);
	}
}

/* The way round for a point whose fence cannot be exported. */
static void await_signal(struct sbx_gate *gate) {
	int ret = sbx_waiter_add(gate->desk->pool, gate->point, SBX_WAIT_SIGNALLED, handle_signalled, gate,
		&gate->wait);
	if (ret != 0) {
		// Signalled this very moment, or no memory: either way from the event loop.
		be_troubled(gate);
	}
}

static void watch_fence(struct sbx_gate *gate) {
	gate->source = wl_event_loop_add_fd(gate->desk->loop, gate->fence_fd, WL_EVENT_READABLE,
		handle_fence, gate);
	if (gate->source == NULL) {
		// The event loop has no fd for it. The client could reset the point, so not await_signal().
		be_troubled(gate);
		return;
	}
	sbx_count(SBX_COUNT_FDS, 1);
}

/* Returns whether the fence could be had. */
static bool materialise(struct sbx_gate *gate) {
	if (sbx_point_export_sync_file(gate->desk->sync, gate->point, &gate->fence_fd) < 0) {
		return false;
	}
	sbx_count(SBX_COUNT_FDS, 1);
	handle(gate, POINT_MATERIALISED);
	watch_fence(gate);
	return true;
}

static void handle_materialised(void *data, int status) {
	struct sbx_gate *gate = data;
	gate->wait = NULL;
	if (status < 0) {
		be_troubled(gate);
	} else if (materialise(gate)) {
		gate->notify(gate);
	} else {
		await_signal(gate);
	}
}

static void await_fence(struct sbx_gate *gate) {
	int ret = sbx_waiter_add(gate->desk->pool, gate->point, SBX_WAIT_MATERIALISED, handle_materialised,
		gate, &gate->wait);
	if (ret == 1 && !materialise(gate)) {
		await_signal(gate);
	} else if (ret < 0) {
		be_troubled(gate);
	}
}

static void step(struct sbx_gate *gate, enum sbx_point_state state) {
	switch (state) {
	case SBX_POINT_SIGNALLED:
		handle(gate, POINT_SIGNALLED);
		break;
	case SBX_POINT_MATERIALISED:
		if (!materialise(gate)) {
			await_signal(gate);
		}
		break;
	case SBX_POINT_UNMATERIALISED:
	case SBX_POINT_INVALID:
		await_fence(gate);
		break;
	}
}

void sbx_gate_open(struct sbx_gate *gate, struct sbx_desk *desk, struct sbx_point point,
		void (*notify)(struct sbx_gate *gate)) {
	*gate = (struct sbx_gate){
		.desk = desk,
		.point = point,
		.fence_fd = -1,
		.subject = gate->subject,
		.notify = notify,
	};
	wl_list_init(&gate->link);
	enum sbx_point_state state;
	int ret = sbx_points_query(desk->sync, &point, 1, &state);
	if (ret < 0 || state != SBX_POINT_SIGNALLED) {
		gate->since_ns = sbx_kernel_now_ns();
	}
	if (ret < 0) {
		be_troubled(gate);
	} else {
		step(gate, state);
	}
}

void sbx_gate_withdraw(struct sbx_gate *gate) {
	if (gate->desk != NULL) {
		handle(gate, WITHDRAW);
	}
}

static void retry_fence(struct sbx_gate *gate) {
	int status = look_at_fence(gate);
	if (status == 0) {
		watch_fence(gate);
	} else if (status < 0) {
		be_troubled(gate);
	}
}

static void retry_point(struct sbx_gate *gate) {
	enum sbx_point_state state;
	if (sbx_points_query(gate->desk->sync, &gate->point, 1, &state) < 0) {
		be_troubled(gate);
		return;
	}
	step(gate, state);
	if (gate->state != SBX_GATE_UNMATERIALISED) {
		gate->over_ns = gate->state == SBX_GATE_SIGNALLED ? sbx_kernel_now_ns() : 0;
		gate->notify(gate);
	}
}

void sbx_gate_retry(struct sbx_gate *gate) {
	wl_list_remove(&gate->link);
	wl_list_init(&gate->link);
	if (gate->state == SBX_GATE_MATERIALISED) {
		retry_fence(gate);
	} else {
		retry_point(gate);
	}
}
