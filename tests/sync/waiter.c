#include <drm.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "sync/kernel.h"
#include "sync/waiter.h"
#include "trace/counter.h"

/* One who waits: how often was it called, with what, and what does it do then. */
struct caller {
	struct sbx_wait *wait;
	int calls, status;
	void (*then)(struct caller *caller);
	void *data;
};

struct fixture {
	struct sync_lab *lab;
	struct census census;
	struct wl_event_loop *loop;
	struct sbx_waiter_pool *pool;
	struct sbx_timeline *timeline;
	struct caller callers[64];
};

static int begin(void **state, struct sync_lab *lab) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	fixture->lab = lab;
	fixture->census = census_take();
	fixture->loop = wl_event_loop_create();
	assert_int_equal(sbx_waiter_pool_create(lab->sync, fixture->loop, &fixture->pool), 0);
	assert_int_equal(sbx_timeline_create(lab->sync, &fixture->timeline), 0);
	*state = fixture;
	return 0;
}

static int setup_fake(void **state) {
	return sync_lab_setup_fake(state) < 0 ? -1 : begin(state, *state);
}

static int setup_lab(void **state) {
	return sync_lab_setup(state) < 0 ? -1 : begin(state, *state);
}

/* A kernel without SYNCOBJ_EVENTFD. */
static int limit(void **state) {
	struct fixture *fixture = *state;
	struct sbx_sync_caps caps = *sbx_sync_get_caps(fixture->lab->sync);
	caps.eventfd = false;
	sbx_sync_limit_caps(fixture->lab->sync, &caps);
	return 0;
}

static int setup_fake_polled(void **state) {
	return setup_fake(state) < 0 ? -1 : limit(state);
}

static int setup_lab_polled(void **state) {
	return setup_lab(state) < 0 ? -1 : limit(state);
}

static int teardown(void **state) {
	struct fixture *fixture = *state;
	sbx_waiter_pool_destroy(fixture->pool);
	sbx_timeline_destroy(fixture->timeline);
	wl_event_loop_destroy(fixture->loop);
	census_check(&fixture->census);
	*state = fixture->lab;
	free(fixture);
	return sync_lab_teardown(state);
}

static void called(void *data, int status) {
	struct caller *caller = data;
	caller->calls++;
	caller->status = status;
	if (caller->then != NULL) {
		caller->then(caller);
	}
	caller->wait = NULL;
}

static struct sbx_point at(struct fixture *fixture, uint64_t value) {
	return sbx_timeline_point(fixture->timeline, value);
}

static int add(struct fixture *fixture, int i, uint64_t value, enum sbx_wait_for wait_for) {
	struct caller *caller = &fixture->callers[i];
	return sbx_waiter_add(fixture->pool, at(fixture, value), wait_for, called, caller, &caller->wait);
}

static void signal_value(struct fixture *fixture, uint64_t value) {
	struct sbx_point point = at(fixture, value);
	assert_int_equal(sbx_points_signal(fixture->lab->sync, &point, 1), 0);
}

/* Until nothing has happened for as long as the slowest timer. */
static void settle(struct fixture *fixture) {
	int64_t end_ns = sbx_kernel_now_ns() + (SBX_WAITER_POLL_MAX_MS + 30) * INT64_C(1000000);
	while (sbx_kernel_now_ns() < end_ns) {
		wl_event_loop_dispatch(fixture->loop, 10);
	}
}

static void dispatch_until_called(struct fixture *fixture, int i, int calls) {
	int64_t end_ns = sbx_kernel_now_ns() + INT64_C(5000000000);
	while (fixture->callers[i].calls < calls && sbx_kernel_now_ns() < end_ns) {
		wl_event_loop_dispatch(fixture->loop, 100);
	}
	assert_int_equal(fixture->callers[i].calls, calls);
}

static struct sbx_waiter_stats stats_of(struct fixture *fixture) {
	struct sbx_waiter_stats stats;
	sbx_waiter_pool_get_stats(fixture->pool, &stats);
	return stats;
}

static void test_already(void **state) {
	struct fixture *fixture = *state;
	signal_value(fixture, 1);
	uint64_t registrations = sbx_counter_read(SBX_COUNT_REGISTRATIONS);
	uint64_t ioctls = sync_lab_ioctls();
	unsigned fds = open_fds();
	assert_int_equal(add(fixture, 0, 1, SBX_WAIT_SIGNALLED), 1);
	assert_null(fixture->callers[0].wait);
	assert_int_equal(add(fixture, 0, 1, SBX_WAIT_MATERIALISED), 1);
	assert_int_equal(sync_lab_ioctls() - ioctls, 2);
	assert_int_equal(sbx_counter_read(SBX_COUNT_REGISTRATIONS), registrations);
	assert_int_equal(open_fds(), fds);
	settle(fixture);
	assert_int_equal(fixture->callers[0].calls, 0);
}

