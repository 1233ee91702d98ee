#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "render/partition.h"

/*
 * The partition against brute force: every pixel of a small grid is asked which operations show there.
 */

#define MAX_OPS 40
#define MAX_BOXES 4
#define MAX_GRID 64

struct case_ops {
	int width, height;
	size_t n_ops;
	struct sbx_partition_op ops[MAX_OPS];
	pixman_box32_t boxes[MAX_OPS][MAX_BOXES];
};

static uint32_t random_below(uint64_t *state, uint32_t n) {
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((*state >> 33) % n);
}

static pixman_box32_t random_box(uint64_t *state, int width, int height) {
	int x1 = (int)random_below(state, (uint32_t)width);
	int y1 = (int)random_below(state, (uint32_t)height);
	return (pixman_box32_t){ x1, y1,
		x1 + 1 + (int)random_below(state, (uint32_t)(width - x1)),
		y1 + 1 + (int)random_below(state, (uint32_t)(height - y1)) };
}

/** Horizontal bands of one box, as the rectangles of a region are. */
static int random_bands(uint64_t *state, int width, int height, pixman_box32_t *boxes) {
	pixman_box32_t whole = random_box(state, width, height);
	int n = 0, y = whole.y1;
	while (n < MAX_BOXES && y < whole.y2) {
		int h = 1 + (int)random_below(state, (uint32_t)(whole.y2 - y));
		int x1 = whole.x1 + (int)random_below(state, (uint32_t)(whole.x2 - whole.x1));
		boxes[n++] = (pixman_box32_t){ x1, y,
			x1 + 1 + (int)random_below(state, (uint32_t)(whole.x2 - x1)), y + h };
		y += h + (int)random_below(state, 2);
	}
	return n;
}

static void make_case(struct case_ops *c, uint64_t seed) {
	uint64_t state = seed * 2654435761u + 1;
	c->width = 1 + (int)random_below(&state, MAX_GRID);
	c->height = 1 + (int)random_below(&state, MAX_GRID);
	c->n_ops = random_below(&state, seed % 8 == 0 ? MAX_OPS : 10);
	uint32_t opaque_of_8 = random_below(&state, 9);
	for (size_t i = 0; i < c->n_ops; i++) {
		c->boxes[i][0] = random_box(&state, c->width, c->height);
		c->ops[i] = (struct sbx_partition_op){
			.boxes = c->boxes[i],
			.n_boxes = random_below(&state, 8) == 0 ? 0 : 1,
			.opaque = random_below(&state, 8) < opaque_of_8,
		};
		if (random_below(&state, 3) == 0) {
			c->ops[i].n_boxes = random_bands(&state, c->width, c->height, c->boxes[i]);
		}
	}
}

static bool covers(const struct sbx_partition_op *op, int x, int y) {
	for (int i = 0; i < op->n_boxes; i++) {
		const pixman_box32_t *box = &op->boxes[i];
		if (x >= box->x1 && x < box->x2 && y >= box->y1 && y < box->y2) {
			return true;
		}
	}
	return false;
}

/** What shows at x,y, bottom first; *over_target: and the target below that. */
static size_t brute_force(const struct sbx_partition_op *ops, size_t n_ops, int x, int y,
		uint32_t *stack, bool *over_target) {
	size_t n = 0;
	*over_target = true;
	for (size_t i = 0; i < n_ops; i++) {
		if (!covers(&ops[i], x, y)) {
			continue;
		}
		if (ops[i].opaque) {
			n = 0;
			*over_target = false;
		}
		stack[n++] = (uint32_t)i;
	}
	return n;
}

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			snprintf(why, 128, "%s at %d,%d", #condition, x, y); \
			return false; \
		} \
	} while (0)

