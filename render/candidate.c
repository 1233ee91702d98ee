#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "render/candidate.h"
#include "render/instance.h"
#include "render/quirk.h"

/* The composer's descriptor array: enough for any desktop, small enough for any driver. */
#define MAX_TEXTURES 16384
#define MIN_TEXTURES 1024
/* The samplers, buffers and the target that share a descriptor set with the textures. */
#define OTHER_DESCRIPTORS 16

static const char *const extension_names[SBX_EXT_COUNT] = {
	[SBX_EXT_EXTERNAL_MEMORY_FD] = VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
	[SBX_EXT_DMA_BUF] = VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
	[SBX_EXT_DRM_MODIFIER] = VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
	[SBX_EXT_QUEUE_FAMILY_FOREIGN] = VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
	[SBX_EXT_EXTERNAL_SEMAPHORE_FD] = VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
	[SBX_EXT_CALIBRATED_TIMESTAMPS] = VK_EXT_CALIBRATED_TIMESTAMPS_EXTENSION_NAME,
	[SBX_EXT_PHYSICAL_DEVICE_DRM] = VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME,
	[SBX_EXT_GLOBAL_PRIORITY] = VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME,
};

struct feature {
	const char *name;
	size_t offset;
	bool required;
};

#define V10(f, required) \
	{ #f, offsetof(struct sbx_features, v10.features) + offsetof(VkPhysicalDeviceFeatures, f), required }
#define V12(f, required) { #f, offsetof(struct sbx_features, v12.f), required }
#define V13(f, required) { #f, offsetof(struct sbx_features, v13.f), required }

static const struct feature wanted_features[] = {
	V10(shaderStorageImageWriteWithoutFormat, true),
	V10(shaderSampledImageArrayDynamicIndexing, true),
	V10(shaderStorageImageReadWithoutFormat, false),
	V12(timelineSemaphore, true),
	V12(runtimeDescriptorArray, true),
	V12(shaderSampledImageArrayNonUniformIndexing, true),
	V12(descriptorBindingPartiallyBound, true),
	V12(descriptorBindingUpdateUnusedWhilePending, true),
	V12(descriptorBindingSampledImageUpdateAfterBind, true),
	V12(descriptorBindingStorageImageUpdateAfterBind, true),
	V12(descriptorBindingStorageBufferUpdateAfterBind, false),
	V12(scalarBlockLayout, false),
	V12(hostQueryReset, false),
	V13(synchronization2, true),
	V13(maintenance4, false),
	V13(subgroupSizeControl, false),
};

#define FEATURE_COUNT (sizeof(wanted_features) / sizeof(wanted_features[0]))

static VkBool32 *feature_at(struct sbx_features *features, size_t i) {
	return (VkBool32 *)((char *)features + wanted_features[i].offset);
}

const char *sbx_extension_name(enum sbx_extension extension) {
	return extension_names[extension];
}

VkPhysicalDeviceFeatures2 *sbx_features_chain(struct sbx_features *features) {
	features->v10.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
	features->v10.pNext = &features->v12;
	features->v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
	features->v12.pNext = &features->v13;
	features->v13.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES;
	features->v13.pNext = NULL;
	return &features->v10;
}

static int probe_extensions(const struct VolkInstanceTable *vki, struct sbx_candidate *candidate) {
	uint32_t count = 0;
	vki->vkEnumerateDeviceExtensionProperties(candidate->physical, NULL, &count, NULL);
	VkExtensionProperties *list = calloc(count + 1, sizeof(*list));
	if (list == NULL) {
		return -ENOMEM;
	}
	vki->vkEnumerateDeviceExtensionProperties(candidate->physical, NULL, &count, list);
	for (uint32_t i = 0; i < count; i++) {
		for (int e = 0; e < SBX_EXT_COUNT; e++) {
			if (strcmp(list[i].extensionName, extension_names[e]) == 0) {
				candidate->extensions[e] = true;
			}
		}
	}
	free(list);
	return 0;
}

static void probe_properties(const struct VolkInstanceTable *vki, struct sbx_candidate *candidate) {
	VkPhysicalDeviceDrmPropertiesEXT drm = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT,
	};
	candidate->driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
	candidate->driver.pNext = candidate->extensions[SBX_EXT_PHYSICAL_DEVICE_DRM] ? &drm : NULL;
	VkPhysicalDeviceProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &candidate->driver,
	};
	vki->vkGetPhysicalDeviceProperties2(candidate->physical, &properties);
	candidate->properties = properties.properties;
	candidate->driver.pNext = NULL;
	if (drm.hasPrimary) {
		candidate->primary_node = makedev(drm.primaryMajor, drm.primaryMinor);
	}
	if (drm.hasRender) {
		candidate->render_node = makedev(drm.renderMajor, drm.renderMinor);
	}
}

