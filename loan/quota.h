/**
 * What one client may keep us busy with, and what it does.
 *
 * Counted is what is really retained: a timeline counts until its kernel handle is gone, which may be
 * long after the client destroyed the object; a point counts until it has been released.
 *
 * The event loop's thread only.
 */
#ifndef SBX_LOAN_QUOTA_H
#define SBX_LOAN_QUOTA_H

#include <signalbox/syncobj.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <wayland-server-core.h>
#include "loan/trust.h"
#include "trace/stall.h"

enum sbx_quota_kind {
	/** Kernel handles of the client's timelines. */
	SBX_QUOTA_TIMELINES,
	/** Commits that wait for their acquire point, or behind one that does. */
	SBX_QUOTA_HELD_COMMITS,
	/** Release points that are owed to the client. */
	SBX_QUOTA_POINTS,
	SBX_QUOTA_KINDS,
};

/** All clients of one manager. */
struct sbx_quotas {
	struct sbx_syncobj_limits limits;
	struct wl_list clients; // sbx_quota.link
	/** By how many bits fd pressure lowers the bounds; sbx_quotas_feel_pressure(). */
	unsigned pressure;
};

struct sbx_quota {
	struct sbx_quotas *quotas;
	struct wl_list link;
	/** NULL once it has disconnected. */
	struct wl_client *client;
	/** For messages: its process, and what that is called ("?": unknown). */
	pid_t pid;
	char name[32];
	struct sbx_stall_limit stalls;
	/** It is being disconnected: its objects go now, in whatever order. */
	bool leaving;
	struct wl_listener client_leave, client_destroy;
	unsigned references;
	uint32_t used[SBX_QUOTA_KINDS];
	/** Whether its GPU work keeps to what is expected of it. */
	struct sbx_trust trust;
};

/** A limit of 0 becomes the default. */
void sbx_quotas_init(struct sbx_quotas *quotas, const struct sbx_syncobj_limits *limits);

/** No quota may be referenced any more, except by its client. */
void sbx_quotas_finish(struct sbx_quotas *quotas);

/**
 * Look how many fds the process has open. Beyond three quarters of the soft limit the bounds are a
 * quarter of what they were, beyond seven eighths a sixteenth. any_fd (lent) is duplicated and closed for
 * it: two system calls.
 */
void sbx_quotas_feel_pressure(struct sbx_quotas *quotas, int any_fd);

/** The client's quota, with a reference for the caller; NULL: out of memory. */
struct sbx_quota *sbx_quota_get(struct sbx_quotas *quotas, struct wl_client *client);
struct sbx_quota *sbx_quota_ref(struct sbx_quota *quota);
/** NULL is allowed. */
void sbx_quota_unref(struct sbx_quota *quota);

/** The bound as it is now. Never below 4. */
uint32_t sbx_quota_limit(const struct sbx_quota *quota, enum sbx_quota_kind kind);

/** One more: 0, or -EDQUOT when that would be more than the bound (nothing is counted then). */
int sbx_quota_take(struct sbx_quota *quota, enum sbx_quota_kind kind);
void sbx_quota_give(struct sbx_quota *quota, enum sbx_quota_kind kind);

/** Raise the process's soft limit of fds to the hard one, where that is more. */
void sbx_quota_raise_fd_limit(void);

#endif
