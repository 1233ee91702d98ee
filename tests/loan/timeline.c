#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <wayland-server-core.h>
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "loan/quota.h"
#include "loan/timeline.h"
#include "sync/fd.h"

struct fixture {
	struct sync_lab *lab;
	struct wl_display *display;
	struct sbx_quotas quotas;
	struct sbx_quota *quota;
	int other_end;
	/** The client's: two syncobjs, of which the first is imported twice. */
	struct sbx_timeline *own[2];
	struct sbx_client_timeline *first, *again, *second;
};

static struct sbx_client_timeline *import(struct fixture *fixture, int i) {
	struct sbx_client_timeline *timeline = NULL;
	int fd = -1;
	assert_int_equal(sbx_timeline_export(fixture->own[i], &fd), 0);
	assert_int_equal(sbx_client_timeline_import(fixture->lab->sync, fixture->quota, &fd, 7, &timeline), 0);
	assert_int_equal(fd, -1);
	return timeline;
}

static int setup(void **state, int (*setup_sync)(void **state)) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	void *lab = NULL;
	if (setup_sync(&lab) < 0) {
		return -1;
	}
	fixture->lab = lab;
	fixture->display = wl_display_create();
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fixture->other_end = fds[0];
	struct wl_client *client = wl_client_create(fixture->display, fds[1]);
	sbx_quotas_init(&fixture->quotas, &(struct sbx_syncobj_limits){ .timelines = 3 });
	fixture->quota = sbx_quota_get(&fixture->quotas, client);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sbx_timeline_create(fixture->lab->sync, &fixture->own[i]), 0);
	}
	fixture->first = import(fixture, 0);
	fixture->again = import(fixture, 0);
	fixture->second = import(fixture, 1);
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
	sbx_client_timeline_unref(fixture->first);
	sbx_client_timeline_unref(fixture->again);
	sbx_client_timeline_unref(fixture->second);
	sbx_client_timeline_unref(NULL);
	sbx_timeline_destroy(fixture->own[0]);
	sbx_timeline_destroy(fixture->own[1]);
	sbx_quota_unref(fixture->quota);
	wl_display_destroy_clients(fixture->display);
	sbx_quotas_finish(&fixture->quotas);
	wl_display_destroy(fixture->display);
	sbx_fd_close(&fixture->other_end);
	*state = fixture->lab;
	free(fixture);
	return sync_lab_teardown(state);
}

static void signal_own(struct fixture *fixture, int i, uint64_t value) {
	struct sbx_point point = sbx_timeline_point(fixture->own[i], value);
	assert_int_equal(sbx_points_signal(fixture->lab->sync, &point, 1), 0);
}

/* Over the bound nothing is imported, and a timeline counts until its last reference is gone. */
static void test_bound(void **state) {
	struct fixture *fixture = *state;
	struct sbx_client_timeline *timeline = NULL;
	int fd = -1;
	assert_int_equal(sbx_timeline_export(fixture->own[0], &fd), 0);
	assert_int_equal(sbx_client_timeline_import(fixture->lab->sync, fixture->quota, &fd, 7, &timeline),
		-EDQUOT);
	assert_true(fd >= 0);
	sbx_client_timeline_ref(fixture->second);
	sbx_client_timeline_unref(fixture->second);
	assert_int_equal(fixture->quota->used[SBX_QUOTA_TIMELINES], 3);
	sbx_client_timeline_unref(fixture->second);
	assert_int_equal(sbx_client_timeline_import(fixture->lab->sync, fixture->quota, &fd, 7, &timeline), 0);
	fixture->second = timeline;
	sbx_fd_close(&fd);
}

static void test_same(void **state) {
	struct fixture *fixture = *state;
	assert_true(sbx_client_timeline_is_same(fixture->first, fixture->first, 1));
	// Nothing is there to be seen.
	assert_false(sbx_client_timeline_is_same(fixture->first, fixture->again, 3));
	signal_own(fixture, 0, 5);
	assert_true(sbx_client_timeline_is_same(fixture->first, fixture->again, 3));
	assert_false(sbx_client_timeline_is_same(fixture->first, fixture->again, 6));
	// The point is ours: that it is there proves nothing.
	fixture->again->released = 3;
	assert_false(sbx_client_timeline_is_same(fixture->first, fixture->again, 3));
}

static void test_two(void **state) {
	struct fixture *fixture = *state;
	signal_own(fixture, 0, 5);
	signal_own(fixture, 1, 4);
	uint64_t ioctls = sync_lab_ioctls();
	assert_false(sbx_client_timeline_is_same(fixture->first, fixture->second, 3));
	assert_int_equal(sync_lab_ioctls() - ioctls, 1);
	// Remembered, whatever they show later.
	signal_own(fixture, 1, 5);
	ioctls = sync_lab_ioctls();
	assert_false(sbx_client_timeline_is_same(fixture->first, fixture->second, 3));
	assert_int_equal(sync_lab_ioctls(), ioctls);
}

static void test_import_fails(void **state) {
	struct fixture *fixture = *state;
	sbx_client_timeline_unref(fixture->second);
	fixture->second = NULL;
	struct sbx_client_timeline *timeline = NULL;
	int fd = fixture->other_end;
	assert_true(sbx_client_timeline_import(fixture->lab->sync, fixture->quota, &fd, 7, &timeline) < 0);
	assert_int_equal(fd, fixture->other_end);
	assert_null(timeline);
	assert_int_equal(fixture->quota->used[SBX_QUOTA_TIMELINES], 2);
}

#define FAKE(name, function) { name, function, setup_fake, teardown, NULL }
#define LAB(name, function) { name, function, setup_lab, teardown, NULL }
#define CASES(KIND) \
	KIND("timeline: a bound", test_bound), \
	KIND("timeline: one syncobj twice", test_same), \
	KIND("timeline: two syncobjs", test_two), \
	KIND("timeline: not a syncobj", test_import_fails)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = { CASES(FAKE) };
	const struct CMUnitTest lab[] = { CASES(LAB) };
	return suite_run(argc, argv, "loan/timeline", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
