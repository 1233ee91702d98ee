#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "trace/counter.h"
#include "trace/recorder.h"
#include "trace/story.h"

/*
 * Chrome's "Trace Event Format": one track for each surface (and one more where its loans overlap), in
 * the process of its client; one for passes, one for the GPU, one for each output, in the compositor's.
 * A loan is a slice ("ph": "X") with its phases in it. Arrows ("s", "f") lead from a loan to the passes
 * that read it and from a pass to the commit that shows it.
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */

enum lane_kind {
	LANE_SURFACE,
	LANE_PASSES,
	LANE_GPU,
	LANE_OUTPUT,
};

/* Slices of one track must not overlap, unless one is inside the other. */
struct lane {
	enum lane_kind kind;
	int32_t pid;
	/** The surface, the output. */
	uint32_t id;
	int64_t end_ns;
	/** Of the same kind, pid and id, before this one. */
	unsigned twins;
};

struct export {
	FILE *file;
	struct sbx_stories stories;
	/** When the recording was read: where everything that has no end is cut. */
	int64_t now_ns;
	struct lane *lanes;
	size_t lane_count, lane_capacity;
	/** By story: the lane it is in, + 1; of passes: that of the CPU's slice, and the GPU's. */
	unsigned *lane_of, *gpu_lane_of;
	uint64_t last_flow;
	const char *separator;
	int error;
};

/* Writing */

static void write_string(struct export *export, const char *text) {
	fputc('"', export->file);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\') {
			fputc('\\', export->file);
		}
		// A process may call itself what it likes; the file stays valid.
		fputc(c < ' ' || c >= 0x7f ? '?' : c, export->file);
	}
	fputc('"', export->file);
}

/* Microseconds, exact. */
static void write_time(struct export *export, const char *key, int64_t ns) {
	fprintf(export->file, ",\"%s\":%" PRId64 ".%03d", key, ns / 1000, (int)(ns % 1000));
}

static void begin_object(struct export *export, const char *phase, const char *name, int32_t pid,
		unsigned tid) {
	fprintf(export->file, "%s\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%u,\"name\":", export->separator, phase,
		(int)pid, tid);
	write_string(export, name);
	export->separator = ",";
}

static void write_metadata(struct export *export, const char *what, int32_t pid, unsigned tid,
		const char *name) {
	begin_object(export, "M", what, pid, tid);
	// Chrome writes these two, and some readers want them.
	fputs(",\"ts\":0,\"cat\":\"__metadata\",\"args\":{\"name\":", export->file);
	write_string(export, name);
	fputs("}}", export->file);
}

/* The lane's number is its tid - 1. */
static void begin_slice(struct export *export, unsigned tid, const char *name, int64_t begin_ns,
		int64_t end_ns) {
	begin_object(export, "X", name, export->lanes[tid - 1].pid, tid);
	write_time(export, "ts", begin_ns);
	write_time(export, "dur", end_ns > begin_ns ? end_ns - begin_ns : 1);
	fputs(",\"cat\":\"signalbox\",\"args\":{", export->file);
}

static void end_slice(struct export *export) {
	fputs("}}", export->file);
}

static void write_instant(struct export *export, unsigned tid, const struct sbx_event *event) {
	begin_object(export, "i", sbx_event_name(event->kind), export->lanes[tid - 1].pid, tid);
	write_time(export, "ts", event->time_ns);
	fputs(",\"s\":\"t\",\"cat\":\"signalbox\",\"args\":{", export->file);
	const char *value = sbx_event_value_name(event->kind);
	if (value != NULL) {
		fprintf(export->file, "\"%s\":%" PRIu64, value, event->value);
	}
	if (event->output != 0) {
		char output[64];
		sbx_recorder_output_name(event->output, output, sizeof(output));
		fputs(value != NULL ? ",\"output\":" : "\"output\":", export->file);
		write_string(export, output);
	}
	fputs("}}", export->file);
}

/* An arrow from what is drawn at from_ns on one track to what begins at to_ns on the other. */
static void write_flow(struct export *export, const char *name, unsigned from_tid, int64_t from_ns,
		unsigned to_tid, int64_t to_ns) {
	uint64_t id = ++export->last_flow;
	begin_object(export, "s", name, export->lanes[from_tid - 1].pid, from_tid);
	write_time(export, "ts", from_ns);
	fprintf(export->file, ",\"cat\":\"signalbox\",\"id\":%" PRIu64 "}", id);
	begin_object(export, "f", name, export->lanes[to_tid - 1].pid, to_tid);
	write_time(export, "ts", to_ns);
	fprintf(export->file, ",\"cat\":\"signalbox\",\"id\":%" PRIu64 ",\"bp\":\"e\"}", id);
}

