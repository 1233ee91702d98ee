#include "backend/redraw.h"
#include "backend/screen.h"

static void test_all_of_it(void **state) {
	struct screen screen;
	screen_init(&screen, *state, NULL);
	struct rig_ear ear;
	rig_listen(&ear, &screen.wlr);
	sbx_redraw(&screen.wlr);
	assert_int_equal(ear.damages, 1);
	screen_pass_ms(&screen, 1);
	assert_int_equal(ear.frames, 1);
	screen_finish(&screen);
}

static const struct CMUnitTest host[] = {
	{ "redraw: damage, and a frame event", test_all_of_it, rig_setup, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/redraw", host, SUITE_COUNT(host), NULL, 0);
}
