#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/options.h"
#include "harness/suite.h"

#define PARSE(options, ...) parse(options, (char *[]){ "check", __VA_ARGS__, NULL })

static bool parse(struct check_options *options, char **argv) {
	int argc = 0;
	while (argv[argc]) {
		argc++;
	}
	return options_parse(options, argc, argv);
}

static void test_defaults(void **state) {
	struct check_options options;
	assert_true(parse(&options, (char *[]){ "check", NULL }));
	assert_int_equal(options.format, REPORT_TAP);
	assert_int_equal(options.repeat, 1);
	assert_int_equal(options.timeout_s, 0);
	assert_int_equal(options.patience_ms, 0);
	assert_int_equal(options.capture, -1);
	assert_null(options.start);
}

static void test_all(void **state) {
	struct check_options options;
	assert_true(PARSE(&options, "--json", "--repeat", "20", "--seed=0x10", "--timeout", "5",
		"--patience", "800", "--start", "labwc", "--buffers", "udmabuf", "--capture", "wlr", "--device", "/dev/dri/card0"));
	assert_int_equal(options.format, REPORT_JSON);
	assert_int_equal(options.repeat, 20);
	assert_int_equal(options.seed, 16);
	assert_int_equal(options.timeout_s, 5);
	assert_int_equal(options.patience_ms, 800);
	assert_string_equal(options.start, "labwc");
	assert_false(options.fresh);
	assert_int_equal(options.buffers, BUFFER_UDMABUF);
	assert_int_equal(options.capture, CAPTURE_WLR);
	assert_string_equal(options.device, "/dev/dri/card0");
}

static void test_nonsense(void **state) {
	struct check_options options;
	assert_false(PARSE(&options, "--repeat", "0"));
	assert_false(PARSE(&options, "--repeat", "many"));
	assert_false(PARSE(&options, "--seed", "-1"));
	assert_false(PARSE(&options, "--timeout", "5s"));
	assert_false(PARSE(&options, "--patience", "0"));
	assert_false(PARSE(&options, "--timeout", "999999999999999999999"));
	assert_false(PARSE(&options, "--buffers", "paper"));
	assert_false(PARSE(&options, "--capture", "camera"));
	assert_false(PARSE(&options, "--fresh"));
	assert_false(PARSE(&options, "release"));
	assert_false(PARSE(&options, "--no-such-option"));
}

static unsigned selected(const struct check_options *options) {
	size_t count = 0;
	unsigned sum = 0;
	const struct check_case *cases = check_cases(&count);
	for (size_t i = 0; i < count; i++) {
		sum += options_select(options, &cases[i]);
	}
	return sum;
}

static void test_only(void **state) {
	struct check_options options;
	size_t count = 0;
	check_cases(&count);
	assert_true(parse(&options, (char *[]){ "check", NULL }));
	assert_int_equal(selected(&options), count);

	char name[] = "release/after-nothing", group[] = "latch";
	assert_true(PARSE(&options, "--only", name));
	assert_int_equal(selected(&options), 1);
	assert_true(PARSE(&options, "--only", group));
	unsigned latch = selected(&options);
	assert_true(latch >= 10 && latch < count);

	char both[] = "latch,release/after-nothing", pattern[] = "*/after-nothing";
	assert_true(PARSE(&options, "--only", both));
	assert_int_equal(selected(&options), latch + 1);
	assert_true(PARSE(&options, "--only", pattern));
	assert_int_equal(selected(&options), 1);

	char none[] = "no-such-check";
	assert_true(PARSE(&options, "--only", none));
	assert_int_equal(selected(&options), 0);
}

static void read_all(FILE *file, char *text, size_t size) {
	assert_non_null(file);
	rewind(file);
	size_t length = fread(text, 1, size - 1, file);
	assert_true(length > 0 && length < size - 1);
	text[length] = '\0';
	fclose(file);
}

static void read_help(char *text, size_t size) {
	FILE *file = tmpfile();
	int out = dup(STDOUT_FILENO);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	options_print_help();
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	read_all(file, text, size);
}

// Each option that `from` names after `before` is named after `other` in `in`, and taken.
static unsigned count_named_too(const char *from, const char *before, const char *in,
		const char *other) {
	unsigned count = 0;
	for (const char *at = strstr(from, before); at; at = strstr(at + 1, before)) {
		char name[32], there[64], option[34], value[] = "1";
		const char *start = at + strlen(before);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(start, " \n"), start);
		snprintf(there, sizeof(there), "%s%s", other, name);
		if (!strstr(in, there)) {
			fail_msg("--%s is missing in \"%.20s...\"", name, in);
		}
		snprintf(option, sizeof(option), "--%s", name);
		if (strcmp(name, "buffers") != 0 && strcmp(name, "capture") != 0) {
			struct check_options options;
			bool alone = PARSE(&options, "--start=x", option);
			assert_true(alone || PARSE(&options, option, value));
		}
		count++;
	}
	return count;
}

static void test_manual(void **state) {
	static char help[8192], page[32768];
	read_help(help, sizeof(help));
	read_all(fopen(getenv("TEST_MAN_PAGE"), "re"), page, sizeof(page));
	unsigned in_help = count_named_too(help, "\n  --", page, "\n.It Fl -");
	assert_int_equal(in_help, count_named_too(page, "\n.It Fl -", help, "\n  --"));
	assert_true(in_help >= 14);
}

static const struct CMUnitTest host[] = {
	{ "options: nothing given", test_defaults, NULL, NULL, NULL },
	{ "options: everything given", test_all, NULL, NULL, NULL },
	{ "options: nonsense is refused", test_nonsense, NULL, NULL, NULL },
	{ "options: --only selects", test_only, NULL, NULL, NULL },
	{ "options: help and man page name the same", test_manual, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "check/options", host, SUITE_COUNT(host), NULL, 0);
}
