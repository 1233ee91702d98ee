/**
 * Growing arrays that keep their memory.
 */
#ifndef SBX_RENDER_ARRAY_H
#define SBX_RENDER_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/**
 * Make room for one more than `count` elements of `size` bytes in *array (a pointer to the array's
 * pointer). On failure everything is as it was.
 */
static inline bool sbx_array_reserve(void *array, size_t *capacity, size_t count, size_t size) {
	void **place = array;
	if (count < *capacity) {
		return true;
	}
	size_t grown = *capacity > 0 ? *capacity * 2 : 8;
	void *memory = realloc(*place, grown * size);
	if (memory == NULL) {
		return false;
	}
	*place = memory;
	*capacity = grown;
	return true;
}

/** The same for `need` elements in all. */
static inline bool sbx_array_grow(void *array, size_t *capacity, size_t need, size_t size) {
	if (need <= *capacity) {
		return true;
	}
	size_t grown = *capacity < 64 ? 64 : *capacity;
	while (grown < need) {
		grown *= 2;
	}
	void *old;
	memcpy(&old, array, sizeof(old));
	void *memory = reallocarray(old, grown, size);
	if (memory == NULL) {
		return false;
	}
	memcpy(array, &memory, sizeof(memory));
	*capacity = grown;
	return true;
}

#endif
