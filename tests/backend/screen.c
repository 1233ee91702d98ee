#include <drm_fourcc.h>
#include <errno.h>
#include <signalbox/api.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/pass.h>
#include <xf86drm.h>
#include "backend/quirks.h"
#include "backend/screen.h"
#include "harness/kernel_fake.h"
#include "sync/fd.h"
#include "sync/kernel.h"

/*
 * wlroots makes and exports syncobjs with libdrm, whose ioctls do not go through sync/'s table: these
 * answer in libdrm's place, and pass them on to it.
 */
SBX_API int drmSyncobjCreate(int fd, uint32_t flags, uint32_t *handle);
SBX_API int drmSyncobjDestroy(int fd, uint32_t handle);
SBX_API int drmSyncobjTimelineSignal(int fd, const uint32_t *handles, uint64_t *points, uint32_t count);

static int answer(int fd, unsigned long request, void *arg) {
	bool paused = kernel_fake.paused;
	kernel_fake.paused = true;
	int ret = sbx_kernel_ioctl(SBX_COUNT_IOCTL_OTHER, fd, request, arg);
	kernel_fake.paused = paused;
	return ret;
}

int drmSyncobjCreate(int fd, uint32_t flags, uint32_t *handle) {
	struct drm_syncobj_create create = { .flags = flags };
	int ret = answer(fd, DRM_IOCTL_SYNCOBJ_CREATE, &create);
	*handle = create.handle;
	return ret;
}

int drmSyncobjDestroy(int fd, uint32_t handle) {
	struct drm_syncobj_destroy destroy = { .handle = handle };
	return answer(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &destroy);
}

int drmSyncobjTimelineSignal(int fd, const uint32_t *handles, uint64_t *points, uint32_t count) {
	struct drm_syncobj_timeline_array array = {
		.handles = (uintptr_t)handles, .points = (uintptr_t)points, .count_handles = count,
	};
	return answer(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &array);
}

/* Backend and output */

static int get_drm_fd(struct wlr_backend *backend) {
	struct screen *screen = wl_container_of(backend, screen, backend);
	return sbx_sync_get_drm_fd(screen->rig->sync->sync);
}

static bool backend_start(struct wlr_backend *backend) {
	return true;
}

static void backend_destroy(struct wlr_backend *backend) {
	wlr_backend_finish(backend);
}

static const struct wlr_backend_impl backend_impl = {
	.start = backend_start,
	.destroy = backend_destroy,
	.get_drm_fd = get_drm_fd,
};

static bool has_fence(const struct wlr_output_state *state) {
	return (state->committed & WLR_OUTPUT_STATE_WAIT_TIMELINE) != 0;
}

static bool output_test(struct wlr_output *wlr, const struct wlr_output_state *state) {
	struct screen *screen = wl_container_of(wlr, screen, wlr);
	bool foreign = (state->committed & WLR_OUTPUT_STATE_BUFFER) != 0 && screen->output != NULL &&
		sbx_output_is_foreign(screen->output, state->buffer);
	screen->tearing_tests += state->tearing_page_flip;
	return !(foreign && screen->refuse_foreign) && !(state->tearing_page_flip && screen->refuse_tearing);
}

static bool output_commit(struct wlr_output *wlr, const struct wlr_output_state *state) {
	struct screen *screen = wl_container_of(wlr, screen, wlr);
	int error = has_fence(state) && screen->fence_error != 0 ? screen->fence_error :
		state->tearing_page_flip && screen->tearing_error != 0 ? screen->tearing_error : screen->error;
	if (error != 0) {
		screen->refused++;
		errno = error;
		return false;
	}
	screen->commits++;
	screen->committed = state->committed;
	screen->buffer = state->buffer;
	screen->reconfigures = state->allow_reconfiguration;
	screen->tore = state->tearing_page_flip;
	screen->had_fence = has_fence(state);
	if (screen->had_fence) {
		screen->fence = (struct sbx_point){ state->wait_timeline->handle, state->wait_point };
	}
	return true;
}

static void output_destroy(struct wlr_output *wlr) {
	wlr_output_finish(wlr);
}

static bool set_cursor(struct wlr_output *wlr, struct wlr_buffer *buffer, int hotspot_x, int hotspot_y) {
	return true;
}

static bool move_cursor(struct wlr_output *wlr, int x, int y) {
	wlr_output_update_needs_frame(wlr);
	return true;
}

