#include "render/cache_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "sync/fd.h"
#include "trace/log.h"

#define FOLDER "signalbox"
#define UNUSED_S (90 * 24 * 60 * 60)

/** Before the content. */
struct header {
	uint64_t magic, version, size, hash;
};

/** "sbx-file" */
#define MAGIC UINT64_C(0x656c69662d786273)

static uint64_t mix(uint64_t hash, uint64_t word) {
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

uint64_t sbx_cache_file_hash(const void *content, size_t size) {
	uint64_t hash = size, word;
	size_t i = 0;
	for (; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, (const char *)content + i, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	// Without content there may be no pointer either.
	if (i < size) {
		memcpy(&word, (const char *)content + i, size - i);
	}
	return mix(hash, word);
}

/** Ours alone to write to, and of this type (S_IFDIR, S_IFREG). */
static bool is_safe(int fd, mode_t type, struct stat *info) {
	return fstat(fd, info) == 0 && (info->st_mode & S_IFMT) == type && info->st_uid == geteuid() &&
		(info->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/** Makes it if need be. The user's own: links on the way to it are the user's, too. */
static int open_base(void) {
	const char *base = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
	char *path = NULL;
	if (base != NULL && base[0] == '/') {
		path = strdup(base);
	} else if (home != NULL && home[0] == '/' && asprintf(&path, "%s/.cache", home) < 0) {
		path = NULL;
	}
	if (path == NULL) {
		return -1;
	}
	mkdir(path, 0700);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(path);
	return fd;
}

/** An fd, or -1: there is none. *refused: there is, but it is not safe. */
static int open_folder(bool *refused) {
	struct stat info;
	int base = open_base();
	*refused = false;
	if (base < 0) {
		return -1;
	}
	mkdirat(base, FOLDER, 0700);
	int fd = openat(base, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	*refused = fd < 0 ? errno == ELOOP || errno == ENOTDIR : !is_safe(fd, S_IFDIR, &info);
	if (*refused) {
		sbx_fd_close(&fd);
	}
	sbx_fd_close(&base);
	return fd;
}

static bool read_all(int fd, void *to, size_t size) {
	for (size_t done = 0; done < size;) {
		ssize_t got = read(fd, (char *)to + done, size - done);
		if (got <= 0 && !(got < 0 && errno == EINTR)) {
			return false;
		}
		done += got > 0 ? (size_t)got : 0;
	}
	return true;
}

static bool write_all(int fd, const void *from, size_t size) {
	for (size_t done = 0; done < size;) {
		ssize_t put = write(fd, (const char *)from + done, size - done);
		if (put <= 0 && !(put < 0 && errno == EINTR)) {
			return false;
		}
		done += put > 0 ? (size_t)put : 0;
	}
	return true;
}

static void *read_content(int fd, uint64_t version, size_t *size) {
	struct header header;
	struct stat info;
	if (!is_safe(fd, S_IFREG, &info) || !read_all(fd, &header, sizeof(header)) ||
			header.magic != MAGIC || header.version != version ||
			header.size == 0 || header.size > SBX_CACHE_FILE_MAX ||
			(uint64_t)info.st_size != sizeof(header) + header.size) {
		return NULL;
	}
	void *content = malloc(header.size);
	if (content == NULL || !read_all(fd, content, header.size) ||
			sbx_cache_file_hash(content, header.size) != header.hash) {
		free(content);
		return NULL;
	}
	*size = header.size;
	return content;
}

void *sbx_cache_file_read(const char *name, uint64_t version, size_t *size) {
	bool refused;
	int folder = open_folder(&refused);
	*size = 0;
	if (refused) {
		sbx_log_info("render: in the cache folder, " FOLDER " is not a folder that only we may write to: "
			"nothing is kept there");
	}
	if (folder < 0) {
		return NULL;
	}
	// Not blocking: a pipe in its place would have us wait for a writer.
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	void *content = fd >= 0 ? read_content(fd, version, size) : NULL;
	if (content != NULL) {
		futimens(fd, NULL);
	}
	sbx_fd_close(&fd);
	sbx_fd_close(&folder);
	return content;
}

/** Of the same kind: what stands before the first dash in `name` says which. */
static void remove_unused(int folder, const char *name) {
	size_t kind = strcspn(name, "-");
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	if (dir == NULL) {
		sbx_fd_close(&copy);
		return;
	}
	time_t now = time(NULL);
	struct stat info;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (strncmp(entry->d_name, name, kind) == 0 && entry->d_name[kind] == '-' &&
				fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
				S_ISREG(info.st_mode) && now - info.st_mtime > UNUSED_S) {
			unlinkat(folder, entry->d_name, 0);
		}
	}
	closedir(dir);
}

/** Written next to it and renamed. */
static void replace(int folder, const char *name, const struct header *header, const void *content) {
	uint64_t number;
	char *temporary = NULL;
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number) ||
			asprintf(&temporary, "%s.%016llx", name, (unsigned long long)number) < 0) {
		return;
	}
	int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0) {
		bool ok = write_all(fd, header, sizeof(*header)) && write_all(fd, content, header->size);
		sbx_fd_close(&fd);
		if (!ok || renameat(folder, temporary, folder, name) != 0) {
			unlinkat(folder, temporary, 0);
		}
	}
	free(temporary);
}

void sbx_cache_file_write(const char *name, uint64_t version, const void *content, size_t size) {
	const struct header header = {
		.magic = MAGIC, .version = version, .size = size, .hash = sbx_cache_file_hash(content, size),
	};
	bool refused;
	int folder = size > 0 && size <= SBX_CACHE_FILE_MAX ? open_folder(&refused) : -1;
	if (folder < 0) {
		return;
	}
	replace(folder, name, &header, content);
	remove_unused(folder, name);
	sbx_fd_close(&folder);
}
