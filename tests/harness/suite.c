#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/suite.h"
#include "harness/vgem.h"
#include "trace/counter.h"

static int have_lab(void) {
	int drm_fd = drm_node_open();
	int vgem_fd = vgem_open();
	int have = drm_fd >= 0 && vgem_fd >= 0;
	if (drm_fd >= 0) {
		close(drm_fd);
	}
	if (vgem_fd >= 0) {
		close(vgem_fd);
	}
	return have;
}

int suite_run(int argc, char *argv[], const char *name, const struct CMUnitTest *host, size_t host_count,
		const struct CMUnitTest *lab, size_t lab_count) {
	if (argc > 1 && strcmp(argv[1], "lab") == 0) {
		if (!have_lab()) {
			fprintf(stderr, "skipped: needs a DRM device with syncobj timelines, and vgem\n");
			return getenv("SIGNALBOX_LAB") != NULL ? 1 : 77;
		}
		return _cmocka_run_group_tests(name, lab, lab_count, NULL, NULL);
	}
	return _cmocka_run_group_tests(name, host, host_count, NULL, NULL);
}

struct census census_take(void) {
	return (struct census){
		.fds = open_fds(),
		.counted_fds = sbx_counter_read(SBX_COUNT_FDS),
		.counted_handles = sbx_counter_read(SBX_COUNT_HANDLES),
	};
}

void census_check(const struct census *before) {
	struct census now = census_take();
	assert_int_equal(now.fds, before->fds);
	assert_int_equal(now.counted_fds, before->counted_fds);
	assert_int_equal(now.counted_handles, before->counted_handles);
}

void suite_each_call_fails(int error, int (*op)(void *data), void *data) {
	struct census before = census_take();
	for (unsigned n = 0; ; n++) {
		kernel_fake_fail(n, error);
		int ret = op(data);
		bool failed = kernel_fake_failed();
		census_check(&before);
		if (!failed) {
			assert_int_equal(ret, 0);
			assert_true(n > 0);
			return;
		}
		assert_true(n < 1000);
	}
}

int suite_kernel_setup(void **state) {
	kernel_fake_install();
	return 0;
}

int suite_kernel_teardown(void **state) {
	kernel_fake_remove();
	return 0;
}
