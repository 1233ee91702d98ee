// signalbox-bench: what a frame costs with signalbox and with wlroots' own renderers, through the
// public API, the same pictures in the same run.

#include "table.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <wlr/util/log.h>
#include <wlr/version.h>

struct options {
	const char *peers; // comma-separated, NULL: all
	const char *layouts; // comma-separated, NULL: all
	const char *points; // comma-separated, NULL: all
	const char *node;
	const char *markdown;
	const char *json;
	int min_textures, max_textures;
	int limit_s;
	struct bench_limits limits;
	bool check;
	bool verbose;
};

static const struct bench_case all_cases[] = {
	{ BENCH_SMALL, 1, false, BENCH_WHOLE },
	{ BENCH_SMALL, 1, true, BENCH_WHOLE },
	{ BENCH_SMALL, 10, false, BENCH_WHOLE },
	{ BENCH_SMALL, 10, true, BENCH_WHOLE },
	{ BENCH_SMALL, 100, false, BENCH_WHOLE },
	{ BENCH_SMALL, 100, true, BENCH_WHOLE },
	{ BENCH_SMALL, 1000, false, BENCH_WHOLE },
	{ BENCH_SMALL, 1000, true, BENCH_WHOLE },
	{ BENCH_TILES, 10, false, BENCH_WHOLE },
	{ BENCH_WINDOWS, 10, false, BENCH_WHOLE },
	{ BENCH_BLEND, 10, false, BENCH_WHOLE },
	{ BENCH_TILES, 10, false, 50 },
	{ BENCH_TILES, 10, false, 10 },
	{ BENCH_TILES, 10, false, 1 },
	{ BENCH_TILES, 10, false, 0 },
	{ BENCH_VEIL, 10, false, BENCH_WHOLE },
	{ BENCH_VEIL, 10, false, 10 },
	{ BENCH_VEIL, 10, false, 1 },
	{ BENCH_VEIL, 10, false, 0 },
};
#define CASE_COUNT (int)(sizeof(all_cases) / sizeof(all_cases[0]))

static const char usage[] =
	"Usage: signalbox-bench [options]\n"
	"  --renderers LIST   of signalbox,signalbox-traced,wlroots-vulkan,wlroots-vulkan-1p,\n"
	"                     wlroots-gles2,wlroots-pixman\n"
	"  --layouts LIST     of small,tiles,windows,blend,veil,damage (parts of tiles, veil)\n"
	"  --points LIST      of static,new\n"
	"  --min-textures N   leave out cases with fewer\n"
	"  --max-textures N   leave out cases with more\n"
	"  --budget MS        time for each case and renderer (default 2000)\n"
	"  --limit S          begin no further case after so many seconds (default 420)\n"
	"  --frames N         at most so many frames a case (default 100)\n"
	"  --node PATH        DRM render node whose syncobjs are used\n"
	"  --markdown FILE    write what is printed to a file as well\n"
	"  --json FILE        write everything as JSON\n"
	"  --check            exit with 1 when a target is missed\n"
	"  --verbose          the renderers' log\n";

static bool listed(const char *list, const char *name) {
	size_t length = strlen(name);
	while (list != NULL) {
		const char *comma = strchr(list, ',');
		size_t item = comma != NULL ? (size_t)(comma - list) : strlen(list);
		if (item == length && strncmp(list, name, length) == 0) {
			return true;
		}
		list = comma != NULL ? comma + 1 : NULL;
	}
	return false;
}

static int clamp(int value, int low, int high) {
	return value < low ? low : value > high ? high : value;
}

static bool parse_option(struct options *options, int option) {
	switch (option) {
	case 'r':
		options->peers = optarg;
		return true;
	case 'l':
		options->layouts = optarg;
		return true;
	case 'p':
		options->points = optarg;
		return true;
	case 'T':
		options->min_textures = atoi(optarg);
		return true;
	case 't':
		options->max_textures = atoi(optarg);
		return true;
	case 'b':
		options->limits.budget_ms = atoi(optarg);
		return true;
	case 's':
		options->limit_s = atoi(optarg);
		return true;
	case 'f':
		options->limits.max_frames = clamp(atoi(optarg), 1, BENCH_MAX_FRAMES);
		return true;
	case 'n':
		options->node = optarg;
		return true;
	case 'm':
		options->markdown = optarg;
		return true;
	case 'j':
		options->json = optarg;
		return true;
	case 'c':
		options->check = true;
		return true;
	case 'v':
		options->verbose = true;
		return true;
	default:
		return false;
	}
}

