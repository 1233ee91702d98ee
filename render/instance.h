/**
 * The Vulkan loader, one instance, and what the validation layers have to say.
 */
#ifndef SBX_RENDER_INSTANCE_H
#define SBX_RENDER_INSTANCE_H

#include <stdbool.h>
#include <volk.h>

enum sbx_validation {
	SBX_VALIDATION_OFF,
	/** The validation layers, with synchronization validation. */
	SBX_VALIDATION_ON,
	/** Instead of these GPU-assisted validation: shaders check what they access. Several times as slow. */
	SBX_VALIDATION_GPU,
};

struct sbx_instance {
	VkInstance handle;
	struct VolkInstanceTable vki;
	VkDebugUtilsMessengerEXT messenger;
	/** SBX_VALIDATION_OFF where the layers are missing. */
	enum sbx_validation validation;
	bool debug_utils;
};

/**
 * Make an instance. `validation`: where the layers are not installed one line is logged, and there is none. Every message of theirs is logged and adds one to
 * *messages, which must outlive the instance.
 *
 * Returns 0, -ENODEV (no loader, no driver; one line says so) or -ENOMEM.
 */
int sbx_instance_create(enum sbx_validation validation, unsigned *messages, struct sbx_instance *instance);
/** Does nothing to an all-zero instance. */
void sbx_instance_finish(struct sbx_instance *instance);

/**
 * All physical devices, to be freed; *count of them. Returns 0 or a negative errno. Zero devices is
 * not an error.
 */
int sbx_instance_enumerate(struct sbx_instance *instance, VkPhysicalDevice **devices,
	uint32_t *count);

#endif
