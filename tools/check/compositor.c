#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/compositor.h"

// One that compiles its shaders first, on a machine that has much else to do.
#define START_LIMIT_MS 180000
#define STOP_LIMIT_MS 3000

static bool socket_path(char *path, size_t size) {
	const char *name = getenv("WAYLAND_DISPLAY");
	const char *folder = getenv("XDG_RUNTIME_DIR");
	name = name ? name : "wayland-0";
	int length = name[0] == '/' ? snprintf(path, size, "%s", name) :
		snprintf(path, size, "%s/%s", folder ? folder : "", name);
	return length > 0 && (size_t)length < size;
}

int compositor_watch(void) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (!socket_path(address.sun_path, sizeof(address.sun_path))) {
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool compositor_has_hung_up(int watch_fd) {
	struct pollfd fd = { .fd = watch_fd, .events = POLLIN };
	return watch_fd < 0 || (poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR)));
}

pid_t compositor_pid(int watch_fd) {
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	return getsockopt(watch_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

static void read_name(pid_t pid, char *name, size_t size) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	FILE *file = fopen(path, "re");
	if (!file || !fgets(name, (int)size, file)) {
		snprintf(name, size, "unknown");
	}
	name[strcspn(name, "\n")] = '\0';
	if (file) {
		fclose(file);
	}
}

void compositor_identify(struct check_env *env, int watch_fd) {
	struct usage usage;
	env->compositor = compositor_pid(watch_fd);
	read_name(env->compositor, env->compositor_name, sizeof(env->compositor_name));
	if (!socket_path(env->socket_name, sizeof(env->socket_name))) {
		env->socket_name[0] = '\0';
	}
	env->resources = compositor_usage(env->compositor, &usage);
}

// "socket:[1234]" and the like are one kind each.
static void count_kind(struct usage *usage, char *target) {
	char *number = strstr(target, ":[");
	if (number && number[2] >= '0' && number[2] <= '9') {
		*number = '\0';
	}
	target[FD_NAME - 1] = '\0';
	struct fd_kind *kind = usage->kinds;
	while (kind < &usage->kinds[FD_KINDS - 1] && kind->count > 0 &&
			strcmp(kind->name, target) != 0) {
		kind++;
	}
	if (kind->count++ == 0) {
		memcpy(kind->name, target, strlen(target) + 1);
	}
}

static bool count_fds(pid_t pid, struct usage *usage) {
	char path[64], target[256];
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *folder = opendir(path);
	if (!folder) {
		return false;
	}
	for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		ssize_t length = entry->d_name[0] == '.' ? -1 :
			readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
		if (length >= 0) {
			target[length] = '\0';
			usage->fds++;
			count_kind(usage, target);
		}
	}
	closedir(folder);
	return true;
}

static unsigned count_of(const struct usage *usage, const char *name) {
	for (size_t i = 0; i < FD_KINDS && usage->kinds[i].count > 0; i++) {
		if (strcmp(usage->kinds[i].name, name) == 0) {
			return usage->kinds[i].count;
		}
	}
	return 0;
}

void usage_tell_growth(const struct usage *before, const struct usage *after, char *text,
		size_t size) {
	size_t length = 0;
	snprintf(text, size, "nothing");
	for (size_t i = 0; i < FD_KINDS && after->kinds[i].count > 0; i++) {
		const struct fd_kind *kind = &after->kinds[i];
		unsigned was = count_of(before, kind->name);
		if (kind->count > was && length < size) {
			length += (size_t)snprintf(text + length, size - length, "%s%u %s",
				length > 0 ? ", " : "", kind->count - was, kind->name);
		}
	}
}

static bool read_memory(pid_t pid, unsigned long *kb) {
	char path[64], line[128];
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "re");
	bool found = false;
	while (file && !found && fgets(line, sizeof(line), file)) {
		found = sscanf(line, "RssAnon: %lu kB", kb) == 1;
	}
	if (file) {
		fclose(file);
	}
	return found;
}

bool compositor_usage(pid_t pid, struct usage *usage) {
	*usage = (struct usage){ 0 };
	return pid > 0 && count_fds(pid, usage) && read_memory(pid, &usage->memory_kb);
}

struct usage compositor_usage_or_skip(struct check *check) {
	struct usage usage;
	if (!compositor_usage(check->env->compositor, &usage)) {
		check_skip(check, "/proc/%d of the compositor may not be read",
			check->env->compositor);
	}
	return usage;
}

struct settling {
	pid_t pid;
	unsigned fds;
};

static bool has_settled(void *data) {
	const struct settling *settling = data;
	struct usage usage;
	return !compositor_usage(settling->pid, &usage) || usage.fds <= settling->fds;
}

bool compositor_fds_settle(struct check *check, unsigned fds) {
	struct settling settling = { check->env->compositor, fds };
	return check_wait(check, has_settled, &settling, check->env->patience_ms);
}

