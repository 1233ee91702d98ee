#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness/suite.h"
#include "run/program.h"

static char folder[] = "/tmp/sbx-program-XXXXXX";

static int setup(void **state) {
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state) {
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static const char *in_folder(const char *name) {
	static char path[4096];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *path, const void *data, size_t size, mode_t mode) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
	assert_int_equal(chmod(path, mode), 0);
}

/* This program, as far as its header and the list of its segments. */
struct image {
	size_t size;
	char data[4096];
};

static void read_self(struct image *image) {
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, image->data, sizeof(image->data));
	assert_true(size > (ssize_t)sizeof(ElfW(Ehdr)));
	image->size = (size_t)size;
	close(fd);
}

static const char *obstacle_of(const struct image *image) {
	const char *path = in_folder("program");
	write_file(path, image->data, image->size, 0700);
	return program_obstacle(path);
}

static void test_ordinary(void **state) {
	struct image image;
	read_self(&image);
	assert_null(program_obstacle("/proc/self/exe"));
	assert_null(obstacle_of(&image));
}

static void test_other_files(void **state) {
	struct image image = { .size = 20, .data = "#!/bin/sh\nexit 0\n" };
	assert_non_null(strstr(obstacle_of(&image), "script"));
	image = (struct image){ .size = 3, .data = "abc" };
	assert_non_null(strstr(obstacle_of(&image), "ELF"));
	assert_non_null(program_obstacle(in_folder("nothing")));
}

static void test_other_machine(void **state) {
	struct image image;
	read_self(&image);
	((ElfW(Ehdr) *)image.data)->e_machine ^= 1;
	assert_non_null(strstr(obstacle_of(&image), "machine"));
}

static void test_static(void **state) {
	struct image image;
	read_self(&image);
	((ElfW(Ehdr) *)image.data)->e_phnum = 1; // PT_PHDR, without what follows
	assert_non_null(strstr(obstacle_of(&image), "statically"));
}

/* Whose program this is does not matter to who owns it. */
static void test_more_rights(void **state) {
	struct image image;
	read_self(&image);
	const char *path = in_folder("setuid");
	write_file(path, image.data, image.size, 04700);
	assert_null(program_obstacle(path));
	if (geteuid() == 0 && chown(path, 1, 1) == 0) {
		assert_int_equal(chmod(path, 04755), 0);
		assert_non_null(strstr(program_obstacle(path), "rights"));
		assert_int_equal(chmod(path, 0755), 0);
		assert_null(program_obstacle(path));
	}
}

static void test_find(void **state) {
	char path[4096], wanted[4096];
	write_file(in_folder("no-program"), "x", 1, 0600);
	write_file(in_folder("sbx-program"), "x", 1, 0700);
	snprintf(wanted, sizeof(wanted), "/nowhere::%s:/bin", folder);
	setenv("PATH", wanted, 1);
	assert_true(program_find("sbx-program", path, sizeof(path)));
	assert_string_equal(path, in_folder("sbx-program"));
	assert_false(program_find("sbx-program", path, 8));
	assert_true(program_find(in_folder("sbx-program"), path, sizeof(path)));
	assert_false(program_find("sbx-nothing", path, sizeof(path)));
	assert_int_equal(errno, ENOENT);
	assert_false(program_find(folder, path, sizeof(path)));
	assert_int_equal(errno, EACCES);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_other_machine),
		cmocka_unit_test(test_static),
		cmocka_unit_test(test_more_rights),
		cmocka_unit_test(test_find),
	};
	return cmocka_run_group_tests_name("run/program", tests, setup, teardown);
}
