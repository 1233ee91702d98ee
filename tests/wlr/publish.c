/* Who is told that a pass is done, and when. */
#include "rig.h"

#include <errno.h>
#include <libdrm/drm.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/vgem.h"
#include "render/device.h"
#include "trace/counter.h"

static bool check(struct wlr_drm_syncobj_timeline *timeline, uint64_t point, uint32_t flags) {
	bool result = false;
	assert_true(wlr_drm_syncobj_timeline_check(timeline, point, flags, &result));
	return result;
}

static bool is_materialised(struct rig *rig, uint64_t point) {
	return check(rig->timeline, point, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE);
}

static bool is_signalled(struct rig *rig, uint64_t point) {
	return check(rig->timeline, point, 0);
}

static struct wlr_render_pass *begin(struct rig *rig, struct rig_buffer *target, uint64_t point) {
	struct wlr_buffer_pass_options options = {
		.signal_timeline = rig->timeline, .signal_point = point,
	};
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, &options);
	assert_non_null(pass);
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.box = { .width = 16, .height = 16 }, .color = { 0, 1, 0, 1 },
	});
	return pass;
}

static struct rig_buffer *new_target(void) {
	return rig_buffer_create(16, 16, DRM_FORMAT_XRGB8888, RIG_DMABUF);
}

static void point_materialises_with_submit(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *target = new_target();
	struct wlr_render_pass *pass = begin(rig, target, 1);
	assert_false(check(rig->timeline, 1, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
		DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE));
	assert_true(wlr_render_pass_submit(pass));
	assert_true(is_materialised(rig, 1));
	rig_finish(rig);
	assert_true(is_signalled(rig, 1));
	assert_int_equal(rig_buffer_pixel(target, 3, 3) | 0xff000000u, 0xff00ff00u);
	rig_buffer_drop(target);
}

struct late_signal {
	struct vgem_fence fence;
	pthread_t thread;
	struct rig *rig;
	bool signalled_before;
};

static void *signal_late(void *data) {
	struct late_signal *late = data;
	usleep(150 * 1000);
	late->signalled_before = check(late->rig->timeline, 1, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT);
	vgem_fence_signal(&late->fence);
	return NULL;
}

/* Never before the GPU is done: here it cannot be, as long as the fence is pending. */
static void point_is_not_signalled_early(void **state) {
	struct rig *rig = *state;
	int vgem = vgem_open();
	assert_true(vgem >= 0);
	struct rig_buffer *target = new_target(), *content = new_target();
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &content->base);
	struct wlr_drm_syncobj_timeline *acquire =
		wlr_drm_syncobj_timeline_create(wlr_renderer_get_drm_fd(rig->renderer));
	struct late_signal late = { .rig = rig };
	int sync_file = -1;
	assert_int_equal(vgem_fence_create(vgem, &late.fence, &sync_file), 0);
	assert_true(wlr_drm_syncobj_timeline_import_sync_file(acquire, 9, sync_file));
	close(sync_file);
	struct wlr_render_pass *pass = begin(rig, target, 1);
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = texture, .wait_timeline = acquire, .wait_point = 9,
	});
	pthread_create(&late.thread, NULL, signal_late, &late);
	assert_true(wlr_render_pass_submit(pass));
	pthread_join(late.thread, NULL);
	assert_false(late.signalled_before);
	rig_finish(rig);
	assert_true(is_signalled(rig, 1));
	wlr_texture_destroy(texture);
	wlr_drm_syncobj_timeline_unref(acquire);
	rig_buffer_drop(content);
	rig_buffer_drop(target);
	close(vgem);
}

/* The fence cannot be put into the timeline: the point is signalled all the same, after the work. */
static void point_that_takes_no_fence_is_signalled_later(void **state) {
	struct rig *rig = *state;
	rig_log_expect("kernel: a timeline cannot be told");
	struct rig_buffer *target = new_target();
	struct wlr_render_pass *pass = begin(rig, target, 1);
	kernel_fake_install();
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE;
	kernel_fake.broken_error = -ENOMEM;
	assert_true(wlr_render_pass_submit(pass));
	kernel_fake_remove();
	assert_true(is_signalled(rig, 1));
	assert_int_equal(rig_buffer_pixel(target, 3, 3) | 0xff000000u, 0xff00ff00u);
	rig_buffer_drop(target);
}

/* Nobody may wait for ever for a pass that was never sent. */
static void point_of_a_failed_pass_is_signalled(void **state) {
	struct rig *rig = *state;
	rig_log_expect("");
	struct rig_buffer *target = new_target();
	struct wlr_render_pass *pass = begin(rig, target, 1);
	kernel_fake_install();
	kernel_fake.broken_request = DMA_BUF_IOCTL_EXPORT_SYNC_FILE;
	kernel_fake.broken_error = -EMFILE;
	assert_false(wlr_render_pass_submit(pass));
	kernel_fake_remove();
	assert_true(is_signalled(rig, 1));
	assert_int_equal(rig_buffer_pixel(target, 3, 3), 0);
	/* The next one is none the worse. */
	assert_true(wlr_render_pass_submit(begin(rig, target, 2)));
	rig_finish(rig);
	assert_true(is_signalled(rig, 2));
	rig_buffer_drop(target);
}

/*
 * A fence that stays pending longer than we wait (on a device whose exports block): the pass fails, and
 * its point comes when the GPU is done, not before.
 */
