/*
 * Our renderer on a Vulkan device. The work is watched when the CPU is about to wait for it: what is done
 * by then, although it should wait for a fence that is pending, did not wait.
 */
#include <drm_fourcc.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signalbox/renderer.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/render/pass.h>
#include <wlr/types/wlr_compositor.h>
#include "fault.h"
#include "gpu.h"
#include "harness/buffers.h"
#include "harness/compositor.h"
#include "harness/kernel_fake.h"
#include "harness/vgem.h"
#include "harness/vulkan_fault.h"
#include "render/device.h"
#include "render/wlr/renderer.h"

/* How long work that does not wait gets to show it. */
#define WATCH_NS UINT64_C(10000000)
#define FINISH_NS UINT64_C(20000000000)

struct target {
	struct wlr_buffer base;
	struct test_buffer memory;
};

struct real {
	struct gpu base;
	struct sbx_renderer *sbx;
	struct target targets[GPU_OUTPUTS];
	/** Of a file of its own, which outlives renderers. */
	int drm_fd;
	struct wlr_drm_syncobj_timeline *timeline;
	uint64_t point;
	bool lost;
	struct wl_listener lost_listener;
};

bool gpu_real_exports;

static struct real *current;
static PFN_vkImportSemaphoreFdKHR import_semaphore;

static bool target_get_dmabuf(struct wlr_buffer *base, struct wlr_dmabuf_attributes *attributes) {
	struct target *target = wl_container_of(base, target, base);
	*attributes = (struct wlr_dmabuf_attributes){
		.width = base->width,
		.height = base->height,
		.format = DRM_FORMAT_XRGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.n_planes = 1,
		.stride = { (uint32_t)base->width * 4 },
		.fd = { target->memory.fd, -1, -1, -1 },
	};
	return true;
}

static void target_destroy(struct wlr_buffer *base) {
	struct target *target = wl_container_of(base, target, base);
	wlr_buffer_finish(base);
	test_buffer_finish(&target->memory);
}

static const struct wlr_buffer_impl target_impl = {
	.destroy = target_destroy,
	.get_dmabuf = target_get_dmabuf,
};

static bool target_init(struct target *target) {
	int width = GPU_SLOTS * GPU_TILE;
	if (test_buffer_udmabuf((size_t)width * GPU_TILE * 4, &target->memory) < 0) {
		return false;
	}
	wlr_buffer_init(&target->base, &target_impl, width, GPU_TILE);
	return true;
}

static void let_wait(struct real *real) {
	struct sbx_device *device = real->sbx->device;
	struct gpu *gpu = &real->base;
	kernel_fake.paused = true;
	sbx_device_wait(device, device->submitted, WATCH_NS);
	kernel_fake.paused = false;
	if (gpu->waiting != NULL) {
		gpu->waiting(gpu->data);
	}
}

/* Asked before each call into the driver. */
static bool choose(const char *name, VkResult *result) {
	static bool inside;
	if (inside || kernel_fake.paused) {
		return false;
	}
	inside = true;
	struct sbx_device *device = current->sbx != NULL ? current->sbx->device : NULL;
	if (device != NULL && !device->lost && (strcmp(name, "vkGetSemaphoreFdKHR") == 0 ||
			strcmp(name, "vkWaitSemaphores") == 0)) {
		let_wait(current);
	}
	inside = false;
	int error;
	bool fails = fault_vulkan(name, &error);
	*result = fails ? (VkResult)error : VK_SUCCESS;
	return fails;
}

static VKAPI_ATTR VkResult VKAPI_CALL import_nothing(VkDevice handle, const VkImportSemaphoreFdInfoKHR *info) {
	if (fault_planted() != PLANT_IGNORED_GPU_WAIT || info->fd < 0) {
		return import_semaphore(handle, info);
	}
	VkImportSemaphoreFdInfoKHR without = *info;
	without.fd = -1;
	VkResult result = import_semaphore(handle, &without);
	if (result == VK_SUCCESS) {
		close(info->fd);
	}
	return result;
}

static void handle_lost(struct wl_listener *listener, void *data) {
	struct real *real = wl_container_of(listener, real, lost_listener);
	if (real->lost) {
		real->base.fault = "events.lost was emitted twice";
	}
	real->lost = true;
}

static bool open_renderer(struct real *real) {
	kernel_fake.paused = true;
	struct wlr_renderer *renderer = sbx_renderer_create(NULL, &(struct sbx_renderer_options){
		.validation = getenv("SIGNALBOX_VALIDATION") != NULL,
	});
	kernel_fake.paused = false;
	if (renderer == NULL) {
		return false;
	}
	real->base.renderer = renderer;
	real->sbx = sbx_renderer_from_wlr(renderer);
	real->lost = false;
	if (gpu_real_exports) {
		real->sbx->device->caps.export_blocks = false;
	}
	real->lost_listener.notify = handle_lost;
	wl_signal_add(&renderer->events.lost, &real->lost_listener);
	vulkan_fault_install(real->sbx->device);
	import_semaphore = real->sbx->device->vk.vkImportSemaphoreFdKHR;
	real->sbx->device->vk.vkImportSemaphoreFdKHR = import_nothing;
	vulkan_fault_choose(choose);
	return true;
}

static void close_renderer(struct real *real) {
	wl_list_remove(&real->lost_listener.link);
	if (real->sbx->device->validation_messages > 0) {
		real->base.fault = "Vulkan validation has complained";
	}
	vulkan_fault_remove();
	wlr_renderer_destroy(real->base.renderer);
	real->sbx = NULL;
}

