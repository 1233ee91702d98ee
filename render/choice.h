/**
 * Which Vulkan device: the user's word first, then the DRM node's device, then the fastest kind.
 */
#ifndef SBX_RENDER_CHOICE_H
#define SBX_RENDER_CHOICE_H

#include "render/candidate.h"
#include "render/device.h"

/**
 * Choose among the devices of `instance`. Returns 0, the device (sbx_candidate_finish()) and a static
 * string why; or -ENODEV, having logged one line for each device with what it misses, or -ENOMEM.
 */
int sbx_choice_make(struct sbx_instance *instance, const struct sbx_device_options *options,
	struct sbx_candidate *chosen, const char **reason);

#endif