static void point_of_an_endless_pass_comes_later(void **state) {
	struct rig *rig = *state;
	if (!rig->sbx->device->caps.export_blocks) {
		return;
	}
	rig_log_expect("");
	int vgem = vgem_open(), sync_file = -1;
	assert_true(vgem >= 0);
	struct rig_buffer *target = new_target(), *content = new_target();
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &content->base);
	struct wlr_drm_syncobj_timeline *acquire = wlr_drm_syncobj_timeline_create(rig->drm_fd);
	struct vgem_fence fence;
	assert_int_equal(vgem_fence_create(vgem, &fence, &sync_file), 0);
	assert_true(wlr_drm_syncobj_timeline_import_sync_file(acquire, 9, sync_file));
	close(sync_file);
	struct wlr_render_pass *pass = begin(rig, target, 1);
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = texture, .wait_timeline = acquire, .wait_point = 9,
	});
	assert_false(wlr_render_pass_submit(pass));
	assert_false(check(rig->timeline, 1, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT));
	assert_int_equal(vgem_fence_signal(&fence), 0);
	rig_finish(rig);
	assert_false(check(rig->timeline, 1, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT));
	assert_true(wlr_render_pass_submit(begin(rig, target, 2)));
	assert_true(is_signalled(rig, 1));
	wlr_texture_destroy(texture);
	wlr_drm_syncobj_timeline_unref(acquire);
	rig_buffer_drop(content);
	rig_buffer_drop(target);
	close(vgem);
}

/* Two outputs, a few hundred frames each: nothing grows. */
static void hundreds_of_frames_keep_no_fd(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *targets[2] = { new_target(), new_target() };
	struct rig_buffer *content = new_target();
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &content->base);
	unsigned fds = 0;
	for (uint64_t frame = 1; frame <= 200; frame++) {
		for (uint64_t i = 0; i < 2; i++) {
			struct wlr_render_pass *pass = begin(rig, targets[i], frame * 2 + i);
			wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
				.texture = texture, .dst_box = { .width = 8, .height = 8 },
			});
			assert_true(wlr_render_pass_submit(pass));
		}
		if (frame == 20) {
			rig_finish(rig);
			fds = rig_open_fds();
		}
	}
	rig_finish(rig);
	assert_true(is_signalled(rig, 401));
	assert_int_equal(rig_settled_fds(fds), fds);
	wlr_texture_destroy(texture);
	rig_buffer_drop(content);
	rig_buffer_drop(targets[0]);
	rig_buffer_drop(targets[1]);
}

static uint64_t fences_left(void) {
	return sbx_counter_read(SBX_COUNT_IOCTL_DMABUF_IMPORT);
}

/*
 * Those who know nothing of points find our fences in the dma-bufs: the writers of implicit textures, and
 * the readers of the target, with a point for it and without.
 */
static void implicit_neighbours_get_fences(void **state) {
	struct rig *rig = *state;
	struct sbx_device *device = rig->sbx->device;
	bool blocks = device->caps.export_blocks;
	device->caps.export_blocks = false; // it costs time, but gives a fence
	struct rig_buffer *target = new_target(), *implicit = new_target(), *explicit = new_target();
	struct wlr_texture *textures[] = {
		wlr_texture_from_buffer(rig->renderer, &implicit->base),
		wlr_texture_from_buffer(rig->renderer, &explicit->base),
	};
	wlr_drm_syncobj_timeline_signal(rig->timeline, 1);
	for (uint64_t point = 2; point < 6; point++) {
		uint64_t before = fences_left();
		struct wlr_render_pass *pass = point % 2 == 0 ? begin(rig, target, point) :
			wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL);
		assert_non_null(pass);
		wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
			.texture = textures[0],
		});
		wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
			.texture = textures[1], .wait_timeline = rig->timeline, .wait_point = 1,
		});
		assert_true(wlr_render_pass_submit(pass));
		assert_int_equal(fences_left() - before, 2);
	}
	rig_finish(rig);
	assert_true(is_signalled(rig, 4));
	device->caps.export_blocks = blocks;
	wlr_texture_destroy(textures[0]);
	wlr_texture_destroy(textures[1]);
	rig_buffer_drop(explicit);
	rig_buffer_drop(implicit);
	rig_buffer_drop(target);
}

/* Passes of several outputs may be open at the same time. */
static void passes_may_overlap(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *a = new_target(), *b = new_target();
	struct wlr_render_pass *pass_a = begin(rig, a, 1), *pass_b = begin(rig, b, 2);
	assert_true(wlr_render_pass_submit(pass_b));
	assert_true(wlr_render_pass_submit(pass_a));
	rig_finish(rig);
	assert_int_equal(rig_buffer_pixel(a, 3, 3) | 0xff000000u, 0xff00ff00u);
	assert_int_equal(rig_buffer_pixel(b, 3, 3) | 0xff000000u, 0xff00ff00u);
	rig_buffer_drop(a);
	rig_buffer_drop(b);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(point_materialises_with_submit),
		RIG_TEST(point_is_not_signalled_early),
		RIG_TEST(point_that_takes_no_fence_is_signalled_later),
		RIG_TEST(point_of_a_failed_pass_is_signalled),
		RIG_TEST(point_of_an_endless_pass_comes_later),
		RIG_TEST(hundreds_of_frames_keep_no_fd),
		RIG_TEST(passes_may_overlap),
		RIG_TEST(implicit_neighbours_get_fences),
	};
	return RIG_MAIN(tests);
}
