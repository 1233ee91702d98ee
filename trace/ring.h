/**
 * The last so many events, in memory of a fixed size: the oldest is overwritten.
 *
 * Any number of threads may write and read at the same time; nobody ever waits for anybody. A reader gets
 * whole events or none: one that is being written, or was overwritten meanwhile, is left out. A writer
 * that was asleep while the ring went once around gives its event up.
 */
#ifndef SBX_TRACE_RING_H
#define SBX_TRACE_RING_H

#include <stddef.h>
#include <stdint.h>

struct sbx_event;
struct sbx_ring;

/** `capacity` is rounded up to a power of two, 16 at least. Some 90 bytes an event. NULL: out of memory. */
struct sbx_ring *sbx_ring_create(size_t capacity);

/** Nobody may be using it. NULL is allowed. */
void sbx_ring_destroy(struct sbx_ring *ring);

size_t sbx_ring_capacity(const struct sbx_ring *ring);

void sbx_ring_add(struct sbx_ring *ring, const struct sbx_event *event);

/** How many events were added, ever: the number of the next one. */
uint64_t sbx_ring_count(const struct sbx_ring *ring);

/**
 * Copy the events from number `first` on that are still there to `events`, in the order in which they
 * were added, sbx_ring_capacity() at most. Returns how many. *lost (may be NULL): how many from `first` on
 * are not among them.
 */
size_t sbx_ring_read(const struct sbx_ring *ring, uint64_t first, struct sbx_event *events,
	uint64_t *lost);

#endif
