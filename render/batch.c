#include <errno.h>
#include <stdlib.h>
#include "render/array.h"
#include "render/batch.h"
#include "render/device.h"
#include "render/image.h"
#include "render/semaphore.h"
#include "render/stopwatch.h"
#include "render/timer.h"
#include "sync/fd.h"
#include "sync/sync_file.h"
#include "trace/counter.h"
#include "trace/log.h"
#include "trace/recorder.h"

/* More than this many frames ahead of the GPU, and sbx_batch_begin() waits. */
#define RING_SIZE 16

/* All that our images are ever used for. */
#define USE_STAGES (VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT)
#define READ_ACCESS (VK_ACCESS_2_SHADER_SAMPLED_READ_BIT | VK_ACCESS_2_SHADER_STORAGE_READ_BIT | \
	VK_ACCESS_2_TRANSFER_READ_BIT)
#define WRITE_ACCESS (VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT)

enum batch_state {
	BATCH_FREE,
	BATCH_RECORDING,
	/* Its commands are complete, but it could not be sent: only uploads wait in this state. */
	BATCH_ENDED,
	BATCH_SENT,
};

struct used_image {
	struct sbx_image *image;
	bool written, was_undefined;
};

struct used_semaphore {
	struct sbx_semaphore *semaphore;
	bool signal;
};

struct sbx_batch {
	struct sbx_device *device;
	enum batch_state state;
	uint64_t serial, value;
	VkCommandPool pool;
	VkCommandBuffer commands;

	VkSemaphoreSubmitInfo *waits, *signals;
	size_t n_waits, waits_capacity, n_signals, signals_capacity;
	/* Those among the waits that came from the pool. */
	VkSemaphore *pooled;
	size_t n_pooled, pooled_capacity;
	struct used_semaphore *semaphores;
	size_t n_semaphores, semaphores_capacity;

	struct used_image *images;
	size_t n_images, images_capacity;
	VkImageMemoryBarrier2 *barriers;
	size_t n_barriers, barriers_capacity;
	/* The barrier against earlier batches is recorded. */
	bool ordered;

	struct sbx_timer *timer;
	unsigned timer_pair;
	/* Its place in the ring, and in the stopwatch; the pass that is recorded, 0: none. */
	unsigned place;
	uint64_t pass;
	/* Exported as the done fd. While `done_pending`, it cannot be signalled again. */
	VkSemaphore done;
	bool done_pending;
};

struct sbx_batches {
	struct sbx_batch *slots[RING_SIZE];
	unsigned count;
	uint64_t last_serial;
	/* Unsignalled binary semaphores for waits. */
	VkSemaphore *semaphores;
	size_t n_semaphores, semaphores_capacity;
	struct sbx_batch *uploads;
	/* Made when something is recorded for the first time. */
	struct sbx_stopwatch *stopwatch;
	struct sbx_recorder_source source;
};

static void collect_times(void *data);

int sbx_batches_create(struct sbx_device *device) {
	device->batches = calloc(1, sizeof(*device->batches));
	if (device->batches == NULL) {
		return -ENOMEM;
	}
	device->batches->source.collect = collect_times;
	device->batches->source.data = device;
	sbx_recorder_add_source(&device->batches->source);
	return 0;
}

static int create_commands(struct sbx_batch *batch) {
	struct sbx_device *device = batch->device;
	const VkCommandPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
		.queueFamilyIndex = device->queue_family,
	};
	int ret = SBX_VK(device, vkCreateCommandPool, device->handle, &pool_info, NULL, &batch->pool);
	if (ret < 0) {
		return ret;
	}
	const VkCommandBufferAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = batch->pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	return SBX_VK(device, vkAllocateCommandBuffers, device->handle, &info, &batch->commands);
}

