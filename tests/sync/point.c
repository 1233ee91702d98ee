#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"
#include "trace/counter.h"

static enum sbx_point_state state_of(struct sync_lab *lab, struct sbx_point point) {
	enum sbx_point_state state = SBX_POINT_INVALID;
	assert_int_equal(sbx_points_query(lab->sync, &point, 1, &state), 0);
	return state;
}

static void signal_point(struct sync_lab *lab, struct sbx_point point) {
	assert_int_equal(sbx_points_signal(lab->sync, &point, 1), 0);
}

static struct sbx_timeline *create(struct sync_lab *lab) {
	struct sbx_timeline *timeline;
	assert_int_equal(sbx_timeline_create(lab->sync, &timeline), 0);
	return timeline;
}

static void test_empty(void **state) {
	struct sync_lab *lab = *state;
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(sbx_points_query(lab->sync, NULL, 0, NULL), 0);
	assert_int_equal(sbx_points_signal(lab->sync, NULL, 0), 0);
	assert_int_equal(sbx_points_wait(lab->sync, NULL, 0, true, 0), 0);
	assert_int_equal(sync_lab_ioctls(), before);
}

static void test_thousand(void **state) {
	struct sync_lab *lab = *state;
	enum { N = 1000 };
	struct sbx_timeline *timelines[N];
	struct sbx_point points[N];
	enum sbx_point_state states[N];
	for (int i = 0; i < N; i++) {
		timelines[i] = create(lab);
		points[i] = sbx_timeline_point(timelines[i], i % 7 + 1);
	}
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(sbx_points_signal(lab->sync, points, N), 0);
	assert_int_equal(sync_lab_ioctls() - before, 1);
	before = sync_lab_ioctls();
	assert_int_equal(sbx_points_query(lab->sync, points, N, states), 0);
	assert_int_equal(sync_lab_ioctls() - before, 1);
	for (int i = 0; i < N; i++) {
		assert_int_equal(states[i], SBX_POINT_SIGNALLED);
		points[i].value += i % 2;
	}
	before = sync_lab_ioctls();
	assert_int_equal(sbx_points_query(lab->sync, points, N, states), 0);
	assert_true(sync_lab_ioctls() - before <= 4);
	for (int i = 0; i < N; i++) {
		assert_int_equal(states[i], i % 2 ? SBX_POINT_UNMATERIALISED : SBX_POINT_SIGNALLED);
		sbx_timeline_destroy(timelines[i]);
	}
}

/* More than one ioctl takes: it is cut in pieces. */
static void test_ten_thousand(void **state) {
	struct sync_lab *lab = *state;
	enum { N = 10000 };
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point *points = calloc(N, sizeof(*points));
	enum sbx_point_state *states = calloc(N, sizeof(*states));
	for (int i = 0; i < N; i++) {
		points[i] = sbx_timeline_point(timeline, i + 1);
	}
	assert_int_equal(sbx_points_signal(lab->sync, points, 5000), 0);
	assert_int_equal(sbx_points_query(lab->sync, points, N, states), 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(states[i], i < 5000 ? SBX_POINT_SIGNALLED : SBX_POINT_UNMATERIALISED);
	}
	free(points);
	free(states);
	sbx_timeline_destroy(timeline);
}

static void test_states_fake(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point points[] = {
		sbx_timeline_point(timeline, 3),
		sbx_timeline_point(timeline, 1),
		{ 999, 1 },
		sbx_timeline_point(timeline, 2),
	};
	kernel_fake_drm_materialise(points[0].handle, 2);
	signal_point(lab, points[1]);
	enum sbx_point_state states[4];
	assert_int_equal(sbx_points_query(lab->sync, points, 4, states), 0);
	assert_int_equal(states[0], SBX_POINT_UNMATERIALISED);
	assert_int_equal(states[1], SBX_POINT_SIGNALLED);
	assert_int_equal(states[2], SBX_POINT_INVALID);
	assert_int_equal(states[3], SBX_POINT_MATERIALISED);
	sbx_timeline_destroy(timeline);
}

