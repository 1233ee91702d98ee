/**
 * One Vulkan device: how it is chosen, what it can do, and the queue that all work goes to.
 *
 * The Vulkan device and the DRM node that provides syncobjs are two separate choices: a software
 * device may draw for a real display, a render GPU for another display device.
 *
 * Everything in render/ is used on one thread.
 */
#ifndef SBX_RENDER_DEVICE_H
#define SBX_RENDER_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <volk.h>

struct sbx_batches;
struct sbx_format_cache;
struct sbx_readback;
struct sbx_retire;
struct sbx_staging;

struct sbx_device_options {
	/**
	 * What the user asked for: part of a device name, "software", an index as printed in the
	 * report, or the path of a DRM node. NULL: the environment variable SIGNALBOX_DEVICE, then the
	 * device of `drm_fd`, then any hardware device, then a software device.
	 */
	const char *name;
	/** A DRM node whose Vulkan device is preferred, lent during the call; -1: none. */
	int drm_fd;
	/** Validation layers, synchronization validation included; SIGNALBOX_VALIDATION=1 does it too. */
	bool validation;
	/** Refuse devices that cannot import dma-bufs (a compositor needs it, the core alone does not). */
	bool need_dmabuf;
	/** Work on a queue of a family that does not draw, where there is one: others' drawing delays it less. */
	bool compute_only;
	/** Go before others' work on this GPU (VK_KHR_global_priority), where the driver lets us. */
	bool high_priority;
};

/** What a kind of external semaphore can do on this device. */
struct sbx_semaphore_caps {
	bool import, export;
	/** A payload that was imported may be exported again as the same kind of fd. */
	bool reexport;
};

struct sbx_device_caps {
	/** A CPU device: memory bandwidth is dear, copies beat shaders. */
	bool software;
	/** dma-bufs with explicit modifiers can be imported as images. */
	bool dmabuf;
	/** VK_EXT_queue_family_foreign: dma-bufs are handed over by ownership transfers. */
	bool queue_family_foreign;
	/** VK_KHR_external_semaphore_fd, by handle type and semaphore type. */
	struct sbx_semaphore_caps sync_fd, opaque_fd_binary, opaque_fd_timeline;
	/** Memory can be exported and imported as opaque fds. */
	bool opaque_fd_memory;
	/** Exporting a SYNC_FD waits until the work is done, so it is not done on the main loop. */
	bool export_blocks;
	/** GPU timestamps; nanoseconds a tick, 0: none. */
	float timestamp_period_ns;
	uint32_t timestamp_valid_bits;
	/** VK_KHR_calibrated_timestamps (or EXT) with CLOCK_MONOTONIC. */
	bool calibrated_timestamps;
	uint32_t max_image_size;
	/** How many textures the composer's descriptor array can hold. */
	uint32_t max_textures;
};

struct sbx_device {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice handle;
	/** The functions of this instance and device: volk's globals are not used after start-up. */
	struct VolkInstanceTable vki;
	struct VolkDeviceTable vk;
	uint32_t queue_family;
	VkQueue queue;
	/** The queue has VK_QUEUE_GLOBAL_PRIORITY_HIGH. */
	bool high_priority;
	VkPhysicalDeviceProperties properties;
	VkPhysicalDeviceMemoryProperties memory;
	struct sbx_device_caps caps;
	/** "llvmpipe (LLVM 21, 256 bits)", for messages. */
	const char *name;
	/** dev_t of its DRM nodes where it has them (VK_EXT_physical_device_drm), else 0. */
	uint64_t primary_node, render_node;

	/** Counts our submissions: submission n signals n. */
	VkSemaphore timeline;
	/** The last value handed to the queue, and the last known to be reached. */
	uint64_t submitted, completed;
	/** Once true it stays true; see sbx_device_check(). */
	bool lost;
	/** The log says that memory of another device was refused. */
	bool refusal_logged;
	/** How many validation messages were seen (tests fail on any). */
	unsigned validation_messages;

	struct sbx_retire *retire;
	VkDebugUtilsMessengerEXT messenger;
	/** The validation layers are there and on. */
	bool validation;
	/** VK_EXT_debug_utils is there: handles get names. */
	bool debug_utils;
	/** Which of the devices of sbx_device_list() this is, and why it was chosen. */
	unsigned index;
	const char *reason;

	/* What batch.c, upload.c, readback.c and format.c keep per device. */
	struct sbx_batches *batches;
	struct sbx_staging *staging;
	struct sbx_readback *readback;
	struct sbx_format_cache *formats;
};

/**
 * Call a device function and look at its result: SBX_VK(device, vkFoo, device->handle, ...) is 0 or
 * a negative errno, as sbx_device_check() says.
 */
#define SBX_VK(device, call, ...) \
	sbx_device_check((device), (device)->vk.call(__VA_ARGS__), #call)

/**
 * Choose and open a Vulkan device. Prints the start-up report at debug level, and at error level one
 * line for everything missing when no device will do.
 *
 * Returns 0 and *device, or -ENODEV (no Vulkan, no such device, or it cannot do the work), -ENOMEM,
 * -EINVAL. The instance is made without WAYLAND_DISPLAY and DISPLAY in view of the layers (Mesa's
 * device selection would connect to the compositor it is in, and wait for it).
 */
int sbx_device_create(const struct sbx_device_options *options, struct sbx_device **device);

/** Wait (bounded) for the queue, destroy everything retired, close the device. NULL is allowed. */
void sbx_device_destroy(struct sbx_device *device);

/**
 * The report of one screen: the device, the reason it was chosen, each capability with "yes" or what
 * is missing and what follows from that. Returns a string to be freed, or NULL.
 */
char *sbx_device_report(const struct sbx_device *device);

/** How many Vulkan devices there are and a line for each, to be freed; for "no such device". */
char *sbx_device_list(void);

/**
 * The one place that looks at a VkResult: logs a failure as "driver: vkFoo: VK_ERROR_..." and notes
 * VK_ERROR_DEVICE_LOST in device->lost. Returns 0 or a negative errno (-ENODEV for a lost device,
 * -ENOMEM, -ETIME for VK_TIMEOUT, -EINVAL, -EIO for the rest).
 */
int sbx_device_check(struct sbx_device *device, VkResult result, const char *call);

/**
 * Wait until submission `value` is complete, at most `timeout_ns`. 0, -ETIME or -ENODEV (lost).
 */
int sbx_device_wait(struct sbx_device *device, uint64_t value, uint64_t timeout_ns);

/** Ask (without waiting) how far the queue is, destroy what has retired; returns device->completed. */
uint64_t sbx_device_poll(struct sbx_device *device);

/** A memory type with all bits of `wanted` among `bits`, preferring those with `preferred`; -1: none. */
int sbx_device_memory_type(const struct sbx_device *device, uint32_t bits,
	VkMemoryPropertyFlags wanted, VkMemoryPropertyFlags preferred);

/** Name a handle for validation messages and tools; does nothing without VK_EXT_debug_utils. */
void sbx_device_name(struct sbx_device *device, VkObjectType type, uint64_t handle,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