static void destroy_batch(struct sbx_batch *batch) {
	struct sbx_device *device = batch->device;
	for (size_t i = 0; i < batch->n_pooled; i++) {
		device->vk.vkDestroySemaphore(device->handle, batch->pooled[i], NULL);
	}
	device->vk.vkDestroySemaphore(device->handle, batch->done, NULL);
	device->vk.vkDestroyCommandPool(device->handle, batch->pool, NULL);
	free(batch->waits);
	free(batch->signals);
	free(batch->pooled);
	free(batch->semaphores);
	free(batch->images);
	free(batch->barriers);
	free(batch);
}

static struct sbx_batch *create_batch(struct sbx_device *device) {
	struct sbx_batches *ring = device->batches;
	struct sbx_batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		return NULL;
	}
	batch->device = device;
	if (create_commands(batch) < 0) {
		destroy_batch(batch);
		return NULL;
	}
	sbx_device_name(device, VK_OBJECT_TYPE_COMMAND_BUFFER, (uint64_t)batch->commands, "batch %u",
		ring->count);
	batch->place = ring->count;
	ring->slots[ring->count++] = batch;
	return batch;
}

void sbx_batches_destroy(struct sbx_device *device) {
	struct sbx_batches *ring = device->batches;
	if (ring == NULL) {
		return;
	}
	// The queue is idle: the last passes' times are there.
	collect_times(device);
	for (unsigned i = 0; i < ring->count; i++) {
		destroy_batch(ring->slots[i]);
	}
	for (size_t i = 0; i < ring->n_semaphores; i++) {
		device->vk.vkDestroySemaphore(device->handle, ring->semaphores[i], NULL);
	}
	sbx_recorder_remove_source(&ring->source);
	sbx_stopwatch_destroy(ring->stopwatch);
	free(ring->semaphores);
	free(ring);
	device->batches = NULL;
}

/* Waits that were performed leave the semaphores unsignalled, ready for the next import. */
static void recycle_semaphores(struct sbx_batch *batch) {
	struct sbx_device *device = batch->device;
	struct sbx_batches *ring = device->batches;
	for (size_t i = 0; i < batch->n_pooled; i++) {
		if (sbx_array_reserve(&ring->semaphores, &ring->semaphores_capacity,
				ring->n_semaphores, sizeof(VkSemaphore))) {
			ring->semaphores[ring->n_semaphores++] = batch->pooled[i];
		} else {
			device->vk.vkDestroySemaphore(device->handle, batch->pooled[i], NULL);
		}
	}
	batch->n_pooled = 0;
}

/* Waits that never were performed leave a payload behind. */
static void drop_semaphores(struct sbx_batch *batch) {
	struct sbx_device *device = batch->device;
	for (size_t i = 0; i < batch->n_pooled; i++) {
		device->vk.vkDestroySemaphore(device->handle, batch->pooled[i], NULL);
	}
	batch->n_pooled = 0;
}

/* The GPU is past it (or never saw it). */
static void reset_batch(struct sbx_batch *batch) {
	struct sbx_device *device = batch->device;
	if (batch->done_pending) {
		device->vk.vkDestroySemaphore(device->handle, batch->done, NULL);
		batch->done = VK_NULL_HANDLE;
		batch->done_pending = false;
	}
	batch->n_waits = batch->n_signals = batch->n_semaphores = 0;
	batch->n_images = batch->n_barriers = 0;
	batch->ordered = false;
	batch->timer = NULL;
	batch->pass = 0;
	sbx_stopwatch_cancel(device->batches->stopwatch, batch->place);
	batch->state = BATCH_FREE;
}

static void reclaim(struct sbx_device *device) {
	struct sbx_batches *ring = device->batches;
	sbx_device_poll(device);
	for (unsigned i = 0; i < ring->count; i++) {
		struct sbx_batch *batch = ring->slots[i];
		if (batch->state == BATCH_SENT && batch->value <= device->completed) {
			sbx_stopwatch_collect(ring->stopwatch, batch->place);
			recycle_semaphores(batch);
			reset_batch(batch);
		}
	}
}

static void collect_times(void *data) {
	struct sbx_device *device = data;
	if (!device->lost) {
		reclaim(device);
	}
}

