#include <errno.h>
#include <fcntl.h>
#include <signalbox/renderer.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/backend.h>
#include <xf86drm.h>
#include "render/wlr/node.h"
#include "sync/fd.h"
#include "trace/log.h"

static int open_path(const char *path) {
	int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

static const char *wanted_path(const struct sbx_renderer_options *options) {
	const char *path = options->drm_node;
	if (path == NULL) {
		path = getenv("SIGNALBOX_DRM_NODE");
	}
	return path != NULL ? path : getenv("WLR_RENDER_DRM_DEVICE");
}

static int open_named(const char *path, int *fd) {
	int ret = open_path(path);
	if (ret < 0) {
		sbx_log_error("render: DRM node %s: %s", path, strerror(-ret));
		return ret;
	}
	if (drmGetNodeTypeFromFd(ret) < 0) {
		sbx_log_error("render: %s is not a DRM node", path);
		sbx_fd_close(&ret);
		return -ENODEV;
	}
	*fd = ret;
	return 0;
}

/* A render node is open to everyone and needs no master: clients are told of it too. */
static int open_beside(int drm_fd, int *fd) {
	char *path = drmGetRenderDeviceNameFromFd(drm_fd);
	int ret = path != NULL ? open_path(path) : -ENOENT;
	free(path);
	if (ret >= 0) {
		*fd = ret;
		return 0;
	}
	ret = sbx_fd_dup(drm_fd, fd);
	if (ret != 0) {
		sbx_log_error("render: the backend's DRM node: %s", strerror(-ret));
	}
	return ret;
}

int sbx_node_open_wanted(struct wlr_backend *backend, const struct sbx_renderer_options *options,
		int *fd) {
	*fd = -1;
	const char *path = wanted_path(options);
	if (path != NULL) {
		return open_named(path, fd);
	}
	int drm_fd = backend != NULL ? wlr_backend_get_drm_fd(backend) : -1;
	return drm_fd >= 0 ? open_beside(drm_fd, fd) : 0;
}

static int open_device(const drmDevice *device) {
	static const int types[] = { DRM_NODE_RENDER, DRM_NODE_PRIMARY };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if ((device->available_nodes & (1 << types[i])) != 0) {
			int fd = open_path(device->nodes[types[i]]);
			if (fd >= 0) {
				return fd;
			}
			sbx_log_error("render: DRM node %s: %s", device->nodes[types[i]], strerror(-fd));
		}
	}
	return -1;
}

static int open_dev(uint64_t dev) {
	drmDevice *device = NULL;
	if (dev == 0 || drmGetDeviceFromDevId((dev_t)dev, 0, &device) != 0) {
		return -1;
	}
	int fd = open_device(device);
	drmFreeDevice(&device);
	return fd;
}

static bool has_timelines(int fd) {
	uint64_t value = 0;
	return drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &value) == 0 && value != 0;
}

static int open_first(void) {
	drmDevice *devices[16];
	int n = drmGetDevices2(0, devices, sizeof(devices) / sizeof(devices[0]));
	int best = -1;
	for (int i = 0; i < n && (best < 0 || !has_timelines(best)); i++) {
		int fd = open_device(devices[i]);
		if (fd >= 0 && (best < 0 || has_timelines(fd))) {
			sbx_fd_close(&best);
			best = sbx_fd_steal(&fd);
		}
		sbx_fd_close(&fd);
	}
	if (n > 0) {
		drmFreeDevices(devices, n);
	}
	return best;
}

int sbx_node_open_any(uint64_t render_node, uint64_t primary_node) {
	int fd = open_dev(render_node);
	if (fd < 0) {
		fd = open_dev(primary_node);
	}
	return fd >= 0 ? fd : open_first();
}
