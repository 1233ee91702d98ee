#include <wayland-server-core.h>
#include "harness/output.h"
#include "harness/suite.h"
#include "loan/redraw.h"
#include "loan/screen.h"

struct ear {
	unsigned damages, frames;
	pixman_box32_t extents;
	struct wl_listener damage, frame;
};

static void handle_damage(struct wl_listener *listener, void *data) {
	struct ear *ear = wl_container_of(listener, ear, damage);
	const struct wlr_output_event_damage *event = data;
	ear->damages++;
	ear->extents = *pixman_region32_extents(event->damage);
}

static void handle_frame(struct wl_listener *listener, void *data) {
	struct ear *ear = wl_container_of(listener, ear, frame);
	ear->frames++;
}

static void listen(struct ear *ear, struct test_output *output) {
	*ear = (struct ear){ .damage.notify = handle_damage, .frame.notify = handle_frame };
	wl_signal_add(&output->base.events.damage, &ear->damage);
	wl_signal_add(&output->base.events.frame, &ear->frame);
}

static void finish(struct ear *ear) {
	wl_list_remove(&ear->damage.link);
	wl_list_remove(&ear->frame.link);
}

static void test_all_of_it(void **state) {
	struct wl_event_loop *loop = wl_event_loop_create();
	struct test_output output;
	struct ear ear;
	test_output_create(&output, loop, 60000);
	output.base.width = 64;
	output.base.height = 48;
	listen(&ear, &output);
	sbx_redraw(&output.base);
	assert_int_equal(ear.damages, 1);
	assert_int_equal(ear.extents.x2, 64);
	assert_int_equal(ear.extents.y2, 48);
	wl_event_loop_dispatch_idle(loop);
	assert_int_equal(ear.frames, 1);
	finish(&ear);
	test_output_destroy(&output);
	wl_event_loop_destroy(loop);
}

static void test_each_that_is_watched(void **state) {
	struct wl_event_loop *loop = wl_event_loop_create();
	struct test_output outputs[3];
	struct ear ears[3];
	for (int i = 0; i < 3; i++) {
		test_output_create(&outputs[i], loop, 60000);
		listen(&ears[i], &outputs[i]);
	}
	sbx_screen_watch(&outputs[0].base);
	sbx_screen_watch(&outputs[2].base);
	sbx_screens_redraw();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ears[i].damages, i != 1);
		finish(&ears[i]);
		test_output_destroy(&outputs[i]);
	}
	sbx_screens_redraw();
	wl_event_loop_destroy(loop);
}

static const struct CMUnitTest host[] = {
	{ "redraw: damage, and a frame event", test_all_of_it, NULL, NULL, NULL },
	{ "redraw: each output that is watched", test_each_that_is_watched, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "loan/redraw", host, SUITE_COUNT(host), NULL, 0);
}
