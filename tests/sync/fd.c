#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/suite.h"
#include "sync/fd.h"

static void test_steal(void **state) {
	int fd = 42;
	assert_int_equal(sbx_fd_steal(&fd), 42);
	assert_int_equal(fd, -1);
	assert_int_equal(sbx_fd_steal(&fd), -1);
}

static void test_close(void **state) {
	int fd = open("/dev/null", O_RDONLY);
	int number = fd;
	errno = ERANGE;
	sbx_fd_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	sbx_fd_close(&fd);
	assert_int_equal(fd, -1);
}

static void test_dup(void **state) {
	int fd = open("/dev/null", O_RDONLY);
	int copy = 1000;
	assert_int_equal(sbx_fd_dup(fd, &copy), 0);
	assert_true(copy >= 0 && copy != fd);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	sbx_fd_close(&copy);
	sbx_fd_close(&fd);
}

static void test_dup_nothing(void **state) {
	int copy = 1000;
	assert_int_equal(sbx_fd_dup(-1, &copy), 0);
	assert_int_equal(copy, -1);
}

static void test_same(void **state) {
	int fd = open("/dev/null", O_RDONLY), other = open("/dev/null", O_RDONLY), copy = -1;
	assert_int_equal(sbx_fd_dup(fd, &copy), 0);
	assert_true(sbx_fd_is_same(fd, copy));
	assert_false(sbx_fd_is_same(fd, other));
	assert_false(sbx_fd_is_same(fd, -1));
	sbx_fd_close(&fd);
	sbx_fd_close(&copy);
	sbx_fd_close(&other);
}

static int op_dup(void *data) {
	int copy = 1000;
	int ret = sbx_fd_dup(*(int *)data, &copy);
	assert_int_equal(ret < 0, copy == -1);
	sbx_fd_close(&copy);
	return ret;
}

static void test_dup_fails(void **state) {
	int fd = open("/dev/null", O_RDONLY);
	suite_each_call_fails(-EMFILE, op_dup, &fd);
	sbx_fd_close(&fd);
	int copy;
	assert_int_equal(sbx_fd_dup(1000000, &copy), -EBADF);
	assert_int_equal(copy, -1);
}

static const struct CMUnitTest host[] = {
	{ "fd: steal leaves -1", test_steal, NULL, NULL, NULL },
	{ "fd: close leaves -1 and keeps errno", test_close, NULL, NULL, NULL },
	{ "fd: dup", test_dup, NULL, NULL, NULL },
	{ "fd: dup of -1 is -1", test_dup_nothing, NULL, NULL, NULL },
	{ "fd: the same file or another", test_same, NULL, NULL, NULL },
{ "fd: dup fails", test_dup_fails, suite_kernel_setup, suite_kernel_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "sync/fd", host, SUITE_COUNT(host), NULL, 0);
}