static int op_query(void *data) {
	struct sync_lab *lab = data;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point points[3];
	enum sbx_point_state states[3];
	for (int i = 0; i < 3; i++) {
		points[i] = sbx_timeline_point(timeline, i + 1);
	}
	signal_point(lab, points[0]);
	int ret = sbx_points_query(lab->sync, points, 3, states);
	if (ret == 0) {
		assert_int_equal(states[0], SBX_POINT_SIGNALLED);
		assert_int_equal(states[1], SBX_POINT_UNMATERIALISED);
	}
	sbx_timeline_destroy(timeline);
	return ret;
}

static void test_last(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timelines[] = { create(lab), create(lab) };
	struct sbx_point points[] = {
		sbx_timeline_point(timelines[0], 0),
		sbx_timeline_point(timelines[1], 0),
		sbx_timeline_point(timelines[0], 0),
	};
	uint64_t last[3] = { 9, 9, 9 };
	assert_int_equal(sbx_points_last(lab->sync, NULL, 0, NULL), 0);
	signal_point(lab, sbx_timeline_point(timelines[0], 7));
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(sbx_points_last(lab->sync, points, 3, last), 0);
	assert_int_equal(sync_lab_ioctls() - before, 1);
	assert_int_equal(last[0], 7);
	assert_int_equal(last[1], 0);
	assert_int_equal(last[2], 7);
	points[1].handle = UINT32_MAX;
	assert_int_equal(sbx_points_last(lab->sync, points, 3, last), -EBADF);
	sbx_timeline_destroy(timelines[0]);
	sbx_timeline_destroy(timelines[1]);
}

static void test_query_fails(void **state) {
	struct sync_lab *lab = *state;
	// create and signal come first, and are not what is asked for here
	for (unsigned n = 2; n < 6; n++) {
		kernel_fake_fail(n, -ENOMEM);
		assert_int_equal(op_query(lab), -ENOMEM);
		assert_true(kernel_fake_failed());
	}
	// the next one is the destroy
	kernel_fake_fail(6, -ENOMEM);
	assert_int_equal(op_query(lab), 0);
	assert_true(kernel_fake_failed());
}

/* One handle that is gone must not keep the others from being released. */
static void test_signal_one_invalid(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *a = create(lab), *b = create(lab);
	struct sbx_point points[] = {
		sbx_timeline_point(a, 1), { 99999, 1 }, sbx_timeline_point(b, 1), sbx_timeline_point(a, 2),
	};
	assert_int_equal(sbx_points_signal(lab->sync, points, 4), -EBADF);
	assert_int_equal(state_of(lab, points[0]), SBX_POINT_SIGNALLED);
	assert_int_equal(state_of(lab, points[2]), SBX_POINT_SIGNALLED);
	assert_int_equal(state_of(lab, points[3]), SBX_POINT_SIGNALLED);
	sbx_timeline_destroy(a);
	sbx_timeline_destroy(b);
}

/* Where the batch fails for want of memory, each point by itself may not. */
static void test_signal_batch_fails(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *a = create(lab), *b = create(lab);
	struct sbx_point points[] = { sbx_timeline_point(a, 1), sbx_timeline_point(b, 1) };
	kernel_fake_fail(0, -ENOMEM);
	assert_int_equal(sbx_points_signal(lab->sync, points, 2), 0);
	assert_true(kernel_fake_failed());
	assert_int_equal(state_of(lab, points[0]), SBX_POINT_SIGNALLED);
	assert_int_equal(state_of(lab, points[1]), SBX_POINT_SIGNALLED);
	sbx_timeline_destroy(a);
	sbx_timeline_destroy(b);
}

static void test_wait_bounds(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point points[] = { sbx_timeline_point(timeline, 1), sbx_timeline_point(timeline, 2) };
	assert_int_equal(sbx_points_wait(lab->sync, points, 2, true, -1), -EINVAL);
	assert_int_equal(sbx_points_wait(lab->sync, points, 2, true, 0), -ETIME);
	signal_point(lab, points[0]);
	assert_int_equal(sbx_points_wait(lab->sync, points, 2, true, 0), -ETIME);
	assert_int_equal(sbx_points_wait(lab->sync, points, 2, false, 1000000), -ETIME);
	assert_int_equal(sbx_points_wait(lab->sync, points, 1, true, INT64_MAX), 0);
	signal_point(lab, points[1]);
	assert_int_equal(sbx_points_wait(lab->sync, points, 2, true, 0), 0);
	points[1].handle = 99999;
	assert_int_equal(sbx_points_wait(lab->sync, points, 2, true, 0), -EBADF);
	sbx_timeline_destroy(timeline);
}

