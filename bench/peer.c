#include "peer.h"
#include <fcntl.h>
#include <signalbox/renderer.h>
#include <signalbox/trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wlr/render/gles2.h>
#include <wlr/render/pixman.h>
#include <wlr/render/vulkan.h>
#include <wlr/render/wlr_renderer.h>
#include <xf86drm.h>

static int open_render_node(const char *path) {
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint64_t timelines = 0;
	if (fd >= 0 && (drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &timelines) != 0 || timelines == 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

void bench_nodes_find(struct bench_nodes *nodes, const char *render) {
	*nodes = (struct bench_nodes){ .render_fd = -1 };
	if (render != NULL) {
		snprintf(nodes->render, sizeof(nodes->render), "%s", render);
		nodes->render_fd = open_render_node(render);
	}
	for (int minor = 128; render == NULL && nodes->render_fd < 0 && minor < 192; minor++) {
		snprintf(nodes->render, sizeof(nodes->render), "/dev/dri/renderD%d", minor);
		nodes->render_fd = open_render_node(nodes->render);
	}
	if (nodes->render_fd < 0) {
		nodes->render[0] = '\0';
		return;
	}
	char *card = drmGetPrimaryDeviceNameFromFd(nodes->render_fd);
	if (card != NULL) {
		snprintf(nodes->card, sizeof(nodes->card), "%s", card);
		free(card);
	}
}

static struct wlr_renderer *create_signalbox(const struct bench_nodes *nodes, const char **note) {
	return sbx_renderer_create(NULL, &(struct sbx_renderer_options){
		.drm_node = nodes->render[0] != '\0' ? nodes->render : NULL,
	});
}

static struct wlr_renderer *create_signalbox_traced(const struct bench_nodes *nodes,
		const char **note) {
	*note = "the same, recording (signalbox/trace.h)";
	sbx_trace_start(0);
	return create_signalbox(nodes, note);
}

static struct wlr_renderer *create_wlroots_vulkan(const struct bench_nodes *nodes,
		const char **note) {
	struct wlr_renderer *renderer = wlr_vk_renderer_create_with_drm_fd(nodes->render_fd);
	if (renderer != NULL) {
		return renderer;
	}
	// wlroots wants the Vulkan device to be the DRM device. Asked with no DRM device it takes a
	// software one, and then leaves explicit sync off for want of a DRM fd to ask. Its code for
	// wait_timeline and signal_timeline needs neither the fd nor the flag: with the flag set by
	// hand it is the same path that runs on a GPU.
	renderer = wlr_vk_renderer_create_with_drm_fd(-1);
	if (renderer != NULL && nodes->render_fd >= 0) {
		renderer->features.timeline = true;
		*note = "software device; features.timeline set by hand";
	}
	return renderer;
}

static struct wlr_renderer *create_wlroots_vulkan_linear(const struct bench_nodes *nodes,
		const char **note) {
	struct wlr_renderer *renderer = create_wlroots_vulkan(nodes, note);
	*note = "the same, told that all is linear: one pass, colours as they are";
	return renderer;
}

static struct wlr_renderer *create_wlroots_gles2(const struct bench_nodes *nodes,
		const char **note) {
	setenv("WLR_RENDERER_ALLOW_SOFTWARE", "1", 0);
	int card_fd = open(nodes->card, O_RDWR | O_CLOEXEC);
	struct wlr_renderer *renderer = NULL;
	if (card_fd >= 0) {
		renderer = wlr_gles2_renderer_create_with_drm_fd(card_fd);
		close(card_fd);
	}
	return renderer;
}

static struct wlr_renderer *create_wlroots_pixman(const struct bench_nodes *nodes,
		const char **note) {
	*note = "no explicit sync, draws on the main thread";
	return wlr_pixman_renderer_create();
}

const struct bench_peer bench_peers[] = {
	{ .name = "signalbox", .create = create_signalbox },
	{ .name = "signalbox-traced", .create = create_signalbox_traced, .small_only = true },
	{ .name = "wlroots-vulkan", .create = create_wlroots_vulkan },
	{
		.name = "wlroots-vulkan-1p",
		.create = create_wlroots_vulkan_linear,
		.linear = true,
		.pixels_only = true,
	},
	{ .name = "wlroots-gles2", .create = create_wlroots_gles2 },
	{ .name = "wlroots-pixman", .create = create_wlroots_pixman },
	{ .name = NULL },
};
