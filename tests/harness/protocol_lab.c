#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "sync/fd.h"
#include "trace/log.h"

static unsigned bugs;

static void note_line(enum sbx_log_level level, const char *format, va_list args) {
	char line[512];
	vsnprintf(line, sizeof(line), format, args);
	bugs += strstr(line, "signalbox bug") != NULL;
	if (getenv("TEST_VERBOSE") != NULL || strstr(line, "signalbox bug") != NULL) {
		fprintf(stderr, "%s\n", line);
	}
}

static int setup(void **state, int (*setup_sync)(void **state)) {
	struct protocol_lab *lab = calloc(1, sizeof(*lab));
	bugs = 0;
	sbx_log_init(SBX_LOG_DEBUG, note_line);
	void *sync = NULL;
	if (setup_sync(&sync) < 0) {
		return -1;
	}
	lab->sync = sync;
	struct sbx_syncobj_options options = { .keep_fd_limit = true };
	lab->compositor = test_compositor_create(sbx_sync_get_drm_fd(lab->sync->sync), &options);
	assert_non_null(lab->compositor->manager);
	lab->client = test_client_create(lab->compositor, lab->sync->sync);
	lab->census = census_take();
	*state = lab;
	return 0;
}

int protocol_lab_setup(void **state) {
	return setup(state, sync_lab_setup);
}

int protocol_lab_setup_fake(void **state) {
	return setup(state, sync_lab_setup_fake);
}

struct sbx_syncobj_stats protocol_lab_stats(struct protocol_lab *lab) {
	struct sbx_syncobj_stats stats;
	sbx_syncobj_manager_get_stats(lab->compositor->manager, &stats);
	return stats;
}

static bool is_quiet(void *data) {
	struct sbx_syncobj_stats stats = protocol_lab_stats(data);
	return stats.loans == 0 && stats.held_commits == 0;
}

void protocol_lab_check(struct protocol_lab *lab) {
	if (lab->client->peer != NULL) {
		test_client_roundtrip(lab->client);
	}
	assert_true(test_pump_until(lab->compositor, is_quiet, lab));
	assert_int_equal(bugs, 0);
}

int protocol_lab_teardown(void **state) {
	struct protocol_lab *lab = *state;
	kernel_fake_failed();
	kernel_fake.broken_request = 0;
	kernel_fake.eventfd_error = 0;
	test_client_destroy(lab->client);
	assert_true(test_pump_until(lab->compositor, is_quiet, lab));
	test_compositor_destroy(lab->compositor);
	assert_int_equal(bugs, 0);
	struct sync_lab *sync = lab->sync;
	free(lab);
	*state = sync;
	int ret = sync_lab_teardown(state);
	sbx_log_init(SBX_LOG_INFO, NULL);
	return ret;
}

void test_fence_create(struct protocol_lab *lab, struct test_fence *fence) {
	*fence = (struct test_fence){ .fake = -1, .sync_file = -1 };
	if (lab->sync->vgem_fd >= 0) {
		assert_int_equal(vgem_fence_create(lab->sync->vgem_fd, &fence->vgem, &fence->sync_file), 0);
	} else {
		fence->fake = kernel_fake_fence_create(&fence->sync_file);
	}
}

void test_fence_pend(struct protocol_lab *lab, struct test_window *window, uint64_t value,
		struct test_fence *fence) {
	test_fence_create(lab, fence);
	kernel_fake.paused = true;
	assert_int_equal(sbx_point_import_sync_file(lab->sync->sync, test_point(&window->acquire, value),
		fence->sync_file), 0);
	kernel_fake.paused = false;
	sbx_fd_close(&fence->sync_file);
}

void test_fence_signal(struct protocol_lab *lab, struct test_fence *fence, int error) {
	if (lab->sync->vgem_fd >= 0) {
		assert_int_equal(error, 0);
		assert_int_equal(vgem_fence_signal(&fence->vgem), 0);
	} else {
		kernel_fake_fence_signal(fence->fake, error);
	}
	test_pump(lab->compositor);
}
