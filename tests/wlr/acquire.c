/*
 * What a pass waits for, and what becomes of waits that cannot be had. The fences are vgem's: pending
 * until the test signals them.
 */
#include "rig.h"

#include <errno.h>
#include <libdrm/drm.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/vgem.h"
#include "render/device.h"
#include "trace/counter.h"

#define OLD 0xff0000ffu
#define NEW 0xff00ff00u
#define BEHIND 0xffff0000u

struct scene {
	struct rig *rig;
	int vgem;
	struct rig_buffer *target, *content;
	struct wlr_texture *texture;
	uint64_t lost;
};

static void scene_init(struct scene *scene, struct rig *rig) {
	*scene = (struct scene){ .rig = rig, .vgem = vgem_open() };
	assert_true(scene->vgem >= 0);
	scene->target = rig_buffer_create(32, 32, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	scene->content = rig_buffer_create(32, 32, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	rig_buffer_fill(scene->content, OLD);
	scene->texture = wlr_texture_from_buffer(rig->renderer, &scene->content->base);
	assert_non_null(scene->texture);
	scene->lost = sbx_counter_read(SBX_COUNT_WAITS_LOST);
}

static void scene_finish(struct scene *scene) {
	wlr_texture_destroy(scene->texture);
	rig_buffer_drop(scene->content);
	rig_buffer_drop(scene->target);
	close(scene->vgem);
}

/* A background and the content on its left half. */
static bool draw(struct scene *scene, struct wlr_drm_syncobj_timeline *timeline, uint64_t point) {
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(scene->rig->renderer,
		&scene->target->base, NULL);
	assert_non_null(pass);
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.box = { .width = 32, .height = 32 }, .color = { 1, 0, 0, 1 },
	});
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = scene->texture,
		.dst_box = { .width = 16, .height = 32 },
		.wait_timeline = timeline,
		.wait_point = point,
	});
	return wlr_render_pass_submit(pass);
}

static uint32_t left(struct scene *scene) {
	rig_finish(scene->rig);
	return rig_buffer_pixel(scene->target, 4, 4) | 0xff000000u;
}

static uint32_t right(struct scene *scene) {
	return rig_buffer_pixel(scene->target, 24, 4) | 0xff000000u;
}

static uint64_t lost_waits(struct scene *scene) {
	return sbx_counter_read(SBX_COUNT_WAITS_LOST) - scene->lost;
}

static void materialise(struct scene *scene, uint64_t point, struct vgem_fence *fence) {
	int sync_file = -1;
	assert_int_equal(vgem_fence_create(scene->vgem, fence, &sync_file), 0);
	assert_true(wlr_drm_syncobj_timeline_import_sync_file(scene->rig->timeline, point, sync_file));
	close(sync_file);
}

/* Submits from another thread where submitting waits for the GPU, as lavapipe's export does. */
struct late_signal {
	struct scene *scene;
	struct vgem_fence fence;
	pthread_t thread;
};

static void *signal_late(void *data) {
	struct late_signal *late = data;
	usleep(150 * 1000);
	rig_buffer_fill(late->scene->content, NEW);
	vgem_fence_signal(&late->fence);
	return NULL;
}

/* The content is written just before the fence signals: whoever shows it has waited. */
static void pending_point_is_waited_for(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	struct late_signal late = { .scene = &scene };
	materialise(&scene, 1, &late.fence);
	pthread_create(&late.thread, NULL, signal_late, &late);
	assert_true(draw(&scene, scene.rig->timeline, 1));
	assert_int_equal(left(&scene), NEW);
	assert_int_equal(right(&scene), BEHIND);
	assert_int_equal(lost_waits(&scene), 0);
	pthread_join(late.thread, NULL);
	scene_finish(&scene);
}

/* The control: the same without the wait shows what was there before. */
static void without_the_wait_the_old_content_shows(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	struct late_signal late = { .scene = &scene };
	materialise(&scene, 1, &late.fence);
	pthread_create(&late.thread, NULL, signal_late, &late);
	assert_true(draw(&scene, NULL, 0));
	assert_int_equal(left(&scene), OLD);
	pthread_join(late.thread, NULL);
	scene_finish(&scene);
}

