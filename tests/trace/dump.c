#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness/recording.h"
#include "trace/log.h"

static char folder[] = "/tmp/sbx-dump-XXXXXX";
static char path[64];

static int setup(void **state) {
	snprintf(path, sizeof(path), "%s/trace.json", folder);
	unlink(path);
	return 0;
}

static bool is_written(void) {
	FILE *file = fopen(path, "r");
	char end[8] = "";
	if (file == NULL) {
		return false;
	}
	fseek(file, -3, SEEK_END);
	size_t n = fread(end, 1, 3, file);
	fclose(file);
	return n == 3 && strcmp(end, "}}\n") == 0;
}

/* In a process of its own, since what it does is once in a process. Returns its pid. */
static pid_t start(void (*live)(void), const char *file, const char *signal_name, int log_fd) {
	pid_t pid = fork();
	if (pid != 0) {
		return pid;
	}
	if (file != NULL) {
		setenv("SIGNALBOX_TRACE", file, 1);
	}
	if (signal_name != NULL) {
		setenv("SIGNALBOX_TRACE_SIGNAL", signal_name, 1);
	}
	if (log_fd >= 0) {
		dup2(log_fd, 2);
	}
	sbx_recorder_init();
	sbx_recorder_init();
	sbx_trace_pass(SBX_EVENT_PASS_BEGAN, 1, 2);
	live();
	exit(sbx_trace_is_running() ? 0 : 3);
}

static int end(pid_t pid) {
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void just_exit(void) {
}

static void test_exit(void **state) {
	assert_int_equal(end(start(just_exit, path, NULL, -1)), 0);
	assert_true(is_written());
}

/* Without the variable nothing is recorded, and nothing is written. */
static void test_not_asked(void **state) {
	assert_int_equal(end(start(just_exit, NULL, NULL, -1)), 3);
	assert_int_equal(end(start(just_exit, "", NULL, -1)), 3);
	assert_false(is_written());
}

static void test_pid(void **state) {
	char pattern[64], made[64];
	snprintf(pattern, sizeof(pattern), "%s/a-%%p-b", folder);
	pid_t pid = start(just_exit, pattern, NULL, -1);
	assert_int_equal(end(pid), 0);
	snprintf(made, sizeof(made), "%s/a-%d-b", folder, (int)pid);
	assert_int_equal(unlink(made), 0);
}

static void fork_and_exit(void) {
	pid_t pid = fork();
	if (pid == 0) {
		exit(0); // with all that was to be done at exit
	}
	assert_int_equal(end(pid), 0);
	_exit(is_written() ? 4 : 0);
}

static void test_child(void **state) {
	assert_int_equal(end(start(fork_and_exit, path, NULL, -1)), 0);
}

/* Whose event loop hangs: nobody dispatches anything here. */
static void hang(void) {
	kill(getppid(), SIGUSR2); // ready
	for (;;) {
		pause();
	}
}

static void test_signal(void **state) {
	static const char *const names[] = { "USR1", "SIGUSR1" };
	sigset_t ready;
	sigemptyset(&ready);
	sigaddset(&ready, SIGUSR2);
	sigprocmask(SIG_BLOCK, &ready, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int number = 0;
		pid_t pid = start(hang, path, names[i], -1);
		assert_int_equal(sigwait(&ready, &number), 0);
		assert_false(is_written());
		for (int again = 0; again < 2; again++) {
			kill(pid, SIGUSR1);
			for (int tries = 0; tries < 5000 && !is_written(); tries++) {
				poll(NULL, 0, 2);
			}
			assert_true(is_written());
			unlink(path);
		}
		kill(pid, SIGKILL);
		assert_int_equal(end(pid), 128 + SIGKILL);
		assert_false(is_written());
	}
	sigprocmask(SIG_UNBLOCK, &ready, NULL);
}

static void expect_said(const char *file, const char *signal_name, const char *words) {
	int pipes[2];
	char text[1024] = "";
	assert_int_equal(pipe(pipes), 0);
	end(start(just_exit, file, signal_name, pipes[1]));
	close(pipes[1]);
	ssize_t n = read(pipes[0], text, sizeof(text) - 1);
	close(pipes[0]);
	assert_true(n > 0);
	assert_non_null(strstr(text, words));
}

static void test_mistakes(void **state) {
	expect_said(path, "KILL", "SIGNALBOX_TRACE_SIGNAL=KILL: Invalid argument");
	expect_said(path, "", "SIGNALBOX_TRACE_SIGNAL=: Invalid argument");
	expect_said("/no/such/folder/x", NULL, "/no/such/folder/x cannot be written: No such file");
}

static const struct CMUnitTest host[] = {
	{ "dump: at exit", test_exit, setup, NULL, NULL },
	{ "dump: only if asked for", test_not_asked, setup, NULL, NULL },
	{ "dump: a name with the process's number", test_pid, setup, NULL, NULL },
	{ "dump: a child that exits writes nothing", test_child, setup, NULL, NULL },
	{ "dump: on a signal", test_signal, setup, NULL, NULL },
	{ "dump: mistakes are said", test_mistakes, setup, NULL, NULL },
};

int main(int argc, char *argv[]) {
	assert_non_null(mkdtemp(folder));
	int ret = suite_run(argc, argv, "trace/dump", host, SUITE_COUNT(host), NULL, 0);
	setup(NULL);
	rmdir(folder);
	return ret;
}
