#include <errno.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_output.h>
#include "loan/forecast.h"
#include "loan/loan.h"
#include "loan/pace.h"
#include "loan/quota.h"
#include "loan/trust.h"
#include "protocol/deadline.h"
#include "protocol/latch.h"
#include "protocol/manager.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"
#include "trace/log.h"
#include "trace/recorder.h"

enum bet_event {
	PLACED,
	SIGNALLED,
	NEEDED,
	REPLACED,
};

static const char *const state_names[] = {
	[SBX_BET_NONE] = "none",
	[SBX_BET_OPEN] = "open",
	[SBX_BET_LATE] = "late",
};

static const char *const event_names[] = {
	[PLACED] = "placed",
	[SIGNALLED] = "signalled",
	[NEEDED] = "needed",
	[REPLACED] = "replaced",
};

/* Bets */

static void keep(struct sbx_bet *bet) {
	bet->latch->manager->deadline.kept++;
	sbx_trust_keep(&bet->latch->quota->trust);
}

static void break_it(struct sbx_bet *bet, int64_t now_ns) {
	struct sbx_trust *trust = &bet->latch->quota->trust;
	bool was_trusted = trust->state == SBX_TRUST_TRUSTED;
	bet->latch->manager->deadline.broken++;
	sbx_trace_loan(SBX_EVENT_LATE, &bet->loan->subject, (uint64_t)bet->need_ns);
	sbx_trust_break(trust, now_ns);
	if (was_trusted) {
		pid_t pid = 0;
		wl_client_get_credentials(wl_resource_get_client(bet->latch->surface->resource), &pid, NULL,
			NULL);
		sbx_log_info("client: pid %d, wl_surface#%u took longer than it used to: its commits are held "
			"until they are signalled for %lld ms or more", (int)pid,
			wl_resource_get_id(bet->latch->surface->resource),
			(long long)(trust->until_ns - now_ns) / 1000000);
	}
}

static void impossible(const struct sbx_bet *bet, enum bet_event event) {
	sbx_log_error("signalbox bug: bet is %s and hears \"%s\"", state_names[bet->state],
		event_names[event]);
}

static enum sbx_bet_state handle_none(struct sbx_bet *bet, enum bet_event event) {
	switch (event) {
	case PLACED:
		return SBX_BET_OPEN;
	case SIGNALLED:
	case NEEDED:
	case REPLACED:
		break;
	}
	impossible(bet, event);
	return bet->state;
}

static enum sbx_bet_state handle_open(struct sbx_bet *bet, enum bet_event event, int64_t at_ns) {
	bool late = at_ns > bet->need_ns;
	switch (event) {
	case SIGNALLED:
		if (late) {
			break_it(bet, at_ns);
			sbx_trust_know_delay(&bet->latch->quota->trust, at_ns, at_ns - bet->need_ns);
		} else {
			keep(bet);
		}
		return SBX_BET_NONE;
	case NEEDED:
		break_it(bet, at_ns);
		return SBX_BET_LATE;
	case REPLACED:
		if (late) {
			break_it(bet, at_ns);
		}
		return SBX_BET_NONE;
	case PLACED:
		break;
	}
	impossible(bet, event);
	return bet->state;
}

static enum sbx_bet_state handle_late(struct sbx_bet *bet, enum bet_event event, int64_t at_ns) {
	switch (event) {
	case SIGNALLED:
	case REPLACED:
		sbx_trust_know_delay(&bet->latch->quota->trust, at_ns, at_ns - bet->need_ns);
		return SBX_BET_NONE;
	case NEEDED:
		return SBX_BET_LATE;
	case PLACED:
		break;
	}
	impossible(bet, event);
	return bet->state;
}

static enum sbx_bet_state next_state(struct sbx_bet *bet, enum bet_event event, int64_t at_ns) {
	switch (bet->state) {
	case SBX_BET_NONE:
		return handle_none(bet, event);
	case SBX_BET_OPEN:
		return handle_open(bet, event, at_ns);
	case SBX_BET_LATE:
		return handle_late(bet, event, at_ns);
	}
	return bet->state;
}

