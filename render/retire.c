#include <stdlib.h>
#include "render/batch.h"
#include "render/device.h"
#include "render/retire.h"
#include "trace/log.h"

/* Only where memory is out, or a GPU hangs, is this ever waited for. */
#define RETIRE_TIMEOUT_NS 2000000000ull

struct entry {
	uint64_t value;
	sbx_retire_func destroy;
	void *object;
};

struct sbx_retire {
	struct entry *entries;
	size_t count, capacity;
	/* A destructor that polls the device must not start a second walk. */
	bool running;
};

struct sbx_retire *sbx_retire_create(void) {
	return calloc(1, sizeof(struct sbx_retire));
}

static bool grow(struct sbx_retire *retire) {
	if (retire->count < retire->capacity) {
		return true;
	}
	size_t capacity = retire->capacity > 0 ? retire->capacity * 2 : 64;
	struct entry *entries = realloc(retire->entries, capacity * sizeof(*entries));
	if (entries == NULL) {
		return false;
	}
	retire->entries = entries;
	retire->capacity = capacity;
	return true;
}

/* Out of memory: `value` may be one of uploads that were not sent yet. */
static void destroy_after_wait(struct sbx_device *device, uint64_t value,
		sbx_retire_func destroy, void *object) {
	if (value > device->submitted) {
		sbx_batch_submit_uploads(device);
	}
	if (value > device->submitted || sbx_device_wait(device, value, RETIRE_TIMEOUT_NS) == 0 ||
			device->lost) {
		destroy(device, object);
		return;
	}
	sbx_log_error("render: an object that the GPU may still use is leaked");
}

void sbx_retire_after(struct sbx_device *device, uint64_t value, sbx_retire_func destroy,
		void *object) {
	struct sbx_retire *retire = device->retire;
	if (value <= device->completed || device->lost) {
		destroy(device, object);
		return;
	}
	if (!grow(retire)) {
		destroy_after_wait(device, value, destroy, object);
		return;
	}
	retire->entries[retire->count++] = (struct entry){
		.value = value, .destroy = destroy, .object = object,
	};
}

/*
 * A destructor may retire more, which moves the array: no pointer into it is kept across the call, and
 * what is appended meanwhile is looked at in the same walk.
 */
static void run(struct sbx_retire *retire, struct sbx_device *device, bool everything) {
	size_t kept = 0;
	if (retire->running) {
		return;
	}
	retire->running = true;
	for (size_t i = 0; i < retire->count; i++) {
		struct entry entry = retire->entries[i];
		if (everything || entry.value <= device->completed) {
			entry.destroy(device, entry.object);
		} else {
			retire->entries[kept++] = entry;
		}
	}
	retire->count = kept;
	retire->running = false;
}

void sbx_retire_run(struct sbx_retire *retire, struct sbx_device *device) {
	run(retire, device, device->lost);
}

void sbx_retire_destroy(struct sbx_retire *retire, struct sbx_device *device) {
	if (retire == NULL) {
		return;
	}
	run(retire, device, true);
	free(retire->entries);
	free(retire);
}
