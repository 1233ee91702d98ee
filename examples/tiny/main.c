/*
 * Options, signals, the started command. See usage() for how to use it and tiny.h for a map.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wlr/util/log.h>
#include "tiny.h"

struct command {
	const char *line;
	bool end_with_it; /* --run: tiny ends when the command does, and with its exit status */
	pid_t pid;
	int status;
};

struct program {
	struct tiny tiny;
	struct command command;
	const char *stats_path;
	int exit_after_ms;
	enum wlr_log_importance verbosity;
	struct wl_event_source *sources[4];
};

static void usage(FILE *file) {
	fputs("Usage: tiny [OPTIONS]\n"
		"A small Wayland compositor. It runs on the machine's monitors, as a window of another\n"
		"Wayland compositor, or without a monitor (--headless).\n"
		"\n"
		"  -s, --start COMMAND   start a command (sh -c) in it\n"
		"  -r, --run COMMAND     the same, and end when it ends, with its exit status\n"
		"      --renderer NAME   signalbox (default) or wlroots (what WLR_RENDERER says)\n"
		"      --device DEVICE   which Vulkan device draws (also: SIGNALBOX_DEVICE)\n"
		"      --validation      switch the Vulkan validation layers on\n"
		"      --headless LIST   virtual outputs, \"WxH[@HZ],...\", HZ exact (144 or 60000/1001)\n"
		"      --mirror          all outputs show the same\n"
		"      --schedule WHEN   render: off (at the frame event), auto (as late as is safe), or so\n"
		"                        many microseconds before the vblank\n"
		"      --no-scanout      compose every frame\n"
		"      --adaptive-sync       monitors that can follow the frames' rhythm do\n"
		"      --tearing             show frames at once, not at the vblank, where that can be done\n"
		"      --icc FILE        the monitors have this ICC profile\n"
		"      --policy NAME     when commits are latched: signalled (default), materialised,\n"
		"                        deadline\n"
		"      --size WxH[@HZ]   size of outputs without fixed modes; with HZ, of all outputs\n"
		"      --exit-after MS   end after so many milliseconds\n"
		"      --stats FILE      write what the frames cost to FILE at the end\n"
		"      --presented FILE  write a line to FILE for each frame that a monitor shows: output,\n"
		"                        vblanks counted, time in seconds (CLOCK_MONOTONIC)\n"
		"  -d, --debug           log more\n"
		"  -h, --help            this text\n"
		"\n"
		"Hold Alt: drag with the left button moves a window, with the right button resizes it;\n"
		"Tab next window, Q close it, F fullscreen, Return starts $TERMINAL (foot), Escape ends\n"
		"tiny, - and = give the monitor its next smaller or larger mode. Ctrl+Alt+F1..F12 switch the virtual terminal.\n", file);
}

static bool parse_size(const char *text, struct tiny_options *options) {
	char at = '@', rest;
	double hz = 0;
	int count = sscanf(text, "%dx%d%c%lf%c", &options->width, &options->height, &at, &hz, &rest);
	options->refresh_mhz = (int)(hz * 1000 + 0.5);
	return options->width > 0 && options->height > 0 &&
		(count == 2 || (count == 4 && at == '@' && hz >= 1 && hz <= 1000));
}

static bool parse_policy(const char *name, struct tiny_options *options) {
	static const char *const names[SBX_LATCH_POLICIES] = {
		[SBX_LATCH_SIGNALLED] = "signalled",
		[SBX_LATCH_MATERIALISED] = "materialised",
		[SBX_LATCH_DEADLINE] = "deadline",
	};
	unsigned policy = 0;
	while (policy < SBX_LATCH_POLICIES && strcmp(name, names[policy]) != 0) {
		policy++;
	}
	options->policy = policy;
	return policy < SBX_LATCH_POLICIES;
}

static bool parse_renderer(const char *name, struct tiny_options *options) {
	options->wlroots_renderer = strcmp(name, "wlroots") == 0;
	return options->wlroots_renderer || strcmp(name, "signalbox") == 0;
}

static bool parse_schedule(const char *text, struct sbx_output_options *output) {
	if (strcmp(text, "off") == 0 || strcmp(text, "auto") == 0) {
		output->schedule = text[0] == 'o' ? SBX_SCHEDULE_OFF : SBX_SCHEDULE_AUTO;
		return true;
	}
	output->schedule = SBX_SCHEDULE_FIXED;
	output->fixed_us = (uint32_t)strtoul(text, NULL, 10);
	return output->fixed_us > 0;
}

static bool parse_option(struct program *program, int option, const char *value) {
	switch (option) {
	case 'r':
		program->command.end_with_it = true;
		/* fallthrough */
	case 's':
		program->command.line = value;
		return true;
	case 'R':
		return parse_renderer(value, &program->tiny.options);
	case 'D':
		program->tiny.options.device = value;
		return true;
	case 'V':
		program->tiny.options.validation = true;
		return true;
	case 'H':
		program->tiny.options.headless = value;
		return true;
	case 'W':
		return parse_schedule(value, &program->tiny.options.output);
	case 'M':
		program->tiny.options.mirror = true;
		return true;
	case 'N':
		program->tiny.options.output.no_scanout = true;
		return true;
	case 'A':
		program->tiny.options.adaptive_sync = true;
		return true;
	case 'F':
		program->tiny.options.tearing = true;
		return true;
	case 'I':
		program->tiny.options.icc_path = value;
		return true;
	case 'S':
		return parse_size(value, &program->tiny.options);
	case 'P':
		return parse_policy(value, &program->tiny.options);
	case 'O':
		program->tiny.options.presented_path = value;
		return true;
	case 'E':
		program->exit_after_ms = atoi(value);
		return program->exit_after_ms > 0;
	case 'T':
		program->stats_path = value;
		return true;
	case 'd':
		program->verbosity = WLR_DEBUG;
		return true;
	default:
		return false;
	}
}

