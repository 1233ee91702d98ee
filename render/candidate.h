/**
 * One physical device as it presents itself: what it has, what is missing, what it would cost.
 */
#ifndef SBX_RENDER_CANDIDATE_H
#define SBX_RENDER_CANDIDATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <volk.h>
#include "render/device.h"

struct sbx_instance;

/** The device extensions that signalbox knows what to do with. */
enum sbx_extension {
	SBX_EXT_EXTERNAL_MEMORY_FD,
	SBX_EXT_DMA_BUF,
	SBX_EXT_DRM_MODIFIER,
	SBX_EXT_QUEUE_FAMILY_FOREIGN,
	SBX_EXT_EXTERNAL_SEMAPHORE_FD,
	SBX_EXT_CALIBRATED_TIMESTAMPS,
	SBX_EXT_PHYSICAL_DEVICE_DRM,
	SBX_EXT_GLOBAL_PRIORITY,
	SBX_EXT_COUNT,
};

/** The feature structures, chained by sbx_features_chain(). */
struct sbx_features {
	VkPhysicalDeviceFeatures2 v10;
	VkPhysicalDeviceVulkan12Features v12;
	VkPhysicalDeviceVulkan13Features v13;
};

struct sbx_candidate {
	VkPhysicalDevice physical;
	/** Its place among the instance's devices. */
	unsigned index;
	VkPhysicalDeviceProperties properties;
	VkPhysicalDeviceDriverProperties driver;
	/** dev_t of its DRM nodes, or 0. */
	uint64_t primary_node, render_node;
	uint32_t queue_family;
	bool extensions[SBX_EXT_COUNT];
	/** Which of the features we use (or must have) it has. */
	struct sbx_features features;
	struct sbx_device_caps caps;
	/** Everything that keeps us from using it, comma-separated, by Vulkan's names; NULL: usable. */
	char *missing;
};

/**
 * Ask a physical device for everything. `need_dmabuf`: being unable to import dma-bufs counts as
 * missing. Returns 0 or -ENOMEM.
 */
int sbx_candidate_probe(struct sbx_instance *instance, VkPhysicalDevice physical, unsigned index,
	bool need_dmabuf, struct sbx_candidate *candidate);
void sbx_candidate_finish(struct sbx_candidate *candidate);

/** Print "0: llvmpipe (LLVM 21), software, Mesa 26.1, Vulkan 1.4.354", without a newline. */
void sbx_candidate_print(const struct sbx_candidate *candidate, FILE *out);

/** The name of an extension, e.g. for VkDeviceCreateInfo. Static. */
const char *sbx_extension_name(enum sbx_extension extension);

/** Set sType and pNext; returns the head, for VkDeviceCreateInfo.pNext. */
VkPhysicalDeviceFeatures2 *sbx_features_chain(struct sbx_features *features);

#endif
