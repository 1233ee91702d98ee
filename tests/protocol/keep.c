#include <wayland-client-protocol.h>
#include <wlr/types/wlr_compositor.h>
#include "harness/protocol_lab.h"

struct family {
	struct test_window parent, child;
};

/* Both show 1. The child is synchronised. */
static void begin(struct protocol_lab *lab, struct family *family) {
	struct test_window *parent = &family->parent, *child = &family->child;
	test_window_open(lab->client, parent);
	test_signal(lab->client, &parent->acquire, 1);
	test_show(parent, 1, 1, 1);
	test_subsurface_open(parent, child);
	test_signal(lab->client, &child->acquire, 1);
	test_show(child, 1, 1, 1);
	test_commit(parent);
	assert_int_equal(test_window_content(parent), 1);
	assert_int_equal(test_window_content(child), 1);
}

static void end(struct protocol_lab *lab, struct family *family) {
	test_window_close(&family->child);
	test_window_close(&family->parent);
	protocol_lab_check(lab);
}

/* Not done until show_done(). */
static void show_held(struct test_window *window, int value) {
	test_show(window, value, (uint64_t)value, (uint64_t)value);
}

static void show_ready(struct protocol_lab *lab, struct test_window *window, int value) {
	test_signal(lab->client, &window->acquire, (uint64_t)value);
	test_show(window, value, (uint64_t)value, (uint64_t)value);
}

struct wanted {
	struct test_window *window;
	int width;
};

static bool shows_width(void *data) {
	const struct wanted *wanted = data;
	return test_window_content(wanted->window) == wanted->width;
}

static void show_done(struct protocol_lab *lab, struct test_window *window, int value) {
	test_signal(lab->client, &window->acquire, (uint64_t)value);
	struct wanted wanted = { window, value };
	assert_true(test_pump_until(lab->compositor, shows_width, &wanted));
}

static void expect(const struct family *family, int parent, int child) {
	struct family copy = *family;
	assert_int_equal(test_window_content(&copy.parent), parent);
	assert_int_equal(test_window_content(&copy.child), child);
}

/* The child's commit is ready and came after the parent's, which is not: it is the next one's. */
static void test_later_commit(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	expect(&family, 1, 1);
	show_done(lab, &family.parent, 2);
	expect(&family, 2, 1);
	test_commit(&family.parent);
	expect(&family, 2, 2);
	end(lab, &family);
}

/* The control: what came before is shown with it. */
static void test_earlier_commit(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_ready(lab, &family.child, 2);
	show_held(&family.parent, 2);
	expect(&family, 1, 1);
	show_done(lab, &family.parent, 2);
	expect(&family, 2, 2);
	end(lab, &family);
}

/* One before and one behind: here wlroots has locked the first, and would let both go. */
static void test_before_and_behind(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.child, 2);
	show_ready(lab, &family.parent, 2);
	expect(&family, 1, 1);
	struct test_timeline own = family.child.acquire;
	test_timeline_create(lab->client, &family.child.acquire);
	show_ready(lab, &family.child, 3);
	expect(&family, 1, 1);
	test_signal(lab->client, &own, 2);
	struct wanted wanted = { &family.parent, 2 };
	assert_true(test_pump_until(lab->compositor, shows_width, &wanted));
	expect(&family, 2, 2);
	test_commit(&family.parent);
	expect(&family, 2, 3);
	test_timeline_destroy(&own);
	end(lab, &family);
}

/* Two commits of the parent are held; each has its own of the child. */
static void test_one_each(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	show_held(&family.parent, 3);
	show_ready(lab, &family.child, 3);
	// The last before the next counts.
	show_ready(lab, &family.child, 4);
	show_held(&family.parent, 4);
	expect(&family, 1, 1);
	show_done(lab, &family.parent, 2);
	expect(&family, 2, 1);
	show_done(lab, &family.parent, 3);
	expect(&family, 3, 2);
	show_done(lab, &family.parent, 4);
	expect(&family, 4, 4);
	end(lab, &family);
}

/* The parent's second is ready first, and supersedes: both of the child's come with it, in order. */
static void test_superseded(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	struct test_timeline own = family.parent.acquire;
	test_timeline_create(lab->client, &family.parent.acquire);
	show_ready(lab, &family.parent, 3);
	expect(&family, 3, 2);
	show_ready(lab, &family.child, 3);
	expect(&family, 3, 2);
	test_commit(&family.parent);
	expect(&family, 3, 3);
	test_timeline_destroy(&own);
	end(lab, &family);
}

/* The child's later commit is not done either: its parent's next one waits for it. */
static void test_later_commit_held(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_held(&family.child, 2);
	show_done(lab, &family.parent, 2);
	expect(&family, 2, 1);
	show_ready(lab, &family.parent, 3);
	expect(&family, 2, 1);
	test_signal(lab->client, &family.child.acquire, 2);
	struct wanted wanted = { &family.parent, 3 };
	assert_true(test_pump_until(lab->compositor, shows_width, &wanted));
	expect(&family, 3, 2);
	end(lab, &family);
}

