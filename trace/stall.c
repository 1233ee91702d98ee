#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "trace/counter.h"
#include "trace/log.h"
#include "trace/recorder.h"
#include "trace/stall.h"

static struct sbx_stall_limit all_clients;

static bool is_acquire(const struct sbx_stall *stall) {
	return stall->holder == SBX_STALL_CLIENT_SUBMIT || stall->holder == SBX_STALL_CLIENT_WORK;
}

static const char *culprit(const struct sbx_stall *stall) {
	switch (stall->holder) {
	case SBX_STALL_CLIENT_SUBMIT:
	case SBX_STALL_CLIENT_WORK:
		return "client bug";
	case SBX_STALL_OUTPUT:
	case SBX_STALL_LOCK:
	case SBX_STALL_READER:
		return "loan";
	case SBX_STALL_PASS:
		return "driver";
	case SBX_STALL_KERNEL:
		return "kernel";
	}
	return "signalbox bug";
}

/* What stands at the end of the line: who it waits for, and what follows. */
static void say_holder(const struct sbx_stall *stall, char *text, size_t size) {
	const char *follows = stall->latched ? "our GPU waits for it" : "the surface keeps its content";
	switch (stall->holder) {
	case SBX_STALL_CLIENT_SUBMIT:
		snprintf(text, size, "the client has not submitted it; %s", follows);
		return;
	case SBX_STALL_CLIENT_WORK:
		snprintf(text, size, "the client's own fence is pending; %s", follows);
		return;
	case SBX_STALL_OUTPUT:
		snprintf(text, size, "%s scans the buffer out", stall->output);
		return;
	case SBX_STALL_LOCK:
		snprintf(text, size, "%" PRIu64 " locks are on the buffer (a snapshot, a capture, the compositor)",
			stall->number);
		return;
	case SBX_STALL_PASS:
		snprintf(text, size, "the GPU has not done our submission %" PRIu64 ", which reads the buffer",
			stall->number);
		return;
	case SBX_STALL_READER:
		snprintf(text, size, "a fence that the compositor gave us for its own reading is pending");
		return;
	case SBX_STALL_KERNEL:
		snprintf(text, size, "it cannot be handed back, and is tried again");
		return;
	}
}

static bool may_speak(struct sbx_stall_limit *limit, unsigned lines, int64_t now_ns) {
	if (limit->said > 0 && now_ns - limit->since_ns >= SBX_STALL_WINDOW_NS) {
		limit->said = 0;
	}
	if (limit->said == 0) {
		limit->since_ns = now_ns;
	}
	return limit->said < lines;
}

static void say(const struct sbx_stall *stall, unsigned kept_back) {
	const struct sbx_subject *subject = stall->subject;
	bool acquire = is_acquire(stall);
	char holder[160] = "", more[64] = "";
	say_holder(stall, holder, sizeof(holder));
	if (kept_back > 0) {
		snprintf(more, sizeof(more), " (%u more such lines were left out)", kept_back);
	}
	sbx_log_info("%s: %s[%d] wl_surface#%u: %s point %" PRIu64 " of timeline #%u is not signalled after "
		"%" PRId64 " ms: %s%s", culprit(stall), stall->client, (int)subject->pid, subject->surface,
		acquire ? "acquire" : "release", acquire ? subject->acquire_point : subject->release_point,
		acquire ? subject->acquire_timeline : subject->release_timeline, stall->age_ns / 1000000, holder,
		more);
}

bool sbx_stall_report(const struct sbx_stall *stall, struct sbx_stall_limit *limit, int64_t now_ns) {
	sbx_count(SBX_COUNT_STALLS, 1);
	sbx_trace_loan(SBX_EVENT_STALLED, stall->subject, (uint64_t)stall->age_ns);
	if (!may_speak(limit, SBX_STALL_LINES, now_ns) ||
			!may_speak(&all_clients, SBX_STALL_ALL_LINES, now_ns)) {
		limit->kept_back++;
		return false;
	}
	limit->said++;
	all_clients.said++;
	say(stall, limit->kept_back);
	limit->kept_back = 0;
	return true;
}

void sbx_stall_bound_from_environment(uint32_t *bound_ms) {
	const char *value = getenv("SIGNALBOX_STALL_MS");
	if (value == NULL) {
		return;
	}
	char *end = NULL;
	errno = 0;
	long ms = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || ms < 0 || ms > INT32_MAX) {
		sbx_log_error("trace: SIGNALBOX_STALL_MS=%s is no number of milliseconds", value);
		return;
	}
	*bound_ms = (uint32_t)ms;
}
