/**
 * A compositor and a client to test with: on the lab's DRM device with vgem's fences, or on kernel_fake's.
 */
#ifndef HARNESS_PROTOCOL_LAB_H
#define HARNESS_PROTOCOL_LAB_H

#include "harness/client.h"
#include "harness/compositor.h"
#include "harness/sync_lab.h"

struct protocol_lab {
	struct sync_lab *sync;
	struct test_compositor *compositor;
	struct test_client *client;
	/** With the compositor running and the client connected, before it made anything. */
	struct census census;
};

/** cmocka setup and teardown; *state is the struct protocol_lab. kernel_fake is installed. */
int protocol_lab_setup(void **state);
int protocol_lab_setup_fake(void **state);
/**
 * Closes everything, and fails the test if fds, handles, loans or holds are left, or if a "signalbox
 * bug" was logged.
 */
int protocol_lab_teardown(void **state);

/** The same, in the middle of a test, for one that closed what it made: lets the timers run out. */
void protocol_lab_check(struct protocol_lab *lab);

struct sbx_syncobj_stats protocol_lab_stats(struct protocol_lab *lab);

/** A fence that the test signals. */
struct test_fence {
	struct vgem_fence vgem;
	int fake;
	int sync_file;
};

/** Pending; sync_file is the caller's. */
void test_fence_create(struct protocol_lab *lab, struct test_fence *fence);
/** `point` of the window's acquire timeline is materialised with a pending fence. */
void test_fence_pend(struct protocol_lab *lab, struct test_window *window, uint64_t value,
	struct test_fence *fence);
/** On the lab's device `error` must be 0. */
void test_fence_signal(struct protocol_lab *lab, struct test_fence *fence, int error);

#define PROTOCOL_FAKE(name, function) \
	{ name, function, protocol_lab_setup_fake, protocol_lab_teardown, NULL }
#define PROTOCOL_LAB(name, function) \
	{ name, function, protocol_lab_setup, protocol_lab_teardown, NULL }

#endif
