#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_subcompositor.h>
#include <wlr/types/wlr_xdg_shell.h>
#include "loan/loan.h"
#include "loan/offer.h"
#include "loan/pace.h"
#include "loan/quota.h"
#include "loan/timeline.h"
#include "protocol/keep.h"
#include "protocol/latch.h"
#include "protocol/manager.h"
#include "protocol/surface.h"
#include "sync/kernel.h"
#include "sync/syncobj.h"
#include "trace/counter.h"
#include "trace/log.h"

/** One commit that is held back. */
struct hold {
	struct sbx_latch *latch;
	struct wl_list link; // sbx_latch.holds
	struct wl_list ready_link; // sbx_syncobj_manager.ready
	uint32_t seq;
	/** NULL: it is held for another reason than its own acquire point. */
	struct sbx_loan *loan;
	enum sbx_latch_policy policy;
	/** For the acquire point. */
	bool waits;
	int64_t committed_ns;
	struct wl_list deadline_link; // sbx_deadline.holds, under the policy DEADLINE
	/** What the question of this serial has found out; see is_expected(). */
	uint64_t asked, taken;
	bool expected;
	/** Its fence has failed: the content is not to be shown. */
	bool failed;
	/** Committed while the surface had no role object; see has_met_a_role(). */
	bool roleless;
	/** Edges where this is the parent, and where it is the child. */
	struct wl_list children, parents;
};

/** `parent` is not to be applied before `child`. */
struct edge {
	struct hold *parent, *child;
	struct wl_list parent_link; // parent->children
	struct wl_list child_link; // child->parents
};

/* Content that is not signalled may be shown only if wlroots can be given something to wait for. */
static bool is_ready_by(enum sbx_latch_policy policy, struct sbx_loan *loan) {
	switch (policy) {
	case SBX_LATCH_SIGNALLED:
	case SBX_LATCH_DEADLINE: // earlier only by sbx_latch_ask()
		return loan->gate.state == SBX_GATE_SIGNALLED;
	case SBX_LATCH_MATERIALISED:
		return sbx_loan_make_offer(loan);
	}
	return false;
}

/* Holds */

static bool is_first(const struct hold *hold) {
	return hold->latch->holds.next == &hold->link;
}

/* Put it in line if nothing keeps it any more. */
static void consider(struct hold *hold) {
	if (!hold->waits && wl_list_empty(&hold->children) && is_first(hold) &&
			wl_list_empty(&hold->ready_link)) {
		wl_list_insert(hold->latch->manager->ready.prev, &hold->ready_link);
	}
}

static void edge_destroy(struct edge *edge) {
	wl_list_remove(&edge->parent_link);
	wl_list_remove(&edge->child_link);
	free(edge);
}

static void forget_children(struct hold *hold) {
	struct edge *edge, *next;
	wl_list_for_each_safe(edge, next, &hold->children, parent_link) {
		edge_destroy(edge);
	}
}

static void tell_parents(struct hold *hold) {
	struct edge *edge, *next;
	wl_list_for_each_safe(edge, next, &hold->parents, child_link) {
		struct hold *parent = edge->parent;
		edge_destroy(edge);
		consider(parent);
	}
}

static void stop_watching_role(struct sbx_latch *latch) {
	wl_list_remove(&latch->role_destroy.link);
	wl_list_init(&latch->role_destroy.link);
	wl_list_remove(&latch->xdg_role_destroy.link);
	wl_list_init(&latch->xdg_role_destroy.link);
}

/* The lock stays. */
static void hold_destroy(struct hold *hold) {
	struct sbx_latch *latch = hold->latch;
	if (hold->loan != NULL && hold->loan->data == hold) {
		hold->loan->data = NULL;
	}
	forget_children(hold);
	tell_parents(hold);
	wl_list_remove(&hold->link);
	wl_list_remove(&hold->deadline_link);
	wl_list_remove(&hold->ready_link);
	sbx_quota_give(latch->quota, SBX_QUOTA_HELD_COMMITS);
	latch->manager->held_commits--;
	sbx_count(SBX_COUNT_HELD, -1);
	free(hold);
	if (wl_list_empty(&latch->holds)) {
		stop_watching_role(latch);
	} else {
		struct hold *first = wl_container_of(latch->holds.next, first, link);
		consider(first);
	}
}


