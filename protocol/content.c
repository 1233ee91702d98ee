#include <stddef.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
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
