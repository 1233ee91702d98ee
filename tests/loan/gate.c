#include <drm.h>
#include <errno.h>
#include <stdlib.h>
#include <wayland-server-core.h>
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "loan/desk.h"
#include "loan/gate.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/uapi.h"

struct fixture {
	struct sync_lab *lab;
	struct wl_event_loop *loop;
	struct sbx_desk desk;
	struct sbx_timeline *timeline;
	struct sbx_gate gate;
	int notified;
};

static void note(struct sbx_gate *gate) {
	struct fixture *fixture = wl_container_of(gate, fixture, gate);
	fixture->notified++;
}

static int setup(void **state, int (*setup_sync)(void **state)) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	void *lab = NULL;
	if (setup_sync(&lab) < 0) {
		return -1;
	}
	fixture->lab = lab;
	fixture->loop = wl_event_loop_create();
	assert_int_equal(sbx_desk_init(&fixture->desk, sbx_sync_get_drm_fd(fixture->lab->sync),
		fixture->loop, &(struct sbx_syncobj_limits){0}), 0);
	assert_int_equal(sbx_timeline_create(fixture->desk.sync, &fixture->timeline), 0);
	*state = fixture;
	return 0;
}

static int setup_lab(void **state) {
	return setup(state, sync_lab_setup);
}

static int setup_fake(void **state) {
	return setup(state, sync_lab_setup_fake);
}

static int teardown(void **state) {
	struct fixture *fixture = *state;
	sbx_gate_withdraw(&fixture->gate);
	sbx_timeline_destroy(fixture->timeline);
	sbx_desk_finish(&fixture->desk);
	wl_event_loop_destroy(fixture->loop);
	*state = fixture->lab;
	free(fixture);
	return sync_lab_teardown(state);
}

static struct sbx_point at(struct fixture *fixture, uint64_t value) {
	return sbx_timeline_point(fixture->timeline, value);
}

static void open_gate(struct fixture *fixture, uint64_t value) {
	sbx_gate_open(&fixture->gate, &fixture->desk, at(fixture, value), note);
	assert_int_equal(fixture->notified, 0);
}

/* notified < 0: any number of times. */
static void expect(struct fixture *fixture, enum sbx_gate_state state, int notified) {
	int64_t end_ns = sbx_kernel_now_ns() + INT64_C(5000000000);
	while (fixture->gate.state != state && sbx_kernel_now_ns() < end_ns) {
		wl_event_loop_dispatch(fixture->loop, 10);
	}
	assert_int_equal(fixture->gate.state, state);
	if (notified >= 0) {
		assert_int_equal(fixture->notified, notified);
	}
}

/* For as long as the slowest timer. */
static void expect_still(struct fixture *fixture, enum sbx_gate_state state, int notified) {
	int64_t end_ns = sbx_kernel_now_ns() + 2 * SBX_DESK_RETRY_MAX_MS * INT64_C(1000000);
	while (sbx_kernel_now_ns() < end_ns) {
		wl_event_loop_dispatch(fixture->loop, 5);
	}
	expect(fixture, state, notified);
}

static void signal_value(struct fixture *fixture, uint64_t value) {
	struct sbx_point point = at(fixture, value);
	kernel_fake.paused = true;
	assert_int_equal(sbx_points_signal(fixture->desk.sync, &point, 1), 0);
	kernel_fake.paused = false;
}

/* Only the device in memory has fences that fail; on the lab's it is vgem's. */
struct pending {
	struct vgem_fence vgem;
	int fake;
};

static void pend(struct fixture *fixture, uint64_t value, struct pending *pending) {
	int sync_file = -1;
	if (fixture->lab->vgem_fd >= 0) {
		assert_int_equal(vgem_fence_create(fixture->lab->vgem_fd, &pending->vgem, &sync_file), 0);
	} else {
		pending->fake = kernel_fake_fence_create(&sync_file);
	}
	kernel_fake.paused = true;
	assert_int_equal(sbx_point_import_sync_file(fixture->desk.sync, at(fixture, value), sync_file), 0);
	kernel_fake.paused = false;
	sbx_fd_close(&sync_file);
}

static void finish(struct fixture *fixture, struct pending *pending) {
	if (fixture->lab->vgem_fd >= 0) {
		assert_int_equal(vgem_fence_signal(&pending->vgem), 0);
	} else {
		kernel_fake_fence_signal(pending->fake, 0);
	}
}

static void test_signalled(void **state) {
	struct fixture *fixture = *state;
	signal_value(fixture, 1);
	struct census census = census_take();
	uint64_t ioctls = sync_lab_ioctls();
	open_gate(fixture, 1);
	assert_int_equal(fixture->gate.state, SBX_GATE_SIGNALLED);
	assert_int_equal(sync_lab_ioctls() - ioctls, 1);
	census_check(&census);
	expect_still(fixture, SBX_GATE_SIGNALLED, 0);
}

static void test_from_the_cpu(void **state) {
	struct fixture *fixture = *state;
	open_gate(fixture, 1);
	expect_still(fixture, SBX_GATE_UNMATERIALISED, 0);
	signal_value(fixture, 1);
	expect(fixture, SBX_GATE_SIGNALLED, 2);
	assert_int_equal(fixture->gate.fence_fd, -1);
}