static struct sbx_batch *find_free(const struct sbx_batches *ring) {
	for (unsigned i = 0; i < ring->count; i++) {
		if (ring->slots[i]->state == BATCH_FREE) {
			return ring->slots[i];
		}
	}
	return NULL;
}

static uint64_t oldest_sent(const struct sbx_batches *ring) {
	uint64_t oldest = 0;
	for (unsigned i = 0; i < ring->count; i++) {
		const struct sbx_batch *batch = ring->slots[i];
		if (batch->state == BATCH_SENT && (oldest == 0 || batch->value < oldest)) {
			oldest = batch->value;
		}
	}
	return oldest;
}

static struct sbx_batch *take_slot(struct sbx_device *device) {
	struct sbx_batches *ring = device->batches;
	reclaim(device);
	struct sbx_batch *batch = find_free(ring);
	if (batch != NULL) {
		return batch;
	}
	if (ring->count < RING_SIZE) {
		return create_batch(device);
	}
	uint64_t value = oldest_sent(ring);
	if (value == 0) {
		sbx_log_error("signalbox bug: %d batches are being recorded", RING_SIZE);
		return NULL;
	}
	if (sbx_device_wait(device, value, SBX_BATCH_BEGIN_TIMEOUT_NS) < 0) {
		sbx_log_error("render: the GPU has not finished any of %d frames", RING_SIZE);
		return NULL;
	}
	reclaim(device);
	return find_free(ring);
}

static int begin_commands(struct sbx_batch *batch) {
	struct sbx_device *device = batch->device;
	int ret = SBX_VK(device, vkResetCommandPool, device->handle, batch->pool, 0);
	if (ret < 0) {
		return ret;
	}
	const VkCommandBufferBeginInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	return SBX_VK(device, vkBeginCommandBuffer, batch->commands, &info);
}

struct sbx_batch *sbx_batch_begin(struct sbx_device *device) {
	struct sbx_batch *batch = device->lost ? NULL : take_slot(device);
	if (batch == NULL || begin_commands(batch) < 0) {
		return NULL;
	}
	batch->state = BATCH_RECORDING;
	batch->serial = ++device->batches->last_serial;
	batch->value = 0;
	return batch;
}

VkCommandBuffer sbx_batch_commands(struct sbx_batch *batch) {
	return batch->commands;
}

uint64_t sbx_batch_serial(const struct sbx_batch *batch) {
	return batch->serial;
}

static bool add_wait(struct sbx_batch *batch, VkSemaphore semaphore, uint64_t value) {
	if (!sbx_array_reserve(&batch->waits, &batch->waits_capacity, batch->n_waits,
			sizeof(*batch->waits))) {
		return false;
	}
	batch->waits[batch->n_waits++] = (VkSemaphoreSubmitInfo){
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = semaphore,
		.value = value,
		.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	};
	return true;
}

static bool add_signal(struct sbx_batch *batch, VkSemaphore semaphore, uint64_t value) {
	if (!sbx_array_reserve(&batch->signals, &batch->signals_capacity, batch->n_signals,
			sizeof(*batch->signals))) {
		return false;
	}
	batch->signals[batch->n_signals++] = (VkSemaphoreSubmitInfo){
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = semaphore,
		.value = value,
		.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	};
	return true;
}

static int pooled_semaphore(struct sbx_device *device, VkSemaphore *semaphore) {
	struct sbx_batches *ring = device->batches;
	if (ring->n_semaphores > 0) {
		*semaphore = ring->semaphores[--ring->n_semaphores];
		return 0;
	}
	const VkSemaphoreCreateInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO };
	return SBX_VK(device, vkCreateSemaphore, device->handle, &info, NULL, semaphore);
}

