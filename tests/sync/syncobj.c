#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "sync/fd.h"

static void test_no_drm(void **state) {
	struct census before = census_take();
	int fd = open("/dev/null", O_RDWR), number = fd;
	struct sbx_sync *sync = (void *)1;
	assert_int_equal(sbx_sync_create(&fd, &sync), -ENOTSUP);
	assert_int_equal(fd, number);
	assert_null(sync);
	sbx_fd_close(&fd);
	assert_int_equal(sbx_sync_create(&fd, &sync), -EBADF);
	assert_null(sync);
	sbx_sync_destroy(NULL);
	census_check(&before);
}

static void test_no_syncobj(void **state) {
	kernel_fake.broken_request = DRM_IOCTL_GET_CAP;
	kernel_fake.broken_error = -EINVAL;
	int fd = open("/dev/null", O_RDWR), number = fd;
	struct sbx_sync *sync;
	assert_int_equal(sbx_sync_create(&fd, &sync), -ENOTSUP);
	assert_int_equal(fd, number);
	sbx_fd_close(&fd);
}

static void test_fake_caps(void **state) {
	struct sync_lab *lab = *state;
	const struct sbx_sync_caps *caps = sbx_sync_get_caps(lab->sync);
	assert_true(caps->syncobj && caps->timeline && caps->eventfd);
	assert_true(caps->point_export && caps->point_import && caps->point_sync_file);
	assert_false(caps->deadline);
	assert_true(fcntl(sbx_sync_get_drm_fd(lab->sync), F_GETFD) >= 0);
}

static void test_caps(void **state) {
	struct sync_lab *lab = *state;
	const struct sbx_sync_caps *caps = sbx_sync_get_caps(lab->sync);
	assert_true(caps->syncobj && caps->timeline && caps->eventfd);
	assert_true(caps->point_export && caps->point_import && caps->point_sync_file);
	assert_true(caps->deadline);
}

static void test_limit(void **state) {
	struct sync_lab *lab = *state;
	struct sbx_sync_caps less = *sbx_sync_get_caps(lab->sync);
	less.point_import = false;
	sbx_sync_limit_caps(lab->sync, &less);
	const struct sbx_sync_caps *caps = sbx_sync_get_caps(lab->sync);
	assert_true(caps->point_export);
	assert_false(caps->point_import || caps->point_sync_file);
	less.point_import = true;
	sbx_sync_limit_caps(lab->sync, &less);
	assert_false(caps->point_import);
}

static struct sbx_sync_caps probe_without(unsigned long request) {
	kernel_fake.broken_request = request;
	kernel_fake.broken_error = -EINVAL;
	int fd = drm_node_open();
	struct sbx_sync *sync;
	assert_int_equal(sbx_sync_create(&fd, &sync), 0);
	struct sbx_sync_caps caps = *sbx_sync_get_caps(sync);
	sbx_sync_destroy(sync);
	return caps;
}

static void test_older_kernels(void **state) {
	struct census before = census_take();
	struct sbx_sync_caps caps = probe_without(DRM_IOCTL_SYNCOBJ_EVENTFD);
	assert_true(!caps.eventfd && caps.point_sync_file && caps.deadline);
	caps = probe_without(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE);
	assert_true(caps.eventfd && caps.point_export && !caps.point_import && !caps.point_sync_file);
	caps = probe_without(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD);
	assert_true(caps.eventfd && !caps.point_export && !caps.point_import && !caps.deadline);
	census_check(&before);
}

static int no_points(int fd, unsigned long request, void *arg) {
	if (_IOC_TYPE(request) == DRM_IOCTL_BASE && (_IOC_NR(request) == 0xC1 || _IOC_NR(request) == 0xC2)) {
		const struct drm_syncobj_handle *handle = arg;
		return handle->flags & 2 ? -EINVAL : KERNEL_FAKE_PASS;
	}
	return KERNEL_FAKE_PASS;
}

/* Before Linux 6.16 the flag is refused, and everything else is as it was. */
static void test_before_6_16(void **state) {
	kernel_fake.ioctl = no_points;
	struct sbx_sync_caps caps = probe_without(0);
	assert_true(caps.timeline && caps.eventfd && caps.deadline);
	assert_false(caps.point_export || caps.point_import);
}

static int ignores_points(int fd, unsigned long request, void *arg) {
	if (_IOC_TYPE(request) == DRM_IOCTL_BASE && _IOC_NR(request) == 0xC2) {
		struct drm_syncobj_handle *handle = arg;
		handle->flags &= ~2u;
	}
	return KERNEL_FAKE_PASS;
}

/* A kernel that takes the flag and does something else must not pass for one that knows it. */
static void test_ignored_flag(void **state) {
	kernel_fake.ioctl = ignores_points;
	assert_false(probe_without(0).point_import);
}

static int op_create(void *data) {
	int fd = drm_node_open(), number = fd;
	struct sbx_sync *sync = (void *)1;
	int ret = sbx_sync_create(&fd, &sync);
	if (ret < 0) {
		assert_int_equal(fd, number);
		assert_null(sync);
	} else {
		assert_int_equal(fd, -1);
		assert_int_equal(sbx_sync_get_drm_fd(sync), number);
	}
	sbx_sync_destroy(sync);
	sbx_fd_close(&fd);
	return ret;
}

/* A fault while probing costs a capability at most, and nothing leaks. */
static void test_create_fails(void **state) {
	suite_each_call_fails(-ENOMEM, op_create, NULL);
}

#define FAKED(name, function) { name, function, suite_kernel_setup, suite_kernel_teardown, NULL }

static const struct CMUnitTest host[] = {
	{ "syncobj: no DRM device", test_no_drm, NULL, NULL, NULL },
	FAKED("syncobj: a device without syncobjs", test_no_syncobj),
	SYNC_FAKE("syncobj: what the device in memory can do", test_fake_caps),
};

static const struct CMUnitTest lab[] = {
	SYNC_LAB("syncobj: what the lab's kernel can do", test_caps),
	SYNC_LAB("syncobj: capabilities can be limited only", test_limit),
	FAKED("syncobj: older kernels are noticed", test_older_kernels),
	FAKED("syncobj: no points in one ioctl before 6.16", test_before_6_16),
	FAKED("syncobj: a flag that is taken and ignored", test_ignored_flag),
	FAKED("syncobj: create fails", test_create_fails),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "sync/syncobj", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
