#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "render/instance.h"
#include "trace/log.h"

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

/*
 * Mesa's device selection layer opens the display that these name, which may be the compositor that
 * is starting just now, and waits for its answer.
 */
static const char *const hidden_names[] = { "WAYLAND_DISPLAY", "DISPLAY" };
#define HIDDEN_COUNT (sizeof(hidden_names) / sizeof(hidden_names[0]))

struct hidden {
	char *values[HIDDEN_COUNT];
};

static void hide_displays(struct hidden *hidden) {
	for (size_t i = 0; i < HIDDEN_COUNT; i++) {
		const char *value = getenv(hidden_names[i]);
		hidden->values[i] = value != NULL ? strdup(value) : NULL;
		// Without memory for the copy the variable stays: better a slow start than a lost display.
		if (hidden->values[i] != NULL) {
			unsetenv(hidden_names[i]);
		}
	}
}

static void restore_displays(struct hidden *hidden) {
	for (size_t i = 0; i < HIDDEN_COUNT; i++) {
		if (hidden->values[i] != NULL) {
			setenv(hidden_names[i], hidden->values[i], 1);
			free(hidden->values[i]);
		}
	}
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
		VkDebugUtilsMessageTypeFlagsEXT types,
		const VkDebugUtilsMessengerCallbackDataEXT *message, void *data) {
	unsigned *messages = data;
	const char *name = message->pMessageIdName != NULL ? message->pMessageIdName : "?";
	// GPU-assisted validation says what it has turned on for itself.
	if (strcmp(name, "WARNING-Setting-Limit-Adjusted") == 0) {
		return VK_FALSE;
	}
	(*messages)++;
	sbx_log_error("vulkan validation: %s: %s", name, message->pMessage);
	return VK_FALSE;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(unsigned *messages) {
	return (VkDebugUtilsMessengerCreateInfoEXT){
		.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
		.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
			VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT,
		.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
		.pfnUserCallback = on_message,
		.pUserData = messages,
	};
}

static bool has_layer(const char *name) {
	uint32_t count = 0;
	vkEnumerateInstanceLayerProperties(&count, NULL);
	VkLayerProperties *layers = calloc(count + 1, sizeof(*layers));
	bool found = false;
	if (layers != NULL && vkEnumerateInstanceLayerProperties(&count, layers) >= 0) {
		for (uint32_t i = 0; i < count && !found; i++) {
			found = strcmp(layers[i].layerName, name) == 0;
		}
	}
	free(layers);
	return found;
}

static bool has_extension(const char *layer, const char *name) {
	uint32_t count = 0;
	vkEnumerateInstanceExtensionProperties(layer, &count, NULL);
	VkExtensionProperties *extensions = calloc(count + 1, sizeof(*extensions));
	bool found = false;
	if (extensions != NULL &&
			vkEnumerateInstanceExtensionProperties(layer, &count, extensions) >= 0) {
		for (uint32_t i = 0; i < count && !found; i++) {
			found = strcmp(extensions[i].extensionName, name) == 0;
		}
	}
	free(extensions);
	return found;
}

/* The layer's own extension: the loader does not list it among the instance's. */
static enum sbx_validation available_validation(enum sbx_validation validation) {
	if (validation == SBX_VALIDATION_OFF) {
		return validation;
	}
	if (!has_layer(VALIDATION_LAYER) ||
			!has_extension(VALIDATION_LAYER, VK_EXT_LAYER_SETTINGS_EXTENSION_NAME)) {
		sbx_log_error("render: validation was asked for, but " VALIDATION_LAYER
			" (with VK_EXT_layer_settings) is not installed: going on without");
		return SBX_VALIDATION_OFF;
	}
	return validation;
}

static VkResult create_instance(struct sbx_instance *instance, unsigned *messages) {
	bool validation = instance->validation != SBX_VALIDATION_OFF;
	// The layer complains when it shall do everything at once.
	const VkBool32 on_gpu = instance->validation == SBX_VALIDATION_GPU, on_cpu = !on_gpu, yes = VK_TRUE;
	const VkLayerSettingEXT settings[] = {
		{ VALIDATION_LAYER, "validate_core", VK_LAYER_SETTING_TYPE_BOOL32_EXT, 1, &on_cpu },
		{ VALIDATION_LAYER, "validate_sync", VK_LAYER_SETTING_TYPE_BOOL32_EXT, 1, &on_cpu },
		{ VALIDATION_LAYER, "syncval_shader_accesses_heuristic",
			VK_LAYER_SETTING_TYPE_BOOL32_EXT, 1, &yes },
		{ VALIDATION_LAYER, "gpuav_enable", VK_LAYER_SETTING_TYPE_BOOL32_EXT, 1, &on_gpu },
	};
	VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(messages);
	const VkLayerSettingsCreateInfoEXT layer_settings = {
		.sType = VK_STRUCTURE_TYPE_LAYER_SETTINGS_CREATE_INFO_EXT,
		.pNext = &messenger,
		.settingCount = sizeof(settings) / sizeof(settings[0]),
		.pSettings = settings,
	};
	const VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pEngineName = "signalbox",
		.apiVersion = VK_API_VERSION_1_3,
	};
	const char *const layers[] = { VALIDATION_LAYER };
	const char *const extensions[] = {
		VK_EXT_DEBUG_UTILS_EXTENSION_NAME, VK_EXT_LAYER_SETTINGS_EXTENSION_NAME,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pNext = validation ? &layer_settings : NULL,
		.pApplicationInfo = &application,
		.enabledLayerCount = validation ? 1 : 0,
		.ppEnabledLayerNames = layers,
		.enabledExtensionCount = validation ? 2 : instance->debug_utils ? 1 : 0,
		.ppEnabledExtensionNames = extensions,
	};
	struct hidden hidden;
	hide_displays(&hidden);
	VkResult result = vkCreateInstance(&info, NULL, &instance->handle);
	restore_displays(&hidden);
	return result;
}

