#include <pixman.h>
#include <wlr/interfaces/wlr_output.h>
#include "loan/redraw.h"

void sbx_redraw(struct wlr_output *output) {
	pixman_region32_t whole;
	pixman_region32_init_rect(&whole, 0, 0, (unsigned)output->width, (unsigned)output->height);
	struct wlr_output_event_damage event = { .output = output, .damage = &whole };
	wl_signal_emit_mutable(&output->events.damage, &event);
	pixman_region32_fini(&whole);
	wlr_output_schedule_frame(output);
}
