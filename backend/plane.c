#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_buffer.h>
#include "backend/plane.h"
#include "trace/log.h"

static bool reserve(struct sbx_plane *plane) {
	if (plane->count < plane->capacity) {
		return true;
	}
	size_t capacity = plane->capacity * 2 + 4;
	struct sbx_plane_entry *entries = reallocarray(plane->entries, capacity, sizeof(*entries));
	if (entries == NULL) {
		return false;
	}
	plane->entries = entries;
	plane->capacity = capacity;
	return true;
}

void sbx_plane_commit(struct sbx_plane *plane, struct wlr_buffer *buffer, uint32_t seq) {
	if (buffer != NULL) {
		wlr_buffer_lock(buffer);
	}
	if (reserve(plane)) {
		plane->entries[plane->count++] = (struct sbx_plane_entry){ buffer, seq };
	} else if (buffer != NULL) {
		sbx_log_error("backend: out of memory: a buffer on the screen is never given back");
	}
}

static void drop_oldest(struct sbx_plane *plane, size_t n) {
	struct sbx_plane_entry dropped[8];
	while (n > 0) {
		// Unlocking may call anybody: not before the list is whole again.
		size_t now = n < 8 ? n : 8;
		memcpy(dropped, plane->entries, now * sizeof(dropped[0]));
		plane->count -= now;
		memmove(plane->entries, plane->entries + now, plane->count * sizeof(dropped[0]));
		for (size_t i = 0; i < now; i++) {
			wlr_buffer_unlock(dropped[i].buffer);
		}
		n -= now;
	}
}

void sbx_plane_present(struct sbx_plane *plane, uint32_t seq) {
	size_t shown = plane->replaced;
	for (size_t i = plane->replaced; i < plane->count; i++) {
		if ((int32_t)(plane->entries[i].seq - seq) <= 0) {
			shown = i;
		}
	}
	if (shown == plane->replaced) {
		return; // the same frame is still there
	}
	// One flip: what waits for it counts it, and what it replaced begins to wait.
	plane->replaced = shown;
	size_t keep = plane->extra_flips < shown ? plane->extra_flips : shown;
	size_t n = shown - keep;
	plane->replaced -= n;
	drop_oldest(plane, n);
}

void sbx_plane_clear(struct sbx_plane *plane) {
	plane->replaced = 0;
	drop_oldest(plane, plane->count);
}

unsigned sbx_plane_count(const struct sbx_plane *plane) {
	unsigned count = 0;
	for (size_t i = 0; i < plane->count; i++) {
		count += plane->entries[i].buffer != NULL;
	}
	return count;
}

void sbx_plane_finish(struct sbx_plane *plane) {
	sbx_plane_clear(plane);
	free(plane->entries);
	plane->entries = NULL;
	plane->capacity = 0;
}