static void test_whole_way(void **state) {
	struct fixture *fixture = *state;
	struct pending pending;
	open_gate(fixture, 1);
	pend(fixture, 1, &pending);
	expect(fixture, SBX_GATE_MATERIALISED, 1);
	assert_true(fixture->gate.fence_fd >= 0);
	expect_still(fixture, SBX_GATE_MATERIALISED, 1);
	finish(fixture, &pending);
	expect(fixture, SBX_GATE_SIGNALLED, 2);
	assert_int_equal(fixture->gate.fence_fd, -1);
}

static void test_withdrawn(void **state) {
	struct fixture *fixture = *state;
	struct pending pending;
	struct census census = census_take();
	pend(fixture, 1, &pending);
	open_gate(fixture, 1);
	assert_int_equal(fixture->gate.state, SBX_GATE_MATERIALISED);
	sbx_gate_withdraw(&fixture->gate);
	assert_int_equal(fixture->gate.state, SBX_GATE_WITHDRAWN);
	wl_event_loop_dispatch(fixture->loop, 0); // libwayland closes its duplicate from there
	census_check(&census);
	finish(fixture, &pending);
	expect_still(fixture, SBX_GATE_WITHDRAWN, 0);
	sbx_gate_withdraw(&fixture->gate);
}

static void test_failed(void **state) {
	struct fixture *fixture = *state;
	struct pending pending;
	pend(fixture, 1, &pending);
	open_gate(fixture, 1);
	kernel_fake_fence_signal(pending.fake, -EIO);
	expect(fixture, SBX_GATE_FAILED, 1);
	assert_int_equal(fixture->desk.failed, 1);
	sbx_gate_withdraw(&fixture->gate);
	assert_int_equal(fixture->gate.state, SBX_GATE_FAILED);
}

/* Each call fails once, with the gate open or opening: it arrives all the same, and only when it may. */
static void test_each_call_fails(void **state) {
	struct fixture *fixture = *state;
	struct pending pending;
	uint64_t value = 1;
	for (unsigned n = 0; ; n++, value += 2) {
		kernel_fake_fail(n, -EMFILE);
		fixture->notified = 0;
		open_gate(fixture, value);
		wl_event_loop_dispatch(fixture->loop, 3);
		assert_int_equal(fixture->gate.state, SBX_GATE_UNMATERIALISED);
		pend(fixture, value, &pending);
		for (int i = 0; i < 5; i++) {
			wl_event_loop_dispatch(fixture->loop, 3);
		}
		assert_true(fixture->gate.state == SBX_GATE_UNMATERIALISED ||
			fixture->gate.state == SBX_GATE_MATERIALISED);
		finish(fixture, &pending);
		expect(fixture, SBX_GATE_SIGNALLED, -1);
		// Once for the end, and for the fence if it could be had.
		assert_true(fixture->notified == 1 || fixture->notified == 2);
		if (!kernel_fake_failed()) {
			assert_true(n > 3);
			return;
		}
	}
}

/* The status of a fence that is readable cannot be had: nothing is guessed. */
static void test_no_status(void **state) {
	struct fixture *fixture = *state;
	struct pending pending;
	pend(fixture, 1, &pending);
	open_gate(fixture, 1);
	kernel_fake.broken_request = SYNC_IOC_FILE_INFO;
	kernel_fake.broken_error = -ENOMEM;
	finish(fixture, &pending);
	expect_still(fixture, SBX_GATE_MATERIALISED, 0);
	kernel_fake.broken_request = 0;
	expect(fixture, SBX_GATE_SIGNALLED, 1);
}

/* When it was over: the fence says it, however late we look. Without a fence, when we heard of it. */
static void test_time(void **state) {
	struct fixture *fixture = *state;
	struct pending pending;
	pend(fixture, 1, &pending);
	open_gate(fixture, 1);
	assert_int_equal(fixture->gate.over_ns, 0);
	int64_t before_ns = sbx_kernel_now_ns();
	finish(fixture, &pending);
	int64_t after_ns = sbx_kernel_now_ns();
	expect(fixture, SBX_GATE_SIGNALLED, 1);
	assert_true(fixture->gate.over_ns >= before_ns);
	// Only real fences know.
	assert_true(fixture->lab->vgem_fd < 0 || fixture->gate.over_ns <= after_ns);
	sbx_gate_withdraw(&fixture->gate);
	fixture->notified = 0;
	open_gate(fixture, 2);
	before_ns = sbx_kernel_now_ns();
	signal_value(fixture, 2);
	expect(fixture, SBX_GATE_SIGNALLED, -1);
	assert_true(fixture->gate.over_ns >= before_ns);
	sbx_gate_withdraw(&fixture->gate);
	fixture->notified = 0;
	// Over before it was asked for: nobody knows since when.
	open_gate(fixture, 2);
	assert_int_equal(fixture->gate.state, SBX_GATE_SIGNALLED);
	assert_int_equal(fixture->gate.over_ns, 0);
}

#define FAKE(name, function) { name, function, setup_fake, teardown, NULL }
#define LAB(name, function) { name, function, setup_lab, teardown, NULL }
#define CASES(KIND) \
	KIND("gate: signalled already", test_signalled), \
	KIND("gate: signalled from the CPU", test_from_the_cpu), \
	KIND("gate: the whole way", test_whole_way), \
	KIND("gate: withdrawn", test_withdrawn), \
	KIND("gate: each call fails", test_each_call_fails), \
	KIND("gate: no status", test_no_status), \
	KIND("gate: when it was over", test_time)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		CASES(FAKE),
		FAKE("gate: the fence fails", test_failed),
	};
	const struct CMUnitTest lab[] = { CASES(LAB) };
	return suite_run(argc, argv, "loan/gate", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
