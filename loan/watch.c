#include <errno.h>
#include <signalbox/syncobj.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_buffer.h>
#include "loan/desk.h"
#include "loan/loan.h"
#include "loan/reader.h"
#include "loan/screen.h"
#include "loan/timeline.h"
#include "loan/watch.h"
#include "sync/kernel.h"
#include "trace/stall.h"

#define MS INT64_C(1000000)

static bool awaits_acquire(const struct sbx_loan *loan) {
	bool open = loan->state == SBX_LOAN_HELD || loan->state == SBX_LOAN_CURRENT;
	return open && !loan->acquire_stalled && (loan->gate.state == SBX_GATE_UNMATERIALISED ||
		loan->gate.state == SBX_GATE_MATERIALISED);
}

static bool awaits_release(const struct sbx_loan *loan) {
	return !loan->release_stalled &&
		(loan->state == SBX_LOAN_REPLACED || loan->state == SBX_LOAN_ENDING);
}

/* Who has locked the buffer of a loan that was replaced. */
static void blame_holder(const struct sbx_loan *loan, struct sbx_stall *stall) {
	stall->output = sbx_screens_find_loan(loan->subject.loan);
	stall->holder = stall->output != NULL ? SBX_STALL_OUTPUT : SBX_STALL_LOCK;
	stall->number = sbx_loan_count_locks(loan);
}

/* Whose fence a loan waits for that nobody holds any more. */
static void blame_reader(const struct sbx_loan *loan, struct sbx_stall *stall) {
	stall->holder = SBX_STALL_KERNEL;
	for (size_t i = 0; i < loan->reader_count; i++) {
		const struct sbx_reader *reader = loan->readers[i];
		if (!sbx_reader_is_done(loan->readers[i])) {
			stall->holder = reader->queue != NULL ? SBX_STALL_PASS : SBX_STALL_READER;
			stall->number = reader->value;
			return;
		}
	}
}

static void blame(const struct sbx_loan *loan, struct sbx_stall *stall) {
	switch (loan->state) {
	case SBX_LOAN_HELD:
	case SBX_LOAN_CURRENT:
		stall->holder = loan->gate.state == SBX_GATE_MATERIALISED ? SBX_STALL_CLIENT_WORK :
			SBX_STALL_CLIENT_SUBMIT;
		stall->latched = loan->state == SBX_LOAN_CURRENT;
		return;
	case SBX_LOAN_REPLACED:
		blame_holder(loan, stall);
		return;
	case SBX_LOAN_ENDING:
		blame_reader(loan, stall);
		return;
	}
}

static void report(struct sbx_loan *loan, int64_t now_ns) {
	struct sbx_quota *quota = loan->release->quota;
	struct sbx_stall stall = {
		.subject = &loan->subject,
		.client = quota->name,
		.age_ns = now_ns - loan->since_ns,
	};
	blame(loan, &stall);
	if (loan->state == SBX_LOAN_HELD || loan->state == SBX_LOAN_CURRENT) {
		loan->acquire_stalled = true;
	} else {
		loan->release_stalled = true;
	}
	sbx_stall_report(&stall, &quota->stalls, now_ns);
}

/* When there is something to look at next; INT64_MAX: there is nothing. */
static int64_t look(struct sbx_watch *watch, int64_t now_ns) {
	int64_t bound_ns = watch->bound_ms * MS, next_ns = INT64_MAX;
	struct sbx_loan *loan;
	wl_list_for_each(loan, &watch->desk->loans, link) {
		if (loan->since_ns == 0 || (!awaits_acquire(loan) && !awaits_release(loan))) {
			continue;
		}
		int64_t due_ns = loan->since_ns + bound_ns;
		if (due_ns <= now_ns) {
			report(loan, now_ns);
		} else if (due_ns < next_ns) {
			next_ns = due_ns;
		}
	}
	return next_ns;
}

static void begin_anew(struct sbx_watch *watch, int64_t now_ns) {
	struct sbx_loan *loan;
	wl_list_for_each(loan, &watch->desk->loans, link) {
		loan->since_ns = loan->since_ns != 0 ? now_ns : 0;
	}
}

static void start(struct sbx_watch *watch, int64_t now_ns, int64_t due_ns) {
	int64_t ms = (due_ns - now_ns) / MS + 1;
	watch->running = true;
	watch->due_ns = due_ns;
	wl_event_source_timer_update(watch->timer, ms < INT32_MAX ? (int)ms : INT32_MAX);
}

static int handle_timer(void *data) {
	struct sbx_watch *watch = data;
	int64_t now_ns = sbx_kernel_now_ns();
	watch->running = false;
	watch->began_anew = !watch->began_anew && now_ns - watch->due_ns >= SBX_WATCH_LATE_MS * MS;
	if (watch->began_anew) {
		begin_anew(watch, now_ns);
	}
	int64_t next_ns = look(watch, now_ns);
	if (next_ns != INT64_MAX) {
		start(watch, now_ns, next_ns);
	}
	return 0;
}

int sbx_watch_init(struct sbx_watch *watch, struct sbx_desk *desk) {
	*watch = (struct sbx_watch){ .desk = desk };
	watch->timer = wl_event_loop_add_timer(desk->loop, handle_timer, watch);
	if (watch->timer == NULL) {
		return -ENOMEM;
	}
	sbx_watch_set_bound(watch, SBX_SYNCOBJ_DEFAULT_STALL_MS);
	return 0;
}

void sbx_watch_finish(struct sbx_watch *watch) {
	if (watch->timer != NULL) {
		wl_event_source_remove(watch->timer);
		watch->timer = NULL;
	}
}

void sbx_watch_set_bound(struct sbx_watch *watch, uint32_t bound_ms) {
	watch->bound_ms = bound_ms;
	sbx_stall_bound_from_environment(&watch->bound_ms);
}

void sbx_watch_loan(struct sbx_loan *loan) {
	struct sbx_watch *watch = &loan->desk->watch;
	if (watch->bound_ms == 0 || loan->since_ns != 0) {
		return;
	}
	loan->since_ns = sbx_kernel_now_ns();
	if (!watch->running) {
		start(watch, loan->since_ns, loan->since_ns + watch->bound_ms * MS);
	}
}
