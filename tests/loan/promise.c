#include <drm.h>
#include <errno.h>
#include "harness/kernel_fake.h"
#include "harness/peer_timeline.h"
#include "harness/sync_lab.h"
#include "loan/promise.h"
#include "loan/reader.h"
#include "sync/fd.h"
#include "sync/sync_file.h"

static struct sbx_sync *sync_of(void **state) {
	struct sync_lab *lab = *state;
	return lab->sync;
}

static int look(struct sbx_promise *promise) {
	int fence = -1;
	int ret = sbx_promise_look(promise, &fence);
	assert_int_equal(fence, -1);
	return ret;
}

static void test_kept(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	struct sbx_promise *first = sbx_promise_create(peer.wlr, 1);
	struct sbx_promise *second = sbx_promise_create(peer.wlr, 2);
	assert_ptr_equal(sbx_promise_get_order(first), sbx_promise_get_order(second));
	assert_int_equal(look(first), -EAGAIN);
	peer_timeline_signal(&peer, 1);
	assert_int_equal(look(first), 0);
	assert_int_equal(look(second), -EAGAIN);
	sbx_promise_destroy(first);
	sbx_promise_destroy(second);
	peer_timeline_destroy(&peer);
}

static void test_fence(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	int fence = -1;
	assert_int_equal(sbx_promise_look(promise, &fence), 0);
	assert_true(fence >= 0);
	sbx_fd_close(&fence);
	sbx_promise_destroy(promise);
	peer_timeline_destroy(&peer);
}

/* What sbx_promise_look() must say for as long as it is given: not known, whatever the clock says. */
static void look_for_long(struct sbx_promise *promise) {
	kernel_fake.now_ns = 1000;
	assert_int_equal(look(promise), -EAGAIN);
	kernel_fake.now_ns += SBX_PROMISE_PATIENCE_NS - 1;
	assert_int_equal(look(promise), -EAGAIN);
	kernel_fake.now_ns += 5 * SBX_PROMISE_PATIENCE_NS;
	assert_int_equal(look(promise), -EAGAIN);
}

/* Its fence is there, and pending. */
static void expect_fence(struct sbx_promise *promise) {
	int fence = -1;
	assert_int_equal(sbx_promise_look(promise, &fence), 0);
	assert_true(fence >= 0);
	assert_int_equal(sbx_fence_wait(fence, 0), -ETIME);
	sbx_fd_close(&fence);
}

/* What is there when the timeline goes is waited for, and what is not cannot come any more. */
static void test_timeline_goes(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	struct sbx_promise *there = sbx_promise_create(peer.wlr, 1);
	struct sbx_promise *not_there = sbx_promise_create(peer.wlr, 2);
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	peer_timeline_destroy(&peer);
	expect_fence(there);
	sbx_promise_destroy(there);
	sbx_promise_destroy(not_there);
	peer_timeline_create(&peer, sync_of(state));
	not_there = sbx_promise_create(peer.wlr, 1);
	peer_timeline_destroy(&peer);
	assert_int_equal(look(not_there), 0);
	sbx_promise_destroy(not_there);
}

/* Work that never was handed out. */
static void test_patience(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
	kernel_fake.now_ns = 1000;
	assert_int_equal(look(promise), -EAGAIN);
	kernel_fake.now_ns = 999 + SBX_PROMISE_PATIENCE_NS;
	assert_int_equal(look(promise), -EAGAIN);
	kernel_fake.now_ns = 1000 + SBX_PROMISE_PATIENCE_NS;
	assert_int_equal(look(promise), 0);
	sbx_promise_destroy(promise);
	peer_timeline_destroy(&peer);
}

/* The same, after work of the same timeline that was handed out, and whose place it has taken. */
static void test_patience_after_work(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	struct sbx_promise *promise = sbx_promise_create(peer.wlr, 2);
	kernel_fake.now_ns = 1000;
	assert_int_equal(look(promise), -EAGAIN);
	kernel_fake.now_ns = 1000 + SBX_PROMISE_PATIENCE_NS;
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD;
	kernel_fake.broken_error = -EMFILE;
	assert_int_equal(look(promise), -EAGAIN);
	kernel_fake.broken_request = 0;
	expect_fence(promise);
	kernel_fake_drm_settle(peer.wlr->handle, 1, 0);
	assert_int_equal(look(promise), 0);
	sbx_promise_destroy(promise);
	peer_timeline_destroy(&peer);
}

