#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness/vulkan.h"
#include "render/cache_file.h"
#include "render/compose.h"
#include "render/device.h"

/*
 * The composer's pipelines, as far as pictures do not show them: what is kept on disk between runs.
 */

#define NAME_SIZE 300

static char folder[] = "/tmp/pipeline-XXXXXX";

static void make_pipelines(struct sbx_device *device) {
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(device, &composer), 0);
	sbx_composer_destroy(composer);
}

/* The only file there; true: its name and what stat() says of it. */
static bool find_file(char name[static NAME_SIZE], struct stat *info) {
	DIR *dir = opendir("signalbox");
	unsigned count = 0;
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] != '.') {
			snprintf(name, NAME_SIZE, "signalbox/%s", entry->d_name);
			count++;
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	assert_true(count <= 1);
	return count == 1 && stat(name, info) == 0;
}

static int setup(void **state) {
	strcpy(folder, "/tmp/pipeline-XXXXXX");
	if (vulkan_setup(state) != 0 || mkdtemp(folder) == NULL || chdir(folder) != 0) {
		return -1;
	}
	setenv("XDG_CACHE_HOME", folder, 1);
	return 0;
}

static int teardown(void **state) {
	char name[NAME_SIZE];
	struct stat info;
	if (find_file(name, &info)) {
		unlink(name);
	}
	rmdir("signalbox");
	return vulkan_teardown(state);
}

/* The second start finds what the first left, and leaves it alone. */
static void test_kept(void **state) {
	char name[NAME_SIZE], again[NAME_SIZE];
	struct stat first, second;
	size_t size = 0;
	make_pipelines(*state);
	assert_true(find_file(name, &first));
	make_pipelines(*state);
	assert_true(find_file(again, &second));
	assert_string_equal(name, again);
	assert_int_equal(first.st_ino, second.st_ino);
	// only for the shaders that it was made of
	assert_null(sbx_cache_file_read(strchr(name, '/') + 1, 0, &size));
}

/* As left by another version of this library, or by a failing disk: it is not used, and replaced. */
static void test_not_ours(void **state) {
	char name[NAME_SIZE], again[NAME_SIZE];
	struct stat first, second;
	make_pipelines(*state);
	assert_true(find_file(name, &first));
	int fd = open(name, O_WRONLY);
	assert_int_equal(pwrite(fd, "\x55", 1, first.st_size / 2), 1);
	close(fd);
	make_pipelines(*state);
	assert_true(find_file(again, &second));
	assert_string_equal(name, again);
	assert_int_not_equal(first.st_ino, second.st_ino);
	sbx_cache_file_write(strchr(name, '/') + 1, 1, "of other shaders", 16);
	make_pipelines(*state);
	assert_true(find_file(again, &first));
	assert_int_equal(first.st_size, second.st_size);
}

static void test_nowhere_to_keep_it(void **state) {
	assert_int_equal(symlink("/dev/null", "signalbox"), 0);
	make_pipelines(*state);
	assert_int_equal(log_count("nothing is kept there"), 1);
	assert_int_equal(unlink("signalbox"), 0);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nowhere_to_keep_it, setup, teardown),
	};
	return vulkan_main("pipeline", tests, sizeof(tests) / sizeof(tests[0]));
}