static void test_signalled(void **state) {
	struct fixture *fixture = *state;
	assert_int_equal(add(fixture, 0, 2, SBX_WAIT_SIGNALLED), 0);
	assert_non_null(fixture->callers[0].wait);
	signal_value(fixture, 1);
	settle(fixture);
	assert_int_equal(fixture->callers[0].calls, 0);
	signal_value(fixture, 2);
	dispatch_until_called(fixture, 0, 1);
	assert_int_equal(fixture->callers[0].status, 0);
	settle(fixture);
	assert_int_equal(fixture->callers[0].calls, 1);
	struct sbx_waiter_stats stats = stats_of(fixture);
	assert_int_equal(stats.registered + stats.polled + stats.parked, 0);
}

static void test_materialised_fake(void **state) {
	struct fixture *fixture = *state;
	assert_int_equal(add(fixture, 0, 1, SBX_WAIT_MATERIALISED), 0);
	assert_int_equal(add(fixture, 1, 1, SBX_WAIT_SIGNALLED), 0);
	kernel_fake_drm_materialise(at(fixture, 1).handle, 1);
	dispatch_until_called(fixture, 0, 1);
	settle(fixture);
	assert_int_equal(fixture->callers[1].calls, 0);
	signal_value(fixture, 1);
	dispatch_until_called(fixture, 1, 1);
}

static void test_materialised(void **state) {
	struct fixture *fixture = *state;
	struct vgem_fence fence;
	assert_int_equal(add(fixture, 0, 1, SBX_WAIT_MATERIALISED), 0);
	assert_int_equal(add(fixture, 1, 1, SBX_WAIT_SIGNALLED), 0);
	sync_lab_pend(fixture->lab, at(fixture, 1), &fence);
	dispatch_until_called(fixture, 0, 1);
	assert_int_equal(add(fixture, 2, 1, SBX_WAIT_MATERIALISED), 1);
	assert_int_equal(add(fixture, 2, 1, SBX_WAIT_SIGNALLED), 0);
	settle(fixture);
	assert_int_equal(fixture->callers[1].calls, 0);
	vgem_fence_signal(&fence);
	dispatch_until_called(fixture, 1, 1);
	dispatch_until_called(fixture, 2, 1);
	assert_int_equal(fixture->callers[0].calls, 1);
}

static void test_invalid(void **state) {
	struct fixture *fixture = *state;
	struct sbx_wait *wait = (void *)1;
	assert_int_equal(sbx_waiter_add(fixture->pool, (struct sbx_point){ 1999, 1 }, SBX_WAIT_SIGNALLED,
		called, &fixture->callers[0], &wait), -EBADF);
	assert_null(wait);
}

/* eventfds are used again: many waits one after the other cost one. */
static void test_pooled(void **state) {
	struct fixture *fixture = *state;
	uint64_t registrations = sbx_counter_read(SBX_COUNT_REGISTRATIONS);
	unsigned fds = 0;
	for (int i = 1; i <= 20; i++) {
		assert_int_equal(add(fixture, 0, i, SBX_WAIT_SIGNALLED), 0);
		signal_value(fixture, i);
		dispatch_until_called(fixture, 0, i);
		fds = i == 1 ? open_fds() : fds;
		assert_int_equal(open_fds(), fds);
	}
	assert_int_equal(sbx_counter_read(SBX_COUNT_REGISTRATIONS) - registrations, 20);
	assert_int_equal(stats_of(fixture).idle, 1);
}

/* A burst keeps no more than the cache holds. */
static void test_burst(void **state) {
	struct fixture *fixture = *state;
	for (int i = 0; i < 64; i++) {
		assert_int_equal(add(fixture, i, i + 1, SBX_WAIT_SIGNALLED), 0);
	}
	assert_int_equal(stats_of(fixture).registered, 64);
	signal_value(fixture, 64);
	for (int i = 0; i < 64; i++) {
		dispatch_until_called(fixture, i, 1);
	}
	assert_int_equal(stats_of(fixture).idle, SBX_WAITER_MAX_IDLE);
}

