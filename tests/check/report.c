#include <stdlib.h>
#include <string.h>

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
	free(text);
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
	{ "report: the list", test_list, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "check/report", host, SUITE_COUNT(host), NULL, 0);
}
