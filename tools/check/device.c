#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "check/device.h"

static int open_node(const char *path) {
	return path[0] == '\0' ? -1 : open(path, O_RDWR | O_CLOEXEC);
}

struct device *device_get(struct check *check) {
	if (check->device) {
		return check->device;
	}
	const struct check_env *env = check->env;
	struct device *device = calloc(1, sizeof(*device));
	device->sync_fd = open_node(env->syncobj_node);
	device->buffer_fd = open_node(env->buffer_node);
	device->vgem_fd = open_node(env->vgem_node);
	if (device->sync_fd < 0) {
		check_trouble(check, "cannot open %s: %s", env->syncobj_node, strerror(errno));
	}
	check->device = device;
	return device;
}

int device_open_syncobj(const char *path) {
	int fd = open_node(path);
	uint64_t has = 0;
	if (fd >= 0 && (drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &has) != 0 || !has)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool is_driver(const char *path, const char *name) {
	int fd = open_node(path);
	drmVersion *version = fd < 0 ? NULL : drmGetVersion(fd);
	bool is = version && strcmp(version->name, name) == 0;
	drmFreeVersion(version);
	if (fd >= 0) {
		close(fd);
	}
	return is;
}

bool device_find_vgem(char *path, size_t size) {
	for (int i = 0; i < 16; i++) {
		snprintf(path, size, "/dev/dri/card%d", i);
		if (access(path, R_OK | W_OK) == 0 && is_driver(path, "vgem")) {
			return true;
		}
	}
	path[0] = '\0';
	return false;
}

static void copy_node(const drmDevice *device, int type, char *path, size_t size) {
	bool there = device->available_nodes & (1 << type);
	snprintf(path, size, "%s", there ? device->nodes[type] : "");
}

static drmDevice *first_with_render_node(void) {
	drmDevice *devices[16], *found = NULL;
	int count = drmGetDevices2(0, devices, 16);
	for (int i = 0; i < count; i++) {
		if (!found && (devices[i]->available_nodes & (1 << DRM_NODE_RENDER))) {
			found = devices[i];
		} else {
			drmFreeDevice(&devices[i]);
		}
	}
	return found;
}

bool device_find_nodes(dev_t id, char *primary, char *render, size_t size) {
	drmDevice *device = NULL;
	if (id == 0) {
		device = first_with_render_node();
	} else if (drmGetDeviceFromDevId(id, 0, &device) != 0) {
		device = NULL;
	}
	if (!device) {
		return false;
	}
	copy_node(device, DRM_NODE_PRIMARY, primary, size);
	copy_node(device, DRM_NODE_RENDER, render, size);
	drmFreeDevice(&device);
	return true;
}