/* The registration outlives the wait; its eventfd must not be taken for the next one's. */
static void test_cancel_parks(void **state) {
	struct fixture *fixture = *state;
	assert_int_equal(add(fixture, 0, 1, SBX_WAIT_SIGNALLED), 0);
	sbx_wait_cancel(fixture->callers[0].wait);
	struct sbx_waiter_stats stats = stats_of(fixture);
	assert_int_equal(stats.parked, 1);
	assert_int_equal(stats.registered + stats.idle, 0);
	assert_int_equal(add(fixture, 1, 2, SBX_WAIT_SIGNALLED), 0);
	signal_value(fixture, 1);
	settle(fixture);
	assert_int_equal(fixture->callers[0].calls, 0);
	assert_int_equal(fixture->callers[1].calls, 0);
	stats = stats_of(fixture);
	assert_int_equal(stats.parked, 0);
	assert_int_equal(stats.idle, 1);
	signal_value(fixture, 2);
	dispatch_until_called(fixture, 1, 1);
	sbx_wait_cancel(NULL);
}

static void test_cancel_many(void **state) {
	struct fixture *fixture = *state;
	enum { N = 40 };
	unsigned fds = open_fds();
	for (int i = 0; i < N; i++) {
		assert_int_equal(add(fixture, i, i + 1, SBX_WAIT_SIGNALLED), 0);
	}
	for (int i = 0; i < N; i++) {
		sbx_wait_cancel(fixture->callers[i].wait);
	}
	struct sbx_waiter_stats stats = stats_of(fixture);
	assert_int_equal(stats.parked, SBX_WAITER_MAX_PARKED);
	assert_int_equal(stats.abandoned, N - SBX_WAITER_MAX_PARKED);
	// the device in memory holds on to its eventfds with fds of its own
	assert_int_equal(open_fds(), fds + 2 * SBX_WAITER_MAX_PARKED + kernel_fake_drm_registrations());
	signal_value(fixture, N);
	settle(fixture);
	assert_int_equal(stats_of(fixture).parked, 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(fixture->callers[i].calls, 0);
	}
}

/* It has fired, but nobody has been called yet. */
static void test_cancel_late(void **state) {
	struct fixture *fixture = *state;
	assert_int_equal(add(fixture, 0, 1, SBX_WAIT_SIGNALLED), 0);
	signal_value(fixture, 1);
	sbx_wait_cancel(fixture->callers[0].wait);
	settle(fixture);
	assert_int_equal(fixture->callers[0].calls, 0);
	assert_int_equal(stats_of(fixture).parked, 0);
}

static void cancel_everyone(struct caller *caller) {
	struct fixture *fixture = caller->data;
	for (int i = 0; i < 8; i++) {
		sbx_wait_cancel(fixture->callers[i].wait); // its own, too: no effect
		fixture->callers[i].wait = NULL;
	}
}

static void test_cancel_inside(void **state) {
	struct fixture *fixture = *state;
	for (int i = 0; i < 8; i++) {
		fixture->callers[i].then = cancel_everyone;
		fixture->callers[i].data = fixture;
		assert_int_equal(add(fixture, i, i + 1, SBX_WAIT_SIGNALLED), 0);
	}
	signal_value(fixture, 8);
	settle(fixture);
	int calls = 0;
	for (int i = 0; i < 8; i++) {
		calls += fixture->callers[i].calls;
	}
	assert_int_equal(calls, 1);
}

static void wait_for_next(struct caller *caller) {
	struct fixture *fixture = caller->data;
	struct caller *next = caller + 1;
	int i = next - fixture->callers;
	assert_int_equal(add(fixture, i, i + 1, SBX_WAIT_SIGNALLED), 0);
	signal_value(fixture, i + 1);
}

static void test_add_inside(void **state) {
	struct fixture *fixture = *state;
	for (int i = 0; i < 8; i++) {
		fixture->callers[i].then = i < 7 ? wait_for_next : NULL;
		fixture->callers[i].data = fixture;
	}
	assert_int_equal(add(fixture, 0, 1, SBX_WAIT_SIGNALLED), 0);
	signal_value(fixture, 1);
	dispatch_until_called(fixture, 7, 1);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(fixture->callers[i].calls, 1);
		assert_int_equal(fixture->callers[i].status, 0);
	}
}

static void add_when_destroyed(struct caller *caller) {
	struct fixture *fixture = caller->data;
	assert_int_equal(add(fixture, 63, 100, SBX_WAIT_SIGNALLED), -ECANCELED);
}