/* A fence that is there and cannot be had: somebody reads, however long that takes. */
static void test_no_fds(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	kernel_fake.now_ns = 1000;
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD;
	kernel_fake.broken_error = -EMFILE;
	assert_int_equal(look(promise), -EAGAIN);
	kernel_fake.now_ns = 1000 + 2 * SBX_PROMISE_PATIENCE_NS;
	assert_int_equal(look(promise), -EAGAIN);
	kernel_fake.broken_request = 0;
	int fence = -1;
	assert_int_equal(sbx_promise_look(promise, &fence), 0);
	assert_true(fence >= 0);
	sbx_fd_close(&fence);
	sbx_promise_destroy(promise);
	peer_timeline_destroy(&peer);
}

/* The same, when the timeline goes meanwhile. */
static void test_timeline_goes_no_fds(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	struct sbx_promise *there = sbx_promise_create(peer.wlr, 1);
	struct sbx_promise *not_there = sbx_promise_create(peer.wlr, 2);
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD;
	kernel_fake.broken_error = -EMFILE;
	peer_timeline_destroy(&peer);
	look_for_long(there);
	kernel_fake.broken_request = 0;
	expect_fence(there);
	sbx_promise_destroy(there);
	sbx_promise_destroy(not_there);
}

/* No file in which to look at the timeline: somebody may read, until there is one again. */
static void test_no_file(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	kernel_fake.dup_error = -EMFILE;
	struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
	look_for_long(promise);
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	look_for_long(promise);
	kernel_fake.dup_error = 0;
	expect_fence(promise);
	sbx_promise_destroy(promise);
	peer_timeline_destroy(&peer);
}

/* The same, when the timeline is given back meanwhile. */
static void test_timeline_goes_no_file(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	kernel_fake.dup_error = -EMFILE;
	struct sbx_promise *there = sbx_promise_create(peer.wlr, 1);
	struct sbx_promise *ended = sbx_promise_create(peer.wlr, 1);
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	peer_timeline_destroy(&peer);
	look_for_long(there);
	sbx_promise_destroy(ended);
	kernel_fake.dup_error = 0;
	expect_fence(there);
	sbx_promise_destroy(there);
}

/* Nobody looks any more: the timeline goes with the last promise, if nobody else has it. */
static void test_no_file_ends(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	kernel_fake.dup_error = -EMFILE;
	struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
	sbx_promise_destroy(promise);
	promise = sbx_promise_create(peer.wlr, 2);
	peer_timeline_destroy(&peer);
	sbx_promise_destroy(promise);
}

/* A file that is none, or no more: nobody can look, and the handle may be another's. */
static void test_no_device(void **state) {
	static const int errors[] = { -EBADF, -ENODEV, -ENOTSUP };
	for (size_t i = 0; i < SUITE_COUNT(errors); i++) {
		struct peer_timeline peer;
		peer_timeline_create(&peer, sync_of(state));
		kernel_fake.dup_error = errors[i];
		struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
		kernel_fake.now_ns = 1000;
		assert_int_equal(look(promise), -EAGAIN);
		kernel_fake.now_ns = 1000 + SBX_PROMISE_PATIENCE_NS;
		assert_int_equal(look(promise), 0);
		peer_timeline_destroy(&peer);
		sbx_promise_destroy(promise);
	}
}

/* Whatever fails as the timeline goes, what is there is not taken for done. */
static void test_going_fails(void **state) {
	bool failed = true;
	for (unsigned n = 0; failed; n++) {
		struct peer_timeline peer;
		peer_timeline_create(&peer, sync_of(state));
		struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
		kernel_fake_drm_materialise(peer.wlr->handle, 1);
		kernel_fake.now_ns = 1000;
		kernel_fake_fail(n, -ENOMEM);
		peer_timeline_destroy(&peer);
		int fence = -1;
		int ret = sbx_promise_look(promise, &fence);
		failed = kernel_fake_failed();
		assert_true(ret == -EAGAIN || fence >= 0);
		kernel_fake.now_ns += 5 * SBX_PROMISE_PATIENCE_NS;
		if (ret == -EAGAIN) {
			ret = sbx_promise_look(promise, &fence);
			assert_true(ret == -EAGAIN || fence >= 0);
		}
		// Not lost: a fence does not take for ever.
		kernel_fake.now_ns += SBX_PROMISE_BLIND_NS;
		assert_int_equal(ret == -EAGAIN ? look(promise) : 0, 0);
		sbx_fd_close(&fence);
		sbx_promise_destroy(promise);
	}
}

