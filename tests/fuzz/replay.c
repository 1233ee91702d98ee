/*
 * Runs kept inputs through the fuzz target, a process for each: what once went wrong must not again. With
 * --plant, the controls, at least one of them must go wrong.
 *
 * usage: replay [--plant lost|double|early] FOLDER
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "protocol.h"

enum { LARGEST_INPUT = 4096, INPUT_SECONDS = 60 };

static int run(const char *path, bool quiet) {
	pid_t pid = fork();
	if (pid == 0) {
		uint8_t data[LARGEST_INPUT];
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t size = fd >= 0 ? read(fd, data, sizeof(data)) : -1;
		close(fd);
		if (quiet && freopen("/dev/null", "w", stderr) == NULL) {
			_exit(1);
		}
		alarm(INPUT_SECONDS);
		exit(size < 0 ? 1 : LLVMFuzzerTestOneInput(data, (size_t)size));
	}
	int status = 1;
	waitpid(pid, &status, 0);
	return status;
}

static int is_file(const struct dirent *entry) {
	return entry->d_name[0] != '.';
}

int main(int argc, char *argv[]) {
	static const char *const plants[] = { "", "lost", "double", "early" };
	bool planted = argc == 4 && strcmp(argv[1], "--plant") == 0;
	for (int i = 0; i < 4 && planted; i++) {
		fuzz_plant = strcmp(plants[i], argv[2]) == 0 ? (enum fuzz_plant)i : fuzz_plant;
	}
	const char *folder = argv[argc - 1];
	struct dirent **entries;
	int count = scandir(folder, &entries, is_file, alphasort), failed = 0;
	for (int i = 0; i < count; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (run(path, planted) != 0) {
			failed++;
			printf("%s%s\n", planted ? "noticed with " : "failed: ", entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	printf("%d inputs, %d failed\n", count, failed);
	return count > 0 && (failed > 0) == planted ? 0 : 1;
}
