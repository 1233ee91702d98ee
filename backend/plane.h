/**
 * What the screen may be reading: the buffers that were committed, until a later one is known to have taken
 * their place.
 *
 *	commit 5 (A)   commit 6 (no buffer)   commit 7 (B)       present 7
 *	A locked       A stays                B locked too       A unlocked
 *
 * Only clients' buffers need a lock; frames of the output's own swapchain are put in as NULL.
 */
#ifndef SBX_BACKEND_PLANE_H
#define SBX_BACKEND_PLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wlr_buffer;

struct sbx_plane_entry {
	struct wlr_buffer *buffer; // NULL: nobody's business
	uint32_t seq;
};

/** All zero is an empty one. */
struct sbx_plane {
	/** How many flips a buffer is kept for after the one that replaced it. */
	unsigned extra_flips;
	/** Oldest first: `replaced` ones that are kept, the one on the screen, those committed after it. */
	struct sbx_plane_entry *entries;
	size_t count, capacity, replaced;
};

/** `buffer` (locked; NULL: a frame of ours) was committed as commit number `seq`. */
void sbx_plane_commit(struct sbx_plane *plane, struct wlr_buffer *buffer, uint32_t seq);

/** What was committed up to and including `seq` has reached the screen. */
void sbx_plane_present(struct sbx_plane *plane, uint32_t seq);

/** The screen is off: nothing is read. */
void sbx_plane_clear(struct sbx_plane *plane);

/** How many buffers are locked. */
unsigned sbx_plane_count(const struct sbx_plane *plane);

void sbx_plane_finish(struct sbx_plane *plane);

#endif
