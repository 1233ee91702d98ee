#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "sync/fd.h"
#include "trace/counter.h"

static int setup(void **state, int drm_fd, int vgem_fd) {
	struct sync_lab *lab = calloc(1, sizeof(*lab));
	*state = lab;
	lab->vgem_fd = vgem_fd;
	if (sbx_sync_create(&drm_fd, &lab->sync) < 0) {
		return -1;
	}
	lab->census = census_take();
	return 0;
}

int sync_lab_setup(void **state) {
	kernel_fake_install();
	return setup(state, drm_node_open(), vgem_open());
}

int sync_lab_setup_old(void **state) {
	int ret = sync_lab_setup(state);
	if (ret == 0) {
		struct sync_lab *lab = *state;
		struct sbx_sync_caps caps = *sbx_sync_get_caps(lab->sync);
		caps.point_export = caps.point_import = false;
		sbx_sync_limit_caps(lab->sync, &caps);
	}
	return ret;
}

int sync_lab_setup_fake(void **state) {
	kernel_fake_install();
	kernel_fake_drm_init();
	return setup(state, open("/dev/null", O_RDWR | O_CLOEXEC), -1);
}

int sync_lab_teardown(void **state) {
	struct sync_lab *lab = *state;
	census_check(&lab->census);
	sbx_sync_destroy(lab->sync);
	kernel_fake_drm_finish();
	kernel_fake_remove();
	sbx_fd_close(&lab->vgem_fd);
	free(lab);
	return 0;
}

void sync_lab_pend(struct sync_lab *lab, struct sbx_point point, struct vgem_fence *fence) {
	int sync_file = -1;
	assert_int_equal(vgem_fence_create(lab->vgem_fd, fence, &sync_file), 0);
	assert_int_equal(sbx_point_import_sync_file(lab->sync, point, sync_file), 0);
	sbx_fd_close(&sync_file);
}

uint64_t sync_lab_ioctls(void) {
	return sbx_counter_ioctls();
}
