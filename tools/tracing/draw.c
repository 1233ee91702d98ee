#include <inttypes.h>
#include <stdio.h>
#include "tracing/draw.h"
#include "tracing/recording.h"

enum { COLUMNS = 60 };

/* What a drawing shows: from the commit to whatever came last. */
struct span {
	int64_t from, to;
};

static int64_t later(int64_t a, int64_t b) {
	return a > b ? a : b;
}

/* The earliest of those that happened; 0: none. */
static int64_t first(const int64_t *times, size_t count) {
	int64_t found = 0;
	for (size_t i = 0; i < count; i++) {
		if (times[i] != 0 && (found == 0 || times[i] < found)) {
			found = times[i];
		}
	}
	return found;
}

static int column(const struct span *span, int64_t at) {
	int64_t length = span->to > span->from ? span->to - span->from : 1;
	int64_t column = (at - span->from) * COLUMNS / length;
	return (int)(column < 0 ? 0 : column >= COLUMNS ? COLUMNS - 1 : column);
}

/* Nothing, unless both are known and there is something between them. */
static void draw_row(const struct span *span, const char *label, int64_t from, int64_t to) {
	char bar[COLUMNS + 1];
	if (from == 0 || to == 0 || to <= from) {
		return;
	}
	for (int i = 0; i < COLUMNS; i++) {
		bar[i] = i >= column(span, from) && i <= column(span, to) ? '#' : '.';
	}
	bar[COLUMNS] = '\0';
	printf("%-22s %s %8.3f %+8.3f\n", label, bar, (double)(from - span->from) / 1e6,
		(double)(to - from) / 1e6);
}

static void draw_loan(const struct span *span, const struct trace_loan *loan) {
	const int64_t ends[] = { loan->materialised, loan->signalled, loan->failed, loan->latched,
		loan->replaced };
	draw_row(span, "no fence yet", loan->committed, first(ends, 5));
	draw_row(span, "fence pending", loan->materialised, first(ends + 1, 4));
	draw_row(span, "done, not latched", loan->signalled, first(ends + 3, 2));
	draw_row(span, "content", loan->latched, loan->replaced != 0 ? loan->replaced : span->to);
	draw_row(span, "scanned out", loan->scanned_out,
		loan->flipped_away != 0 ? loan->flipped_away : span->to);
	draw_row(span, "replaced, still held", loan->replaced,
		loan->released != 0 ? loan->released : span->to);
}

static void draw_pass(const struct span *span, const struct trace_pass *pass) {
	draw_row(span, "pass, CPU", pass->began, pass->ended);
	draw_row(span, "pass, GPU", pass->gpu_began, pass->gpu_ended);
	draw_row(span, "output, until shown", pass->committed, pass->presented);
}

static const struct trace_loan *find_loan(const struct trace_recording *recording, int64_t number) {
	for (size_t i = 0; i < recording->loan_count; i++) {
		if (recording->loans[i].loan == number) {
			return &recording->loans[i];
		}
	}
	return NULL;
}

bool trace_draw(const struct trace_recording *recording, int64_t number) {
	const struct trace_loan *loan = find_loan(recording, number);
	if (loan == NULL || loan->committed == 0) {
		fprintf(stderr, "signalbox: loan %" PRId64 " is not there from its commit on\n", number);
		return false;
	}
	const struct trace_pass *pass = trace_recording_find_pass(recording, loan->pass);
	struct span span = { loan->committed, later(loan->released, loan->replaced) };
	span.to = later(span.to, later(loan->flipped_away, loan->latched));
	if (pass != NULL) {
		span.to = later(span.to, later(pass->gpu_ended, pass->presented));
	}
	printf("loan %" PRId64 " of %s, wl_surface#%" PRId64 ", read by %zu passes; each column is %.3f ms\n",
		loan->loan, trace_recording_client(recording, loan->client), loan->surface, loan->reads,
		(double)(span.to - span.from) / COLUMNS / 1e6);
	printf("%-22s %-*s %8s %8s\n", "", COLUMNS, "", "from ms", "lasts");
	draw_loan(&span, loan);
	if (pass != NULL) {
		draw_pass(&span, pass);
	}
	return true;
}