/*
 * Content of a bare surface that has become a window since: an error of the client's (xdg-shell forbids a
 * role for a surface with a buffer) that wlroots does not see, as it knows nothing of commits that are held.
 * It would map a window that was never configured, and die of the unmap. Subsurfaces may have had content.
 */
static bool has_met_a_role(const struct hold *hold) {
	struct wlr_surface *surface = hold->latch->surface;
	return hold->roleless && surface->role_resource != NULL &&
		wlr_subsurface_try_from_wlr_surface(surface) == NULL;
}

static void hold_finish(struct hold *hold) {
	struct wlr_surface *surface = hold->latch->surface;
	uint32_t seq = hold->seq;
	if (hold->latch->quota->leaving) {
		// Its objects go one by one, the role perhaps before the surface: wlroots must not apply anything
		// to what is left. The lock goes with the surface.
		hold_destroy(hold);
		return;
	}
	if (hold->failed || has_met_a_role(hold)) {
		hold->loan = NULL;
		sbx_content_discard(hold->latch, hold->seq);
	}
	hold_destroy(hold);
	wlr_surface_unlock_cached(surface, seq);
}

/*
 * Applying a commit runs the compositor's code, and may make more holds ready: those wait in line, so
 * that a child is applied before its parent, and the first commit of a surface before the second.
 */
static void settle(struct sbx_syncobj_manager *manager) {
	if (manager->settling) {
		return;
	}
	manager->settling = true;
	while (!wl_list_empty(&manager->ready)) {
		struct hold *hold = wl_container_of(manager->ready.next, hold, ready_link);
		hold_finish(hold);
	}
	manager->settling = false;
}

/* It will not be seen: nobody needs to wait for it. */
static void give_up_waiting(struct hold *hold, enum sbx_event_kind why) {
	if (hold->loan != NULL && hold->waits) {
		sbx_deadline_learn_least(hold->latch, hold->committed_ns);
		sbx_loan_give_up(hold->loan, why);
		hold->latch->manager->superseded++;
	}
	hold->waits = hold->failed = false;
	forget_children(hold);
	consider(hold);
}

/* Apply everything that is held, now. */
static void end_holds(struct sbx_latch *latch) {
	struct hold *hold, *next;
	wl_list_for_each_safe(hold, next, &latch->holds, link) {
		give_up_waiting(hold, SBX_EVENT_FORCED);
	}
	settle(latch->manager);
}

/*
 * A buffer behind `end` (a link of latch->holds) is ready. What is before it need not become ready any
 * more, unless a parent is to be applied with just that.
 */
static void supersede(struct sbx_latch *latch, struct wl_list *end) {
	struct hold *hold;
	struct wl_list *link;
	for (link = latch->holds.next; link != end; link = link->next) {
		hold = wl_container_of(link, hold, link);
		if (!wl_list_empty(&hold->parents) || !wl_list_empty(&hold->children)) {
			return;
		}
	}
	for (link = latch->holds.next; link != end; link = link->next) {
		hold = wl_container_of(link, hold, link);
		give_up_waiting(hold, SBX_EVENT_SUPERSEDED);
	}
}

static void handle_role_destroy(struct wl_listener *listener, void *data) {
	struct sbx_latch *latch = wl_container_of(listener, latch, role_destroy);
	stop_watching_role(latch);
	if (!latch->quota->leaving) {
		end_holds(latch);
	}
}

static void handle_xdg_role_destroy(struct wl_listener *listener, void *data) {
	struct sbx_latch *latch = wl_container_of(listener, latch, xdg_role_destroy);
	stop_watching_role(latch);
	if (!latch->quota->leaving) {
		end_holds(latch);
	}
}

