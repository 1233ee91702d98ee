#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "sync/fd.h"
#include "trace/counter.h"

static enum sbx_point_state state_of(struct sync_lab *lab, struct sbx_point point) {
	enum sbx_point_state state = SBX_POINT_INVALID;
	assert_int_equal(sbx_points_query(lab->sync, &point, 1, &state), 0);
	return state;
}

static void test_point(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *a, *b;
	assert_int_equal(sbx_timeline_create(lab->sync, &a), 0);
	assert_int_equal(sbx_timeline_create(lab->sync, &b), 0);
	struct sbx_point point = sbx_timeline_point(a, 5);
	assert_int_equal(point.value, 5);
	assert_int_not_equal(point.handle, 0);
	assert_int_not_equal(point.handle, sbx_timeline_point(b, 5).handle);
	sbx_timeline_destroy(a);
	assert_int_equal(state_of(lab, point), SBX_POINT_INVALID);
	sbx_timeline_destroy(b);
	sbx_timeline_destroy(NULL);
}

static void test_create_fails(void **state) {
	struct sync_lab *lab = *state;
	kernel_fake_fail(0, -ENOMEM);
	struct sbx_timeline *timeline = (void *)1;
	assert_int_equal(sbx_timeline_create(lab->sync, &timeline), -ENOMEM);
	assert_null(timeline);
	assert_true(kernel_fake_failed());
}

static void test_shared(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *ours, *theirs;
	int fd = 1000;
	assert_int_equal(sbx_timeline_create(lab->sync, &ours), 0);
	assert_int_equal(sbx_timeline_export(ours, &fd), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(sbx_timeline_import(lab->sync, &fd, &theirs), 0);
	assert_int_equal(fd, -1);
	struct sbx_point point = sbx_timeline_point(ours, 3);
	assert_int_equal(sbx_points_signal(lab->sync, &point, 1), 0);
	assert_int_equal(state_of(lab, sbx_timeline_point(theirs, 3)), SBX_POINT_SIGNALLED);
	sbx_timeline_destroy(ours);
	assert_int_equal(state_of(lab, sbx_timeline_point(theirs, 3)), SBX_POINT_SIGNALLED);
	sbx_timeline_destroy(theirs);
}

static void test_import_other(void **state) {
	struct sync_lab *lab = *state;
	int fd = open("/dev/null", O_RDONLY), number = fd;
	struct sbx_timeline *timeline = (void *)1;
	assert_int_equal(sbx_timeline_import(lab->sync, &fd, &timeline), -EINVAL);
	assert_int_equal(fd, number);
	assert_null(timeline);
	sbx_fd_close(&fd);
	assert_true(sbx_timeline_import(lab->sync, &fd, &timeline) < 0);
	struct vgem_fence fence;
	assert_int_equal(vgem_fence_create(lab->vgem_fd, &fence, &fd), 0);
	assert_int_equal(sbx_timeline_import(lab->sync, &fd, &timeline), -EINVAL);
	sbx_fd_close(&fd);
}

static int op_share(void *data) {
	struct sync_lab *lab = data;
	struct sbx_timeline *ours = NULL, *theirs = NULL;
	int fd = -1;
	int ret = sbx_timeline_create(lab->sync, &ours);
	if (ret == 0) {
		ret = sbx_timeline_export(ours, &fd);
		assert_int_equal(ret < 0, fd < 0);
	}
	if (ret == 0) {
		int number = fd;
		ret = sbx_timeline_import(lab->sync, &fd, &theirs);
		assert_int_equal(fd, ret < 0 ? number : -1);
		assert_int_equal(ret < 0, theirs == NULL);
	}
	sbx_fd_close(&fd);
	sbx_timeline_destroy(ours);
	sbx_timeline_destroy(theirs);
	return ret;
}

static void test_share_fails(void **state) {
	suite_each_call_fails(-EMFILE, op_share, *state);
}

static void test_handles_counted(void **state) {
	struct sync_lab *lab = *state;
	uint64_t before = sbx_counter_read(SBX_COUNT_HANDLES);
	struct sbx_timeline *timeline;
	assert_int_equal(sbx_timeline_create(lab->sync, &timeline), 0);
	assert_int_equal(sbx_counter_read(SBX_COUNT_HANDLES), before + 1);
	sbx_timeline_destroy(timeline);
	assert_int_equal(sbx_counter_read(SBX_COUNT_HANDLES), before);
}

static const struct CMUnitTest host[] = {
	SYNC_FAKE("timeline: points of it", test_point),
	SYNC_FAKE("timeline: create fails", test_create_fails),
	SYNC_FAKE("timeline: handles are counted", test_handles_counted),
};

static const struct CMUnitTest lab[] = {
	SYNC_LAB("timeline: points of it", test_point),
	SYNC_LAB("timeline: export and import share it", test_shared),
	SYNC_LAB("timeline: import of something else", test_import_other),
	SYNC_LAB("timeline: create, export and import fail", test_share_fails),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "sync/timeline", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
