/**
 * A timer on an event loop that knows nanoseconds: wl_event_source_timer_update() counts milliseconds
 * from now, which is too coarse for 144 Hz and drifts.
 *
 * The event loop's thread only.
 */
#ifndef SBX_BACKEND_TIMER_H
#define SBX_BACKEND_TIMER_H

#include <stdint.h>

struct wl_event_loop;
struct wl_event_source;

struct sbx_timer {
	int fd;
	struct wl_event_source *source;
	/** When it fires; 0: it does not. */
	int64_t due_ns;
	void (*func)(void *data);
	void *data;
};

/** Not armed. `func` may do anything, even finish the timer. 0 or -errno (-EMFILE, -ENOMEM). */
int sbx_timer_init(struct sbx_timer *timer, struct wl_event_loop *loop, void (*func)(void *data),
	void *data);

/** A timer that is all zero is allowed. */
void sbx_timer_finish(struct sbx_timer *timer);

/**
 * Fire once, at due_ns (CLOCK_MONOTONIC; a time that is over: in the next dispatch), in place of what was
 * asked for before. 0: not at all.
 */
void sbx_timer_arm(struct sbx_timer *timer, int64_t due_ns);

/** For sbx_timer itself, and for tests that are the clock: it is due. */
void sbx_timer_fire(struct sbx_timer *timer);

/** For tests: called for each change of due_ns in place of the kernel's timer; NULL: the kernel's. */
void sbx_timer_use(void (*set)(struct sbx_timer *timer));

#endif
