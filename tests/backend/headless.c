#include <errno.h>
#include <signalbox/headless.h>
#include <string.h>
#include <wlr/backend.h>
#include <wlr/render/allocator.h>
#include <wlr/render/pixman.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_scene.h>
#include "backend/rig.h"
#include "harness/kernel_fake.h"
#include "sync/fd.h"

struct announced {
	struct wl_listener new_output;
	unsigned count;
	struct wlr_output *last;
};

static void handle_new_output(struct wl_listener *listener, void *data) {
	struct announced *announced = wl_container_of(listener, announced, new_output);
	announced->count++;
	announced->last = data;
}

static struct wlr_backend *create(struct rig *rig, struct announced *announced) {
	struct wlr_backend *backend = sbx_headless_backend_create(rig->loop, NULL);
	assert_non_null(backend);
	*announced = (struct announced){ .new_output.notify = handle_new_output };
	wl_signal_add(&backend->events.new_output, &announced->new_output);
	return backend;
}

static void destroy(struct wlr_backend *backend, struct announced *announced) {
	wl_list_remove(&announced->new_output.link);
	wlr_backend_destroy(backend);
}

static struct wlr_output *add(struct wlr_backend *backend, const char *name) {
	return sbx_headless_add_output(backend, &(struct sbx_headless_output_options){
		.name = name, .width = 16, .height = 8,
	});
}

static void test_announced(void **state) {
	struct announced announced;
	struct wlr_backend *backend = create(*state, &announced);
	assert_true(sbx_backend_is_headless(backend));
	assert_true(backend->features.timeline);
	assert_int_equal(wlr_backend_get_drm_fd(backend), -1);
	struct wlr_output *first = add(backend, NULL);
	add(backend, "TV");
	assert_int_equal(announced.count, 0);
	assert_true(wlr_backend_start(backend));
	assert_int_equal(announced.count, 2);
	assert_string_equal(announced.last->name, "TV");
	assert_string_equal(first->name, "VIRTUAL-1");
	assert_true(sbx_output_is_headless(first));
	struct wlr_output *third = add(backend, NULL);
	assert_ptr_equal(announced.last, third);
	assert_string_equal(third->name, "VIRTUAL-3");
	wlr_output_destroy(first);
	wlr_output_destroy(third);
	destroy(backend, &announced);
}

static void test_out_of_range(void **state) {
	struct announced announced;
	struct wlr_backend *backend = create(*state, &announced);
	const struct sbx_headless_output_options rows[] = {
		{ .width = 0, .height = 8 },
		{ .width = 16, .height = -1 },
		{ .width = 16, .height = 8, .refresh_numerator = 60 },
		{ .width = 16, .height = 8, .refresh_denominator = 1 },
		{ .width = 16, .height = 8, .refresh_numerator = 1, .refresh_denominator = 2 },
		{ .width = 16, .height = 8, .refresh_numerator = 2002, .refresh_denominator = 2 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(sbx_headless_add_output(backend, &rows[i]));
	}
	destroy(backend, &announced);
}

static void test_ends_with_the_loop(void **state) {
	struct wl_event_loop *loop = wl_event_loop_create();
	struct wlr_backend *backend = sbx_headless_backend_create(loop, NULL);
	add(backend, NULL);
	wl_event_loop_destroy(loop);
}

static void test_drm_fd(void **state) {
	struct rig *rig = *state;
	int drm_fd = sbx_sync_get_drm_fd(rig->sync->sync);
	struct wlr_backend *backend = sbx_headless_backend_create(rig->loop,
		&(struct sbx_headless_options){ .has_drm_fd = true, .drm_fd = drm_fd });
	assert_non_null(backend);
	assert_true(sbx_fd_is_same(wlr_backend_get_drm_fd(backend), drm_fd));
	wlr_backend_destroy(backend);
}

static int op_create(void *data) {
	struct rig *rig = data;
	struct wlr_backend *backend = sbx_headless_backend_create(rig->loop, &(struct sbx_headless_options){
		.has_drm_fd = true, .drm_fd = sbx_sync_get_drm_fd(rig->sync->sync),
	});
	if (backend == NULL) {
		return -EMFILE;
	}
	wlr_backend_destroy(backend);
	return 0;
}

static void test_create_fails(void **state) {
	suite_each_call_fails(-EMFILE, op_create, *state);
}

/* Two outputs with refreshes of their own: each is answered at its own vblanks. */
static void commit_again(struct rig_ear *ear, void *data) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_buffer(&state, data);
	assert_true(wlr_output_commit_state(ear->output, &state));
	wlr_output_state_finish(&state);
}

