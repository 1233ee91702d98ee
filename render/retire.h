/**
 * Things to destroy once the GPU is past a submission.
 */
#ifndef SBX_RENDER_RETIRE_H
#define SBX_RENDER_RETIRE_H

#include <stdint.h>

struct sbx_device;
struct sbx_retire;

typedef void (*sbx_retire_func)(struct sbx_device *device, void *object);

/**
 * Call destroy(device, object) when submission `value` is complete: at once if it is already known to
 * be, else from a later sbx_device_poll(), sbx_device_wait() or sbx_device_destroy(). Never fails: if
 * it cannot remember the object, it waits (bounded) for `value` first.
 */
void sbx_retire_after(struct sbx_device *device, uint64_t value, sbx_retire_func destroy,
	void *object);

struct sbx_retire *sbx_retire_create(void);
/** Destroys what is complete (or everything, when the device is lost). Called by sbx_device_poll(). */
void sbx_retire_run(struct sbx_retire *retire, struct sbx_device *device);
/** Destroys everything that is left; the queue must be idle. */
void sbx_retire_destroy(struct sbx_retire *retire, struct sbx_device *device);

#endif
