#include <errno.h>
#include <wlr/render/drm_syncobj.h>
#include "harness/kernel_fake.h"
#include "harness/peer_timeline.h"
#include "harness/sync_lab.h"
#include "loan/desk.h"
#include "loan/loan.h"
#include "loan/offer.h"
#include "sync/fd.h"

/* A desk and a loan, as far as an offer has to do with them. */
struct scene {
	struct sync_lab *lab;
	struct sbx_desk desk;
	struct sbx_loan loan;
	struct wl_event_loop *loop;
};

static void begin(struct scene *scene, void **state) {
	scene->lab = *state;
	scene->loop = wl_event_loop_create();
	const struct sbx_syncobj_limits limits = {0};
	assert_int_equal(sbx_desk_init(&scene->desk, sbx_sync_get_drm_fd(scene->lab->sync), scene->loop,
		&limits), 0);
	scene->loan = (struct sbx_loan){ .desk = &scene->desk, .gate.fence_fd = -1 };
}

static void end(struct scene *scene) {
	wlr_drm_syncobj_timeline_unref(scene->loan.offer);
	sbx_fd_close(&scene->loan.gate.fence_fd);
	sbx_desk_finish(&scene->desk);
	wl_event_loop_destroy(scene->loop);
}

/* The loan's fence is there. Returns it, for kernel_fake_fence_signal(). */
static int materialise(struct scene *scene) {
	scene->loan.gate.state = SBX_GATE_MATERIALISED;
	return kernel_fake_fence_create(&scene->loan.gate.fence_fd);
}

static enum sbx_point_state state_of(struct scene *scene, const struct wlr_drm_syncobj_timeline *timeline) {
	struct sbx_point point = { .handle = timeline->handle, .value = SBX_OFFER_POINT };
	enum sbx_point_state state = SBX_POINT_INVALID;
	assert_int_equal(sbx_points_query(scene->lab->sync, &point, 1, &state), 0);
	return state;
}

static void test_shared(void **state) {
	struct scene scene;
	begin(&scene, state);
	assert_int_equal(state_of(&scene, sbx_loan_get_offer(&scene.loan)), SBX_POINT_UNMATERIALISED);
	assert_false(sbx_offer_is_ready(sbx_loan_get_offer(&scene.loan)));
	assert_false(sbx_loan_make_offer(&scene.loan));
	scene.loan.gate.state = SBX_GATE_SIGNALLED;
	assert_true(sbx_loan_make_offer(&scene.loan));
	assert_int_equal(state_of(&scene, sbx_loan_get_offer(&scene.loan)), SBX_POINT_SIGNALLED);
	assert_true(sbx_offer_is_ready(sbx_loan_get_offer(&scene.loan)));
	assert_null(scene.loan.offer);
	assert_false(sbx_offer_is_ready(NULL));
	end(&scene);
}

static void test_others_are_not_ready(void **state) {
	struct sync_lab *lab = *state;
	struct peer_timeline peer;
	peer_timeline_create(&peer, lab->sync);
	peer_timeline_signal(&peer, SBX_OFFER_POINT);
	assert_false(sbx_offer_is_ready(peer.wlr));
	peer_timeline_destroy(&peer);
}

static void test_made(void **state) {
	struct scene scene;
	begin(&scene, state);
	int fence = materialise(&scene);
	assert_true(sbx_loan_make_offer(&scene.loan));
	struct wlr_drm_syncobj_timeline *timeline = sbx_loan_get_offer(&scene.loan);
	assert_int_equal(state_of(&scene, timeline), SBX_POINT_MATERIALISED);
	assert_false(sbx_offer_is_ready(timeline));
	assert_true(sbx_loan_make_offer(&scene.loan));
	assert_ptr_equal(sbx_loan_get_offer(&scene.loan), timeline);
	kernel_fake_fence_signal(fence, 0);
	assert_int_equal(state_of(&scene, timeline), SBX_POINT_SIGNALLED);
	end(&scene);
}

/* Whichever call fails: no offer, nothing left behind, and the fallback cannot be waited for. */
static void test_every_call_fails(void **state) {
	bool failed = true;
	for (unsigned n = 0; failed; n++) {
		struct scene scene;
		begin(&scene, state);
		materialise(&scene);
		kernel_fake_fail(n, -ENOMEM);
		bool made = sbx_loan_make_offer(&scene.loan);
		failed = kernel_fake_failed();
		assert_int_equal(made, !failed);
		assert_int_equal(state_of(&scene, sbx_loan_get_offer(&scene.loan)),
			made ? SBX_POINT_MATERIALISED : SBX_POINT_UNMATERIALISED);
		end(&scene);
	}
}

/*
 * On the lab's kernel: wlroots destroys the offer's handle, too, by its number, past sync/. That must be
 * nobody's, and not 0, which the kernel would then give to the next who wants one.
 */
static void test_nobodys_handle(void **state) {
	struct scene scene;
	begin(&scene, state);
	end(&scene);
	struct sync_lab *lab = *state;
	struct sbx_timeline *timelines[4];
	for (int i = 0; i < 4; i++) {
		assert_int_equal(sbx_timeline_create(lab->sync, &timelines[i]), 0);
		assert_int_not_equal(sbx_timeline_point(timelines[i], 0).handle, 0);
	}
	for (int i = 0; i < 4; i++) {
		sbx_timeline_destroy(timelines[i]);
	}
}

/* What wlroots still holds when the desk goes names nothing any more. */
static void test_desk_goes(void **state) {
	struct scene scene;
	begin(&scene, state);
	materialise(&scene);
	assert_true(sbx_loan_make_offer(&scene.loan));
	struct wlr_drm_syncobj_timeline *made =
		wlr_drm_syncobj_timeline_ref(sbx_loan_get_offer(&scene.loan));
	struct wlr_drm_syncobj_timeline *ready = wlr_drm_syncobj_timeline_ref(scene.desk.ready);
	end(&scene);
	assert_int_equal(made->handle, 0);
	assert_int_equal(made->drm_fd, -1);
	assert_int_equal(ready->handle, 0);
	wlr_drm_syncobj_timeline_unref(made);
	wlr_drm_syncobj_timeline_unref(ready);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		SYNC_FAKE("offer: what loans share", test_shared),
		SYNC_FAKE("offer: others are not ready", test_others_are_not_ready),
		SYNC_FAKE("offer: made of a fence", test_made),
		SYNC_FAKE("offer: every call fails once", test_every_call_fails),
		SYNC_FAKE("offer: the desk goes", test_desk_goes),
	};
	const struct CMUnitTest lab[] = {
		SYNC_LAB("offer: wlroots destroys nobody's handle", test_nobodys_handle),
	};
	return suite_run(argc, argv, "loan/offer", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
