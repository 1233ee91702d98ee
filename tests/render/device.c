#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "harness/vulkan.h"
#include "render/batch.h"
#include "render/device.h"

static int create(const char *name, bool need_dmabuf, struct sbx_device **device) {
	const struct sbx_device_options options = {
		.name = name, .drm_fd = -1, .need_dmabuf = need_dmabuf,
	};
	*device = NULL;
	log_forget();
	return sbx_device_create(&options, device);
}

static void expect_device(const char *name, const char *reason) {
	struct sbx_device *device;
	assert_int_equal(create(name, false, &device), 0);
	assert_int_equal(log_errors(), 0);
	char *report = sbx_device_report(device);
	assert_non_null(strstr(report, reason));
	free(report);
	sbx_device_destroy(device);
}

static void expect_none(const char *name) {
	struct sbx_device *device;
	assert_int_equal(create(name, false, &device), -ENODEV);
	assert_null(device);
	assert_int_equal(log_count("no usable Vulkan device is called"), 1);
	assert_true(log_count("render: Vulkan device 0: ") == 1);
}

static void test_by_name(void **state) {
	struct sbx_device *device = *state;
	char part[8];
	snprintf(part, sizeof(part), "%s", device->name);
	expect_device(part, "asked for by name");
	for (char *c = part; *c != '\0'; c++) {
		*c ^= *c >= 'a' && *c <= 'z' ? 'a' ^ 'A' : 0;
	}
	expect_device(part, "asked for by name");
	expect_device("0", "asked for by name");
	expect_none("no such device");
	expect_none("99");
	expect_none("/dev/null");
	expect_none("/no/such/node");
}

static void test_by_environment(void **state) {
	char *kept = getenv("SIGNALBOX_DEVICE") != NULL ? strdup(getenv("SIGNALBOX_DEVICE")) : NULL;
	setenv("SIGNALBOX_DEVICE", "0", 1);
	expect_device(NULL, "asked for by name");
	setenv("SIGNALBOX_DEVICE", "no such device", 1);
	expect_none(NULL);
	expect_device("0", "asked for by name");
	setenv("SIGNALBOX_DEVICE", "", 1);
	struct sbx_device *device;
	assert_int_equal(create(NULL, false, &device), 0);
	sbx_device_destroy(device);
	unsetenv("SIGNALBOX_DEVICE");
	if (kept != NULL) {
		setenv("SIGNALBOX_DEVICE", kept, 1);
		free(kept);
	}
}

static void test_report(void **state) {
	char *report = sbx_device_report(*state);
	unsigned lines = 0;
	size_t longest = 0;
	for (char *line = report, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		size_t length = end - line;
		longest = length > longest ? length : longest;
		lines++;
	}
	assert_uint_in_range(lines, 10, 24);
	assert_uint_in_range(longest, 40, 110);
	assert_non_null(strstr(report, "dma-buf import"));
	assert_non_null(strstr(report, "SYNC_FD"));
	assert_non_null(strstr(report, "OPAQUE_FD"));
	free(report);
	char *list = sbx_device_list();
	assert_non_null(strstr(list, "0: "));
	free(list);
}

/* A device that lacks what is needed is refused, and each thing that it lacks is named. */
static void test_need_dmabuf(void **state) {
	struct sbx_device *device, *here = *state;
	int ret = create(here->name, true, &device);
	if (here->caps.dmabuf) {
		assert_int_equal(ret, 0);
		assert_true(device->caps.dmabuf);
		sbx_device_destroy(device);
		return;
	}
	assert_false(in_lab());
	assert_int_equal(ret, -ENODEV);
	assert_int_equal(log_count("missing: VK_EXT_image_drm_format_modifier") +
		log_count("missing: VK_EXT_external_memory_dma_buf"), 1);
}

static void test_no_driver(void **state) {
	struct sbx_device *device;
	char *kept = getenv("VK_DRIVER_FILES") != NULL ? strdup(getenv("VK_DRIVER_FILES")) : NULL;
	setenv("VK_DRIVER_FILES", "/dev/null", 1);
	assert_int_equal(create(NULL, false, &device), -ENODEV);
	assert_true(log_count("Vulkan driver") + log_count("no Vulkan device") >= 1);
	unsetenv("VK_DRIVER_FILES");
	if (kept != NULL) {
		setenv("VK_DRIVER_FILES", kept, 1);
		free(kept);
	}
}

