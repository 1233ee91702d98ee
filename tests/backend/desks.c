#include <errno.h>
#include "backend/desks.h"
#include "backend/rig.h"
#include "harness/kernel_fake.h"
#include "sync/fd.h"

static void test_one_for_each_file(void **state) {
	struct rig *rig = *state;
	struct sbx_desks desks;
	sbx_desks_init(&desks, rig->loop);
	int drm_fd = sbx_sync_get_drm_fd(rig->sync->sync), copy = -1;
	assert_int_equal(sbx_fd_dup(drm_fd, &copy), 0);
	struct sbx_desk *desk = sbx_desks_get(&desks, drm_fd);
	assert_non_null(desk);
	assert_ptr_equal(sbx_desks_get(&desks, copy), desk);
	sbx_fd_close(&copy);
	assert_ptr_equal(sbx_desks_get(&desks, drm_fd), desk);
	assert_int_equal(wl_list_length(&desks.list), 1);
	sbx_desks_finish(&desks);
}

static void test_signal(void **state) {
	struct rig *rig = *state;
	struct sbx_desks desks;
	sbx_desks_init(&desks, rig->loop);
	struct rig_timeline timeline;
	rig_timeline_init(rig, &timeline);
	assert_false(rig_is_signalled(rig, &timeline, 3));
	sbx_desks_signal(&desks, &timeline.wlr, 3);
	assert_true(rig_is_signalled(rig, &timeline, 3));
	sbx_desks_finish(&desks);
	rig_timeline_finish(rig, &timeline);
}

static int op_get(void *data) {
	struct rig *rig = data;
	struct sbx_desks desks;
	sbx_desks_init(&desks, rig->loop);
	struct sbx_desk *desk = sbx_desks_get(&desks, sbx_sync_get_drm_fd(rig->sync->sync));
	sbx_desks_finish(&desks);
	return desk != NULL ? 0 : -EMFILE;
}

static void test_fails(void **state) {
	struct rig *rig = *state;
	assert_int_equal(op_get(rig), 0); // makes the event loop's own timer fd
	suite_each_call_fails(-EMFILE, op_get, rig);
	assert_true(rig_count_log("no syncobjs by way of DRM fd") > 0);
}

static const struct CMUnitTest host[] = {
	{ "desks: one for each file", test_one_for_each_file, rig_setup, rig_teardown, NULL },
	{ "desks: signal", test_signal, rig_setup, rig_teardown, NULL },
	{ "desks: each call fails", test_fails, rig_setup, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/desks", host, SUITE_COUNT(host), NULL, 0);
}
