/*
 * What a pass has to do with loans: it waits for their fences, leaves out what must not be read, and
 * becomes their reader, so that no release point is signalled before the GPU is done.
 */
#include "rig.h"

#include <errno.h>
#include <libdrm/drm.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wlr/types/wlr_buffer.h>
#include <xf86drm.h>
#include "harness/kernel_fake.h"
#include "harness/vgem.h"
#include "loan/desk.h"
#include "loan/loan.h"
#include "loan/timeline.h"
#include "render/device.h"
#include "trace/counter.h"

#define OLD 0xff0000ffu
#define NEW 0xff00ff00u
#define BEHIND 0xffff0000u

/* A client's buffer on loan, and a target to draw it to. */
struct scene {
	struct rig *rig;
	int vgem;
	struct wl_display *display;
	struct wl_client *client;
	int socket;
	struct sbx_desk desk;
	struct sbx_quota *quota;
	struct wlr_drm_syncobj_timeline *acquire, *release;
	struct sbx_client_timeline *client_acquire, *client_release;
	struct rig_buffer *target, *content;
	struct wlr_texture *texture;
	struct sbx_loan *loan;
};

static struct sbx_client_timeline *import(struct scene *scene, struct wlr_drm_syncobj_timeline *timeline,
		uint32_t id) {
	int fd = -1;
	struct sbx_client_timeline *imported = NULL;
	assert_int_equal(drmSyncobjHandleToFD(scene->rig->drm_fd, timeline->handle, &fd), 0);
	assert_int_equal(sbx_client_timeline_import(scene->desk.sync, scene->quota, &fd, id, &imported), 0);
	if (fd >= 0) {
		close(fd);
	}
	return imported;
}

static void open_client(struct scene *scene) {
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	scene->display = wl_display_create();
	scene->client = wl_client_create(scene->display, fds[0]);
	scene->socket = fds[1];
	const struct sbx_syncobj_limits limits = {0};
	assert_int_equal(sbx_desk_init(&scene->desk, scene->rig->drm_fd,
		wl_display_get_event_loop(scene->display), &limits), 0);
	scene->quota = sbx_quota_get(&scene->desk.quotas, scene->client);
	scene->acquire = wlr_drm_syncobj_timeline_create(scene->rig->drm_fd);
	scene->release = wlr_drm_syncobj_timeline_create(scene->rig->drm_fd);
	scene->client_acquire = import(scene, scene->acquire, 1);
	scene->client_release = import(scene, scene->release, 2);
}

static void notify(struct sbx_loan *loan, void *data) {
}

/* The commit is content from here on, whatever its acquire point says. */
static void lend(struct scene *scene, uint64_t value) {
	const struct sbx_loan_terms terms = {
		.buffer = &scene->content->base,
		.acquire = scene->client_acquire,
		.acquire_value = value,
		.release = scene->client_release,
		.release_value = value,
		.notify = notify,
	};
	assert_int_equal(sbx_loan_open(&scene->desk, &terms, &scene->loan), 0);
	sbx_loan_latch(scene->loan);
}

static void scene_init(struct scene *scene, struct rig *rig) {
	*scene = (struct scene){ .rig = rig, .vgem = vgem_open() };
	assert_true(scene->vgem >= 0);
	open_client(scene);
	scene->target = rig_buffer_create(32, 32, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	scene->content = rig_buffer_create(32, 32, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	rig_buffer_fill(scene->content, OLD);
	scene->texture = wlr_texture_from_buffer(rig->renderer, &scene->content->base);
	assert_non_null(scene->texture);
}

/* The commit is replaced, and nobody holds the buffer any more. */
static void take_back(struct scene *scene) {
	if (scene->texture != NULL) {
		wlr_texture_destroy(scene->texture);
	}
	scene->texture = NULL;
	if (scene->loan != NULL) {
		sbx_loan_drop(scene->loan);
	}
	scene->loan = NULL;
}

static void scene_finish(struct scene *scene) {
	take_back(scene);
	rig_buffer_drop(scene->content);
	rig_buffer_drop(scene->target);
	sbx_client_timeline_unref(scene->client_acquire);
	sbx_client_timeline_unref(scene->client_release);
	wlr_drm_syncobj_timeline_unref(scene->acquire);
	wlr_drm_syncobj_timeline_unref(scene->release);
	sbx_quota_unref(scene->quota);
	wl_client_destroy(scene->client);
	sbx_desk_finish(&scene->desk);
	wl_display_destroy(scene->display);
	close(scene->socket);
	close(scene->vgem);
}

static bool draw(struct scene *scene, bool with_content) {
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(scene->rig->renderer,
		&scene->target->base, &(struct wlr_buffer_pass_options){0});
	assert_non_null(pass);
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.box = { .width = 32, .height = 32 }, .color = { 1, 0, 0, 1 },
	});
	if (with_content) {
		wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
			.texture = scene->texture, .dst_box = { .width = 16, .height = 32 },
		});
	}
	return wlr_render_pass_submit(pass);
}

