#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "harness/peer.h"
#include "harness/vgem.h"
#include "harness/vulkan.h"
#include "harness/vulkan_fault.h"
#include "render/batch.h"
#include "render/semaphore.h"
#include "sync/sync_file.h"

#define SECOND 1000000000ull
#define MILLISECOND 1000000ull
#define AS_SYNC_FD (1u << SBX_SEMAPHORE_SYNC_FD)
#define AS_OPAQUE_FD (1u << SBX_SEMAPHORE_OPAQUE_FD)

/* What a submission does to semaphores; each may be NULL. */
struct submission {
	struct sbx_semaphore *wait, *signal;
	uint64_t wait_value, signal_value;
};

static uint64_t submit(struct sbx_device *device, struct submission submission) {
	struct sbx_batch *batch = sbx_batch_begin(device);
	uint64_t value = 0;
	assert_non_null(batch);
	if (submission.wait != NULL) {
		assert_int_equal(sbx_batch_wait_semaphore(batch, submission.wait,
			submission.wait_value), 0);
	}
	if (submission.signal != NULL) {
		assert_int_equal(sbx_batch_signal_semaphore(batch, submission.signal,
			submission.signal_value), 0);
	}
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	return value;
}

static void expect_done(struct sbx_device *device, uint64_t value) {
	assert_int_equal(sbx_device_wait(device, value, 10 * SECOND), 0);
}

static void expect_pending(struct sbx_device *device, uint64_t value) {
	assert_int_equal(sbx_device_wait(device, value, 100 * MILLISECOND), -ETIME);
}

static struct sbx_semaphore *create(struct sbx_device *device, enum sbx_semaphore_type type,
		uint32_t exportable, uint64_t initial_value) {
	struct sbx_semaphore *semaphore = NULL;
	assert_int_equal(sbx_semaphore_create(device, type, exportable, initial_value, &semaphore), 0);
	return semaphore;
}

static struct sbx_semaphore *binary(struct sbx_device *device, uint32_t exportable) {
	return create(device, SBX_SEMAPHORE_BINARY, exportable, 0);
}

static void test_create(void **state) {
	struct sbx_device *device = *state;
	struct sbx_semaphore *semaphore = NULL;
	assert_int_equal(sbx_semaphore_create(device, SBX_SEMAPHORE_TIMELINE, AS_SYNC_FD, 0,
		&semaphore), -EINVAL);
	assert_int_equal(sbx_semaphore_create(device, SBX_SEMAPHORE_BINARY, 1u << 5, 0, &semaphore),
		-EINVAL);
	assert_null(semaphore);
	sbx_semaphore_destroy(binary(device, 0));
	sbx_semaphore_destroy(NULL);
	device->lost = true;
	assert_int_equal(sbx_semaphore_create(device, SBX_SEMAPHORE_BINARY, 0, 0, &semaphore), -ENODEV);
	device->lost = false;
}

/* What Vulkan would leave undefined or hang on is refused. */
static void test_binary_rules(void **state) {
	struct sbx_device *device = *state;
	struct sbx_semaphore *semaphore = binary(device, 0);
	struct sbx_batch *batch = sbx_batch_begin(device);
	assert_int_equal(sbx_batch_wait_semaphore(batch, semaphore, 0), -EINVAL);
	assert_int_equal(sbx_batch_signal_semaphore(batch, semaphore, 0), 0);
	assert_int_equal(sbx_batch_signal_semaphore(batch, semaphore, 0), -EINVAL);
	assert_int_equal(sbx_batch_wait_semaphore(batch, semaphore, 0), -EINVAL);
	assert_int_equal(sbx_batch_submit(batch, NULL, NULL), 0);
	batch = sbx_batch_begin(device);
	assert_int_equal(sbx_batch_signal_semaphore(batch, semaphore, 0), -EINVAL);
	assert_int_equal(sbx_batch_wait_semaphore(batch, semaphore, 0), 0);
	assert_int_equal(sbx_batch_wait_semaphore(batch, semaphore, 0), -EINVAL);
	assert_int_equal(sbx_batch_signal_semaphore(batch, semaphore, 0), 0);
	uint64_t value = 0;
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	assert_true(semaphore->pending);
	value = submit(device, (struct submission){ .wait = semaphore });
	assert_false(semaphore->pending);
	// a batch that is cancelled neither signals nor waits
	batch = sbx_batch_begin(device);
	assert_int_equal(sbx_batch_signal_semaphore(batch, semaphore, 0), 0);
	sbx_batch_cancel(batch);
	assert_false(semaphore->pending);
	uint64_t number;
	assert_int_equal(sbx_semaphore_get_value(semaphore, &number), -EINVAL);
	assert_int_equal(sbx_semaphore_signal(semaphore, 1), -EINVAL);
	assert_int_equal(sbx_semaphore_wait(semaphore, 1, 0), -EINVAL);
	sbx_semaphore_destroy(semaphore);
	expect_done(device, value);
}

