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
#include "render/shaders/layout.h"
// The library has its own.
#define sbx_compose_spirv plain_shader
#include "render/compose.comp.h"
#define sbx_compose_color_spirv color_shader
#include "render/compose_color.comp.h"

/*
 * The composer's pipelines, as far as pictures do not show them: what is kept on disk between runs, and
 * whether the shader is what Vulkan is told that it is.
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

/* Of SPIR-V (chapter 3 of its specification) what is looked at here. */
enum {
	OP_MEMBER_NAME = 6,
	OP_TYPE_STRUCT = 30,
	OP_TYPE_POINTER = 32,
	OP_DECORATE = 71,
	OP_MEMBER_DECORATE = 72,
	STORAGE_PUSH_CONSTANT = 9,
	DECORATION_SPEC_ID = 1,
	DECORATION_BINDING = 33,
	DECORATION_SET = 34,
	DECORATION_OFFSET = 35,
	MAX_IDS = 32,
	HEADER_WORDS = 5,
};

/* The one that is looked at. */
static const uint32_t *shader;
static size_t shader_size;

static void use_plain(void) {
	shader = plain_shader;
	shader_size = sizeof(plain_shader) / sizeof(plain_shader[0]);
}

static void use_color(void) {
	shader = color_shader;
	shader_size = sizeof(color_shader) / sizeof(color_shader[0]);
}

/* Calls what() for each instruction `op`; its words after the first. */
static void for_each(uint32_t op, void (*what)(const uint32_t *words, uint32_t count, void *data), void *data) {
	for (size_t at = HEADER_WORDS; at < shader_size; at += shader[at] >> 16) {
		assert_true(shader[at] >> 16 > 0);
		if ((shader[at] & 0xffff) == op) {
			what(&shader[at + 1], (shader[at] >> 16) - 1, data);
		}
	}
}

static void count_constants(const uint32_t *words, uint32_t count, void *data) {
	unsigned *seen = data;
	if (words[1] == DECORATION_SPEC_ID) {
		assert_true(words[2] < SBX_CONSTANT_COUNT);
		seen[words[2]]++;
	}
}

/* Each specialization constant is there; pipeline.c gives a value to as many. */
static void test_constants(void **state) {
	unsigned seen[SBX_CONSTANT_COUNT] = {0};
	use_plain();
	for_each(OP_DECORATE, count_constants, seen);
	use_color();
	for_each(OP_DECORATE, count_constants, seen);
	for (int i = 0; i < SBX_CONSTANT_COUNT; i++) {
		assert_true(seen[i] > 0);
	}
}

/* Sets and bindings of the variables that have them, by id. */
struct places {
	uint32_t ids[MAX_IDS], sets[MAX_IDS], bindings[MAX_IDS];
	size_t n;
};

static void find_places(const uint32_t *words, uint32_t count, void *data) {
	struct places *places = data;
	size_t i = 0;
	if (words[1] != DECORATION_SET && words[1] != DECORATION_BINDING) {
		return;
	}
	while (i < places->n && places->ids[i] != words[0]) {
		i++;
	}
	assert_true(i < MAX_IDS);
	places->ids[i] = words[0];
	places->n = i < places->n ? places->n : i + 1;
	*(words[1] == DECORATION_SET ? &places->sets[i] : &places->bindings[i]) = words[2];
}

static void check_bindings(void) {
	static const uint32_t told[][2] = {
		{ SBX_SET_TEXTURES, SBX_BINDING_TEXTURES }, { SBX_SET_TEXTURES, SBX_BINDING_SAMPLER },
		{ SBX_SET_DATA, SBX_BINDING_QUADS }, { SBX_SET_DATA, SBX_BINDING_WORDS },
		{ SBX_SET_TARGET, SBX_BINDING_BEFORE }, { SBX_SET_TARGET, SBX_BINDING_STORE },
	};
	struct places places = {0};
	for_each(OP_DECORATE, find_places, &places);
	assert_int_equal(places.n, sizeof(told) / sizeof(told[0]));
	for (size_t i = 0; i < places.n; i++) {
		bool found = false;
		for (size_t k = 0; k < sizeof(told) / sizeof(told[0]); k++) {
			found = found || (told[k][0] == places.sets[i] && told[k][1] == places.bindings[i]);
		}
		assert_true(found);
	}
}

static void test_bindings(void **state) {
	use_plain();
	check_bindings();
	use_color();
	check_bindings();
}

/* The push constants: of one struct's members the names, their places, how often it was seen. */
struct members {
	uint32_t block, inner;
	size_t found;
};

static void find_block(const uint32_t *words, uint32_t count, void *data) {
	struct members *members = data;
	if (words[1] == STORAGE_PUSH_CONSTANT && members->block == 0) {
		members->block = words[2];
	}
}

static void find_inner(const uint32_t *words, uint32_t count, void *data) {
	struct members *members = data;
	if (words[0] == members->block) {
		assert_int_equal(count, 2);
		members->inner = words[1];
	}
}

#define MEMBER(name) { #name, offsetof(struct sbx_push, name) }
static const struct {
	const char *name;
	size_t offset;
} push_members[] = {
	MEMBER(first_part), MEMBER(first_record), MEMBER(first_layer), MEMBER(first_chunk), MEMBER(n_groups),
	MEMBER(n_parts), MEMBER(limit), MEMBER(grade), MEMBER(steps),
};
#define PUSH_MEMBERS (sizeof(push_members) / sizeof(push_members[0]))

static void check_name(const uint32_t *words, uint32_t count, void *data) {
	struct members *members = data;
	if (words[0] == members->inner) {
		assert_true(words[1] < PUSH_MEMBERS);
		assert_string_equal((const char *)&words[2], push_members[words[1]].name);
		members->found++;
	}
}

static void check_offset(const uint32_t *words, uint32_t count, void *data) {
	struct members *members = data;
	if (words[0] == members->inner && words[2] == DECORATION_OFFSET) {
		assert_int_equal(words[3], push_members[words[1]].offset);
		members->found++;
	}
}

/* GLSL's rules for where members lie are not those of C. */
static void check_push(void) {
	struct members members = {0};
	for_each(OP_TYPE_POINTER, find_block, &members);
	for_each(OP_TYPE_STRUCT, find_inner, &members);
	assert_int_not_equal(members.inner, 0);
	for_each(OP_MEMBER_NAME, check_name, &members);
	assert_int_equal(members.found, PUSH_MEMBERS);
	for_each(OP_MEMBER_DECORATE, check_offset, &members);
	assert_int_equal(members.found, 2 * PUSH_MEMBERS);
	assert_int_equal(push_members[PUSH_MEMBERS - 1].offset + 3 * sizeof(float), sizeof(struct sbx_push));
}

static void test_push(void **state) {
	use_plain();
	check_push();
	use_color();
	check_push();
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nowhere_to_keep_it, setup, teardown),
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_push),
	};
	return vulkan_main("pipeline", tests, sizeof(tests) / sizeof(tests[0]));
}