static bool check_pixel(const struct sbx_partition *p, const struct sbx_part *part,
		const struct case_ops *c, int x, int y, char *why) {
	uint32_t stack[MAX_OPS];
	bool over_target;
	size_t n = brute_force(c->ops, c->n_ops, x, y, stack, &over_target);
	CHECK((n > 0) == (part != NULL));
	if (part == NULL) {
		return true;
	}
	CHECK(part->n_layers == n);
	CHECK(part->over_target == over_target);
	CHECK(part->first_layer + n <= p->n_layers);
	CHECK(memcmp(&p->layers[part->first_layer], stack, n * sizeof(stack[0])) == 0);
	return true;
}

static bool check_case(const struct sbx_partition *p, const struct case_ops *c, char *why) {
	static const struct sbx_part *owner[MAX_GRID][MAX_GRID];
	memset(owner, 0, sizeof(owner));
	for (size_t i = 0; i < p->n_parts; i++) {
		const struct sbx_part *part = &p->parts[i];
		int x = part->x1, y = part->y1;
		CHECK(x >= 0 && y >= 0 && x < part->x2 && y < part->y2);
		CHECK(part->x2 <= c->width && part->y2 <= c->height);
		for (y = part->y1; y < part->y2; y++) {
			for (x = part->x1; x < part->x2; x++) {
				CHECK(owner[y][x] == NULL);
				owner[y][x] = part;
			}
		}
	}
	for (int y = 0; y < c->height; y++) {
		for (int x = 0; x < c->width; x++) {
			if (!check_pixel(p, owner[y][x], c, x, y, why)) {
				return false;
			}
		}
	}
	return true;
}

static void test_random(void **data) {
	struct sbx_partition p;
	sbx_partition_init(&p);
	for (uint64_t seed = 1; seed <= 6000; seed++) {
		struct case_ops c;
		char why[128] = "";
		make_case(&c, seed);
		assert_int_equal(sbx_partition_build(&p, c.ops, c.n_ops), c.n_ops);
		if (!check_case(&p, &c, why)) {
			fail_msg("seed %llu: %s", (unsigned long long)seed, why);
		}
	}
	sbx_partition_finish(&p);
}

/** The check must notice each kind of mistake. */
static void test_check_notices(void **data) {
	struct case_ops c = { .width = 20, .height = 20, .n_ops = 3 };
	c.boxes[0][0] = (pixman_box32_t){ 0, 0, 20, 20 };
	c.boxes[1][0] = (pixman_box32_t){ 5, 5, 15, 15 };
	c.boxes[2][0] = (pixman_box32_t){ 10, 10, 20, 20 };
	for (int i = 0; i < 3; i++) {
		c.ops[i] = (struct sbx_partition_op){ c.boxes[i], 1, false };
	}
	struct sbx_partition p;
	sbx_partition_init(&p);
	char why[128];
	assert_int_equal(sbx_partition_build(&p, c.ops, 3), 3);
	assert_true(check_case(&p, &c, why));
	p.parts[0].x2--;
	assert_false(check_case(&p, &c, why));
	p.parts[0].x2 += 2;
	assert_false(check_case(&p, &c, why));
	p.parts[0].x2--;
	p.n_parts--;
	assert_false(check_case(&p, &c, why));
	p.n_parts++;
	c.ops[1].opaque = true;
	assert_false(check_case(&p, &c, why));
	c.ops[1].opaque = false;
	p.parts[0].over_target = false;
	assert_false(check_case(&p, &c, why));
	p.parts[0].over_target = true;
	p.layers[p.n_layers - 1] ^= 1;
	assert_false(check_case(&p, &c, why));
	sbx_partition_finish(&p);
}

static void test_nothing(void **data) {
	struct sbx_partition p;
	sbx_partition_init(&p);
	assert_int_equal(sbx_partition_build(&p, NULL, 0), 0);
	assert_int_equal(p.n_parts, 0);
	pixman_box32_t empty[] = { { 5, 5, 5, 9 }, { 5, 5, 9, 5 }, { 9, 9, 3, 3 } };
	struct sbx_partition_op ops[] = { { empty, 3, true }, { NULL, 0, false }, { NULL, -1, false } };
	assert_int_equal(sbx_partition_build(&p, ops, 3), 3);
	assert_int_equal(p.n_parts, 0);
	sbx_partition_finish(&p);
	sbx_partition_finish(&p);
}