static uint32_t shown(struct scene *scene) {
	rig_finish(scene->rig);
	return rig_buffer_pixel(scene->target, 4, 4) | 0xff000000u;
}

static bool is_released(struct scene *scene, uint64_t value) {
	bool result = false;
	assert_true(wlr_drm_syncobj_timeline_check(scene->release, value,
		DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, &result));
	return result;
}

static bool comes_back(struct scene *scene, uint64_t value) {
	for (int i = 0; i < 500 && !is_released(scene, value); i++) {
		wl_event_loop_dispatch(wl_display_get_event_loop(scene->display), 10);
	}
	return is_released(scene, value);
}

static void pend(struct scene *scene, uint64_t value, struct vgem_fence *fence) {
	int sync_file = -1;
	assert_int_equal(vgem_fence_create(scene->vgem, fence, &sync_file), 0);
	assert_true(wlr_drm_syncobj_timeline_import_sync_file(scene->acquire, value, sync_file));
	close(sync_file);
}

/* Only who samples the buffer is its reader; it comes back once that is done. */
static void only_who_samples_is_a_reader(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	wlr_drm_syncobj_timeline_signal(scene.acquire, 1);
	lend(&scene, 1);
	assert_true(draw(&scene, false));
	assert_int_equal(scene.loan->reader_count, 0);
	assert_true(draw(&scene, true));
	assert_int_equal(shown(&scene), OLD);
	assert_false(is_released(&scene, 1));
	take_back(&scene);
	assert_true(comes_back(&scene, 1));
	scene_finish(&scene);
}

struct late_signal {
	struct scene *scene;
	struct vgem_fence fence;
	pthread_t thread;
	bool released_before;
};

static void *signal_late(void *data) {
	struct late_signal *late = data;
	usleep(150 * 1000);
	late->released_before = is_released(late->scene, 1);
	rig_buffer_fill(late->scene->content, NEW);
	vgem_fence_signal(&late->fence);
	return NULL;
}

/* Latched with a fence that is pending: the GPU waits for it, and the release point for the GPU. */
static void loans_fence_is_waited_for(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	struct late_signal late = { .scene = &scene };
	pend(&scene, 1, &late.fence);
	lend(&scene, 1);
	pthread_create(&late.thread, NULL, signal_late, &late);
	assert_true(draw(&scene, true));
	pthread_join(late.thread, NULL);
	assert_int_equal(shown(&scene), NEW);
	assert_false(late.released_before);
	take_back(&scene);
	assert_true(comes_back(&scene, 1));
	scene_finish(&scene);
}

static void loan_without_a_fence_is_left_out(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	rig_log_expect("cannot wait for a dma-buf's own fences");
	uint64_t lost = sbx_counter_read(SBX_COUNT_WAITS_LOST);
	lend(&scene, 1);
	assert_true(draw(&scene, true));
	assert_int_equal(shown(&scene), BEHIND);
	assert_int_equal(sbx_counter_read(SBX_COUNT_WAITS_LOST) - lost, 1);
	assert_int_equal(scene.loan->reader_count, 0);
	take_back(&scene);
	assert_true(comes_back(&scene, 1));
	scene_finish(&scene);
}