static void watch_role(struct sbx_latch *latch) {
	struct wlr_surface *surface = latch->surface;
	if (surface->role_resource == NULL) {
		return;
	}
	wl_resource_add_destroy_listener(surface->role_resource, &latch->role_destroy);
	struct wlr_xdg_surface *xdg_surface = wlr_xdg_surface_try_from_wlr_surface(surface);
	if (xdg_surface != NULL && xdg_surface->role_resource != NULL) {
		wl_resource_add_destroy_listener(xdg_surface->role_resource, &latch->xdg_role_destroy);
	}
}

/* What they commit from now on is not for the commit that is held, with or without points. */
static void make_children_listen(struct sbx_latch *latch) {
	struct wlr_surface_state *current = &latch->surface->current;
	struct wlr_subsurface *subsurface;
	wl_list_for_each(subsurface, &current->subsurfaces_below, current.link) {
		sbx_latch_get(latch->manager, subsurface->surface);
	}
	wl_list_for_each(subsurface, &current->subsurfaces_above, current.link) {
		sbx_latch_get(latch->manager, subsurface->surface);
	}
}

/* Hold the pending state. NULL: it was rejected. */
static struct hold *hold_create(struct sbx_latch *latch) {
	struct wlr_surface *surface = latch->surface;
	struct wl_resource *display = wl_client_get_object(wl_resource_get_client(surface->resource), 1);
	struct sbx_desk *desk = &latch->manager->desk;
	sbx_quotas_feel_pressure(&desk->quotas, sbx_sync_get_drm_fd(desk->sync));
	if (sbx_quota_take(latch->quota, SBX_QUOTA_HELD_COMMITS) < 0) {
		wlr_surface_reject_pending(surface, display, WL_DISPLAY_ERROR_IMPLEMENTATION,
			"wl_surface#%u: %u commits of this client are waiting already, and more are not allowed",
			wl_resource_get_id(surface->resource), latch->quota->used[SBX_QUOTA_HELD_COMMITS]);
		return NULL;
	}
	struct hold *hold = calloc(1, sizeof(*hold));
	if (hold == NULL) {
		sbx_quota_give(latch->quota, SBX_QUOTA_HELD_COMMITS);
		wlr_surface_reject_pending(surface, display, WL_DISPLAY_ERROR_NO_MEMORY, "no memory");
		return NULL;
	}
	hold->latch = latch;
	wl_list_init(&hold->ready_link);
	wl_list_init(&hold->deadline_link);
	wl_list_init(&hold->children);
	wl_list_init(&hold->parents);
	hold->roleless = surface->role_resource == NULL;
	if (wl_list_empty(&latch->holds)) {
		watch_role(latch);
	}
	wl_list_insert(latch->holds.prev, &hold->link);
	latch->manager->held_commits++;
	sbx_count(SBX_COUNT_HELD, 1);
	hold->seq = wlr_surface_lock_pending(surface);
	make_children_listen(latch);
	return hold;
}

/* A fence that failed */

static void log_failure(const struct hold *hold) {
	const struct sbx_loan *loan = hold->loan;
	pid_t pid = 0;
	wl_client_get_credentials(wl_resource_get_client(hold->latch->surface->resource), &pid, NULL, NULL);
	sbx_log_info("client bug: pid %d, wl_surface#%u: the fence of acquire point %" PRIu64
		" of timeline #%u failed; the surface keeps its content", (int)pid,
		wl_resource_get_id(hold->latch->surface->resource), loan->acquire_value, loan->acquire->id);
}

/* Waiting for the acquire point */

/* Now that the acquire point is there, more is known of what it is on. */
static void check_conflict(const struct hold *hold) {
	const struct sbx_loan *loan = hold->loan;
	if (hold->latch->object != NULL && loan->acquire_value >= loan->release_value &&
			sbx_client_timeline_is_same(loan->acquire, loan->release, loan->release_value)) {
		sbx_syncobj_surface_post_conflict(hold->latch->object, loan->acquire, loan->acquire_value,
			loan->release, loan->release_value);
	}
}

