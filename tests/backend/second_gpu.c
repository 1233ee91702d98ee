/* What needs no second GPU; tests/e2e/two-gpus.sh has one. */
#include <wlr/backend/interface.h>
#include <wlr/render/allocator.h>
#include <wlr/render/pixman.h>
#include <wlr/render/wlr_renderer.h>
#include "backend/screen.h"
#include "backend/second_gpu.h"

static const struct wlr_backend_impl impl = { 0 };

static void backend_init(struct wlr_backend *backend) {
	wlr_backend_init(backend, &impl);
	backend->buffer_caps = WLR_BUFFER_CAP_SHM | WLR_BUFFER_CAP_DATA_PTR;
}

/* Not KMS: nothing is chosen. */
static void test_others(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	assert_false(sbx_is_second_gpu(&screen.backend));
	assert_true(sbx_output_init_render(&screen.wlr, &screen.allocator, &screen.renderer));
	assert_ptr_equal(screen.wlr.allocator, &screen.allocator);
	assert_ptr_equal(screen.wlr.renderer, &screen.renderer);
	screen_finish(&screen);
}

static void test_one_for_each(void **state) {
	struct wlr_backend first, second;
	struct wlr_renderer *renderer = wlr_pixman_renderer_create();
	backend_init(&first);
	backend_init(&second);
	struct wlr_allocator *allocator = sbx_second_gpu_get_allocator(&first, renderer);
	assert_non_null(allocator);
	assert_ptr_equal(sbx_second_gpu_get_allocator(&first, renderer), allocator);
	assert_ptr_not_equal(sbx_second_gpu_get_allocator(&second, renderer), allocator);
	assert_false(sbx_second_gpu_takes(&first, allocator)); // no DRM device, no dma-bufs
	wlr_backend_finish(&first);
	wlr_backend_finish(&second);
	wlr_renderer_destroy(renderer);
}

static const struct CMUnitTest host[] = {
	{ "second gpu: other outputs stay as they are", test_others, rig_setup, rig_teardown, NULL },
	{ "second gpu: one allocator for each", test_one_for_each, rig_setup, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/second_gpu", host, SUITE_COUNT(host), NULL, 0);
}
