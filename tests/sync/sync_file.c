#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <stdlib.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/suite.h"
#include "harness/vgem.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"

static void test_merge_nothing(void **state) {
	int dst = -1, src = -1;
	assert_int_equal(sbx_fence_merge(&dst, &src), 0);
	assert_int_equal(dst, -1);
	assert_int_equal(src, -1);
	assert_int_equal(kernel_fake.calls, 0);
}

static void test_merge_one_side(void **state) {
	int fd = open("/dev/null", O_RDONLY), number = fd;
	int dst = fd, src = -1;
	assert_int_equal(sbx_fence_merge(&dst, &src), 0);
	assert_int_equal(dst, number);
	dst = -1;
	src = fd;
	assert_int_equal(sbx_fence_merge(&dst, &src), 0);
	assert_int_equal(dst, number);
	assert_int_equal(src, -1);
	assert_int_equal(sbx_fence_merge(&dst, &dst), -EINVAL);
	assert_int_equal(kernel_fake.calls, 0);
	sbx_fd_close(&dst);
}

static void test_merge_not_a_fence(void **state) {
	int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
	int dst = a, src = b;
	assert_int_equal(sbx_fence_merge(&dst, &src), -ENOTTY);
	assert_int_equal(dst, a);
	assert_int_equal(src, b);
	sbx_fd_close(&a);
	sbx_fd_close(&b);
}

static void test_nothing_is_signalled(void **state) {
	int error = 7;
	assert_int_equal(sbx_fence_status(-1, &error), 1);
	assert_int_equal(error, 0);
	struct sbx_fence_info info;
	assert_int_equal(sbx_fence_info(-1, &info), 0);
	assert_int_equal(info.status, 1);
	assert_int_equal(sbx_fence_set_deadline(-1, 1), 0);
	assert_int_equal(sbx_fence_wait(-1, 0), 0);
	assert_int_equal(kernel_fake.calls, 0);
}

static void test_not_a_fence(void **state) {
	int fd = open("/dev/null", O_RDONLY);
	int error = 7;
	assert_int_equal(sbx_fence_status(fd, &error), -ENOTTY);
	assert_int_equal(error, 0);
	assert_int_equal(sbx_fence_set_deadline(fd, 1), -ENOTSUP);
	assert_int_equal(sbx_fence_wait(fd, -1), -EINVAL);
	assert_int_equal(sbx_fence_wait(1000000, 0), -EBADF);
	sbx_fd_close(&fd);
}

static void test_wait_interrupted(void **state) {
	int fd = sbx_kernel_eventfd();
	kernel_fake.now_ns = 1000;
	kernel_fake_fail(0, -EINTR);
	assert_int_equal(sbx_fence_wait(fd, 1000000), -ETIME);
	assert_true(kernel_fake_failed());
	sbx_fd_close(&fd);
}

struct lab {
	int vgem_fd;
	struct vgem_fence fences[40];
	int fds[40];
};

static int lab_setup(void **state) {
	struct lab *lab = calloc(1, sizeof(*lab));
	lab->vgem_fd = vgem_open();
	for (int i = 0; i < 40; i++) {
		lab->fds[i] = -1;
	}
	kernel_fake_install();
	*state = lab;
	return 0;
}

static int lab_teardown(void **state) {
	struct lab *lab = *state;
	kernel_fake_remove();
	for (int i = 0; i < 40; i++) {
		sbx_fd_close(&lab->fds[i]);
	}
	close(lab->vgem_fd);
	free(lab);
	return 0;
}

static void create(struct lab *lab, int n) {
	for (int i = 0; i < n; i++) {
		assert_int_equal(vgem_fence_create(lab->vgem_fd, &lab->fences[i], &lab->fds[i]), 0);
	}
}

static void test_status(void **state) {
	struct lab *lab = *state;
	create(lab, 1);
	struct sbx_fence_info info;
	assert_int_equal(sbx_fence_info(lab->fds[0], &info), 0);
	assert_int_equal(info.status, 0);
	assert_int_equal(info.timestamp_ns, 0);
	assert_int_equal(sbx_fence_wait(lab->fds[0], 0), -ETIME);
	assert_int_equal(sbx_fence_wait(lab->fds[0], 2000000), -ETIME);
	int64_t before_ns = sbx_kernel_now_ns();
	vgem_fence_signal(&lab->fences[0]);
	int64_t after_ns = sbx_kernel_now_ns();
	assert_int_equal(sbx_fence_wait(lab->fds[0], 0), 0);
	assert_int_equal(sbx_fence_info(lab->fds[0], &info), 0);
	assert_int_equal(info.status, 1);
	assert_int_equal(info.error, 0);
	assert_true(info.timestamp_ns >= (uint64_t)before_ns);
	assert_true(info.timestamp_ns <= (uint64_t)after_ns);
	int error = 7;
	assert_int_equal(sbx_fence_status(lab->fds[0], &error), 1);
	assert_int_equal(error, 0);
}

static void test_merge(void **state) {
	struct lab *lab = *state;
	create(lab, 2);
	struct census before = census_take();
	assert_int_equal(sbx_fence_merge(&lab->fds[0], &lab->fds[1]), 0);
	assert_int_equal(lab->fds[1], -1);
	assert_int_equal(open_fds(), before.fds - 1);
	vgem_fence_signal(&lab->fences[1]);
	assert_int_equal(sbx_fence_status(lab->fds[0], NULL), 0);
	vgem_fence_signal(&lab->fences[0]);
	assert_int_equal(sbx_fence_status(lab->fds[0], NULL), 1);
}

