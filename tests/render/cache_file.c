#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "harness/suite.h"
#include "render/cache_file.h"

#define NAME "things-1"
#define VERSION 7

/* A cache folder of each test's own, the working directory meanwhile. */
struct place {
	char base[64];
	struct census before;
};

static int setup(void **state) {
	struct place *place = calloc(1, sizeof(*place));
	place->before = census_take();
	strcpy(place->base, "/tmp/cache-file-XXXXXX");
	if (mkdtemp(place->base) == NULL || chdir(place->base) != 0) {
		return -1;
	}
	setenv("XDG_CACHE_HOME", place->base, 1);
	*state = place;
	return 0;
}

static int teardown(void **state) {
	struct place *place = *state;
	char command[192];
	census_check(&place->before);
	snprintf(command, sizeof(command), "chmod -R u+rwX '%s' && rm -rf '%s'", place->base, place->base);
	int ret = chdir("/") == 0 ? system(command) : -1;
	free(place);
	return ret;
}

static void put(const char *text) {
	sbx_cache_file_write(NAME, VERSION, text, strlen(text));
}

/* NULL: there is nothing. */
static void expect_of(uint64_t version, const char *text) {
	size_t size = 99;
	char *content = sbx_cache_file_read(NAME, version, &size);
	if (text == NULL) {
		assert_null(content);
		assert_int_equal(size, 0);
	} else {
		assert_non_null(content);
		assert_int_equal(size, strlen(text));
		assert_memory_equal(content, text, size);
	}
	free(content);
}

static void expect(const char *text) {
	expect_of(VERSION, text);
}

static mode_t mode_of(const char *path) {
	struct stat info;
	assert_int_equal(lstat(path, &info), 0);
	return info.st_mode & 07777;
}

static unsigned count_files(void) {
	FILE *list = popen("ls -A signalbox | wc -l", "r");
	unsigned count = 0;
	assert_int_equal(fscanf(list, "%u", &count), 1);
	pclose(list);
	return count;
}

static void test_round(void **state) {
	umask(0);
	expect(NULL);
	put("first");
	expect("first");
	assert_int_equal(mode_of("signalbox"), 0700);
	assert_int_equal(mode_of("signalbox/" NAME), 0600);
	put("another, longer one");
	expect("another, longer one");
	assert_int_equal(count_files(), 1);
	umask(022);
}

static void test_sizes(void **state) {
	char text[40] = "";
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		text[i] = (char)('a' + i % 26);
		put(text);
		expect(text);
	}
	sbx_cache_file_write(NAME, VERSION, NULL, 0);
	expect(text);
}

static void test_other_version(void **state) {
	put("old");
	expect_of(VERSION + 1, NULL);
	sbx_cache_file_write(NAME, VERSION + 1, "new", 3);
	expect_of(VERSION + 1, "new");
	expect(NULL);
}

/* Whichever byte is another one, and wherever it ends: nothing is read back. */
static void test_damage(void **state) {
	put("content");
	struct stat info;
	assert_int_equal(stat("signalbox/" NAME, &info), 0);
	for (off_t i = 0; i < info.st_size; i++) {
		char byte;
		put("content");
		expect("content");
		int fd = open("signalbox/" NAME, O_RDWR);
		assert_int_equal(pread(fd, &byte, 1, i), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, i), 1);
		close(fd);
		expect(NULL);
		put("content");
		assert_int_equal(truncate("signalbox/" NAME, i), 0);
		expect(NULL);
	}
	put("content");
	assert_int_equal(truncate("signalbox/" NAME, info.st_size + 1), 0);
	expect(NULL);
	put("content");
	expect("content");
}

/* What a file of the wrong kind, or of somebody else, says is not read; nor does it hold us up. */
static void test_unsafe_file(void **state) {
	put("ours");
	assert_int_equal(chmod("signalbox/" NAME, 0620), 0);
	expect(NULL);
	assert_int_equal(chmod("signalbox/" NAME, 0602), 0);
	expect(NULL);
	assert_int_equal(chmod("signalbox/" NAME, 0644), 0);
	expect("ours");
	assert_int_equal(rename("signalbox/" NAME, "elsewhere"), 0);
	assert_int_equal(symlink("../elsewhere", "signalbox/" NAME), 0);
	expect(NULL);
	put("new");
	expect("new");
	assert_int_equal(unlink("signalbox/" NAME), 0);
	assert_int_equal(mkfifo("signalbox/" NAME, 0600), 0);
	expect(NULL);
	put("again");
	expect("again");
}

