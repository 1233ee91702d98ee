/**
 * The global, and what the files of protocol/ share.
 */
#ifndef SBX_PROTOCOL_MANAGER_H
#define SBX_PROTOCOL_MANAGER_H

#include <signalbox/syncobj.h>
#include <stdbool.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_linux_drm_syncobj_v1.h>
#include "loan/desk.h"
#include "protocol/deadline.h"

struct sbx_syncobj_manager {
	struct wl_list link; // sbx_syncobj_managers()
	struct wl_display *display;
	struct wl_global *global;
	/** What wlroots' own function returns for it; interpose.h. */
	struct wlr_linux_drm_syncobj_manager_v1 view;
	/** Whether wlroots waits for what we tell it to. */
	bool asked;
	struct sbx_desk desk;
	struct sbx_syncobj_options options;
	/** Holds that nothing keeps any more, in the order in which they end; latch.c. */
	struct wl_list ready;
	bool settling;
	size_t held_commits;
	uint64_t superseded;
	/** Commits with points that became content, by the policy they were made under. */
	uint64_t latched[SBX_LATCH_POLICIES];
	struct sbx_deadline deadline;
	struct wl_listener display_destroy;
};

/** All that there are. */
struct wl_list *sbx_syncobj_managers(void);

#endif