static void test_timeline(void **state) {
	struct sbx_device *device = *state;
	struct sbx_semaphore *timeline = create(device, SBX_SEMAPHORE_TIMELINE, 0, 5);
	uint64_t value = 0;
	assert_int_equal(sbx_semaphore_get_value(timeline, &value), 0);
	assert_int_equal(value, 5);
	assert_int_equal(sbx_semaphore_wait(timeline, 5, 0), 0);
	assert_int_equal(sbx_semaphore_wait(timeline, 6, MILLISECOND), -ETIME);
	assert_int_equal(sbx_semaphore_signal(timeline, 5), -EINVAL);
	assert_int_equal(sbx_semaphore_signal(timeline, 4), -EINVAL);
	assert_int_equal(sbx_semaphore_signal(timeline, 6), 0);
	// a batch may wait before anybody has promised to signal
	uint64_t sent = submit(device, (struct submission){
		.wait = timeline, .wait_value = 7, .signal = timeline, .signal_value = 9,
	});
	expect_pending(device, sent);
	assert_int_equal(sbx_semaphore_signal(timeline, 7), 0);
	assert_int_equal(sbx_semaphore_wait(timeline, 9, 10 * SECOND), 0);
	assert_int_equal(sbx_semaphore_get_value(timeline, &value), 0);
	assert_int_equal(value, 9);
	expect_done(device, sent);
	sbx_semaphore_destroy(timeline);
}

/* The GPU still waits for it. */
static void test_destroy_in_use(void **state) {
	struct sbx_device *device = *state;
	struct sbx_semaphore *timeline = create(device, SBX_SEMAPHORE_TIMELINE, 0, 0);
	struct sbx_semaphore *other = create(device, SBX_SEMAPHORE_TIMELINE, 0, 0);
	uint64_t sent = submit(device, (struct submission){
		.wait = timeline, .wait_value = 1, .signal = other, .signal_value = 1,
	});
	sbx_semaphore_destroy(other);
	assert_int_equal(sbx_semaphore_signal(timeline, 1), 0);
	sbx_semaphore_destroy(timeline);
	expect_done(device, sent);
}

/* SYNC_FD */

static bool has_sync_fd(struct sbx_device *device) {
	if (device->caps.sync_fd.import && device->caps.sync_fd.export) {
		return true;
	}
	struct sbx_semaphore *semaphore = NULL;
	int fd = -1;
	assert_false(in_lab());
	assert_int_equal(sbx_semaphore_create(device, SBX_SEMAPHORE_BINARY, AS_SYNC_FD, 0, &semaphore),
		-ENOTSUP);
	semaphore = binary(device, 0);
	assert_int_equal(sbx_semaphore_import(semaphore, SBX_SEMAPHORE_SYNC_FD,
		SBX_SEMAPHORE_TEMPORARY, &fd), -ENOTSUP);
	assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_SYNC_FD, &fd), -ENOTSUP);
	sbx_semaphore_destroy(semaphore);
	return false;
}

