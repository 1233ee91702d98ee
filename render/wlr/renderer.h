/**
 * The wlr_renderer and what its files share.
 *
 * Everything here runs on the thread of the compositor's event loop.
 */
#ifndef SBX_RENDER_WLR_RENDERER_H
#define SBX_RENDER_WLR_RENDERER_H

#include <signalbox/renderer.h>
#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/interface.h>
#include "render/wlr/shadow.h"

struct sbx_composer;
struct sbx_device;
struct sbx_pass;
struct sbx_sync;

struct sbx_renderer {
	struct wlr_renderer base;
	struct sbx_device *device;
	struct sbx_composer *composer;
	/** The node that is lent to the compositor, owned; -1: none was found. */
	int drm_fd;

	struct wlr_drm_format_set shm_formats, dmabuf_formats, render_formats;

	struct wl_list buffers; /* sbx_wlr_buffer.link, the last one used first */
	/** Of buffers that are copied; how many there are. */
	struct sbx_succession succession;
	size_t n_shadows;
	/** sbx_wlr_buffer_drop_idle() */
	int64_t idle_import_ns;
	struct wl_list textures; /* sbx_texture.link */
	struct wl_list timelines; /* sbx_known_timeline.link */
	struct wl_list drm_files; /* sbx_drm_file.link, that of drm_fd first */
	struct wl_list grades; /* sbx_known_grade.link, the last one used first */
	/** Points promised to the compositor, of work that takes longer than we wait. */
	struct wl_list owed; /* sbx_owed.link, publish.c */
	struct wl_event_source *owed_timer;

	/** Passes that were submitted, kept with their memory for the next. */
	struct sbx_pass *idle_passes;
	uint64_t pass_serial, timeline_serial;
	/** When a pass was last put off because of a wait; CLOCK_MONOTONIC, 0: never. */
	int64_t postponed_ns;
	/** The lines about copied buffers and targets were written. */
	bool copying_logged, delivering_logged;
	/** Rate limit of the line that names a lost wait. */
	int64_t lost_wait_logged_ns;

	/** events.lost: announced once, from the event loop where one is known. */
	bool lost_noted, lost_told;
	struct wl_event_loop *event_loop;
	struct wl_event_source *lost_source;
	struct wl_listener base_destroy, backend_new_output, backend_destroy;
};

/** `renderer` must be one of ours. */
struct sbx_renderer *sbx_renderer_from_wlr(struct wlr_renderer *renderer);

/**
 * Look whether the device has been lost. If so, events.lost is emitted soon: from the event loop, or
 * by the next sbx_renderer_tell_lost() where no event loop is known. Returns whether it is lost.
 */
bool sbx_renderer_check_lost(struct sbx_renderer *renderer);

/** Emit events.lost if it is due. Not inside a pass. */
void sbx_renderer_tell_lost(struct sbx_renderer *renderer);

/** CLOCK_MONOTONIC in nanoseconds. */
int64_t sbx_renderer_now_ns(void);

#endif
