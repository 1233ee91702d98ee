#include <stddef.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/util/transform.h>
#include "loan/loan.h"
#include "protocol/content.h"
#include "protocol/deadline.h"
#include "protocol/latch.h"
#include "protocol/manager.h"

static void drop(struct sbx_loan *loan) {
	if (loan != NULL) {
		sbx_deadline_forget(loan);
		sbx_loan_drop(loan);
	}
}

void sbx_content_drop(struct sbx_latch_state *state) {
	struct sbx_latch_state old = *state;
	*state = (struct sbx_latch_state){0};
	drop(old.replaced);
	drop(old.loan);
}

void sbx_content_move(struct sbx_latch_state *to, struct sbx_latch_state *from) {
	if (from->attached) {
		struct sbx_latch_state old = *to;
		drop(from->replaced);
		*to = *from;
		to->replaced = old.loan;
		*from = (struct sbx_latch_state){0};
		drop(old.replaced);
	}
}

static void latch_loan(struct sbx_latch *latch, struct sbx_loan *loan) {
	latch->manager->latched[latch->current.policy] += loan->gate.state != SBX_GATE_WITHDRAWN;
	sbx_loan_latch(loan);
}

void sbx_content_commit(struct sbx_latch *latch) {
	const struct wlr_client_buffer *shown = latch->surface->buffer;
	struct sbx_latch_state *current = &latch->current;
	if (!current->attached) {
		return;
	}
	current->attached = false;
	// A new texture is made before the old one goes: the same address is the same texture.
	bool is_new = shown == NULL || shown != latch->shown;
	struct sbx_loan *committed = current->loan, *replaced = current->replaced;
	current->loan = is_new ? committed : replaced;
	current->replaced = NULL;
	latch->shown = shown;
	if (committed != NULL) {
		latch_loan(latch, committed);
	}
	drop(is_new ? replaced : committed);
}

static struct wlr_surface_state *find_cached(struct wlr_surface *surface, uint32_t seq) {
	struct wlr_surface_state *cached;
	wl_list_for_each(cached, &surface->cached, cached_state_link) {
		if (cached->seq == seq) {
			return cached;
		}
	}
	return NULL;
}

/* The size that the buffer of `current` has with the transform, scale and viewport of `next`. */
static void keep_size(struct wlr_surface_state *next, const struct wlr_surface_state *current) {
	bool set_viewport = next->committed & WLR_SURFACE_STATE_VIEWPORT;
	const struct wlr_surface_state *viewport = set_viewport ? next : current;
	next->buffer_width = next->width = current->buffer_width;
	next->buffer_height = next->height = current->buffer_height;
	if (next->buffer_width == 0) {
		return;
	}
	if (viewport->viewport.has_dst) {
		next->width = viewport->viewport.dst_width;
		next->height = viewport->viewport.dst_height;
	} else if (viewport->viewport.has_src) {
		next->width = (int)viewport->viewport.src.width;
		next->height = (int)viewport->viewport.src.height;
	} else {
		bool set_transform = next->committed & WLR_SURFACE_STATE_TRANSFORM;
		bool set_scale = next->committed & WLR_SURFACE_STATE_SCALE;
		int32_t scale = set_scale ? next->scale : current->scale;
		wlr_output_transform_coords(set_transform ? next->transform : current->transform,
			&next->width, &next->height);
		next->width /= scale;
		next->height /= scale;
	}
}

void sbx_content_discard(struct sbx_latch *latch, uint32_t seq) {
	struct wlr_surface_state *cached = find_cached(latch->surface, seq);
	if (cached == NULL) {
		return;
	}
	struct wlr_buffer *buffer = cached->buffer;
	cached->buffer = NULL;
	cached->committed &= ~(uint32_t)(WLR_SURFACE_STATE_BUFFER | WLR_SURFACE_STATE_SURFACE_DAMAGE |
		WLR_SURFACE_STATE_BUFFER_DAMAGE);
	keep_size(cached, &latch->surface->current);
	wlr_buffer_unlock(buffer);
	sbx_content_drop(wlr_surface_synced_get_state(&latch->synced, cached));
}
