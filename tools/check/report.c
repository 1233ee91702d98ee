#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check/report.h"

static const char *verdict_name(enum check_verdict verdict) {
	static const char *const names[] = { "met", "not met", "skipped", "not judged" };
	return names[verdict];
}

// How many bytes make one character of UTF-8 here; 0 if none.
static size_t utf8_length(const char *text) {
	unsigned char first = (unsigned char)text[0];
	size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 :
		first < 0xf5 ? 4 : 0;
	for (size_t i = 1; i < length; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return length;
}

void report_json_string(FILE *out, const char *text) {
	fputc('"', out);
	for (size_t length; *text != '\0'; text += length > 0 ? length : 1) {
		unsigned char c = (unsigned char)*text;
		length = utf8_length(text);
		if (length == 0) {
			fputs("\\ufffd", out);
		} else if (c == '"' || c == '\\') {
			fprintf(out, "\\%c", c);
		} else if (c < 0x20) {
			fprintf(out, "\\u%04x", c);
		} else {
			fwrite(text, 1, length, out);
		}
	}
	fputc('"', out);
}

static void json_field(FILE *out, const char *name, const char *value) {
	fprintf(out, "\"%s\": ", name);
	if (value) {
		report_json_string(out, value);
	} else {
		fputs("null", out);
	}
}

static void date_now(char *text, size_t size) {
	time_t now = time(NULL);
	struct tm parts;
	strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
}

static void begin_tap(struct report *report) {
	const struct check_env *env = report->env;
	fprintf(report->out, "TAP version 14\n1..%u\n", report->planned);
	fprintf(report->out, "# signalbox %s, seed %llu, compositor %s[%d] at %s\n", SBX_VERSION,
		(unsigned long long)report->options->seed, env->compositor_name, env->compositor,
		env->socket_name);
	fprintf(report->out, "# timelines on %s; buffers: %s %s; pending fences: %s; captures: %s\n",
		env->syncobj_node, check_buffer_kind_name(env->buffers), env->buffer_node,
		env->vgem_node[0] ? "vgem" : "none (no vgem: the checks that need one are skipped)",
		check_capture_kind_name(env->capture));
	fprintf(report->out, "# round trip %.2f ms, frame %.1f ms, capture %.1f ms: "
		"\"must happen\" is given %u ms, \"must not happen\" is watched for %u ms\n",
		env->round_trip_us / 1000.0, env->frame_us / 1000.0, env->capture_us / 1000.0,
		env->patience_ms, env->quiet_ms);
}

static void json_head(FILE *out) {
	char date[32];
	date_now(date, sizeof(date));
	fprintf(out, "{\n  ");
	json_field(out, "signalbox", SBX_VERSION);
	fprintf(out, ",\n  ");
	json_field(out, "date", date);
}

static void begin_json(struct report *report) {
	const struct check_env *env = report->env;
	FILE *out = report->out;
	json_head(out);
	fprintf(out, ",\n  \"seed\": %llu,\n  \"compositor\": { ",
		(unsigned long long)report->options->seed);
	json_field(out, "name", env->compositor_name);
	fprintf(out, ", \"pid\": %d, ", env->compositor);
	json_field(out, "socket", env->socket_name);
	fprintf(out, " },\n  \"machine\": { ");
	json_field(out, "timelines", env->syncobj_node);
	fprintf(out, ", ");
	json_field(out, "buffers", check_buffer_kind_name(env->buffers));
	fprintf(out, ", \"pending_fences\": %s, ", env->vgem_node[0] ? "true" : "false");
	json_field(out, "capture", check_capture_kind_name(env->capture));
	fprintf(out, ", \"round_trip_us\": %u, \"frame_us\": %u, \"capture_us\": %u, "
		"\"patience_ms\": %u, \"quiet_ms\": %u },\n  \"results\": [",
		env->round_trip_us, env->frame_us, env->capture_us, env->patience_ms,
		env->quiet_ms);
}

void report_begin(struct report *report, FILE *out, const struct check_options *options,
		const struct check_env *env, unsigned planned) {
	*report = (struct report){
		.out = out, .options = options, .env = env, .planned = planned,
		.progress = isatty(STDERR_FILENO),
	};
	report->summary_out = open_memstream(&report->summary, &report->summary_size);
	if (options->format == REPORT_JSON) {
		begin_json(report);
	} else {
		begin_tap(report);
	}
	fflush(out);
}

void report_nothing(FILE *out, const struct check_options *options, const char *why) {
	if (options->format == REPORT_TAP) {
		fprintf(out, "TAP version 14\n1..0 # SKIP %s\n", why);
		return;
	}
	json_head(out);
	fprintf(out, ",\n  \"results\": [],\n  \"summary\": { \"planned\": 0, \"ran\": 0, ");
	json_field(out, "stopped", why);
	fprintf(out, " }\n}\n");
}

void report_progress(struct report *report, const struct check_case *test) {
	if (report->progress) {
		fprintf(stderr, "\r\033[K[%u/%u] %s", report->done + 1, report->planned, test->name);
	}
}

static void clear_progress(struct report *report) {
	if (report->progress) {
		fputs("\r\033[K", stderr);
	}
}

static void print_source(FILE *out, const char *indent, const struct check_case *test) {
	if (test->kind == CHECK_QUALITY) {
		fprintf(out, "%squality beyond the text: %s\n", indent, test->sentence);
	} else {
		fprintf(out, "%s%s: \"%s\"\n", indent, test->where, test->sentence);
	}
}

static void add_tap(struct report *report, const struct report_entry *entry) {
	const struct check_result *result = entry->result;
	FILE *out = report->out;
	bool good = result->verdict == CHECK_MET || result->verdict == CHECK_SKIPPED;
	fprintf(out, "%s %u - %s", good ? "ok" : "not ok", report->done, entry->test->name);
	if (entry->run > 1) {
		fprintf(out, " (run %u)", entry->run);
	}
	if (result->verdict == CHECK_SKIPPED) {
		fprintf(out, " # SKIP %s", result->message);
	}
	fputc('\n', out);
	if (!good) {
		fprintf(out, "  # %s: %s\n", verdict_name(result->verdict), result->message);
	}
	if (!good || report->options->verbose) {
		fprintf(out, "  # expected: %s\n", entry->test->expects);
		print_source(out, "  # ", entry->test);
	}
	for (unsigned i = 0; i < result->note_count; i++) {
		fprintf(out, "  # measured: %s\n", result->notes[i]);
	}
	if (report->options->verbose) {
		fprintf(out, "  # took %u ms\n", entry->ms);
	}
}

static void json_case(FILE *out, const struct check_case *test) {
	json_field(out, "name", test->name);
	fputs(", ", out);
	json_field(out, "group", check_group_name(check_case_group(test)));
	fputs(", ", out);
	json_field(out, "kind", check_kind_name(test->kind));
	fputs(",\n      ", out);
	json_field(out, "where", test->where);
	fputs(",\n      ", out);
	json_field(out, "sentence", test->sentence);
	fputs(",\n      ", out);
	json_field(out, "expects", test->expects);
}

static void add_json(struct report *report, const struct report_entry *entry) {
	const struct check_result *result = entry->result;
	FILE *out = report->out;
	fprintf(out, "%s\n    { ", report->done > 1 ? "," : "");
	json_case(out, entry->test);
	fprintf(out, ",\n      \"run\": %u, \"ms\": %u, ", entry->run, entry->ms);
	json_field(out, "verdict", verdict_name(result->verdict));
	fprintf(out, ", \"compositor_died\": %s,\n      ", entry->fatal ? "true" : "false");
	json_field(out, "message", result->message[0] != '\0' ? result->message : NULL);
	fprintf(out, ", \"measured\": [");
	for (unsigned i = 0; i < result->note_count; i++) {
		fputs(i > 0 ? ", " : "", out);
		report_json_string(out, result->notes[i]);
	}
	fprintf(out, "] }");
}

static const char *const kind_labels[] = { "TEXT", "OTHER TEXT", "QUALITY" };

static void remember(struct report *report, const struct report_entry *entry) {
	const struct check_case *test = entry->test;
	const struct check_result *result = entry->result;
	report->counts[check_case_group(test)][result->verdict]++;
	report->deaths += entry->fatal;
	if (result->verdict == CHECK_NOT_MET) {
		report->not_met[test->kind]++;
	}
	if (result->verdict == CHECK_NOT_MET || result->verdict == CHECK_UNJUDGED) {
		fprintf(report->summary_out, "%-10s %s\n             %s\n",
			result->verdict == CHECK_UNJUDGED ? "NOT JUDGED" : kind_labels[test->kind],
			test->name, result->message);
	}
	for (unsigned i = 0; i < result->note_count && test->name[0] != 'a'; i++) {
		fprintf(report->summary_out, "measured   %s\n", result->notes[i]);
	}
}

void report_add(struct report *report, const struct report_entry *entry) {
	report->done++;
	clear_progress(report);
	remember(report, entry);
	if (report->options->format == REPORT_JSON) {
		add_json(report, entry);
	} else {
		add_tap(report, entry);
	}
	fflush(report->out);
}

void report_bail_out(struct report *report, const char *why) {
	clear_progress(report);
	report->stopped = why;
	if (report->options->format == REPORT_TAP) {
		fprintf(report->out, "Bail out! %s\n", why);
	}
	fprintf(report->summary_out, "STOPPED    %s; %u of %u checks did not run\n", why,
		report->planned - report->done, report->planned);
}

static unsigned total(const struct report *report, enum check_verdict verdict) {
	unsigned sum = 0;
	for (int group = 0; group < CHECK_GROUPS; group++) {
		sum += report->counts[group][verdict];
	}
	return sum;
}

static void print_totals(const struct report *report, FILE *out, const char *prefix) {
	for (int group = 0; group < CHECK_GROUPS; group++) {
		const unsigned *counts = report->counts[group];
		fprintf(out, "%s%-12s %3u met, %u not met, %u skipped\n", prefix,
			check_group_name(group), counts[CHECK_MET],
			counts[CHECK_NOT_MET] + counts[CHECK_UNJUDGED], counts[CHECK_SKIPPED]);
	}
	fprintf(out, "%s%u of %u checks met, %u not met (%u against the text of the protocol, "
		"%u against another protocol's, %u beyond the text), %u skipped, %u not judged\n",
		prefix, total(report, CHECK_MET), report->done, total(report, CHECK_NOT_MET),
		report->not_met[CHECK_TEXT], report->not_met[CHECK_CORE],
		report->not_met[CHECK_QUALITY], total(report, CHECK_SKIPPED),
		total(report, CHECK_UNJUDGED));
	if (report->deaths > 0) {
		fprintf(out, "%sthe compositor died %u time%s\n", prefix, report->deaths,
			report->deaths == 1 ? "" : "s");
	}
}

static void print_summary(struct report *report, FILE *out, const char *prefix) {
	fflush(report->summary_out);
	fprintf(out, "%s\n", prefix);
	for (char *save = NULL, *line = strtok_r(report->summary, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save)) {
		fprintf(out, "%s%s\n", prefix, line);
	}
	print_totals(report, out, prefix);
}

static void end_json(const struct report *report) {
	fprintf(report->out, "\n  ],\n  \"summary\": { \"planned\": %u, \"ran\": %u, \"met\": %u, "
		"\"not_met\": %u, \"not_met_text\": %u, \"not_met_core\": %u, "
		"\"not_met_quality\": %u, \"skipped\": %u, \"not_judged\": %u, \"deaths\": %u, ",
		report->planned, report->done, total(report, CHECK_MET),
		total(report, CHECK_NOT_MET), report->not_met[CHECK_TEXT],
		report->not_met[CHECK_CORE], report->not_met[CHECK_QUALITY],
		total(report, CHECK_SKIPPED), total(report, CHECK_UNJUDGED), report->deaths);
	json_field(report->out, "stopped", report->stopped);
	fprintf(report->out, " }\n}\n");
}

bool report_end(struct report *report) {
	if (report->options->format == REPORT_JSON) {
		end_json(report);
		print_summary(report, stderr, "");
	} else {
		print_summary(report, report->out, "# ");
	}
	fflush(report->out);
	fclose(report->summary_out);
	free(report->summary);
	return report->done == report->planned && total(report, CHECK_NOT_MET) == 0 &&
		total(report, CHECK_UNJUDGED) == 0;
}

static void list_json(FILE *out, const struct check_options *options) {
	size_t count = 0;
	const struct check_case *cases = check_cases(&count);
	const char *separator = "";
	fputs("[", out);
	for (size_t i = 0; i < count; i++) {
		if (options_select(options, &cases[i])) {
			fprintf(out, "%s\n    { ", separator);
			json_case(out, &cases[i]);
			fputs(" }", out);
			separator = ",";
		}
	}
	fputs("\n]\n", out);
}

static void list_text(FILE *out, const struct check_options *options) {
	size_t count = 0, listed = 0;
	const struct check_case *cases = check_cases(&count);
	for (size_t i = 0; i < count; i++) {
		if (!options_select(options, &cases[i])) {
			continue;
		}
		listed++;
		fprintf(out, "%s\n    expects: %s\n", cases[i].name, cases[i].expects);
		print_source(out, "    ", &cases[i]);
	}
	fprintf(out, "%zu checks\n", listed);
}

void report_list(FILE *out, const struct check_options *options) {
	if (options->format == REPORT_JSON) {
		list_json(out, options);
	} else {
		list_text(out, options);
	}
}
