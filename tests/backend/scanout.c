#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <wlr/types/wlr_scene.h>
#include "backend/scanout.h"
#include "backend/screen.h"

/* A scene on the screen, through sbx_scene_output_commit(). */
struct stage {
	struct screen screen;
	struct wlr_scene *scene;
	struct wlr_scene_output *scene_output;
	struct wlr_scene_buffer *window;
	struct rig_buffer buffers[2];
};

static void init_dmabuf(struct rig_buffer *buffer, int width, int height, uint32_t format) {
	rig_buffer_init(buffer, width, height);
	// Not a dma-buf, and the kernel says so of it: no fences.
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	buffer->dmabuf = (struct wlr_dmabuf_attributes){
		.width = width, .height = height, .format = format, .modifier = DRM_FORMAT_MOD_LINEAR,
		.n_planes = 1, .stride = { (uint32_t)width * 4 }, .fd = { fd, -1, -1, -1 },
	};
}

static void show(struct stage *stage, int i) {
	wlr_scene_buffer_set_buffer(stage->window, &stage->buffers[i].base);
}

static void init(struct stage *stage, struct rig *rig, const struct sbx_output_options *options) {
	screen_init(&stage->screen, rig, options);
	stage->scene = wlr_scene_create();
	stage->scene_output = wlr_scene_output_create(stage->scene, &stage->screen.wlr);
	assert_non_null(stage->scene_output);
	init_dmabuf(&stage->buffers[0], 64, 32, DRM_FORMAT_XRGB8888);
	init_dmabuf(&stage->buffers[1], 64, 32, DRM_FORMAT_XRGB8888);
	stage->window = wlr_scene_buffer_create(&stage->scene->tree, NULL);
	show(stage, 0);
}

static void finish(struct stage *stage) {
	wlr_scene_node_destroy(&stage->scene->tree.node);
	screen_finish(&stage->screen);
	rig_buffer_finish(&stage->buffers[0]);
	rig_buffer_finish(&stage->buffers[1]);
}

/* Draw one frame and let it flip; why it was composed. */
static enum sbx_scanout frame(struct stage *stage) {
	wlr_damage_ring_add_whole(&stage->scene_output->damage_ring);
	wlr_output_update_needs_frame(&stage->screen.wlr);
	assert_true(sbx_scene_output_commit(stage->screen.output, stage->scene_output, NULL));
	screen_flip(&stage->screen);
	enum sbx_scanout scanout = screen_info(&stage->screen).scanout;
	// The reason and what was done agree.
	bool direct = stage->screen.buffer == &stage->buffers[0].base ||
		stage->screen.buffer == &stage->buffers[1].base;
	assert_int_equal(direct, scanout == SBX_SCANOUT_ACTIVE);
	return scanout;
}

static void test_active(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	show(&stage, 1);
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	assert_int_equal(screen_info(&stage.screen).scanned_out, 2);
	finish(&stage);
}

static void test_several(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	const float red[] = { 1, 0, 0, 1 }, black[] = { 0, 0, 0, 1 };
	struct wlr_scene_rect *rect = wlr_scene_rect_create(&stage.scene->tree, 4, 4, red);
	assert_int_equal(frame(&stage), SBX_SCANOUT_SEVERAL);
	// Hidden behind the window, switched off, or beside the screen it does not matter.
	wlr_scene_node_lower_to_bottom(&rect->node);
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	wlr_scene_node_raise_to_top(&rect->node);
	assert_int_equal(frame(&stage), SBX_SCANOUT_SEVERAL);
	wlr_scene_node_set_position(&rect->node, 64, 0);
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	wlr_scene_node_set_position(&rect->node, 60, 28);
	assert_int_equal(frame(&stage), SBX_SCANOUT_SEVERAL);
	wlr_scene_node_set_enabled(&rect->node, false);
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	// The background is black anyway.
	wlr_scene_rect_set_color(rect, black);
	wlr_scene_node_lower_to_bottom(&rect->node);
	wlr_scene_node_set_enabled(&rect->node, true);
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	finish(&stage);
}

/* A window whose format has an alpha channel hides what is behind it only where it says so. */
static void test_alpha(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	rig_buffer_finish(&stage.buffers[1]);
	init_dmabuf(&stage.buffers[1], 64, 32, DRM_FORMAT_ARGB8888);
	const float red[] = { 1, 0, 0, 1 };
	struct wlr_scene_rect *rect = wlr_scene_rect_create(&stage.scene->tree, 64, 32, red);
	wlr_scene_node_lower_to_bottom(&rect->node);
	// By way of nothing: wlroots 0.20.2 does not see that a buffer of the same size is less opaque.
	wlr_scene_buffer_set_buffer(stage.window, NULL);
	show(&stage, 1);
	assert_int_equal(frame(&stage), SBX_SCANOUT_SEVERAL);
	pixman_region32_t all;
	pixman_region32_init_rect(&all, 0, 0, 64, 32);
	wlr_scene_buffer_set_opaque_region(stage.window, &all);
	pixman_region32_fini(&all);
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	wlr_scene_buffer_set_opacity(stage.window, 0.5f);
	assert_int_equal(frame(&stage), SBX_SCANOUT_SEVERAL);
	finish(&stage);
}

