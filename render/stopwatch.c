#include <stdlib.h>
#include "render/device.h"
#include "render/gpu_clock.h"
#include "render/stopwatch.h"
#include "trace/recorder.h"

#define CALIBRATION_LASTS_NS INT64_C(100000000)

struct place {
	/** 0: there is no timestamp in it. */
	uint64_t pass;
	/** There are no timestamps: the device is a CPU, and its clock is ours. */
	bool by_cpu;
	int64_t submitted_ns;
	/** By the CPU: when it was seen complete by who waited for it; 0: nobody did. */
	int64_t done_ns;
	/** By the CPU: other work was on its way before it. */
	bool queued;
};

struct sbx_stopwatch {
	struct sbx_device *device;
	struct sbx_gpu_clock clock;
	/** The clock is as both clocks were read at once; see calibrate(). */
	bool calibrated;
	VkQueryPool pool;
	struct place places[];
};

struct sbx_stopwatch *sbx_stopwatch_create(struct sbx_device *device, unsigned places) {
	if (device->caps.timestamp_valid_bits == 0) {
		return NULL;
	}
	struct sbx_stopwatch *stopwatch = calloc(1, sizeof(*stopwatch) + places * sizeof(struct place));
	if (stopwatch == NULL) {
		return NULL;
	}
	stopwatch->device = device;
	stopwatch->clock.period_ns = device->caps.timestamp_period_ns;
	stopwatch->clock.valid_bits = device->caps.timestamp_valid_bits;
	const VkQueryPoolCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
		.queryType = VK_QUERY_TYPE_TIMESTAMP,
		.queryCount = 2 * places,
	};
	if (SBX_VK(device, vkCreateQueryPool, device->handle, &info, NULL, &stopwatch->pool) < 0) {
		free(stopwatch);
		return NULL;
	}
	return stopwatch;
}

void sbx_stopwatch_destroy(struct sbx_stopwatch *stopwatch) {
	if (stopwatch != NULL) {
		struct sbx_device *device = stopwatch->device;
		device->vk.vkDestroyQueryPool(device->handle, stopwatch->pool, NULL);
		free(stopwatch);
	}
}

void sbx_stopwatch_begin(struct sbx_stopwatch *stopwatch, unsigned place, uint64_t pass, bool waits,
		VkCommandBuffer commands) {
	if (stopwatch == NULL) {
		return;
	}
	struct place *lap = &stopwatch->places[place];
	// lavapipe makes an object of each query, and its vkGetQueryPoolResults() waits for the device to be
	// idle. A batch that waits for somebody begins at a time of its own: only the device knows that.
	*lap = (struct place){ .pass = pass, .by_cpu = stopwatch->device->caps.software && !waits };
	if (lap->by_cpu) {
		return;
	}
	const struct VolkDeviceTable *vk = &stopwatch->device->vk;
	// After what was sent before; but a software device does one thing after the other anyway, and
	// lavapipe would wake all its threads to make sure.
	VkPipelineStageFlags2 stage = stopwatch->device->caps.software ?
		VK_PIPELINE_STAGE_2_TOP_OF_PIPE_BIT : VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
	vk->vkCmdResetQueryPool(commands, stopwatch->pool, 2 * place, 2);
	vk->vkCmdWriteTimestamp2(commands, stage, stopwatch->pool, 2 * place);
}

static bool is_running(const struct sbx_stopwatch *stopwatch, unsigned place) {
	return stopwatch != NULL && stopwatch->places[place].pass != 0;
}

void sbx_stopwatch_end(struct sbx_stopwatch *stopwatch, unsigned place, VkCommandBuffer commands) {
	if (is_running(stopwatch, place) && !stopwatch->places[place].by_cpu) {
		stopwatch->device->vk.vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
			stopwatch->pool, 2 * place + 1);
	}
}

void sbx_stopwatch_submit(struct sbx_stopwatch *stopwatch, unsigned place, int64_t submitted_ns,
		bool queued) {
	if (is_running(stopwatch, place)) {
		stopwatch->places[place].submitted_ns = submitted_ns;
		stopwatch->places[place].queued = queued;
	}
}

