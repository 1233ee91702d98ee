#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include "harness/suite.h"
#include "loan/quota.h"
#include "sync/fd.h"

struct fixture {
	struct wl_display *display;
	struct wl_client *client;
	struct sbx_quotas quotas;
	int other_end;
};

static int setup(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	fixture->display = wl_display_create();
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fixture->other_end = fds[0];
	fixture->client = wl_client_create(fixture->display, fds[1]);
	sbx_quotas_init(&fixture->quotas, &(struct sbx_syncobj_limits){ .timelines = 100, .points = 8 });
	*state = fixture;
	return 0;
}

static int teardown(void **state) {
	struct fixture *fixture = *state;
	wl_display_destroy_clients(fixture->display);
	sbx_quotas_finish(&fixture->quotas);
	wl_display_destroy(fixture->display);
	sbx_fd_close(&fixture->other_end);
	free(fixture);
	return 0;
}

static void test_bound(void **state) {
	struct fixture *fixture = *state;
	struct sbx_quota *quota = sbx_quota_get(&fixture->quotas, fixture->client);
	assert_int_equal(sbx_quota_limit(quota, SBX_QUOTA_HELD_COMMITS), SBX_SYNCOBJ_DEFAULT_HELD_COMMITS);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(sbx_quota_take(quota, SBX_QUOTA_TIMELINES), 0);
	}
	assert_int_equal(sbx_quota_take(quota, SBX_QUOTA_TIMELINES), -EDQUOT);
	assert_int_equal(quota->used[SBX_QUOTA_TIMELINES], 100);
	assert_int_equal(sbx_quota_take(quota, SBX_QUOTA_POINTS), 0);
	sbx_quota_give(quota, SBX_QUOTA_TIMELINES);
	assert_int_equal(sbx_quota_take(quota, SBX_QUOTA_TIMELINES), 0);
	sbx_quota_unref(quota);
}

/* What it holds outlives the client, and so does the count. */
static void test_outlives_client(void **state) {
	struct fixture *fixture = *state;
	struct sbx_quota *quota = sbx_quota_get(&fixture->quotas, fixture->client);
	assert_ptr_equal(sbx_quota_get(&fixture->quotas, fixture->client), quota);
	assert_false(quota->leaving);
	wl_client_destroy(fixture->client);
	assert_true(quota->leaving);
	assert_null(quota->client);
	assert_int_equal(sbx_quota_take(quota, SBX_QUOTA_POINTS), 0);
	sbx_quota_unref(quota);
	sbx_quota_unref(quota);
	assert_true(wl_list_empty(&fixture->quotas.clients));
}

static void test_pressure(void **state) {
	struct fixture *fixture = *state;
	struct sbx_quota *quota = sbx_quota_get(&fixture->quotas, fixture->client);
	struct rlimit before, limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	int fds[64], count = 0;
	sbx_quotas_feel_pressure(&fixture->quotas, 0);
	assert_int_equal(sbx_quota_limit(quota, SBX_QUOTA_TIMELINES), 100);
	while (count < 64 && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
		int fd = fds[count++];
		sbx_quotas_feel_pressure(&fixture->quotas, 0);
		uint32_t expected = fd + 1 > 56 ? 6 : fd + 1 > 48 ? 25 : 100;
		assert_int_equal(sbx_quota_limit(quota, SBX_QUOTA_TIMELINES), expected);
	}
	// Never so low that nothing goes.
	assert_int_equal(sbx_quota_limit(quota, SBX_QUOTA_POINTS), 4);
	while (count > 0) {
		close(fds[--count]);
	}
	sbx_quotas_feel_pressure(&fixture->quotas, 0);
	assert_int_equal(sbx_quota_limit(quota, SBX_QUOTA_TIMELINES), 100);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	sbx_quota_unref(quota);
}

static void test_raise(void **state) {
	struct rlimit before, limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = before.rlim_max < 100 ? before.rlim_max : 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	sbx_quota_raise_fd_limit();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, limit.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#define QUOTA(name, function) { name, function, setup, teardown, NULL }

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		QUOTA("quota: a bound", test_bound),
		QUOTA("quota: outlives its client", test_outlives_client),
		QUOTA("quota: fd pressure", test_pressure),
		cmocka_unit_test(test_raise),
	};
	return suite_run(argc, argv, "loan/quota", host, SUITE_COUNT(host), NULL, 0);
}