static void test_sync_fd_export(void **state) {
	struct sbx_device *device = *state;
	if (!has_sync_fd(device)) {
		return;
	}
	struct sbx_semaphore *semaphore = binary(device, AS_SYNC_FD);
	for (int i = 0; i < 3; i++) {
		int fd = 1000;
		// nothing is pending
		assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_SYNC_FD, &fd), -EINVAL);
		assert_int_equal(fd, -1);
		uint64_t sent = submit(device, (struct submission){ .signal = semaphore });
		assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_SYNC_FD, &fd), 0);
		assert_int_equal(sbx_fence_wait(fd, 10 * SECOND), 0);
		assert_int_equal(sbx_fence_status(fd, NULL), 1);
		expect_done(device, sent);
		if (fd >= 0) {
			assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
			close(fd);
		}
		// the payload went with it
		assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_SYNC_FD, &fd), -EINVAL);
	}
	int fd = -1;
	assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_OPAQUE_FD, &fd),
		device->caps.opaque_fd_binary.export ? -EINVAL : -ENOTSUP);
	sbx_semaphore_destroy(semaphore);
	semaphore = binary(device, 0);
	submit(device, (struct submission){ .signal = semaphore });
	assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_SYNC_FD, &fd), -EINVAL);
	sbx_semaphore_destroy(semaphore);
}

static void expect_import(struct sbx_semaphore *semaphore, enum sbx_semaphore_fd type,
		enum sbx_semaphore_permanence permanence, int fd, int error) {
	int given = fd;
	unsigned fds = open_fd_count();
	assert_int_equal(sbx_semaphore_import(semaphore, type, permanence, &given), error);
	// on failure it is still the caller's, and still open
	assert_int_equal(given, error == 0 ? -1 : fd);
	if (error != 0) {
		assert_int_equal(open_fd_count(), fds);
	}
}

static void test_sync_fd_import_refused(void **state) {
	struct sbx_device *device = *state;
	struct sbx_semaphore *timeline = create(device, SBX_SEMAPHORE_TIMELINE, 0, 0);
	expect_import(timeline, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -1, -EINVAL);
	sbx_semaphore_destroy(timeline);
	if (!has_sync_fd(device)) {
		return;
	}
	struct sbx_semaphore *semaphore = binary(device, 0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_PERMANENT, -1, -EINVAL);
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, 1000000, -EBADF);
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -2, -EBADF);
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, null, -ENOTTY);
	assert_false(semaphore->pending || semaphore->imported);
	close(null);
	sbx_semaphore_destroy(semaphore);
}

/* fd -1 is a payload that has signalled already. */
static void test_sync_fd_import_signalled(void **state) {
	struct sbx_device *device = *state;
	if (!has_sync_fd(device)) {
		return;
	}
	struct sbx_semaphore *semaphore = binary(device, 0);
	for (int i = 0; i < 3; i++) {
		expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -1, 0);
		assert_true(semaphore->pending && semaphore->temporary);
		expect_done(device, submit(device, (struct submission){ .wait = semaphore }));
		assert_false(semaphore->pending || semaphore->temporary);
	}
	// an import replaces the import before it
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -1, 0);
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -1, 0);
	expect_done(device, submit(device, (struct submission){ .wait = semaphore }));
	assert_false(semaphore->pending);
	sbx_semaphore_destroy(semaphore);
}

/* After the wait for a temporary payload the semaphore's own one is back, as it was. */
static void test_sync_fd_restored(void **state) {
	struct sbx_device *device = *state;
	if (!has_sync_fd(device)) {
		return;
	}
	struct sbx_semaphore *semaphore = binary(device, 0);
	expect_done(device, submit(device, (struct submission){ .signal = semaphore }));
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -1, 0);
	submit(device, (struct submission){ .wait = semaphore });
	assert_true(semaphore->pending);
	submit(device, (struct submission){ .wait = semaphore });
	assert_false(semaphore->pending);
	uint64_t sent = submit(device, (struct submission){ .signal = semaphore });
	expect_done(device, sent);
	sbx_semaphore_destroy(semaphore);
}

