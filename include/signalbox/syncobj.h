/**
 * linux-drm-syncobj-v1: clients say with points on timelines when a buffer may be read, and are told so
 * when it may be drawn into again.
 *
 * In a compositor, call sbx_syncobj_manager_create() where wlr_linux_drm_syncobj_manager_v1_create()
 * stood, and nothing else. Every buffer that a client commits with points becomes a loan: the commit is
 * held back until its acquire point lets it latch, sbx_renderer's passes note by themselves what they
 * read, and the release point is signalled once, when the content has been replaced and nobody reads the
 * buffer any more. It works with wlr_scene and without.
 *
 * Who reads buffers by other means says so with wlroots' own wlr_buffer_lock() and wlr_buffer_unlock():
 * a locked buffer is not released, whoever holds it (a KMS plane, a snapshot). Whose reading goes on
 * after the unlock, on a GPU that is not sbx_renderer's, leaves a fence: sbx_syncobj_buffer_add_reader().
 *
 * What goes wrong never shows what is unfinished, and never releases what is in use: a commit whose
 * fence fails is not shown (its other state is applied), one that cannot be waited for with an eventfd is
 * asked for on a timer.
 *
 * Where the kernel takes it (SYNC_IOC_SET_DEADLINE, Linux 6.7), a client's pending fence is told when the
 * next frame of the outputs that show its surface needs it, so that the client's GPU can choose its clock.
 *
 * Everything here is for the thread of the compositor's event loop.
 */
#ifndef SIGNALBOX_SYNCOBJ_H
#define SIGNALBOX_SYNCOBJ_H

#include <signalbox/api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbx_syncobj_manager;
struct wl_client;
struct wl_display;
struct wl_global;
struct wlr_buffer;
struct wlr_surface;

/**
 * When a commit becomes its surface's content. Content that is not signalled yet is waited for by whoever
 * reads it, a display engine too: wlroots is told of the fence by its own functions, see
 * docs/decisions/0013-wlroots-is-answered.md. Where it does not ask us (libsignalbox is linked behind
 * wlroots; the log says so), all are SBX_LATCH_SIGNALLED.
 */
enum sbx_latch_policy {
	/** When its acquire point has been signalled: a slow client delays nobody but itself. */
	SBX_LATCH_SIGNALLED,
	/**
	 * As soon as there is a fence that will signal it: the GPU waits. Lowest latency for a client that
	 * one trusts; a slow one stops the whole screen. Needs sbx_renderer.
	 */
	SBX_LATCH_MATERIALISED,
	/**
	 * When it is signalled, or at an output's last moment for rendering, if the surface's last commits say
	 * that it will be signalled before our GPU needs it; then the GPU waits. Otherwise the frame before
	 * stays. So a client that is on time gains up to a frame, and a slow one delays itself only.
	 *
	 * Relied on are the longest of the last 16 durations from commit to signal, and an eighth more, once
	 * there have been 8; the output's refresh; and what our own frames took, measured by sbx_renderer.
	 * Where one of these is not known (an output without a refresh rate or with adaptive sync, a
	 * surface on no output, another renderer) it is SIGNALLED.
	 *
	 * A client whose fence is not there when our GPU needs it has stopped the screen for as long as it is
	 * late. It is treated as SIGNALLED for one second, then two, four, up to 64 each further time, or
	 * sixteen times as long as it was late, if that is longer. 64 kept predictions halve the next time.
	 */
	SBX_LATCH_DEADLINE,
};

/** How many policies there are. */
enum { SBX_LATCH_POLICIES = 3 };

enum {
	SBX_SYNCOBJ_DEFAULT_TIMELINES = 2048,
	SBX_SYNCOBJ_DEFAULT_HELD_COMMITS = 256,
	SBX_SYNCOBJ_DEFAULT_POINTS = 4096,
	SBX_SYNCOBJ_DEFAULT_STALL_MS = 1000,
};

/**
 * What one client may have at a time; 0: the default. Going beyond is that client's protocol error (an
 * "implementation" error with the numbers in it) and nobody else's trouble.
 *
 * Mesa needs two timelines and one point for each image of a swapchain, and one held commit for each
 * frame that is not finished. When the process runs short of fds (three quarters of its soft limit) the
 * bounds fall to a quarter, then (seven eighths) to a sixteenth.
 */
