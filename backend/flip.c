#include <wlr/types/wlr_output.h>
#include "backend/crtc.h"
#include "backend/implicit.h"
#include "backend/output.h"
#include "backend/quirks.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"
#include "trace/log.h"

#define MS INT64_C(1000000)

static void arm(struct sbx_output *output) {
	sbx_timer_arm(&output->flip_timer, sbx_kernel_now_ns() + output->flip_ms * MS);
}

void sbx_output_watch_flip(struct sbx_output *output) {
	// A parent may have good reasons to let a window wait: it is hidden.
	if (output->quirks->is_kms) {
		output->flip_is_due = output->flip_is_late = false;
		arm(output);
	}
}

void sbx_output_forget_flip(struct sbx_output *output) {
	output->flip_ms = SBX_FLIP_LATE_MS;
	sbx_timer_arm(&output->flip_timer, 0);
}

static void note_late(struct sbx_output *output) {
	if (output->flip_is_late) {
		return;
	}
	output->flip_is_late = true;
	output->info.late_flips++;
	sbx_log_error("driver bug: %s: a flip of %s has not happened after %d ms; what it shows stays locked",
		output->quirks->driver, output->wlr->name, output->flip_ms);
}

static void wait_longer(struct sbx_output *output) {
	int ms = output->flip_ms * 2;
	output->flip_ms = ms < SBX_FLIP_RETRY_MAX_MS ? ms : SBX_FLIP_RETRY_MAX_MS;
}

/*
 * Whether what is on the screen is being written to, by a client that it is not free for: the kernel would have
 * the commit, which blocks, wait for that.
 */
static bool is_written(struct sbx_output *output) {
	int fence = -1;
	bool written = output->front != NULL && (sbx_implicit_get_fence(output->front, &fence) < 0 ||
		(fence >= 0 && sbx_fence_status(fence, NULL) <= 0));
	sbx_fd_close(&fence);
	return written;
}

/*
 * While the kernel is busy with it any commit would block until it is done, for ten seconds or for as long as
 * a fence does not come; and what the screen reads is not known. Once it is over only its event was lost: the
 * same frame again has one of its own, which ends the wait of all who wait for the flip.
 */
void sbx_output_handle_late_flip(struct sbx_output *output) {
	if (!output->flip_is_due) {
		// We may be what was late, and its event be next in this dispatch.
		output->flip_is_due = true;
		sbx_timer_arm(&output->flip_timer, sbx_kernel_now_ns());
		return;
	}
	output->flip_is_due = false;
	note_late(output);
	wait_longer(output);
	if (sbx_crtc_ask(output->wlr) == SBX_CRTC_IDLE && !is_written(output) &&
			sbx_output_commit_front(output, true)) {
		output->info.lost_flips++;
		sbx_log_info("%s: the flip of %s is over, and nobody was told: the frame is committed once more",
			output->quirks->driver, output->wlr->name);
	} else {
		arm(output);
	}
}