static void handle(struct sbx_bet *bet, enum bet_event event, int64_t at_ns) {
	enum sbx_bet_state before = bet->state;
	bet->state = next_state(bet, event, at_ns);
	if (before != bet->state) {
		sbx_log_debug("protocol: bet of wl_surface#%u: %s -> %s -> %s",
			wl_resource_get_id(bet->latch->surface->resource), state_names[before],
			event_names[event], state_names[bet->state]);
	}
	if (bet->state == SBX_BET_NONE) {
		wl_list_remove(&bet->link);
		wl_list_init(&bet->link);
		bet->loan = NULL;
	}
}

static void handle_gate(struct sbx_loan *loan, void *data) {
	struct sbx_latch *latch = data;
	if (loan->gate.state == SBX_GATE_SIGNALLED || loan->gate.state == SBX_GATE_FAILED) {
		sbx_deadline_learn(latch, loan, latch->bet.committed_ns);
		handle(&latch->bet, SIGNALLED, loan->gate.over_ns);
		loan->data = NULL;
	}
}

void sbx_deadline_bet(struct sbx_latch *latch, struct sbx_loan *loan, int64_t committed_ns,
		int64_t need_ns) {
	struct sbx_bet *bet = &latch->bet;
	struct sbx_deadline *deadline = &latch->manager->deadline;
	if (bet->loan != NULL) {
		// What is content now, or will be for an instant, is about to be replaced.
		sbx_deadline_forget(bet->loan);
	}
	deadline->predicted++;
	sbx_trace_loan(SBX_EVENT_PREDICTED, &loan->subject, (uint64_t)need_ns);
	bet->latch = latch;
	bet->loan = loan;
	bet->committed_ns = committed_ns;
	bet->need_ns = need_ns;
	wl_list_insert(&deadline->bets, &bet->link);
	loan->notify = handle_gate;
	loan->data = latch;
	handle(bet, PLACED, 0);
}

void sbx_deadline_forget(struct sbx_loan *loan) {
	struct sbx_latch *latch = loan->notify == handle_gate ? loan->data : NULL;
	if (latch != NULL) {
		loan->data = NULL;
		handle(&latch->bet, REPLACED, sbx_kernel_now_ns());
	}
}

static void judge(struct sbx_deadline *deadline) {
	int64_t now_ns = sbx_kernel_now_ns();
	struct sbx_bet *bet, *next;
	wl_list_for_each_safe(bet, next, &deadline->bets, link) {
		if (bet->state == SBX_BET_OPEN && now_ns > bet->need_ns) {
			// It may be over, and we have not heard of it yet.
			struct sbx_fence_info info;
			int ret = sbx_fence_info(bet->loan->gate.fence_fd, &info);
			if (ret == 0 && info.status == 0) {
				handle(bet, NEEDED, now_ns);
			}
		}
	}
}

/* Expectations */

/* From the commit to the end, with an eighth more. False: not known. */
static bool get_duration(const struct sbx_latch *latch, int64_t *duration_ns) {
	bool known = sbx_forecast_get(&latch->forecast, duration_ns);
	*duration_ns += *duration_ns / 8;
	return known;
}

void sbx_deadline_learn(struct sbx_latch *latch, const struct sbx_loan *loan, int64_t committed_ns) {
	int64_t over_ns = loan->gate.over_ns != 0 ? loan->gate.over_ns : committed_ns;
	sbx_forecast_add(&latch->forecast, over_ns - committed_ns);
}

void sbx_deadline_learn_least(struct sbx_latch *latch, int64_t committed_ns) {
	int64_t waited_ns = sbx_kernel_now_ns() - committed_ns, duration_ns;
	if (sbx_forecast_get(&latch->forecast, &duration_ns) && waited_ns > duration_ns) {
		sbx_forecast_add(&latch->forecast, waited_ns);
	}
}

