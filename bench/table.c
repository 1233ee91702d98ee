#include "table.h"
#include <string.h>

#define TARGET_IOCTLS 4
#define TARGET_NEW_IOCTLS 6
#define TARGET_MAIN 0.25
#define TARGET_OPAQUE (1 / 3.0)
#define TARGET_BLEND 0.5
/** A hundredth of the picture, of what the whole costs; nothing of it costs something, too. */
#define TARGET_DAMAGE 0.02

static int find_worker(const struct bench_table *table, const char *name) {
	for (int i = 0; i < table->worker_count; i++) {
		if (strcmp(table->workers[i].peer->name, name) == 0) {
			return i;
		}
	}
	return -1;
}

static const struct bench_result *find_result(const struct bench_table *table,
		const struct bench_row *row, const char *name) {
	int i = find_worker(table, name);
	return i >= 0 && row->results[i].ok ? &row->results[i] : NULL;
}

static const struct bench_row *find_row(const struct bench_table *table, enum bench_layout layout,
		int textures, bool fresh, int percent) {
	for (int i = 0; i < table->row_count; i++) {
		const struct bench_case *what = &table->rows[i].what;
		if (what->layout == layout && what->textures == textures && what->fresh == fresh &&
				what->percent == percent) {
			return &table->rows[i];
		}
	}
	return NULL;
}

static const char *points_name(const struct bench_case *what, const struct bench_result *result) {
	if (!result->explicit_sync) {
		return "none";
	}
	return what->fresh ? "new" : "static";
}

static void format_ratio(char *text, size_t size, double ours, const struct bench_result *base,
		double base_value) {
	if (base == NULL || base_value <= 0) {
		snprintf(text, size, "-");
	} else {
		snprintf(text, size, "%.3f", ours / base_value);
	}
}

/** With how much of it is drawn. */
static void format_layout(char *text, size_t size, const struct bench_case *what) {
	const char *name = bench_layout_name(what->layout);
	if (what->percent == BENCH_WHOLE) {
		snprintf(text, size, "%s", name);
	} else {
		snprintf(text, size, "%s %d%%", name, what->percent);
	}
}

static void print_line(FILE *out, const struct bench_table *table, const struct bench_row *row,
		int worker) {
	const struct bench_result *result = &row->results[worker];
	const struct bench_result *base = find_result(table, row, "wlroots-vulkan");
	char layout[24], main_ratio[16], whole_ratio[16], wall_ratio[16];
	format_layout(layout, sizeof(layout), &row->what);
	format_ratio(main_ratio, sizeof(main_ratio), result->main_ms, base, base ? base->main_ms : 0);
	format_ratio(whole_ratio, sizeof(whole_ratio), result->whole_ms, base,
		base ? base->whole_ms : 0);
	format_ratio(wall_ratio, sizeof(wall_ratio), result->wall_ms, base, base ? base->wall_ms : 0);
	fprintf(out, "| %-11s | %8d | %-6s | %-19s | %6d | %7.1f | %4d | %+4d | %+4d | %8.2f | %8.2f | %8.2f "
		"| %5s | %5s | %5s |\n",
		layout, row->what.textures, points_name(&row->what, result), table->workers[worker].peer->name, result->frames, result->ioctls_total, result->fds,
		result->fds_grown, result->fds_left, result->main_ms, result->whole_ms, result->wall_ms,
		main_ratio, whole_ratio, wall_ratio);
}

void bench_table_print_row(FILE *out, const struct bench_table *table,
		const struct bench_row *row) {
	for (int i = 0; i < table->worker_count; i++) {
		if (row->results[i].ok) {
			print_line(out, table, row, i);
		}
	}
}

void bench_table_print(FILE *out, const struct bench_table *table) {
	fprintf(out, "| layout      | textures | points | renderer            | frames | ioctls  | fds  | grew | left "
		"| main ms  | whole ms | wall ms  | main  | whole | wall  |\n");
	fprintf(out, "| ----------- | -------: | ------ | ------------------- | -----: | ------: | ---: | ---: | ---: "
		"| -------: | -------: | -------: | ----: | ----: | ----: |\n");
	for (int r = 0; r < table->row_count; r++) {
		bench_table_print_row(out, table, &table->rows[r]);
	}
}

static void print_kinds(FILE *out, const char *name, const struct bench_case *what,
		const struct bench_result *result) {
	fprintf(out, "- %s, %s points: ", name, points_name(what, result));
	const char *separator = "";
	for (int kind = 0; kind < BENCH_KINDS; kind++) {
		if (result->ioctls[kind] > 0) {
			fprintf(out, "%s%.3g %s", separator, result->ioctls[kind], bench_kind_name(kind));
			separator = ", ";
		}
	}
	fprintf(out, "%s\n", separator[0] == '\0' ? "none" : "");
}

