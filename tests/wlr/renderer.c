/* Creating, losing and destroying a renderer. */
#include "rig.h"

#include <dirent.h>
#include <signal.h>
#include <signalbox/renderer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wlr/render/pixman.h>
#include "render/device.h"

static void create_says_what_it_can(void **state) {
	struct rig *rig = *state;
	struct wlr_renderer *renderer = rig->renderer;
	assert_true(sbx_renderer_is_sbx(renderer));
	assert_true(renderer->features.timeline);
	assert_true(wlr_renderer_get_drm_fd(renderer) >= 0);
	assert_int_equal(renderer->render_buffer_caps, WLR_BUFFER_CAP_DMABUF);
	static const uint32_t formats[] = { DRM_FORMAT_ARGB8888, DRM_FORMAT_XRGB8888 };
	for (size_t i = 0; i < 2; i++) {
		assert_true(wlr_drm_format_set_has(wlr_renderer_get_texture_formats(renderer,
			WLR_BUFFER_CAP_DATA_PTR), formats[i], DRM_FORMAT_MOD_LINEAR));
		assert_true(wlr_drm_format_set_has(wlr_renderer_get_texture_formats(renderer,
			WLR_BUFFER_CAP_DMABUF), formats[i], DRM_FORMAT_MOD_LINEAR));
	}
	assert_null(wlr_renderer_get_texture_formats(renderer, 0));
	assert_int_equal(rig_log_count("explicit sync: yes"), 1);
}

static void others_are_not_ours(void **state) {
	struct wlr_renderer *pixman = wlr_pixman_renderer_create();
	assert_false(sbx_renderer_is_sbx(pixman));
	assert_false(sbx_renderer_is_sbx(NULL));
	wlr_renderer_destroy(pixman);
}

static void refuse(struct sbx_renderer_options options, const char *line) {
	unsigned fds = rig_open_fds();
	assert_null(sbx_renderer_create(NULL, &options));
	assert_int_equal(rig_log_count(line), 1);
	assert_int_equal(rig_settled_fds(fds), fds);
}

static void refusals_name_what_is_missing(void **state) {
	refuse((struct sbx_renderer_options){ .drm_node = "/dev/dri/renderD999" },
		"/dev/dri/renderD999: No such file or directory");
	refuse((struct sbx_renderer_options){ .drm_node = "/dev/null" },
		"/dev/null is not a DRM node");
	refuse((struct sbx_renderer_options){ .device = "no such device" }, "no such device");
}

static void explicit_sync_can_be_off(void **state) {
	struct sbx_renderer_options options = { .no_explicit_sync = true };
	struct wlr_renderer *renderer = sbx_renderer_create(NULL, &options);
	assert_non_null(renderer);
	assert_false(renderer->features.timeline);
	assert_int_equal(rig_log_count("explicit sync: no: switched off"), 1);
	wlr_renderer_destroy(renderer);
}

/* The mask of blocked signals of a thread of this process. */
static uint64_t blocked_signals(const char *thread) {
	char path[64], line[128];
	snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", thread);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	uint64_t mask = 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "SigBlk: %" SCNx64, &mask);
	}
	fclose(file);
	return mask;
}

/* Signals are the compositor's, whatever threads a driver starts. */
static void threads_take_no_signals(void **state) {
	sigset_t mask;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGTERM));
	unsigned others = 0;
	DIR *folder = opendir("/proc/self/task");
	for (struct dirent *entry; (entry = readdir(folder)) != NULL; ) {
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != getpid()) {
			assert_true(blocked_signals(entry->d_name) & UINT64_C(1) << (SIGTERM - 1));
			others++;
		}
	}
	closedir(folder);
	assert_true(others > 0);
}

struct lost_watch {
	struct wl_listener listener;
	unsigned count;
};

static void handle_lost(struct wl_listener *listener, void *data) {
	struct lost_watch *watch = wl_container_of(listener, watch, listener);
	watch->count++;
}