bool sbx_deadline_get_need(const struct wlr_surface *surface, int64_t now_ns, int64_t *need_ns) {
	*need_ns = sbx_paces_get_busy_need(now_ns);
	bool known = false;
	const struct wlr_surface_output *place;
	wl_list_for_each(place, &surface->current_outputs, link) {
		const struct sbx_pace *pace = sbx_pace_get(place->output);
		int64_t own_ns;
		if (pace == NULL || !sbx_pace_get_need(pace, now_ns, &own_ns)) {
			return false;
		}
		*need_ns = own_ns < *need_ns ? own_ns : *need_ns;
		known = true;
	}
	return known;
}

bool sbx_deadline_expects(struct sbx_latch *latch, const struct sbx_loan *loan, int64_t committed_ns,
		int64_t now_ns, int64_t need_ns) {
	int64_t duration_ns;
	if (loan->gate.state != SBX_GATE_MATERIALISED || !get_duration(latch, &duration_ns) ||
			!sbx_trust_is_trusted(&latch->quota->trust, now_ns)) {
		return false;
	}
	// What takes longer than ever before may take any time.
	int64_t done_ns = committed_ns + duration_ns;
	return done_ns > now_ns && done_ns <= need_ns;
}

void sbx_deadline_want(struct sbx_latch *latch, const struct sbx_loan *loan, int64_t committed_ns) {
	int64_t now_ns = sbx_kernel_now_ns(), duration_ns = 0;
	bool possible = loan->gate.state == SBX_GATE_MATERIALISED && get_duration(latch, &duration_ns) &&
		committed_ns + duration_ns > now_ns && sbx_trust_is_trusted(&latch->quota->trust, now_ns);
	const struct wlr_surface_output *place;
	wl_list_for_each(place, &latch->surface->current_outputs, link) {
		struct sbx_pace *pace = sbx_pace_get(place->output);
		if (pace != NULL && possible) {
			sbx_pace_want(pace, committed_ns + duration_ns);
		}
	}
	sbx_paces_measure();
}

/* Hints */

static bool get_deadline(const struct wlr_surface *surface, int64_t *deadline_ns) {
	bool known = false;
	int64_t now_ns = sbx_kernel_now_ns();
	const struct wlr_surface_output *place;
	wl_list_for_each(place, &surface->current_outputs, link) {
		const struct sbx_pace *pace = sbx_pace_get(place->output);
		int64_t start_ns;
		if (pace != NULL && sbx_pace_get_start(pace, now_ns, &start_ns) &&
				(!known || start_ns < *deadline_ns)) {
			*deadline_ns = start_ns;
			known = true;
		}
	}
	return known;
}

void sbx_deadline_hint(struct sbx_latch *latch, const struct sbx_loan *loan) {
	struct sbx_deadline *deadline = &latch->manager->deadline;
	int64_t deadline_ns = 0;
	if (!deadline->no_hints && loan->gate.state == SBX_GATE_MATERIALISED &&
			get_deadline(latch->surface, &deadline_ns)) {
		deadline->no_hints =
			sbx_fence_set_deadline(loan->gate.fence_fd, (uint64_t)deadline_ns) == -ENOTSUP;
	}
}

/* Moments */

static void handle_moment(struct wl_listener *listener, void *data) {
	struct sbx_deadline *deadline = wl_container_of(listener, deadline, moment);
	judge(deadline);
	if (!wl_list_empty(&deadline->holds)) {
		sbx_latch_ask(deadline->manager, data);
	}
}

void sbx_deadline_init(struct sbx_deadline *deadline, struct sbx_syncobj_manager *manager) {
	deadline->manager = manager;
	wl_list_init(&deadline->holds);
	wl_list_init(&deadline->bets);
	deadline->moment.notify = handle_moment;
	sbx_paces_listen(&deadline->moment);
}

void sbx_deadline_finish(struct sbx_deadline *deadline) {
	wl_list_remove(&deadline->moment.link);
}