/* Lanes */

static void name_process(struct export *export, const struct lane *lane, unsigned tid) {
	char name[64], title[96];
	for (size_t i = 0; i + 1 < tid; i++) {
		if (export->lanes[i].pid == lane->pid) {
			return;
		}
	}
	sbx_recorder_client_name(lane->pid, name, sizeof(name));
	snprintf(title, sizeof(title), "%s", lane->pid == getpid() ? "compositor" : name);
	write_metadata(export, "process_name", lane->pid, tid, title);
}

static void name_lane(struct export *export, const struct lane *lane, unsigned tid) {
	char name[64] = "passes", title[96];
	switch (lane->kind) {
	case LANE_SURFACE:
		snprintf(name, sizeof(name), "wl_surface#%u", lane->id);
		break;
	case LANE_PASSES:
		break;
	case LANE_GPU:
		snprintf(name, sizeof(name), "GPU");
		break;
	case LANE_OUTPUT:
		sbx_recorder_output_name(lane->id, name, sizeof(name));
		break;
	}
	snprintf(title, sizeof(title), lane->twins > 0 ? "%s (%u)" : "%s", name, lane->twins + 1);
	name_process(export, lane, tid);
	write_metadata(export, "thread_name", lane->pid, tid, title);
}

static bool reserve_lane(struct export *export) {
	if (export->lane_count < export->lane_capacity) {
		return true;
	}
	size_t capacity = export->lane_capacity * 2 + 16;
	struct lane *lanes = reallocarray(export->lanes, capacity, sizeof(*lanes));
	if (lanes == NULL) {
		export->error = -ENOMEM;
		return false;
	}
	export->lanes = lanes;
	export->lane_capacity = capacity;
	return true;
}

/* Its tid, or 0: out of memory. */
static unsigned take_lane(struct export *export, const struct lane *wanted, int64_t begin_ns,
		int64_t end_ns) {
	unsigned twins = 0;
	for (size_t i = 0; i < export->lane_count; i++) {
		struct lane *lane = &export->lanes[i];
		if (lane->kind != wanted->kind || lane->pid != wanted->pid || lane->id != wanted->id) {
			continue;
		}
		if (lane->end_ns <= begin_ns) {
			lane->end_ns = end_ns > begin_ns ? end_ns : begin_ns + 1;
			return (unsigned)i + 1;
		}
		twins++;
	}
	if (!reserve_lane(export)) {
		return 0;
	}
	struct lane *lane = &export->lanes[export->lane_count++];
	*lane = *wanted;
	lane->end_ns = end_ns > begin_ns ? end_ns : begin_ns + 1;
	lane->twins = twins;
	name_lane(export, lane, (unsigned)export->lane_count);
	return (unsigned)export->lane_count;
}

/* Passes */

static void write_pass_cpu(struct export *export, const struct sbx_story *pass, size_t index) {
	const struct sbx_event *ended = sbx_story_event(pass, SBX_EVENT_PASS_ENDED);
	int64_t begin_ns = pass->at[SBX_EVENT_PASS_BEGAN];
	int64_t end_ns = ended != NULL ? ended->time_ns : export->now_ns;
	struct lane lane = { .kind = LANE_PASSES, .pid = getpid() };
	unsigned tid = begin_ns != 0 ? take_lane(export, &lane, begin_ns, end_ns) : 0;
	if (tid == 0) {
		return;
	}
	export->lane_of[index] = tid;
	char name[64];
	snprintf(name, sizeof(name), "pass %" PRIu64, pass->id);
	begin_slice(export, tid, name, begin_ns, end_ns);
	fprintf(export->file, "\"pass\":%" PRIu64 ",\"began_ns\":%" PRId64 ",\"submitted_ns\":%" PRId64
		",\"ended_ns\":%" PRId64 ",\"error\":%" PRId64, pass->id, begin_ns,
		pass->at[SBX_EVENT_PASS_SUBMITTED], ended != NULL ? ended->time_ns : 0,
		ended != NULL ? (int64_t)ended->extra : 0);
	end_slice(export);
}

