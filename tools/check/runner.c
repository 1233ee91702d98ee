#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/buffer.h"
#include "check/compositor.h"
#include "check/main.h"
#include "check/probe.h"
#include "check/report.h"
#include "check/witness.h"

#define PROBE_LIMIT_S 120
#define DEFAULT_LIMIT_S 30
// No check draws or captures more than this.
#define MOST_FRAMES 600
#define MOST_CAPTURES 100
// A compositor that is only slow to recover gets so long before the next check begins.
#define RECOVERY_LIMIT_S 30
// What was too slow is tried again so often.
#define MOST_TRIES 3

/** What this process and the processes of the checks share. */
struct shared {
	struct check_env env;
	struct check_result result;
	struct check_result afterwards; // of the second client at the end
};

struct runner {
	struct check_options options;
	struct report report;
	struct shared *shared;
	struct compositor *compositor; // NULL: not ours
	char *parent_display;          // WAYLAND_DISPLAY as it was, for a nested compositor
	int watch_fd;
	int log_fd;                    // the output of that compositor
};

// By SIGINT or SIGTERM: what is known so far is summed up. A second one ends the program.
static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number) {
	interrupted = 1;
}

static void watch_for(int signal_number) {
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND };
	struct sigaction old = { 0 };
	sigaction(signal_number, NULL, &old);
	if (old.sa_handler != SIG_IGN) {
		sigaction(signal_number, &action, NULL);
	}
}

static bool wait_for_process(pid_t pid, unsigned limit_ms, int *status) {
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd process = { .fd = fd, .events = POLLIN };
	bool ended = fd >= 0 && !interrupted && poll(&process, 1, (int)limit_ms) > 0;
	close(fd);
	// What the check has started goes with it.
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	return ended;
}