static void watch_lost(struct lost_watch *watch, struct rig *rig) {
	watch->listener.notify = handle_lost;
	wl_signal_add(&rig->renderer->events.lost, &watch->listener);
}

static void lost_is_told_once_outside_a_pass(void **state) {
	struct rig *rig = *state;
	struct lost_watch watch = {0};
	rig_log_expect("device was lost");
	watch_lost(&watch, rig);
	struct rig_buffer *target = rig_buffer_create(16, 16, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL);
	assert_non_null(pass);
	rig->sbx->device->lost = true;
	assert_false(wlr_render_pass_submit(pass));
	assert_int_equal(watch.count, 0);
	for (int i = 0; i < 3; i++) {
		assert_null(wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL));
		assert_int_equal(watch.count, 1);
	}
	wl_list_remove(&watch.listener.link);
	rig_buffer_drop(target);
}

static void lost_is_told_from_the_event_loop(void **state) {
	struct rig *rig = *state;
	struct wl_event_loop *loop = wl_event_loop_create();
	wlr_renderer_destroy(rig->renderer);
	struct sbx_renderer_options options = { .event_loop = loop };
	rig->renderer = sbx_renderer_create(NULL, &options);
	rig->sbx = sbx_renderer_from_wlr(rig->renderer);
	struct lost_watch watch = {0};
	rig_log_expect("device was lost");
	watch_lost(&watch, rig);
	struct rig_buffer *target = rig_buffer_create(16, 16, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL);
	rig->sbx->device->lost = true;
	assert_false(wlr_render_pass_submit(pass));
	assert_int_equal(watch.count, 0);
	wl_event_loop_dispatch_idle(loop);
	assert_int_equal(watch.count, 1);
	wl_event_loop_dispatch_idle(loop);
	assert_null(wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL));
	assert_int_equal(watch.count, 1);
	wl_list_remove(&watch.listener.link);
	wlr_renderer_destroy(rig->renderer);
	rig->renderer = NULL;
	rig_buffer_drop(target);
	wl_event_loop_destroy(loop);
}

static bool reached(struct wlr_drm_syncobj_timeline *timeline, uint64_t point) {
	bool result = false;
	assert_true(wlr_drm_syncobj_timeline_check(timeline, point, 0, &result));
	return result;
}

static void lost_device_still_delivers_its_points(void **state) {
	struct rig *rig = *state;
	rig_log_expect("device was lost");
	struct rig_buffer *target = rig_buffer_create(16, 16, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	struct wlr_buffer_pass_options options = { .signal_timeline = rig->timeline, .signal_point = 7 };
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, &options);
	rig->sbx->device->lost = true;
	assert_false(wlr_render_pass_submit(pass));
	wlr_renderer_destroy(rig->renderer);
	rig->renderer = NULL;
	assert_true(reached(rig->timeline, 7));
	rig_buffer_drop(target);
}

static void destroy_gives_buffers_back(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = rig_buffer_create(16, 16, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	assert_non_null(texture);
	assert_ptr_equal(wlr_texture_from_buffer(rig->renderer, &buffer->base), texture);
	assert_int_equal(buffer->base.n_locks, 2);
	wlr_renderer_destroy(rig->renderer);
	rig->renderer = NULL;
	assert_int_equal(buffer->base.n_locks, 0);
	assert_int_equal(buffer->releases, 1);
	rig_buffer_drop(buffer);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(create_says_what_it_can),
		RIG_TEST(others_are_not_ours),
		RIG_TEST(refusals_name_what_is_missing),
		RIG_TEST(explicit_sync_can_be_off),
		RIG_TEST(threads_take_no_signals),
		RIG_TEST(lost_is_told_once_outside_a_pass),
		RIG_TEST(lost_is_told_from_the_event_loop),
		RIG_TEST(lost_device_still_delivers_its_points),
		RIG_TEST(destroy_gives_buffers_back),
	};
	return RIG_MAIN(tests);
}