struct sbx_syncobj_limits {
	/** Imported timelines whose kernel handle is still needed. No fd each. */
	uint32_t timelines;
	/** Commits held back, on all surfaces together. Up to two fds each while their fence is pending. */
	uint32_t held_commits;
	/** Release points owed. No fd each. */
	uint32_t points;
};

struct sbx_syncobj_options {
	enum sbx_latch_policy policy;
	struct sbx_syncobj_limits limits;
	/**
	 * Which clients are offered the protocol; NULL: all. A display has but one filter for globals: the
	 * manager installs it if this is set. A compositor with a filter of its own leaves this NULL and
	 * hides sbx_syncobj_manager_get_global() there.
	 */
	bool (*allow_client)(const struct wl_client *client, void *data);
	void *data;
	/**
	 * A point that has not come after so many milliseconds is named in the log, once, with its client,
	 * its surface and whom it waits for: an acquire point from its commit on, a release point from the
	 * time on when other content has taken its buffer's place. At most four lines in ten seconds for each
	 * client. 0: SBX_SYNCOBJ_DEFAULT_STALL_MS; negative: never. The environment variable
	 * SIGNALBOX_STALL_MS goes first.
	 */
	int32_t stall_ms;
	/** Leave the process's soft limit of fds alone. Without this it is raised to the hard limit. */
	bool keep_fd_limit;
};

/**
 * Offer the protocol in `version` (1) to the clients of `display`. `options` may be NULL: all zero.
 *
 * `drm_fd` (lent, duplicated) is a DRM node with syncobj timelines; any node will do, and
 * wlr_renderer_get_drm_fd() is the usual one.
 *
 * NULL: not offered, with one line in the log that says why. That includes the off switch: the
 * environment variable SIGNALBOX_EXPLICIT_SYNC=0. Clients then use implicit sync.
 *
 * Destroyed with the display; what is on loan then is released first.
 */
SBX_API struct sbx_syncobj_manager *sbx_syncobj_manager_create(struct wl_display *display,
	uint32_t version, int drm_fd, const struct sbx_syncobj_options *options);

SBX_API struct wl_global *sbx_syncobj_manager_get_global(const struct sbx_syncobj_manager *manager);

/** For commits from now on, of all surfaces without a policy of their own. */
SBX_API void sbx_syncobj_manager_set_policy(struct sbx_syncobj_manager *manager,
	enum sbx_latch_policy policy);

/** For this surface's commits from now on. False: out of memory, the policy is as it was. */
SBX_API bool sbx_syncobj_surface_set_policy(struct sbx_syncobj_manager *manager,
	struct wlr_surface *surface, enum sbx_latch_policy policy);

/**
 * A reader of the buffer that sbx_renderer knows nothing of: its release point will not be signalled
 * before sync_file (lent; -1: done already) has. Call it while the buffer is locked. A buffer that is not
 * on loan needs none: true.
 *
 * False: the fence could not be kept (no fd, no memory); the caller waits for it before it unlocks the
 * buffer.
 */
SBX_API bool sbx_syncobj_buffer_add_reader(struct wlr_buffer *buffer, int sync_file);

/** What the manager holds now. */
struct sbx_syncobj_stats {
	/** Release points owed, all clients. */
	size_t loans;
	/** Loans whose release waits for a retry: something failed. */
	size_t ending;
	/** Commits that wait for their acquire point or for a synchronised child's. */
	size_t held_commits;
	/** Ever: commits overtaken while held, acquire fences that failed. */
	uint64_t superseded, failed;
	/** Ever: commits that became content, by enum sbx_latch_policy. */
	uint64_t latched[SBX_LATCH_POLICIES];
	/**
	 * Ever: commits that were latched before they were signalled because they were expected to be in time
	 * (SBX_LATCH_DEADLINE), and how many of them were and were not. One that is replaced before it was
	 * needed is neither.
	 */
	uint64_t predicted, predictions_kept, predictions_broken;
};

SBX_API void sbx_syncobj_manager_get_stats(const struct sbx_syncobj_manager *manager,
	struct sbx_syncobj_stats *stats);

#endif
