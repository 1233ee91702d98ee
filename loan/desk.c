#include <errno.h>
#include <stdlib.h>
#include "loan/desk.h"
#include "loan/gate.h"
#include "loan/loan.h"
#include "loan/offer.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/syncobj.h"
#include "sync/waiter.h"
#include "trace/recorder.h"

#define END_WAIT_NS INT64_C(100000000)

static void retry_gates(struct sbx_desk *desk) {
	struct wl_list troubled;
	wl_list_init(&troubled);
	wl_list_insert_list(&troubled, &desk->troubled_gates);
	wl_list_init(&desk->troubled_gates);
	// A gate's news may end other gates of the list: always the first that is left.
	while (!wl_list_empty(&troubled)) {
		struct sbx_gate *gate = wl_container_of(troubled.next, gate, link);
		sbx_gate_retry(gate);
	}
}

static void retry_loans(struct sbx_desk *desk) {
	struct sbx_loan *loan, *next;
	wl_list_for_each_safe(loan, next, &desk->loans, link) {
		sbx_loan_retry(loan);
	}
}

static int handle_timer(void *data) {
	struct sbx_desk *desk = data;
	int interval_ms = desk->interval_ms * 2;
	desk->interval_ms = 0;
	retry_gates(desk);
	retry_loans(desk);
	if (desk->interval_ms != 0) {
		// Still in trouble.
		desk->interval_ms = interval_ms < SBX_DESK_RETRY_MAX_MS ? interval_ms : SBX_DESK_RETRY_MAX_MS;
		wl_event_source_timer_update(desk->timer, desk->interval_ms);
	}
	return 0;
}

void sbx_desk_retry(struct sbx_desk *desk) {
	if (desk->interval_ms == 0) {
		desk->interval_ms = SBX_DESK_RETRY_MIN_MS;
		wl_event_source_timer_update(desk->timer, desk->interval_ms);
	}
}

static void release_parts(struct sbx_desk *desk) {
	sbx_offers_finish(desk);
	sbx_waiter_pool_destroy(desk->pool);
	if (desk->timer != NULL) {
		wl_event_source_remove(desk->timer);
	}
	sbx_watch_finish(&desk->watch);
	sbx_sync_destroy(desk->sync);
}

int sbx_desk_init(struct sbx_desk *desk, int drm_fd, struct wl_event_loop *loop,
		const struct sbx_syncobj_limits *limits) {
	*desk = (struct sbx_desk){ .loop = loop };
	wl_list_init(&desk->loans);
	wl_list_init(&desk->offers);
	wl_list_init(&desk->troubled_gates);
	int fd = -1;
	int ret = sbx_fd_dup(drm_fd, &fd);
	if (ret == 0) {
		ret = sbx_sync_create(&fd, &desk->sync);
	}
	if (ret == 0 && !sbx_sync_get_caps(desk->sync)->timeline) {
		ret = -ENOTSUP;
	}
	if (ret == 0) {
		ret = sbx_offers_init(desk);
	}
	if (ret == 0) {
		ret = sbx_waiter_pool_create(desk->sync, loop, &desk->pool);
	}
	if (ret == 0) {
		// Now, since it is needed when there is no fd left.
		desk->timer = wl_event_loop_add_timer(loop, handle_timer, desk);
		ret = desk->timer != NULL ? 0 : -ENOMEM;
	}
	if (ret == 0) {
		ret = sbx_watch_init(&desk->watch, desk);
	}
	sbx_fd_close(&fd);
	if (ret < 0) {
		release_parts(desk);
		return ret;
	}
	sbx_quotas_init(&desk->quotas, limits);
	sbx_recorder_init();
	return 0;
}

void sbx_desk_finish(struct sbx_desk *desk) {
	int64_t deadline_ns = sbx_kernel_now_ns() + END_WAIT_NS;
	struct sbx_loan *loan, *next;
	wl_list_for_each_safe(loan, next, &desk->loans, link) {
		sbx_loan_end_now(loan, deadline_ns);
	}
	sbx_quotas_finish(&desk->quotas);
	release_parts(desk);
}