/* The client resets its syncobj after the commit (D17): the loan has the fence already. */
static void reset_after_the_commit_changes_nothing(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	struct late_signal late = { .scene = &scene };
	pend(&scene, 1, &late.fence);
	lend(&scene, 1);
	assert_int_equal(drmSyncobjReset(scene.rig->drm_fd, &scene.acquire->handle, 1), 0);
	pthread_create(&late.thread, NULL, signal_late, &late);
	assert_true(draw(&scene, true));
	pthread_join(late.thread, NULL);
	assert_int_equal(shown(&scene), NEW);
	scene_finish(&scene);
}

/* Work that ends nobody knows when: the buffer stays on loan until the GPU is past it. */
static void endless_pass_keeps_the_buffer(void **state) {
	struct scene scene;
	struct rig *rig = *state;
	scene_init(&scene, rig);
	if (!rig->sbx->device->caps.export_blocks) {
		scene_finish(&scene);
		return;
	}
	rig_log_expect("");
	struct vgem_fence fence;
	pend(&scene, 1, &fence);
	lend(&scene, 1);
	assert_false(draw(&scene, true));
	assert_int_equal(scene.loan->reader_count, 1);
	take_back(&scene);
	for (int i = 0; i < 10; i++) {
		wl_event_loop_dispatch(wl_display_get_event_loop(scene.display), 10);
	}
	assert_false(is_released(&scene, 1));
	assert_int_equal(vgem_fence_signal(&fence), 0);
	rig_finish(rig);
	assert_true(draw(&scene, false));
	assert_true(comes_back(&scene, 1));
	scene_finish(&scene);
}

/* Each call of the kernel's fails once: the buffer comes back, never before the pass is done with it. */
static void no_failing_call_loses_or_hastens_a_release(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	rig_log_expect("");
	static const int errors[] = { -EMFILE, -ENOMEM, -EINVAL };
	bool failed = true;
	unsigned n = 0;
	for (; failed && n < 60; n++) {
		uint64_t value = n + 1;
		wlr_drm_syncobj_timeline_signal(scene.acquire, value);
		kernel_fake_install();
		kernel_fake_fail(n, errors[n % 3]);
		lend(&scene, value);
		draw(&scene, true);
		assert_false(is_released(&scene, value));
		sbx_loan_drop(scene.loan);
		scene.loan = NULL;
		// The texture still holds the buffer.
		assert_false(is_released(&scene, value));
		wlr_texture_destroy(scene.texture);
		assert_true(comes_back(&scene, value));
		failed = kernel_fake_failed();
		kernel_fake_remove();
		rig_finish(scene.rig);
		scene.texture = wlr_texture_from_buffer(scene.rig->renderer, &scene.content->base);
		assert_non_null(scene.texture);
	}
	assert_false(failed);
	assert_true(n > 3);
	scene_finish(&scene);
}

/* The device is lost with a buffer in use: it comes back at the renderer's end at the latest. */
static void lost_device_gives_the_buffer_back(void **state) {
	struct scene scene;
	struct rig *rig = *state;
	scene_init(&scene, rig);
	rig_log_expect("");
	wlr_drm_syncobj_timeline_signal(scene.acquire, 1);
	lend(&scene, 1);
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(rig->renderer, &scene.target->base,
		&(struct wlr_buffer_pass_options){0});
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){ .texture = scene.texture });
	rig_finish(rig);
	rig->sbx->device->lost = true;
	assert_false(wlr_render_pass_submit(pass));
	take_back(&scene);
	wlr_renderer_destroy(rig->renderer);
	rig->renderer = NULL;
	assert_true(comes_back(&scene, 1));
	scene_finish(&scene);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(only_who_samples_is_a_reader),
		RIG_TEST(loans_fence_is_waited_for),
		RIG_TEST(loan_without_a_fence_is_left_out),
		RIG_TEST(reset_after_the_commit_changes_nothing),
		RIG_TEST(endless_pass_keeps_the_buffer),
		RIG_TEST(no_failing_call_loses_or_hastens_a_release),
		RIG_TEST(lost_device_gives_the_buffer_back),
	};
	return RIG_MAIN(tests);
}