/* --- with the real kernel --- */

static void test_states(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point one = sbx_timeline_point(timeline, 1), two = sbx_timeline_point(timeline, 2);
	struct vgem_fence fence;
	assert_int_equal(state_of(lab, one), SBX_POINT_UNMATERIALISED);
	sync_lab_pend(lab, one, &fence);
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(state_of(lab, one), SBX_POINT_MATERIALISED);
	assert_int_equal(sync_lab_ioctls() - before, 1);
	assert_int_equal(state_of(lab, two), SBX_POINT_UNMATERIALISED);
	assert_int_equal(sbx_points_wait(lab->sync, &one, 1, false, 0), 0);
	assert_int_equal(sbx_points_wait(lab->sync, &one, 1, true, 1000000), -ETIME);
	vgem_fence_signal(&fence);
	assert_int_equal(state_of(lab, one), SBX_POINT_SIGNALLED);
	assert_int_equal(sbx_points_wait(lab->sync, &one, 1, true, 1000000000), 0);
	sbx_timeline_destroy(timeline);
}

static void test_all_pending(void **state) {
	struct sync_lab *lab = *state;
	enum { N = 100 };
	struct sbx_timeline *timelines[N];
	struct sbx_point points[N];
	struct vgem_fence fences[N];
	enum sbx_point_state states[N];
	for (int i = 0; i < N; i++) {
		timelines[i] = create(lab);
		points[i] = sbx_timeline_point(timelines[i], 9);
		sync_lab_pend(lab, points[i], &fences[i]);
	}
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(sbx_points_query(lab->sync, points, N, states), 0);
	assert_true(sync_lab_ioctls() - before <= 3);
	for (int i = 0; i < N; i++) {
		assert_int_equal(states[i], SBX_POINT_MATERIALISED);
		if (i % 2) {
			vgem_fence_signal(&fences[i]);
		}
	}
	before = sync_lab_ioctls();
	assert_int_equal(sbx_points_query(lab->sync, points, N, states), 0);
	assert_true(sync_lab_ioctls() - before <= 3);
	for (int i = 0; i < N; i++) {
		assert_int_equal(states[i], i % 2 ? SBX_POINT_SIGNALLED : SBX_POINT_MATERIALISED);
		vgem_fence_signal(&fences[i]);
		sbx_timeline_destroy(timelines[i]);
	}
}

/* Many values of one handle, and one invalid handle among them. */
static void test_mixed(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct vgem_fence fence;
	signal_point(lab, sbx_timeline_point(timeline, 10));
	sync_lab_pend(lab, sbx_timeline_point(timeline, 20), &fence);
	struct sbx_point points[31];
	enum sbx_point_state states[31];
	for (int i = 0; i < 31; i++) {
		points[i] = sbx_timeline_point(timeline, i);
	}
	points[4].handle = 99999;
	assert_int_equal(sbx_points_query(lab->sync, points, 31, states), 0);
	for (int i = 1; i < 31; i++) {
		enum sbx_point_state expected = i == 4 ? SBX_POINT_INVALID :
			i <= 10 ? SBX_POINT_SIGNALLED :
			i <= 20 ? SBX_POINT_MATERIALISED : SBX_POINT_UNMATERIALISED;
		assert_int_equal(states[i], expected);
	}
	assert_int_equal(states[0], SBX_POINT_MATERIALISED); // the fence as it is now
	vgem_fence_signal(&fence);
	sbx_timeline_destroy(timeline);
}

/*
 * After 5 (pending), 3 and 7 the kernel's own QUERY says that 5 is signalled, since the node of 7
 * remembers its predecessor's number and that one is gone. A wait knows better, and so do we.
 */
