#include "backend/plane.h"
#include "backend/rig.h"

enum { BUFFERS = 6 };

static struct rig_buffer buffers[BUFFERS];

static int setup(void **state) {
	int ret = rig_setup(state);
	for (int i = 0; i < BUFFERS; i++) {
		rig_buffer_init(&buffers[i], 4, 4);
	}
	return ret;
}

static int teardown(void **state) {
	for (int i = 0; i < BUFFERS; i++) {
		rig_buffer_finish(&buffers[i]);
	}
	return rig_teardown(state);
}

static void expect_locked(const char *names) {
	for (int i = 0; i < BUFFERS; i++) {
		bool expected = false;
		for (const char *name = names; *name != '\0'; name++) {
			expected |= *name == 'A' + i;
		}
		assert_int_equal(buffers[i].base.n_locks > 0, expected);
	}
}

/* "A5" commits buffer A as commit 5, "-6" a frame of ours, "p7" presents 7, "x" clears; then who is locked. */
struct step {
	char what;
	uint32_t seq;
	const char *locked;
};

static void play(struct sbx_plane *plane, const struct step *steps, size_t n) {
	for (size_t i = 0; i < n; i++) {
		switch (steps[i].what) {
		case 'p':
			sbx_plane_present(plane, steps[i].seq);
			break;
		case 'x':
			sbx_plane_clear(plane);
			break;
		case '-':
			sbx_plane_commit(plane, NULL, steps[i].seq);
			break;
		default:
			sbx_plane_commit(plane, &buffers[steps[i].what - 'A'].base, steps[i].seq);
		}
		expect_locked(steps[i].locked);
	}
}

#define PLAY(plane, ...) do { \
	const struct step steps[] = { __VA_ARGS__ }; \
	play(plane, steps, sizeof(steps) / sizeof(steps[0])); \
} while (0)

static void test_until_the_flip(void **state) {
	struct sbx_plane plane = { 0 };
	PLAY(&plane, { 'A', 5, "A" }, { 'p', 5, "A" }, { 'B', 7, "AB" }, { 'p', 6, "AB" }, { 'p', 7, "B" },
		{ '-', 8, "B" }, { 'p', 8, "" }, { 'C', 9, "C" }, { 'p', 9, "C" });
	assert_int_equal(sbx_plane_count(&plane), 1);
	sbx_plane_finish(&plane);
	expect_locked("");
}

/* A commit that never got a flip of its own is over with the next one's. */
static void test_overtaken(void **state) {
	struct sbx_plane plane = { 0 };
	PLAY(&plane, { 'A', 1, "A" }, { 'p', 1, "A" }, { 'B', 2, "AB" }, { 'C', 3, "ABC" }, { 'p', 3, "C" });
	sbx_plane_finish(&plane);
}

static void test_same_again(void **state) {
	struct sbx_plane plane = { 0 };
	PLAY(&plane, { 'A', 1, "A" }, { 'p', 1, "A" }, { 'A', 2, "A" }, { 'p', 2, "A" }, { 'B', 3, "AB" },
		{ 'p', 3, "B" });
	assert_int_equal(buffers[0].releases, 1);
	sbx_plane_finish(&plane);
}

static void test_extra_flip(void **state) {
	struct sbx_plane plane = { .extra_flips = 1 };
	PLAY(&plane, { 'A', 1, "A" }, { 'p', 1, "A" }, { 'B', 2, "AB" }, { 'p', 2, "AB" }, { 'C', 3, "ABC" },
		{ 'p', 3, "BC" }, { '-', 4, "BC" }, { 'p', 4, "C" }, { '-', 5, "C" }, { 'p', 5, "" });
	sbx_plane_finish(&plane);
}

static void test_off(void **state) {
	struct sbx_plane plane = { .extra_flips = 1 };
	PLAY(&plane, { 'A', 1, "A" }, { 'p', 1, "A" }, { 'B', 2, "AB" }, { 'x', 0, "" }, { 'C', 4, "C" },
		{ 'p', 4, "C" });
	sbx_plane_finish(&plane);
	expect_locked("");
}

/* Commit numbers may overflow. */
static void test_overflow(void **state) {
	struct sbx_plane plane = { 0 };
	PLAY(&plane, { 'A', UINT32_MAX, "A" }, { 'p', UINT32_MAX, "A" }, { 'B', 0, "AB" },
		{ 'p', UINT32_MAX, "AB" }, { 'p', 0, "B" });
	sbx_plane_finish(&plane);
}

static void test_many(void **state) {
	struct sbx_plane plane = { 0 };
	for (uint32_t i = 0; i < 100; i++) {
		sbx_plane_commit(&plane, &buffers[i % 3].base, i);
	}
	assert_int_equal(sbx_plane_count(&plane), 100);
	sbx_plane_present(&plane, 98);
	assert_int_equal(sbx_plane_count(&plane), 2);
	sbx_plane_finish(&plane);
	expect_locked("");
}

#define FAKE(name, function) { "plane: " name, function, setup, teardown, NULL }

static const struct CMUnitTest host[] = {
	FAKE("a buffer is read until the flip that replaces it", test_until_the_flip),
	FAKE("a commit that was overtaken", test_overtaken),
	FAKE("the same buffer again", test_same_again),
	FAKE("a driver that needs one flip more", test_extra_flip),
	FAKE("switched off", test_off),
	FAKE("numbers overflow", test_overflow),
	FAKE("many", test_many),
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/plane", host, SUITE_COUNT(host), NULL, 0);
}