static void unmaterialised_point_is_not_sampled(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	rig_log_expect("acquire point 1 of a texture of 32x32: not materialised");
	assert_true(draw(&scene, scene.rig->timeline, 1));
	assert_int_equal(left(&scene), BEHIND);
	assert_int_equal(lost_waits(&scene), 1);
	assert_int_equal(rig_log_count("client bug: cannot wait for acquire point 1"), 1);
	/* Rate limit: not a line for each frame. */
	assert_true(draw(&scene, scene.rig->timeline, 1));
	assert_int_equal(lost_waits(&scene), 2);
	assert_int_equal(rig_log_count("client bug"), 1);
	/* Once it is there, it is shown. */
	wlr_drm_syncobj_timeline_signal(scene.rig->timeline, 1);
	assert_true(draw(&scene, scene.rig->timeline, 1));
	assert_int_equal(left(&scene), OLD);
	scene_finish(&scene);
}

static void reset_timeline_is_not_taken_for_granted(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	rig_log_expect("client bug");
	struct wlr_drm_syncobj_timeline *timeline = scene.rig->timeline;
	wlr_drm_syncobj_timeline_signal(timeline, 5);
	assert_true(draw(&scene, timeline, 5));
	assert_int_equal(left(&scene), OLD);
	struct drm_syncobj_array reset = {
		.handles = (uintptr_t)&timeline->handle, .count_handles = 1,
	};
	assert_int_equal(ioctl(timeline->drm_fd, DRM_IOCTL_SYNCOBJ_RESET, &reset), 0);
	assert_true(draw(&scene, timeline, 4));
	assert_int_equal(left(&scene), BEHIND);
	assert_int_equal(lost_waits(&scene), 1);
	scene_finish(&scene);
}

static void failed_fence_is_not_sampled(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	rig_log_expect("client bug");
	wlr_drm_syncobj_timeline_signal(scene.rig->timeline, 1);
	kernel_fake_install();
	kernel_fake.fence_error = -EIO;
	assert_true(draw(&scene, scene.rig->timeline, 1));
	kernel_fake_remove();
	assert_int_equal(left(&scene), BEHIND);
	assert_int_equal(lost_waits(&scene), 1);
	assert_int_equal(rig_log_count("client bug: cannot wait for acquire point 1"), 1);
	scene_finish(&scene);
}

/* Fault: the kernel does not give the fence out. Nothing may be sampled, whatever the error. */
static void export_fault(void **state, int error) {
	struct scene scene;
	scene_init(&scene, *state);
	rig_log_expect("cannot wait for acquire point 1");
	struct vgem_fence fence;
	materialise(&scene, 1, &fence);
	kernel_fake_install();
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD;
	kernel_fake.broken_error = error;
	bool first = draw(&scene, scene.rig->timeline, 1);
	bool transient = error == -EMFILE;
	assert_int_equal(first, !transient);
	assert_int_equal(lost_waits(&scene), 1);
	/* Put off once, then the rest of the screen goes on. */
	assert_true(draw(&scene, scene.rig->timeline, 1));
	assert_int_equal(left(&scene), BEHIND);
	assert_int_equal(right(&scene), BEHIND);
	assert_int_equal(lost_waits(&scene), 2);
	kernel_fake_remove();
	vgem_fence_signal(&fence);
	assert_true(draw(&scene, scene.rig->timeline, 1));
	assert_int_equal(left(&scene), OLD);
	scene_finish(&scene);
}

static void export_that_fails_is_not_sampled(void **state) {
	export_fault(state, -EINVAL);
}

static void export_without_fds_puts_the_frame_off(void **state) {
	export_fault(state, -EMFILE);
}