static void test_out_of_order(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct vgem_fence five, seven;
	sync_lab_pend(lab, sbx_timeline_point(timeline, 5), &five);
	signal_point(lab, sbx_timeline_point(timeline, 3));
	sync_lab_pend(lab, sbx_timeline_point(timeline, 7), &seven);
	struct sbx_point points[] = {
		sbx_timeline_point(timeline, 3), sbx_timeline_point(timeline, 5),
		sbx_timeline_point(timeline, 7), sbx_timeline_point(timeline, 8),
	};
	uint32_t handle = points[0].handle;
	uint64_t answer = 0;
	struct drm_syncobj_timeline_array query = {
		.handles = (uintptr_t)&handle, .points = (uintptr_t)&answer, .count_handles = 1,
	};
	assert_int_equal(sbx_kernel_real.ioctl(sbx_sync_get_drm_fd(lab->sync), DRM_IOCTL_SYNCOBJ_QUERY,
		&query), 0);
	print_message("QUERY says %d, 5 is pending\n", (int)answer);
	enum sbx_point_state states[4];
	assert_int_equal(sbx_points_query(lab->sync, points, 4, states), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(states[i], i < 3 ? SBX_POINT_MATERIALISED : SBX_POINT_UNMATERIALISED);
		assert_int_equal(states[i], state_of(lab, points[i]));
	}
	vgem_fence_signal(&five);
	assert_int_equal(sbx_points_query(lab->sync, points, 4, states), 0);
	assert_int_equal(states[0], SBX_POINT_SIGNALLED);
	assert_int_equal(states[1], SBX_POINT_SIGNALLED);
	assert_int_equal(states[2], SBX_POINT_MATERIALISED);
	vgem_fence_signal(&seven);
	sbx_timeline_destroy(timeline);
}

/* Random timelines, in order and out of order: the batch says what each point says by itself. */
static void check_random(struct sync_lab *lab, unsigned seed) {
	enum { TIMELINES = 8, STEPS = 24, POINTS = 64 };
	struct sbx_timeline *timelines[TIMELINES];
	struct vgem_fence fences[STEPS];
	unsigned pending = 0;
	srand(seed);
	for (int i = 0; i < TIMELINES; i++) {
		timelines[i] = create(lab);
	}
	for (int i = 0; i < STEPS; i++) {
		struct sbx_point point = sbx_timeline_point(timelines[rand() % TIMELINES], rand() % 9);
		switch (rand() % 8) {
		case 0: case 1:
			signal_point(lab, point);
			break;
		case 2: case 3: case 4:
			sync_lab_pend(lab, point, &fences[pending++]);
			break;
		case 5: case 6:
			if (pending > 0) {
				vgem_fence_signal(&fences[rand() % pending]);
			}
			break;
		case 7:
			assert_int_equal(sbx_point_reset(lab->sync, point), 0);
			break;
		}
	}
	struct sbx_point points[POINTS];
	enum sbx_point_state states[POINTS];
	for (int i = 0; i < POINTS; i++) {
		points[i] = sbx_timeline_point(timelines[rand() % TIMELINES], rand() % 10);
		points[i].handle = rand() % 40 == 0 ? 99999 : points[i].handle;
	}
	assert_int_equal(sbx_points_query(lab->sync, points, POINTS, states), 0);
	for (int i = 0; i < POINTS; i++) {
		if (states[i] != state_of(lab, points[i])) {
			fail_msg("seed %u: point %d (value %d): %d instead of %d", seed, i,
				(int)points[i].value, states[i], state_of(lab, points[i]));
		}
	}
	for (unsigned i = 0; i < pending; i++) {
		vgem_fence_signal(&fences[i]);
	}
	for (int i = 0; i < TIMELINES; i++) {
		sbx_timeline_destroy(timelines[i]);
	}
}

static void test_random(void **state) {
	for (unsigned seed = 1; seed <= 100; seed++) {
		check_random(*state, seed);
	}
}

static void test_reset(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point point = sbx_timeline_point(timeline, 4);
	signal_point(lab, point);
	int sync_file = -1;
	assert_int_equal(sbx_point_export_sync_file(lab->sync, point, &sync_file), 0);
	assert_int_equal(sbx_point_reset(lab->sync, point), 0);
	assert_int_equal(state_of(lab, point), SBX_POINT_UNMATERIALISED);
	// what was exported does not change any more
	assert_int_equal(sbx_fence_status(sync_file, NULL), 1);
	sbx_fd_close(&sync_file);
	assert_int_equal(sbx_point_export_sync_file(lab->sync, point, &sync_file), -ENOENT);
	assert_int_equal(sbx_point_reset(lab->sync, (struct sbx_point){ 99999, 0 }), -EBADF);
	sbx_timeline_destroy(timeline);
}

