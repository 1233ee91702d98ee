/** What was measured, as Markdown that is also readable in a terminal, and as JSON. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "scene.h"
#include "worker.h"
#include <stdio.h>

#define BENCH_MAX_PEERS 8

struct bench_row {
	struct bench_case what;
	/** In the order of the workers; ok is false where there is nothing to print. */
	struct bench_result results[BENCH_MAX_PEERS];
};

struct bench_table {
	const struct bench_worker *workers;
	int worker_count;
	const struct bench_row *rows;
	int row_count;
	/** What an output takes with each renderer, as SDR and as HDR; in the order of the workers. */
	struct bench_outputs outputs[BENCH_MAX_PEERS][2];
};

/** The table: one line for each case and renderer, with its ratios to wlroots' Vulkan renderer. */
void bench_table_print(FILE *out, const struct bench_table *table);

/** The lines of one row of it. */
void bench_table_print_row(FILE *out, const struct bench_table *table, const struct bench_row *row);

/** Ioctls by kind, one line for each renderer, for the rows with 100 textures. */
void bench_table_print_kinds(FILE *out, const struct bench_table *table);

/** What a texture and an output take, one line for each renderer. */
void bench_table_print_memory(FILE *out, const struct bench_table *table);

/** The targets, each with what was measured. Returns how many were missed; that of the ioctls counts as
 * missed when it was not measured. */
int bench_table_print_targets(FILE *out, const struct bench_table *table);

/** Everything, as one JSON object. */
void bench_table_print_json(FILE *out, const struct bench_table *table);

#endif
