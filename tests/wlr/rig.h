/**
 * A renderer under test, buffers for it, and the log it writes.
 *
 * Needs /dev/udmabuf, a Vulkan device that imports dma-bufs and a DRM node with syncobj timelines: the
 * lab VM has them all. Elsewhere the programs exit with 77; in the lab (SIGNALBOX_LAB) what is missing
 * is a failure.
 */
#ifndef TESTS_WLR_RIG_H
#define TESTS_WLR_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <drm_fourcc.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/render/interface.h>
#include <wlr/render/pass.h>
#include <wlr/render/wlr_renderer.h>
#include "render/wlr/renderer.h"

/** What a test buffer shows to the renderer. */
enum rig_buffer_caps {
	RIG_DMABUF = 1 << 0,
	RIG_DATA_PTR = 1 << 1,
};

struct rig_buffer {
	struct wlr_buffer base;
	uint32_t caps;
	struct wlr_dmabuf_attributes dmabuf;
	uint32_t format, stride;
	/** Its pixels, mapped. */
	uint32_t *pixels;
	size_t size;
	/** How often the buffer was released. */
	unsigned releases;
	struct wl_listener release;
};

struct rig {
	struct wlr_renderer *renderer;
	struct sbx_renderer *sbx;
	/** A timeline of the same DRM node, through the fd of a compositor. */
	int drm_fd;
	struct wlr_drm_syncobj_timeline *timeline;
	/** File descriptors open before. */
	unsigned fds;
};

/** main() of a test program: 77 or 1 where the machine lacks something. */
int rig_main(const struct CMUnitTest tests[], size_t n);
#define RIG_MAIN(tests) rig_main(tests, sizeof(tests) / sizeof((tests)[0]))

/** Per-test set-up and tear-down: a new renderer; no fd, validation message or bug line may be left. */
int rig_setup(void **state);
int rig_teardown(void **state);
#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

/** 32-bit pixels (four bytes each), stride of 4 * width, all zero. Dropped with rig_buffer_drop(). */
struct rig_buffer *rig_buffer_create(uint32_t width, uint32_t height, uint32_t format, uint32_t caps);
/** The same around a dma-buf that is given away. `pixels` (NULL: mapped from the dma-buf) is lent. */
struct rig_buffer *rig_buffer_wrap(uint32_t width, uint32_t height, uint32_t format, int *dmabuf_fd);
void rig_buffer_drop(struct rig_buffer *buffer);
void rig_buffer_fill(struct rig_buffer *buffer, uint32_t pixel);
uint32_t rig_buffer_pixel(const struct rig_buffer *buffer, uint32_t x, uint32_t y);

/** Draw one texture over the whole target, after `timeline` (NULL: no wait) has reached `point`. */
bool rig_draw(struct rig *rig, struct rig_buffer *target, struct wlr_texture *texture,
	struct wlr_drm_syncobj_timeline *timeline, uint64_t point);

/** Wait until the GPU has done all that was submitted. */
void rig_finish(struct rig *rig);

/** The number of log lines since set-up that contain `text`. */
unsigned rig_log_count(const char *text);
/** Lines with this text are expected and no failure. Forgotten at set-up. Static. */
void rig_log_expect(const char *text);

/** open file descriptors of this process */
unsigned rig_open_fds(void);
/** The same, but for up to two seconds until it is `wanted`: Mesa's shader cache writes from a thread. */
unsigned rig_settled_fds(unsigned wanted);

#endif