void bench_table_print_kinds(FILE *out, const struct bench_table *table) {
	for (int r = 0; r < table->row_count; r++) {
		const struct bench_row *row = &table->rows[r];
		for (int i = 0; row->what.textures == 100 && i < table->worker_count; i++) {
			if (row->results[i].ok) {
				print_kinds(out, table->workers[i].peer->name, &row->what, &row->results[i]);
			}
		}
	}
}

static int print_target(FILE *out, const char *what, double value, double limit, bool inclusive) {
	bool met = inclusive ? value <= limit : value < limit;
	fprintf(out, "- %s: %.3f, %s\n", what, value, met ? "met" : "MISSED");
	return !met;
}

static int print_absent(FILE *out, const char *what) {
	fprintf(out, "- %s: not measured\n", what);
	return 0;
}

static const struct bench_result *find_part(const struct bench_table *table, enum bench_layout layout,
		int textures, bool fresh, int percent, const char *name) {
	const struct bench_row *row = find_row(table, layout, textures, fresh, percent);
	return row != NULL ? find_result(table, row, name) : NULL;
}

static const struct bench_result *find(const struct bench_table *table, enum bench_layout layout,
		int textures, bool fresh, const char *name) {
	return find_part(table, layout, textures, fresh, BENCH_WHOLE, name);
}

static int print_ioctl_target(FILE *out, const struct bench_table *table, int textures, bool fresh) {
	int limit = fresh ? TARGET_NEW_IOCTLS : TARGET_IOCTLS;
	char what[96];
	snprintf(what, sizeof(what), "%d textures, %s points, ioctls a frame (%d or fewer)", textures,
		fresh ? "new" : "static", limit);
	const struct bench_result *ours = find(table, BENCH_SMALL, textures, fresh, "signalbox");
	if (ours == NULL) {
		print_absent(out, what);
		return textures == 100; // this one never depends on the machine
	}
	return print_target(out, what, ours->ioctls_total, limit, true);
}

static int print_main_target(FILE *out, const struct bench_table *table) {
	const char *what = "100 static textures, main-thread CPU, of wlroots-vulkan's (0.25 or less)";
	const struct bench_result *ours = find(table, BENCH_SMALL, 100, false, "signalbox");
	const struct bench_result *base = find(table, BENCH_SMALL, 100, false, "wlroots-vulkan");
	if (ours == NULL || base == NULL) {
		return print_absent(out, what);
	}
	return print_target(out, what, ours->main_ms / base->main_ms, TARGET_MAIN, true);
}

/* What 900 textures more cost, ms. Negative: not measured. */
static double growth(const struct bench_table *table, const char *name, bool fresh) {
	const struct bench_result *few = find(table, BENCH_SMALL, 100, fresh, name);
	const struct bench_result *many = find(table, BENCH_SMALL, 1000, fresh, name);
	return few != NULL && many != NULL ? many->main_ms - few->main_ms : -1;
}

static int print_growth_target(FILE *out, const struct bench_table *table, bool fresh) {
	char what[96];
	snprintf(what, sizeof(what), "from 100 to 1,000 textures, %s points, main-thread CPU, of "
		"wlroots-vulkan's (under 0.25)", fresh ? "new" : "static");
	double ours = growth(table, "signalbox", fresh), base = growth(table, "wlroots-vulkan", fresh);
	if (ours < 0 || base <= 0) {
		return print_absent(out, what);
	}
	return print_target(out, what, ours / base, TARGET_MAIN, false);
}

static int print_whole_target(FILE *out, const struct bench_table *table,
		enum bench_layout layout, const char *peer) {
	double limit = layout == BENCH_BLEND ? TARGET_BLEND : TARGET_OPAQUE;
	char what[96];
	snprintf(what, sizeof(what), "720p, 10 textures (%s), whole CPU, of %s's (%.2f or less)",
		bench_layout_name(layout), peer, limit);
	const struct bench_result *ours = find(table, layout, 10, false, "signalbox");
	const struct bench_result *base = find(table, layout, 10, false, peer);
	if (ours == NULL || base == NULL) {
		return print_absent(out, what);
	}
	return print_target(out, what, ours->whole_ms / base->whole_ms, limit, true);
}

static int print_damage_target(FILE *out, const struct bench_table *table, enum bench_layout layout) {
	char what[96];
	snprintf(what, sizeof(what), "1%% of the picture (%s), whole CPU, of all of it, both above nothing of it (%.2f or "
		"less)", bench_layout_name(layout), TARGET_DAMAGE);
	const struct bench_result *part = find_part(table, layout, 10, false, 1, "signalbox");
	const struct bench_result *all = find(table, layout, 10, false, "signalbox");
	const struct bench_result *nothing = find_part(table, layout, 10, false, 0, "signalbox");
	if (part == NULL || all == NULL || nothing == NULL || all->whole_ms <= nothing->whole_ms) {
		return print_absent(out, what);
	}
	double above = part->whole_ms - nothing->whole_ms, whole = all->whole_ms - nothing->whole_ms;
	return print_target(out, what, above / whole, TARGET_DAMAGE, true);
}

