#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/report.h"
#include "harness/suite.h"

static const struct check_case cases[] = {
	{ "latch/one", TEXT("wl_surface", "One \"must\"."), "a picture" },
	{ "latch/two", QUALITY("it is good"), "a better picture" },
	{ "release/three", CORE("wl_surface", "Three."), "a release" },
};

static const struct check_env env = { .compositor_name = "a \"name\"", .socket_name = "s" };

static void add(struct report *report, int i, enum check_verdict verdict, const char *message) {
	struct check_result result = { .verdict = verdict, .finished = true };
	snprintf(result.message, CHECK_LINE, "%s", message);
	if (i == 2) {
		snprintf(result.notes[result.note_count++], CHECK_LINE, "p50 3 ms");
	}
	report_add(report, &(struct report_entry){
		.test = &cases[i], .run = 1, .result = &result, .ms = 5,
	});
}

static char *a_report(enum report_format format, enum check_verdict second, bool *met) {
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct check_options options = { .format = format, .seed = 42 };
	struct report report;
	report_begin(&report, out, &options, &env, 3);
	add(&report, 0, CHECK_MET, "");
	add(&report, 1, second, "a\ttab and a \\");
	add(&report, 2, CHECK_SKIPPED, "no vgem");
	*met = report_end(&report);
	fclose(out);
	return text;
}

static void test_tap(void **state) {
	bool met = true;
	char *text = a_report(REPORT_TAP, CHECK_NOT_MET, &met);
	assert_false(met);
	assert_ptr_equal(strstr(text, "TAP version 14\n1..3\n"), text);
	assert_non_null(strstr(text, "\nok 1 - latch/one\n"));
	assert_non_null(strstr(text, "\nnot ok 2 - latch/two\n"));
	assert_non_null(strstr(text, "\nok 3 - release/three # SKIP no vgem\n"));
	assert_non_null(strstr(text, "quality beyond the text: it is good"));
	assert_non_null(strstr(text, "measured: p50 3 ms"));
	assert_non_null(strstr(text, "1 of 3 checks met, 1 not met (0 against the text of the "
		"protocol, 0 against another protocol's, 1 beyond the text), 1 skipped"));
	free(text);
}

static void test_tap_all_met(void **state) {
	bool met = false;
	char *text = a_report(REPORT_TAP, CHECK_MET, &met);
	assert_true(met);
	assert_null(strstr(text, "not ok"));
	free(text);
}

static void test_not_judged_is_not_met(void **state) {
	bool met = true;
	char *text = a_report(REPORT_TAP, CHECK_UNJUDGED, &met);
	assert_false(met);
	assert_non_null(strstr(text, "not ok 2"));
	free(text);
}

// Enough of JSON to see that brackets and strings are whole.
static void assert_balanced(const char *text) {
	int depth = 0;
	bool in_string = false;
	for (; *text != '\0'; text++) {
		if (in_string) {
			assert_true((unsigned char)*text >= 0x20);
			in_string = *text != '"';
			text += *text == '\\';
		} else if (*text == '"') {
			in_string = true;
		} else {
			depth += (*text == '{' || *text == '[') - (*text == '}' || *text == ']');
		}
	}
	assert_false(in_string);
	assert_int_equal(depth, 0);
}

static void test_json(void **state) {
	bool met = true;
	char *text = a_report(REPORT_JSON, CHECK_NOT_MET, &met);
	assert_false(met);
	assert_balanced(text);
	assert_non_null(strstr(text, "\"seed\": 42"));
	assert_non_null(strstr(text, "\"a \\\"name\\\"\""));
	assert_non_null(strstr(text, "\"a\\u0009tab and a \\\\\""));
	assert_non_null(strstr(text, "\"not_met_quality\": 1"));
	assert_non_null(strstr(text, "\"stopped\": null"));
	free(text);
}

static void test_stopped(void **state) {
	for (int format = REPORT_TAP; format <= REPORT_JSON; format++) {
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		struct check_options options = { .format = format };
		struct report report;
		report_begin(&report, out, &options, &env, 3);
		add(&report, 0, CHECK_MET, "");
		report_bail_out(&report, "it died");
		assert_false(report_end(&report));
		fclose(out);
		assert_non_null(strstr(text, format == REPORT_TAP ? "\nBail out! it died\n" :
			"\"stopped\": \"it died\""));
		free(text);
	}
}

