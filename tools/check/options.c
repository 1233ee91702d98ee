#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/options.h"

void options_print_help(void) {
	printf("usage: signalbox check [OPTIONS]\n"
		"\n"
		"Tests the explicit sync (linux-drm-syncobj-v1) of the Wayland compositor it is run\n"
		"in, from outside, as an ordinary client. Prints TAP.\n"
		"\n"
		"  --list            print the checks and where each comes from; run nothing\n"
		"  --only PATTERN    run these only: a group, a name or a shell pattern such as\n"
		"                    'release/after-*'; several with commas or by repeating it\n"
		"  --json            print one JSON object instead of TAP\n"
		"  --verbose         say of each check what it expects and why, met or not\n"
		"  --repeat N        run everything N times\n"
		"  --seed S          the seed of what is random (printed in any case)\n"
		"  --timeout SECONDS hard limit of one check (default: from 30 s up, as frames take)\n"
		"  --patience MS     how long something that must happen may take (default: from 5 s up,\n"
		"                    as the compositor's measured round trip asks for)\n"
		"  --start COMMAND   run this compositor, test it, and start it again when it dies\n"
		"  --fresh           start it again after each check that it has not met, too\n"
		"  --log FILE        where the output of that compositor goes\n"
		"  --buffers KIND    gbm, dumb or udmabuf (default: the first one that works)\n"
		"  --capture KIND    ext (image-copy-capture), wlr (screencopy) or none: judge by events\n"
		"                    (default: the first one that works)\n"
		"  --device NODE     the DRM node for timelines and buffers\n"
		"  --help            this\n"
		"\n"
		"Exit status: 0 all met, 1 some not met, 2 usage, 3 nothing could be tested,\n"
		"77 the compositor does not offer the protocol.\n");
}

static bool complain(const char *option, const char *value) {
	fprintf(stderr, "signalbox check: --%s: \"%s\" makes no sense here\n", option, value);
	return false;
}

static bool parse_number(const char *option, const char *text, uint64_t least, uint64_t most,
		uint64_t *number) {
	char *end = NULL;
	errno = 0;
	*number = strtoull(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || *number < least ||
			*number > most) {
		return complain(option, text);
	}
	return true;
}

static bool parse_unsigned(const char *option, const char *text, unsigned most,
		unsigned *value) {
	uint64_t number = 0;
	bool good = parse_number(option, text, 1, most, &number);
	*value = (unsigned)number;
	return good;
}

static bool parse_patterns(struct check_options *options, char *text) {
	for (char *save = NULL, *word = strtok_r(text, ",", &save); word;
			word = strtok_r(NULL, ",", &save)) {
		if (options->only_count == MAX_PATTERNS) {
			return complain("only", "more than 64 patterns");
		}
		options->only[options->only_count++] = word;
	}
	return true;
}

static bool parse_buffers(struct check_options *options, const char *text) {
	for (int kind = BUFFER_GBM; kind <= BUFFER_UDMABUF; kind++) {
		if (strcmp(text, check_buffer_kind_name(kind)) == 0) {
			options->buffers = kind;
			return true;
		}
	}
	return complain("buffers", text);
}

static bool parse_capture(struct check_options *options, const char *text) {
	static const char *const names[] = { "none", "ext", "wlr" };
	for (int kind = CAPTURE_NONE; kind <= CAPTURE_WLR; kind++) {
		if (strcmp(text, names[kind]) == 0) {
			options->capture = kind;
			return true;
		}
	}
	return complain("capture", text);
}

enum { LIST = 1, ONLY, JSON, VERBOSE, REPEAT, SEED, TIMEOUT, PATIENCE, START, FRESH,
	LOG, BUFFERS, CAPTURE, DEVICE, HELP };

static const struct option long_options[] = {
	{ "list", no_argument, NULL, LIST },
	{ "only", required_argument, NULL, ONLY },
	{ "json", no_argument, NULL, JSON },
	{ "verbose", no_argument, NULL, VERBOSE },
	{ "repeat", required_argument, NULL, REPEAT },
	{ "seed", required_argument, NULL, SEED },
	{ "timeout", required_argument, NULL, TIMEOUT },
	{ "patience", required_argument, NULL, PATIENCE },
	{ "start", required_argument, NULL, START },
	{ "fresh", no_argument, NULL, FRESH },
	{ "log", required_argument, NULL, LOG },
	{ "buffers", required_argument, NULL, BUFFERS },
	{ "capture", required_argument, NULL, CAPTURE },
	{ "device", required_argument, NULL, DEVICE },
	{ "help", no_argument, NULL, HELP },
	{ 0 },
};

static bool apply(struct check_options *options, int option, char *value) {
	switch (option) {
	case LIST:
		options->list = true;
		return true;
	case ONLY:
		return parse_patterns(options, value);
	case JSON:
		options->format = REPORT_JSON;
		return true;
	case VERBOSE:
		options->verbose = true;
		return true;
	case REPEAT:
		return parse_unsigned("repeat", value, 100000, &options->repeat);
	case SEED:
		return parse_number("seed", value, 0, UINT64_MAX, &options->seed);
	case TIMEOUT:
		return parse_unsigned("timeout", value, 3600, &options->timeout_s);
	case PATIENCE:
		return parse_unsigned("patience", value, 600000, &options->patience_ms);
	case START:
		options->start = value;
		return true;
	case FRESH:
		options->fresh = true;
		return true;
	case LOG:
		options->log = value;
		return true;
	case BUFFERS:
		return parse_buffers(options, value);
	case CAPTURE:
		return parse_capture(options, value);
	case DEVICE:
		options->device = value;
		return true;
	case HELP:
		options->help = true;
		return true;
	}
	return false;
}

bool options_parse(struct check_options *options, int argc, char **argv) {
	*options = (struct check_options){
		.repeat = 1, .seed = now_ns() % 1000000, .capture = -1,
	};
	optind = 1;
	for (int option = getopt_long(argc, argv, "h", long_options, NULL); option != -1;
			option = getopt_long(argc, argv, "h", long_options, NULL)) {
		if (option == '?' || !apply(options, option == 'h' ? HELP : option, optarg)) {
			return false;
		}
	}
	if (options->fresh && !options->start) {
		return complain("fresh", "without --start");
	}
	return optind == argc || complain("only", argv[optind]);
}

bool options_select(const struct check_options *options, const struct check_case *test) {
	const char *group = check_group_name(check_case_group(test));
	for (unsigned i = 0; i < options->only_count; i++) {
		if (strcmp(options->only[i], group) == 0 ||
				fnmatch(options->only[i], test->name, 0) == 0) {
			return true;
		}
	}
	return options->only_count == 0;
}