/* From one semaphore, even of another device, through the fd into another. */
static void test_sync_fd_between_devices(void **state) {
	struct sbx_device *device = *state, *other = vulkan_open();
	assert_non_null(other);
	if (has_sync_fd(device)) {
		struct sbx_semaphore *from = binary(device, AS_SYNC_FD), *to = binary(other, 0);
		int fd = -1;
		submit(device, (struct submission){ .signal = from });
		assert_int_equal(sbx_semaphore_export(from, SBX_SEMAPHORE_SYNC_FD, &fd), 0);
		expect_import(to, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, fd, 0);
		expect_done(other, submit(other, (struct submission){ .wait = to }));
		sbx_semaphore_destroy(from);
		sbx_semaphore_destroy(to);
	}
	sbx_device_destroy(other);
}

/* An imported sync_file is not passed on: Vulkan wants a signal that was submitted to it. */
static void test_sync_fd_reexport(void **state) {
	struct sbx_device *device = *state;
	if (!has_sync_fd(device)) {
		return;
	}
	struct sbx_semaphore *semaphore = binary(device, AS_SYNC_FD);
	int fd = -1;
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -1, 0);
	assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_SYNC_FD, &fd), -EINVAL);
	assert_true(semaphore->pending);
	submit(device, (struct submission){ .wait = semaphore });
	submit(device, (struct submission){ .signal = semaphore });
	assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_SYNC_FD, &fd), 0);
	if (fd >= 0) {
		close(fd);
	}
	sbx_semaphore_destroy(semaphore);
}

static int op_round_trip(struct sbx_device *device, void *data) {
	struct sbx_semaphore *from = NULL, *to = NULL;
	int fd = -1, number;
	int ret = sbx_semaphore_create(device, SBX_SEMAPHORE_BINARY, AS_SYNC_FD, 0, &from);
	if (ret == 0) {
		ret = sbx_semaphore_create(device, SBX_SEMAPHORE_BINARY, 0, 0, &to);
	}
	if (ret == 0) {
		unsigned left = vulkan_fault_pause();
		submit(device, (struct submission){ .signal = from });
		vulkan_fault_resume(left);
		ret = sbx_semaphore_export(from, SBX_SEMAPHORE_SYNC_FD, &fd);
		// the payload is taken along on success only
		assert_int_equal(from->pending, ret < 0);
	}
	number = fd;
	if (ret == 0) {
		ret = sbx_semaphore_import(to, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, &fd);
		assert_int_equal(fd, ret == 0 ? -1 : number);
		assert_int_equal(to->imported, ret == 0);
	}
	if (fd >= 0) {
		close(fd);
	}
	sbx_semaphore_destroy(from);
	sbx_semaphore_destroy(to);
	sbx_device_wait(device, device->submitted, 10 * SECOND);
	return ret;
}

static void test_sync_fd_faults(void **state) {
	struct sbx_device *device = *state;
	if (!has_sync_fd(device)) {
		return;
	}
	assert_true(vulkan_each_call_fails(device, VK_ERROR_OUT_OF_HOST_MEMORY, op_round_trip,
		NULL) >= 4);
	assert_true(vulkan_each_call_fails(device, VK_ERROR_TOO_MANY_OBJECTS, op_round_trip, NULL) >= 4);
}

/* A real fence, pending until the test says so. */
static void test_sync_fd_pending(void **state) {
	struct sbx_device *device = *state;
	struct sbx_semaphore *semaphore = binary(device, 0);
	struct vgem_fence fence;
	int fd = -1, vgem_fd = vgem_open();
	assert_int_equal(vgem_fence_create(vgem_fd, &fence, &fd), 0);
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, fd, 0);
	uint64_t sent = submit(device, (struct submission){ .wait = semaphore });
	expect_pending(device, sent);
	// the GPU still waits with it
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -1, -EBUSY);
	assert_int_equal(vgem_fence_signal(&fence), 0);
	expect_done(device, sent);
	expect_import(semaphore, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, -1, 0);
	sbx_semaphore_destroy(semaphore);
	close(vgem_fd);
}