static int load_instance(struct sbx_instance *instance, unsigned *messages) {
	VkResult result = create_instance(instance, messages);
	if (result != VK_SUCCESS) {
		sbx_log_error("render: vkCreateInstance failed (%d): %s", result,
			result == VK_ERROR_INCOMPATIBLE_DRIVER ? "no Vulkan driver is installed" :
			"the Vulkan installation is broken");
		return result == VK_ERROR_OUT_OF_HOST_MEMORY ? -ENOMEM : -ENODEV;
	}
	volkLoadInstanceTable(&instance->vki, instance->handle);
	if (instance->validation == SBX_VALIDATION_OFF) {
		return 0;
	}
	VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(messages);
	result = instance->vki.vkCreateDebugUtilsMessengerEXT(instance->handle, &info, NULL,
		&instance->messenger);
	return result == VK_SUCCESS ? 0 : -ENOMEM;
}

int sbx_instance_create(enum sbx_validation validation, unsigned *messages, struct sbx_instance *instance) {
	*instance = (struct sbx_instance){0};
	if (volkInitialize() != VK_SUCCESS) {
		sbx_log_error("render: no Vulkan: libvulkan.so.1 cannot be loaded");
		return -ENODEV;
	}
	if (volkGetInstanceVersion() < VK_API_VERSION_1_3) {
		sbx_log_error("render: the Vulkan loader is older than 1.3");
		return -ENODEV;
	}
	instance->validation = available_validation(validation);
	instance->debug_utils = instance->validation != SBX_VALIDATION_OFF ||
		has_extension(NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
	int ret = load_instance(instance, messages);
	if (ret < 0) {
		sbx_instance_finish(instance);
	}
	return ret;
}

void sbx_instance_finish(struct sbx_instance *instance) {
	if (instance->messenger != VK_NULL_HANDLE) {
		instance->vki.vkDestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, NULL);
	}
	if (instance->handle != VK_NULL_HANDLE) {
		instance->vki.vkDestroyInstance(instance->handle, NULL);
	}
	*instance = (struct sbx_instance){0};
}

int sbx_instance_enumerate(struct sbx_instance *instance, VkPhysicalDevice **devices,
		uint32_t *count) {
	struct hidden hidden;
	*devices = NULL;
	*count = 0;
	hide_displays(&hidden);
	VkResult result = instance->vki.vkEnumeratePhysicalDevices(instance->handle, count, NULL);
	if (result == VK_SUCCESS) {
		*devices = calloc(*count + 1, sizeof(**devices));
		result = *devices == NULL ? VK_ERROR_OUT_OF_HOST_MEMORY :
			instance->vki.vkEnumeratePhysicalDevices(instance->handle, count, *devices);
	}
	restore_displays(&hidden);
	if (result < 0) {
		free(*devices);
		*devices = NULL;
		*count = 0;
		// Some loaders say so when there is no driver at all: the same as none.
		return result == VK_ERROR_OUT_OF_HOST_MEMORY ? -ENOMEM : 0;
	}
	return 0;
}
