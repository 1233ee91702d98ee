#include <stdlib.h>
#include "client.h"

/* A number that finds no memory is left out: the others still tell. */
void series_add(struct series *series, uint64_t value) {
	if (series->count == series->capacity) {
		size_t capacity = series->capacity > 0 ? 2 * series->capacity : 256;
		uint64_t *values = realloc(series->values, capacity * sizeof(*values));
		if (values == NULL) {
			return;
		}
		series->values = values;
		series->capacity = capacity;
	}
	series->values[series->count++] = value;
}

static int compare(const void *a, const void *b) {
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

uint64_t series_percentile(struct series *series, unsigned part) {
	if (series->count == 0) {
		return 0;
	}
	qsort(series->values, series->count, sizeof(*series->values), compare);
	return series->values[(series->count - 1) * part / 100];
}

uint64_t series_mean(const struct series *series) {
	uint64_t sum = 0;
	for (size_t i = 0; i < series->count; i++) {
		sum += series->values[i];
	}
	return series->count > 0 ? sum / series->count : 0;
}

void series_finish(struct series *series) {
	free(series->values);
	*series = (struct series){ 0 };
}
