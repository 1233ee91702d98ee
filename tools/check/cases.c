#include <string.h>

#include "check/cases.h"

#define MAX_CASES 256

static const char *const group_names[CHECK_GROUPS] = {
	[CHECK_CONFORMANCE] = "conformance",
	[CHECK_LATCH] = "latch",
	[CHECK_RELEASE] = "release",
	[CHECK_ABUSE] = "abuse",
};

static struct check_case all[MAX_CASES];
static size_t all_count;

static void append(const struct check_case *cases, size_t count) {
	for (size_t i = 0; i < count && all_count < MAX_CASES; i++) {
		all[all_count++] = cases[i];
	}
}

const struct check_case *check_cases(size_t *count) {
	if (all_count == 0) {
		append(error_cases, error_case_count);
		append(conformance_cases, conformance_case_count);
		append(latch_cases, latch_case_count);
		append(release_cases, release_case_count);
		append(abuse_cases, abuse_case_count);
		append(load_cases, load_case_count);
		append(random_cases, random_case_count);
	}
	*count = all_count;
	return all;
}

enum check_group check_case_group(const struct check_case *test) {
	for (int group = 0; group < CHECK_GROUPS; group++) {
		size_t length = strlen(group_names[group]);
		if (strncmp(test->name, group_names[group], length) == 0 &&
				test->name[length] == '/') {
			return group;
		}
	}
	return CHECK_CONFORMANCE;
}

const char *check_group_name(enum check_group group) {
	return group_names[group];
}

const char *check_kind_name(enum check_kind kind) {
	static const char *const names[] = { "text", "core", "quality" };
	return names[kind];
}