/* A binary import throws a timeline's points away. */
static void test_replaced(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct vgem_fence fence;
	signal_point(lab, sbx_timeline_point(timeline, 4));
	sync_lab_pend(lab, sbx_timeline_point(timeline, 0), &fence);
	assert_int_equal(state_of(lab, sbx_timeline_point(timeline, 4)), SBX_POINT_UNMATERIALISED);
	assert_int_equal(state_of(lab, sbx_timeline_point(timeline, 0)), SBX_POINT_MATERIALISED);
	vgem_fence_signal(&fence);
	assert_int_equal(state_of(lab, sbx_timeline_point(timeline, 0)), SBX_POINT_SIGNALLED);
	assert_int_equal(state_of(lab, sbx_timeline_point(timeline, 4)), SBX_POINT_UNMATERIALISED);
	sbx_timeline_destroy(timeline);
}

static void test_binary(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *a = create(lab), *b = create(lab);
	struct sbx_point points[] = {
		sbx_timeline_point(a, 0), sbx_timeline_point(b, 3), sbx_timeline_point(a, 0),
	};
	assert_int_equal(state_of(lab, points[0]), SBX_POINT_UNMATERIALISED);
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(sbx_points_signal(lab->sync, points, 3), 0);
	assert_int_equal(sync_lab_ioctls() - before, 2);
	assert_int_equal(state_of(lab, points[0]), SBX_POINT_SIGNALLED);
	assert_int_equal(state_of(lab, points[1]), SBX_POINT_SIGNALLED);
	int sync_file;
	assert_int_equal(sbx_point_export_sync_file(lab->sync, points[0], &sync_file), 0);
	assert_int_equal(sbx_fence_status(sync_file, NULL), 1);
	sbx_fd_close(&sync_file);
	sbx_timeline_destroy(a);
	sbx_timeline_destroy(b);
}

static unsigned expected_ioctls(struct sync_lab *lab) {
	return sbx_sync_get_caps(lab->sync)->point_sync_file ? 1 : 2;
}

static void test_export(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point point = sbx_timeline_point(timeline, 6);
	struct vgem_fence fence;
	int sync_file = 1000;
	assert_int_equal(sbx_point_export_sync_file(lab->sync, point, &sync_file), -ENOENT);
	assert_int_equal(sync_file, -1);
	assert_int_equal(sbx_point_export_sync_file(lab->sync, (struct sbx_point){ 99999, 6 }, &sync_file),
		-EBADF);
	sync_lab_pend(lab, point, &fence);
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(sbx_point_export_sync_file(lab->sync, point, &sync_file), 0);
	assert_int_equal(sync_lab_ioctls() - before, expected_ioctls(lab));
	assert_int_equal(fcntl(sync_file, F_GETFD), FD_CLOEXEC);
	assert_int_equal(sbx_fence_status(sync_file, NULL), 0);
	vgem_fence_signal(&fence);
	assert_int_equal(sbx_fence_status(sync_file, NULL), 1);
	sbx_fd_close(&sync_file);
	sbx_timeline_destroy(timeline);
}

static void test_import(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point point = sbx_timeline_point(timeline, 6);
	struct vgem_fence fence;
	int sync_file;
	assert_int_equal(vgem_fence_create(lab->vgem_fd, &fence, &sync_file), 0);
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(sbx_point_import_sync_file(lab->sync, point, sync_file), 0);
	assert_int_equal(sync_lab_ioctls() - before, expected_ioctls(lab));
	assert_int_equal(state_of(lab, point), SBX_POINT_MATERIALISED);
	assert_int_equal(sbx_point_import_sync_file(lab->sync, (struct sbx_point){ 99999, 6 }, sync_file),
		-EBADF);
	sbx_fd_close(&sync_file);
	vgem_fence_signal(&fence);
	assert_int_equal(state_of(lab, point), SBX_POINT_SIGNALLED);
	point.value = 7;
	assert_int_equal(sbx_point_import_sync_file(lab->sync, point, -1), 0);
	assert_int_equal(state_of(lab, point), SBX_POINT_SIGNALLED);
	int other = open("/dev/null", O_RDONLY);
	point.value = 8;
	assert_int_equal(sbx_point_import_sync_file(lab->sync, point, other), -EINVAL);
	assert_int_equal(state_of(lab, point), SBX_POINT_UNMATERIALISED);
	sbx_fd_close(&other);
	sbx_timeline_destroy(timeline);
}