/* Leaves in candidate->features those that we use and it has. */
static void probe_features(const struct VolkInstanceTable *vki, struct sbx_candidate *candidate) {
	struct sbx_features offered = {0};
	vki->vkGetPhysicalDeviceFeatures2(candidate->physical, sbx_features_chain(&offered));
	for (size_t i = 0; i < FEATURE_COUNT; i++) {
		*feature_at(&candidate->features, i) = *feature_at(&offered, i);
	}
}

static bool probe_queue(const struct VolkInstanceTable *vki, struct sbx_candidate *candidate) {
	VkQueueFamilyProperties families[16];
	uint32_t count = sizeof(families) / sizeof(families[0]);
	vki->vkGetPhysicalDeviceQueueFamilyProperties(candidate->physical, &count, families);
	for (uint32_t i = 0; i < count; i++) {
		if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) {
			continue;
		}
		candidate->queue_family = i;
		candidate->caps.timestamp_valid_bits = families[i].timestampValidBits;
		if (families[i].timestampValidBits > 0) {
			candidate->caps.timestamp_period_ns = candidate->properties.limits.timestampPeriod;
		}
		return true;
	}
	return false;
}

static struct sbx_semaphore_caps probe_semaphore(const struct VolkInstanceTable *vki,
		VkPhysicalDevice physical, VkSemaphoreType type, VkExternalSemaphoreHandleTypeFlagBits fd) {
	const VkSemaphoreTypeCreateInfo type_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, .semaphoreType = type,
	};
	const VkPhysicalDeviceExternalSemaphoreInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
		.pNext = &type_info,
		.handleType = fd,
	};
	VkExternalSemaphoreProperties properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
	};
	vki->vkGetPhysicalDeviceExternalSemaphoreProperties(physical, &info, &properties);
	VkExternalSemaphoreFeatureFlags features = properties.externalSemaphoreFeatures;
	return (struct sbx_semaphore_caps){
		.import = (features & VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT) != 0,
		.export = (features & VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT) != 0,
		.reexport = (properties.exportFromImportedHandleTypes & fd) != 0,
	};
}

static void probe_semaphores(const struct VolkInstanceTable *vki, struct sbx_candidate *candidate) {
	if (!candidate->extensions[SBX_EXT_EXTERNAL_SEMAPHORE_FD]) {
		return;
	}
	struct sbx_device_caps *caps = &candidate->caps;
	caps->sync_fd = probe_semaphore(vki, candidate->physical, VK_SEMAPHORE_TYPE_BINARY,
		VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT);
	caps->opaque_fd_binary = probe_semaphore(vki, candidate->physical, VK_SEMAPHORE_TYPE_BINARY,
		VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT);
	caps->opaque_fd_timeline = probe_semaphore(vki, candidate->physical,
		VK_SEMAPHORE_TYPE_TIMELINE, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT);
}

static bool probe_opaque_memory(const struct VolkInstanceTable *vki, VkPhysicalDevice physical) {
	const VkPhysicalDeviceExternalBufferInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
	};
	VkExternalBufferProperties properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
	};
	vki->vkGetPhysicalDeviceExternalBufferProperties(physical, &info, &properties);
	const VkExternalMemoryFeatureFlags both = VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT |
		VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
	return (properties.externalMemoryProperties.externalMemoryFeatures & both) == both;
}

static bool probe_calibration(const struct VolkInstanceTable *vki, VkPhysicalDevice physical) {
	VkTimeDomainEXT domains[16];
	uint32_t count = sizeof(domains) / sizeof(domains[0]);
	VkResult result = vki->vkGetPhysicalDeviceCalibrateableTimeDomainsEXT(physical, &count, domains);
	for (uint32_t i = 0; result >= 0 && i < count; i++) {
		if (domains[i] == VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT) {
			return true;
		}
	}
	return false;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static uint32_t probe_max_textures(const struct VolkInstanceTable *vki, VkPhysicalDevice physical) {
	VkPhysicalDeviceVulkan12Properties limits = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES,
	};
	VkPhysicalDeviceProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &limits,
	};
	vki->vkGetPhysicalDeviceProperties2(physical, &properties);
	uint32_t max = min_u32(limits.maxPerStageDescriptorUpdateAfterBindSampledImages,
		limits.maxDescriptorSetUpdateAfterBindSampledImages);
	max = min_u32(max, limits.maxPerStageUpdateAfterBindResources);
	max = max > OTHER_DESCRIPTORS ? max - OTHER_DESCRIPTORS : 0;
	return min_u32(max, MAX_TEXTURES);
}