static void want_to_be_asked(const struct hold *hold) {
	if (hold->policy == SBX_LATCH_DEADLINE && hold->waits) {
		sbx_deadline_want(hold->latch, hold->loan, hold->committed_ns);
	}
}

static void handle_gate(struct sbx_loan *loan, void *data) {
	struct hold *hold = data;
	if (hold == NULL || !hold->waits) {
		return;
	}
	struct sbx_latch *latch = hold->latch;
	check_conflict(hold);
	if (loan->gate.state == SBX_GATE_FAILED) {
		log_failure(hold);
		hold->failed = true;
	} else if (loan->gate.state == SBX_GATE_SIGNALLED) {
		sbx_deadline_learn(latch, loan, hold->committed_ns);
	} else {
		sbx_deadline_hint(latch, loan);
	}
	if (!hold->failed && !is_ready_by(hold->policy, loan)) {
		want_to_be_asked(hold);
		return;
	}
	hold->waits = false;
	if (!hold->failed && wl_list_empty(&hold->children)) {
		supersede(latch, &hold->link);
	}
	consider(hold);
	settle(latch->manager);
}

/* Parents and children */

static struct sbx_latch *find_latch(struct sbx_syncobj_manager *manager, struct wlr_surface *surface);

bool sbx_latch_is_synchronised(struct wlr_subsurface *subsurface) {
	while (subsurface != NULL && !subsurface->synchronized) {
		subsurface = wlr_subsurface_try_from_wlr_surface(subsurface->parent);
	}
	return subsurface != NULL;
}

/* False: out of memory. */
static bool add_edge(struct hold *parent, struct hold *child) {
	struct edge *edge = calloc(1, sizeof(*edge));
	if (edge == NULL) {
		return false;
	}
	edge->parent = parent;
	edge->child = child;
	wl_list_insert(&parent->children, &edge->parent_link);
	wl_list_insert(&child->parents, &edge->child_link);
	return true;
}

/* The commit is not to be applied before what `subsurface` has committed so far. */
static void wait_for_child(struct sbx_latch *latch, struct hold **hold,
		struct wlr_subsurface *subsurface) {
	struct sbx_latch *child = find_latch(latch->manager, subsurface->surface);
	if (child == NULL || wl_list_empty(&child->holds) || !sbx_latch_is_synchronised(subsurface)) {
		return;
	}
	if (*hold == NULL) {
		*hold = hold_create(latch);
	}
	struct hold *child_hold;
	wl_list_for_each(child_hold, &child->holds, link) {
		if (*hold == NULL || !add_edge(*hold, child_hold)) {
			return;
		}
	}
}

static void wait_for_children(struct sbx_latch *latch, struct hold **hold) {
	struct wlr_surface_state *pending = &latch->surface->pending;
	struct wlr_subsurface *subsurface;
	wl_list_for_each(subsurface, &pending->subsurfaces_below, pending.link) {
		wait_for_child(latch, hold, subsurface);
	}
	wl_list_for_each(subsurface, &pending->subsurfaces_above, pending.link) {
		wait_for_child(latch, hold, subsurface);
	}
}

/* Whose commits will have to wait for ours needs a latch to do so, with or without points of its own. */
static void make_ancestors_listen(struct sbx_latch *latch) {
	struct wlr_subsurface *subsurface = wlr_subsurface_try_from_wlr_surface(latch->surface);
	while (subsurface != NULL) {
		sbx_latch_get(latch->manager, subsurface->parent);
		subsurface = wlr_subsurface_try_from_wlr_surface(subsurface->parent);
	}
}

/* The last moment for rendering */

struct moment {
	const struct sbx_pace *pace;
	uint64_t serial;
	int64_t now_ns;
};

/* The surface whose outputs count; a child that was never shown is where its parent is. */
static const struct wlr_surface *shown_surface(const struct hold *hold) {
	while (wl_list_empty(&hold->latch->surface->current_outputs) && !wl_list_empty(&hold->parents)) {
		const struct edge *edge = wl_container_of(hold->parents.next, edge, child_link);
		hold = edge->parent;
	}
	return hold->latch->surface;
}