/* The fence's error must survive both ways; the fake fails what FILE_INFO says of it. */
static void test_export_failed_fence(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point point = sbx_timeline_point(timeline, 1);
	struct vgem_fence fence;
	sync_lab_pend(lab, point, &fence);
	int sync_file, error = 0;
	assert_int_equal(sbx_point_export_sync_file(lab->sync, point, &sync_file), 0);
	kernel_fake.fence_error = -ETIMEDOUT;
	assert_int_equal(sbx_fence_status(sync_file, &error), 0);
	vgem_fence_signal(&fence);
	assert_int_equal(sbx_fence_status(sync_file, &error), 1);
	assert_int_equal(error, -ETIMEDOUT);
	sbx_fd_close(&sync_file);
	sbx_timeline_destroy(timeline);
}

struct op {
	struct sync_lab *lab;
	struct sbx_timeline *timeline;
	uint64_t value;
};

static int op_export(void *data) {
	struct op *op = data;
	int sync_file = 1000;
	int ret = sbx_point_export_sync_file(op->lab->sync, sbx_timeline_point(op->timeline, 1), &sync_file);
	assert_int_equal(ret < 0, sync_file == -1);
	sbx_fd_close(&sync_file);
	return ret;
}

static int op_import(void *data) {
	struct op *op = data;
	struct vgem_fence fence;
	int sync_file;
	assert_int_equal(vgem_fence_create(op->lab->vgem_fd, &fence, &sync_file), 0);
	struct sbx_point point = sbx_timeline_point(op->timeline, op->value++);
	int ret = sbx_point_import_sync_file(op->lab->sync, point, sync_file);
	bool failed = kernel_fake.failed;
	if (failed) {
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(state_of(op->lab, point), SBX_POINT_UNMATERIALISED);
	}
	assert_true(fcntl(sync_file, F_GETFD) >= 0);
	sbx_fd_close(&sync_file);
	vgem_fence_signal(&fence);
	return ret;
}

static void test_export_fails(void **state) {
	struct op op = { *state, create(*state), 1 };
	signal_point(op.lab, sbx_timeline_point(op.timeline, 1));
	suite_each_call_fails(-EMFILE, op_export, &op);
	sbx_timeline_destroy(op.timeline);
}

static void test_import_fails(void **state) {
	struct op op = { *state, create(*state), 1 };
	suite_each_call_fails(-ENOMEM, op_import, &op);
	sbx_timeline_destroy(op.timeline);
}

struct exporter {
	struct sync_lab *lab;
	struct sbx_point point;
	int expected, wrong;
	pthread_barrier_t *start;
};

static void *export_often(void *data) {
	struct exporter *exporter = data;
	pthread_barrier_wait(exporter->start);
	for (int i = 0; i < 2000; i++) {
		int sync_file;
		if (sbx_point_export_sync_file(exporter->lab->sync, exporter->point, &sync_file) < 0 ||
				sbx_fence_status(sync_file, NULL) != exporter->expected) {
			exporter->wrong++;
		}
		sbx_fd_close(&sync_file);
	}
	return NULL;
}

/* Both go through the same scratch syncobj, and neither gets the other's fence. */
static void test_export_threads(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *timeline = create(lab);
	struct sbx_point one = sbx_timeline_point(timeline, 1), two = sbx_timeline_point(timeline, 2);
	struct vgem_fence fence;
	signal_point(lab, one);
	sync_lab_pend(lab, two, &fence);
	pthread_barrier_t start;
	pthread_barrier_init(&start, NULL, 2);
	struct exporter done = { lab, one, 1, 0, &start }, pending = { lab, two, 0, 0, &start };
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, export_often, &done), 0);
	export_often(&pending);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&start);
	assert_int_equal(done.wrong, 0);
	assert_int_equal(pending.wrong, 0);
	vgem_fence_signal(&fence);
	sbx_timeline_destroy(timeline);
}

