/**
 * The clock, moved by the test: what sbx_kernel_now_ns() says and when the timers of backend/timer.h fire.
 * kernel_fake must be installed.
 */
#ifndef HARNESS_CLOCK_FAKE_H
#define HARNESS_CLOCK_FAKE_H

#include <stdint.h>

struct wl_event_loop;

/** It is now_ns, and stands still. */
void clock_fake_install(int64_t now_ns);
void clock_fake_remove(void);

int64_t clock_fake_now(void);

/**
 * Let time pass until then: timers fire when they are due, one after the other, and `loop` is dispatched
 * before and after each.
 */
void clock_fake_advance(struct wl_event_loop *loop, int64_t until_ns);

/** The same, but the loop is busy meanwhile: all that was due is late, and handled at until_ns. */
void clock_fake_stall(struct wl_event_loop *loop, int64_t until_ns);

/** When the next timer is due; 0: none is armed. */
int64_t clock_fake_next(void);

#endif