static void test_unsafe_folder(void **state) {
	put("ours");
	assert_int_equal(chmod("signalbox", 0770), 0);
	expect(NULL);
	put("theirs");
	assert_int_equal(chmod("signalbox", 0700), 0);
	expect("ours");
	assert_int_equal(rename("signalbox", "elsewhere"), 0);
	assert_int_equal(symlink("elsewhere", "signalbox"), 0);
	expect(NULL);
	put("theirs");
	assert_int_equal(unlink("signalbox"), 0);
	assert_int_equal(rename("elsewhere", "signalbox"), 0);
	expect("ours");
}

/* Only root can give files away. */
static void test_of_others(void **state) {
	if (geteuid() != 0) {
		skip();
	}
	put("ours");
	assert_int_equal(chown("signalbox/" NAME, 4711, 4711), 0);
	expect(NULL);
	put("again");
	expect("again");
	assert_int_equal(chown("signalbox", 4711, 4711), 0);
	expect(NULL);
	assert_int_equal(chown("signalbox", 0, 0), 0);
	expect("again");
}

static void test_no_folder(void **state) {
	const struct place *place = *state;
	assert_int_equal(close(open("signalbox", O_WRONLY | O_CREAT, 0600)), 0);
	expect(NULL);
	put("lost");
	expect(NULL);
	unsetenv("XDG_CACHE_HOME");
	setenv("HOME", place->base, 1);
	put("at home");
	expect("at home");
	assert_int_equal(access(".cache/signalbox/" NAME, F_OK), 0);
	setenv("XDG_CACHE_HOME", "relative", 1);
	expect("at home");
	setenv("HOME", "nowhere", 1);
	expect(NULL);
	unsetenv("HOME");
	put("lost");
	expect(NULL);
}

/* A full disk: what was there stays, and nothing else. */
static void test_full(void **state) {
	struct rlimit before, none;
	put("what was there");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 40;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	put("more than fits in there");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	expect("what was there");
	assert_int_equal(count_files(), 1);
}

static void age(const char *path, int days) {
	struct timespec times[2] = { { .tv_sec = time(NULL) - days * 24 * 60 * 60 } };
	times[1] = times[0];
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Of drivers that are gone; other things in the folder are not ours to remove. */
static void test_unused(void **state) {
	put("content");
	age("signalbox/things-2", 100);
	age("signalbox/things-3", 10);
	age("signalbox/things", 100);
	age("signalbox/lock", 100);
	age("signalbox/" NAME, 100);
	expect("content");
	sbx_cache_file_write("things-4", VERSION, "x", 1);
	assert_int_not_equal(access("signalbox/things-2", F_OK), 0);
	assert_int_equal(access("signalbox/things-3", F_OK), 0);
	assert_int_equal(access("signalbox/things", F_OK), 0);
	assert_int_equal(access("signalbox/lock", F_OK), 0);
	// it was read a moment ago
	expect("content");
}

/* A reader gets the one or the other, whole, whenever it comes. */
static void test_at_once(void **state) {
	static char texts[2][100000];
	memset(texts[0], 'a', sizeof(texts[0]) - 1);
	memset(texts[1], 'b', sizeof(texts[1]) / 2);
	put(texts[0]);
	pid_t pid = fork();
	for (int i = 0; pid == 0 && i < 300; i++) {
		put(texts[i % 2]);
	}
	if (pid == 0) {
		_exit(0);
	}
	unsigned seen[2] = {0};
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		size_t size = 0;
		char *content = sbx_cache_file_read(NAME, VERSION, &size);
		assert_non_null(content);
		int which = content[0] - 'a';
		assert_int_equal(size, strlen(texts[which]));
		assert_memory_equal(content, texts[which], size);
		seen[which]++;
		free(content);
	}
	assert_true(seen[0] + seen[1] > 0);
	assert_int_equal(count_files(), 1);
}

static void test_hash(void **state) {
	const char a[] = "0123456789abcdef0", b[] = "0123456789abcdef1";
	assert_true(sbx_cache_file_hash(a, 17) != sbx_cache_file_hash(b, 17));
	assert_true(sbx_cache_file_hash(a, 16) == sbx_cache_file_hash(b, 16));
	assert_true(sbx_cache_file_hash(a, 16) != sbx_cache_file_hash(a, 15));
	assert_true(sbx_cache_file_hash("\0", 1) != sbx_cache_file_hash(NULL, 0));
}

int main(int argc, char *argv[]) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_round),
		CASE(test_sizes),
		CASE(test_other_version),
		CASE(test_damage),
		CASE(test_unsafe_file),
		CASE(test_unsafe_folder),
		CASE(test_of_others),
		CASE(test_no_folder),
		CASE(test_full),
		CASE(test_unused),
		CASE(test_at_once),
		CASE(test_hash),
	};
	return cmocka_run_group_tests_name("cache_file", tests, NULL, NULL);
}
