#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "trace/event.h"
#include "trace/ring.h"

/* Of slot.number: someone writes here. 0: empty; otherwise the event's number + 1. */
#define BUSY UINT64_MAX

#define EVENT_WORDS ((sizeof(struct sbx_event) + 7) / 8)

/*
 * A sequence lock whose data are read and written word by word with relaxed atomics, after H. Boehm, "Can
 * seqlocks get along with programming language memory models?" (MSPC 2012).
 */
struct slot {
	uint64_t number;
	uint64_t words[EVENT_WORDS];
};

struct sbx_ring {
	size_t capacity;
	uint64_t next;
	struct slot slots[];
};

struct sbx_ring *sbx_ring_create(size_t capacity) {
	size_t rounded = 16;
	while (rounded < capacity && rounded < SIZE_MAX / 2 / sizeof(struct slot)) {
		rounded *= 2;
	}
	struct sbx_ring *ring = calloc(1, sizeof(*ring) + rounded * sizeof(struct slot));
	if (ring != NULL) {
		ring->capacity = rounded;
	}
	return ring;
}

void sbx_ring_destroy(struct sbx_ring *ring) {
	free(ring);
}

size_t sbx_ring_capacity(const struct sbx_ring *ring) {
	return ring->capacity;
}

/* False: someone else is at it, or it holds a later event already. */
static bool claim(struct slot *slot, uint64_t number) {
	uint64_t before = __atomic_load_n(&slot->number, __ATOMIC_RELAXED);
	return before != BUSY && before <= number && __atomic_compare_exchange_n(&slot->number, &before,
		BUSY, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void sbx_ring_add(struct sbx_ring *ring, const struct sbx_event *event) {
	uint64_t number = __atomic_fetch_add(&ring->next, 1, __ATOMIC_RELAXED);
	struct slot *slot = &ring->slots[number & (ring->capacity - 1)];
	if (!claim(slot, number)) {
		return;
	}
	uint64_t words[EVENT_WORDS] = {0};
	memcpy(words, event, sizeof(*event));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = 0; i < EVENT_WORDS; i++) {
		__atomic_store_n(&slot->words[i], words[i], __ATOMIC_RELAXED);
	}
	__atomic_store_n(&slot->number, number + 1, __ATOMIC_RELEASE);
}

uint64_t sbx_ring_count(const struct sbx_ring *ring) {
	return __atomic_load_n(&ring->next, __ATOMIC_ACQUIRE);
}

/* False: it is not there (any more, or yet). */
static bool read_slot(const struct slot *slot, uint64_t number, struct sbx_event *event) {
	uint64_t words[EVENT_WORDS];
	if (__atomic_load_n(&slot->number, __ATOMIC_ACQUIRE) != number + 1) {
		return false;
	}
	for (size_t i = 0; i < EVENT_WORDS; i++) {
		words[i] = __atomic_load_n(&slot->words[i], __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&slot->number, __ATOMIC_RELAXED) != number + 1) {
		return false;
	}
	memcpy(event, words, sizeof(*event));
	return true;
}

size_t sbx_ring_read(const struct sbx_ring *ring, uint64_t first, struct sbx_event *events,
		uint64_t *lost) {
	uint64_t end = sbx_ring_count(ring);
	uint64_t number = end > first + ring->capacity ? end - ring->capacity : first;
	size_t count = 0;
	for (; number < end; number++) {
		const struct slot *slot = &ring->slots[number & (ring->capacity - 1)];
		count += read_slot(slot, number, &events[count]);
	}
	if (lost != NULL) {
		*lost = end > first ? end - first - count : 0;
	}
	return count;
}
