/**
 * The global, and what the files of protocol/ share.
 */
#ifndef SBX_PROTOCOL_MANAGER_H
#define SBX_PROTOCOL_MANAGER_H

#include <signalbox/syncobj.h>
#include <stdbool.h>
#include <wayland-server-core.h>
#include "loan/desk.h"
#include "protocol/deadline.h"

struct sbx_syncobj_manager {
	struct wl_display *display;
	struct wl_global *global;
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

#endif
