/**
 * The Vulkan loader, one instance, and what the validation layers have to say.
 */
#ifndef SBX_RENDER_INSTANCE_H
#define SBX_RENDER_INSTANCE_H

#include <stdbool.h>
#include <volk.h>

struct sbx_instance {
	VkInstance handle;
	struct VolkInstanceTable vki;
	VkDebugUtilsMessengerEXT messenger;
	bool validation, debug_utils;
};

/**
 * Make an instance. `validation`: with the validation layers, synchronization validation included, if
 * they are installed (one line is logged if not). Every message of theirs is logged and adds one to
 * *messages, which must outlive the instance.
 *
 * Returns 0, -ENODEV (no loader, no driver; one line says so) or -ENOMEM.
 */
int sbx_instance_create(bool validation, unsigned *messages, struct sbx_instance *instance);
/** Does nothing to an all-zero instance. */
void sbx_instance_finish(struct sbx_instance *instance);

/**
 * All physical devices, to be freed; *count of them. Returns 0 or a negative errno. Zero devices is
 * not an error.
 */
int sbx_instance_enumerate(struct sbx_instance *instance, VkPhysicalDevice **devices,
	uint32_t *count);

#endif
