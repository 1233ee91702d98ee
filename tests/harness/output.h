/**
 * An output whose vblanks the test makes: it shows nothing, and nothing happens on it by itself.
 */
#ifndef HARNESS_OUTPUT_H
#define HARNESS_OUTPUT_H

#include <stdint.h>
#include <wlr/interfaces/wlr_output.h>
#include <wlr/types/wlr_output.h>

struct wlr_buffer;

struct test_output {
	struct wlr_output base;
};

/** Switched on; refresh_mhz may be 0. */
void test_output_create(struct test_output *output, struct wl_event_loop *loop, int32_t refresh_mhz);
void test_output_destroy(struct test_output *output);

/** A frame was presented at when_ns, by a vblank; the next comes refresh_ns (0: unknown) later. */
void test_output_present(struct test_output *output, int64_t when_ns, int refresh_ns);
/** The same without a vblank (tearing, or no display). */
void test_output_present_unsynced(struct test_output *output, int64_t when_ns, int refresh_ns);

/** The frame event. */
void test_output_frame(struct test_output *output);

/** `buffer` has been committed: it is on its way until the next frame event. */
void test_output_show(struct test_output *output, struct wlr_buffer *buffer);

#endif