/* As a compositor does: a new renderer, then the old one goes. */
static void replace_renderer(struct real *real) {
	struct sbx_renderer *old = real->sbx;
	wl_list_remove(&real->lost_listener.link);
	vulkan_fault_remove();
	if (!open_renderer(real)) {
		abort();
	}
	real->sbx->event_loop = old->event_loop;
	if (real->base.compositor != NULL) {
		wlr_compositor_set_renderer(real->base.compositor->wlr_compositor, real->base.renderer);
	}
	wlr_renderer_destroy(&old->base);
}

static void record(struct wlr_render_pass *pass, struct wlr_surface *const surfaces[GPU_SLOTS]) {
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.box = { .width = GPU_SLOTS * GPU_TILE, .height = GPU_TILE },
		.color = { 0x10 / 255.0f, 0x20 / 255.0f, 0x30 / 255.0f, 1 },
	});
	for (int i = 0; i < GPU_SLOTS; i++) {
		struct wlr_texture *texture = surfaces[i] != NULL ? wlr_surface_get_texture(surfaces[i]) : NULL;
		if (texture != NULL) {
			wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
				.texture = texture,
				.dst_box = { .x = i * GPU_TILE, .width = GPU_TILE, .height = GPU_TILE },
			});
		}
	}
}

static bool draw(struct gpu *gpu, int output, struct wlr_surface *const surfaces[GPU_SLOTS]) {
	struct real *real = wl_container_of(gpu, real, base);
	// One output with a timeline of its own, the other with implicit sync.
	struct wlr_buffer_pass_options options = {
		.signal_timeline = output == 0 ? real->timeline : NULL,
		.signal_point = ++real->point,
	};
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(gpu->renderer,
		&real->targets[output].base, &options);
	bool ok = pass != NULL;
	if (ok) {
		record(pass, surfaces);
		ok = wlr_render_pass_submit(pass);
	}
	if (!ok && real->sbx->device->lost) {
		// It says so from the event loop, or with the next pass.
		if (wlr_renderer_begin_buffer_pass(gpu->renderer, &real->targets[output].base, &options) != NULL) {
			gpu->fault = "a pass begins on a lost device";
		}
		if (!real->lost) {
			gpu->fault = "a lost device was not announced";
		}
		replace_renderer(real);
	}
	return ok;
}

static void finish(struct gpu *gpu) {
	struct real *real = wl_container_of(gpu, real, base);
	struct sbx_device *device = real->sbx->device;
	if (gpu->waiting != NULL) {
		gpu->waiting(gpu->data);
	}
	kernel_fake.paused = true;
	if (!device->lost && sbx_device_wait(device, device->submitted, FINISH_NS) != 0) {
		gpu->fault = "the GPU does not finish";
	}
	kernel_fake.paused = false;
}

static uint32_t pixel(struct gpu *gpu, int output, int slot) {
	struct real *real = wl_container_of(gpu, real, base);
	const struct target *target = &real->targets[output];
	const uint32_t *pixels = target->memory.data;
	uint32_t first = pixels[slot * GPU_TILE] & 0xffffff;
	for (int y = 0; y < GPU_TILE; y++) {
		for (int x = 0; x < GPU_TILE; x++) {
			if ((pixels[y * GPU_SLOTS * GPU_TILE + slot * GPU_TILE + x] & 0xffffff) != first) {
				return GPU_MIXED;
			}
		}
	}
	return first;
}

/* Drawing here is done before draw() returns, or as good as: see struct story's planes instead. */
static bool is_reading(struct gpu *gpu, ino_t inode) {
	return false;
}

/* What the story before has left there. */
static void clear_targets(struct real *real) {
	for (int i = 0; i < GPU_OUTPUTS; i++) {
		uint32_t *pixels = real->targets[i].memory.data;
		for (int j = 0; j < GPU_SLOTS * GPU_TILE * GPU_TILE; j++) {
			pixels[j] = GPU_BACKGROUND;
		}
	}
}

static void join(struct gpu *gpu, struct test_compositor *compositor) {
	struct real *real = wl_container_of(gpu, real, base);
	struct sbx_renderer *sbx = real->sbx;
	finish(gpu);
	if (sbx->owed_timer != NULL) {
		wl_event_source_remove(sbx->owed_timer);
		sbx->owed_timer = NULL;
	}
	if (sbx->lost_source != NULL) {
		wl_event_source_remove(sbx->lost_source);
		sbx->lost_source = NULL;
	}
	clear_targets(real);
	sbx->event_loop = compositor != NULL ? compositor->loop : NULL;
	gpu->compositor = compositor;
	if (compositor == NULL && sbx->device->lost) {
		replace_renderer(real);
	}
}

static void destroy(struct gpu *gpu) {
	struct real *real = wl_container_of(gpu, real, base);
	close_renderer(real);
	for (int i = 0; i < GPU_OUTPUTS; i++) {
		wlr_buffer_drop(&real->targets[i].base);
	}
	wlr_drm_syncobj_timeline_unref(real->timeline);
	close(real->drm_fd);
	current = NULL;
	free(real);
}

struct gpu *gpu_real_create(void) {
	struct real *real = calloc(1, sizeof(*real));
	real->base = (struct gpu){
		.draw = draw,
		.finish = finish,
		.pixel = pixel,
		.is_reading = is_reading,
		.join = join,
		.destroy = destroy,
	};
	current = real;
	if (!open_renderer(real)) {
		free(real);
		return NULL;
	}
	real->drm_fd = drm_node_open();
	real->timeline = wlr_drm_syncobj_timeline_create(real->drm_fd);
	for (int i = 0; i < GPU_OUTPUTS; i++) {
		if (real->timeline == NULL || !target_init(&real->targets[i])) {
			abort();
		}
	}
	return &real->base;
}
