/**
 * VkSemaphore <-> fd: the rules of VK_KHR_external_semaphore_fd, in one place.
 *
 * Source: Vulkan specification, "Importing Semaphore Payloads" and vkGetSemaphoreFdKHR.
 *
 * - SYNC_FD has copy transference: an import is always temporary, needs a binary semaphore, and fd -1
 *   is a payload that is already signalled. An export needs a pending or done signal operation, and
 *   takes the payload along: it has the effect of a wait (the semaphore is unsignalled afterwards).
 *   It may return -1: already signalled.
 * - OPAQUE_FD has reference transference: both semaphores share one payload. It may be permanent or
 *   (binary only) temporary; binary and timeline. -1 is not valid.
 */
#ifndef SBX_RENDER_SEMAPHORE_H
#define SBX_RENDER_SEMAPHORE_H

#include <stdbool.h>
#include <stdint.h>
#include <volk.h>

struct sbx_device;

enum sbx_semaphore_type {
	SBX_SEMAPHORE_BINARY,
	SBX_SEMAPHORE_TIMELINE,
};

enum sbx_semaphore_fd {
	SBX_SEMAPHORE_SYNC_FD,
	SBX_SEMAPHORE_OPAQUE_FD,
};

enum sbx_semaphore_permanence {
	/** The payload goes back to what it was after the next wait. */
	SBX_SEMAPHORE_TEMPORARY,
	SBX_SEMAPHORE_PERMANENT,
};

struct sbx_semaphore {
	struct sbx_device *device;
	VkSemaphore handle;
	enum sbx_semaphore_type type;
	/** Bits 1 << enum sbx_semaphore_fd: what it was created to be exported as. */
	uint32_t exportable;
	/**
	 * A binary semaphore has a signal operation submitted (here, or behind the sync_file it was
	 * imported from) and not yet waited for or exported. False where only the other side can know:
	 * see `shared`.
	 */
	bool pending;
	/**
	 * Somebody else signals and waits, too: an OPAQUE_FD was imported or exported. Whether it may be
	 * waited for or signalled is then for the two sides to agree.
	 */
	bool shared;
	/** A temporary payload is in place, until the next wait (or export as SYNC_FD). */
	bool temporary;
	/** The payload in place was imported, as this. */
	bool imported;
	enum sbx_semaphore_fd imported_as;
	/** What `pending`, `shared` and `imported` go back to after a temporary payload. */
	struct {
		bool pending, shared, imported;
	} permanent;
	/** The last submission that uses it. */
	uint64_t last_use;
};

/**
 * `exportable`: bits 1 << enum sbx_semaphore_fd. `initial_value`: for timelines. Returns 0 and
 * *semaphore, or -ENOTSUP (the device has no such semaphore), -EINVAL (a timeline as SYNC_FD),
 * -ENOMEM, -ENODEV.
 */
int sbx_semaphore_create(struct sbx_device *device, enum sbx_semaphore_type type,
	uint32_t exportable, uint64_t initial_value, struct sbx_semaphore **semaphore);

/** Destroyed once the GPU is past its last use. NULL is allowed. */
void sbx_semaphore_destroy(struct sbx_semaphore *semaphore);

/**
 * Import *fd. On success Vulkan owns it and *fd is -1; on failure *fd is as it was and remains the
 * caller's. SYNC_FD: *fd may be -1 (already signalled); only SBX_SEMAPHORE_TEMPORARY, only binary.
 * OPAQUE_FD: *fd must come from a semaphore of the same type on the same driver and physical device; a
 * timeline can be imported permanently only. An import replaces what was imported before.
 *
 * -EINVAL: one of those rules is broken; -ENOTSUP: the device cannot; -EBUSY: the GPU still uses the
 * semaphore; -EBADF, -EINVAL, -ENOTTY: not such an fd; -ENODEV: the device is lost.
 */
int sbx_semaphore_import(struct sbx_semaphore *semaphore, enum sbx_semaphore_fd type,
	enum sbx_semaphore_permanence permanence, int *fd);

/**
 * Export. *fd is -1 or a new fd, the caller's. SYNC_FD: the semaphore must have a pending signal
 * (-EINVAL otherwise, nothing is asked of the driver), -1 means already signalled, and afterwards it
 * is as if waited for. On a device with caps.export_blocks the call waits for the GPU.
 *
 * -EINVAL also: what it was not created for; an imported sync_file (duplicate the fd before importing
 * it) or one shared as OPAQUE_FD as SYNC_FD; an imported OPAQUE_FD that the device cannot pass on.
 * -ENOTSUP: the device has no such export; -EMFILE, -ENOMEM, -EIO; -ENODEV: the device is lost.
 */
int sbx_semaphore_export(struct sbx_semaphore *semaphore, enum sbx_semaphore_fd type, int *fd);

/** Whether a batch may wait for it, or signal it, as far as this side can know. */
bool sbx_semaphore_may_wait(const struct sbx_semaphore *semaphore);
bool sbx_semaphore_may_signal(const struct sbx_semaphore *semaphore);

/** For whoever submits: submission `value` signals it, or waits for it. */
void sbx_semaphore_submitted(struct sbx_semaphore *semaphore, bool signal, uint64_t value);

/** Timelines: the value now; signal from the CPU; wait, bounded. 0, -ETIME, -ENODEV, -EINVAL. */
int sbx_semaphore_get_value(struct sbx_semaphore *semaphore, uint64_t *value);
int sbx_semaphore_signal(struct sbx_semaphore *semaphore, uint64_t value);
int sbx_semaphore_wait(struct sbx_semaphore *semaphore, uint64_t value, uint64_t timeout_ns);

#endif
