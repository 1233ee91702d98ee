/**
 * Order statistics of a few measured values.
 */
#ifndef BENCH_GPU_STATS_H
#define BENCH_GPU_STATS_H

#include <stddef.h>
#include <stdint.h>

/** Sorts them. */
void stats_sort(int64_t *values, size_t n);

/** The value below which `part` (0..1) of the sorted values lie. */
int64_t stats_at(const int64_t *sorted, size_t n, double part);

#endif
