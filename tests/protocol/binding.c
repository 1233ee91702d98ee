#include <dlfcn.h>
#include "harness/suite.h"
#include "protocol/binding.h"

/* Two libraries of the same source: one function, and another that calls it. */
static void test_library(const char *path, bool open) {
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(library);
	const void *inner = dlsym(library, "binding_inner");
	assert_non_null(inner);
	assert_int_equal(sbx_binding_is_open(inner, "binding_inner"), open);
	assert_false(sbx_binding_is_open(inner, "binding_outer"));
	assert_false(sbx_binding_is_open(inner, "binding_inne"));
	dlclose(library);
}

static void test_open(void **state) {
	test_library(BINDING_OPEN, true);
}

/* As some distributions link. */
static void test_symbolic(void **state) {
	test_library(BINDING_SYMBOLIC, false);
}

/* The one that matters. It does not call wlr_renderer_autocreate() itself. */
static void test_wlroots(void **state) {
	void *wlroots = dlopen("libwlroots-0.20.so", RTLD_NOW | RTLD_LOCAL);
	assert_non_null(wlroots);
	const void *asked = dlsym(wlroots, "wlr_linux_drm_syncobj_v1_get_surface_state");
	const void *autocreate = dlsym(wlroots, "wlr_renderer_autocreate");
	assert_true(sbx_binding_is_open(asked, "wlr_linux_drm_syncobj_v1_get_surface_state"));
	assert_true(sbx_binding_is_open(asked, "wlr_linux_drm_syncobj_v1_state_add_release_point"));
	assert_false(sbx_binding_is_open(autocreate, "wlr_renderer_autocreate"));
	dlclose(wlroots);
}

static void test_nowhere(void **state) {
	int local = 0;
	assert_false(sbx_binding_is_open(&local, "x"));
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_symbolic),
		cmocka_unit_test(test_wlroots),
		cmocka_unit_test(test_nowhere),
	};
	return suite_run(argc, argv, "protocol/binding", host, SUITE_COUNT(host), NULL, 0);
}