static int import_sync_file(struct sbx_device *device, VkSemaphore semaphore, int *sync_file) {
	const VkImportSemaphoreFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
		.semaphore = semaphore,
		.flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
		.fd = *sync_file,
	};
	int ret = SBX_VK(device, vkImportSemaphoreFdKHR, device->handle, &info);
	if (ret == 0) {
		*sync_file = -1;
		sbx_count(SBX_COUNT_SEMAPHORE_IMPORTS, 1);
	}
	return ret;
}

static bool reserve_wait(struct sbx_batch *batch) {
	return sbx_array_reserve(&batch->pooled, &batch->pooled_capacity, batch->n_pooled,
			sizeof(*batch->pooled)) &&
		sbx_array_reserve(&batch->waits, &batch->waits_capacity, batch->n_waits,
			sizeof(*batch->waits));
}

/* `sync_file` is pending. */
static int wait_on_gpu(struct sbx_batch *batch, int *sync_file) {
	struct sbx_device *device = batch->device;
	VkSemaphore semaphore = VK_NULL_HANDLE;
	if (!device->caps.sync_fd.import) {
		return -ENOTSUP;
	}
	if (!reserve_wait(batch)) {
		return -ENOMEM;
	}
	int ret = pooled_semaphore(device, &semaphore);
	if (ret < 0) {
		return ret;
	}
	ret = import_sync_file(device, semaphore, sync_file);
	if (ret < 0) {
		device->vk.vkDestroySemaphore(device->handle, semaphore, NULL);
		return ret;
	}
	batch->pooled[batch->n_pooled++] = semaphore;
	add_wait(batch, semaphore, 0);
	return 0;
}

/* Drivers take any number for an fd, and a wait that was lost in there would never be noticed. */
int sbx_batch_wait(struct sbx_batch *batch, int *sync_file) {
	int ret = sbx_fence_wait(*sync_file, 0);
	if (ret == -ETIME) {
		return wait_on_gpu(batch, sync_file);
	}
	if (ret == 0) {
		sbx_fd_close(sync_file);
	}
	return ret;
}

static bool remember_semaphore(struct sbx_batch *batch, struct sbx_semaphore *semaphore,
		bool signal) {
	if (!sbx_array_reserve(&batch->semaphores, &batch->semaphores_capacity, batch->n_semaphores,
			sizeof(*batch->semaphores))) {
		return false;
	}
	batch->semaphores[batch->n_semaphores++] = (struct used_semaphore){
		.semaphore = semaphore, .signal = signal,
	};
	return true;
}

/* What this batch does to the semaphore so far: waits come before all signals. */
static bool uses_semaphore(const struct sbx_batch *batch, const struct sbx_semaphore *semaphore,
		bool signal) {
	for (size_t i = 0; i < batch->n_semaphores; i++) {
		if (batch->semaphores[i].semaphore == semaphore &&
				batch->semaphores[i].signal == signal) {
			return true;
		}
	}
	return false;
}

int sbx_batch_wait_semaphore(struct sbx_batch *batch, struct sbx_semaphore *semaphore,
		uint64_t value) {
	bool binary = semaphore->type == SBX_SEMAPHORE_BINARY;
	if (!sbx_semaphore_may_wait(semaphore) ||
			(binary && uses_semaphore(batch, semaphore, false))) {
		return -EINVAL;
	}
	bool ok = add_wait(batch, semaphore->handle, value) &&
		remember_semaphore(batch, semaphore, false);
	return ok ? 0 : -ENOMEM;
}

int sbx_batch_signal_semaphore(struct sbx_batch *batch, struct sbx_semaphore *semaphore,
		uint64_t value) {
	bool waited = uses_semaphore(batch, semaphore, false);
	bool binary = semaphore->type == SBX_SEMAPHORE_BINARY;
	if ((!sbx_semaphore_may_signal(semaphore) && !waited) ||
			(binary && uses_semaphore(batch, semaphore, true))) {
		return -EINVAL;
	}
	bool ok = add_signal(batch, semaphore->handle, value) &&
		remember_semaphore(batch, semaphore, true);
	return ok ? 0 : -ENOMEM;
}

