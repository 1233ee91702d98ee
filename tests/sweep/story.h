/**
 * The scene of the sweep: three clients, five surfaces, fifty commits, two outputs.
 *
 * Client 0 has a window that is always in time. Client 1 has a window whose points are late in every way,
 * with a synchronised subsurface. Client 2 has a window in shared memory and one with implicit sync. On
 * the way windows are unmapped and mapped again, a surface is destroyed with a commit held, a plane keeps
 * a buffer, and a client goes in the middle of a frame.
 *
 * Every buffer holds `unfinished` until its client says that it is done, and again as soon as its
 * release point is signalled. So whatever is shown too early, and whatever is released too early, shows.
 */
#ifndef SWEEP_STORY_H
#define SWEEP_STORY_H

#include <stdbool.h>
#include "fault.h"

struct gpu;

/**
 * Tell it with a fault, and a planted defect. Returns whether the fault happened; *why is NULL when all
 * is well, else what is wrong (static).
 *
 * `gpu` is kept from story to story. `lab`: on the lab's DRM device, else on the fake's.
 */
bool story_tell(struct gpu *gpu, bool lab, const struct fault *fault, enum fault_plant plant,
	const char **why);

/** From now on fds and handles must be as many after a story as before. */
void story_count(bool count);

#endif