static void probe_caps(const struct VolkInstanceTable *vki, struct sbx_candidate *candidate) {
	const bool *ext = candidate->extensions;
	struct sbx_device_caps *caps = &candidate->caps;
	caps->software = candidate->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
	caps->dmabuf = ext[SBX_EXT_EXTERNAL_MEMORY_FD] && ext[SBX_EXT_DMA_BUF] &&
		ext[SBX_EXT_DRM_MODIFIER];
	caps->queue_family_foreign = ext[SBX_EXT_QUEUE_FAMILY_FOREIGN];
	caps->opaque_fd_memory = ext[SBX_EXT_EXTERNAL_MEMORY_FD] &&
		probe_opaque_memory(vki, candidate->physical);
	caps->calibrated_timestamps = ext[SBX_EXT_CALIBRATED_TIMESTAMPS] &&
		probe_calibration(vki, candidate->physical);
	caps->max_image_size = candidate->properties.limits.maxImageDimension2D;
	caps->max_textures = probe_max_textures(vki, candidate->physical);
	probe_semaphores(vki, candidate);
	sbx_quirk_apply(&candidate->driver, caps);
}

static void note(FILE *out, const char *what) {
	fprintf(out, "%s%s", ftell(out) > 0 ? ", " : "", what);
}

static void note_missing_dmabuf(const struct sbx_candidate *candidate, FILE *out) {
	static const enum sbx_extension needed[] = {
		SBX_EXT_EXTERNAL_MEMORY_FD, SBX_EXT_DMA_BUF, SBX_EXT_DRM_MODIFIER,
		SBX_EXT_EXTERNAL_SEMAPHORE_FD,
	};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!candidate->extensions[needed[i]]) {
			note(out, extension_names[needed[i]]);
		}
	}
	if (candidate->extensions[SBX_EXT_EXTERNAL_SEMAPHORE_FD] && !candidate->caps.sync_fd.import) {
		note(out, "import of SYNC_FD semaphores");
	}
}

static void note_missing_features(struct sbx_candidate *candidate, FILE *out) {
	for (size_t i = 0; i < FEATURE_COUNT; i++) {
		if (wanted_features[i].required && !*feature_at(&candidate->features, i)) {
			note(out, wanted_features[i].name);
		}
	}
}

static int find_missing(struct sbx_candidate *candidate, bool has_queue, bool need_dmabuf) {
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (out == NULL) {
		return -ENOMEM;
	}
	if (!has_queue) {
		note(out, "a queue that computes");
	}
	note_missing_features(candidate, out);
	if (candidate->caps.max_textures < MIN_TEXTURES) {
		note(out, "1024 sampled images in a descriptor set that is updated after binding");
	}
	if (need_dmabuf) {
		note_missing_dmabuf(candidate, out);
	}
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	if (size == 0) {
		free(text);
		text = NULL;
	}
	candidate->missing = text;
	return 0;
}

static int refuse_old(struct sbx_candidate *candidate) {
	uint32_t version = candidate->properties.apiVersion;
	candidate->caps.software = candidate->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
	int n = asprintf(&candidate->missing, "Vulkan 1.3 (it has %u.%u)",
		VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
	if (n < 0) {
		candidate->missing = NULL;
		return -ENOMEM;
	}
	return 0;
}

int sbx_candidate_probe(struct sbx_instance *instance, VkPhysicalDevice physical, unsigned index,
		bool need_dmabuf, struct sbx_candidate *candidate) {
	const struct VolkInstanceTable *vki = &instance->vki;
	*candidate = (struct sbx_candidate){ .physical = physical, .index = index };
	vki->vkGetPhysicalDeviceProperties(physical, &candidate->properties);
	if (candidate->properties.apiVersion < VK_API_VERSION_1_3) {
		return refuse_old(candidate);
	}
	int ret = probe_extensions(vki, candidate);
	if (ret < 0) {
		return ret;
	}
	probe_properties(vki, candidate);
	probe_features(vki, candidate);
	probe_caps(vki, candidate);
	bool has_queue = probe_queue(vki, candidate);
	return find_missing(candidate, has_queue, need_dmabuf);
}

void sbx_candidate_finish(struct sbx_candidate *candidate) {
	free(candidate->missing);
	candidate->missing = NULL;
}

void sbx_candidate_print(const struct sbx_candidate *candidate, FILE *out) {
	uint32_t version = candidate->properties.apiVersion;
	fprintf(out, "%u: %s%s, ", candidate->index, candidate->properties.deviceName,
		candidate->caps.software ? ", software" : "");
	if (candidate->driver.driverName[0] != '\0') {
		fprintf(out, "%s %s, ", candidate->driver.driverName, candidate->driver.driverInfo);
	}
	fprintf(out, "Vulkan %u.%u.%u", VK_API_VERSION_MAJOR(version),
		VK_API_VERSION_MINOR(version), VK_API_VERSION_PATCH(version));
}