static uint32_t outside_family(const struct sbx_image *image) {
	return image->device->caps.queue_family_foreign && !image->opaque ?
		VK_QUEUE_FAMILY_FOREIGN_EXT : VK_QUEUE_FAMILY_EXTERNAL;
}

/* Room was made for it by use_image(), for one of each image. */
static VkImageMemoryBarrier2 *add_barrier(struct sbx_batch *batch, const struct sbx_image *image) {
	VkImageMemoryBarrier2 *barrier = &batch->barriers[batch->n_barriers++];
	*barrier = (VkImageMemoryBarrier2){
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
		.dstStageMask = USE_STAGES,
		.dstAccessMask = READ_ACCESS,
		.oldLayout = image->layout,
		.newLayout = VK_IMAGE_LAYOUT_GENERAL,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image->handle,
		.subresourceRange = {
			.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1,
		},
	};
	return barrier;
}

/*
 * Stages ALL_COMMANDS on the outer side, because the waits of the batch are for all commands: so the
 * acquire comes after them.
 */
static void queue_acquire(struct sbx_batch *batch, struct sbx_image *image, bool write) {
	VkImageMemoryBarrier2 *barrier = add_barrier(batch, image);
	if (write) {
		barrier->dstAccessMask |= WRITE_ACCESS;
	}
	// What nobody has used yet, nobody has to hand over.
	if (image->foreign && image->layout != VK_IMAGE_LAYOUT_UNDEFINED) {
		barrier->srcQueueFamilyIndex = outside_family(image);
		barrier->dstQueueFamilyIndex = batch->device->queue_family;
	}
}

static struct used_image *find_used(struct sbx_batch *batch, const struct sbx_image *image) {
	if (image->batch_serial != batch->serial) {
		return NULL;
	}
	for (size_t i = 0; i < batch->n_images; i++) {
		if (batch->images[i].image == image) {
			return &batch->images[i];
		}
	}
	return NULL;
}

/* First a texture, then the target too: the acquire has to cover writes as well. */
static void upgrade_acquire(struct sbx_batch *batch, const struct sbx_image *image) {
	for (size_t i = 0; i < batch->n_barriers; i++) {
		if (batch->barriers[i].image == image->handle) {
			batch->barriers[i].dstAccessMask |= WRITE_ACCESS;
			return;
		}
	}
	// Already recorded, for reading; order writes after what was read since.
	batch->ordered = false;
}

static int use_image(struct sbx_batch *batch, struct sbx_image *image, bool write) {
	if (image->batch_serial == batch->serial) {
		struct used_image *used = write ? find_used(batch, image) : NULL;
		if (used != NULL && !used->written) {
			used->written = true;
			upgrade_acquire(batch, image);
		}
		return 0;
	}
	if (!sbx_array_reserve(&batch->images, &batch->images_capacity, batch->n_images,
			sizeof(*batch->images)) ||
			!sbx_array_reserve(&batch->barriers, &batch->barriers_capacity, batch->n_images,
			sizeof(*batch->barriers))) {
		return -ENOMEM;
	}
	bool undefined = image->layout == VK_IMAGE_LAYOUT_UNDEFINED;
	if (image->foreign || undefined) {
		queue_acquire(batch, image, write);
		image->layout = VK_IMAGE_LAYOUT_GENERAL;
	}
	batch->images[batch->n_images++] = (struct used_image){
		.image = image, .written = write, .was_undefined = undefined,
	};
	image->batch_serial = batch->serial;
	return 0;
}

/* YCbCr in planes: each is an image of its own. */
int sbx_batch_use_texture(struct sbx_batch *batch, struct sbx_image *image) {
	if (image->handle != VK_NULL_HANDLE) {
		return use_image(batch, image, false);
	}
	int ret = 0;
	for (uint32_t i = 0; i < image->n_planes && ret == 0; i++) {
		ret = use_image(batch, image->planes[i], false);
	}
	return ret;
}

