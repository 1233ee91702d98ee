#include <errno.h>
#include "backend/desks.h"
#include "backend/readiness.h"
#include "backend/rig.h"
#include "harness/kernel_fake.h"
#include "sync/fd.h"

struct heard {
	struct sbx_readiness readiness;
	unsigned count;
};

static void hear(struct sbx_readiness *readiness) {
	struct heard *heard = wl_container_of(readiness, heard, readiness);
	heard->count++;
}

static void dispatch(struct rig *rig) {
	for (int i = 0; i < 4; i++) {
		wl_event_loop_dispatch(rig->loop, 0);
	}
}

static const struct {
	int error;
	enum sbx_readiness_state state;
} ends[] = { { 0, SBX_READINESS_DONE }, { -EIO, SBX_READINESS_FAILED } };

static void test_fence(void **state) {
	struct rig *rig = *state;
	for (int i = 0; i < 2; i++) {
		struct heard heard = { 0 };
		int sync_file = -1;
		int fence = kernel_fake_fence_create(&sync_file);
		assert_int_equal(sbx_readiness_await_fence(&heard.readiness, rig->loop, &sync_file, hear), 0);
		assert_int_equal(sync_file, -1);
		dispatch(rig);
		assert_int_equal(heard.readiness.state, SBX_READINESS_PENDING);
		assert_int_equal(heard.count, 0);
		kernel_fake_fence_signal(fence, ends[i].error);
		dispatch(rig);
		assert_int_equal(heard.readiness.state, ends[i].state);
		assert_int_equal(heard.count, 1);
		assert_true(heard.readiness.done_ns > 0);
		sbx_readiness_cancel(&heard.readiness);
	}
}

static void test_fence_over(void **state) {
	struct rig *rig = *state;
	for (int i = 0; i < 2; i++) {
		struct heard heard = { 0 };
		int sync_file = -1;
		kernel_fake_fence_signal(kernel_fake_fence_create(&sync_file), ends[i].error);
		assert_int_equal(sbx_readiness_await_fence(&heard.readiness, rig->loop, &sync_file, hear), 0);
		assert_int_equal(heard.readiness.state, ends[i].state);
		assert_int_equal(sync_file, -1);
		dispatch(rig);
		assert_int_equal(heard.count, 0);
	}
	struct heard heard = { 0 };
	int none = -1;
	assert_int_equal(sbx_readiness_await_fence(&heard.readiness, rig->loop, &none, hear), 0);
	assert_int_equal(heard.readiness.state, SBX_READINESS_DONE);
}

static void test_cancel(void **state) {
	struct rig *rig = *state;
	struct heard heard = { 0 };
	sbx_readiness_cancel(&heard.readiness);
	int sync_file = -1;
	int fence = kernel_fake_fence_create(&sync_file);
	assert_int_equal(sbx_readiness_await_fence(&heard.readiness, rig->loop, &sync_file, hear), 0);
	sbx_readiness_cancel(&heard.readiness);
	assert_int_equal(heard.readiness.state, SBX_READINESS_DONE);
	kernel_fake_fence_signal(fence, 0);
	dispatch(rig);
	assert_int_equal(heard.count, 0);
}

static void test_point(void **state) {
	struct rig *rig = *state;
	struct sbx_desks desks;
	sbx_desks_init(&desks, rig->loop);
	struct rig_timeline timeline;
	rig_timeline_init(rig, &timeline);
	struct sbx_desk *desk = sbx_desks_get(&desks, timeline.wlr.drm_fd);
	for (uint64_t i = 0; i < 2; i++) {
		struct heard heard = { 0 };
		// Not materialised, then pending, then over.
		sbx_readiness_await_point(&heard.readiness, desk, rig_point(&timeline, i + 1), hear);
		assert_int_equal(heard.readiness.state, SBX_READINESS_PENDING);
		struct rig_fence fence;
		rig_pend(rig, &timeline, i + 1, &fence);
		dispatch(rig);
		assert_int_equal(heard.readiness.state, SBX_READINESS_PENDING);
		assert_int_equal(heard.count, 0);
		rig_signal(rig, &fence, ends[i].error);
		dispatch(rig);
		assert_int_equal(heard.count, 1);
		assert_int_equal(heard.readiness.state, ends[i].state);
		sbx_readiness_cancel(&heard.readiness);
	}
	sbx_desks_finish(&desks);
	rig_timeline_finish(rig, &timeline);
}

/* One wait takes the place of another, of either kind. */
static void test_replaced(void **state) {
	struct rig *rig = *state;
	struct sbx_desks desks;
	sbx_desks_init(&desks, rig->loop);
	struct rig_timeline timeline;
	rig_timeline_init(rig, &timeline);
	struct heard heard = { 0 };
	struct rig_fence first;
	rig_pend(rig, &timeline, 1, &first);
	sbx_readiness_await_point(&heard.readiness, sbx_desks_get(&desks, timeline.wlr.drm_fd),
		rig_point(&timeline, 1), hear);
	int sync_file = -1;
	int second = kernel_fake_fence_create(&sync_file);
	assert_int_equal(sbx_readiness_await_fence(&heard.readiness, rig->loop, &sync_file, hear), 0);
	rig_signal(rig, &first, 0);
	dispatch(rig);
	assert_int_equal(heard.count, 0);
	assert_int_equal(heard.readiness.state, SBX_READINESS_PENDING);
	kernel_fake_fence_signal(second, 0);
	dispatch(rig);
	assert_int_equal(heard.count, 1);
	sbx_readiness_cancel(&heard.readiness);
	sbx_desks_finish(&desks);
	rig_timeline_finish(rig, &timeline);
}

/* A fence whose info cannot be had is not taken for a good one. */
static void test_no_info(void **state) {
	struct rig *rig = *state;
	struct heard heard = { 0 };
	int sync_file = -1;
	int fence = kernel_fake_fence_create(&sync_file);
	assert_int_equal(sbx_readiness_await_fence(&heard.readiness, rig->loop, &sync_file, hear), 0);
	kernel_fake_fence_signal(fence, 0);
	kernel_fake_fail(0, -ENOMEM);
	dispatch(rig);
	assert_true(kernel_fake_failed());
	assert_int_equal(heard.readiness.state, SBX_READINESS_FAILED);
}

#define FAKE(name, function) { "readiness: " name, function, rig_setup, rig_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("a fence", test_fence),
	FAKE("a fence that is over", test_fence_over),
	FAKE("cancelled", test_cancel),
	FAKE("a point", test_point),
	FAKE("one after another", test_replaced),
	FAKE("a fence that cannot be asked", test_no_info),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/readiness", host, SUITE_COUNT(host), NULL, 0);
}
