#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/suite.h"
#include "sync/kernel.h"

static int null_open(void) {
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void test_errno(void **state) {
	int fd = null_open();
	struct drm_get_cap cap = {0};
	assert_int_equal(sbx_kernel_ioctl(SBX_COUNT_IOCTL_OTHER, fd, DRM_IOCTL_GET_CAP, &cap), -ENOTTY);
	assert_int_equal(sbx_kernel_ioctl(SBX_COUNT_IOCTL_OTHER, -1, DRM_IOCTL_GET_CAP, &cap), -EBADF);
	assert_int_equal(sbx_kernel_dup(-1), -EBADF);
	close(fd);
}

static void test_counts(void **state) {
	uint64_t before = sbx_counter_read(SBX_COUNT_IOCTL_SYNC_FILE_INFO);
	uint64_t sum = sbx_counter_ioctls();
	struct sync_file_info info = {0};
	sbx_kernel_ioctl(SBX_COUNT_IOCTL_SYNC_FILE_INFO, -1, SYNC_IOC_FILE_INFO, &info);
	assert_int_equal(sbx_counter_read(SBX_COUNT_IOCTL_SYNC_FILE_INFO), before + 1);
	assert_int_equal(sbx_counter_ioctls(), sum + 1);
}

static void test_interrupted(void **state) {
	uint64_t before = sbx_counter_read(SBX_COUNT_IOCTL_OTHER);
	struct drm_get_cap cap = {0};
	kernel_fake_fail(0, -EINTR);
	assert_int_equal(sbx_kernel_ioctl(SBX_COUNT_IOCTL_OTHER, -1, DRM_IOCTL_GET_CAP, &cap), -EBADF);
	assert_true(kernel_fake_failed());
	assert_int_equal(sbx_counter_read(SBX_COUNT_IOCTL_OTHER), before + 2);
}

static void test_eventfd(void **state) {
	int fd = sbx_kernel_eventfd();
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	uint64_t value = 0;
	assert_int_equal(sbx_kernel_eventfd_read(fd, &value), -EAGAIN);
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	assert_int_equal(sbx_kernel_poll(&entry, 1, 1000), 0);
	value = 3;
	assert_int_equal(write(fd, &value, sizeof(value)), sizeof(value));
	assert_int_equal(sbx_kernel_poll(&entry, 1, 0), 1);
	assert_int_equal(sbx_kernel_eventfd_read(fd, &value), 0);
	assert_int_equal(value, 3);
	sbx_kernel_close(fd);
}

static void test_clock(void **state) {
	int64_t now_ns = sbx_kernel_now_ns();
	assert_true(now_ns > 0);
	assert_true(sbx_kernel_now_ns() >= now_ns);
}

static void test_fake_fails_once(void **state) {
	kernel_fake_fail(1, -EMFILE);
	int first = sbx_kernel_eventfd();
	assert_true(first >= 0);
	assert_int_equal(sbx_kernel_eventfd(), -EMFILE);
	int third = sbx_kernel_eventfd();
	assert_true(third >= 0);
	assert_true(kernel_fake_failed());
	assert_int_equal(kernel_fake.calls, 3);
	kernel_fake_fail(7, -EMFILE);
	assert_false(kernel_fake_failed());
	sbx_kernel_close(first);
	sbx_kernel_close(third);
}

static void test_fake_breaks_a_kind(void **state) {
	kernel_fake.broken_request = SYNC_IOC_MERGE;
	kernel_fake.broken_error = -ENOSPC;
	struct sync_merge_data merge = {0};
	struct sync_file_info info = {0};
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sbx_kernel_ioctl(SBX_COUNT_IOCTL_SYNC_FILE_MERGE, -1, SYNC_IOC_MERGE,
			&merge), -ENOSPC);
	}
	assert_int_equal(sbx_kernel_ioctl(SBX_COUNT_IOCTL_SYNC_FILE_INFO, -1, SYNC_IOC_FILE_INFO,
		&info), -EBADF);
	kernel_fake.eventfd_error = -EMFILE;
	assert_int_equal(sbx_kernel_eventfd(), -EMFILE);
}

static void test_table_comes_back(void **state) {
	static const struct sbx_kernel none = {0};
	const struct sbx_kernel *fake = sbx_kernel_use(&none);
	assert_ptr_equal(sbx_kernel_use(NULL), &none);
	assert_ptr_equal(sbx_kernel_use(fake), &sbx_kernel_real);
}

#define FAKED(name, function) { name, function, suite_kernel_setup, suite_kernel_teardown, NULL }

static const struct CMUnitTest host[] = {
	{ "kernel: errors are negative errnos", test_errno, NULL, NULL, NULL },
	{ "kernel: counts every ioctl", test_counts, NULL, NULL, NULL },
	{ "kernel: eventfds", test_eventfd, NULL, NULL, NULL },
	{ "kernel: clock", test_clock, NULL, NULL, NULL },
	FAKED("kernel: repeats what a signal interrupts", test_interrupted),
	FAKED("kernel_fake: the n-th call fails once", test_fake_fails_once),
	FAKED("kernel_fake: one kind of call always fails", test_fake_breaks_a_kind),
	FAKED("kernel: the table can be replaced and comes back", test_table_comes_back),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "sync/kernel", host, SUITE_COUNT(host), NULL, 0);
}
