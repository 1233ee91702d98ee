#ifndef SBX_CHECK_REPORT_H
#define SBX_CHECK_REPORT_H

#include <stdio.h>

#include "check/options.h"

/** One finished check. */
struct report_entry {
	const struct check_case *test;
	unsigned run;          /**< from 1, of --repeat */
	const struct check_result *result;
	unsigned ms;
	bool fatal;            /**< the compositor did not survive it */
};

/** Writes TAP or JSON to `out` as results come, and a summary for people at the end. */
struct report {
	FILE *out;
	const struct check_options *options;
	const struct check_env *env;
	unsigned planned, done;
	unsigned counts[CHECK_GROUPS][CHECK_UNJUDGED + 1];
	unsigned not_met[CHECK_QUALITY + 1]; /**< by kind */
	unsigned deaths;
	const char *stopped; /**< why the rest could not run, or NULL */
	char *summary; /**< lines about what was not met, and what was measured; grows */
	size_t summary_size;
	FILE *summary_out;
	bool progress; /**< stderr is a terminal */
};

void report_begin(struct report *report, FILE *out, const struct check_options *options,
	const struct check_env *env, unsigned planned);
/** A check begins: progress on the terminal. */
void report_progress(struct report *report, const struct check_case *test);
void report_add(struct report *report, const struct report_entry *entry);
/** Instead of all of these: nothing ran, since there is nothing to test. */
void report_nothing(FILE *out, const struct check_options *options, const char *why);
/** The rest could not run. `why` is a literal. */
void report_bail_out(struct report *report, const char *why);
/** Prints the summary; true if everything that ran was met. */
bool report_end(struct report *report);

/** --list. */
void report_list(FILE *out, const struct check_options *options);

/** Write text as a JSON string, quotes included; what is not UTF-8 as U+FFFD. */
void report_json_string(FILE *out, const char *text);

#endif
