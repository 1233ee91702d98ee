/**
 * What the tests of backend/ have in common: an event loop and a clock that the test moves, buffers and
 * timelines without hardware (or, in the lab, the lab's), and an ear on an output.
 */
#ifndef TESTS_BACKEND_RIG_H
#define TESTS_BACKEND_RIG_H

#include "harness/clock_fake.h"
#include "harness/suite.h"
#include "harness/sync_lab.h"
#include <wayland-server-core.h>
#include <wlr/render/dmabuf.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>

#define RIG_START_NS INT64_C(1000000000000)
#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

struct rig {
	struct sync_lab *sync;
	struct wl_event_loop *loop;
	/** Of the log since the setup. */
	unsigned bugs;
};

/** cmocka setup and teardown; *state is the struct rig. With kernel_fake's DRM device and a fake clock. */
int rig_setup(void **state);
/** With the lab's DRM device and vgem, and the real clock. */
int rig_setup_lab(void **state);
/** Fails the test if fds or handles have leaked, or a "signalbox bug" was logged. */
int rig_teardown(void **state);

/** How many lines of the log since the setup hold this text. */
unsigned rig_count_log(const char *text);

/** Dispatch the loop until done(data), ten seconds of the real clock at most. */
bool rig_wait(struct rig *rig, bool (*done)(void *data), void *data);

/** A buffer without memory; dropped by its producer when it is destroyed. */
struct rig_buffer {
	struct wlr_buffer base;
	bool destroyed;
	unsigned releases;
	struct wl_listener release;
	/** n_planes is 0: it is no dma-buf. */
	struct wlr_dmabuf_attributes dmabuf;
};
void rig_buffer_init(struct rig_buffer *buffer, int width, int height);
/** A page of vgem's memory, called 32 x 32; *handle is to be destroyed with vgem_buffer_destroy(). */
void rig_buffer_init_vgem(struct rig *rig, struct rig_buffer *buffer, uint32_t *handle);
/** The producer's end; fails the test if somebody still has it locked. */
void rig_buffer_finish(struct rig_buffer *buffer);

/** A timeline as wlroots hands it over. */
struct rig_timeline {
	struct sbx_timeline *timeline;
	struct wlr_drm_syncobj_timeline wlr;
};
void rig_timeline_init(struct rig *rig, struct rig_timeline *timeline);
void rig_timeline_finish(struct rig *rig, struct rig_timeline *timeline);
struct sbx_point rig_point(struct rig_timeline *timeline, uint64_t value);
bool rig_is_signalled(struct rig *rig, struct rig_timeline *timeline, uint64_t value);

/** The point gets a fence that is pending until the test says so. */
struct rig_fence {
	struct vgem_fence vgem;
	int fake;
};
void rig_pend(struct rig *rig, struct rig_timeline *timeline, uint64_t value, struct rig_fence *fence);
/** `error` must be 0 in the lab. */
void rig_signal(struct rig *rig, struct rig_fence *fence, int error);

/** What an output has said. */
struct rig_ear {
	struct wlr_output *output;
	unsigned frames, presents, shown, damages;
	struct wlr_output_event_present last;
	int64_t last_when_ns;
	struct wl_listener frame, present, damage, destroy;
	/** Called for each frame event, if not NULL. */
	void (*on_frame)(struct rig_ear *ear, void *data);
	void *data;
};
void rig_listen(struct rig_ear *ear, struct wlr_output *output);

#endif
