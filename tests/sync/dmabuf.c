#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/suite.h"
#include "harness/vgem.h"
#include "sync/dmabuf.h"
#include "sync/fd.h"
#include "sync/sync_file.h"

static void test_not_a_dmabuf(void **state) {
	int fd = open("/dev/null", O_RDWR);
	int sync_file = 1000;
	assert_int_equal(sbx_dmabuf_export_sync_file(fd, false, &sync_file), -ENOTSUP);
	assert_int_equal(sync_file, -1);
	assert_int_equal(sbx_dmabuf_import_sync_file(fd, false, fd), -ENOTSUP);
	assert_int_equal(sbx_dmabuf_export_sync_file(-1, false, &sync_file), -EBADF);
	assert_int_equal(sync_file, -1);
	sbx_fd_close(&fd);
}

static void test_import_nothing(void **state) {
	assert_int_equal(sbx_dmabuf_import_sync_file(-1, true, -1), 0);
	assert_int_equal(kernel_fake.calls, 0);
}

struct lab {
	int vgem_fd;
	int dmabuf_fd;
	uint32_t handle;
};

static int lab_setup(void **state) {
	struct lab *lab = calloc(1, sizeof(*lab));
	lab->vgem_fd = vgem_open();
	*state = lab;
	kernel_fake_install();
	return vgem_buffer_create(lab->vgem_fd, &lab->handle, &lab->dmabuf_fd);
}

static int lab_teardown(void **state) {
	struct lab *lab = *state;
	kernel_fake_remove();
	close(lab->dmabuf_fd);
	close(lab->vgem_fd);
	free(lab);
	return 0;
}

/* Whether somebody who wants to read, or to write, has to wait now. */
static bool busy(const struct lab *lab, bool write) {
	int sync_file;
	assert_int_equal(sbx_dmabuf_export_sync_file(lab->dmabuf_fd, write, &sync_file), 0);
	assert_true(sync_file >= 0);
	int status = sbx_fence_status(sync_file, NULL);
	sbx_fd_close(&sync_file);
	assert_true(status >= 0);
	return status == 0;
}

static void test_idle(void **state) {
	struct lab *lab = *state;
	assert_false(busy(lab, false));
	assert_false(busy(lab, true));
}

static void test_writer(void **state) {
	struct lab *lab = *state;
	int id = vgem_buffer_attach(lab->vgem_fd, lab->handle, true);
	assert_true(busy(lab, false));
	assert_true(busy(lab, true));
	vgem_attached_signal(lab->vgem_fd, id);
	assert_false(busy(lab, false));
	assert_false(busy(lab, true));
}

static void test_reader(void **state) {
	struct lab *lab = *state;
	int id = vgem_buffer_attach(lab->vgem_fd, lab->handle, false);
	assert_false(busy(lab, false));
	assert_true(busy(lab, true));
	vgem_attached_signal(lab->vgem_fd, id);
	assert_false(busy(lab, true));
}

static void test_snapshot(void **state) {
	struct lab *lab = *state;
	int sync_file;
	assert_int_equal(sbx_dmabuf_export_sync_file(lab->dmabuf_fd, true, &sync_file), 0);
	int id = vgem_buffer_attach(lab->vgem_fd, lab->handle, true);
	assert_int_equal(sbx_fence_status(sync_file, NULL), 1);
	vgem_attached_signal(lab->vgem_fd, id);
	sbx_fd_close(&sync_file);
}

static void check_import(struct lab *lab, bool write) {
	struct vgem_fence fence;
	int sync_file;
	assert_int_equal(vgem_fence_create(lab->vgem_fd, &fence, &sync_file), 0);
	assert_int_equal(sbx_dmabuf_import_sync_file(lab->dmabuf_fd, write, sync_file), 0);
	sbx_fd_close(&sync_file);
	assert_int_equal(busy(lab, false), write);
	assert_true(busy(lab, true));
	vgem_fence_signal(&fence);
	assert_false(busy(lab, true));
}

static void test_import_read(void **state) {
	check_import(*state, false);
}

static void test_import_write(void **state) {
	check_import(*state, true);
}

/* The kernel would wait for the writer, for as long as it takes. */
static void test_access_waits_for_nobody(void **state) {
	struct lab *lab = *state;
	int id = vgem_buffer_attach(lab->vgem_fd, lab->handle, true);
	assert_int_equal(sbx_dmabuf_begin_access(lab->dmabuf_fd, false), -EAGAIN);
	assert_int_equal(sbx_dmabuf_begin_access(lab->dmabuf_fd, true), -EAGAIN);
	vgem_attached_signal(lab->vgem_fd, id);
	assert_int_equal(sbx_dmabuf_begin_access(lab->dmabuf_fd, false), 0);
	assert_int_equal(sbx_dmabuf_end_access(lab->dmabuf_fd, false), 0);
	id = vgem_buffer_attach(lab->vgem_fd, lab->handle, false);
	assert_int_equal(sbx_dmabuf_begin_access(lab->dmabuf_fd, true), -EAGAIN);
	assert_int_equal(sbx_dmabuf_begin_access(lab->dmabuf_fd, false), 0);
	assert_int_equal(sbx_dmabuf_end_access(lab->dmabuf_fd, false), 0);
	vgem_attached_signal(lab->vgem_fd, id);
}