static void *signal_later(void *data) {
	const struct timespec delay = { .tv_nsec = 300 * MILLISECOND };
	nanosleep(&delay, NULL);
	vgem_fence_signal(data);
	return NULL;
}

/* The end of work that waits for a client: exported at once, or only when it is done. */
static void test_sync_fd_export_pending(void **state) {
	struct sbx_device *device = *state;
	struct sbx_semaphore *first = binary(device, 0), *done = binary(device, AS_SYNC_FD);
	struct vgem_fence fence;
	int fd = -1, vgem_fd = vgem_open();
	assert_int_equal(vgem_fence_create(vgem_fd, &fence, &fd), 0);
	expect_import(first, SBX_SEMAPHORE_SYNC_FD, SBX_SEMAPHORE_TEMPORARY, fd, 0);
	uint64_t sent = submit(device, (struct submission){ .wait = first, .signal = done });
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, signal_later, &fence), 0);
	assert_int_equal(sbx_semaphore_export(done, SBX_SEMAPHORE_SYNC_FD, &fd), 0);
	if (device->caps.export_blocks) {
		assert_int_equal(sbx_fence_wait(fd, 0), 0);
	}
	assert_int_equal(sbx_fence_wait(fd, 10 * SECOND), 0);
	assert_true(sbx_device_poll(device) <= sent);
	expect_done(device, sent);
	pthread_join(thread, NULL);
	if (fd >= 0) {
		close(fd);
	}
	close(vgem_fd);
	sbx_semaphore_destroy(first);
	sbx_semaphore_destroy(done);
}

/* OPAQUE_FD. Where the device has none, what is documented for that is checked instead. */

static bool has_opaque(struct sbx_device *device, enum sbx_semaphore_type type) {
	const struct sbx_semaphore_caps *caps = type == SBX_SEMAPHORE_TIMELINE ?
		&device->caps.opaque_fd_timeline : &device->caps.opaque_fd_binary;
	if (caps->import && caps->export) {
		return true;
	}
	struct sbx_semaphore *semaphore = NULL;
	int fd = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(sbx_semaphore_create(device, type, AS_OPAQUE_FD, 0, &semaphore), -ENOTSUP);
	assert_null(semaphore);
	semaphore = create(device, type, 0, 0);
	expect_import(semaphore, SBX_SEMAPHORE_OPAQUE_FD, SBX_SEMAPHORE_PERMANENT, null, -ENOTSUP);
	assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_OPAQUE_FD, &fd), -ENOTSUP);
	assert_int_equal(fd, -1);
	sbx_semaphore_destroy(semaphore);
	close(null);
	return false;
}

static void test_opaque_rules(void **state) {
	struct sbx_device *device = *state;
	struct sbx_semaphore *timeline = create(device, SBX_SEMAPHORE_TIMELINE, 0, 0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	expect_import(timeline, SBX_SEMAPHORE_OPAQUE_FD, SBX_SEMAPHORE_TEMPORARY, null, -EINVAL);
	sbx_semaphore_destroy(timeline);
	if (has_opaque(device, SBX_SEMAPHORE_BINARY)) {
		struct sbx_semaphore *semaphore = binary(device, 0);
		int fd = -1;
		expect_import(semaphore, SBX_SEMAPHORE_OPAQUE_FD, SBX_SEMAPHORE_PERMANENT, -1, -EBADF);
		expect_import(semaphore, SBX_SEMAPHORE_OPAQUE_FD, SBX_SEMAPHORE_PERMANENT, 1000000, -EBADF);
		assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_OPAQUE_FD, &fd), -EINVAL);
		sbx_semaphore_destroy(semaphore);
	}
	close(null);
}