/* Every single call of the kernel fails once: never is a pending content shown, never an fd lost. */
static void no_failing_call_shows_pending_content(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	rig_log_expect("");
	static const int errors[] = { -EMFILE, -ENOMEM, -EINVAL };
	assert_true(draw(&scene, NULL, 0));
	rig_finish(scene.rig);
	rig_buffer_fill(scene.target, BEHIND);
	bool failed = true;
	for (unsigned n = 0; failed && n < 40; n++) {
		struct vgem_fence fence;
		materialise(&scene, n + 1, &fence);
		rig_buffer_fill(scene.content, OLD);
		unsigned fds = rig_open_fds();
		kernel_fake_install();
		kernel_fake_fail(n, errors[n % 3]);
		/* No signal: where the wait is in order, submitting it would take until then. */
		struct late_signal late = { .scene = &scene, .fence = fence };
		pthread_create(&late.thread, NULL, signal_late, &late);
		draw(&scene, scene.rig->timeline, n + 1);
		failed = kernel_fake_failed();
		kernel_fake_remove();
		pthread_join(late.thread, NULL);
		assert_int_not_equal(left(&scene), OLD);
		assert_int_equal(rig_settled_fds(fds), fds);
		rig_buffer_fill(scene.target, BEHIND);
	}
	assert_false(failed);
	scene_finish(&scene);
}

/* A texture that shows a vgem buffer with a pending writer, without any point. */
static void implicit_writer_is_waited_for(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	uint32_t handle;
	int dmabuf = -1;
	assert_int_equal(vgem_buffer_create(scene.vgem, &handle, &dmabuf), 0);
	struct rig_buffer *content = rig_buffer_wrap(32, 32, DRM_FORMAT_XRGB8888, &dmabuf);
	rig_buffer_fill(content, OLD);
	wlr_texture_destroy(scene.texture);
	rig_buffer_drop(scene.content);
	scene.content = content;
	scene.texture = wlr_texture_from_buffer(scene.rig->renderer, &content->base);
	assert_non_null(scene.texture);
	int id = vgem_buffer_attach(scene.vgem, handle, true);
	assert_true(id > 0);
	struct late_signal late = { .scene = &scene, .fence = { scene.vgem, (uint32_t)id } };
	pthread_create(&late.thread, NULL, signal_late, &late);
	assert_true(draw(&scene, NULL, 0));
	assert_int_equal(left(&scene), NEW);
	pthread_join(late.thread, NULL);
	scene_finish(&scene);
}

static uint64_t implicit_ioctls(void) {
	return sbx_counter_read(SBX_COUNT_IOCTL_DMABUF_EXPORT) +
		sbx_counter_read(SBX_COUNT_IOCTL_DMABUF_IMPORT);
}

#define MANY 100

struct many {
	struct rig_buffer *buffers[MANY];
	struct wlr_texture *textures[MANY];
	struct wlr_drm_syncobj_timeline *timelines[MANY];
};

static void many_init(struct many *many, struct rig *rig) {
	for (size_t i = 0; i < MANY; i++) {
		many->buffers[i] = rig_buffer_create(8, 8, DRM_FORMAT_XRGB8888, RIG_DMABUF);
		many->textures[i] = wlr_texture_from_buffer(rig->renderer, &many->buffers[i]->base);
		many->timelines[i] =
			wlr_drm_syncobj_timeline_create(wlr_renderer_get_drm_fd(rig->renderer));
	}
}

static void many_finish(struct many *many) {
	for (size_t i = 0; i < MANY; i++) {
		wlr_texture_destroy(many->textures[i]);
		rig_buffer_drop(many->buffers[i]);
		wlr_drm_syncobj_timeline_unref(many->timelines[i]);
	}
}

static void many_signal(struct many *many, uint64_t point) {
	for (size_t i = 0; i < MANY; i++) {
		wlr_drm_syncobj_timeline_signal(many->timelines[i], point);
	}
}

static uint64_t many_draw(struct many *many, struct rig *rig, struct rig_buffer *target,
		uint64_t point, uint64_t signal_point) {
	uint64_t before = sbx_counter_ioctls();
	struct wlr_buffer_pass_options options = {
		.signal_timeline = rig->timeline, .signal_point = signal_point,
	};
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, &options);
	for (size_t i = 0; i < MANY; i++) {
		wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
			.texture = many->textures[i],
			.dst_box = { .x = (int)(i % 10) * 8, .y = (int)(i / 10) * 8, .width = 8, .height = 8 },
			.wait_timeline = many->timelines[i],
			.wait_point = point,
		});
	}
	assert_true(wlr_render_pass_submit(pass));
	return sbx_counter_ioctls() - before;
}