static const struct wlr_drm_format_set *get_primary_formats(struct wlr_output *wlr, uint32_t caps) {
	struct screen *screen = wl_container_of(wlr, screen, wlr);
	return screen->limit_formats ? &screen->no_formats : &screen->formats;
}

static const struct wlr_output_impl output_impl = {
	.get_primary_formats = get_primary_formats,
	.destroy = output_destroy,
	.test = output_test,
	.commit = output_commit,
	.set_cursor = set_cursor,
	.move_cursor = move_cursor,
};

/* Allocator */

struct own_buffer {
	struct wlr_buffer base;
	bool is_memory;
};

static void own_buffer_destroy(struct wlr_buffer *wlr) {
	struct own_buffer *buffer = wl_container_of(wlr, buffer, base);
	wlr_buffer_finish(wlr);
	free(buffer);
}

static bool own_buffer_get_dmabuf(struct wlr_buffer *wlr, struct wlr_dmabuf_attributes *dmabuf) {
	struct own_buffer *buffer = wl_container_of(wlr, buffer, base);
	// Without fences of its own: the kernel says of its fd that it is no dma-buf.
	*dmabuf = (struct wlr_dmabuf_attributes){
		.width = wlr->width, .height = wlr->height, .format = DRM_FORMAT_XRGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR, .n_planes = 1, .fd = { 0, -1, -1, -1 },
	};
	return !buffer->is_memory;
}

static const struct wlr_buffer_impl own_buffer_impl = {
	.destroy = own_buffer_destroy,
	.get_dmabuf = own_buffer_get_dmabuf,
};

static struct wlr_buffer *create_buffer(struct wlr_allocator *allocator, int width, int height,
		const struct wlr_drm_format *format) {
	struct screen *screen = wl_container_of(allocator, screen, allocator);
	struct own_buffer *buffer = calloc(1, sizeof(*buffer));
	buffer->is_memory = screen->shared_memory;
	wlr_buffer_init(&buffer->base, &own_buffer_impl, width, height);
	return &buffer->base;
}

static void allocator_destroy(struct wlr_allocator *allocator) {
}

static const struct wlr_allocator_interface allocator_impl = {
	.create_buffer = create_buffer,
	.destroy = allocator_destroy,
};

/* Renderer */

struct pass {
	struct wlr_render_pass base;
	struct screen *screen;
	struct wlr_drm_syncobj_timeline *timeline;
	uint64_t point;
};

static bool pass_submit(struct wlr_render_pass *wlr) {
	struct pass *pass = wl_container_of(wlr, pass, base);
	struct screen *screen = pass->screen;
	screen->submit_count++;
	if (pass->timeline != NULL) {
		struct sbx_point point = { pass->timeline->handle, pass->point };
		int fence = -1;
		screen->promised = point;
		if (screen->unmaterialised) {
			free(pass);
			return true;
		}
		bool paused = kernel_fake.paused;
		kernel_fake.paused = true;
		if (screen->slow) {
			screen->work = (struct rig_fence){ .fake = kernel_fake_fence_create(&fence) };
		}
		assert_int_equal(sbx_point_import_sync_file(screen->rig->sync->sync, point, fence), 0);
		sbx_fd_close(&fence);
		kernel_fake.paused = paused;
	}
	free(pass);
	return true;
}

static void pass_add_texture(struct wlr_render_pass *pass,
		const struct wlr_render_texture_options *options) {
}

static void pass_add_rect(struct wlr_render_pass *pass, const struct wlr_render_rect_options *options) {
}

static const struct wlr_render_pass_impl pass_impl = {
	.submit = pass_submit,
	.add_texture = pass_add_texture,
	.add_rect = pass_add_rect,
};

static struct wlr_render_pass *begin_pass(struct wlr_renderer *renderer, struct wlr_buffer *buffer,
		const struct wlr_buffer_pass_options *options) {
	struct screen *screen = wl_container_of(renderer, screen, renderer);
	struct pass *pass = calloc(1, sizeof(*pass));
	wlr_render_pass_init(&pass->base, &pass_impl);
	pass->screen = screen;
	if (options != NULL) {
		pass->timeline = options->signal_timeline;
		pass->point = options->signal_point;
	}
	return &pass->base;
}

static const struct wlr_drm_format_set *get_formats(struct wlr_renderer *renderer, uint32_t caps) {
	struct screen *screen = wl_container_of(renderer, screen, renderer);
	return &screen->formats;
}

static const struct wlr_drm_format_set *get_render_formats(struct wlr_renderer *renderer) {
	return get_formats(renderer, 0);
}