static bool is_shown_on(const struct hold *hold, const struct sbx_pace *pace) {
	const struct wlr_surface_output *place;
	wl_list_for_each(place, &shown_surface(hold)->current_outputs, link) {
		if (place->output == pace->output) {
			return true;
		}
	}
	return false;
}

/* Whether `earlier` need not become ready if `hold` is, since it will not be seen; as supersede(). */
static bool is_covered(const struct hold *earlier, const struct hold *hold) {
	return hold->loan != NULL && !hold->failed && wl_list_empty(&earlier->parents) &&
		wl_list_empty(&earlier->children);
}

static bool is_expected(struct hold *hold, const struct moment *moment);

static bool is_itself_expected(struct hold *hold, const struct moment *moment) {
	int64_t need_ns;
	return !hold->waits || (hold->policy == SBX_LATCH_DEADLINE &&
		sbx_deadline_get_need(shown_surface(hold), moment->now_ns, &need_ns) &&
		sbx_deadline_expects(hold->latch, hold->loan, hold->committed_ns, moment->now_ns, need_ns) &&
		sbx_loan_make_offer(hold->loan));
}

/* What is before it in line is superseded, or has to be expected, too. */
static bool are_others_expected(struct hold *hold, const struct moment *moment) {
	const struct edge *edge;
	wl_list_for_each(edge, &hold->children, parent_link) {
		if (!is_expected(edge->child, moment)) {
			return false;
		}
	}
	struct hold *earlier;
	wl_list_for_each(earlier, &hold->latch->holds, link) {
		if (earlier == hold) {
			break;
		}
		if (!is_covered(earlier, hold) && !is_expected(earlier, moment)) {
			return false;
		}
	}
	return true;
}

/* Whether it can be applied now with all that has to be applied with it. Each hold is looked at once. */
static bool is_expected(struct hold *hold, const struct moment *moment) {
	if (hold->asked != moment->serial) {
		hold->asked = moment->serial;
		hold->expected = is_itself_expected(hold, moment) && are_others_expected(hold, moment);
	}
	return hold->expected;
}

static void take(struct hold *hold, const struct moment *moment) {
	if (hold->taken == moment->serial) {
		return;
	}
	hold->taken = moment->serial;
	int64_t need_ns;
	if (hold->waits && sbx_deadline_get_need(shown_surface(hold), moment->now_ns, &need_ns)) {
		hold->waits = false;
		sbx_deadline_bet(hold->latch, hold->loan, hold->committed_ns, need_ns);
	}
	struct edge *edge;
	wl_list_for_each(edge, &hold->children, parent_link) {
		take(edge->child, moment);
	}
	struct hold *earlier;
	wl_list_for_each(earlier, &hold->latch->holds, link) {
		if (earlier == hold) {
			break;
		}
		if (is_covered(earlier, hold)) {
			give_up_waiting(earlier, SBX_EVENT_SUPERSEDED);
		} else {
			take(earlier, moment);
		}
	}
	consider(hold);
}

/* The hold that nothing else waits for; NULL: it belongs to a commit of the parent that has not come yet. */
static struct hold *find_root(struct hold *hold) {
	while (!wl_list_empty(&hold->parents)) {
		struct edge *edge = wl_container_of(hold->parents.next, edge, child_link);
		hold = edge->parent;
	}
	return sbx_latch_is_synchronised(wlr_subsurface_try_from_wlr_surface(hold->latch->surface)) ? NULL : hold;
}

void sbx_latch_ask(struct sbx_syncobj_manager *manager, struct sbx_pace *pace) {
	struct sbx_deadline *deadline = &manager->deadline;
	const struct moment moment = {
		.pace = pace,
		.serial = ++deadline->serial,
		.now_ns = sbx_kernel_now_ns(),
	};
	struct hold *hold;
	// The newest first: it supersedes what is older.
	wl_list_for_each_reverse(hold, &deadline->holds, deadline_link) {
		struct hold *root = hold->waits && is_shown_on(hold, pace) ? find_root(hold) : NULL;
		if (root != NULL && is_expected(root, &moment)) {
			take(root, &moment);
		}
	}
	wl_list_for_each(hold, &deadline->holds, deadline_link) {
		want_to_be_asked(hold);
	}
	settle(manager);
}