/* What is no semaphore at all: the driver refuses, and the fd stays with us. */
static void test_opaque_not_a_semaphore(void **state) {
	struct sbx_device *device = *state;
	if (!has_opaque(device, SBX_SEMAPHORE_BINARY)) {
		return;
	}
	struct sbx_semaphore *semaphore = binary(device, 0);
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	int given = pipe_fds[0];
	assert_true(sbx_semaphore_import(semaphore, SBX_SEMAPHORE_OPAQUE_FD, SBX_SEMAPHORE_PERMANENT,
		&given) < 0);
	assert_int_equal(given, pipe_fds[0]);
	assert_true(fcntl(given, F_GETFD) >= 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	sbx_semaphore_destroy(semaphore);
}

static void share(struct sbx_semaphore *from, struct sbx_semaphore *to,
		enum sbx_semaphore_permanence permanence) {
	int fd = -1;
	assert_int_equal(sbx_semaphore_export(from, SBX_SEMAPHORE_OPAQUE_FD, &fd), 0);
	assert_true(fd >= 0);
	expect_import(to, SBX_SEMAPHORE_OPAQUE_FD, permanence, fd, 0);
}

static void test_opaque_binary(void **state) {
	struct sbx_device *device = *state, *other = vulkan_open();
	assert_non_null(other);
	if (has_opaque(device, SBX_SEMAPHORE_BINARY)) {
		struct sbx_semaphore *from = binary(device, AS_OPAQUE_FD), *to = binary(other, 0);
		share(from, to, SBX_SEMAPHORE_PERMANENT);
		for (int i = 0; i < 3; i++) {
			submit(device, (struct submission){ .signal = from });
			expect_done(other, submit(other, (struct submission){ .wait = to }));
			// and the other way round: it is one payload
			submit(other, (struct submission){ .signal = to });
			expect_done(device, submit(device, (struct submission){ .wait = from }));
		}
		sbx_semaphore_destroy(from);
		submit(other, (struct submission){ .signal = to });
		expect_done(other, submit(other, (struct submission){ .wait = to }));
		sbx_semaphore_destroy(to);
	}
	sbx_device_destroy(other);
}

static void test_opaque_binary_temporary(void **state) {
	struct sbx_device *device = *state, *other = vulkan_open();
	assert_non_null(other);
	if (has_opaque(device, SBX_SEMAPHORE_BINARY)) {
		struct sbx_semaphore *from = binary(device, AS_OPAQUE_FD), *to = binary(other, 0);
		// its own payload is signalled before, and is so after
		expect_done(other, submit(other, (struct submission){ .signal = to }));
		share(from, to, SBX_SEMAPHORE_TEMPORARY);
		assert_true(to->temporary && to->shared);
		submit(device, (struct submission){ .signal = from });
		expect_done(other, submit(other, (struct submission){ .wait = to }));
		assert_false(to->temporary || to->shared || to->imported);
		assert_true(to->pending);
		expect_done(other, submit(other, (struct submission){ .wait = to }));
		assert_false(to->pending);
		sbx_semaphore_destroy(from);
		sbx_semaphore_destroy(to);
	}
	sbx_device_destroy(other);
}

static void test_opaque_timeline(void **state) {
	struct sbx_device *device = *state, *other = vulkan_open();
	assert_non_null(other);
	if (has_opaque(device, SBX_SEMAPHORE_TIMELINE)) {
		struct sbx_semaphore *from = create(device, SBX_SEMAPHORE_TIMELINE, AS_OPAQUE_FD, 5);
		struct sbx_semaphore *to = create(other, SBX_SEMAPHORE_TIMELINE, 0, 0);
		uint64_t value = 0;
		share(from, to, SBX_SEMAPHORE_PERMANENT);
		assert_int_equal(sbx_semaphore_get_value(to, &value), 0);
		assert_int_equal(value, 5);
		// signalled by the CPU here, seen there; by the GPU there, seen here
		assert_int_equal(sbx_semaphore_signal(from, 7), 0);
		assert_int_equal(sbx_semaphore_wait(to, 7, 10 * SECOND), 0);
		submit(other, (struct submission){ .signal = to, .signal_value = 9 });
		assert_int_equal(sbx_semaphore_wait(from, 9, 10 * SECOND), 0);
		// the GPU there waits for the CPU here
		uint64_t sent = submit(other, (struct submission){ .wait = to, .wait_value = 11 });
		expect_pending(other, sent);
		assert_int_equal(sbx_semaphore_signal(from, 11), 0);
		expect_done(other, sent);
		sbx_semaphore_destroy(from);
		assert_int_equal(sbx_semaphore_signal(to, 12), 0);
		sbx_semaphore_destroy(to);
	}
	sbx_device_destroy(other);
}

/* Each export is another fd for the same payload; fds that are never imported are just closed. */
static void test_opaque_export_twice(void **state) {
	struct sbx_device *device = *state;
	if (!has_opaque(device, SBX_SEMAPHORE_TIMELINE)) {
		return;
	}
	struct sbx_semaphore *from = create(device, SBX_SEMAPHORE_TIMELINE, AS_OPAQUE_FD, 1);
	struct sbx_semaphore *to[2];
	int unused = -1;
	assert_int_equal(sbx_semaphore_export(from, SBX_SEMAPHORE_OPAQUE_FD, &unused), 0);
	for (int i = 0; i < 2; i++) {
		to[i] = create(device, SBX_SEMAPHORE_TIMELINE, 0, 0);
		share(from, to[i], SBX_SEMAPHORE_PERMANENT);
	}
	close(unused);
	assert_int_equal(sbx_semaphore_signal(to[0], 3), 0);
	assert_int_equal(sbx_semaphore_wait(to[1], 3, 10 * SECOND), 0);
	assert_int_equal(sbx_semaphore_wait(from, 3, 10 * SECOND), 0);
	sbx_semaphore_destroy(to[0]);
	sbx_semaphore_destroy(to[1]);
	sbx_semaphore_destroy(from);
}

/* Two processes: this program again, with "peer" as its argument. */

static void start(struct peer *peer, const char *role) {
	peer_start(peer, (const char *const[]){ "render-semaphore", "peer", role, NULL });
}

static void peer_binary(struct sbx_device *device, enum sbx_semaphore_permanence permanence) {
	struct sbx_semaphore *semaphore = binary(device, 0);
	expect_import(semaphore, SBX_SEMAPHORE_OPAQUE_FD, permanence, peer_receive_fd(PEER_SOCKET), 0);
	peer_tell(PEER_SOCKET);
	// the other side has submitted the signal
	peer_await(PEER_SOCKET);
	expect_done(device, submit(device, (struct submission){ .wait = semaphore }));
	if (permanence == SBX_SEMAPHORE_PERMANENT) {
		expect_done(device, submit(device, (struct submission){ .signal = semaphore }));
	} else {
		assert_false(semaphore->shared);
	}
	peer_tell(PEER_SOCKET);
	sbx_semaphore_destroy(semaphore);
}

static void peer_timeline(struct sbx_device *device) {
	struct sbx_semaphore *timeline = create(device, SBX_SEMAPHORE_TIMELINE, 0, 0);
	uint64_t value = 0;
	expect_import(timeline, SBX_SEMAPHORE_OPAQUE_FD, SBX_SEMAPHORE_PERMANENT,
		peer_receive_fd(PEER_SOCKET), 0);
	assert_int_equal(sbx_semaphore_get_value(timeline, &value), 0);
	assert_int_equal(value, 40);
	// our GPU waits for the other side's, and answers
	uint64_t sent = submit(device, (struct submission){
		.wait = timeline, .wait_value = 41, .signal = timeline, .signal_value = 42,
	});
	expect_pending(device, sent);
	peer_tell(PEER_SOCKET);
	expect_done(device, sent);
	assert_int_equal(sbx_semaphore_wait(timeline, 43, 20 * SECOND), 0);
	assert_int_equal(sbx_semaphore_signal(timeline, 44), 0);
	sbx_semaphore_destroy(timeline);
}

static const char *peer_role;

static void test_peer(void **state) {
	if (strcmp(peer_role, "timeline") == 0) {
		peer_timeline(*state);
	} else {
		peer_binary(*state, strcmp(peer_role, "temporary") == 0 ? SBX_SEMAPHORE_TEMPORARY :
			SBX_SEMAPHORE_PERMANENT);
	}
}

static void check_binary_peer(struct sbx_device *device, const char *role, bool answers) {
	if (!has_opaque(device, SBX_SEMAPHORE_BINARY)) {
		return;
	}
	struct peer peer;
	struct sbx_semaphore *semaphore = binary(device, AS_OPAQUE_FD);
	int fd = -1;
	assert_int_equal(sbx_semaphore_export(semaphore, SBX_SEMAPHORE_OPAQUE_FD, &fd), 0);
	start(&peer, role);
	peer_send_fd(peer.socket, fd);
	close(fd);
	peer_await(peer.socket);
	submit(device, (struct submission){ .signal = semaphore });
	peer_tell(peer.socket);
	peer_await(peer.socket);
	if (answers) {
		expect_done(device, submit(device, (struct submission){ .wait = semaphore }));
	}
	peer_finish(&peer);
	sbx_semaphore_destroy(semaphore);
}

static void test_processes_binary(void **state) {
	check_binary_peer(*state, "permanent", true);
}

static void test_processes_temporary(void **state) {
	check_binary_peer(*state, "temporary", false);
}

static void test_processes_timeline(void **state) {
	struct sbx_device *device = *state;
	if (!has_opaque(device, SBX_SEMAPHORE_TIMELINE)) {
		return;
	}
	struct peer peer;
	struct sbx_semaphore *timeline = create(device, SBX_SEMAPHORE_TIMELINE, AS_OPAQUE_FD, 40);
	int fd = -1;
	assert_int_equal(sbx_semaphore_export(timeline, SBX_SEMAPHORE_OPAQUE_FD, &fd), 0);
	start(&peer, "timeline");
	peer_send_fd(peer.socket, fd);
	close(fd);
	peer_await(peer.socket);
	submit(device, (struct submission){ .signal = timeline, .signal_value = 41 });
	assert_int_equal(sbx_semaphore_wait(timeline, 42, 20 * SECOND), 0);
	assert_int_equal(sbx_semaphore_signal(timeline, 43), 0);
	assert_int_equal(sbx_semaphore_wait(timeline, 44, 20 * SECOND), 0);
	peer_finish(&peer);
	sbx_semaphore_destroy(timeline);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		VULKAN_TEST(test_create),
		VULKAN_TEST(test_binary_rules),
		VULKAN_TEST(test_timeline),
		VULKAN_TEST(test_destroy_in_use),
		VULKAN_TEST(test_sync_fd_export),
		VULKAN_TEST(test_sync_fd_import_refused),
		VULKAN_TEST(test_sync_fd_import_signalled),
		VULKAN_TEST(test_sync_fd_restored),
		VULKAN_TEST(test_sync_fd_between_devices),
		VULKAN_TEST(test_sync_fd_reexport),
		VULKAN_TEST(test_sync_fd_faults),
		VULKAN_TEST(test_opaque_rules),
		VULKAN_TEST(test_opaque_binary),
		VULKAN_TEST(test_opaque_binary_temporary),
		VULKAN_TEST(test_opaque_timeline),
		VULKAN_TEST(test_opaque_export_twice),
		VULKAN_TEST(test_processes_binary),
		VULKAN_TEST(test_processes_temporary),
		VULKAN_TEST(test_processes_timeline),
		// last: it hands the driver what Vulkan forbids
		VULKAN_TEST(test_opaque_not_a_semaphore),
	};
	const struct CMUnitTest lab[] = {
		VULKAN_TEST(test_sync_fd_pending),
		VULKAN_TEST(test_sync_fd_export_pending),
	};
	const struct CMUnitTest peer[] = { VULKAN_TEST(test_peer) };
	if (argc > 2 && strcmp(argv[1], "peer") == 0) {
		peer_role = argv[2];
		return VULKAN_MAIN("render/semaphore peer", peer);
	}
	return VULKAN_MAIN_LAB(argc, argv, "render/semaphore", host, lab);
}