int bench_table_print_targets(FILE *out, const struct bench_table *table) {
	int missed = 0;
	for (int fresh = 0; fresh < 2; fresh++) {
		missed += print_ioctl_target(out, table, 100, fresh);
		missed += print_ioctl_target(out, table, 1000, fresh);
	}
	missed += print_main_target(out, table);
	missed += print_growth_target(out, table, false);
	missed += print_growth_target(out, table, true);
	for (enum bench_layout layout = BENCH_TILES; layout <= BENCH_BLEND; layout++) {
		missed += print_whole_target(out, table, layout, "wlroots-vulkan");
		missed += print_whole_target(out, table, layout, "wlroots-vulkan-1p");
	}
	return missed + print_damage_target(out, table, BENCH_TILES) +
		print_damage_target(out, table, BENCH_VEIL);
}

static bool has_outputs(const struct bench_table *table) {
	for (int i = 0; i < table->worker_count; i++) {
		if (table->outputs[i][0].ok) {
			return true;
		}
	}
	return false;
}

static void print_outputs(FILE *out, const struct bench_table *table) {
	if (!has_outputs(table)) {
		return;
	}
	fprintf(out, "\n| an output's memory      | colours | malloc, KiB | device, KiB |\n");
	fprintf(out, "| ----------------------- | ------- | ----------: | ----------: |\n");
	for (int i = 0; i < table->worker_count; i++) {
		const struct bench_peer *peer = table->workers[i].peer;
		for (int hdr = 0; hdr < 2; hdr++) {
			const struct bench_outputs *outputs = &table->outputs[i][hdr];
			if (outputs->ok) {
				const char *colours = hdr ? "PQ" : peer->linear ? "linear" : "-";
				char device[16] = "-";
				if (outputs->device >= 0) {
					snprintf(device, sizeof(device), "%.1f", outputs->device / 1024);
				}
				fprintf(out, "| %-23s | %-7s | %11.1f | %11s |\n", peer->name, colours,
					outputs->heap / 1024, device);
			}
		}
	}
}

void bench_table_print_memory(FILE *out, const struct bench_table *table) {
	for (int i = 0; i < table->worker_count; i++) {
		const char *name = table->workers[i].peer->name;
		const struct bench_result *few = find(table, BENCH_SMALL, 100, false, name);
		const struct bench_result *many = find(table, BENCH_SMALL, 1000, false, name);
		if (few == NULL || many == NULL) {
			continue;
		}
		double texture = (double)(many->memory - few->memory) / 900;
		fprintf(out, "- %s: %.1f KiB a texture of 8x8\n", name, texture / 1024);
	}
	print_outputs(out, table);
}

static void print_json_result(FILE *out, const struct bench_row *row, const char *name,
		const struct bench_result *result) {
	fprintf(out, "{\"layout\":\"%s\",\"percent\":%d,\"textures\":%d,\"points\":\"%s\",\"renderer\":\"%s\","
		"\"frames\":%d,\"ioctls\":%.4f,\"fds\":%d,\"fds_grown\":%d,\"fds_left\":%d,\"memory\":%lld,\"main_ms\":%.4f,"
		"\"whole_ms\":%.4f,\"wall_ms\":%.4f,\"kinds\":{",
		bench_layout_name(row->what.layout), row->what.percent, row->what.textures,
		points_name(&row->what, result), name, result->frames, result->ioctls_total, result->fds, result->fds_grown,
		result->fds_left, (long long)result->memory, result->main_ms, result->whole_ms,
		result->wall_ms);
	for (int kind = 0; kind < BENCH_KINDS; kind++) {
		fprintf(out, "%s\"%s\":%.4f", kind > 0 ? "," : "", bench_kind_name(kind),
			result->ioctls[kind]);
	}
	fprintf(out, "}}");
}

void bench_table_print_json(FILE *out, const struct bench_table *table) {
	const char *separator = "";
	fprintf(out, "{\"width\":%d,\"height\":%d,\"results\":[", BENCH_WIDTH, BENCH_HEIGHT);
	for (int r = 0; r < table->row_count; r++) {
		for (int i = 0; i < table->worker_count; i++) {
			const struct bench_result *result = &table->rows[r].results[i];
			if (result->ok) {
				fprintf(out, "%s\n", separator);
				print_json_result(out, &table->rows[r], table->workers[i].peer->name, result);
				separator = ",";
			}
		}
	}
	fprintf(out, "\n],\"outputs\":[");
	separator = "";
	for (int i = 0; i < 2 * table->worker_count; i++) {
		const struct bench_outputs *outputs = &table->outputs[i / 2][i % 2];
		if (outputs->ok) {
			fprintf(out, "%s\n{\"renderer\":\"%s\",\"hdr\":%s,\"heap\":%.0f,\"device\":%.0f}", separator,
				table->workers[i / 2].peer->name, i % 2 ? "true" : "false", outputs->heap,
				outputs->device);
			separator = ",";
		}
	}
	fprintf(out, "\n]}\n");
}
