#include <stdlib.h>
#include "bench/gpu/stats.h"

static int by_value(const void *a, const void *b) {
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

void stats_sort(int64_t *values, size_t n) {
	qsort(values, n, sizeof(values[0]), by_value);
}

int64_t stats_at(const int64_t *sorted, size_t n, double part) {
	return n > 0 ? sorted[(size_t)(part * (double)(n - 1) + 0.5)] : 0;
}