static void test_destroy(void **state) {
	struct fixture *fixture = *state;
	for (int i = 0; i < 8; i++) {
		fixture->callers[i].then = i == 3 ? add_when_destroyed : cancel_everyone;
		fixture->callers[i].data = fixture;
		assert_int_equal(add(fixture, i, i + 1, SBX_WAIT_SIGNALLED), 0);
	}
	fixture->callers[0].then = add_when_destroyed;
	signal_value(fixture, 2); // fired, not yet dispatched
	sbx_waiter_pool_destroy(fixture->pool);
	fixture->pool = NULL;
	assert_int_equal(fixture->callers[0].calls, 1);
	assert_int_equal(fixture->callers[0].status, -ECANCELED);
	for (int i = 1; i < 8; i++) {
		assert_true(fixture->callers[i].calls <= 1);
		assert_null(fixture->callers[i].wait);
	}
	signal_value(fixture, 8);
	settle(fixture);
	sbx_waiter_pool_destroy(NULL);
}

static void destroy_pool(struct caller *caller) {
	struct fixture *fixture = caller->data;
	struct sbx_waiter_pool *pool = fixture->pool;
	fixture->pool = NULL;
	sbx_waiter_pool_destroy(pool);
}

static void test_destroy_inside(void **state) {
	struct fixture *fixture = *state;
	for (int i = 0; i < 4; i++) {
		fixture->callers[i].then = destroy_pool;
		fixture->callers[i].data = fixture;
		assert_int_equal(add(fixture, i, i + 1, SBX_WAIT_SIGNALLED), 0);
	}
	signal_value(fixture, 2);
	settle(fixture);
	int cancelled = 0;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fixture->callers[i].calls, 1);
		cancelled += fixture->callers[i].status == -ECANCELED;
	}
	assert_true(cancelled >= 2);
}

/* No fd left: asked for on the timer, and back to eventfds as soon as there are some. */
static void test_no_fds(void **state) {
	struct fixture *fixture = *state;
	kernel_fake.eventfd_error = -EMFILE;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(add(fixture, i, i + 1, SBX_WAIT_SIGNALLED), 0);
	}
	assert_int_equal(stats_of(fixture).polled, 3);
	signal_value(fixture, 1);
	dispatch_until_called(fixture, 0, 1);
	assert_int_equal(stats_of(fixture).polled, 2);
	kernel_fake.eventfd_error = 0;
	settle(fixture);
	struct sbx_waiter_stats stats = stats_of(fixture);
	assert_int_equal(stats.polled, 0);
	assert_int_equal(stats.registered, 2);
	signal_value(fixture, 3);
	dispatch_until_called(fixture, 1, 1);
	dispatch_until_called(fixture, 2, 1);
}

static void test_registering_fails(void **state) {
	struct fixture *fixture = *state;
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_EVENTFD;
	kernel_fake.broken_error = -ENOMEM;
	assert_int_equal(add(fixture, 0, 1, SBX_WAIT_SIGNALLED), 0);
	assert_int_equal(stats_of(fixture).polled, 1);
	signal_value(fixture, 1);
	dispatch_until_called(fixture, 0, 1);
	assert_int_equal(fixture->callers[0].status, 0);
}

/* The timer finds out that the handle is gone. */
static void test_handle_gone(void **state) {
	struct fixture *fixture = *state;
	struct caller *caller = &fixture->callers[0];
	struct sbx_timeline *timeline;
	assert_int_equal(sbx_timeline_create(fixture->lab->sync, &timeline), 0);
	assert_int_equal(sbx_waiter_add(fixture->pool, sbx_timeline_point(timeline, 1), SBX_WAIT_SIGNALLED,
		called, caller, &caller->wait), 0);
	sbx_timeline_destroy(timeline);
	dispatch_until_called(fixture, 0, 1);
	assert_int_equal(caller->status, -EBADF);
}

/* Polling gets slower while nothing happens, and one batch serves all. */
static void test_polling_is_cheap(void **state) {
	struct fixture *fixture = *state;
	for (int i = 0; i < 60; i++) {
		assert_int_equal(add(fixture, i, i + 1, SBX_WAIT_SIGNALLED), 0);
	}
	assert_int_equal(stats_of(fixture).polled, 60);
	settle(fixture);
	settle(fixture);
	uint64_t before = sync_lab_ioctls();
	settle(fixture);
	assert_true(sync_lab_ioctls() - before <= 3 * 4);
	unsigned calls = kernel_fake.calls;
	for (int i = 0; i < 60; i++) {
		sbx_wait_cancel(fixture->callers[i].wait);
	}
	settle(fixture);
	assert_int_equal(kernel_fake.calls, calls);
}