static void write_pass_gpu(struct export *export, const struct sbx_story *pass, size_t index) {
	const struct sbx_event *began = sbx_story_event(pass, SBX_EVENT_GPU_BEGAN);
	const struct sbx_event *ended = sbx_story_event(pass, SBX_EVENT_GPU_ENDED);
	struct lane lane = { .kind = LANE_GPU, .pid = getpid() };
	unsigned tid = began != NULL && ended != NULL ?
		take_lane(export, &lane, began->time_ns, ended->time_ns) : 0;
	if (tid == 0) {
		return;
	}
	export->gpu_lane_of[index] = tid;
	char name[64];
	snprintf(name, sizeof(name), "pass %" PRIu64, pass->id);
	begin_slice(export, tid, name, began->time_ns, ended->time_ns);
	fprintf(export->file, "\"pass\":%" PRIu64 ",\"gpu_began_ns\":%" PRId64 ",\"gpu_ended_ns\":%" PRId64
		",\"uncertainty_ns\":%" PRIu64, pass->id, began->time_ns, ended->time_ns, began->extra);
	end_slice(export);
	if (export->lane_of[index] != 0 && pass->at[SBX_EVENT_PASS_SUBMITTED] != 0) {
		write_flow(export, "submitted", export->lane_of[index], pass->at[SBX_EVENT_PASS_SUBMITTED],
			tid, began->time_ns);
	}
}

/* Where an arrow to or from a pass touches it: the GPU's slice, or else the CPU's. 0: nowhere. */
static unsigned pass_anchor(const struct export *export, const struct sbx_story *pass, bool end,
		int64_t *time_ns) {
	size_t index = pass != NULL ? (size_t)(pass - export->stories.list) : 0;
	if (pass == NULL) {
		return 0;
	}
	if (export->gpu_lane_of[index] != 0) {
		*time_ns = end ? pass->at[SBX_EVENT_GPU_ENDED] - 1 : pass->at[SBX_EVENT_GPU_BEGAN];
		if (*time_ns < pass->at[SBX_EVENT_GPU_BEGAN]) {
			*time_ns = pass->at[SBX_EVENT_GPU_BEGAN];
		}
		return export->gpu_lane_of[index];
	}
	*time_ns = pass->at[SBX_EVENT_PASS_BEGAN];
	return export->lane_of[index];
}

/* Outputs */

static void write_output(struct export *export, const struct sbx_story *commit) {
	int64_t begin_ns = commit->at[SBX_EVENT_OUTPUT_COMMITTED];
	int64_t end_ns = commit->at[SBX_EVENT_OUTPUT_PRESENTED];
	struct lane lane = { .kind = LANE_OUTPUT, .pid = getpid(), .id = commit->output };
	int64_t until_ns = end_ns != 0 ? end_ns : sbx_story_end_ns(commit);
	unsigned tid = begin_ns != 0 ? take_lane(export, &lane, begin_ns, until_ns) : 0;
	if (tid == 0) {
		return;
	}
	char name[64];
	snprintf(name, sizeof(name), "commit %" PRIu64, commit->id);
	begin_slice(export, tid, name, begin_ns, until_ns);
	fprintf(export->file, "\"commit\":%" PRIu64 ",\"committed_ns\":%" PRId64 ",\"presented_ns\":%" PRId64,
		commit->id, begin_ns, end_ns);
	const struct sbx_event *presented = sbx_story_event(commit, SBX_EVENT_OUTPUT_PRESENTED);
	if (presented != NULL) {
		fprintf(export->file, ",\"refresh_ns\":%" PRIu64, presented->extra);
	}
	const struct sbx_story *pass = sbx_stories_find_drawn(&export->stories, commit);
	if (pass != NULL) {
		fprintf(export->file, ",\"pass\":%" PRIu64, pass->id);
	}
	end_slice(export);
	int64_t from_ns = 0;
	unsigned from = pass_anchor(export, pass, true, &from_ns);
	if (from != 0) {
		write_flow(export, "shown", from, from_ns, tid, begin_ns);
	}
}

/* Loans */

