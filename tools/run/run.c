#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/main.h"
#include "run/program.h"

#define PRELOAD "libsignalbox-preload.so"

struct options {
	const char *device, *policy;
	bool check, help;
};

static void print_help(FILE *out) {
	fprintf(out, "usage: signalbox run [OPTIONS] [--] COMPOSITOR [ARGUMENTS]\n"
		"\n"
		"Runs an unmodified compositor that is built on wlroots 0.20 with signalbox's renderer\n"
		"and signalbox's explicit sync. What cannot be joined is said in one line, and runs\n"
		"without them.\n"
		"\n"
		"  --device DEVICE   the Vulkan device: part of its name, \"software\", an index or a node\n"
		"  --policy POLICY   when a commit is shown: signalled (default), materialised,\n"
		"                    deadline\n"
		"  --check           say what would be joined, and run nothing\n"
		"  --help            this text\n"
		"\n"
		"Exit status: the compositor's; 2 usage, 126 it cannot be run, 127 it is not there.\n"
		"With --check: 0 it would be joined, 1 it would not.\n");
}

static bool is_policy(const char *name) {
	static const char *const policies[] = { "signalled", "materialised", "deadline" };
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		if (strcmp(name, policies[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* The rest of argv, from optind on, is the command. */
static bool parse(int argc, char **argv, struct options *options) {
	static const struct option known[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "policy", required_argument, NULL, 'p' },
		{ "check", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "+h", known, NULL)) != -1; ) {
		switch (option) {
		case 'd':
			options->device = optarg;
			break;
		case 'p':
			options->policy = optarg;
			break;
		case 'c':
			options->check = true;
			break;
		case 'h':
			options->help = true;
			return true;
		default:
			return false;
		}
	}
	if (options->policy != NULL && !is_policy(options->policy)) {
		fprintf(stderr, "signalbox run: there is no policy \"%s\"\n", options->policy);
		return false;
	}
	if (optind >= argc) {
		fprintf(stderr, "signalbox run: which compositor?\n");
		return false;
	}
	return true;
}

/* Beside this program, where it was built; or in the folder of libraries, where it was installed. */
static bool find_preload(char *path, size_t size) {
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length <= 0) {
		return false;
	}
	self[length] = '\0';
	*strrchr(self, '/') = '\0';
	static const char *const folders[] = { ".", SBX_LIBDIR_FROM_BINDIR };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		int needed = snprintf(path, size, "%s/%s/" PRELOAD, self, folders[i]);
		if (needed > 0 && (size_t)needed < size && access(path, R_OK) == 0) {
			return true;
		}
	}
	return false;
}

/* In front of what is preloaded already. The loader splits at colons and spaces. */
static const char *prepare(const struct options *options) {
	static char preload[PATH_MAX], list[3 * PATH_MAX];
	const char *others = getenv("LD_PRELOAD");
	if (!find_preload(preload, sizeof(preload))) {
		return "cannot be joined: " PRELOAD " is not installed";
	}
	if (strpbrk(preload, ": ") != NULL) {
		return "cannot be joined: the path of " PRELOAD " has a space or a colon in it";
	}
	bool more = others != NULL && others[0] != '\0';
	int needed = snprintf(list, sizeof(list), "%s%s%s", preload, more ? ":" : "", more ? others : "");
	if (needed < 0 || (size_t)needed >= sizeof(list)) {
		return "cannot be joined: LD_PRELOAD is too long";
	}
	setenv("LD_PRELOAD", list, true);
	setenv("SIGNALBOX_RUN", options->check ? "check" : "join", true);
	if (options->device != NULL) {
		setenv("SIGNALBOX_RUN_DEVICE", options->device, true);
	}
	if (options->policy != NULL) {
		setenv("SIGNALBOX_RUN_POLICY", options->policy, true);
	}
	return NULL;
}

int run_main(int argc, char **argv) {
	struct options options = {0};
	if (!parse(argc, argv, &options)) {
		print_help(stderr);
		return RUN_EXIT_USAGE;
	}
	if (options.help) {
		print_help(stdout);
		return 0;
	}
	char path[PATH_MAX];
	char **command = argv + optind;
	if (!program_find(command[0], path, sizeof(path))) {
		int error = errno;
		fprintf(stderr, "signalbox run: %s: %s\n", command[0], strerror(error));
		return error == ENOENT ? RUN_EXIT_NOT_FOUND : RUN_EXIT_TROUBLE;
	}
	const char *obstacle = program_obstacle(path);
	if (obstacle == NULL) {
		obstacle = prepare(&options);
	}
	if (obstacle != NULL) {
		fprintf(options.check ? stdout : stderr, "signalbox: not joined: %s %s\n", path, obstacle);
		if (options.check) {
			return RUN_EXIT_NOT_JOINED;
		}
	}
	fflush(stdout);
	execv(path, command);
	fprintf(stderr, "signalbox run: %s: %s\n", path, strerror(errno));
	return RUN_EXIT_TROUBLE;
}