static void judge_end(struct check_result *result, bool ended, int status, unsigned limit_ms) {
	if (result->finished) {
		return;
	}
	if (!ended) {
		result->verdict = CHECK_NOT_MET;
		snprintf(result->message, CHECK_LINE, "not over after %u s; last step: %.300s",
			limit_ms / 1000, result->doing);
	} else {
		result->verdict = CHECK_UNJUDGED;
		snprintf(result->message, CHECK_LINE, "the check itself ended with %s %d",
			WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	result->finished = true;
}

// Run a case in a process of its own; the result says how it went, whatever happens.
static void run_isolated(struct runner *runner, const struct check_case *test,
		struct check_result *result, unsigned limit_ms, uint64_t seed) {
	memset(result, 0, sizeof(*result));
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		check_run(test, &runner->shared->env, result, seed);
	}
	if (pid < 0) {
		result->verdict = CHECK_UNJUDGED;
		snprintf(result->message, CHECK_LINE, "fork: %s", strerror(errno));
		return;
	}
	setpgid(pid, pid);
	int status = 0;
	bool ended = wait_for_process(pid, limit_ms, &status);
	judge_end(result, ended, status, limit_ms);
}

static void serve_second_client(struct check *check) {
	if (!witness_is_served(check)) {
		check_fail(check, "a second client was not served");
	}
}

static const struct check_case second_client = {
	.name = "second client", .run = serve_second_client,
};

// Limits follow the machine, unless they were given.
static void set_limits(struct runner *runner) {
	struct check_env *env = &runner->shared->env;
	probe_set_limits(env);
	if (runner->options.patience_ms) {
		env->patience_ms = runner->options.patience_ms;
	}
}

static bool second_client_is_served(struct runner *runner, unsigned limit_ms) {
	uint64_t start = now_ns();
	run_isolated(runner, &second_client, &runner->shared->afterwards, limit_ms, 0);
	bool served = runner->shared->afterwards.verdict == CHECK_MET;
	if (served) {
		probe_follow(&runner->shared->env, (unsigned)((now_ns() - start) / 1000));
		set_limits(runner);
	}
	return served;
}

static bool has_died(struct runner *runner) {
	return compositor_has_hung_up(runner->watch_fd);
}

static void blame_death(struct runner *runner) {
	struct check_result *result = &runner->shared->result;
	const char *end = "";
	// The socket hangs up a little before the process can be waited for.
	for (int i = 0; runner->compositor && end[0] == '\0' && i < 200; i++) {
		usleep(10000);
		end = compositor_end(runner->compositor);
	}
	char words[200] = "";
	if (runner->compositor) {
		compositor_last_words(runner->log_fd, words, sizeof(words));
	}
	snprintf(result->message, CHECK_LINE, "the compositor died%s%s%s%s%s", end[0] ? " (" : "",
		end, end[0] ? ")" : "", words[0] ? ": " : "", words);
	result->verdict = CHECK_NOT_MET;
}

static bool wait_for_recovery(struct runner *runner, uint64_t start) {
	while (ms_since(start) < RECOVERY_LIMIT_S * 1000 && !has_died(runner) && !interrupted) {
		if (second_client_is_served(runner, RECOVERY_LIMIT_S * 1000)) {
			return true;
		}
	}
	return false;
}

// Each check ends so: does the compositor live, and serve a second client? False if the next
// check cannot begin.
static bool ask_afterwards(struct runner *runner, bool *fatal) {
	struct check_result *result = &runner->shared->result;
	unsigned patience_ms = runner->shared->env.patience_ms;
	uint64_t start = now_ns();
	if (!has_died(runner) && second_client_is_served(runner, 2 * patience_ms)) {
		return true;
	}
	*fatal = has_died(runner);
	if (*fatal) {
		blame_death(runner);
		return false;
	}
	bool recovered = wait_for_recovery(runner, start);
	if (result->verdict != CHECK_NOT_MET) {
		char late[64] = "";
		if (recovered) {
			snprintf(late, sizeof(late), "only %u ms ", ms_since(start));
		}
		snprintf(result->message, CHECK_LINE, "a second client was %sserved %safterwards",
			recovered ? "" : "not ", late);
		result->verdict = CHECK_NOT_MET;
	}
	return recovered;
}

static bool connect_to_compositor(struct runner *runner) {
	if (runner->options.start) {
		runner->compositor = compositor_start(runner->options.start, runner->log_fd);
		if (!runner->compositor) {
			return false;
		}
	}
	runner->watch_fd = compositor_watch();
	if (runner->watch_fd < 0) {
		fprintf(stderr, "signalbox check: no Wayland compositor to connect to "
			"(WAYLAND_DISPLAY=%s)\n", getenv("WAYLAND_DISPLAY") ?: "");
		return false;
	}
	compositor_identify(&runner->shared->env, runner->watch_fd);
	return true;
}

static void restore_display(const struct runner *runner) {
	if (runner->parent_display) {
		setenv("WAYLAND_DISPLAY", runner->parent_display, 1);
	} else {
		unsetenv("WAYLAND_DISPLAY");
	}
}

static bool start_again(struct runner *runner) {
	close(runner->watch_fd);
	compositor_stop(runner->compositor);
	runner->compositor = NULL;
	restore_display(runner);
	if (!connect_to_compositor(runner)) {
		return false;
	}
	// What one that has just begun is slow with is not the next check's.
	second_client_is_served(runner, PROBE_LIMIT_S * 1000);
	return true;
}

// The one story that may write to its environment.
static struct probe_input {
	struct check_env *env;
	const struct check_options *options;
} probe_input;

static void tell_probe(struct check *check) {
	probe(check, probe_input.env, probe_input.options);
}

static const struct check_case probe_case = { .name = "probe", .run = tell_probe };

static bool run_probe(struct runner *runner) {
	struct check_result *result = &runner->shared->result;
	probe_input = (struct probe_input){ &runner->shared->env, &runner->options };
	run_isolated(runner, &probe_case, result, PROBE_LIMIT_S * 1000, 0);
	if (result->verdict != CHECK_MET) {
		fprintf(stderr, "signalbox check: nothing can be tested here: %s\n",
			result->message);
		return false;
	}
	// What a second client gets on a machine that does nothing else is what later ones are
	// compared with.
	if (runner->shared->env.syncobj) {
		second_client_is_served(runner, PROBE_LIMIT_S * 1000);
	}
	return true;
}

// Hundreds of frames take long where one does.
static unsigned limit_of(const struct runner *runner, const struct check_case *test) {
	const struct check_env *env = &runner->shared->env;
	if (runner->options.timeout_s) {
		return runner->options.timeout_s * 1000;
	}
	unsigned limit_ms = (test->limit_s ? test->limit_s : DEFAULT_LIMIT_S) * 1000;
	unsigned frames_ms = MOST_FRAMES * (env->frame_us / 1000) +
		MOST_CAPTURES * (env->capture_us / 1000);
	return (limit_ms + frames_ms) / 100 * env->strain;
}

// Run a check and ask afterwards. False if the next one cannot begin.
static bool attempt(struct runner *runner, const struct check_case *test, unsigned run,
		bool *fatal) {
	struct shared *shared = runner->shared;
	run_isolated(runner, test, &shared->result, limit_of(runner, test),
		runner->options.seed + run - 1);
	return ask_afterwards(runner, fatal);
}

// Something else may have kept the machine busy: what was only too slow is seen again before it
// counts, and is told even if it then was not.
static bool attempt_again(struct runner *runner, const struct check_case *test, unsigned run,
		bool *fatal) {
	struct check_result *result = &runner->shared->result;
	char first[CHECK_LINE];
	snprintf(first, sizeof(first), "%s", result->message);
	bool usable = true;
	for (int tries = 1; usable && tries < MOST_TRIES && result->slow && !interrupted; tries++) {
		usable = attempt(runner, test, run, fatal);
	}
	if (result->verdict == CHECK_MET && result->note_count < CHECK_NOTES) {
		snprintf(result->notes[result->note_count++], CHECK_LINE, "not met at first: %.300s",
			first);
	}
	return usable;
}

// False if no further check can run.
static bool run_case(struct runner *runner, const struct check_case *test, unsigned run) {
	struct check_result *result = &runner->shared->result;
	report_progress(&runner->report, test);
	uint64_t start = now_ns();
	bool fatal = false;
	bool usable = attempt(runner, test, run, &fatal);
	if (usable && result->verdict == CHECK_NOT_MET && result->slow) {
		usable = attempt_again(runner, test, run, &fatal);
	}
	if (interrupted) {
		report_bail_out(&runner->report, "interrupted");
		return false;
	}
	report_add(&runner->report, &(struct report_entry){
		.test = test, .run = run, .result = result, .ms = ms_since(start), .fatal = fatal,
	});
	if (usable && !(runner->options.fresh && result->verdict == CHECK_NOT_MET)) {
		return true;
	}
	if (runner->options.start && start_again(runner)) {
		return true;
	}
	report_bail_out(&runner->report, fatal ? "the compositor died" :
		usable ? "the compositor could not be started again" :
		"the compositor does not serve new clients any more");
	return false;
}

static unsigned count_selected(const struct check_options *options) {
	size_t count = 0;
	unsigned selected = 0;
	const struct check_case *cases = check_cases(&count);
	for (size_t i = 0; i < count; i++) {
		selected += options_select(options, &cases[i]);
	}
	return selected;
}

static void run_all(struct runner *runner) {
	size_t count = 0;
	const struct check_case *cases = check_cases(&count);
	for (unsigned run = 1; run <= runner->options.repeat; run++) {
		for (size_t i = 0; i < count; i++) {
			if (options_select(&runner->options, &cases[i]) &&
					!run_case(runner, &cases[i], run)) {
				return;
			}
		}
	}
}

static int test_compositor(struct runner *runner) {
	if (!connect_to_compositor(runner) || !run_probe(runner)) {
		return CHECK_EXIT_TROUBLE;
	}
	if (!runner->shared->env.syncobj) {
		const char *line = "the compositor does not offer wp_linux_drm_syncobj_manager_v1";
		fprintf(stderr, "signalbox check: %s\n", line);
		report_nothing(stdout, &runner->options, line);
		return CHECK_EXIT_NOTHING;
	}
	buffer_preload(&runner->shared->env);
	report_begin(&runner->report, stdout, &runner->options, &runner->shared->env,
		count_selected(&runner->options) * runner->options.repeat);
	run_all(runner);
	return report_end(&runner->report) ? CHECK_EXIT_MET : CHECK_EXIT_NOT_MET;
}

static bool prepare(struct runner *runner) {
	signal(SIGPIPE, SIG_IGN);
	watch_for(SIGINT);
	watch_for(SIGTERM);
	const char *display = getenv("WAYLAND_DISPLAY");
	runner->parent_display = display ? strdup(display) : NULL;
	runner->watch_fd = -1;
	runner->log_fd = runner->options.log ?
		open(runner->options.log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600) :
		memfd_create("log of the compositor", MFD_CLOEXEC);
	if (runner->log_fd < 0) {
		fprintf(stderr, "signalbox check: %s: %s\n", runner->options.log, strerror(errno));
		return false;
	}
	runner->shared = mmap(NULL, sizeof(*runner->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (runner->shared == MAP_FAILED) {
		fprintf(stderr, "signalbox check: no shared memory: %s\n", strerror(errno));
		return false;
	}
	runner->shared->env.strain = 100;
	return true;
}

int check_main(int argc, char **argv) {
	struct runner runner = { 0 };
	if (!options_parse(&runner.options, argc, argv)) {
		fprintf(stderr, "`signalbox check --help` lists the options.\n");
		return CHECK_EXIT_USAGE;
	}
	if (runner.options.help) {
		options_print_help();
		return CHECK_EXIT_MET;
	}
	if (runner.options.list) {
		report_list(stdout, &runner.options);
		return CHECK_EXIT_MET;
	}
	if (count_selected(&runner.options) == 0) {
		fprintf(stderr, "signalbox check: no check has such a name; --list names them all\n");
		return CHECK_EXIT_USAGE;
	}
	if (!prepare(&runner)) {
		return CHECK_EXIT_TROUBLE;
	}
	int status = test_compositor(&runner);
	compositor_stop(runner.compositor);
	free(runner.parent_display);
	return status;
}
