/*
 * Whether this machine can run the demo and the tests by itself: a DRM render node with syncobj
 * timelines whose hardware Vulkan device imports dma-bufs and sync_files. `./dev` asks, and uses
 * the lab VM where the answer is no. Prints why.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include "render/device.h"

static bool has_timelines(int fd) {
	uint64_t value = 0;
	return drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &value) == 0 && value != 0;
}

static bool has_vulkan(int fd, const char *path) {
	struct sbx_device *device = NULL;
	struct sbx_device_options options = { .drm_fd = fd, .need_dmabuf = true };
	int ret = sbx_device_create(&options, &device);
	if (ret < 0) {
		printf("%s: no Vulkan device: %s\n", path, strerror(-ret));
		return false;
	}
	bool good = !device->caps.software && device->caps.sync_fd.import;
	printf("%s: %s: %s\n", path, device->name, good ? "can do the work" : "cannot do the work");
	sbx_device_destroy(device);
	return good;
}

static bool can_do_the_work(const char *path) {
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("%s: %s\n", path, strerror(errno));
		return false;
	}
	bool timelines = has_timelines(fd);
	if (!timelines) {
		printf("%s: no syncobj timelines\n", path);
	}
	bool good = timelines && has_vulkan(fd, path);
	close(fd);
	return good;
}

int main(void) {
	glob_t nodes = {0};
	bool good = false;
	if (glob("/dev/dri/renderD*", 0, NULL, &nodes) != 0) {
		printf("no DRM render node\n");
		return 1;
	}
	for (size_t i = 0; i < nodes.gl_pathc && !good; i++) {
		good = can_do_the_work(nodes.gl_pathv[i]);
	}
	globfree(&nodes);
	return good ? 0 : 1;
}
