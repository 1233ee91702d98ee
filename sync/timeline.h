/**
 * The owner of one syncobj handle.
 *
 * Any thread, as long as the timeline is not being destroyed.
 */
#ifndef SBX_SYNC_TIMELINE_H
#define SBX_SYNC_TIMELINE_H

#include <stdint.h>
#include "sync/point.h"

struct sbx_sync;
struct sbx_timeline;

/** A new syncobj without any point. 0 or -errno (-ENOMEM); then *timeline is NULL. */
int sbx_timeline_create(struct sbx_sync *sync, struct sbx_timeline **timeline);

/**
 * The syncobj behind *syncobj_fd, as clients send it. On success *syncobj_fd is consumed (-1: the handle
 * keeps the syncobj); on failure it is as it was and *timeline is NULL: -EINVAL (not a syncobj: the
 * client's fault), -EBADF, -ENOMEM.
 *
 * Importing the same syncobj again gives another timeline with a handle of its own.
 */
int sbx_timeline_import(struct sbx_sync *sync, int *syncobj_fd, struct sbx_timeline **timeline);

/** *syncobj_fd becomes a new fd (the caller's) for other processes. 0, or -errno and -1 (-EMFILE). */
int sbx_timeline_export(const struct sbx_timeline *timeline, int *syncobj_fd);

/**
 * Its points must not be used any more, and no struct sbx_wait may be outstanding on them: the handle
 * number will be given to another syncobj. Fences already exported or transferred live on. NULL is
 * allowed.
 */
void sbx_timeline_destroy(struct sbx_timeline *timeline);

/** The point `value` of it; owns nothing and is valid as long as the timeline. */
struct sbx_point sbx_timeline_point(const struct sbx_timeline *timeline, uint64_t value);

#endif
