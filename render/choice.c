#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "render/choice.h"
#include "render/instance.h"
#include "trace/log.h"

struct choice {
	struct sbx_candidate *candidates;
	uint32_t count;
	/* What the user asked for, or NULL. */
	const char *wanted;
	/* The node of options->drm_fd, or 0. */
	uint64_t node;
};

static const char *wanted_name(const struct sbx_device_options *options) {
	const char *name = options->name != NULL ? options->name : getenv("SIGNALBOX_DEVICE");
	return name != NULL && name[0] != '\0' ? name : NULL;
}

static uint64_t node_of_fd(int fd) {
	struct stat st;
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) ? st.st_rdev : 0;
}

static uint64_t node_of_path(const char *path) {
	struct stat st;
	return stat(path, &st) == 0 && S_ISCHR(st.st_mode) ? st.st_rdev : 0;
}

static bool has_node(const struct sbx_candidate *candidate, uint64_t node) {
	return node != 0 && (candidate->primary_node == node || candidate->render_node == node);
}

static bool is_number(const char *text) {
	return text[strspn(text, "0123456789")] == '\0';
}

static bool is_wanted(const struct sbx_candidate *candidate, const char *wanted) {
	if (strcmp(wanted, "software") == 0) {
		return candidate->caps.software;
	}
	if (is_number(wanted)) {
		return strtoul(wanted, NULL, 10) == candidate->index;
	}
	if (wanted[0] == '/') {
		return has_node(candidate, node_of_path(wanted));
	}
	return strcasestr(candidate->properties.deviceName, wanted) != NULL;
}

static int kind_rank(VkPhysicalDeviceType type) {
	switch (type) {
	case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
		return 4;
	case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
		return 3;
	case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
		return 2;
	case VK_PHYSICAL_DEVICE_TYPE_CPU:
		return 0;
	default:
		return 1;
	}
}

/* Greater is better; -1: not to be used. */
static int rank(const struct choice *choice, const struct sbx_candidate *candidate) {
	if (candidate->missing != NULL ||
			(choice->wanted != NULL && !is_wanted(candidate, choice->wanted))) {
		return -1;
	}
	return kind_rank(candidate->properties.deviceType) +
		(has_node(candidate, choice->node) ? 10 : 0);
}

static struct sbx_candidate *best(const struct choice *choice) {
	struct sbx_candidate *found = NULL;
	int found_rank = -1;
	for (uint32_t i = 0; i < choice->count; i++) {
		int r = rank(choice, &choice->candidates[i]);
		if (r > found_rank) {
			found = &choice->candidates[i];
			found_rank = r;
		}
	}
	return found;
}

static const char *reason_for(const struct choice *choice, const struct sbx_candidate *candidate) {
	if (choice->wanted != NULL) {
		return "it was asked for by name";
	}
	if (has_node(candidate, choice->node)) {
		return "it is the device of the DRM node";
	}
	if (candidate->caps.software) {
		return "nothing but software will do the work here";
	}
	return choice->node != 0 ? "the DRM node has no Vulkan device that will do" :
		"it is the fastest kind here";
}

static int probe_all(struct sbx_instance *instance, bool need_dmabuf, struct choice *choice) {
	VkPhysicalDevice *devices = NULL;
	uint32_t count = 0;
	int ret = sbx_instance_enumerate(instance, &devices, &count);
	if (ret < 0) {
		return ret;
	}
	choice->candidates = calloc(count + 1, sizeof(*choice->candidates));
	if (choice->candidates == NULL) {
		ret = -ENOMEM;
	}
	for (uint32_t i = 0; i < count && ret == 0; i++) {
		ret = sbx_candidate_probe(instance, devices[i], i, need_dmabuf, &choice->candidates[i]);
		choice->count = i + 1;
	}
	free(devices);
	return ret;
}

static void choice_finish(struct choice *choice) {
	for (uint32_t i = 0; i < choice->count; i++) {
		sbx_candidate_finish(&choice->candidates[i]);
	}
	free(choice->candidates);
}

static void log_candidate(enum sbx_log_level level, const struct sbx_candidate *candidate) {
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (out == NULL) {
		return;
	}
	sbx_candidate_print(candidate, out);
	if (fclose(out) == 0) {
		sbx_log(level, "render: Vulkan device %s: %s%s", text,
			candidate->missing != NULL ? "cannot be used, missing: " : "usable",
			candidate->missing != NULL ? candidate->missing : "");
	}
	free(text);
}

static void explain_failure(const struct choice *choice) {
	if (choice->count == 0) {
		sbx_log_error("render: no Vulkan device: the loader found no driver with a device");
	} else if (choice->wanted != NULL) {
		sbx_log_error("render: no usable Vulkan device is called \"%s\"; there is:",
			choice->wanted);
	} else {
		sbx_log_error("render: no Vulkan device can do the work:");
	}
	for (uint32_t i = 0; i < choice->count; i++) {
		log_candidate(SBX_LOG_ERROR, &choice->candidates[i]);
	}
}

/* A better device that was passed over deserves a line even when another one was found. */
static void explain_passed_over(const struct choice *choice, const struct sbx_candidate *chosen) {
	for (uint32_t i = 0; i < choice->count; i++) {
		const struct sbx_candidate *other = &choice->candidates[i];
		bool better = has_node(other, choice->node) ||
			kind_rank(other->properties.deviceType) > kind_rank(chosen->properties.deviceType);
		if (other->missing != NULL) {
			log_candidate(better ? SBX_LOG_INFO : SBX_LOG_DEBUG, other);
		}
	}
}

int sbx_choice_make(struct sbx_instance *instance, const struct sbx_device_options *options,
		struct sbx_candidate *chosen, const char **reason) {
	struct choice choice = {
		.wanted = wanted_name(options), .node = node_of_fd(options->drm_fd),
	};
	int ret = probe_all(instance, options->need_dmabuf, &choice);
	struct sbx_candidate *found = ret == 0 ? best(&choice) : NULL;
	if (found != NULL) {
		explain_passed_over(&choice, found);
		*reason = reason_for(&choice, found);
		*chosen = *found;
		found->missing = NULL;
	} else if (ret == 0) {
		explain_failure(&choice);
		ret = -ENODEV;
	}
	choice_finish(&choice);
	return ret;
}