struct compositor {
	pid_t pid;
	char folder[80];
	char end[64];
};

// Our own runtime folder holds one socket, so there is no doubt whose it is.
static bool find_socket(const struct compositor *compositor, char *path, size_t size) {
	DIR *folder = opendir(compositor->folder);
	bool found = false;
	for (const struct dirent *entry = folder ? readdir(folder) : NULL; entry && !found;
			entry = readdir(folder)) {
		found = strncmp(entry->d_name, "wayland-", 8) == 0 && !strchr(entry->d_name, '.');
		if (found) {
			snprintf(path, size, "%s/%s", compositor->folder, entry->d_name);
		}
	}
	if (folder) {
		closedir(folder);
	}
	return found;
}

static _Noreturn void execute(const struct compositor *compositor, const char *command,
		int log_fd) {
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	// A nested compositor still has to find its parent.
	char path[108];
	if (getenv("WAYLAND_DISPLAY") && socket_path(path, sizeof(path))) {
		setenv("WAYLAND_DISPLAY", path, 1);
	}
	setenv("XDG_RUNTIME_DIR", compositor->folder, 1);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	char line[4096];
	snprintf(line, sizeof(line), "exec %s", command);
	execl("/bin/sh", "sh", "-c", line, NULL);
	_exit(127);
}

static bool is_answered(const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answered = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return answered;
}

static bool wait_for_socket(struct compositor *compositor) {
	char path[108 + 256];
	for (uint64_t start = now_ns(); ms_since(start) < START_LIMIT_MS; usleep(20000)) {
		if (compositor_end(compositor)[0] != '\0') {
			return false;
		}
		if (find_socket(compositor, path, sizeof(path)) && is_answered(path)) {
			setenv("WAYLAND_DISPLAY", path, 1);
			return true;
		}
	}
	return false;
}

struct compositor *compositor_start(const char *command, int log_fd) {
	struct compositor *compositor = calloc(1, sizeof(*compositor));
	const char *folder = getenv("XDG_RUNTIME_DIR");
	snprintf(compositor->folder, sizeof(compositor->folder), "%.50s/signalbox-XXXXXX",
		folder ? folder : "/tmp");
	if (!mkdtemp(compositor->folder)) {
		fprintf(stderr, "signalbox: cannot make %s: %s\n", compositor->folder,
			strerror(errno));
		free(compositor);
		return NULL;
	}
	compositor->pid = fork();
	if (compositor->pid == 0) {
		execute(compositor, command, log_fd);
	}
	if (compositor->pid < 0 || !wait_for_socket(compositor)) {
		char words[200];
		compositor_last_words(log_fd, words, sizeof(words));
		fprintf(stderr, "signalbox: \"%s\" opened no Wayland socket (%s): %s\n", command,
			compositor_end(compositor), words);
		compositor_stop(compositor);
		return NULL;
	}
	return compositor;
}

static void describe_end(struct compositor *compositor, int status) {
	if (WIFSIGNALED(status)) {
		snprintf(compositor->end, sizeof(compositor->end), "signal %d, %s", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	} else {
		snprintf(compositor->end, sizeof(compositor->end), "exit status %d",
			WEXITSTATUS(status));
	}
}

const char *compositor_end(struct compositor *compositor) {
	int status = 0;
	if (compositor->end[0] == '\0' && compositor->pid > 0 &&
			waitpid(compositor->pid, &status, WNOHANG) == compositor->pid) {
		describe_end(compositor, status);
	}
	return compositor->end;
}

void compositor_last_words(int log_fd, char *words, size_t size) {
	char text[4096];
	off_t end = lseek(log_fd, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
	ssize_t length = pread(log_fd, text, sizeof(text) - 1, from);
	text[length > 0 ? length : 0] = '\0';
	words[0] = '\0';
	bool found = false;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save)) {
		bool telling = strstr(line, "ssert") || strstr(line, "AddressSanitizer");
		if (telling || !found) {
			snprintf(words, size, "%s", line);
			found = telling;
		}
	}
}

static void remove_folder(const char *path) {
	DIR *folder = opendir(path);
	for (const struct dirent *entry = folder ? readdir(folder) : NULL; entry;
			entry = readdir(folder)) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			unlinkat(dirfd(folder), entry->d_name, 0);
		}
	}
	if (folder) {
		closedir(folder);
	}
	rmdir(path);
}

void compositor_stop(struct compositor *compositor) {
	if (!compositor) {
		return;
	}
	if (compositor->pid > 0) {
		kill(compositor->pid, SIGTERM);
		for (uint64_t start = now_ns(); ms_since(start) < STOP_LIMIT_MS &&
				compositor_end(compositor)[0] == '\0'; usleep(10000)) {
			continue;
		}
		// Whatever it has started goes with it.
		kill(-compositor->pid, SIGKILL);
		while (compositor_end(compositor)[0] == '\0') {
			usleep(10000);
		}
	}
	remove_folder(compositor->folder);
	free(compositor);
}
