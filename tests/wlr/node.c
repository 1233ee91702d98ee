/* The choice of the DRM node. */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>
#include "render/wlr/node.h"

static char *name_of(int fd) {
	char *name = drmGetDeviceNameFromFd2(fd);
	assert_non_null(name);
	return name;
}

static void check_wanted(const struct sbx_renderer_options *options, const char *path) {
	int fd = -1;
	assert_int_equal(sbx_node_open_wanted(NULL, options, &fd), 0);
	char *name = name_of(fd);
	assert_string_equal(name, path);
	free(name);
	close(fd);
}

static void option_goes_before_environment(void **state) {
	static const struct sbx_renderer_options none = {0};
	const struct sbx_renderer_options option = { .drm_node = "/dev/dri/card0" };
	int fd = -1;
	assert_int_equal(sbx_node_open_wanted(NULL, &none, &fd), 0);
	assert_int_equal(fd, -1);
	setenv("WLR_RENDER_DRM_DEVICE", "/dev/dri/renderD129", 1);
	check_wanted(&none, "/dev/dri/renderD129");
	setenv("SIGNALBOX_DRM_NODE", "/dev/dri/renderD128", 1);
	check_wanted(&none, "/dev/dri/renderD128");
	check_wanted(&option, "/dev/dri/card0");
	unsetenv("SIGNALBOX_DRM_NODE");
	unsetenv("WLR_RENDER_DRM_DEVICE");
}

static void what_cannot_be_opened_is_an_error(void **state) {
	const struct sbx_renderer_options missing = { .drm_node = "/dev/dri/renderD999" };
	const struct sbx_renderer_options other = { .drm_node = "/dev/zero" };
	int fd = 0;
	assert_int_equal(sbx_node_open_wanted(NULL, &missing, &fd), -ENOENT);
	assert_int_equal(fd, -1);
	assert_int_equal(sbx_node_open_wanted(NULL, &other, &fd), -ENODEV);
	assert_int_equal(fd, -1);
}

/* Root opens everything, so this steps down for a moment. */
static void no_permission_is_an_error(void **state) {
	const struct sbx_renderer_options options = { .drm_node = "/dev/dri/card0" };
	struct stat before;
	assert_int_equal(stat(options.drm_node, &before), 0);
	assert_int_equal(chmod(options.drm_node, 0600), 0);
	assert_int_equal(seteuid(65534), 0);
	int fd = 0;
	int ret = sbx_node_open_wanted(NULL, &options, &fd);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(options.drm_node, before.st_mode & 07777), 0);
	assert_int_equal(ret, -EACCES);
	assert_int_equal(fd, -1);
}

static void any_node_has_timelines(void **state) {
	int fd = sbx_node_open_any(0, 0);
	uint64_t value = 0;
	assert_true(fd >= 0);
	assert_int_equal(drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &value), 0);
	assert_int_equal(value, 1);
	close(fd);
}

static void devices_node_goes_first(void **state) {
	struct stat stat_card1;
	assert_int_equal(stat("/dev/dri/card1", &stat_card1), 0);
	int fd = sbx_node_open_any(0, stat_card1.st_rdev);
	char *name = name_of(fd);
	assert_string_equal(name, "/dev/dri/renderD129");
	free(name);
	close(fd);
}

int main(void) {
	/* The numbers of the lab VM's devices. */
	if (access("/dev/dri/card1", R_OK) != 0 || access("/dev/dri/renderD129", R_OK) != 0) {
		return getenv("SIGNALBOX_LAB") != NULL ? 1 : 77;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(option_goes_before_environment),
		cmocka_unit_test(what_cannot_be_opened_is_an_error),
		cmocka_unit_test(no_permission_is_an_error),
		cmocka_unit_test(any_node_has_timelines),
		cmocka_unit_test(devices_node_goes_first),
	};
	return cmocka_run_group_tests_name("wlr node", tests, NULL, NULL);
}