int sbx_batch_use_target(struct sbx_batch *batch, struct sbx_image *image) {
	return use_image(batch, image, true);
}

/*
 * Batches follow each other on one queue, which by itself orders nothing: one memory barrier makes all
 * earlier writes to our own images visible and keeps our writes behind all earlier reads.
 */
void sbx_batch_flush_barriers(struct sbx_batch *batch) {
	if (batch->ordered && batch->n_barriers == 0) {
		return;
	}
	const VkMemoryBarrier2 order = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = USE_STAGES,
		.srcAccessMask = WRITE_ACCESS,
		.dstStageMask = USE_STAGES,
		.dstAccessMask = READ_ACCESS | WRITE_ACCESS,
	};
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = batch->ordered ? 0 : 1,
		.pMemoryBarriers = &order,
		.imageMemoryBarrierCount = batch->n_barriers,
		.pImageMemoryBarriers = batch->barriers,
	};
	batch->device->vk.vkCmdPipelineBarrier2(batch->commands, &info);
	batch->ordered = true;
	batch->n_barriers = 0;
}

void sbx_batch_order(struct sbx_batch *batch) {
	batch->ordered = false;
	sbx_batch_flush_barriers(batch);
}

void sbx_batch_set_timer(struct sbx_batch *batch, struct sbx_timer *timer) {
	batch->timer = timer;
	if (timer != NULL) {
		batch->timer_pair = sbx_timer_begin(timer, batch->commands);
	}
}

void sbx_batch_trace(struct sbx_batch *batch, uint64_t pass) {
	struct sbx_batches *ring = batch->device->batches;
	if (!sbx_is_tracing()) {
		return;
	}
	if (ring->stopwatch == NULL) {
		ring->stopwatch = sbx_stopwatch_create(batch->device, RING_SIZE);
	}
	batch->pass = pass;
	sbx_stopwatch_begin(ring->stopwatch, batch->place, pass, batch->n_waits > 0, batch->commands);
}

static void queue_releases(struct sbx_batch *batch) {
	for (size_t i = 0; i < batch->n_images; i++) {
		const struct used_image *used = &batch->images[i];
		if (!used->image->foreign) {
			continue;
		}
		VkImageMemoryBarrier2 *barrier = add_barrier(batch, used->image);
		barrier->srcStageMask = USE_STAGES;
		barrier->srcAccessMask = used->written ? WRITE_ACCESS : 0;
		barrier->dstStageMask = VK_PIPELINE_STAGE_2_NONE;
		barrier->dstAccessMask = 0;
		barrier->srcQueueFamilyIndex = batch->device->queue_family;
		barrier->dstQueueFamilyIndex = outside_family(used->image);
	}
}

static int end_commands(struct sbx_batch *batch) {
	if (batch->state == BATCH_ENDED) {
		return 0;
	}
	sbx_batch_flush_barriers(batch);
	if (batch->timer != NULL) {
		sbx_timer_end(batch->timer, batch->timer_pair, batch->commands);
	}
	sbx_stopwatch_end(batch->device->batches->stopwatch, batch->place, batch->commands);
	queue_releases(batch);
	sbx_batch_flush_barriers(batch);
	int ret = SBX_VK(batch->device, vkEndCommandBuffer, batch->commands);
	if (ret == 0) {
		batch->state = BATCH_ENDED;
	}
	return ret;
}

static int create_done(struct sbx_batch *batch) {
	if (batch->done != VK_NULL_HANDLE) {
		return 0;
	}
	struct sbx_device *device = batch->device;
	const VkExportSemaphoreCreateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	const VkSemaphoreCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &export_info,
	};
	return SBX_VK(device, vkCreateSemaphore, device->handle, &info, NULL, &batch->done);
}

/* Where an export would wait for the GPU anyway, waiting for the timeline is cheaper and bounded. */
static bool exports_done(const struct sbx_device *device) {
	return device->caps.sync_fd.export && !device->caps.export_blocks;
}