static void test_extreme_coordinates(void **data) {
	struct sbx_partition p;
	sbx_partition_init(&p);
	pixman_box32_t all = { INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX };
	pixman_box32_t some = { -5, -5, 5, 5 };
	struct sbx_partition_op ops[] = { { &all, 1, true }, { &some, 1, false } };
	assert_int_equal(sbx_partition_build(&p, ops, 2), 2);
	assert_int_equal(p.n_parts, 5);
	sbx_partition_finish(&p);
}

/** Columns of windows that share a row stay one part each; what is under a window costs nothing. */
static void test_disjoint(void **data) {
	enum { SIDE = 32 };
	static pixman_box32_t boxes[SIDE * SIDE + 1];
	static struct sbx_partition_op ops[SIDE * SIDE + 1];
	size_t n = 0;
	for (int y = 0; y < SIDE; y++) {
		for (int x = 0; x < SIDE; x++) {
			boxes[n] = (pixman_box32_t){ x * 50, y * 40, x * 50 + 40, y * 40 + 30 };
			ops[n] = (struct sbx_partition_op){ &boxes[n], 1, n % 2 == 0 };
			n++;
		}
	}
	struct sbx_partition p;
	sbx_partition_init(&p);
	assert_int_equal(sbx_partition_build(&p, ops, n), n);
	assert_int_equal(p.n_parts, n);
	assert_int_equal(p.n_layers, n);

	boxes[n] = (pixman_box32_t){ -10, -10, 2000, 2000 };
	ops[n] = (struct sbx_partition_op){ &boxes[n], 1, true };
	assert_int_equal(sbx_partition_build(&p, ops, n + 1), n + 1);
	assert_int_equal(p.n_parts, 1);
	assert_int_equal(p.n_layers, 1);
	assert_int_equal(p.layers[0], n);
	sbx_partition_finish(&p);
}

/** A desktop: what is hidden leaves no trace in the parts around it. */
static void test_hidden_edges(void **data) {
	pixman_box32_t boxes[] = {
		{ 0, 0, 100, 100 }, /* background */
		{ 30, 30, 50, 50 }, /* a window hidden by the next */
		{ 20, 20, 60, 60 },
	};
	struct sbx_partition_op ops[] = {
		{ &boxes[0], 1, true }, { &boxes[1], 1, false }, { &boxes[2], 1, true },
	};
	struct sbx_partition p;
	sbx_partition_init(&p);
	assert_int_equal(sbx_partition_build(&p, ops, 3), 3);
	assert_int_equal(p.n_parts, 5);
	sbx_partition_finish(&p);
}

static int64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static size_t random_windows(size_t n, int opaque, pixman_box32_t *boxes,
		struct sbx_partition_op *ops, uint64_t seed) {
	uint64_t state = seed;
	for (size_t i = 0; i < n; i++) {
		int x = (int)random_below(&state, 1280), y = (int)random_below(&state, 720);
		boxes[i] = (pixman_box32_t){ x, y, x + 16 + (int)random_below(&state, 640),
			y + 16 + (int)random_below(&state, 360) };
		ops[i] = (struct sbx_partition_op){ &boxes[i], 1,
			(int)random_below(&state, 100) < opaque };
	}
	return n;
}

