#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "harness/buffers.h"
#include "harness/vgem.h"
#include "harness/vulkan.h"
#include "render/instance.h"
#include "trace/log.h"

#define MAX_LINES 512

static char *lines[MAX_LINES];
static enum sbx_log_level levels[MAX_LINES];
static size_t n_lines;
static unsigned fds_before;
static bool hushed, count_fds;

/* What validation says must be seen even when a test reads the log for something else. */
static unsigned complaints;

static void remember(enum sbx_log_level level, const char *format, va_list args) {
	char *line = NULL;
	if (vasprintf(&line, format, args) < 0) {
		return;
	}
	if (!hushed && (level <= SBX_LOG_ERROR || getenv("SIGNALBOX_LOG") != NULL)) {
		fprintf(stderr, "    %s\n", line);
	}
	if (strstr(line, "vulkan validation") != NULL || strstr(line, "signalbox bug") != NULL) {
		complaints++;
	}
	if (n_lines == MAX_LINES) {
		free(line);
		return;
	}
	levels[n_lines] = level;
	lines[n_lines++] = line;
}

void log_forget(void) {
	while (n_lines > 0) {
		free(lines[--n_lines]);
	}
}

unsigned log_count(const char *text) {
	unsigned count = 0;
	for (size_t i = 0; i < n_lines; i++) {
		count += strstr(lines[i], text) != NULL;
	}
	return count;
}

unsigned log_errors(void) {
	unsigned count = 0;
	for (size_t i = 0; i < n_lines; i++) {
		count += levels[i] == SBX_LOG_ERROR;
	}
	return count;
}

void log_hush(void) {
	hushed = true;
}

unsigned open_fd_count(void) {
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (dir != NULL && readdir(dir) != NULL) {
		count++;
	}
	if (dir != NULL) {
		closedir(dir);
	}
	return count;
}

unsigned settled_fd_count(unsigned expected) {
	unsigned count = open_fd_count();
	for (int tries = 0; count != expected && tries < 100; tries++) {
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		count = open_fd_count();
	}
	return count;
}

bool in_lab(void) {
	const char *lab = getenv("SIGNALBOX_LAB");
	return lab != NULL && strcmp(lab, "1") == 0;
}

void vulkan_forgive(void) {
	complaints = 0;
}

void vulkan_forgive_fds(void) {
	count_fds = false;
}

struct sbx_device *vulkan_open(void) {
	const struct sbx_device_options options = {
		.name = getenv("SIGNALBOX_DEVICE") != NULL ? NULL : "software",
		.drm_fd = -1,
		.validation = getenv("SIGNALBOX_NO_VALIDATION") == NULL,
	};
	struct sbx_device *device = NULL;
	return sbx_device_create(&options, &device) == 0 ? device : NULL;
}

int vulkan_setup(void **state) {
	sbx_log_init(SBX_LOG_DEBUG, remember);
	log_forget();
	complaints = 0;
	hushed = false;
	count_fds = true;
	fds_before = open_fd_count();
	struct sbx_device *device = vulkan_open();
	*state = device;
	if (device == NULL) {
		return -1;
	}
	if (in_lab() && !device->validation && getenv("SIGNALBOX_NO_VALIDATION") == NULL) {
		fprintf(stderr, "the lab has no validation layers\n");
		return -1;
	}
	log_forget();
	return 0;
}

int vulkan_teardown(void **state) {
	sbx_device_destroy(*state);
	*state = NULL;
	log_forget();
	unsigned fds = count_fds ? settled_fd_count(fds_before) : fds_before;
	if (fds != fds_before) {
		fprintf(stderr, "%u fds are open, %u were\n", fds, fds_before);
	}
	if (complaints > 0) {
		fprintf(stderr, "%u complaints of validation or about ourselves\n", complaints);
	}
	return complaints > 0 || fds != fds_before ? -1 : 0;
}

static bool have_lab_devices(void) {
	struct test_buffer buffer;
	int vgem_fd = vgem_open();
	int ret = test_buffer_udmabuf(4096, &buffer);
	if (vgem_fd >= 0) {
		close(vgem_fd);
	}
	if (ret == 0) {
		test_buffer_finish(&buffer);
	}
	return vgem_fd >= 0 && ret == 0;
}

int vulkan_main_lab(int argc, char *argv[], const char *name, const struct CMUnitTest *host,
		size_t host_count, const struct CMUnitTest *lab, size_t lab_count) {
	if (argc < 2 || strcmp(argv[1], "lab") != 0) {
		return vulkan_main(name, host, host_count);
	}
	if (!in_lab() && !have_lab_devices()) {
		fprintf(stderr, "skipped: needs /dev/udmabuf and vgem\n");
		return 77;
	}
	return vulkan_main(name, lab, lab_count);
}

/*
 * An instance that stays open keeps the loader from unloading drivers and layers after every test and
 * loading them again: in the lab VM that takes seconds.
 */
static void keep_loaded(struct sbx_instance *instance) {
	static unsigned messages;
	sbx_instance_create(getenv("SIGNALBOX_NO_VALIDATION") == NULL, &messages, instance);
}

int vulkan_main(const char *name, const struct CMUnitTest *tests, size_t count) {
	char *list = sbx_device_list();
	bool none = list == NULL || strncmp(list, "no Vulkan", 9) == 0 || list[0] == '0';
	free(list);
	if (none && !in_lab()) {
		fprintf(stderr, "skipped: there is no Vulkan device\n");
		return 77;
	}
	struct sbx_instance instance;
	keep_loaded(&instance);
	int ret = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	sbx_instance_finish(&instance);
	return ret;
}

VkPipeline vulkan_create_compute(struct sbx_device *device, VkPipelineLayout layout, const uint32_t *code,
		size_t size) {
	const VkShaderModuleCreateInfo module_info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = code,
	};
	VkShaderModule module = VK_NULL_HANDLE;
	assert_int_equal(SBX_VK(device, vkCreateShaderModule, device->handle, &module_info, NULL,
		&module), 0);
	const VkComputePipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = module, .pName = "main",
		},
		.layout = layout,
	};
	VkPipeline pipeline = VK_NULL_HANDLE;
	assert_int_equal(SBX_VK(device, vkCreateComputePipelines, device->handle, VK_NULL_HANDLE, 1,
		&info, NULL, &pipeline), 0);
	device->vk.vkDestroyShaderModule(device->handle, module, NULL);
	return pipeline;
}
