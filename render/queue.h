/**
 * Which queue family our work goes to, and before whose.
 */
#ifndef SBX_RENDER_QUEUE_H
#define SBX_RENDER_QUEUE_H

#include <stdbool.h>
#include <volk.h>

struct sbx_candidate;
struct sbx_device;

/**
 * Go over to a family that computes and does not draw, if there is one that measures time as the one
 * chosen does.
 */
void sbx_queue_choose_compute_only(struct sbx_device *device);

/**
 * vkCreateDevice() with one queue of device->queue_family. `high_priority`: with
 * VK_QUEUE_GLOBAL_PRIORITY_HIGH if the extension is there and the driver permits it
 * (device->high_priority), otherwise without.
 */
VkResult sbx_queue_create_device(struct sbx_device *device, const struct sbx_candidate *candidate,
	const VkDeviceCreateInfo *info, bool high_priority);

#endif
