/**
 * A batch: one command buffer on its way to the queue, with what it waits for and who is told.
 *
 * Batches come from a ring and are used again once the GPU is past them: in steady state nothing is
 * allocated. At most one batch is being recorded at a time, next to the device's upload batch, which
 * sbx_batch_submit() sends ahead of it in the same vkQueueSubmit2.
 */
#ifndef SBX_RENDER_BATCH_H
#define SBX_RENDER_BATCH_H

#include <stdint.h>
#include <volk.h>

struct sbx_batch;
struct sbx_device;
struct sbx_image;
struct sbx_semaphore;
struct sbx_timer;

/** How long sbx_batch_begin() waits for a place in the ring. */
#define SBX_BATCH_BEGIN_TIMEOUT_NS 1000000000ull
/** How long sbx_batch_submit() waits for work whose end cannot be had as an fd. */
#define SBX_BATCH_DONE_TIMEOUT_NS 2000000000ull

/** Begin recording. NULL: out of memory, lost device, or the ring is full for a second. */
struct sbx_batch *sbx_batch_begin(struct sbx_device *device);

/** To record into; valid until the batch is submitted or cancelled. */
VkCommandBuffer sbx_batch_commands(struct sbx_batch *batch);

/**
 * The GPU starts this batch (its ownership acquires included) only when *sync_file has signalled.
 * -1 is already signalled. On success *sync_file is consumed (-1); on failure it is unchanged and the
 * batch does not wait for it: whatever it protects must not be touched by this batch. One that has
 * signalled costs the GPU nothing. A fence that failed has signalled, too: sbx_fence_status() tells.
 *
 * -EBADF, -EINVAL: not a sync_file; -ENOTSUP: pending, and the device imports none (wait for it on the
 * CPU); -ENOMEM; what the driver says.
 */
int sbx_batch_wait(struct sbx_batch *batch, int *sync_file);

/**
 * The same with a semaphore of our own, of either type (`value`: for timelines). Lent until the batch
 * is submitted. -EINVAL: a binary semaphore without a pending signal, which would wait for ever.
 */
int sbx_batch_wait_semaphore(struct sbx_batch *batch, struct sbx_semaphore *semaphore,
	uint64_t value);

/** Signal `semaphore` when this batch is complete. Lent until submitted. -EINVAL: it is signalled already. */
int sbx_batch_signal_semaphore(struct sbx_batch *batch, struct sbx_semaphore *semaphore,
	uint64_t value);

/**
 * Make `image` usable for reading (layout, visibility, ownership from FOREIGN) in this batch, and give
 * it back at its end. Once per image and batch is enough; more often does no harm. The barriers are
 * recorded into this batch, so they run after its waits.
 */
int sbx_batch_use_texture(struct sbx_batch *batch, struct sbx_image *image);

/** The same for a target: its content is kept. Only one target a batch. */
int sbx_batch_use_target(struct sbx_batch *batch, struct sbx_image *image);

/**
 * Record all acquire barriers collected so far, in one command. Called before the first dispatch that
 * needs them; sbx_batch_submit() records the releases.
 */
void sbx_batch_flush_barriers(struct sbx_batch *batch);

/** What is recorded from here on comes after everything recorded before, writes to images included. */
void sbx_batch_order(struct sbx_batch *batch);

/** Measure this batch's GPU time with `timer` (NULL: do not). */
void sbx_batch_set_timer(struct sbx_batch *batch, struct sbx_timer *timer);

/**
 * It draws pass `pass` of a recording (trace/recorder.h): its submission and its GPU times are recorded.
 * Call it before anything is recorded that is to be measured. Does nothing while nothing is recorded.
 */
void sbx_batch_trace(struct sbx_batch *batch, uint64_t pass);

/**
 * Send it. Consumes the batch, also on failure (then nothing was or will be executed).
 *
 * done_fd (NULL: not wanted) receives a sync_file that signals when the GPU is done, the caller's; -1
 * in it means that the work is already done. If the work was sent but its completion cannot be
 * exported as an fd, *done_fd is -1 and the function has waited (bounded) for it; if even that failed,
 * -ETIME or -ENODEV is returned, and nobody may be told that the work is done.
 *
 * *value (NULL: not wanted) is the submission's number, for sbx_device_wait().
 */
int sbx_batch_submit(struct sbx_batch *batch, int *done_fd, uint64_t *value);

/** Drop what was recorded. Waits already consumed are given up. NULL is allowed. */
void sbx_batch_cancel(struct sbx_batch *batch);

/**
 * The device's upload batch: what is recorded into it runs before the next batch that is submitted.
 * NULL: as sbx_batch_begin(). Begun when first asked for.
 */
struct sbx_batch *sbx_batch_uploads(struct sbx_device *device);

/** Send the upload batch by itself, if there is one. 0 or a negative errno (then it stays). */
int sbx_batch_submit_uploads(struct sbx_device *device);

/** A number that no other batch of this device has. */
uint64_t sbx_batch_serial(const struct sbx_batch *batch);

/** The ring. Destroyed when the queue is idle. */
int sbx_batches_create(struct sbx_device *device);
void sbx_batches_destroy(struct sbx_device *device);

/** GPU time of a batch, from timestamps. */
struct sbx_timer *sbx_timer_create(struct sbx_device *device);
void sbx_timer_destroy(struct sbx_timer *timer);
/** Nanoseconds of the last finished batch that used it, or -1 when unavailable (yet). Never waits. */
int64_t sbx_timer_duration_ns(struct sbx_timer *timer);

#endif
