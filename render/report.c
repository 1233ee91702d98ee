#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "render/candidate.h"
#include "render/device.h"
#include "render/format.h"
#include "render/instance.h"

static void line(FILE *out, const char *what, bool have, const char *consequence) {
	fprintf(out, "  %-34s %s%s\n", what, have ? "yes" : "no: ", have ? "" : consequence);
}

static void number(FILE *out, const char *what, const char *format, ...) {
	va_list args;
	fprintf(out, "  %-34s ", what);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fputc('\n', out);
}

static void print_node(FILE *out, const char *what, uint64_t node) {
	if (node != 0) {
		number(out, what, "%u:%u", major(node), minor(node));
	} else {
		number(out, what, "none");
	}
}

static void print_head(const struct sbx_device *device, FILE *out) {
	uint32_t version = device->properties.apiVersion;
	fprintf(out, "Vulkan device %u: %s, Vulkan %u.%u.%u\n", device->index, device->name,
		VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
		VK_API_VERSION_PATCH(version));
	number(out, "chosen because", "%s", device->reason);
	print_node(out, "DRM primary node", device->primary_node);
	print_node(out, "DRM render node", device->render_node);
	line(out, "hardware", !device->caps.software, "software, drawing on the CPU");
	line(out, "validation layers", device->validation, "not asked for or not installed");
}

static void print_memory(const struct sbx_device *device, FILE *out) {
	const struct sbx_device_caps *caps = &device->caps;
	line(out, "dma-buf import, explicit modifiers", caps->dmabuf,
		"clients can use shared memory only, outputs cannot be drawn to");
	line(out, "queue family FOREIGN", caps->queue_family_foreign, "EXTERNAL is used instead");
	line(out, "opaque memory fds", caps->opaque_fd_memory, "not used by compositors");
}

static void print_semaphore(FILE *out, const char *what, const struct sbx_semaphore_caps *caps,
		const char *consequence) {
	if (caps->import == caps->export) {
		line(out, what, caps->import, consequence);
	} else {
		number(out, what, "%s only", caps->import ? "import" : "export");
	}
}

static void print_sync(const struct sbx_device *device, FILE *out) {
	const struct sbx_device_caps *caps = &device->caps;
	print_semaphore(out, "SYNC_FD semaphores", &caps->sync_fd,
		"fences are waited for on the CPU");
	line(out, "SYNC_FD export without waiting", caps->sync_fd.export && !caps->export_blocks,
		"the end of the work is waited for on the CPU");
	print_semaphore(out, "OPAQUE_FD semaphores, binary", &caps->opaque_fd_binary,
		"not used by compositors");
	print_semaphore(out, "OPAQUE_FD semaphores, timeline", &caps->opaque_fd_timeline,
		"completion leaves as SYNC_FD");
	line(out, "GPU timestamps", caps->timestamp_valid_bits > 0, "render timers show nothing");
	line(out, "timestamps in CLOCK_MONOTONIC", caps->calibrated_timestamps,
		"GPU times in a recording are estimates");
}

static void print_formats(const struct sbx_device *device, FILE *out) {
	size_t count = 0, sample = 0, store = 0;
	const struct sbx_format *formats = sbx_format_all(&count);
	for (size_t i = 0; i < count; i++) {
		// The answers are kept in the device, which is not changed in any way one could see.
		uint32_t uses = sbx_format_uses((struct sbx_device *)device, &formats[i]);
		sample += (uses & SBX_FORMAT_SAMPLE) != 0;
		store += (uses & SBX_FORMAT_STORE) != 0;
	}
	number(out, "formats as textures, as targets", "%zu, %zu of %zu", sample, store, count);
	number(out, "largest image", "%u x %u", device->caps.max_image_size,
		device->caps.max_image_size);
	number(out, "textures at a time", "%u", device->caps.max_textures);
}

char *sbx_device_report(const struct sbx_device *device) {
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (out == NULL) {
		return NULL;
	}
	print_head(device, out);
	print_memory(device, out);
	print_sync(device, out);
	print_formats(device, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void list_devices(struct sbx_instance *instance, FILE *out) {
	VkPhysicalDevice *devices = NULL;
	uint32_t count = 0;
	if (sbx_instance_enumerate(instance, &devices, &count) < 0) {
		return;
	}
	fprintf(out, "%u Vulkan device%s\n", count, count == 1 ? "" : "s");
	for (uint32_t i = 0; i < count; i++) {
		struct sbx_candidate candidate;
		if (sbx_candidate_probe(instance, devices[i], i, false, &candidate) < 0) {
			continue;
		}
		sbx_candidate_print(&candidate, out);
		fprintf(out, "%s%s\n", candidate.missing != NULL ? ", missing: " : "",
			candidate.missing != NULL ? candidate.missing : "");
		sbx_candidate_finish(&candidate);
	}
	free(devices);
}

char *sbx_device_list(void) {
	struct sbx_instance instance;
	unsigned messages = 0;
	char *text = NULL;
	size_t size = 0;
	if (sbx_instance_create(false, &messages, &instance) < 0) {
		return strdup("no Vulkan\n");
	}
	FILE *out = open_memstream(&text, &size);
	if (out != NULL) {
		list_devices(&instance, out);
		if (fclose(out) != 0) {
			free(text);
			text = NULL;
		}
	}
	sbx_instance_finish(&instance);
	return text;
}