/* Commit */

static enum sbx_latch_policy policy_of(const struct sbx_latch *latch) {
	if (!latch->manager->asked) {
		return SBX_LATCH_SIGNALLED;
	}
	return latch->policy >= 0 ? (enum sbx_latch_policy)latch->policy : latch->manager->options.policy;
}

/* 0, or -errno: then the commit was rejected. */
static int open_loan(struct sbx_latch *latch, struct sbx_loan_terms *terms) {
	struct wlr_surface *surface = latch->surface;
	terms->buffer = surface->pending.buffer;
	terms->surface_id = wl_resource_get_id(surface->resource);
	terms->notify = handle_gate;
	int ret = sbx_loan_open(&latch->manager->desk, terms, &latch->pending.loan);
	latch->pending.policy = policy_of(latch);
	sbx_client_timeline_unref(terms->acquire);
	sbx_client_timeline_unref(terms->release);
	struct wl_resource *display = wl_client_get_object(wl_resource_get_client(surface->resource), 1);
	if (ret == -EDQUOT) {
		wlr_surface_reject_pending(surface, display, WL_DISPLAY_ERROR_IMPLEMENTATION,
			"wl_surface#%u: release point %" PRIu64 ": %u release points are owed to this client "
			"already, and more are not allowed", wl_resource_get_id(surface->resource),
			terms->release_value, latch->quota->used[SBX_QUOTA_POINTS]);
	} else if (ret < 0) {
		wlr_surface_reject_pending(surface, display, WL_DISPLAY_ERROR_NO_MEMORY, "no memory");
	}
	return ret;
}

/* Hold the pending state if its content is not ready. Returns whether it was held. */
static struct hold *hold_for_loan(struct sbx_latch *latch) {
	struct sbx_loan *loan = latch->pending.loan;
	if (loan == NULL || is_ready_by(latch->pending.policy, loan)) {
		return NULL;
	}
	struct hold *hold = hold_create(latch);
	if (hold != NULL) {
		hold->loan = loan;
		hold->policy = latch->pending.policy;
		hold->waits = true;
		hold->committed_ns = sbx_kernel_now_ns();
		if (hold->policy == SBX_LATCH_DEADLINE) {
			wl_list_insert(latch->manager->deadline.holds.prev, &hold->deadline_link);
		}
		loan->data = hold;
		make_ancestors_listen(latch);
		want_to_be_asked(hold);
	}
	return hold;
}

static void hold_if_needed(struct sbx_latch *latch) {
	struct hold *hold = hold_for_loan(latch);
	wait_for_children(latch, &hold);
	if (hold == NULL && latch->pending.loan != NULL) {
		supersede(latch, &latch->holds);
		settle(latch->manager);
	}
	if (hold == NULL && !wl_list_empty(&latch->holds)) {
		// In line behind the others.
		hold_create(latch);
	}
}

/* How far it is when it arrives. */
static void note_gate(struct sbx_latch *latch, const struct sbx_loan *loan) {
	if (loan->gate.state == SBX_GATE_SIGNALLED) {
		sbx_deadline_learn(latch, loan, 0);
	} else {
		sbx_deadline_hint(latch, loan);
	}
}

static void handle_client_commit(struct wl_listener *listener, void *data) {
	struct sbx_latch *latch = wl_container_of(listener, latch, client_commit);
	struct wlr_surface *surface = latch->surface;
	struct sbx_loan_terms terms = {0};
	enum sbx_points points = latch->object != NULL ?
		sbx_syncobj_surface_take(latch->object, &terms) : SBX_POINTS_NONE;
	if (points == SBX_POINTS_WRONG) {
		return;
	}
	sbx_keep_commit(latch);
	sbx_content_drop(&latch->pending);
	latch->pending.attached = surface->pending.committed & WLR_SURFACE_STATE_BUFFER;
	if (latch->pending.attached && surface->pending.buffer == NULL) {
		// Applied now, with all that was held: it waits for no child, either.
		end_holds(latch);
	} else if (points == SBX_POINTS_NONE) {
		hold_if_needed(latch);
	} else if (open_loan(latch, &terms) == 0) {
		note_gate(latch, latch->pending.loan);
		hold_if_needed(latch);
	}
}