static void test_nothing(void **state) {
	char *text = NULL;
	size_t size = 0;
	struct check_options options = { .format = REPORT_TAP };
	FILE *out = open_memstream(&text, &size);
	report_nothing(out, &options, "no protocol");
	fflush(out);
	assert_string_equal(text, "TAP version 14\n1..0 # SKIP no protocol\n");
	rewind(out);
	options.format = REPORT_JSON;
	report_nothing(out, &options, "no protocol");
	fclose(out);
	assert_balanced(text);
	assert_non_null(strstr(text, "\"results\": []"));
	assert_non_null(strstr(text, "\"stopped\": \"no protocol\""));
	free(text);
}

static char *as_json(const char *text) {
	char *json = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&json, &size);
	report_json_string(out, text);
	fclose(out);
	return json;
}

// What compositors say is cut off in the middle of a character, or in no encoding at all.
static void test_json_strings(void **state) {
	static const char *const pairs[][2] = {
		{ "plain", "\"plain\"" },
		{ "\xc3\xbc \xe2\x82\xac \xf0\x9f\x9a\x82", "\"\xc3\xbc \xe2\x82\xac \xf0\x9f\x9a\x82\"" },
		{ "cut \xe2\x82", "\"cut \\ufffd\\ufffd\"" },
		{ "\xfc latin", "\"\\ufffd latin\"" },
		{ "\xc3", "\"\\ufffd\"" },
	};
	for (size_t i = 0; i < SUITE_COUNT(pairs); i++) {
		char *json = as_json(pairs[i][0]);
		assert_string_equal(json, pairs[i][1]);
		free(json);
	}
}

// What a terminal as standard error, or a file, gets of a check that begins.
static void read_progress(int fd, int reader, char *text, size_t size) {
	struct check_options options = { .format = REPORT_TAP };
	struct report report;
	FILE *out = tmpfile();
	int kept = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	report_begin(&report, out, &options, &env, 3);
	add(&report, 0, CHECK_MET, "");
	report_progress(&report, &cases[1]);
	dup2(kept, STDERR_FILENO);
	close(kept);
	report_end(&report);
	fclose(out);
	ssize_t length = read(reader, text, size - 1);
	text[length > 0 ? length : 0] = '\0';
}

static void test_progress(void **state) {
	char text[256];
	int pair[2];
	assert_int_equal(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 0);
	read_progress(pair[1], pair[0], text, sizeof(text));
	assert_string_equal(text, "");
	close(pair[0]);
	close(pair[1]);

	int reader = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(reader >= 0 && grantpt(reader) == 0 && unlockpt(reader) == 0);
	int terminal = open(ptsname(reader), O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	read_progress(terminal, reader, text, sizeof(text));
	assert_non_null(strstr(text, "[2/3] latch/two"));
	close(terminal);
	close(reader);
}

static void test_list(void **state) {
	char *text = NULL;
	size_t size = 0;
	struct check_options options = { 0 };
	FILE *out = open_memstream(&text, &size);
	report_list(out, &options);
	options.format = REPORT_JSON;
	report_list(out, &options);
	fclose(out);
	assert_non_null(strstr(text, "\nlatch/unmaterialised\n    expects: "));
	assert_balanced(strstr(text, "[\n    {"));
	free(text);
}

static const struct CMUnitTest host[] = {
	{ "report: TAP", test_tap, NULL, NULL, NULL },
	{ "report: TAP, all met", test_tap_all_met, NULL, NULL, NULL },
	{ "report: what was not judged is not met", test_not_judged_is_not_met, NULL, NULL, NULL },
	{ "report: JSON", test_json, NULL, NULL, NULL },
	{ "report: JSON is UTF-8", test_json_strings, NULL, NULL, NULL },
	{ "report: the compositor died", test_stopped, NULL, NULL, NULL },
	{ "report: nothing to test", test_nothing, NULL, NULL, NULL },
	{ "report: progress, on a terminal only", test_progress, NULL, NULL, NULL },
	{ "report: the list", test_list, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "check/report", host, SUITE_COUNT(host), NULL, 0);
}
