#include <stdio.h>
#include <string.h>

#include "check/main.h"
#include "run/main.h"
#include "tracing/main.h"

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "check", "test the explicit sync of the compositor you are in", check_main },
	{ "run", "run a wlroots compositor with signalbox's renderer and explicit sync", run_main },
	{ "trace", "show what happened to every buffer on loan, from a recording", trace_main },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out) {
	fprintf(out, "usage: signalbox COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	}
	fprintf(out, "\n`signalbox COMMAND --help` explains each; --version prints the version.\n");
}

int main(int argc, char **argv) {
	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("signalbox %s\n", SBX_VERSION);
		return 0;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	fprintf(stderr, "signalbox: there is no command \"%s\"\n", argv[1]);
	print_help(stderr);
	return 2;
}
