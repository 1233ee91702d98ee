/**
 * A struct sbx_sync to test with: on the lab's DRM device, or on kernel_fake's.
 */
#ifndef HARNESS_SYNC_LAB_H
#define HARNESS_SYNC_LAB_H

#include "harness/suite.h"
#include "harness/vgem.h"
#include "sync/syncobj.h"
#include "sync/timeline.h"

struct sync_lab {
	struct sbx_sync *sync;
	int vgem_fd;
	struct census census;
};

/** cmocka setup and teardown; *state is the struct sync_lab. kernel_fake is installed. */
int sync_lab_setup(void **state);
/** The same, without the ioctls that older kernels lack: point_export, point_import. */
int sync_lab_setup_old(void **state);
/** On a DRM device in memory: no vgem, no sync_files. */
int sync_lab_setup_fake(void **state);
/** Fails the test if fds or handles have leaked. */
int sync_lab_teardown(void **state);

/** `point` gets a fence that is pending until *fence is signalled. */
void sync_lab_pend(struct sync_lab *lab, struct sbx_point point, struct vgem_fence *fence);

/** All syncobj ioctls so far. */
uint64_t sync_lab_ioctls(void);

#define SYNC_LAB(name, function) { name, function, sync_lab_setup, sync_lab_teardown, NULL }
#define SYNC_LAB_OLD(name, function) { name, function, sync_lab_setup_old, sync_lab_teardown, NULL }
#define SYNC_FAKE(name, function) { name, function, sync_lab_setup_fake, sync_lab_teardown, NULL }

#endif
