#ifndef SBX_CHECK_COMPOSITOR_H
#define SBX_CHECK_COMPOSITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "check/check.h"

/** A connection that asks nothing: the kernel hangs it up when the compositor ends. */
int compositor_watch(void);
/** Has the compositor behind that connection ended? */
bool compositor_has_hung_up(int watch_fd);
/** The process at the other end, through SO_PEERCRED; 0 if the kernel does not say. */
pid_t compositor_pid(int watch_fd);

/** Fill env.compositor, .compositor_name, .socket_name and .resources. */
void compositor_identify(struct check_env *env, int watch_fd);

#define FD_KINDS 24
#define FD_NAME 40

/** What a process holds. */
struct usage {
	unsigned fds;
	/** What they are: "socket", "anon_inode:sync_file", a path. The rest counts as the last one. */
	struct fd_kind {
		char name[FD_NAME];
		unsigned count;
	} kinds[FD_KINDS];
	unsigned long memory_kb; /**< private and written to (anonymous), resident */
};

/** False where /proc does not let us. */
bool compositor_usage(pid_t pid, struct usage *usage);
/** Which kinds of fds have become more: "3 socket, 1 /dmabuf:"; "nothing" if none has. */
void usage_tell_growth(const struct usage *before, const struct usage *after, char *text,
	size_t size);
/** Same; ends the check as skipped where it is not possible. */
struct usage compositor_usage_or_skip(struct check *check);
/** The number of fds comes back to at most `fds` within env.patience_ms; false if not. */
bool compositor_fds_settle(struct check *check, unsigned fds);

/** A compositor that we run ourselves (--start), to go on after it died. */
struct compositor;

/**
 * Run a shell command that is a compositor, with a runtime folder of its own, wait for its
 * socket and point WAYLAND_DISPLAY at it. Its output goes to log_fd (lent). NULL, with a line
 * on stderr, if no socket comes.
 */
struct compositor *compositor_start(const char *command, int log_fd);
/** How it ended ("signal 6 (Aborted)"), or "" while it runs. */
const char *compositor_end(struct compositor *compositor);
/** The last line in its log that speaks of an error or assertion, or the last one at all. */
void compositor_last_words(int log_fd, char *words, size_t size);
/** SIGTERM, then SIGKILL; takes NULL. */
void compositor_stop(struct compositor *compositor);

#endif
