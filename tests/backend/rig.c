#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wlr/interfaces/wlr_buffer.h>
#include "backend/rig.h"
#include "harness/kernel_fake.h"
#include "sync/fd.h"
#include "trace/log.h"

static char log_text[65536];

static void note_line(enum sbx_log_level level, const char *format, va_list args) {
	char line[512];
	vsnprintf(line, sizeof(line), format, args);
	if (strlen(log_text) + strlen(line) + 2 < sizeof(log_text)) {
		strcat(strcat(log_text, line), "\n");
	}
	if (getenv("TEST_VERBOSE") != NULL) {
		fprintf(stderr, "%s\n", line);
	}
}

unsigned rig_count_log(const char *text) {
	unsigned count = 0;
	for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++) {
		count++;
	}
	return count;
}

static int setup(void **state, int (*setup_sync)(void **state)) {
	log_text[0] = '\0';
	sbx_log_init(SBX_LOG_INFO, note_line);
	void *sync = NULL;
	if (setup_sync(&sync) < 0) {
		return -1;
	}
	struct rig *rig = calloc(1, sizeof(*rig));
	rig->sync = sync;
	rig->loop = wl_event_loop_create();
	*state = rig;
	return 0;
}

int rig_setup(void **state) {
	int ret = setup(state, sync_lab_setup_fake);
	clock_fake_install(RIG_START_NS);
	return ret;
}

int rig_setup_lab(void **state) {
	return setup(state, sync_lab_setup);
}

int rig_teardown(void **state) {
	struct rig *rig = *state;
	kernel_fake_failed();
	clock_fake_remove();
	wl_event_loop_destroy(rig->loop);
	*state = rig->sync;
	free(rig);
	int ret = sync_lab_teardown(state);
	assert_int_equal(rig_count_log("signalbox bug"), 0);
	sbx_log_init(SBX_LOG_INFO, NULL);
	return ret;
}

static int64_t real_now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

bool rig_wait(struct rig *rig, bool (*done)(void *data), void *data) {
	int64_t end_ns = real_now_ns() + 10 * SECOND;
	while (!done(data) && real_now_ns() < end_ns) {
		wl_event_loop_dispatch(rig->loop, 1);
	}
	return done(data);
}

/* Buffers */

static void buffer_destroy(struct wlr_buffer *wlr) {
	struct rig_buffer *buffer = wl_container_of(wlr, buffer, base);
	wl_list_remove(&buffer->release.link);
	wlr_dmabuf_attributes_finish(&buffer->dmabuf);
	wlr_buffer_finish(wlr);
	buffer->destroyed = true;
}

static bool buffer_get_dmabuf(struct wlr_buffer *wlr, struct wlr_dmabuf_attributes *dmabuf) {
	struct rig_buffer *buffer = wl_container_of(wlr, buffer, base);
	*dmabuf = buffer->dmabuf;
	return dmabuf->n_planes > 0;
}

static const struct wlr_buffer_impl buffer_impl = {
	.destroy = buffer_destroy,
	.get_dmabuf = buffer_get_dmabuf,
};

static void handle_release(struct wl_listener *listener, void *data) {
	struct rig_buffer *buffer = wl_container_of(listener, buffer, release);
	buffer->releases++;
}

void rig_buffer_init(struct rig_buffer *buffer, int width, int height) {
	*buffer = (struct rig_buffer){ 0 };
	wlr_buffer_init(&buffer->base, &buffer_impl, width, height);
	buffer->release.notify = handle_release;
	wl_signal_add(&buffer->base.events.release, &buffer->release);
}

void rig_buffer_init_vgem(struct rig *rig, struct rig_buffer *buffer, uint32_t *handle) {
	int dmabuf_fd = -1;
	assert_int_equal(vgem_buffer_create(rig->sync->vgem_fd, handle, &dmabuf_fd), 0);
	rig_buffer_init(buffer, 32, 32);
	buffer->dmabuf = (struct wlr_dmabuf_attributes){
		.width = 32, .height = 32, .format = DRM_FORMAT_XRGB8888, .modifier = DRM_FORMAT_MOD_LINEAR,
		.n_planes = 1, .stride = { 128 }, .fd = { dmabuf_fd, -1, -1, -1 },
	};
}