static void test_transfer(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_timeline *a = create(lab), *b = create(lab);
	struct sbx_point src = sbx_timeline_point(a, 1), dst = sbx_timeline_point(b, 7);
	struct vgem_fence fence;
	assert_int_equal(sbx_point_transfer(lab->sync, dst, src), -ENOENT);
	assert_int_equal(state_of(lab, dst), SBX_POINT_UNMATERIALISED);
	sync_lab_pend(lab, src, &fence);
	uint64_t before = sync_lab_ioctls();
	assert_int_equal(sbx_point_transfer(lab->sync, dst, src), 0);
	assert_int_equal(sync_lab_ioctls() - before, 1);
	assert_int_equal(sbx_point_reset(lab->sync, src), 0);
	assert_int_equal(state_of(lab, dst), SBX_POINT_MATERIALISED);
	vgem_fence_signal(&fence);
	assert_int_equal(state_of(lab, dst), SBX_POINT_SIGNALLED);
	assert_int_equal(sbx_point_transfer(lab->sync, (struct sbx_point){ 99999, 1 }, dst), -EBADF);
	sbx_timeline_destroy(a);
	sbx_timeline_destroy(b);
}

static const struct CMUnitTest host[] = {
	SYNC_FAKE("point: nothing to ask", test_empty),
	SYNC_FAKE("point: all states", test_states_fake),
	SYNC_FAKE("point: 1000 signalled ones are one ioctl", test_thousand),
	SYNC_FAKE("point: 10000 in pieces", test_ten_thousand),
	SYNC_FAKE("point: query fails", test_query_fails),
	SYNC_FAKE("point: the last one", test_last),
	SYNC_FAKE("point: signal with one invalid handle", test_signal_one_invalid),
	SYNC_FAKE("point: signal one by one when the batch fails", test_signal_batch_fails),
};

static const struct CMUnitTest lab[] = {
	SYNC_LAB("point: nothing to ask", test_empty),
	SYNC_LAB("point: the last one", test_last),
	SYNC_LAB("point: unmaterialised, materialised, signalled", test_states),
	SYNC_LAB("point: 1000 signalled ones are one ioctl", test_thousand),
	SYNC_LAB("point: 10000 in pieces", test_ten_thousand),
	SYNC_LAB("point: 100 pending ones are three ioctls", test_all_pending),
	SYNC_LAB("point: values of one handle, and an invalid handle", test_mixed),
	SYNC_LAB("point: out of order", test_out_of_order),
	SYNC_LAB("point: random timelines", test_random),
	SYNC_LAB("point: query fails", test_query_fails),
	SYNC_LAB("point: reset by the client", test_reset),
	SYNC_LAB("point: replaced by the client", test_replaced),
	SYNC_LAB("point: value 0 is the binary payload", test_binary),
	SYNC_LAB("point: signal with one invalid handle", test_signal_one_invalid),
	SYNC_LAB("point: signal one by one when the batch fails", test_signal_batch_fails),
	SYNC_LAB("point: wait is bounded", test_wait_bounds),
	SYNC_LAB("point: export in one ioctl", test_export),
	SYNC_LAB_OLD("point: export in two ioctls", test_export),
	SYNC_LAB("point: import in one ioctl", test_import),
	SYNC_LAB_OLD("point: import in two ioctls", test_import),
	SYNC_LAB("point: export of a fence that fails", test_export_failed_fence),
	SYNC_LAB_OLD("point: export of a fence that fails, two ioctls", test_export_failed_fence),
	SYNC_LAB("point: export fails", test_export_fails),
	SYNC_LAB_OLD("point: export fails, two ioctls", test_export_fails),
	SYNC_LAB("point: import fails", test_import_fails),
	SYNC_LAB_OLD("point: import fails, two ioctls", test_import_fails),
	SYNC_LAB_OLD("point: export from two threads", test_export_threads),
	SYNC_LAB("point: transfer", test_transfer),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "sync/point", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