static int add_done_signals(struct sbx_batch *batch, bool want_fd) {
	struct sbx_device *device = batch->device;
	if (!add_signal(batch, device->timeline, device->submitted + 1)) {
		return -ENOMEM;
	}
	if (!want_fd || !exports_done(device)) {
		return 0;
	}
	int ret = create_done(batch);
	if (ret == 0 && !add_signal(batch, batch->done, 0)) {
		ret = -ENOMEM;
	}
	batch->done_pending = ret == 0;
	return ret;
}

static VkSubmitInfo2 submit_info(const struct sbx_batch *batch,
		const VkCommandBufferSubmitInfo *commands) {
	return (VkSubmitInfo2){
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
		.waitSemaphoreInfoCount = batch->n_waits,
		.pWaitSemaphoreInfos = batch->waits,
		.commandBufferInfoCount = 1,
		.pCommandBufferInfos = commands,
		.signalSemaphoreInfoCount = batch->n_signals,
		.pSignalSemaphoreInfos = batch->signals,
	};
}

static VkCommandBufferSubmitInfo commands_info(const struct sbx_batch *batch) {
	return (VkCommandBufferSubmitInfo){
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
		.commandBuffer = batch->commands,
	};
}

/* Uploads (NULL: none) go first, in the same call; they wait for nothing and signal nothing. */
static int queue_submit(struct sbx_batch *batch, const struct sbx_batch *uploads) {
	struct sbx_device *device = batch->device;
	VkCommandBufferSubmitInfo commands[2];
	VkSubmitInfo2 infos[2];
	uint32_t count = 0;
	if (uploads != NULL) {
		commands[count] = commands_info(uploads);
		infos[count] = submit_info(uploads, &commands[count]);
		count++;
	}
	commands[count] = commands_info(batch);
	infos[count] = submit_info(batch, &commands[count]);
	count++;
	return SBX_VK(device, vkQueueSubmit2, device->queue, count, infos, VK_NULL_HANDLE);
}

static void mark_semaphores(struct sbx_batch *batch, bool signal) {
	for (size_t i = 0; i < batch->n_semaphores; i++) {
		if (batch->semaphores[i].signal == signal) {
			sbx_semaphore_submitted(batch->semaphores[i].semaphore, signal, batch->value);
		}
	}
}

static void mark_sent(struct sbx_batch *batch, uint64_t value) {
	batch->state = BATCH_SENT;
	batch->value = value;
	for (size_t i = 0; i < batch->n_images; i++) {
		batch->images[i].image->last_use = value;
	}
	batch->n_images = 0;
	mark_semaphores(batch, false);
	mark_semaphores(batch, true);
	if (batch->timer != NULL) {
		sbx_timer_sent(batch->timer, batch->timer_pair, value);
	}
}

/* Nothing of it was executed. */
static void drop_batch(struct sbx_batch *batch) {
	for (size_t i = 0; i < batch->n_images; i++) {
		if (batch->images[i].was_undefined) {
			batch->images[i].image->layout = VK_IMAGE_LAYOUT_UNDEFINED;
		}
	}
	// A semaphore that was to be signalled but was not sent is as good as new.
	batch->done_pending = false;
	drop_semaphores(batch);
	reset_batch(batch);
}

/*
 * What was recorded after the uploads counts on the layouts they leave behind: without them it cannot be
 * sent either.
 */
static int end_uploads(struct sbx_device *device, struct sbx_batch **uploads) {
	*uploads = device->batches->uploads;
	int ret = *uploads != NULL ? end_commands(*uploads) : 0;
	if (ret < 0) {
		sbx_log_error("render: texture uploads are lost");
		device->batches->uploads = NULL;
		drop_batch(*uploads);
	}
	return ret;
}

static int export_done(struct sbx_batch *batch, int *done_fd) {
	struct sbx_device *device = batch->device;
	const VkSemaphoreGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
		.semaphore = batch->done,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	int ret = SBX_VK(device, vkGetSemaphoreFdKHR, device->handle, &info, done_fd);
	if (ret == 0) {
		batch->done_pending = false;
		sbx_count(SBX_COUNT_SEMAPHORE_EXPORTS, 1);
	} else {
		*done_fd = -1;
	}
	return ret;
}