static void test_nothing(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	wlr_scene_node_set_enabled(&stage.window->node, false);
	assert_int_equal(frame(&stage), SBX_SCANOUT_NO_BUFFER);
	const float red[] = { 1, 0, 0, 1 };
	wlr_scene_rect_create(&stage.scene->tree, 64, 32, red);
	assert_int_equal(frame(&stage), SBX_SCANOUT_NO_BUFFER);
	finish(&stage);
}

static void test_locked(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	wlr_output_lock_attach_render(&stage.screen.wlr, true);
	assert_int_equal(frame(&stage), SBX_SCANOUT_LOCKED);
	wlr_output_lock_attach_render(&stage.screen.wlr, false);
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	finish(&stage);
}

static void test_transform(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	wlr_scene_buffer_set_transform(stage.window, WL_OUTPUT_TRANSFORM_180);
	assert_int_equal(frame(&stage), SBX_SCANOUT_TRANSFORM);
	finish(&stage);
}

static void test_color(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	wlr_scene_buffer_set_transfer_function(stage.window, WLR_COLOR_TRANSFER_FUNCTION_ST2084_PQ);
	wlr_scene_buffer_set_primaries(stage.window, WLR_COLOR_NAMED_PRIMARIES_BT2020);
	assert_int_equal(frame(&stage), SBX_SCANOUT_COLOR);
	finish(&stage);
}

static void test_test(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	stage.screen.refuse_foreign = true;
	assert_int_equal(frame(&stage), SBX_SCANOUT_TEST);
	finish(&stage);
}

static void test_forbidden(void **state) {
	struct stage stage;
	init(&stage, *state, &(struct sbx_output_options){ .no_scanout = true });
	assert_int_equal(frame(&stage), SBX_SCANOUT_FORBIDDEN);
	finish(&stage);
}

/* The test passes and the commit does not: composed at once, and for a while. */
static void test_commit_refused(void **state) {
	struct stage stage;
	init(&stage, *state, NULL);
	struct screen *screen = &stage.screen;
	screen->error = ENOSPC;
	wlr_damage_ring_add_whole(&stage.scene_output->damage_ring);
	assert_false(sbx_scene_output_commit(screen->output, stage.scene_output, NULL) &&
		!sbx_output_is_busy(screen->output));
	screen->error = 0;
	screen_pass_ms(screen, 20);
	if (sbx_output_is_busy(screen->output)) {
		screen_pass_ms(screen, 2000);
	}
	assert_int_equal(screen_info(screen).scanout, SBX_SCANOUT_COMMIT);
	for (int i = 0; i < SBX_SCANOUT_PAUSE_FRAMES - 2; i++) {
		assert_int_equal(frame(&stage), SBX_SCANOUT_COMMIT);
	}
	for (int i = 0; i < 4; i++) {
		frame(&stage);
	}
	assert_int_equal(frame(&stage), SBX_SCANOUT_ACTIVE);
	finish(&stage);
}

static void test_explain_buffer(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_buffer memory, dmabuf;
	rig_buffer_init(&memory, 64, 32);
	init_dmabuf(&dmabuf, 64, 32, DRM_FORMAT_XRGB8888);
	assert_int_equal(sbx_scanout_explain_buffer(&screen.wlr, &memory.base), SBX_SCANOUT_NO_DMABUF);
	assert_int_equal(sbx_scanout_explain_buffer(&screen.wlr, &dmabuf.base), SBX_SCANOUT_ACTIVE);
	screen.limit_formats = true;
	assert_int_equal(sbx_scanout_explain_buffer(&screen.wlr, &dmabuf.base), SBX_SCANOUT_FORMAT);
	screen_finish(&screen);
	rig_buffer_finish(&memory);
	rig_buffer_finish(&dmabuf);
}

#define FAKE(name, function) { "scanout: " name, function, rig_setup, rig_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("one opaque buffer", test_active),
	FAKE("several things are visible", test_several),
	FAKE("an alpha channel", test_alpha),
	FAKE("nothing, or a plain colour", test_nothing),
	FAKE("locked by a capture", test_locked),
	FAKE("transformed", test_transform),
	FAKE("another colour space", test_color),
	FAKE("the output's test says no", test_test),
	FAKE("forbidden", test_forbidden),
	FAKE("the commit is refused though the test passed", test_commit_refused),
	FAKE("a buffer by itself", test_explain_buffer),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/scanout", host, SUITE_COUNT(host), NULL, 0);
}
