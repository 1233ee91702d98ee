/*
 * `signalbox trace`: a recording as a table, a line for each loan.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "tracing/draw.h"
#include "tracing/main.h"
#include "tracing/recording.h"

static const char usage[] =
	"usage: signalbox trace [--loan N] FILE\n"
	"\n"
	"Prints what a recording holds, a line for each buffer that was on loan: milliseconds from its\n"
	"commit until its fence existed, was signalled, the commit was latched, the first pass that reads\n"
	"it began, the GPU began and ended that, it was shown, replaced, and released.\n"
	"--loan draws one of them.\n"
	"\n"
	"To record, run a compositor that uses signalbox with SIGNALBOX_TRACE=FILE in its environment.\n"
	"FILE can be opened in https://ui.perfetto.dev, too.\n";

/* A table */

static void print_time(int64_t from_ns, int64_t to_ns) {
	if (from_ns != 0 && to_ns != 0) {
		printf(" %8.3f", (double)(to_ns - from_ns) / 1e6);
	} else {
		printf(" %8s", "-");
	}
}

static void print_notes(const struct trace_loan *loan) {
	const struct {
		int64_t when;
		const char *what;
	} notes[] = {
		{ loan->superseded, "superseded" }, { loan->failed, "failed" }, { loan->forced, "forced" },
		{ loan->late, "late" }, { loan->stalled, "stalled" }, { loan->scanned_out, "scanned out" },
		{ loan->released == 0, "not over" },
	};
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		if (notes[i].when != 0) {
			printf(" %s", notes[i].what);
		}
	}
}

static void print_loan(const struct trace_recording *recording, const struct trace_loan *loan) {
	static const struct trace_pass nothing = {0};
	const struct trace_pass *pass = trace_recording_find_pass(recording, loan->pass);
	pass = pass != NULL ? pass : &nothing;
	int64_t from = loan->committed;
	printf("%6" PRId64 " %-15s %7" PRId64, loan->loan, trace_recording_client(recording, loan->client),
		loan->surface);
	print_time(from, loan->materialised);
	print_time(from, loan->signalled);
	print_time(from, loan->latched);
	print_time(from, pass->began);
	print_time(from, pass->gpu_began);
	print_time(from, pass->gpu_ended);
	print_time(from, loan->scanned_out != 0 ? loan->scanned_out : pass->presented);
	print_time(from, loan->replaced);
	print_time(from, loan->released);
	printf(" %5zu", loan->reads);
	print_notes(loan);
	printf("\n");
}

static void print_table(const struct trace_recording *recording) {
	printf("%6s %-15s %7s %8s %8s %8s %8s %8s %8s %8s %8s %8s %5s\n", "loan", "client", "surface", "fence",
		"signal", "latch", "pass", "gpu", "gpu end", "shown", "replaced", "released", "reads");
	for (size_t i = 0; i < recording->loan_count; i++) {
		print_loan(recording, &recording->loans[i]);
	}
	printf("%zu loans, %zu passes", recording->loan_count, recording->pass_count);
	if (recording->lost_events > 0) {
		printf("; %" PRId64 " older events gave way to newer ones", recording->lost_events);
	}
	printf("\n");
}

static int print_recording(const char *path, int64_t loan) {
	struct trace_recording recording;
	if (!trace_recording_read(&recording, path)) {
		return 1;
	}
	bool ok = true;
	if (loan != 0) {
		ok = trace_draw(&recording, loan);
	} else {
		print_table(&recording);
	}
	trace_recording_finish(&recording);
	return ok ? 0 : 1;
}

int trace_main(int argc, char **argv) {
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "loan", required_argument, NULL, 'l' },
		{ 0 },
	};
	int64_t loan = 0;
	int option;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		loan = option == 'l' ? atoll(optarg) : 0;
		if (loan <= 0) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 2;
	}
	return print_recording(argv[optind], loan);
}