static bool parse_options(struct options *options, int argc, char **argv) {
	static const struct option long_options[] = {
		{ "renderers", required_argument, NULL, 'r' },
		{ "layouts", required_argument, NULL, 'l' },
		{ "points", required_argument, NULL, 'p' },
		{ "min-textures", required_argument, NULL, 'T' },
		{ "max-textures", required_argument, NULL, 't' },
		{ "budget", required_argument, NULL, 'b' },
		{ "limit", required_argument, NULL, 's' },
		{ "frames", required_argument, NULL, 'f' },
		{ "node", required_argument, NULL, 'n' },
		{ "markdown", required_argument, NULL, 'm' },
		{ "json", required_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ 0 },
	};
	int option;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (!parse_option(options, option)) {
			return false;
		}
	}
	return optind == argc;
}

static int start_workers(struct bench_worker *workers, const struct options *options,
		const struct bench_nodes *nodes) {
	int count = 0;
	for (const struct bench_peer *peer = bench_peers; peer->name != NULL; peer++) {
		if (options->peers != NULL && !listed(options->peers, peer->name)) {
			continue;
		}
		if (bench_worker_start(&workers[count], peer, nodes)) {
			count++;
		} else {
			fprintf(stderr, "bench: %s does not run here\n", peer->name);
		}
	}
	return count;
}

static bool wanted(const struct options *options, const struct bench_case *what) {
	const char *layout = what->percent == BENCH_WHOLE ? bench_layout_name(what->layout) : "damage";
	return what->textures >= options->min_textures && what->textures <= options->max_textures &&
		(options->layouts == NULL || listed(options->layouts, layout)) &&
		(options->points == NULL || listed(options->points, what->fresh ? "new" : "static"));
}

static void measure_row(struct bench_row *row, const struct options *options,
		struct bench_worker *workers, int worker_count) {
	// The big pictures take a renderer on the CPU seconds, and are measured well by one frame
	struct bench_limits limits = options->limits;
	if (row->what.layout == BENCH_SMALL && row->what.textures <= 100) {
		limits.min_frames = 5;
	}
	for (int i = 0; i < worker_count; i++) {
		const struct bench_peer *peer = workers[i].peer;
		if (row->what.layout == BENCH_SMALL ? peer->pixels_only : peer->small_only) {
			continue;
		}
		bench_worker_measure(&workers[i], &row->what, &limits, &row->results[i]);
		// Without points there is nothing that could be new
		if (row->what.fresh && !row->results[i].explicit_sync) {
			row->results[i].ok = false;
		}
	}
}

static void print_heading(FILE *out, const struct bench_table *table,
		const struct bench_nodes *nodes) {
	struct utsname machine;
	char date[32];
	time_t now = time(NULL);
	uname(&machine);
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
	fprintf(out, "signalbox-bench, %s, wlroots %s, Linux %s, %ld CPUs, %s, %dx%d XRGB8888\n\n", date,
		WLR_VERSION_STR, machine.release, sysconf(_SC_NPROCESSORS_ONLN),
		nodes->render_fd >= 0 ? nodes->render : "no DRM node", BENCH_WIDTH, BENCH_HEIGHT);
	for (int i = 0; i < table->worker_count; i++) {
		if (table->workers[i].note[0] != '\0') {
			fprintf(out, "%s: %s.\n", table->workers[i].peer->name, table->workers[i].note);
		}
	}
	fprintf(out, "\n");
}

