/**
 * A client's timeline: the kernel handle, shared by the protocol object and every loan that owes or
 * awaits a point of it. It goes with the last of them.
 *
 * The event loop's thread only.
 */
#ifndef SBX_LOAN_TIMELINE_H
#define SBX_LOAN_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include "sync/point.h"

struct sbx_quota;
struct sbx_sync;
struct sbx_timeline;

struct sbx_client_timeline {
	unsigned references;
	struct sbx_sync *sync;
	struct sbx_timeline *timeline;
	struct sbx_quota *quota;
	/** The protocol object's id, for messages; it may have been given to another object since. */
	uint32_t id;
	/** Never given twice, never 0. */
	uint64_t serial;
	/** The serial of a timeline that is known to be another syncobj; 0: of none. */
	uint64_t distinct_from;
	/** The largest point that we have released. */
	uint64_t released;
};

/**
 * Import what a client sent. On success *syncobj_fd is consumed and *timeline has one reference; on
 * failure it is as it was: -EDQUOT (the client has too many), -EINVAL and others of
 * sbx_timeline_import().
 */
int sbx_client_timeline_import(struct sbx_sync *sync, struct sbx_quota *quota, int *syncobj_fd,
	uint32_t id, struct sbx_client_timeline **timeline);

struct sbx_client_timeline *sbx_client_timeline_ref(struct sbx_client_timeline *timeline);
/** NULL is allowed. No wait may be outstanding on its points when the last reference goes. */
void sbx_client_timeline_unref(struct sbx_client_timeline *timeline);

struct sbx_point sbx_client_timeline_point(const struct sbx_client_timeline *timeline, uint64_t value);

/**
 * Whether both are the same syncobj, as far as that can be known: a client may import one twice.
 *
 * The kernel gives each import another handle and says nothing of what is behind it
 * (docs/decisions/0010-one-syncobj-twice.md). So this looks at what the two show: if their last points
 * differ, they are two, and that is remembered. If they agree, and `release_value` is on the second
 * although nobody but us should have put it there and we have not, they are one. Otherwise it is not
 * known, and the answer is false.
 *
 * One ioctl, none once they are known to be two.
 */
bool sbx_client_timeline_is_same(struct sbx_client_timeline *acquire,
	struct sbx_client_timeline *release, uint64_t release_value);

#endif