static int64_t first_of(int64_t a, int64_t b) {
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Where the phases of a loan begin, in order; 0: it has no such phase. */
static const struct {
	const char *name;
	enum sbx_event_kind from;
} phases[] = {
	{ "not drawn: no fence yet", SBX_EVENT_COMMITTED },
	{ "being drawn: fence pending", SBX_EVENT_MATERIALISED },
	{ "drawn: not latched yet", SBX_EVENT_SIGNALLED },
	{ "content", SBX_EVENT_LATCHED },
	{ "replaced: held by others", SBX_EVENT_REPLACED },
};
#define PHASE_COUNT (sizeof(phases) / sizeof(phases[0]))

static void write_phases(struct export *export, const struct sbx_story *loan, unsigned tid,
		int64_t end_ns) {
	for (size_t i = 0; i < PHASE_COUNT; i++) {
		int64_t begin_ns = loan->at[phases[i].from], until_ns = 0;
		for (size_t k = i + 1; k < PHASE_COUNT; k++) {
			until_ns = first_of(until_ns, loan->at[phases[k].from]);
		}
		until_ns = until_ns == 0 || until_ns > end_ns ? end_ns : until_ns;
		// Content whose fence is pending still (latched first) is content already.
		if (begin_ns != 0 && begin_ns < until_ns) {
			begin_slice(export, tid, phases[i].name, begin_ns, until_ns);
			end_slice(export);
		}
	}
}

static void write_loan_args(struct export *export, const struct sbx_story *loan) {
	const struct sbx_subject *subject = &loan->events[0].subject;
	fprintf(export->file, "\"loan\":%" PRIu64 ",\"client\":%d,\"surface\":%u,\"acquire\":\"%" PRIu64
		" of timeline #%u\",\"release\":\"%" PRIu64 " of timeline #%u\",\"over\":%s", subject->loan,
		(int)subject->pid, subject->surface, subject->acquire_point, subject->acquire_timeline,
		subject->release_point, subject->release_timeline,
		loan->at[SBX_EVENT_RELEASED] != 0 ? "true" : "false");
	for (enum sbx_event_kind kind = 0; kind < SBX_EVENT_KINDS; kind++) {
		if (loan->at[kind] != 0) {
			fprintf(export->file, ",\"%s_ns\":%" PRId64, sbx_event_name(kind), loan->at[kind]);
		}
	}
	const struct sbx_event *signalled = sbx_story_event(loan, SBX_EVENT_SIGNALLED);
	if (signalled != NULL && signalled->value != 0) {
		fprintf(export->file, ",\"fence_ns\":%" PRIu64, signalled->value);
	}
	const char *separator = ",\"passes\":[";
	for (size_t i = 0; i < loan->count; i++) {
		if (loan->events[i].kind == SBX_EVENT_READ) {
			fprintf(export->file, "%s%" PRIu64, separator, loan->events[i].value);
			separator = ",";
		}
	}
	fputs(separator[1] == '\0' ? "]" : "", export->file);
}

/* What is no beginning of a phase. */
static bool is_instant(enum sbx_event_kind kind) {
	return kind == SBX_EVENT_SCANOUT_QUEUED || kind == SBX_EVENT_SCANNED_OUT ||
		kind == SBX_EVENT_FLIPPED_AWAY || kind == SBX_EVENT_FAILED || kind == SBX_EVENT_SUPERSEDED ||
		kind == SBX_EVENT_FORCED || kind == SBX_EVENT_STALLED || kind == SBX_EVENT_PREDICTED ||
		kind == SBX_EVENT_LATE;
}

static void write_loan_event(struct export *export, const struct sbx_event *event, unsigned tid) {
	int64_t to_ns = 0;
	if (is_instant(event->kind)) {
		write_instant(export, tid, event);
	} else if (event->kind == SBX_EVENT_READ) {
		unsigned to = pass_anchor(export, sbx_stories_find_pass(&export->stories, event->value), false,
			&to_ns);
		if (to != 0) {
			write_flow(export, "read", tid, event->time_ns, to, to_ns);
		}
	}
}

static void write_loan(struct export *export, const struct sbx_story *loan, size_t index) {
	const struct sbx_subject *subject = &loan->events[0].subject;
	int64_t begin_ns = sbx_story_begin_ns(loan);
	// The last flip may come to be known after the release.
	int64_t end_ns = loan->at[SBX_EVENT_RELEASED] != 0 ? sbx_story_end_ns(loan) : export->now_ns;
	struct lane lane = {
		.kind = LANE_SURFACE,
		.pid = subject->pid != 0 ? subject->pid : getpid(),
		.id = subject->surface,
	};
	unsigned tid = take_lane(export, &lane, begin_ns, end_ns);
	if (tid == 0) {
		return;
	}
	export->lane_of[index] = tid;
	char name[64];
	snprintf(name, sizeof(name), "loan %" PRIu64, subject->loan);
	begin_slice(export, tid, name, begin_ns, end_ns);
	write_loan_args(export, loan);
	end_slice(export);
	write_phases(export, loan, tid, loan->at[SBX_EVENT_RELEASED] != 0 ? loan->at[SBX_EVENT_RELEASED] :
		export->now_ns);
	for (size_t i = 0; i < loan->count; i++) {
		write_loan_event(export, &loan->events[i], tid);
	}
}

/* All of it */

static void write_stories(struct export *export) {
	const struct sbx_stories *stories = &export->stories;
	for (size_t i = 0; i < stories->count; i++) {
		if (stories->list[i].scope == SBX_SCOPE_PASS) {
			write_pass_cpu(export, &stories->list[i], i);
			write_pass_gpu(export, &stories->list[i], i);
		}
	}
	// Passes first: arrows lead to them and from them.
	for (size_t i = 0; i < stories->count; i++) {
		if (stories->list[i].scope == SBX_SCOPE_OUTPUT) {
			write_output(export, &stories->list[i]);
		} else if (stories->list[i].scope == SBX_SCOPE_LOAN) {
			write_loan(export, &stories->list[i], i);
		}
	}
}

static void write_end(struct export *export, const struct sbx_recording *recording) {
	fprintf(export->file, "\n],\"displayTimeUnit\":\"ns\",\"otherData\":{\"clock\":\"CLOCK_MONOTONIC\","
		"\"events\":%zu,\"lost_events\":%" PRIu64, recording->count, recording->lost);
	for (int i = 0; i < SBX_COUNT_MAX; i++) {
		fprintf(export->file, ",\"%s\":%" PRIu64, sbx_counter_name(i), sbx_counter_read(i));
	}
	fputs("}}\n", export->file);
}

static int write_all(struct export *export, struct sbx_recording *recording) {
	int ret = sbx_stories_tell(recording, &export->stories);
	if (ret < 0) {
		return ret;
	}
	export->lane_of = calloc(export->stories.count + 1, sizeof(export->lane_of[0]));
	export->gpu_lane_of = calloc(export->stories.count + 1, sizeof(export->gpu_lane_of[0]));
	if (export->lane_of == NULL || export->gpu_lane_of == NULL) {
		return -ENOMEM;
	}
	errno = 0;
	fputs("{\"traceEvents\":[", export->file);
	write_stories(export);
	write_end(export, recording);
	if (export->error == 0 && (fflush(export->file) != 0 || ferror(export->file))) {
		export->error = errno != 0 ? -errno : -EIO;
	}
	return export->error;
}

int sbx_trace_write(FILE *file) {
	struct sbx_recording recording;
	int ret = sbx_recorder_read(&recording);
	if (ret == 0 && recording.events == NULL) {
		ret = -ENODATA;
	}
	if (ret < 0) {
		return ret;
	}
	struct export export = { .file = file, .now_ns = sbx_recorder_now_ns(), .separator = "" };
	ret = write_all(&export, &recording);
	sbx_stories_finish(&export.stories);
	free(export.lane_of);
	free(export.gpu_lane_of);
	free(export.lanes);
	free(recording.events);
	return ret;
}

/* *fd is consumed. */
static int write_and_close(int *fd) {
	FILE *file = *fd >= 0 ? fdopen(*fd, "w") : NULL;
	if (file == NULL) {
		int error = errno;
		if (*fd >= 0) {
			close(*fd);
		}
		return -error;
	}
	int ret = sbx_trace_write(file);
	return fclose(file) != 0 && ret == 0 ? -errno : ret;
}

int sbx_trace_write_fd(int fd) {
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return write_and_close(&copy);
}

int sbx_trace_write_path(const char *path) {
	char *unfinished = NULL;
	if (asprintf(&unfinished, "%s.XXXXXX", path) < 0) {
		return -ENOMEM;
	}
	int fd = mkostemp(unfinished, O_CLOEXEC);
	bool made = fd >= 0;
	int ret = write_and_close(&fd);
	if (ret == 0 && rename(unfinished, path) != 0) {
		ret = -errno;
	}
	if (ret < 0 && made) {
		unlink(unfinished);
	}
	free(unfinished);
	return ret;
}