/* A child without points, which knows nothing of all this. */
static void test_shm_child(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	struct wl_surface *plain = wl_compositor_create_surface(lab->client->wl_compositor);
	struct test_window child = {
		.client = lab->client,
		.wl_surface = plain,
		.subsurface = wl_subcompositor_get_subsurface(lab->client->subcompositor, plain,
			family.parent.wl_surface),
	};
	struct wl_buffer *buffers[2];
	for (int i = 0; i < 2; i++) {
		buffers[i] = test_buffer_shm(lab->client, i + 1);
	}
	wl_surface_attach(plain, buffers[0], 0, 0);
	wl_surface_commit(plain);
	test_commit(&family.parent);
	assert_int_equal(test_window_content(&child), 1);
	show_held(&family.parent, 2);
	wl_surface_attach(plain, buffers[1], 0, 0);
	wl_surface_commit(plain);
	show_done(lab, &family.parent, 2);
	assert_int_equal(test_window_content(&child), 1);
	test_commit(&family.parent);
	assert_int_equal(test_window_content(&child), 2);
	for (int i = 0; i < 2; i++) {
		wl_buffer_destroy(buffers[i]);
	}
	test_window_close(&child);
	end(lab, &family);
}

/* It is on its own from here on: what was kept shows at once, or with what is applied next. */
static void test_desync(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	show_done(lab, &family.parent, 2);
	wl_subsurface_set_desync(family.child.subsurface);
	assert_true(test_client_roundtrip(lab->client));
	expect(&family, 2, 2);
	// While the parent's is held.
	wl_subsurface_set_sync(family.child.subsurface);
	show_held(&family.parent, 3);
	show_ready(lab, &family.child, 3);
	wl_subsurface_set_desync(family.child.subsurface);
	show_done(lab, &family.parent, 3);
	expect(&family, 3, 3);
	end(lab, &family);
}

static void test_grandchild(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	struct test_window grandchild;
	begin(lab, &family);
	test_subsurface_open(&family.child, &grandchild);
	show_ready(lab, &grandchild, 1);
	test_commit(&family.child);
	test_commit(&family.parent);
	assert_int_equal(test_window_content(&grandchild), 1);
	// The child's commit is cached for its parent: the grandchild's is not its, but the next one's.
	show_ready(lab, &family.child, 2);
	show_ready(lab, &grandchild, 2);
	test_commit(&family.parent);
	expect(&family, 1, 2);
	assert_int_equal(test_window_content(&grandchild), 1);
	test_commit(&family.child);
	test_commit(&family.parent);
	assert_int_equal(test_window_content(&grandchild), 2);
	test_window_close(&grandchild);
	end(lab, &family);
}

/* Ends. Nothing may be left locked, and everything is released (protocol_lab_check()). */

static void test_role_goes(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	wl_subsurface_destroy(family.child.subsurface);
	family.child.subsurface = NULL;
	assert_true(test_client_roundtrip(lab->client));
	assert_false(test_window_peer(&family.child)->mapped);
	assert_true(wl_list_empty(&test_window_peer(&family.child)->cached));
	show_done(lab, &family.parent, 2);
	assert_false(test_window_peer(&family.child)->mapped);
	end(lab, &family);
}

static void test_child_goes(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	test_window_close(&family.child);
	assert_true(test_client_roundtrip(lab->client));
	show_done(lab, &family.parent, 2);
	test_window_close(&family.parent);
	protocol_lab_check(lab);
}

static void test_parent_goes(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	test_window_close(&family.parent);
	assert_true(test_client_roundtrip(lab->client));
	assert_true(wl_list_empty(&test_window_peer(&family.child)->cached));
	test_window_close(&family.child);
	protocol_lab_check(lab);
}

static void test_client_goes(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	show_held(&family.parent, 3);
	show_held(&family.child, 3);
	wl_client_destroy(lab->client->peer);
	test_pump(lab->compositor);
	assert_int_equal(protocol_lab_stats(lab).held_commits, 0);
	end(lab, &family);
}

/* The parent unmaps while the child's commit is kept. */
static void test_parent_unmaps(void **state) {
	struct protocol_lab *lab = *state;
	struct family family;
	begin(lab, &family);
	show_held(&family.parent, 2);
	show_ready(lab, &family.child, 2);
	test_attach(&family.parent, NULL, 0, 0);
	test_commit(&family.parent);
	assert_int_equal(test_window_content(&family.parent), 0);
	// That was the next one.
	assert_int_equal(test_window_content(&family.child), 2);
	end(lab, &family);
}

#define CASES(KIND) \
	KIND("keep: a later commit", test_later_commit), \
	KIND("keep: an earlier commit", test_earlier_commit), \
	KIND("keep: before and behind", test_before_and_behind), \
	KIND("keep: one each", test_one_each), \
	KIND("keep: superseded", test_superseded), \
	KIND("keep: a later commit that is held", test_later_commit_held), \
	KIND("keep: a child without points", test_shm_child), \
	KIND("keep: desync", test_desync), \
	KIND("keep: a grandchild", test_grandchild), \
	KIND("keep: the role goes", test_role_goes), \
	KIND("keep: the child goes", test_child_goes), \
	KIND("keep: the parent goes", test_parent_goes), \
	KIND("keep: the client goes", test_client_goes), \
	KIND("keep: the parent unmaps", test_parent_unmaps)

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = { CASES(PROTOCOL_FAKE) };
	const struct CMUnitTest lab[] = { CASES(PROTOCOL_LAB) };
	return suite_run(argc, argv, "protocol/keep", host, SUITE_COUNT(host), lab, SUITE_COUNT(lab));
}