void rig_buffer_finish(struct rig_buffer *buffer) {
	wlr_buffer_drop(&buffer->base);
	assert_true(buffer->destroyed);
}

/* Timelines */

void rig_timeline_init(struct rig *rig, struct rig_timeline *timeline) {
	*timeline = (struct rig_timeline){ 0 };
	assert_int_equal(sbx_timeline_create(rig->sync->sync, &timeline->timeline), 0);
	timeline->wlr.drm_fd = sbx_sync_get_drm_fd(rig->sync->sync);
	timeline->wlr.handle = sbx_timeline_point(timeline->timeline, 0).handle;
	// One reference is ours, so that wlroots never destroys it.
	timeline->wlr.WLR_PRIVATE.n_refs = 1;
	wlr_addon_set_init(&timeline->wlr.addons);
}

void rig_timeline_finish(struct rig *rig, struct rig_timeline *timeline) {
	assert_int_equal(timeline->wlr.WLR_PRIVATE.n_refs, 1);
	wlr_addon_set_finish(&timeline->wlr.addons);
	sbx_timeline_destroy(timeline->timeline);
}

struct sbx_point rig_point(struct rig_timeline *timeline, uint64_t value) {
	return sbx_timeline_point(timeline->timeline, value);
}

bool rig_is_signalled(struct rig *rig, struct rig_timeline *timeline, uint64_t value) {
	struct sbx_point point = rig_point(timeline, value);
	enum sbx_point_state state;
	assert_int_equal(sbx_points_query(rig->sync->sync, &point, 1, &state), 0);
	return state == SBX_POINT_SIGNALLED;
}

void rig_pend(struct rig *rig, struct rig_timeline *timeline, uint64_t value, struct rig_fence *fence) {
	*fence = (struct rig_fence){ .fake = -1 };
	int sync_file = -1;
	if (rig->sync->vgem_fd >= 0) {
		assert_int_equal(vgem_fence_create(rig->sync->vgem_fd, &fence->vgem, &sync_file), 0);
	} else {
		fence->fake = kernel_fake_fence_create(&sync_file);
	}
	assert_int_equal(sbx_point_import_sync_file(rig->sync->sync, rig_point(timeline, value), sync_file), 0);
	sbx_fd_close(&sync_file);
}

void rig_signal(struct rig *rig, struct rig_fence *fence, int error) {
	if (rig->sync->vgem_fd >= 0) {
		assert_int_equal(error, 0);
		assert_int_equal(vgem_fence_signal(&fence->vgem), 0);
	} else {
		kernel_fake_fence_signal(fence->fake, error);
	}
}

/* Ear */

static void handle_frame(struct wl_listener *listener, void *data) {
	struct rig_ear *ear = wl_container_of(listener, ear, frame);
	ear->frames++;
	if (ear->on_frame != NULL) {
		ear->on_frame(ear, ear->data);
	}
}

static void handle_present(struct wl_listener *listener, void *data) {
	struct rig_ear *ear = wl_container_of(listener, ear, present);
	ear->last = *(struct wlr_output_event_present *)data;
	ear->last_when_ns = ear->last.when.tv_sec * SECOND + ear->last.when.tv_nsec;
	ear->presents++;
	ear->shown += ear->last.presented;
}

static void handle_damage(struct wl_listener *listener, void *data) {
	struct rig_ear *ear = wl_container_of(listener, ear, damage);
	ear->damages++;
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct rig_ear *ear = wl_container_of(listener, ear, destroy);
	wl_list_remove(&ear->frame.link);
	wl_list_remove(&ear->present.link);
	wl_list_remove(&ear->damage.link);
	wl_list_remove(&ear->destroy.link);
	ear->output = NULL;
}

void rig_listen(struct rig_ear *ear, struct wlr_output *output) {
	*ear = (struct rig_ear){ .output = output };
	ear->frame.notify = handle_frame;
	wl_signal_add(&output->events.frame, &ear->frame);
	ear->present.notify = handle_present;
	wl_signal_add(&output->events.present, &ear->present);
	ear->damage.notify = handle_damage;
	wl_signal_add(&output->events.damage, &ear->damage);
	ear->destroy.notify = handle_destroy;
	wl_signal_add(&output->events.destroy, &ear->destroy);
}
