#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "trace/dump.h"
#include "trace/log.h"
#include "trace/recorder.h"

static char *path;
static pid_t process;
static sem_t wanted;

static void dump(void) {
	if (getpid() != process) {
		return; // a child that did not become another program
	}
	int ret = sbx_trace_write_path(path);
	if (ret < 0) {
		sbx_log_error("trace: %s cannot be written: %s", path, strerror(-ret));
	} else {
		sbx_log_info("trace: written to %s", path);
	}
}

static void handle_signal(int number) {
	int saved_errno = errno;
	sem_post(&wanted);
	errno = saved_errno;
}

/* A thread of its own, so that one can look into a compositor whose event loop hangs. */
static void *wait_for_signal(void *data) {
	for (;;) {
		while (sem_wait(&wanted) != 0) {
		}
		dump();
	}
	return NULL;
}

/* All signals blocked: they are for the compositor's threads. */
static int start_thread(void) {
	sigset_t all, before;
	pthread_t thread;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int ret = pthread_create(&thread, NULL, wait_for_signal, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret == 0) {
		pthread_detach(thread);
	}
	return -ret;
}

/* "USR1", "SIGUSR1", "10"; 0: none of that. */
static int parse_signal(const char *text) {
	static const struct {
		const char *name;
		int number;
	} known[] = {
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "HUP", SIGHUP }, { "QUIT", SIGQUIT },
	};
	text += strncmp(text, "SIG", 3) == 0 ? 3 : 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(text, known[i].name) == 0 || atoi(text) == known[i].number) {
			return known[i].number;
		}
	}
	return 0;
}

static void listen_for(const char *name) {
	int number = parse_signal(name);
	struct sigaction action = { .sa_handler = handle_signal, .sa_flags = SA_RESTART };
	int ret = number != 0 ? 0 : -EINVAL;
	if (ret == 0 && sem_init(&wanted, 0, 0) != 0) {
		ret = -errno;
	}
	if (ret == 0) {
		ret = start_thread();
	}
	if (ret == 0 && sigaction(number, &action, NULL) != 0) {
		ret = -errno;
	}
	if (ret < 0) {
		sbx_log_error("trace: SIGNALBOX_TRACE_SIGNAL=%s: %s; USR1, USR2, HUP or QUIT will do", name,
			strerror(-ret));
	}
}

/* `%p` in it becomes the process's number. NULL: out of memory. */
static char *make_path(const char *file) {
	const char *mark = strstr(file, "%p");
	char *made = NULL;
	if (mark == NULL) {
		return strdup(file);
	}
	int n = asprintf(&made, "%.*s%d%s", (int)(mark - file), file, (int)process, mark + 2);
	return n < 0 ? NULL : made;
}

void sbx_dump_init(void) {
	// Not in a program that has more rights than its user: it writes files.
	const char *file = secure_getenv("SIGNALBOX_TRACE");
	const char *events = secure_getenv("SIGNALBOX_TRACE_EVENTS");
	const char *name = secure_getenv("SIGNALBOX_TRACE_SIGNAL");
	if (file == NULL || file[0] == '\0') {
		return;
	}
	process = getpid();
	long room = events != NULL ? atol(events) : 0;
	int ret = sbx_trace_start(room > 0 ? (size_t)room : 0);
	path = ret == 0 || ret == -EALREADY ? make_path(file) : NULL;
	if (path == NULL || atexit(dump) != 0) {
		sbx_log_error("trace: no memory to record anything");
		return;
	}
	if (name != NULL) {
		listen_for(name);
	}
}