static struct wlr_texture *texture_from_buffer(struct wlr_renderer *renderer, struct wlr_buffer *buffer) {
	return NULL;
}

static int renderer_get_drm_fd(struct wlr_renderer *renderer) {
	struct screen *screen = wl_container_of(renderer, screen, renderer);
	return get_drm_fd(&screen->backend);
}

static void renderer_destroy(struct wlr_renderer *renderer) {
}

static const struct wlr_renderer_impl renderer_impl = {
	.get_texture_formats = get_formats,
	.get_render_formats = get_render_formats,
	.begin_buffer_pass = begin_pass,
	.texture_from_buffer = texture_from_buffer,
	.get_drm_fd = renderer_get_drm_fd,
	.destroy = renderer_destroy,
};

/* Screen */

static void handle_frame(struct wl_listener *listener, void *data) {
	struct screen *screen = wl_container_of(listener, screen, frame);
	assert_ptr_equal(data, screen->output);
	screen->frames++;
}

static void switch_on(struct screen *screen) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_enabled(&state, true);
	wlr_output_state_set_custom_mode(&state, 64, 32, 100000);
	assert_true(wlr_output_commit_state(&screen->wlr, &state));
	wlr_output_state_finish(&state);
}

void screen_init(struct screen *screen, struct rig *rig, const struct sbx_output_options *options) {
	*screen = (struct screen){ .rig = rig };
	sbx_quirks_forget();
	wlr_drm_format_set_add(&screen->formats, DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR);
	wlr_backend_init(&screen->backend, &backend_impl);
	screen->backend.buffer_caps = WLR_BUFFER_CAP_DMABUF;
	screen->backend.features.timeline = true;
	wlr_output_init(&screen->wlr, &screen->backend, &output_impl, rig->loop, NULL);
	wlr_output_set_name(&screen->wlr, "SCREEN-1");
	wlr_renderer_init(&screen->renderer, &renderer_impl, WLR_BUFFER_CAP_DMABUF);
	screen->renderer.features.timeline = true;
	wlr_allocator_init(&screen->allocator, &allocator_impl, WLR_BUFFER_CAP_DMABUF);
	assert_true(wlr_output_init_render(&screen->wlr, &screen->allocator, &screen->renderer));
	screen->output = sbx_output_create(&screen->wlr, options);
	assert_non_null(screen->output);
	screen->output->quirks->is_kms = true;
	screen->frame.notify = handle_frame;
	wl_signal_add(sbx_output_get_frame_signal(screen->output), &screen->frame);
	switch_on(screen);
	screen_flip(screen);
	screen->commits = screen->frames = 0;
	screen->submit_count = 0;
}

void screen_finish(struct screen *screen) {
	wl_list_remove(&screen->frame.link);
	wlr_output_destroy(&screen->wlr);
	wlr_backend_destroy(&screen->backend);
	wlr_allocator_destroy(&screen->allocator);
	wlr_renderer_destroy(&screen->renderer);
	wlr_drm_format_set_finish(&screen->formats);
}

void screen_flip(struct screen *screen) {
	struct wlr_output_event_present event = {
		.commit_seq = screen->wlr.commit_seq,
		.presented = true,
		.refresh = 10 * (int)MS,
		.flags = screen->tore ? 0 : WLR_OUTPUT_PRESENT_VSYNC,
		.when = { .tv_sec = clock_fake_now() / SECOND, .tv_nsec = clock_fake_now() % SECOND },
	};
	wlr_output_send_present(&screen->wlr, &event);
	wlr_output_send_frame(&screen->wlr);
}

bool screen_draw(struct screen *screen) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	struct wlr_render_pass *pass = sbx_output_begin(screen->output, &state, NULL);
	bool ok = pass != NULL && sbx_output_commit(screen->output, pass, &state);
	wlr_output_state_finish(&state);
	return ok;
}

bool screen_scan_out(struct screen *screen, struct wlr_buffer *buffer) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_buffer(&state, buffer);
	bool ok = sbx_output_commit(screen->output, NULL, &state);
	wlr_output_state_finish(&state);
	return ok;
}

struct sbx_output_info screen_info(struct screen *screen) {
	struct sbx_output_info info;
	sbx_output_get_info(screen->output, &info);
	return info;
}

void screen_pass_ms(struct screen *screen, int ms) {
	clock_fake_advance(screen->rig->loop, clock_fake_now() + ms * MS);
}
