/**
 * Where drivers differ from what they say, each with a source and a version.
 */
#ifndef SBX_RENDER_QUIRK_H
#define SBX_RENDER_QUIRK_H

#include <volk.h>

struct sbx_device_caps;

/** Correct `caps`, as the driver claims them, for the driver that `driver` names. */
void sbx_quirk_apply(const VkPhysicalDeviceDriverProperties *driver, struct sbx_device_caps *caps);

#endif
