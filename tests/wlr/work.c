/* What drawing into the buffers of an output takes, as the output's pace hears of it. */
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>
#include "harness/output.h"
#include "harness/vgem.h"
#include "loan/pace.h"
#include "render/device.h"
#include "render/wlr/pass.h"
#include "render/wlr/work.h"

#define MS_NS INT64_C(1000000)

enum { SIZE = 64, LATE_MS = 300 };

struct place {
	struct wl_event_loop *loop;
	struct test_output output;
	struct sbx_pace *pace;
	struct rig_buffer *target, *content;
	struct wlr_texture *texture;
};

static void open_place(struct rig *rig, struct place *place, bool measured) {
	place->loop = wl_event_loop_create();
	test_output_create(&place->output, place->loop, 60000);
	place->pace = sbx_pace_get(&place->output.base);
	if (measured) {
		sbx_paces_measure();
	}
	place->target = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	place->content = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	place->texture = wlr_texture_from_buffer(rig->renderer, &place->content->base);
	test_output_show(&place->output, &place->target->base);
}

static void close_place(struct place *place) {
	wlr_texture_destroy(place->texture);
	rig_buffer_drop(place->content);
	rig_buffer_drop(place->target);
	test_output_destroy(&place->output);
	wl_event_loop_destroy(place->loop);
}

static struct wlr_render_pass *begin(struct rig *rig, struct place *place,
		struct wlr_drm_syncobj_timeline *wait, struct wlr_render_timer *timer) {
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(rig->renderer,
		&place->target->base, &(struct wlr_buffer_pass_options){ .timer = timer });
	assert_non_null(pass);
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = place->texture, .wait_timeline = wait, .wait_point = wait != NULL ? 1 : 0,
	});
	return pass;
}

static void draw(struct rig *rig, struct place *place, struct wlr_drm_syncobj_timeline *wait,
		struct wlr_render_timer *timer) {
	assert_true(wlr_render_pass_submit(begin(rig, place, wait, timer)));
	test_output_show(&place->output, &place->target->base);
}

static uint32_t newest_us(const struct place *place) {
	const struct sbx_forecast *work = &place->pace->work;
	assert_true(work->count > 0);
	return work->durations_us[(work->next + SBX_FORECAST_WINDOW - 1) % SBX_FORECAST_WINDOW];
}

/* With the next pass the last one's is known. */
static void each_pass_is_measured(void **state) {
	struct rig *rig = *state;
	struct place place;
	open_place(rig, &place, true);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(place.pace->work.count, i > 0 ? i - 1 : 0);
		draw(rig, &place, NULL, NULL);
		rig_finish(rig);
	}
	assert_true(newest_us(&place) > 0);
	close_place(&place);
}

/* Nobody wants to know: nothing is measured. */
static void nothing_is_measured_for_nobody(void **state) {
	struct rig *rig = *state;
	struct place place;
	open_place(rig, &place, false);
	for (unsigned i = 0; i < 3; i++) {
		draw(rig, &place, NULL, NULL);
		rig_finish(rig);
	}
	assert_int_equal(place.pace->work.count, 0);
	close_place(&place);
}

static void *signal_late(void *data) {
	usleep(LATE_MS * 1000);
	vgem_fence_signal(data);
	return NULL;
}

static uint32_t measure_late(struct rig *rig, struct place *place, struct wlr_render_timer *timer) {
	int vgem = vgem_open();
	assert_true(vgem >= 0);
	struct vgem_fence fence;
	int sync_file = -1;
	struct wlr_drm_syncobj_timeline *acquire =
		wlr_drm_syncobj_timeline_create(wlr_renderer_get_drm_fd(rig->renderer));
	assert_int_equal(vgem_fence_create(vgem, &fence, &sync_file), 0);
	assert_true(wlr_drm_syncobj_timeline_import_sync_file(acquire, 1, sync_file));
	close(sync_file);
	draw(rig, place, NULL, timer);
	rig_finish(rig);
	pthread_t thread;
	pthread_create(&thread, NULL, signal_late, &fence);
	draw(rig, place, acquire, timer);
	pthread_join(thread, NULL);
	rig_finish(rig);
	draw(rig, place, NULL, timer);
	rig_finish(rig);
	wlr_drm_syncobj_timeline_unref(acquire);
	close(vgem);
	return newest_us(place);
}