void sbx_stopwatch_done(struct sbx_stopwatch *stopwatch, unsigned place) {
	if (is_running(stopwatch, place) && stopwatch->places[place].by_cpu) {
		stopwatch->places[place].done_ns = sbx_recorder_now_ns();
	}
}

/*
 * Returns whether both clocks could be read at once. It costs some microseconds: not for each pass, since the
 * clocks drift apart by 10 us at most until it is done again.
 */
static bool calibrate(struct sbx_stopwatch *stopwatch) {
	struct sbx_device *device = stopwatch->device;
	int64_t now_ns = sbx_recorder_now_ns();
	if (stopwatch->calibrated && now_ns - stopwatch->clock.ref_ns < CALIBRATION_LASTS_NS) {
		return true;
	}
	const VkCalibratedTimestampInfoEXT infos[] = {
		{ .sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT, .timeDomain = VK_TIME_DOMAIN_DEVICE_EXT },
		{ .sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT,
			.timeDomain = VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT },
	};
	uint64_t times[2], deviation_ns = 0;
	if (!device->caps.calibrated_timestamps || device->vk.vkGetCalibratedTimestampsEXT(device->handle, 2,
			infos, times, &deviation_ns) != VK_SUCCESS) {
		return false;
	}
	sbx_gpu_clock_calibrate(&stopwatch->clock, times[0], (int64_t)times[1], deviation_ns);
	stopwatch->calibrated = true;
	return true;
}

static void tell(const struct sbx_stopwatch *stopwatch, enum sbx_event_kind kind, uint64_t pass,
		uint64_t ticks) {
	struct sbx_event event = { .kind = kind, .value = pass };
	if (sbx_is_tracing() &&
			sbx_gpu_clock_convert(&stopwatch->clock, ticks, &event.time_ns, &event.extra)) {
		sbx_recorder_add(&event);
	}
}

/*
 * From when it was handed over until it was seen complete: that the device's threads first have to wake up
 * is part of it. It may have been both later and earlier where others were before it, or nobody looked.
 */
static void tell_by_cpu(const struct place *lap, uint64_t pass) {
	int64_t ended_ns = lap->done_ns != 0 ? lap->done_ns : sbx_recorder_now_ns();
	uint64_t uncertainty_ns = lap->done_ns != 0 && !lap->queued ? 0 :
		(uint64_t)(ended_ns - lap->submitted_ns);
	if (sbx_is_tracing()) {
		sbx_recorder_add(&(struct sbx_event){ .kind = SBX_EVENT_GPU_BEGAN, .value = pass,
			.time_ns = lap->submitted_ns, .extra = uncertainty_ns });
		sbx_recorder_add(&(struct sbx_event){ .kind = SBX_EVENT_GPU_ENDED, .value = pass,
			.time_ns = ended_ns, .extra = uncertainty_ns });
	}
}

void sbx_stopwatch_collect(struct sbx_stopwatch *stopwatch, unsigned place) {
	if (!is_running(stopwatch, place)) {
		return;
	}
	struct sbx_device *device = stopwatch->device;
	struct place *lap = &stopwatch->places[place];
	uint64_t ticks[2], pass = lap->pass;
	lap->pass = 0;
	if (lap->by_cpu) {
		tell_by_cpu(lap, pass);
		return;
	}
	if (device->vk.vkGetQueryPoolResults(device->handle, stopwatch->pool, 2 * place, 2, sizeof(ticks),
			ticks, sizeof(ticks[0]), VK_QUERY_RESULT_64_BIT) != VK_SUCCESS) {
		return;
	}
	if (!calibrate(stopwatch)) {
		sbx_gpu_clock_observe(&stopwatch->clock, ticks[0], ticks[1], lap->submitted_ns,
			sbx_recorder_now_ns());
	}
	tell(stopwatch, SBX_EVENT_GPU_BEGAN, pass, ticks[0]);
	tell(stopwatch, SBX_EVENT_GPU_ENDED, pass, ticks[1]);
}

void sbx_stopwatch_cancel(struct sbx_stopwatch *stopwatch, unsigned place) {
	if (stopwatch != NULL) {
		stopwatch->places[place].pass = 0;
	}
}
