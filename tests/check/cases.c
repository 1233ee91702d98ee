#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "harness/suite.h"

static void test_enough(void **state) {
	size_t count = 0;
	unsigned groups[CHECK_GROUPS] = { 0 };
	const struct check_case *cases = check_cases(&count);
	for (size_t i = 0; i < count; i++) {
		groups[check_case_group(&cases[i])]++;
	}
	assert_true(count >= 90);
	for (int group = 0; group < CHECK_GROUPS; group++) {
		assert_true(groups[group] >= 10);
	}
}

static void test_names(void **state) {
	size_t count = 0;
	const struct check_case *cases = check_cases(&count);
	for (size_t i = 0; i < count; i++) {
		const char *group = check_group_name(check_case_group(&cases[i]));
		assert_int_equal(strncmp(cases[i].name, group, strlen(group)), 0);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(cases[i].name, cases[k].name);
		}
	}
}

static void test_complete(void **state) {
	size_t count = 0;
	const struct check_case *cases = check_cases(&count);
	for (size_t i = 0; i < count; i++) {
		assert_non_null(cases[i].run);
		assert_non_null(cases[i].expects);
		assert_non_null(cases[i].sentence);
		assert_true((cases[i].kind == CHECK_QUALITY) == (cases[i].where == NULL));
	}
}

// One space for any run of white space, as XML means it.
static void append_normalised(char *text, size_t *length, int c) {
	bool is_space = c == ' ' || c == '\n' || c == '\t';
	if (!is_space) {
		text[(*length)++] = (char)c;
	} else if (*length > 0 && text[*length - 1] != ' ') {
		text[(*length)++] = ' ';
	}
}

static char *read_protocol(const char *variable, const char *path) {
	char full[512];
	snprintf(full, sizeof(full), "%s/%s", getenv(variable), path);
	FILE *file = fopen(full, "re");
	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	char *text = calloc(1, (size_t)ftell(file) + 1);
	size_t length = 0;
	rewind(file);
	for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
		append_normalised(text, &length, c);
	}
	fclose(file);
	return text;
}

struct protocol {
	const char *prefix, *variable, *path;
	char *text;
};

static struct protocol protocols[] = {
	{ "wp_linux_drm_syncobj_", "TEST_PROTOCOL_FOLDER",
		"staging/linux-drm-syncobj/linux-drm-syncobj-v1.xml", NULL },
	{ "wp_presentation", "TEST_PROTOCOL_FOLDER",
		"stable/presentation-time/presentation-time.xml", NULL },
	{ "wl_", "TEST_WAYLAND_FOLDER", "wayland.xml", NULL },
};

static const char *protocol_of(const struct check_case *test) {
	for (size_t i = 0; i < SUITE_COUNT(protocols); i++) {
		struct protocol *protocol = &protocols[i];
		if (strncmp(test->where, protocol->prefix, strlen(protocol->prefix)) == 0) {
			if (!protocol->text) {
				protocol->text = read_protocol(protocol->variable, protocol->path);
			}
			return protocol->text;
		}
	}
	fail_msg("%s: no protocol has %s", test->name, test->where);
	return NULL;
}

// The part of the XML that describes "interface" or "interface.request", to the next one.
static const char *find_element(const char *text, const char *where, size_t *length) {
	char interface[128], opening[192];
	const char *dot = strchr(where, '.');
	size_t interface_length = dot ? (size_t)(dot - where) : strlen(where);
	snprintf(interface, sizeof(interface), "%.*s", (int)interface_length, where);
	snprintf(opening, sizeof(opening), "<interface name=\"%s\"", interface);
	const char *start = strstr(text, opening);
	const char *end = start ? strstr(start, "</interface>") : NULL;
	if (start && dot) {
		snprintf(opening, sizeof(opening), "name=\"%s\"", dot + 1);
		start = strstr(start, opening);
		end = start && start < end ? strstr(start, "</description>") : NULL;
	}
	*length = start && end ? (size_t)(end - start) : 0;
	return start;
}

static void test_sentences(void **state) {
	size_t count = 0;
	const struct check_case *cases = check_cases(&count);
	for (size_t i = 0; i < count; i++) {
		if (cases[i].kind == CHECK_QUALITY) {
			continue;
		}
		size_t length = 0;
		const char *element = find_element(protocol_of(&cases[i]), cases[i].where, &length);
		const char *found = element ? strstr(element, cases[i].sentence) : NULL;
		if (!found || found > element + length) {
			fail_msg("%s: %s does not say \"%s\"", cases[i].name, cases[i].where,
				cases[i].sentence);
		}
	}
	for (size_t i = 0; i < SUITE_COUNT(protocols); i++) {
		free(protocols[i].text);
	}
}

// Is the name a word of this line, which begins with the name of a fault?
static bool is_listed(const char *line, const char *name) {
	size_t length = strlen(name);
	for (const char *at = strstr(line, name); at; at = strstr(at + 1, name)) {
		if (at > line && at[-1] == ' ' && strchr(" \n", at[length])) {
			return line[0] != '#';
		}
	}
	return false;
}

static void test_each_can_fail(void **state) {
	static char lines[128][4096];
	size_t line_count = 0, count = 0;
	FILE *file = fopen(getenv("TEST_FAULT_LIST"), "re");
	assert_non_null(file);
	while (line_count < 128 && fgets(lines[line_count], sizeof(lines[0]), file)) {
		line_count++;
	}
	fclose(file);
	const struct check_case *cases = check_cases(&count);
	for (size_t i = 0; i < count; i++) {
		bool listed = false;
		for (size_t k = 0; k < line_count; k++) {
			listed |= is_listed(lines[k], cases[i].name);
		}
		if (!listed) {
			fail_msg("%s: no fault in faults.list makes it fail", cases[i].name);
		}
	}
}

static const struct CMUnitTest host[] = {
	{ "cases: ninety and more, in four groups", test_enough, NULL, NULL, NULL },
	{ "cases: each has a name of its own", test_names, NULL, NULL, NULL },
	{ "cases: each says what it expects and why", test_complete, NULL, NULL, NULL },
	{ "cases: each has a fault that makes it fail", test_each_can_fail, NULL, NULL, NULL },
	{ "cases: each sentence stands in the protocol", test_sentences, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "check/cases", host, SUITE_COUNT(host), NULL, 0);
}
