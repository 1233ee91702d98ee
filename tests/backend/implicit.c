#include <errno.h>
#include "backend/implicit.h"
#include "backend/rig.h"
#include "sync/fd.h"
#include "sync/sync_file.h"

static void test_no_dmabuf(void **state) {
	struct rig_buffer buffer;
	rig_buffer_init(&buffer, 4, 4);
	int fence = 1000;
	assert_int_equal(sbx_implicit_get_fence(&buffer.base, &fence), 0);
	assert_int_equal(fence, -1);
	assert_int_equal(sbx_implicit_put_fence(&buffer.base, -1), -ENOTSUP);
	rig_buffer_finish(&buffer);
}

static void test_writers(void **state) {
	struct rig *rig = *state;
	struct rig_buffer buffer;
	uint32_t handle;
	rig_buffer_init_vgem(rig, &buffer, &handle);
	int reader = vgem_buffer_attach(rig->sync->vgem_fd, handle, false), fence = -1;
	assert_int_equal(sbx_implicit_get_fence(&buffer.base, &fence), 0);
	assert_int_equal(fence < 0 || sbx_fence_status(fence, NULL) == 1, true);
	sbx_fd_close(&fence);
	assert_int_equal(vgem_attached_signal(rig->sync->vgem_fd, (uint32_t)reader), 0);
	int writer = vgem_buffer_attach(rig->sync->vgem_fd, handle, true);
	assert_int_equal(sbx_implicit_get_fence(&buffer.base, &fence), 0);
	assert_int_equal(sbx_fence_status(fence, NULL), 0);
	assert_int_equal(vgem_attached_signal(rig->sync->vgem_fd, (uint32_t)writer), 0);
	assert_int_equal(sbx_fence_status(fence, NULL), 1);
	sbx_fd_close(&fence);
	rig_buffer_finish(&buffer);
	vgem_buffer_destroy(rig->sync->vgem_fd, handle);
}

/* What is put there is what the next one gets. */
static void test_put(void **state) {
	struct rig *rig = *state;
	struct rig_buffer buffer;
	uint32_t handle;
	rig_buffer_init_vgem(rig, &buffer, &handle);
	struct vgem_fence fence;
	int sync_file = -1, seen = -1;
	assert_int_equal(vgem_fence_create(rig->sync->vgem_fd, &fence, &sync_file), 0);
	assert_int_equal(sbx_implicit_put_fence(&buffer.base, sync_file), 0);
	assert_int_equal(sbx_implicit_get_fence(&buffer.base, &seen), 0);
	assert_int_equal(sbx_fence_status(seen, NULL), 0);
	assert_int_equal(vgem_fence_signal(&fence), 0);
	assert_int_equal(sbx_fence_status(seen, NULL), 1);
	sbx_fd_close(&seen);
	sbx_fd_close(&sync_file);
	rig_buffer_finish(&buffer);
	vgem_buffer_destroy(rig->sync->vgem_fd, handle);
}

static const struct CMUnitTest host[] = {
	{ "implicit: a buffer without dma-bufs", test_no_dmabuf, rig_setup, rig_teardown, NULL },
};

static const struct CMUnitTest lab[] = {
	{ "implicit: writers are waited for, readers are not", test_writers, rig_setup_lab, rig_teardown, NULL },
	{ "implicit: a fence of our own", test_put, rig_setup_lab, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/implicit", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
