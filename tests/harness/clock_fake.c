#include <wayland-server-core.h>
#include "backend/timer.h"
#include "harness/clock_fake.h"
#include "harness/kernel_fake.h"
#include "harness/suite.h"

enum { MAX_TIMERS = 16 };

static struct sbx_timer *timers[MAX_TIMERS];

static void forget(const struct sbx_timer *timer) {
	for (int i = 0; i < MAX_TIMERS; i++) {
		if (timers[i] == timer) {
			timers[i] = NULL;
		}
	}
}

static void set(struct sbx_timer *timer) {
	forget(timer);
	int place = 0;
	while (timer->due_ns != 0 && timers[place] != NULL) {
		place++;
		assert_true(place < MAX_TIMERS);
	}
	if (timer->due_ns != 0) {
		timers[place] = timer;
	}
}

static struct sbx_timer *earliest(int64_t until_ns) {
	int found = -1;
	for (int i = 0; i < MAX_TIMERS; i++) {
		if (timers[i] != NULL && timers[i]->due_ns <= until_ns &&
				(found < 0 || timers[i]->due_ns < timers[found]->due_ns)) {
			found = i;
		}
	}
	return found >= 0 ? timers[found] : NULL;
}

void clock_fake_install(int64_t now_ns) {
	kernel_fake.now_ns = now_ns;
	sbx_timer_use(set);
}

void clock_fake_remove(void) {
	kernel_fake.now_ns = 0;
	sbx_timer_use(NULL);
	for (int i = 0; i < MAX_TIMERS; i++) {
		timers[i] = NULL;
	}
}

int64_t clock_fake_now(void) {
	return kernel_fake.now_ns;
}

int64_t clock_fake_next(void) {
	struct sbx_timer *timer = earliest(INT64_MAX);
	return timer != NULL ? timer->due_ns : 0;
}

static void dispatch(struct wl_event_loop *loop) {
	for (int i = 0; i < 3; i++) {
		wl_event_loop_dispatch(loop, 0);
	}
}

void clock_fake_advance(struct wl_event_loop *loop, int64_t until_ns) {
	struct sbx_timer *timer;
	dispatch(loop);
	while ((timer = earliest(until_ns)) != NULL) {
		if (timer->due_ns > kernel_fake.now_ns) {
			kernel_fake.now_ns = timer->due_ns;
		}
		forget(timer);
		sbx_timer_fire(timer);
		dispatch(loop);
	}
	kernel_fake.now_ns = until_ns;
}

void clock_fake_stall(struct wl_event_loop *loop, int64_t until_ns) {
	kernel_fake.now_ns = until_ns;
	clock_fake_advance(loop, until_ns);
}
