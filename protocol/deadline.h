/**
 * The policy DEADLINE: who may be shown before it is done, because it will be done in time.
 *
 * Asked at an output's last moment for rendering (loan/pace.h), a held commit is latched early if
 * - it has a fence: an unmaterialised point cannot be waited for by a GPU;
 * - the outputs that show the surface have a known rhythm, and what our frames take has been measured;
 * - its client is trusted (loan/trust.h);
 * - the surface's last durations (loan/forecast.h) and an eighth more, reckoned from its commit, end
 *   before our GPU needs it for any of these outputs, or for another one that has a frame on its way:
 *   GPU work is done in order, so that whoever is late is late for all.
 *
 * The last two make it a bet, which is settled when the fence signals:
 *
 *	         ┌── signalled in time: kept ─────────▶ NONE
 *	NONE ──▶ OPEN ── needed, and not signalled ──▶ LATE ── signalled, or replaced ──▶ NONE
 *	         └── replaced before it was needed ───▶ NONE
 *
 * LATE is the client's fall, at once; what comes afterwards says only how late it was.
 *
 * Also here: each client fence is told once when it is needed (SYNC_IOC_SET_DEADLINE), with any policy.
 */
#ifndef SBX_PROTOCOL_DEADLINE_H
#define SBX_PROTOCOL_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct sbx_latch;
struct sbx_loan;
struct sbx_pace;
struct sbx_syncobj_manager;
struct wlr_surface;

enum sbx_bet_state {
	SBX_BET_NONE,
	SBX_BET_OPEN,
	SBX_BET_LATE,
};

/** A surface has but one: that of its content, or of what becomes so now. */
struct sbx_bet {
	enum sbx_bet_state state;
	struct wl_list link; // sbx_deadline.bets, unless NONE
	struct sbx_latch *latch;
	/** Lent. */
	struct sbx_loan *loan;
	int64_t committed_ns, need_ns;
};

/** The manager's. */
struct sbx_deadline {
	struct sbx_syncobj_manager *manager;
	struct wl_listener moment;
	struct wl_list holds; // of latch.c: those with this policy, oldest first
	struct wl_list bets; // sbx_bet.link, newest first
	/** How often it was asked; marks what a question has seen. */
	uint64_t serial;
	/** The kernel knows no deadlines. */
	bool no_hints;
	/** Ever: bets, and how they ended. */
	uint64_t predicted, kept, broken;
};

void sbx_deadline_init(struct sbx_deadline *deadline, struct sbx_syncobj_manager *manager);
void sbx_deadline_finish(struct sbx_deadline *deadline);

/** The commit of `loan` was made at committed_ns and is over now: remember how long it took. */
void sbx_deadline_learn(struct sbx_latch *latch, const struct sbx_loan *loan, int64_t committed_ns);

/** The commit was made at committed_ns and is given up: so long it would have taken at the least. */
void sbx_deadline_learn_least(struct sbx_latch *latch, int64_t committed_ns);

/** The fence of `loan`, which has just been had, is to be told when it is needed. */
void sbx_deadline_hint(struct sbx_latch *latch, const struct sbx_loan *loan);

/** The commit waits: let it be asked when it can first be expected, on each output that shows it. */
void sbx_deadline_want(struct sbx_latch *latch, const struct sbx_loan *loan, int64_t committed_ns);

/**
 * Until when content of `surface` has to be done if it is latched now. False: nobody knows: the surface
 * is on no output, or on one without a rhythm.
 */
bool sbx_deadline_get_need(const struct wlr_surface *surface, int64_t now_ns, int64_t *need_ns);

/** Whether it is to be expected that `loan` is done by need_ns. */
bool sbx_deadline_expects(struct sbx_latch *latch, const struct sbx_loan *loan, int64_t committed_ns,
	int64_t now_ns, int64_t need_ns);

/** It is latched on that expectation. loan->notify and ->data are taken over. */
void sbx_deadline_bet(struct sbx_latch *latch, struct sbx_loan *loan, int64_t committed_ns,
	int64_t need_ns);

/** The loan is about to be dropped: if there is a bet on it, it is over. */
void sbx_deadline_forget(struct sbx_loan *loan);

#endif
