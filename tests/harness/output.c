#include "harness/output.h"

static void handle_destroy(struct wlr_output *output) {
	wlr_output_finish(output);
}

static bool handle_commit(struct wlr_output *output, const struct wlr_output_state *state) {
	return true;
}

static const struct wlr_output_impl impl = {
	.destroy = handle_destroy,
	.commit = handle_commit,
};

void test_output_create(struct test_output *output, struct wl_event_loop *loop, int32_t refresh_mhz) {
	wlr_output_init(&output->base, NULL, &impl, loop, NULL);
	wlr_output_set_name(&output->base, "test");
	output->base.enabled = true;
	output->base.refresh = refresh_mhz;
	output->base.width = output->base.height = 16;
}

void test_output_destroy(struct test_output *output) {
	wlr_output_destroy(&output->base);
}

static void present(struct test_output *output, int64_t when_ns, int refresh_ns, uint32_t flags) {
	struct wlr_output_event_present event = {
		.presented = true,
		.when = { .tv_sec = when_ns / 1000000000, .tv_nsec = when_ns % 1000000000 },
		.refresh = refresh_ns,
		.flags = flags,
	};
	wlr_output_send_present(&output->base, &event);
}

void test_output_present(struct test_output *output, int64_t when_ns, int refresh_ns) {
	present(output, when_ns, refresh_ns, WLR_OUTPUT_PRESENT_VSYNC);
}

void test_output_present_unsynced(struct test_output *output, int64_t when_ns, int refresh_ns) {
	present(output, when_ns, refresh_ns, 0);
}

void test_output_frame(struct test_output *output) {
	wlr_output_send_frame(&output->base);
}

void test_output_show(struct test_output *output, struct wlr_buffer *buffer) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_buffer(&state, buffer);
	struct wlr_output_event_commit event = { .output = &output->base, .state = &state };
	output->base.frame_pending = true;
	wl_signal_emit_mutable(&output->base.events.commit, &event);
	wlr_output_state_finish(&state);
}
