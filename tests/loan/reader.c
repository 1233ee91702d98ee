#include <errno.h>
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "loan/reader.h"

static void test_done(void **state) {
	int fd = -1;
	int fence = kernel_fake_fence_create(&fd);
	struct sbx_reader *reader = sbx_reader_create(NULL, 0, &fd);
	assert_int_equal(fd, -1);
	assert_false(sbx_reader_is_done(reader));
	kernel_fake_fence_signal(fence, 0);
	assert_true(sbx_reader_is_done(reader));
	assert_int_equal(reader->fd, -1);
	assert_true(sbx_reader_is_done(reader));
	sbx_reader_unref(reader);
	sbx_reader_unref(NULL);
}

static void test_done_from_the_start(void **state) {
	int fd = -1;
	struct sbx_reader *reader = sbx_reader_create(NULL, 0, &fd);
	assert_true(sbx_reader_is_done(reader));
	sbx_reader_unref(reader);
}

static void test_failed(void **state) {
	int fd = -1;
	int fence = kernel_fake_fence_create(&fd);
	struct sbx_reader *reader = sbx_reader_create(NULL, 0, &fd);
	kernel_fake_fence_signal(fence, -EIO);
	assert_true(sbx_reader_is_done(reader));
	sbx_reader_unref(reader);
}

static void test_open(void **state) {
	struct sbx_reader *reader = sbx_reader_create_open(NULL, 0);
	assert_false(sbx_reader_is_done(reader));
	sbx_reader_close(reader);
	assert_true(sbx_reader_is_done(reader));
	sbx_reader_unref(reader);
}

static void test_shared(void **state) {
	int fd = -1;
	kernel_fake_fence_create(&fd);
	struct sbx_reader *reader = sbx_reader_create(NULL, 0, &fd);
	assert_ptr_equal(sbx_reader_ref(reader), reader);
	sbx_reader_unref(reader);
	assert_true(reader->fd >= 0);
	sbx_reader_unref(reader);
}

static void test_covered(void **state) {
	static const char queues[2];
	const struct sbx_reader first = { .queue = &queues[0], .value = 1 };
	const struct sbx_reader second = { .queue = &queues[0], .value = 2 };
	const struct sbx_reader other = { .queue = &queues[1], .value = 3 };
	const struct sbx_reader none = { .value = 4 };
	assert_true(sbx_reader_is_covered(&first, &second));
	assert_true(sbx_reader_is_covered(&first, &first));
	assert_false(sbx_reader_is_covered(&second, &first));
	assert_false(sbx_reader_is_covered(&first, &other));
	assert_false(sbx_reader_is_covered(&none, &none));
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		SYNC_FAKE("reader: done when its fence is", test_done),
		SYNC_FAKE("reader: done from the start", test_done_from_the_start),
		SYNC_FAKE("reader: a failed fence is done", test_failed),
		SYNC_FAKE("reader: open until it is closed", test_open),
		SYNC_FAKE("reader: shared", test_shared),
		SYNC_FAKE("reader: the later stands for the earlier", test_covered),
	};
	return suite_run(argc, argv, "loan/reader", host, SUITE_COUNT(host), NULL, 0);
}