static int print_report(FILE *out, const struct bench_table *table,
		const struct bench_nodes *nodes) {
	print_heading(out, table, nodes);
	bench_table_print(out, table);
	fprintf(out, "\nMedians a frame; the last three columns are ratios to wlroots-vulkan.\n");
	fprintf(out, "\nIoctls a frame at 100 textures, by kind:\n");
	bench_table_print_kinds(out, table);
	fprintf(out, "\nMemory: of a texture from malloc(); of an output all but its %d buffers of %dx%d:\n",
		BENCH_OUTPUT_BUFFERS, BENCH_WIDTH, BENCH_HEIGHT);
	bench_table_print_memory(out, table);
	fprintf(out, "\nTargets:\n");
	return bench_table_print_targets(out, table);
}

static int write_files(const struct options *options, const struct bench_table *table,
		const struct bench_nodes *nodes) {
	const char *paths[] = { options->markdown, options->json };
	int failed = 0;
	for (int i = 0; i < 2; i++) {
		FILE *out = paths[i] != NULL ? fopen(paths[i], "w") : NULL;
		if (out != NULL && i == 0) {
			print_report(out, table, nodes);
		} else if (out != NULL) {
			bench_table_print_json(out, table);
		}
		if (paths[i] != NULL && (out == NULL || fclose(out) != 0)) {
			fprintf(stderr, "bench: cannot write %s\n", paths[i]);
			failed++;
		}
	}
	return failed;
}

static double now_s(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int measure_rows(struct bench_row *rows, const struct options *options,
		struct bench_worker *workers, int worker_count) {
	double end = now_s() + options->limit_s;
	int count = 0;
	for (int i = 0; i < CASE_COUNT && worker_count > 0; i++) {
		if (!wanted(options, &all_cases[i])) {
			continue;
		}
		if (now_s() > end) {
			fprintf(stderr, "bench: %d s are over, %s is left out\n", options->limit_s,
				bench_layout_name(all_cases[i].layout));
			continue;
		}
		struct bench_row *row = &rows[count++];
		row->what = all_cases[i];
		measure_row(row, options, workers, worker_count);
		// How far it is
		bench_table_print_row(stderr, &(struct bench_table){
			.workers = workers,
			.worker_count = worker_count,
		}, row);
	}
	return count;
}

/* In processes of their own: what device memory there is is counted by a layer, which no other row has. */
static void measure_outputs(struct bench_table *table, const struct bench_nodes *nodes) {
	bench_outputs_prepare();
	for (int i = 0; i < table->worker_count; i++) {
		const struct bench_peer *peer = table->workers[i].peer;
		struct bench_worker worker;
		if (peer->small_only || !bench_worker_start(&worker, peer, nodes)) {
			continue;
		}
		for (int hdr = 0; hdr < (peer->linear ? 1 : 2); hdr++) {
			bench_worker_measure_outputs(&worker, hdr, &table->outputs[i][hdr]);
		}
		bench_worker_finish(&worker);
	}
}

static int run(const struct options *options) {
	struct bench_worker workers[BENCH_MAX_PEERS];
	struct bench_row rows[CASE_COUNT] = {0};
	struct bench_nodes nodes;
	bench_nodes_find(&nodes, options->node);

	struct bench_table table = { .workers = workers, .rows = rows };
	table.worker_count = start_workers(workers, options, &nodes);
	table.row_count = measure_rows(rows, options, workers, table.worker_count);
	if (options->max_textures >= 1000) {
		measure_outputs(&table, &nodes);
	}
	int missed = print_report(stdout, &table, &nodes);
	int failed = write_files(options, &table, &nodes);
	for (int i = 0; i < table.worker_count; i++) {
		bench_worker_finish(&workers[i]);
	}
	if (nodes.render_fd >= 0) {
		close(nodes.render_fd);
	}
	bool broken = failed > 0 || table.worker_count == 0 || (options->check && missed > 0);
	return broken ? EXIT_FAILURE : EXIT_SUCCESS;
}

// As compositors do: a thousand dma-bufs are a few thousand fds.
static void raise_fd_limit(void) {
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		return;
	}
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
	struct options options = {
		.max_textures = 1000,
		.limit_s = 420,
		.limits = { .budget_ms = 2000, .min_frames = 1, .max_frames = 100, .warm_up = 3 },
	};
	if (!parse_options(&options, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	wlr_log_init(options.verbose ? WLR_DEBUG : WLR_ERROR, NULL);
	raise_fd_limit();
	return run(&options);
}