/* Whatever fails, it is not taken for kept before that. */
static void test_every_call_fails(void **state) {
	struct peer_timeline peer;
	for (unsigned n = 0; n < 30; n++) {
		kernel_fake.now_ns = 1000;
		peer_timeline_create(&peer, sync_of(state));
		kernel_fake_fail(n, -EMFILE);
		struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
		int first = look(promise);
		kernel_fake_failed();
		assert_int_equal(first, -EAGAIN);
		assert_int_equal(look(promise), -EAGAIN);
		kernel_fake.now_ns = 1000 + SBX_PROMISE_PATIENCE_NS;
		assert_int_equal(look(promise), 0);
		sbx_promise_destroy(promise);
		peer_timeline_destroy(&peer);
	}
}

/* The real kernel keeps what was there as the timeline went. */
static void test_timeline_goes_lab(void **state) {
	struct sync_lab *lab = *state;
	struct peer_timeline peer;
	struct vgem_fence fence;
	peer_timeline_create(&peer, lab->sync);
	struct sbx_promise *there = sbx_promise_create(peer.wlr, 1);
	sync_lab_pend(lab, sbx_timeline_point(peer.own, 1), &fence);
	peer_timeline_destroy(&peer);
	kernel_fake.broken_request = DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD;
	kernel_fake.broken_error = -EMFILE;
	look_for_long(there);
	kernel_fake.broken_request = 0;
	kernel_fake.now_ns = 0;
	int copy = -1;
	assert_int_equal(sbx_promise_look(there, &copy), 0);
	assert_int_equal(sbx_fence_wait(copy, 0), -ETIME);
	assert_int_equal(vgem_fence_signal(&fence), 0);
	assert_int_equal(sbx_fence_wait(copy, 0), 0);
	assert_int_equal(look(there), 0);
	sbx_fd_close(&copy);
	sbx_promise_destroy(there);
}

static void test_spared(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	assert_false(sbx_promise_is_spared(peer.wlr));
	sbx_promise_spare(peer.wlr);
	assert_true(sbx_promise_is_spared(peer.wlr));
	sbx_promise_spare(NULL);
	peer_timeline_destroy(&peer);
}

/* In a reader's hands. */
static void test_reader(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	struct sbx_promise *promise = sbx_promise_create(peer.wlr, 1);
	struct sbx_reader *early = sbx_reader_create_promised(&promise, 1);
	assert_null(promise);
	promise = sbx_promise_create(peer.wlr, 2);
	struct sbx_reader *late = sbx_reader_create_promised(&promise, 2);
	assert_true(sbx_reader_is_covered(early, late));
	assert_false(sbx_reader_is_covered(late, early));
	assert_false(sbx_reader_is_done(early));
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	assert_false(sbx_reader_is_done(early));
	assert_false(early->open);
	kernel_fake_drm_settle(peer.wlr->handle, 1, 0);
	assert_true(sbx_reader_is_done(early));
	assert_false(sbx_reader_is_done(late));
	peer_timeline_signal(&peer, 2);
	assert_true(sbx_reader_is_done(late));
	sbx_reader_unref(early);
	sbx_reader_unref(late);
	peer_timeline_destroy(&peer);
}

#define PROMISE(name, function) { name, function, sync_lab_setup_fake, sync_lab_teardown, NULL }

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		PROMISE("promise: kept", test_kept),
		PROMISE("promise: a fence", test_fence),
		PROMISE("promise: no fds", test_no_fds),
		PROMISE("promise: the timeline goes", test_timeline_goes),
		PROMISE("promise: the timeline goes, no fds", test_timeline_goes_no_fds),
		PROMISE("promise: no file", test_no_file),
		PROMISE("promise: the timeline goes, no file", test_timeline_goes_no_file),
		PROMISE("promise: no file, and it ends", test_no_file_ends),
		PROMISE("promise: no device", test_no_device),
		PROMISE("promise: every call fails as the timeline goes", test_going_fails),
		PROMISE("promise: work that never was", test_patience),
		PROMISE("promise: work that never was, after work that was", test_patience_after_work),
		PROMISE("promise: every call fails once", test_every_call_fails),
		PROMISE("promise: spared", test_spared),
		PROMISE("promise: a reader's", test_reader),
	};
	const struct CMUnitTest lab[] = {
		SYNC_LAB("promise: kept", test_kept),
		SYNC_LAB("promise: the timeline goes, no fds", test_timeline_goes_lab),
	};
	return suite_run(argc, argv, "loan/promise", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
