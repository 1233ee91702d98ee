/**
 * What drawing into a target takes on the GPU, for whoever paces the output that shows it (loan/pace.h).
 * Only for targets of outputs for which somebody wants to know.
 *
 * By GPU timestamps. Where the device has none, or the compositor measures the pass with a timer of its
 * own, it is the time from submission until its fence signalled, of passes that wait for nobody: it
 * includes what the queue had to do before.
 *
 * Reported when the target is drawn into the next time: then it is long done, and nothing is waited for.
 */
#ifndef SBX_RENDER_WLR_WORK_H
#define SBX_RENDER_WLR_WORK_H

#include <stdbool.h>
#include <stdint.h>

struct sbx_pass;
struct sbx_timer;

/** One for each target. All zero, but fence_fd is -1. */
struct sbx_work {
	/** NULL: none was needed yet. */
	struct sbx_timer *timer;
	/** The timer runs with the last pass. */
	bool timed;
	/** Of the last pass, -1: not measured by it. */
	int fence_fd;
	int64_t sent_ns;
};

/** A pass begins: report the last one, and set pass->timer if it is to be measured by that. */
void sbx_work_begin(struct sbx_pass *pass);

/** It was sent at sent_ns; done_fd (lent, -1: done) signals when it is done. */
void sbx_work_sent(struct sbx_pass *pass, int64_t sent_ns, int done_fd);

/** Before the device goes. */
void sbx_work_finish(struct sbx_work *work);

#endif