/* What a client's fence takes is not ours. The draws before it compile the shaders. */
static void waiting_is_not_work(void **state) {
	struct rig *rig = *state;
	struct place place;
	open_place(rig, &place, true);
	draw(rig, &place, NULL, NULL);
	rig_finish(rig);
	uint32_t waited_us = measure_late(rig, &place, NULL);
	assert_int_equal(place.pace->work.count, 3);
	// The two before, and the one that waited.
	assert_true(waited_us < LATE_MS * 1000);
	close_place(&place);
}

/* The compositor's own timer is the pass's: then its completion tells, where it waits for nobody. */
static void compositor_has_a_timer(void **state) {
	struct rig *rig = *state;
	struct place place;
	open_place(rig, &place, true);
	struct wlr_render_timer *timer = wlr_render_timer_create(rig->renderer);
	assert_non_null(timer);
	draw(rig, &place, NULL, timer);
	rig_finish(rig);
	draw(rig, &place, NULL, timer);
	rig_finish(rig);
	unsigned before = place.pace->work.count;
	assert_true(before >= 1);
	assert_true(newest_us(&place) > 0);
	assert_true(wlr_render_timer_get_duration_ns(timer) > 0);
	measure_late(rig, &place, timer);
	for (unsigned i = before; i < place.pace->work.count; i++) {
		assert_true(place.pace->work.durations_us[i] < LATE_MS * 1000);
	}
	wlr_render_timer_destroy(timer);
	close_place(&place);
}

/* As if the GPU had taken it and was not done, which lavapipe always is. */
static void send(struct wlr_render_pass *base, int vgem, struct vgem_fence *fence) {
	struct sbx_pass *pass = wl_container_of(base, pass, base);
	int done_fd = -1;
	assert_int_equal(vgem_fence_create(vgem, fence, &done_fd), 0);
	sbx_work_sent(pass, sbx_renderer_now_ns(), done_fd);
	close(done_fd);
}

/* Both begun before either is sent: the fence of the last one is kept. */
static void two_passes_on_one_target(void **state) {
	struct rig *rig = *state;
	struct place place;
	struct vgem_fence fences[2];
	open_place(rig, &place, true);
	struct wlr_render_timer *timer = wlr_render_timer_create(rig->renderer);
	int vgem = vgem_open();
	assert_true(vgem >= 0);
	struct wlr_render_pass *first = begin(rig, &place, NULL, timer);
	struct wlr_render_pass *second = begin(rig, &place, NULL, timer);
	unsigned fds = rig_open_fds();
	send(first, vgem, &fences[0]);
	unsigned kept = rig_open_fds() - fds;
	send(second, vgem, &fences[1]);
	unsigned kept_of_both = rig_open_fds() - fds;
	vgem_fence_signal(&fences[0]);
	vgem_fence_signal(&fences[1]);
	assert_true(wlr_render_pass_submit(first));
	assert_true(wlr_render_pass_submit(second));
	rig_finish(rig);
	close(vgem);
	wlr_render_timer_destroy(timer);
	close_place(&place);
	assert_int_equal(kept, 1);
	assert_int_equal(kept_of_both, 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(each_pass_is_measured),
		RIG_TEST(nothing_is_measured_for_nobody),
		RIG_TEST(waiting_is_not_work),
		RIG_TEST(compositor_has_a_timer),
		RIG_TEST(two_passes_on_one_target),
	};
	return RIG_MAIN(tests);
}
