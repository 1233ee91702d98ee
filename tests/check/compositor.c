#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check/compositor.h"
#include "harness/suite.h"

static void test_growth(void **state) {
	struct usage before, after;
	char growth[200];
	assert_true(compositor_usage(getpid(), &before));
	int sockets[2], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	assert_true(compositor_usage(getpid(), &after));
	assert_int_equal(after.fds, before.fds + 3);
	usage_tell_growth(&before, &after, growth, sizeof(growth));
	assert_non_null(strstr(growth, "2 socket"));
	assert_non_null(strstr(growth, "1 /dev/null"));
	close(file);
	close(sockets[0]);
	close(sockets[1]);
	assert_true(compositor_usage(getpid(), &after));
	usage_tell_growth(&before, &after, growth, sizeof(growth));
	assert_string_equal(growth, "nothing");
}

static void test_memory(void **state) {
	struct usage before, after;
	size_t size = 16 << 20;
	assert_true(compositor_usage(getpid(), &before));
	char *volatile memory = malloc(size);
	memset(memory, 1, size);
	assert_true(compositor_usage(getpid(), &after));
	assert_true(after.memory_kb >= before.memory_kb + (size >> 11));
	free(memory);
}

static void test_nobody(void **state) {
	struct usage usage;
	assert_false(compositor_usage(0, &usage));
}

static const struct CMUnitTest host[] = {
	{ "compositor: more fds are seen, and what they are", test_growth, NULL, NULL, NULL },
	{ "compositor: more memory is seen", test_memory, NULL, NULL, NULL },
	{ "compositor: a process that is not there", test_nobody, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "check/compositor", host, SUITE_COUNT(host), NULL, 0);
}