/* A compositor that does not answer: connecting to it would hang in real life. */
static void test_displays_hidden(void **state) {
	char folder[] = "/tmp/sbx-display-XXXXXX";
	assert_non_null(mkdtemp(folder));
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/wayland-9", folder);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	setenv("WAYLAND_DISPLAY", address.sun_path, 1);
	setenv("DISPLAY", ":77", 1);

	struct sbx_device *device;
	assert_int_equal(create("0", false, &device), 0);
	sbx_device_destroy(device);
	assert_int_equal(accept(listener, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_string_equal(getenv("WAYLAND_DISPLAY"), address.sun_path);
	assert_string_equal(getenv("DISPLAY"), ":77");

	unsetenv("WAYLAND_DISPLAY");
	unsetenv("DISPLAY");
	close(listener);
	unlink(address.sun_path);
	rmdir(folder);
}

static void test_check(void **state) {
	struct sbx_device *device = *state;
	assert_int_equal(sbx_device_check(device, VK_SUCCESS, "vkFoo"), 0);
	assert_int_equal(log_errors(), 0);
	assert_int_equal(sbx_device_check(device, VK_ERROR_OUT_OF_HOST_MEMORY, "vkFoo"), -ENOMEM);
	assert_int_equal(log_count("vkFoo: VK_ERROR_OUT_OF_HOST_MEMORY"), 1);
	assert_int_equal(sbx_device_check(device, VK_ERROR_OUT_OF_DEVICE_MEMORY, "vkFoo"), -ENOMEM);
	assert_int_equal(sbx_device_check(device, VK_TIMEOUT, "vkFoo"), -ETIME);
	assert_int_equal(sbx_device_check(device, VK_ERROR_INVALID_EXTERNAL_HANDLE, "vkFoo"), -EINVAL);
	assert_int_equal(sbx_device_check(device, VK_ERROR_UNKNOWN, "vkFoo"), -EIO);
	assert_false(device->lost);
	assert_int_equal(sbx_device_check(device, VK_ERROR_DEVICE_LOST, "vkFoo"), -ENODEV);
	assert_true(device->lost);
	assert_int_equal(sbx_device_check(device, VK_ERROR_DEVICE_LOST, "vkFoo"), -ENODEV);
	// said once
	assert_int_equal(log_count("is lost"), 1);
}

static void test_wait(void **state) {
	struct sbx_device *device = vulkan_open();
	assert_non_null(device);
	assert_int_equal(sbx_device_wait(device, 0, 0), 0);
	// never submitted: refused instead of waited for
	assert_int_equal(sbx_device_wait(device, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(sbx_device_poll(device), 0);
	device->lost = true;
	assert_int_equal(sbx_device_wait(device, 1, UINT64_MAX), -ENODEV);
	assert_null(sbx_batch_begin(device));
	sbx_device_destroy(device);
	vulkan_forgive();
}

static void test_memory_type(void **state) {
	struct sbx_device *device = *state;
	int type = sbx_device_memory_type(device, ~0u, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0);
	assert_true(type >= 0);
	assert_int_equal(sbx_device_memory_type(device, 0, 0, 0), -1);
	assert_int_equal(sbx_device_memory_type(device, ~0u, 1u << 30, 0), -1);
	assert_true(sbx_device_memory_type(device, ~0u, 0, 1u << 30) >= 0);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		VULKAN_TEST(test_by_name),
		VULKAN_TEST(test_by_environment),
		VULKAN_TEST(test_report),
		VULKAN_TEST(test_need_dmabuf),
		VULKAN_TEST(test_no_driver),
		VULKAN_TEST(test_displays_hidden),
		VULKAN_TEST(test_check),
		VULKAN_TEST(test_wait),
		VULKAN_TEST(test_memory_type),
	};
	const struct CMUnitTest lab[] = {
		VULKAN_TEST(test_need_dmabuf),
		VULKAN_TEST(test_displays_hidden),
	};
	return VULKAN_MAIN_LAB(argc, argv, "render/device", host, lab);
}