/** However tangled: bounds kept, progress made, and not for ever. */
static void test_tangles(void **data) {
	enum { MANY = 10000 };
	pixman_box32_t *boxes = calloc(MANY, sizeof(*boxes));
	struct sbx_partition_op *ops = calloc(MANY, sizeof(*ops));
	struct sbx_partition p;
	sbx_partition_init(&p);
	for (int opaque = 0; opaque <= 100; opaque += 25) {
		random_windows(MANY, opaque, boxes, ops, 42);
		int64_t start = now_ns();
		int64_t covered = sbx_partition_build(&p, ops, MANY);
		assert_int_in_range(covered, 1, MANY);
		assert_true(p.n_parts <= SBX_PARTITION_MAX_PARTS);
		assert_true(p.n_layers <= SBX_PARTITION_MAX_LAYERS);
		print_message("10000 windows, %d %% opaque: %d covered, %zu parts, %zu layers, %.2f ms\n",
			opaque, (int)covered, p.n_parts, p.n_layers, (double)(now_ns() - start) / 1e6);
	}
	for (int i = 0; i < MANY; i++) {
		boxes[i] = (pixman_box32_t){ i, i, 2 * MANY - i, 2 * MANY - i };
		ops[i].opaque = false;
	}
	assert_int_in_range(sbx_partition_build(&p, ops, MANY), 1, MANY);
	for (int i = 0; i < MANY; i++) {
		boxes[i] = (pixman_box32_t){ i, 0, i + 1, 1 };
	}
	assert_int_equal(sbx_partition_build(&p, ops, MANY), MANY);
	sbx_partition_finish(&p);
	free(boxes);
	free(ops);
}

/** One operation is always covered, however many boxes its clip has. */
static void test_one_huge_clip(void **data) {
	enum { SIDE = 200 };
	pixman_box32_t *boxes = calloc(SIDE * SIDE, sizeof(*boxes));
	for (int i = 0; i < SIDE * SIDE; i++) {
		int x = 2 * (i % SIDE), y = 2 * (i / SIDE);
		boxes[i] = (pixman_box32_t){ x, y, x + 1, y + 1 };
	}
	struct sbx_partition_op ops[] = {
		{ boxes, SIDE * SIDE, true }, { boxes, SIDE * SIDE, false },
	};
	struct sbx_partition p;
	sbx_partition_init(&p);
	assert_int_equal(sbx_partition_build(&p, ops, 2), 1);
	assert_int_equal(p.n_parts, SIDE * SIDE);
	sbx_partition_finish(&p);
	free(boxes);
}

static void time_windows(const char *name, struct sbx_partition *p,
		const struct sbx_partition_op *ops, size_t n) {
	int64_t best = INT64_MAX;
	for (int i = 0; i < 20; i++) {
		int64_t start = now_ns();
		sbx_partition_build(p, ops, n);
		int64_t took = now_ns() - start;
		best = took < best ? took : best;
	}
	print_message("%-32s %5zu parts %6zu layers %8.1f us\n", name, p->n_parts, p->n_layers,
		(double)best / 1e3);
}

/** No target: numbers for whoever reads the log. In steady state nothing is allocated. */
static void test_cost(void **data) {
	static pixman_box32_t boxes[1000];
	static struct sbx_partition_op ops[1000];
	struct sbx_partition p;
	sbx_partition_init(&p);
	for (int i = 0; i < 1000; i++) {
		int x = i % 32 * 40, y = i / 32 * 22;
		boxes[i] = (pixman_box32_t){ x, y, x + 36, y + 20 };
		ops[i] = (struct sbx_partition_op){ &boxes[i], 1, i % 2 == 0 };
	}
	time_windows("100 in a grid", &p, ops, 100);
	time_windows("1000 in a grid", &p, ops, 1000);
	random_windows(1000, 50, boxes, ops, 7);
	time_windows("10 windows, half opaque", &p, ops, 10);
	time_windows("100 windows, half opaque", &p, ops, 100);
	time_windows("1000 windows, half opaque", &p, ops, 1000);
	random_windows(100, 0, boxes, ops, 7);
	time_windows("30 translucent windows", &p, ops, 30);
	time_windows("100 translucent windows", &p, ops, 100);
	struct sbx_part *parts = p.parts;
	uint32_t *layers = p.layers;
	time_windows("again", &p, ops, 100);
	assert_ptr_equal(parts, p.parts);
	assert_ptr_equal(layers, p.layers);
	sbx_partition_finish(&p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_check_notices),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_extreme_coordinates),
		cmocka_unit_test(test_disjoint),
		cmocka_unit_test(test_hidden_edges),
		cmocka_unit_test(test_tangles),
		cmocka_unit_test(test_one_huge_clip),
		cmocka_unit_test(test_cost),
	};
	return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