static bool parse_options(struct program *program, int argc, char *argv[]) {
	static const struct option options[] = {
		{ "start", required_argument, NULL, 's' },
		{ "run", required_argument, NULL, 'r' },
		{ "renderer", required_argument, NULL, 'R' },
		{ "device", required_argument, NULL, 'D' },
		{ "validation", no_argument, NULL, 'V' },
		{ "headless", required_argument, NULL, 'H' },
		{ "schedule", required_argument, NULL, 'W' },
		{ "mirror", no_argument, NULL, 'M' },
		{ "no-scanout", no_argument, NULL, 'N' },
		{ "adaptive-sync", no_argument, NULL, 'A' },
		{ "tearing", no_argument, NULL, 'F' },
		{ "icc", required_argument, NULL, 'I' },
		{ "size", required_argument, NULL, 'S' },
		{ "policy", required_argument, NULL, 'P' },
		{ "presented", required_argument, NULL, 'O' },
		{ "exit-after", required_argument, NULL, 'E' },
		{ "stats", required_argument, NULL, 'T' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;
	while ((option = getopt_long(argc, argv, "s:r:dh", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			exit(0);
		}
		if (!parse_option(program, option, optarg)) {
			if (option != '?') {
				fprintf(stderr, "tiny: cannot use \"%s\"\n", optarg);
			}
			return false;
		}
	}
	return optind == argc;
}

static int handle_end_signal(int number, void *data) {
	struct program *program = data;
	wl_display_terminate(program->tiny.display);
	return 0;
}

static int handle_timeout(void *data) {
	return handle_end_signal(0, data);
}

/* Our own child alone is waited for: a library in this process may have children too. */
static int handle_child_signal(int number, void *data) {
	struct program *program = data;
	struct command *command = &program->command;
	if (command->pid <= 0 || waitpid(command->pid, &command->status, WNOHANG) != command->pid) {
		return 0;
	}
	command->pid = 0;
	if (command->end_with_it) {
		wl_display_terminate(program->tiny.display);
	}
	return 0;
}

/*
 * The event loop takes these from a file descriptor and blocks them in this thread. Drivers start
 * threads of their own, which must have them blocked from the first, or the kernel gives a signal
 * to one of those and it ends us.
 */
static void block_signals(void) {
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

static bool watch_signals(struct program *program) {
	struct wl_event_loop *loop = program->tiny.loop;
	struct wl_event_source **sources = program->sources;
	sources[0] = wl_event_loop_add_signal(loop, SIGTERM, handle_end_signal, program);
	sources[1] = wl_event_loop_add_signal(loop, SIGINT, handle_end_signal, program);
	sources[2] = wl_event_loop_add_signal(loop, SIGCHLD, handle_child_signal, program);
	if (program->exit_after_ms > 0) {
		sources[3] = wl_event_loop_add_timer(loop, handle_timeout, program);
		if (sources[3] != NULL) {
			wl_event_source_timer_update(sources[3], program->exit_after_ms);
		}
	}
	return sources[0] != NULL && sources[1] != NULL && sources[2] != NULL;
}

static bool start_command(struct command *command) {
	command->pid = fork();
	if (command->pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execl("/bin/sh", "sh", "-c", command->line, (char *)NULL);
		_exit(127);
	}
	if (command->pid < 0) {
		wlr_log(WLR_ERROR, "cannot start \"%s\": %s", command->line, strerror(errno));
		return false;
	}
	return true;
}

static bool open_presented(struct tiny *tiny) {
	const char *path = tiny->options.presented_path;
	tiny->presented = path != NULL ? fopen(path, "we") : NULL;
	if (path != NULL && tiny->presented == NULL) {
		wlr_log(WLR_ERROR, "cannot write %s: %s", path, strerror(errno));
	}
	if (tiny->presented != NULL) {
		setvbuf(tiny->presented, NULL, _IOLBF, 0); /* for whoever reads along */
	}
	return path == NULL || tiny->presented != NULL;
}

static int run(struct program *program) {
	struct tiny *tiny = &program->tiny;
	struct command *command = &program->command;
	if (!open_presented(tiny) || !tiny_init(tiny) || !watch_signals(program)) {
		return 1;
	}
	setenv("WAYLAND_DISPLAY", tiny->socket, true);
	if (command->line != NULL && !start_command(command)) {
		return 1;
	}
	wlr_log(WLR_INFO, "tiny is ready, WAYLAND_DISPLAY=%s", tiny->socket);
	wl_display_run(tiny->display);

	if (program->stats_path != NULL && !tiny_stats_write(tiny, program->stats_path)) {
		return 1;
	}
	if (!command->end_with_it || command->pid != 0) {
		return 0;
	}
	return WIFEXITED(command->status) ? WEXITSTATUS(command->status) :
		128 + WTERMSIG(command->status);
}

int main(int argc, char *argv[]) {
	static struct program program = { .verbosity = WLR_INFO };
	if (!parse_options(&program, argc, argv)) {
		usage(stderr);
		return 2;
	}
	wlr_log_init(program.verbosity, NULL);
	block_signals();
	int status = run(&program);
	for (size_t i = 0; i < sizeof(program.sources) / sizeof(program.sources[0]); i++) {
		if (program.sources[i] != NULL) {
			wl_event_source_remove(program.sources[i]);
		}
	}
	tiny_finish(&program.tiny);
	if (program.tiny.presented != NULL && fclose(program.tiny.presented) != 0) {
		status = 1;
	}
	return status;
}
