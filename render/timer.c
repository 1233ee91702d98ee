#include <stdlib.h>
#include "render/batch.h"
#include "render/device.h"
#include "render/retire.h"
#include "render/timer.h"

/* More than an output ever has in flight; with more the oldest measurement is dropped. */
#define PAIRS 4

struct sbx_timer {
	struct sbx_device *device;
	VkQueryPool pool;
	/* The submission of each pair, 0: none. */
	uint64_t values[PAIRS];
	unsigned next;
	uint64_t last_use;
	int64_t last_ns;
};

struct sbx_timer *sbx_timer_create(struct sbx_device *device) {
	struct sbx_timer *timer = calloc(1, sizeof(*timer));
	if (timer == NULL) {
		return NULL;
	}
	timer->device = device;
	timer->last_ns = -1;
	if (device->caps.timestamp_valid_bits == 0) {
		return timer;
	}
	const VkQueryPoolCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
		.queryType = VK_QUERY_TYPE_TIMESTAMP,
		.queryCount = 2 * PAIRS,
	};
	if (SBX_VK(device, vkCreateQueryPool, device->handle, &info, NULL, &timer->pool) < 0) {
		free(timer);
		return NULL;
	}
	return timer;
}

static void destroy_now(struct sbx_device *device, void *object) {
	struct sbx_timer *timer = object;
	device->vk.vkDestroyQueryPool(device->handle, timer->pool, NULL);
	free(timer);
}

void sbx_timer_destroy(struct sbx_timer *timer) {
	if (timer != NULL) {
		sbx_retire_after(timer->device, timer->last_use, destroy_now, timer);
	}
}

static uint64_t elapsed_ticks(const struct sbx_device *device, const uint64_t ticks[2]) {
	uint32_t bits = device->caps.timestamp_valid_bits;
	uint64_t mask = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
	return (ticks[1] - ticks[0]) & mask;
}

/* Remember the newest finished measurement and forget the finished ones. */
static void collect(struct sbx_timer *timer) {
	struct sbx_device *device = timer->device;
	uint64_t newest = 0;
	for (unsigned i = 0; i < PAIRS; i++) {
		uint64_t ticks[2], value = timer->values[i];
		if (value == 0 || value > device->completed) {
			continue;
		}
		timer->values[i] = 0;
		VkResult result = device->vk.vkGetQueryPoolResults(device->handle, timer->pool, 2 * i, 2,
			sizeof(ticks), ticks, sizeof(ticks[0]), VK_QUERY_RESULT_64_BIT);
		if (result == VK_SUCCESS && value > newest) {
			newest = value;
			timer->last_ns = (double)elapsed_ticks(device, ticks) *
				device->caps.timestamp_period_ns;
		}
	}
}

unsigned sbx_timer_begin(struct sbx_timer *timer, VkCommandBuffer commands) {
	struct sbx_device *device = timer->device;
	unsigned pair = timer->next;
	if (timer->pool == VK_NULL_HANDLE) {
		return pair;
	}
	collect(timer);
	timer->next = (pair + 1) % PAIRS;
	timer->values[pair] = 0;
	device->vk.vkCmdResetQueryPool(commands, timer->pool, 2 * pair, 2);
	device->vk.vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, timer->pool,
		2 * pair);
	return pair;
}

void sbx_timer_end(struct sbx_timer *timer, unsigned pair, VkCommandBuffer commands) {
	if (timer->pool != VK_NULL_HANDLE) {
		timer->device->vk.vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
			timer->pool, 2 * pair + 1);
	}
}

void sbx_timer_sent(struct sbx_timer *timer, unsigned pair, uint64_t value) {
	timer->values[pair] = timer->pool != VK_NULL_HANDLE ? value : 0;
	timer->last_use = value;
}

int64_t sbx_timer_duration_ns(struct sbx_timer *timer) {
	sbx_device_poll(timer->device);
	collect(timer);
	return timer->last_ns;
}