static void finish_state(void *state) {
	sbx_content_drop(state);
}

static void move_state(void *dst, void *src) {
	sbx_content_move(dst, src);
}

static void handle_commit(struct wlr_surface_synced *synced) {
	struct sbx_latch *latch = wl_container_of(synced, latch, synced);
	sbx_content_commit(latch);
	sbx_keep_let_go(latch);
}

static const struct wlr_surface_synced_impl synced_impl = {
	.state_size = sizeof(struct sbx_latch_state),
	.finish_state = finish_state,
	.move_state = move_state,
	.commit = handle_commit,
};

/* The surface goes, and its cached commits with it. */
static void handle_surface_destroy(struct wlr_addon *addon) {
	struct sbx_latch *latch = wl_container_of(addon, latch, addon);
	struct sbx_syncobj_manager *manager = latch->manager;
	while (!wl_list_empty(&latch->holds)) {
		struct hold *last = wl_container_of(latch->holds.prev, last, link);
		hold_destroy(last);
	}
	if (latch->object != NULL) {
		sbx_syncobj_surface_orphan(latch->object);
	}
	sbx_keep_forget(latch);
	wl_list_remove(&latch->client_commit.link);
	wlr_surface_synced_finish(&latch->synced);
	wlr_addon_finish(&latch->addon);
	sbx_quota_unref(latch->quota);
	free(latch);
	settle(manager);
}

static const struct wlr_addon_interface addon_impl = {
	.name = "sbx_latch",
	.destroy = handle_surface_destroy,
};

static struct sbx_latch *find_latch(struct sbx_syncobj_manager *manager, struct wlr_surface *surface) {
	struct wlr_addon *addon = wlr_addon_find(&surface->addons, manager, &addon_impl);
	struct sbx_latch *latch = NULL;
	return addon != NULL ? wl_container_of(addon, latch, addon) : NULL;
}

static struct sbx_latch *create(struct sbx_syncobj_manager *manager, struct wlr_surface *surface) {
	struct sbx_latch *latch = calloc(1, sizeof(*latch));
	struct sbx_quota *quota = latch == NULL ? NULL :
		sbx_quota_get(&manager->desk.quotas, wl_resource_get_client(surface->resource));
	if (quota == NULL || !wlr_surface_synced_init(&latch->synced, surface, &synced_impl,
			&latch->pending, &latch->current)) {
		sbx_quota_unref(quota);
		free(latch);
		return NULL;
	}
	latch->manager = manager;
	latch->surface = surface;
	latch->quota = quota;
	latch->policy = -1;
	latch->shown = surface->buffer;
	wl_list_init(&latch->holds);
	wl_list_init(&latch->bet.link);
	wl_list_init(&latch->kept);
	wl_list_init(&latch->kept_children);
	wl_list_init(&latch->role_destroy.link);
	latch->role_destroy.notify = handle_role_destroy;
	wl_list_init(&latch->xdg_role_destroy.link);
	latch->xdg_role_destroy.notify = handle_xdg_role_destroy;
	latch->client_commit.notify = handle_client_commit;
	wl_signal_add(&surface->events.client_commit, &latch->client_commit);
	wlr_addon_init(&latch->addon, &surface->addons, manager, &addon_impl);
	return latch;
}

struct sbx_latch *sbx_latch_find(struct sbx_syncobj_manager *manager, struct wlr_surface *surface) {
	return find_latch(manager, surface);
}

struct sbx_latch *sbx_latch_get(struct sbx_syncobj_manager *manager, struct wlr_surface *surface) {
	struct sbx_latch *latch = find_latch(manager, surface);
	return latch != NULL ? latch : create(manager, surface);
}