static int publish_done(struct sbx_batch *batch, int *done_fd) {
	struct sbx_device *device = batch->device;
	if (done_fd == NULL || (batch->done_pending && export_done(batch, done_fd) == 0)) {
		return 0;
	}
	int ret = sbx_device_wait(device, batch->value, SBX_BATCH_DONE_TIMEOUT_NS);
	if (ret == 0) {
		sbx_stopwatch_done(device->batches->stopwatch, batch->place);
	}
	if (ret == -ETIME) {
		sbx_log_error("render: frame %llu is not finished after %llu ms",
			(unsigned long long)batch->value, SBX_BATCH_DONE_TIMEOUT_NS / 1000000);
	}
	return ret;
}

static void trace_sent(struct sbx_batch *batch, int64_t submitted_ns) {
	if (batch->pass != 0 && sbx_is_tracing()) {
		sbx_stopwatch_submit(batch->device->batches->stopwatch, batch->place, submitted_ns,
			batch->device->completed + 1 < batch->value);
		sbx_recorder_add(&(struct sbx_event){
			.time_ns = submitted_ns,
			.kind = SBX_EVENT_PASS_SUBMITTED,
			.value = batch->pass,
			.extra = batch->value,
		});
	}
}

static int send(struct sbx_batch *batch, bool want_fd) {
	struct sbx_device *device = batch->device;
	struct sbx_batch *uploads = NULL;
	int ret = batch != device->batches->uploads ? end_uploads(device, &uploads) : 0;
	if (ret == 0) {
		ret = end_commands(batch);
	}
	if (ret == 0) {
		ret = add_done_signals(batch, want_fd);
	}
	// Taken before: the GPU may have begun when the call returns.
	int64_t submitted_ns = batch->pass != 0 ? sbx_recorder_now_ns() : 0;
	if (ret == 0) {
		ret = queue_submit(batch, uploads);
	}
	if (ret < 0) {
		return ret;
	}
	device->submitted++;
	mark_sent(batch, device->submitted);
	trace_sent(batch, submitted_ns);
	if (uploads != NULL) {
		mark_sent(uploads, device->submitted);
	}
	device->batches->uploads = NULL;
	return 0;
}

int sbx_batch_submit(struct sbx_batch *batch, int *done_fd, uint64_t *value) {
	if (done_fd != NULL) {
		*done_fd = -1;
	}
	int ret = batch->device->lost ? -ENODEV : send(batch, done_fd != NULL);
	if (ret < 0) {
		drop_batch(batch);
		return ret;
	}
	if (value != NULL) {
		*value = batch->value;
	}
	return publish_done(batch, done_fd);
}

void sbx_batch_cancel(struct sbx_batch *batch) {
	if (batch != NULL) {
		drop_batch(batch);
	}
}

int sbx_batch_submit_uploads(struct sbx_device *device) {
	struct sbx_batch *uploads = device->batches->uploads;
	if (uploads == NULL) {
		return 0;
	}
	if (device->lost) {
		return -ENODEV;
	}
	int ret = send(uploads, false);
	if (ret < 0) {
		// The timeline's signal is added anew at the next attempt.
		uploads->n_signals = 0;
	}
	return ret;
}

struct sbx_batch *sbx_batch_uploads(struct sbx_device *device) {
	struct sbx_batches *ring = device->batches;
	if (ring->uploads != NULL && ring->uploads->state == BATCH_ENDED &&
			sbx_batch_submit_uploads(device) < 0) {
		return NULL;
	}
	if (ring->uploads == NULL) {
		ring->uploads = sbx_batch_begin(device);
		if (ring->uploads != NULL) {
			sbx_batch_flush_barriers(ring->uploads);
		}
	}
	return ring->uploads;
}