static void hundred_textures_cost_few_ioctls(void **state) {
	struct rig *rig = *state;
	static struct many many;
	many_init(&many, rig);
	struct rig_buffer *target = rig_buffer_create(80, 80, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	many_signal(&many, 1);
	many_draw(&many, rig, target, 1, 1);
	uint64_t implicit = implicit_ioctls();
	uint64_t still = many_draw(&many, rig, target, 1, 2);
	assert_true(implicit_ioctls() - implicit <= 1);
	many_signal(&many, 2);
	uint64_t moving = many_draw(&many, rig, target, 2, 3);
	print_message("# ioctls a frame at 100 textures: static %llu, new points %llu\n",
		(unsigned long long)still, (unsigned long long)moving);
	assert_true(still <= 4);
	assert_true(moving <= 6);
	rig_buffer_drop(target);
	many_finish(&many);
}

/* One export and one import for a point, however many operations use it. */
static void a_point_is_waited_for_once(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	struct late_signal late = { .scene = &scene };
	materialise(&scene, 1, &late.fence);
	uint64_t imports = sbx_counter_read(SBX_COUNT_SEMAPHORE_IMPORTS);
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(scene.rig->renderer,
		&scene.target->base, NULL);
	for (int i = 0; i < 8; i++) {
		wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
			.texture = scene.texture,
			.dst_box = { .x = i * 4, .width = 4, .height = 32 },
			.wait_timeline = scene.rig->timeline,
			.wait_point = 1,
		});
	}
	pthread_create(&late.thread, NULL, signal_late, &late);
	assert_true(wlr_render_pass_submit(pass));
	assert_int_equal(left(&scene), NEW);
	assert_int_equal(sbx_counter_read(SBX_COUNT_SEMAPHORE_IMPORTS) - imports, 1);
	pthread_join(late.thread, NULL);
	scene_finish(&scene);
}

/* Shared memory was copied: a point changes nothing, and nobody asks its buffer for fences (D5). */
static void shm_texture_with_a_point_is_drawn(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	wlr_texture_destroy(scene.texture);
	static const uint32_t pixels[4] = { NEW, NEW, NEW, NEW };
	scene.texture = wlr_texture_from_pixels(scene.rig->renderer, DRM_FORMAT_XRGB8888, 8, 2, 2, pixels);
	assert_non_null(scene.texture);
	wlr_drm_syncobj_timeline_signal(scene.rig->timeline, 1);
	assert_true(draw(&scene, scene.rig->timeline, 1));
	assert_int_equal(left(&scene), NEW);
	scene_finish(&scene);
}

/* Timelines of the backend's own fd, as wlr_scene makes them. */
static void timelines_of_another_file_work(void **state) {
	struct scene scene;
	scene_init(&scene, *state);
	int fd = drm_node_open();
	assert_true(fd >= 0);
	struct wlr_drm_syncobj_timeline *timeline = wlr_drm_syncobj_timeline_create(fd);
	wlr_drm_syncobj_timeline_signal(timeline, 3);
	assert_true(draw(&scene, timeline, 3));
	assert_int_equal(left(&scene), OLD);
	assert_int_equal(lost_waits(&scene), 0);
	wlr_drm_syncobj_timeline_unref(timeline);
	close(fd);
	scene_finish(&scene);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(pending_point_is_waited_for),
		RIG_TEST(without_the_wait_the_old_content_shows),
		RIG_TEST(unmaterialised_point_is_not_sampled),
		RIG_TEST(reset_timeline_is_not_taken_for_granted),
		RIG_TEST(failed_fence_is_not_sampled),
		RIG_TEST(export_that_fails_is_not_sampled),
		RIG_TEST(export_without_fds_puts_the_frame_off),
		RIG_TEST(no_failing_call_shows_pending_content),
		RIG_TEST(implicit_writer_is_waited_for),
		RIG_TEST(hundred_textures_cost_few_ioctls),
		RIG_TEST(a_point_is_waited_for_once),
		RIG_TEST(shm_texture_with_a_point_is_drawn),
		RIG_TEST(timelines_of_another_file_work),
	};
	return RIG_MAIN(tests);
}