static void test_wait(void **state) {
	struct lab *lab = *state;
	int id = vgem_buffer_attach(lab->vgem_fd, lab->handle, false);
	assert_int_equal(sbx_dmabuf_wait(lab->dmabuf_fd, true, 20000000), -ETIME);
	assert_int_equal(sbx_dmabuf_wait(lab->dmabuf_fd, false, 0), 0);
	vgem_attached_signal(lab->vgem_fd, id);
	assert_int_equal(sbx_dmabuf_wait(lab->dmabuf_fd, true, 1000000000), 0);
	assert_int_equal(sbx_dmabuf_wait(-1, true, 0), -EBADF);
}

static void test_map(void **state) {
	struct lab *lab = *state;
	void *to = NULL, *from = NULL;
	assert_int_equal(sbx_dmabuf_map(lab->dmabuf_fd, 4096, true, &to), 0);
	assert_int_equal(sbx_dmabuf_map(lab->dmabuf_fd, 4096, false, &from), 0);
	assert_int_equal(sbx_dmabuf_begin_access(lab->dmabuf_fd, true), 0);
	strcpy(to, "written");
	assert_int_equal(sbx_dmabuf_end_access(lab->dmabuf_fd, true), 0);
	assert_string_equal(from, "written");
	munmap(to, 4096);
	munmap(from, 4096);
	kernel_fake.map_error = -EINVAL;
	to = NULL;
	assert_int_equal(sbx_dmabuf_map(lab->dmabuf_fd, 4096, true, &to), -EINVAL);
	assert_null(to);
}

static int op_access(void *data) {
	struct lab *lab = data;
	void *memory = NULL;
	int ret = sbx_dmabuf_map(lab->dmabuf_fd, 4096, false, &memory);
	if (ret == 0) {
		ret = sbx_dmabuf_begin_access(lab->dmabuf_fd, false);
		munmap(memory, 4096);
	}
	return ret == 0 ? sbx_dmabuf_end_access(lab->dmabuf_fd, false) : ret;
}

static int op_export(void *data) {
	struct lab *lab = data;
	int sync_file = 1000;
	int ret = sbx_dmabuf_export_sync_file(lab->dmabuf_fd, true, &sync_file);
	assert_int_equal(ret < 0, sync_file == -1);
	sbx_fd_close(&sync_file);
	return ret;
}

static int op_import(void *data) {
	struct lab *lab = data;
	struct vgem_fence fence;
	int sync_file;
	assert_int_equal(vgem_fence_create(lab->vgem_fd, &fence, &sync_file), 0);
	int ret = sbx_dmabuf_import_sync_file(lab->dmabuf_fd, true, sync_file);
	assert_int_equal(sbx_fence_status(sync_file, NULL), 0);
	sbx_fd_close(&sync_file);
	vgem_fence_signal(&fence);
	return ret;
}

static void test_fails(void **state) {
	suite_each_call_fails(-EMFILE, op_export, *state);
	suite_each_call_fails(-ENOMEM, op_access, *state);
}

static void test_import_fails(void **state) {
	struct lab *lab = *state;
	kernel_fake_fail(0, -ENOMEM);
	assert_int_equal(op_import(lab), -ENOMEM);
	assert_true(kernel_fake_failed());
	assert_false(busy(lab, false));
	int other = open("/dev/null", O_RDONLY);
	assert_int_equal(sbx_dmabuf_import_sync_file(lab->dmabuf_fd, true, other), -EINVAL);
	sbx_fd_close(&other);
}

#define LAB(name, function) { name, function, lab_setup, lab_teardown, NULL }

static const struct CMUnitTest host[] = {
	{ "dmabuf: other files are refused", test_not_a_dmabuf, NULL, NULL, NULL },
	{ "dmabuf: nothing to import", test_import_nothing, suite_kernel_setup, suite_kernel_teardown,
		NULL },
};

static const struct CMUnitTest lab[] = {
	LAB("dmabuf: an idle buffer gives a fence that has signalled", test_idle),
	LAB("dmabuf: readers and writers wait for a writer", test_writer),
	LAB("dmabuf: only writers wait for a reader", test_reader),
	LAB("dmabuf: an export is a snapshot", test_snapshot),
	LAB("dmabuf: our read delays writers", test_import_read),
	LAB("dmabuf: our write delays everyone", test_import_write),
	LAB("dmabuf: access waits for nobody", test_access_waits_for_nobody),
	LAB("dmabuf: waiting has a bound", test_wait),
	LAB("dmabuf: memory for the CPU", test_map),
	LAB("dmabuf: export fails", test_fails),
	LAB("dmabuf: import fails", test_import_fails),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "sync/dmabuf", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