static int op_merge(void *data) {
	struct lab *lab = data;
	create(lab, 2);
	int dst = lab->fds[0], src = lab->fds[1];
	int ret = sbx_fence_merge(&lab->fds[0], &lab->fds[1]);
	if (ret < 0) {
		assert_int_equal(ret, -EMFILE);
		assert_int_equal(lab->fds[0], dst);
		assert_int_equal(lab->fds[1], src);
		vgem_fence_signal(&lab->fences[0]);
		assert_int_equal(sbx_fence_status(dst, NULL), 1);
		assert_int_equal(sbx_fence_status(src, NULL), 0);
	}
	vgem_fence_signal(&lab->fences[1]);
	sbx_fd_close(&lab->fds[0]);
	sbx_fd_close(&lab->fds[1]);
	return ret;
}

static void test_merge_fails(void **state) {
	suite_each_call_fails(-EMFILE, op_merge, *state);
}

/* More fences in one sync_file than a first question has room for. */
static void test_many(void **state) {
	struct lab *lab = *state;
	create(lab, 40);
	for (int i = 1; i < 40; i++) {
		assert_int_equal(sbx_fence_merge(&lab->fds[0], &lab->fds[i]), 0);
	}
	for (int i = 0; i < 40; i++) {
		assert_int_equal(sbx_fence_status(lab->fds[0], NULL), 0);
		vgem_fence_signal(&lab->fences[i]);
	}
	assert_int_equal(sbx_fence_status(lab->fds[0], NULL), 1);
}

static int op_status_of_many(void *data) {
	struct lab *lab = data;
	int error = 7;
	int ret = sbx_fence_status(lab->fds[0], &error);
	assert_true(ret == 0 || ret == -ENOMEM);
	assert_int_equal(error, 0);
	return ret;
}

static void test_many_fails(void **state) {
	struct lab *lab = *state;
	create(lab, 20);
	for (int i = 1; i < 20; i++) {
		assert_int_equal(sbx_fence_merge(&lab->fds[0], &lab->fds[i]), 0);
	}
	suite_each_call_fails(-ENOMEM, op_status_of_many, lab);
}

static void test_failed_fence(void **state) {
	struct lab *lab = *state;
	create(lab, 2);
	assert_int_equal(sbx_fence_merge(&lab->fds[0], &lab->fds[1]), 0);
	kernel_fake.fence_error = -EIO;
	int error = 7;
	assert_int_equal(sbx_fence_status(lab->fds[0], &error), 0);
	assert_int_equal(error, 0);
	vgem_fence_signal(&lab->fences[0]);
	assert_int_equal(sbx_fence_status(lab->fds[0], &error), 1);
	assert_int_equal(error, -EIO);
	struct sbx_fence_info info;
	assert_int_equal(sbx_fence_info(lab->fds[0], &info), 0);
	assert_int_equal(info.status, 1);
	assert_int_equal(info.error, -EIO);
	// "The question failed" is something else.
	kernel_fake.broken_request = SYNC_IOC_FILE_INFO;
	kernel_fake.broken_error = -ENOMEM;
	assert_int_equal(sbx_fence_status(lab->fds[0], &error), -ENOMEM);
	assert_int_equal(error, 0);
}

static void test_device_closed(void **state) {
	struct lab *lab = *state;
	create(lab, 1);
	close(lab->vgem_fd);
	lab->vgem_fd = vgem_open();
	assert_int_equal(sbx_fence_wait(lab->fds[0], 1000000000), 0);
	assert_int_equal(sbx_fence_status(lab->fds[0], NULL), 1);
}

static void test_deadline(void **state) {
	struct lab *lab = *state;
	create(lab, 1);
	assert_int_equal(sbx_fence_set_deadline(lab->fds[0], sbx_kernel_now_ns() + 1000000), 0);
	kernel_fake.broken_request = SYNC_IOC_SET_DEADLINE;
	kernel_fake.broken_error = -ENOTTY;
	assert_int_equal(sbx_fence_set_deadline(lab->fds[0], 1), -ENOTSUP);
}

#define FAKED(name, function) { name, function, suite_kernel_setup, suite_kernel_teardown, NULL }
#define LAB(name, function) { name, function, lab_setup, lab_teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKED("sync_file: merge of nothing with nothing", test_merge_nothing),
	FAKED("sync_file: merge with nothing needs no ioctl", test_merge_one_side),
	FAKED("sync_file: merge of other files keeps both", test_merge_not_a_fence),
	FAKED("sync_file: -1 has signalled", test_nothing_is_signalled),
	FAKED("sync_file: other files are refused", test_not_a_fence),
	FAKED("sync_file: an interrupted wait keeps its bound", test_wait_interrupted),
};

static const struct CMUnitTest lab[] = {
	LAB("sync_file: status, wait and timestamp", test_status),
	LAB("sync_file: merge waits for both", test_merge),
	LAB("sync_file: merge that fails keeps both", test_merge_fails),
	LAB("sync_file: forty fences in one", test_many),
	LAB("sync_file: forty fences, the question fails", test_many_fails),
	LAB("sync_file: a fence that failed", test_failed_fence),
	LAB("sync_file: the device is closed", test_device_closed),
	LAB("sync_file: deadline hint", test_deadline),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "sync/sync_file", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
