#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check/check.h"
#include "check/client.h"

// How often things without a file descriptor (release points) are looked at while waiting.
#define LOOK_EVERY_MS 2

uint64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

unsigned ms_since(uint64_t start_ns) {
	return (unsigned)((now_ns() - start_ns) / 1000000);
}

static void check_begin(struct check *check, const struct check_case *test,
		const struct check_env *env, struct check_result *result, uint64_t seed) {
	*check = (struct check){ .test = test, .env = env, .result = result };
	wl_list_init(&check->clients);
	// Each check has its own sequence and its own first colour, the same in every run with the
	// same seed whichever other checks run.
	uint64_t hash = 14695981039346656037u ^ seed;
	for (const char *c = test->name; *c != '\0'; c++) {
		hash = (hash ^ (uint64_t)*c) * 1099511628211u;
	}
	check->random = hash | 1;
	check->colour = (unsigned)(hash >> 32);
}

void check_run(const struct check_case *test, const struct check_env *env,
		struct check_result *result, uint64_t seed) {
	// Writing to the socket of a dead compositor is a verdict, not the end of this process.
	signal(SIGPIPE, SIG_IGN);
	struct check check;
	check_begin(&check, test, env, result, seed);
	test->run(&check);
	result->verdict = CHECK_MET;
	result->finished = true;
	_exit(0);
}

static _Noreturn void finish(struct check *check, enum check_verdict verdict,
		const char *format, va_list args) {
	if (!check->result->finished) {
		vsnprintf(check->result->message, CHECK_LINE, format, args);
		check->result->verdict = verdict;
		check->result->finished = true;
	}
	_exit(1);
}

void check_fail(struct check *check, const char *format, ...) {
	va_list args;
	va_start(args, format);
	finish(check, CHECK_NOT_MET, format, args);
}

void check_fail_slow(struct check *check, const char *format, ...) {
	va_list args;
	va_start(args, format);
	check->result->slow = true;
	finish(check, CHECK_NOT_MET, format, args);
}

void check_skip(struct check *check, const char *format, ...) {
	va_list args;
	va_start(args, format);
	finish(check, CHECK_SKIPPED, format, args);
}

void check_trouble(struct check *check, const char *format, ...) {
	va_list args;
	va_start(args, format);
	finish(check, CHECK_UNJUDGED, format, args);
}

void check_doing(struct check *check, const char *format, ...) {
	va_list args;
	va_start(args, format);
	vsnprintf(check->result->doing, CHECK_LINE, format, args);
	va_end(args);
}

void check_note(struct check *check, const char *format, ...) {
	struct check_result *result = check->result;
	if (result->note_count == CHECK_NOTES) {
		return;
	}
	va_list args;
	va_start(args, format);
	vsnprintf(result->notes[result->note_count], CHECK_LINE, format, args);
	va_end(args);
	result->note_count++;
}

unsigned check_random(struct check *check, unsigned below) {
	// xorshift64*
	check->random ^= check->random >> 12;
	check->random ^= check->random << 25;
	check->random ^= check->random >> 27;
	return (unsigned)((check->random * 2685821657736338717u) >> 33) % below;
}

#define MAX_POLLED 256

// Nonzero when something arrived.
static int poll_clients(struct check *check, int timeout_ms) {
	struct pollfd fds[MAX_POLLED];
	nfds_t count = 0;
	struct client *client;
	wl_list_for_each(client, &check->clients, link) {
		if (client_prepare(client) && count < MAX_POLLED) {
			fds[count++] = (struct pollfd){ .fd = client_fd(client), .events = POLLIN };
		}
	}
	int ready = poll(fds, count, timeout_ms);
	wl_list_for_each(client, &check->clients, link) {
		client_receive(client);
	}
	return ready;
}

bool check_wait(struct check *check, bool (*done)(void *data), void *data, unsigned limit_ms) {
	uint64_t start = now_ns();
	for (;;) {
		if (done && done(data)) {
			return true;
		}
		unsigned passed = ms_since(start);
		if (passed >= limit_ms) {
			// What is already in the socket still counts.
			poll_clients(check, 0);
			return done && done(data);
		}
		unsigned left = limit_ms - passed;
		poll_clients(check, (int)(left < LOOK_EVERY_MS ? left : LOOK_EVERY_MS));
	}
}

void check_pause(struct check *check, unsigned ms) {
	check_wait(check, NULL, NULL, ms);
}

pid_t check_fork(struct check *check, void (*story)(struct check *check, void *data),
		void *data) {
	static struct check_result ignored;
	pid_t pid = fork();
	if (pid < 0) {
		check_trouble(check, "fork: %s", strerror(errno));
	}
	if (pid > 0) {
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct check own = *check;
	own.result = &ignored;
	own.capture = NULL;
	// Our copies of the sockets would keep connections open that the story closes.
	struct client *client;
	wl_list_for_each(client, &check->clients, link) {
		close(client_fd(client));
	}
	wl_list_init(&own.clients);
	story(&own, data);
	_exit(0);
}

int check_mark_new(struct check *check) {
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0) {
		check_trouble(check, "eventfd: %s", strerror(errno));
	}
	return fd;
}

void check_mark_set(int mark_fd) {
	eventfd_write(mark_fd, 1);
}

static bool is_marked(void *data) {
	eventfd_t value;
	return eventfd_read(*(int *)data, &value) == 0;
}

void check_mark_wait(struct check *check, int mark_fd, const char *what) {
	unsigned limit_ms = 2 * check->env->patience_ms;
	check_doing(check, "waiting until %s", what);
	if (!check_wait(check, is_marked, &mark_fd, limit_ms)) {
		check_fail(check, "not within %u ms: %s", limit_ms, what);
	}
}

void check_kill(pid_t pid) {
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

unsigned percentile(const unsigned *sorted, size_t count, unsigned p) {
	return count == 0 ? 0 : sorted[(count - 1) * p / 100];
}

static int compare_unsigned(const void *a, const void *b) {
	unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;
	return left < right ? -1 : left > right;
}

void check_note_latency(struct check *check, const char *what, unsigned *us, size_t count) {
	qsort(us, count, sizeof(us[0]), compare_unsigned);
	check_note(check, "%s, %zu frames: p50 %.1f ms, p95 %.1f ms, max %.1f ms", what, count,
		percentile(us, count, 50) / 1000.0, percentile(us, count, 95) / 1000.0,
		percentile(us, count, 100) / 1000.0);
}

const char *check_buffer_kind_name(enum buffer_kind kind) {
	static const char *const names[] = { "none", "gbm", "dumb", "udmabuf" };
	return names[kind];
}

const char *check_capture_kind_name(enum capture_kind kind) {
	static const char *const names[] = { "none", "ext-image-copy-capture", "wlr-screencopy" };
	return names[kind];
}
