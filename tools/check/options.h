#ifndef SBX_CHECK_OPTIONS_H
#define SBX_CHECK_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "check/check.h"

enum report_format { REPORT_TAP, REPORT_JSON };

#define MAX_PATTERNS 64

struct check_options {
	enum report_format format;
	bool list;               /**< --list: print the table and end */
	bool help;
	bool verbose;            /**< say what each check expects, met or not */
	const char *only[MAX_PATTERNS]; /**< shell patterns, or groups; none: all */
	unsigned only_count;
	unsigned repeat;
	uint64_t seed;
	unsigned timeout_s;      /**< hard limit of one check; 0: the check's own, as frames take */
	unsigned patience_ms;    /**< how long what must happen may take; 0: as measured */
	const char *start;       /**< a compositor to run and to restart, or NULL */
	bool fresh;              /**< restart it after each check that was not met, too */
	const char *log;         /**< where the output of that goes, or NULL */
	enum buffer_kind buffers; /**< BUFFER_NONE: what the probe finds */
	int capture;             /**< enum capture_kind; -1: what the probe finds */
	const char *device;      /**< a DRM node for timelines and buffers, or NULL */
};

/** False, with a line on stderr, when the command line makes no sense. */
bool options_parse(struct check_options *options, int argc, char **argv);
void options_print_help(void);
/** Is this check asked for? */
bool options_select(const struct check_options *options, const struct check_case *test);

#endif
