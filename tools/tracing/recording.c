#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tracing/recording.h"

/* 0: there is no such key. */
static int64_t number(const char *line, const char *key) {
	char pattern[64];
	snprintf(pattern, sizeof(pattern), "\"%s\":", key);
	const char *at = strstr(line, pattern);
	return at != NULL ? strtoll(at + strlen(pattern), NULL, 10) : 0;
}

static bool has(const char *line, const char *text) {
	return strstr(line, text) != NULL;
}

/* Room for one more, all zero; NULL: out of memory. */
static void *add(void *array, size_t *count, size_t *capacity, size_t size) {
	void **items = array;
	if (*count == *capacity) {
		size_t wanted = *capacity * 2 + 64;
		void *grown = reallocarray(*items, wanted, size);
		if (grown == NULL) {
			return NULL;
		}
		*items = grown;
		*capacity = wanted;
	}
	return memset((char *)*items + (*count)++ * size, 0, size);
}

static bool read_loan(struct trace_recording *recording, const char *line) {
	struct trace_loan *loan = add(&recording->loans, &recording->loan_count, &recording->loan_capacity,
		sizeof(*loan));
	if (loan == NULL) {
		return false;
	}
	*loan = (struct trace_loan){
		.loan = number(line, "loan"),
		.client = number(line, "client"),
		.surface = number(line, "surface"),
		.committed = number(line, "committed_ns"),
		.materialised = number(line, "materialised_ns"),
		.signalled = number(line, "signalled_ns"),
		.latched = number(line, "latched_ns"),
		.scanned_out = number(line, "scanned-out_ns"),
		.flipped_away = number(line, "flipped-away_ns"),
		.replaced = number(line, "replaced_ns"),
		.released = number(line, "released_ns"),
		.failed = number(line, "failed_ns"),
		.superseded = number(line, "superseded_ns"),
		.forced = number(line, "forced_ns"),
		.stalled = number(line, "stalled_ns"),
		.late = number(line, "late_ns"),
	};
	const char *passes = strstr(line, "\"passes\":[");
	for (const char *at = passes; at != NULL && *at != ']'; at = strpbrk(at + 1, ",]")) {
		if (loan->reads++ == 0) {
			loan->pass = strtoll(strchr(at, '[') + 1, NULL, 10);
		}
	}
	return true;
}

/* The pass, found or made; NULL: out of memory. */
static struct trace_pass *get_pass(struct trace_recording *recording, int64_t number) {
	struct trace_pass *pass = (struct trace_pass *)trace_recording_find_pass(recording, number);
	if (pass == NULL) {
		pass = add(&recording->passes, &recording->pass_count, &recording->pass_capacity, sizeof(*pass));
	}
	if (pass != NULL) {
		pass->pass = number;
	}
	return pass;
}

static bool read_pass(struct trace_recording *recording, const char *line) {
	struct trace_pass *pass = get_pass(recording, number(line, "pass"));
	if (pass == NULL) {
		return false;
	}
	if (has(line, "\"gpu_began_ns\":")) {
		pass->gpu_began = number(line, "gpu_began_ns");
		pass->gpu_ended = number(line, "gpu_ended_ns");
		pass->uncertainty = number(line, "uncertainty_ns");
	} else if (has(line, "\"presented_ns\":")) {
		if (pass->presented == 0) {
			pass->committed = number(line, "committed_ns");
			pass->presented = number(line, "presented_ns");
		}
	} else {
		pass->began = number(line, "began_ns");
		pass->submitted = number(line, "submitted_ns");
		pass->ended = number(line, "ended_ns");
	}
	return true;
}

static bool read_client(struct trace_recording *recording, const char *line) {
	struct trace_client *client = add(&recording->clients, &recording->client_count,
		&recording->client_capacity, sizeof(*client));
	const char *name = strstr(line, "\"args\":{\"name\":\"");
	if (client == NULL || name == NULL) {
		return client != NULL;
	}
	client->pid = number(line, "pid");
	const char *from = name + strlen("\"args\":{\"name\":\"");
	size_t length = 0;
	for (; *from != '\0' && *from != '"' && length + 1 < sizeof(client->name); from++) {
		from += from[0] == '\\' && from[1] != '\0';
		client->name[length++] = *from;
	}
	return true;
}

static bool read_line(struct trace_recording *recording, const char *line) {
	if (has(line, "{\"ph\":\"X\"") && has(line, "\"args\":{\"loan\":")) {
		return read_loan(recording, line);
	}
	if (has(line, "{\"ph\":\"X\"") && has(line, "\"pass\":")) {
		return read_pass(recording, line);
	}
	if (has(line, "{\"ph\":\"M\"") && has(line, "\"name\":\"process_name\"")) {
		return read_client(recording, line);
	}
	return true;
}

static int compare_passes(const void *left, const void *right) {
	const struct trace_pass *a = left, *b = right;
	return a->pass < b->pass ? -1 : a->pass > b->pass;
}

/* Passes are written by number, so what has been read of them is sorted at any time. */
const struct trace_pass *trace_recording_find_pass(const struct trace_recording *recording, int64_t pass) {
	const struct trace_pass key = { .pass = pass };
	return recording->pass_count == 0 ? NULL :
		bsearch(&key, recording->passes, recording->pass_count, sizeof(key), compare_passes);
}

const char *trace_recording_client(const struct trace_recording *recording, int64_t pid) {
	for (size_t i = 0; i < recording->client_count; i++) {
		if (recording->clients[i].pid == pid) {
			return recording->clients[i].name;
		}
	}
	return "?";
}

static bool read_all(struct trace_recording *recording, FILE *file) {
	char *line = NULL;
	size_t size = 0;
	bool ok = true, complete = false;
	while (ok && getline(&line, &size, file) >= 0) {
		ok = read_line(recording, line);
		if (has(line, "\"lost_events\":") && has(line, "\"clock\":\"CLOCK_MONOTONIC\"")) {
			complete = true;
			recording->lost_events = number(line, "lost_events");
		}
	}
	free(line);
	errno = !ok ? ENOMEM : !complete ? EINVAL : errno;
	return ok && complete;
}

bool trace_recording_read(struct trace_recording *recording, const char *path) {
	*recording = (struct trace_recording){0};
	FILE *file = fopen(path, "re");
	bool ok = file != NULL && read_all(recording, file);
	if (!ok) {
		fprintf(stderr, "signalbox: %s: %s\n", path,
			errno == EINVAL ? "this is no recording of signalbox, or not all of it" : strerror(errno));
		trace_recording_finish(recording);
	}
	if (file != NULL) {
		fclose(file);
	}
	return ok;
}

void trace_recording_finish(struct trace_recording *recording) {
	free(recording->loans);
	free(recording->passes);
	free(recording->clients);
	*recording = (struct trace_recording){0};
}