/* The n-th call fails, for every n: the wait is delivered all the same, once. */
static int op_wait(void *data) {
	struct fixture *fixture = data;
	struct caller *caller = &fixture->callers[0];
	*caller = (struct caller){0};
	struct sbx_waiter_pool *pool;
	assert_int_equal(sbx_waiter_pool_create(fixture->lab->sync, fixture->loop, &pool), 0);
	kernel_fake.paused = true;
	struct sbx_timeline *timeline;
	assert_int_equal(sbx_timeline_create(fixture->lab->sync, &timeline), 0);
	struct sbx_point point = sbx_timeline_point(timeline, 1);
	kernel_fake.paused = false;
	int ret = sbx_waiter_add(pool, point, SBX_WAIT_SIGNALLED, called, caller, &caller->wait);
	assert_int_equal(ret, 0);
	kernel_fake.paused = true;
	assert_int_equal(sbx_points_signal(fixture->lab->sync, &point, 1), 0);
	kernel_fake.paused = false;
	dispatch_until_called(fixture, 0, 1);
	assert_int_equal(caller->status, 0);
	sbx_waiter_pool_destroy(pool);
	assert_int_equal(caller->calls, 1);
	kernel_fake.paused = true;
	sbx_timeline_destroy(timeline);
	kernel_fake.paused = false;
	return ret;
}

static void test_every_call_fails(void **state) {
	suite_each_call_fails(-ENOMEM, op_wait, *state);
}

#define FAKE(name, function) { "waiter: " name, function, setup_fake, teardown, NULL }
#define FAKE_POLLED(name, function) \
	{ "waiter: " name " (on a timer)", function, setup_fake_polled, teardown, NULL }
#define LAB(name, function) { "waiter: " name, function, setup_lab, teardown, NULL }
#define LAB_POLLED(name, function) \
	{ "waiter: " name " (on a timer)", function, setup_lab_polled, teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("what is there already registers nothing", test_already),
	FAKE("fires when signalled", test_signalled),
	FAKE_POLLED("fires when signalled", test_signalled),
	FAKE("fires when materialised", test_materialised_fake),
	FAKE_POLLED("fires when materialised", test_materialised_fake),
	FAKE("an invalid handle", test_invalid),
	FAKE("eventfds are used again", test_pooled),
	FAKE("a burst leaves no more eventfds than allowed", test_burst),
	FAKE("a cancelled wait's eventfd is parked", test_cancel_parks),
	FAKE("many cancelled waits hold a bounded number of fds", test_cancel_many),
	FAKE("cancel after the eventfd has fired", test_cancel_late),
	FAKE_POLLED("cancel after the point is there", test_cancel_late),
	FAKE("cancel from within a callback", test_cancel_inside),
	FAKE_POLLED("cancel from within a callback", test_cancel_inside),
	FAKE("wait again from within a callback", test_add_inside),
	FAKE_POLLED("wait again from within a callback", test_add_inside),
	FAKE("destroy with waits outstanding", test_destroy),
	FAKE_POLLED("destroy with waits outstanding", test_destroy),
	FAKE("destroy from within a callback", test_destroy_inside),
	FAKE_POLLED("destroy from within a callback", test_destroy_inside),
	FAKE("no fds left: polls, and recovers", test_no_fds),
	FAKE("registering fails: polls", test_registering_fails),
	FAKE_POLLED("the handle goes away", test_handle_gone),
	FAKE_POLLED("polling slows down and asks in one batch", test_polling_is_cheap),
	FAKE("every call fails once", test_every_call_fails),
	FAKE_POLLED("every call fails once", test_every_call_fails),
};

static const struct CMUnitTest lab[] = {
	LAB("what is there already registers nothing", test_already),
	LAB("fires when signalled", test_signalled),
	LAB_POLLED("fires when signalled", test_signalled),
	LAB("fires when materialised", test_materialised),
	LAB_POLLED("fires when materialised", test_materialised),
	LAB("an invalid handle", test_invalid),
	LAB("eventfds are used again", test_pooled),
	LAB("a burst leaves no more eventfds than allowed", test_burst),
	LAB("a cancelled wait's eventfd is parked", test_cancel_parks),
	LAB("many cancelled waits hold a bounded number of fds", test_cancel_many),
	LAB("cancel after the eventfd has fired", test_cancel_late),
	LAB("cancel from within a callback", test_cancel_inside),
	LAB("wait again from within a callback", test_add_inside),
	LAB("destroy with waits outstanding", test_destroy),
	LAB("destroy from within a callback", test_destroy_inside),
	LAB("no fds left: polls, and recovers", test_no_fds),
	LAB("every call fails once", test_every_call_fails),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "sync/waiter", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
