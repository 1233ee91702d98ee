#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "run/program.h"

static bool is_runnable(const char *path) {
	struct stat stat_buf;
	if (stat(path, &stat_buf) != 0) {
		return false;
	}
	if (!S_ISREG(stat_buf.st_mode)) {
		errno = EACCES;
		return false;
	}
	return access(path, X_OK) == 0;
}

static bool is_runnable_in(const char *folder, size_t length, const char *command, char *path,
		size_t size) {
	int needed = length == 0 ? snprintf(path, size, "%s", command) :
		snprintf(path, size, "%.*s/%s", (int)length, folder, command);
	return needed >= 0 && (size_t)needed < size && is_runnable(path);
}

bool program_find(const char *command, char *path, size_t size) {
	if (strchr(command, '/') != NULL) {
		return is_runnable_in("", 0, command, path, size);
	}
	const char *folder = getenv("PATH");
	int error = ENOENT;
	while (folder != NULL) {
		size_t length = strcspn(folder, ":");
		errno = ENOENT;
		if (is_runnable_in(folder, length, command, path, size)) {
			return true;
		}
		error = errno == EACCES ? EACCES : error;
		folder = folder[length] == ':' ? folder + length + 1 : NULL;
	}
	errno = error;
	return false;
}

/* What makes the loader distrust its environment; see AT_SECURE in getauxval(3). */
static bool gains_rights(int fd) {
	struct stat stat_buf;
	if (fstat(fd, &stat_buf) != 0) {
		return false;
	}
	bool setuid = (stat_buf.st_mode & S_ISUID) != 0 && stat_buf.st_uid != getuid();
	bool setgid = (stat_buf.st_mode & S_ISGID) != 0 && stat_buf.st_gid != getgid();
	bool capable = getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
	return setuid || setgid || capable;
}

static bool has_interpreter(int fd, const ElfW(Ehdr) *header) {
	for (unsigned i = 0; i < header->e_phnum; i++) {
		ElfW(Phdr) segment;
		off_t place = (off_t)(header->e_phoff + (size_t)i * header->e_phentsize);
		if (pread(fd, &segment, sizeof(segment), place) != (ssize_t)sizeof(segment)) {
			return false;
		}
		if (segment.p_type == PT_INTERP) {
			return true;
		}
	}
	return false;
}

/* This program's own header says which kind of machine this is. */
static bool read_own_header(ElfW(Ehdr) *header) {
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && read(fd, header, sizeof(*header)) == (ssize_t)sizeof(*header);
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

static const char *obstacle_of(int fd) {
	ElfW(Ehdr) header = {0}, own = {0};
	ssize_t length = pread(fd, &header, sizeof(header), 0);
	if (length >= 2 && memcmp(&header, "#!", 2) == 0) {
		return "is a script: name the compositor itself";
	}
	if (length != (ssize_t)sizeof(header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
		return "is no ELF program";
	}
	if (!read_own_header(&own) || header.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
			header.e_machine != own.e_machine) {
		return "is a program for another kind of machine";
	}
	if (!has_interpreter(fd, &header)) {
		return "is statically linked";
	}
	return gains_rights(fd) ? "runs with more rights than you have (setuid, or a file capability)" : NULL;
}

const char *program_obstacle(const char *path) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return "cannot be read";
	}
	const char *obstacle = obstacle_of(fd);
	close(fd);
	return obstacle;
}