static void test_two_refreshes(void **state) {
	struct rig *rig = *state;
	struct announced announced;
	struct wlr_backend *backend = create(rig, &announced);
	assert_true(wlr_backend_start(backend));
	const uint32_t hz[] = { 60, 144 };
	struct rig_ear ears[2];
	struct rig_buffer buffers[2];
	for (int i = 0; i < 2; i++) {
		struct wlr_output *output = sbx_headless_add_output(backend,
			&(struct sbx_headless_output_options){
				.width = 16, .height = 8, .refresh_numerator = hz[i], .refresh_denominator = 1,
			});
		rig_buffer_init(&buffers[i], 16, 8);
		rig_listen(&ears[i], output);
		ears[i].on_frame = commit_again;
		ears[i].data = &buffers[i].base;
		struct wlr_output_state on;
		wlr_output_state_init(&on);
		wlr_output_state_set_enabled(&on, true);
		wlr_output_state_set_buffer(&on, &buffers[i].base);
		assert_true(wlr_output_commit_state(output, &on));
		wlr_output_state_finish(&on);
	}
	clock_fake_advance(rig->loop, RIG_START_NS + 10 * SECOND);
	assert_int_equal(ears[0].shown, 600);
	assert_int_equal(ears[1].shown, 1440);
	destroy(backend, &announced);
	rig_buffer_finish(&buffers[0]);
	rig_buffer_finish(&buffers[1]);
}

/* A scene drawn with pixman into shared memory: no DRM device anywhere. Returns the top left pixel. */
static uint32_t read_corner(struct wlr_output *output) {
	struct wlr_buffer *buffer = sbx_headless_output_get_shown(output);
	assert_non_null(buffer);
	void *data;
	uint32_t format, pixel;
	size_t stride;
	assert_true(wlr_buffer_begin_data_ptr_access(buffer, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format,
		&stride));
	memcpy(&pixel, data, sizeof(pixel));
	wlr_buffer_end_data_ptr_access(buffer);
	return pixel & 0xffffff;
}

static void test_without_drm(void **state) {
	struct rig *rig = *state;
	struct announced announced;
	struct wlr_backend *backend = create(rig, &announced);
	assert_true(wlr_backend_start(backend));
	struct wlr_output *output = add(backend, NULL);
	struct wlr_renderer *renderer = wlr_pixman_renderer_create();
	struct wlr_allocator *allocator = wlr_allocator_autocreate(backend, renderer);
	assert_non_null(allocator);
	assert_true(wlr_output_init_render(output, allocator, renderer));
	struct wlr_output_state on;
	wlr_output_state_init(&on);
	wlr_output_state_set_enabled(&on, true);
	assert_true(wlr_output_commit_state(output, &on));
	wlr_output_state_finish(&on);
	struct wlr_scene *scene = wlr_scene_create();
	struct wlr_scene_output *scene_output = wlr_scene_output_create(scene, output);
	const float red[] = { 1, 0, 0, 1 }, blue[] = { 0, 0, 1, 1 };
	struct wlr_scene_rect *rect = wlr_scene_rect_create(&scene->tree, 16, 8, red);
	assert_true(wlr_scene_output_commit(scene_output, NULL));
	clock_fake_advance(rig->loop, clock_fake_now() + 20 * MS);
	assert_int_equal(read_corner(output), 0xff0000);
	wlr_scene_rect_set_color(rect, blue);
	assert_true(wlr_scene_output_commit(scene_output, NULL));
	assert_int_equal(read_corner(output), 0xff0000);
	clock_fake_advance(rig->loop, clock_fake_now() + 20 * MS);
	assert_int_equal(read_corner(output), 0x0000ff);
	wlr_scene_node_destroy(&scene->tree.node);
	destroy(backend, &announced);
	wlr_allocator_destroy(allocator);
	wlr_renderer_destroy(renderer);
}

/* The lab's machine, real time: an output of 100 Hz makes 100 frames a second, never more. */
static bool has_sixty(void *data) {
	return ((struct rig_ear *)data)->shown >= 60;
}

static void test_real_time(void **state) {
	struct rig *rig = *state;
	struct announced announced;
	struct wlr_backend *backend = create(rig, &announced);
	struct wlr_output *output = add(backend, NULL);
	assert_true(wlr_backend_start(backend));
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 16, 8);
	struct rig_ear ear;
	rig_listen(&ear, output);
	ear.on_frame = commit_again;
	ear.data = &buffer.base;
	struct wlr_output_state on;
	wlr_output_state_init(&on);
	wlr_output_state_set_enabled(&on, true);
	wlr_output_state_set_buffer(&on, &buffer.base);
	assert_true(wlr_output_commit_state(output, &on));
	wlr_output_state_finish(&on);
	clock_fake_remove();
	assert_true(rig_wait(rig, has_sixty, &ear));
	// Vblanks are counted whether a frame was ready or not: the loop may have missed some, never won one.
	assert_true(ear.last.seq >= 60);
	destroy(backend, &announced);
	rig_buffer_finish(&buffer);
}

#define FAKE(name, function) { "headless: " name, function, rig_setup, rig_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("outputs are announced", test_announced),
	FAKE("options out of range", test_out_of_range),
	FAKE("ends with the event loop", test_ends_with_the_loop),
	FAKE("a DRM node that is given", test_drm_fd),
	FAKE("creating it fails", test_create_fails),
	FAKE("two outputs, two refreshes", test_two_refreshes),
	FAKE("a scene in shared memory, no DRM device", test_without_drm),
};

static const struct CMUnitTest lab[] = {
	{ "headless: real time", test_real_time, rig_setup_lab, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/headless", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
