#include <drm.h>
#include <errno.h>
#include "harness/kernel_fake.h"
#include "harness/peer_timeline.h"
#include "harness/sync_lab.h"
#include "loan/promise.h"
#include "loan/reader.h"
#include "sync/fd.h"

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

/* What is there when the timeline goes is waited for, and what is not cannot come any more. */
static void test_timeline_goes(void **state) {
	struct peer_timeline peer;
	peer_timeline_create(&peer, sync_of(state));
	struct sbx_promise *there = sbx_promise_create(peer.wlr, 1);
	struct sbx_promise *not_there = sbx_promise_create(peer.wlr, 2);
	kernel_fake_drm_materialise(peer.wlr->handle, 1);
	peer_timeline_destroy(&peer);
	int fence = -1;
	assert_int_equal(sbx_promise_look(there, &fence), 0);
	assert_true(fence >= 0);
	sbx_fd_close(&fence);
	assert_int_equal(look(not_there), 0);
	sbx_promise_destroy(there);
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
		PROMISE("promise: work that never was", test_patience),
		PROMISE("promise: every call fails once", test_every_call_fails),
		PROMISE("promise: spared", test_spared),
		PROMISE("promise: a reader's", test_reader),
	};
	return suite_run(argc, argv, "loan/promise", host, SUITE_COUNT(host), NULL, 0);
}
