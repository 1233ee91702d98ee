/**
 * What drivers do otherwise than they should: known beforehand, with a source, or learned while running.
 *
 * One memory for the process, by driver: what one output has learned the others know.
 */
#ifndef SBX_BACKEND_QUIRKS_H
#define SBX_BACKEND_QUIRKS_H

#include <stdbool.h>

struct wlr_backend;

struct sbx_quirks {
	/** "virtio_gpu", "nvidia-drm"; for who is not KMS, "parent" or the parent's driver. */
	char driver[32];
	bool is_kms;
	/** A commit with a fence is refused, and the errno with which it was (0: not known). */
	bool refuses_fences;
	int refused_errno;
	/** How often in a row a commit with a fence was refused, and taken without one: nobody said why. */
	unsigned suspicions;
	/** It does not look at the fences in dma-bufs. */
	bool ignores_implicit;
	/** It goes on reading a buffer for so many flips after the one that replaced it. */
	unsigned extra_flips;
};

/** Of the driver behind `backend`. Lives as long as the process. Never NULL. */
struct sbx_quirks *sbx_quirks_get(struct wlr_backend *backend);

/** A commit was refused for its fence; `error` is an errno or 0. Logged the first time. */
void sbx_quirks_learn_refusal(struct sbx_quirks *quirks, int error);

/** For tests: forget everything. No struct sbx_quirks may be used after it. */
void sbx_quirks_forget(void);

#endif
