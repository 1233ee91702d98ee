#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include "backend/timer.h"
#include "sync/fd.h"

#define SECOND_NS INT64_C(1000000000)

static void set_timerfd(struct sbx_timer *timer) {
	struct itimerspec due = {
		.it_value = { .tv_sec = timer->due_ns / SECOND_NS, .tv_nsec = timer->due_ns % SECOND_NS },
	};
	timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &due, NULL);
}

static void (*set_timer)(struct sbx_timer *timer) = set_timerfd;

void sbx_timer_use(void (*set)(struct sbx_timer *timer)) {
	set_timer = set != NULL ? set : set_timerfd;
}

static int handle_readable(int fd, uint32_t mask, void *data) {
	struct sbx_timer *timer = data;
	uint64_t expirations;
	// Armed anew since it became readable: nothing to read, and not due.
	if (read(fd, &expirations, sizeof(expirations)) == sizeof(expirations)) {
		sbx_timer_fire(timer);
	}
	return 0;
}

int sbx_timer_init(struct sbx_timer *timer, struct wl_event_loop *loop, void (*func)(void *data),
		void *data) {
	*timer = (struct sbx_timer){ .func = func, .data = data };
	timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer->fd < 0) {
		return -errno;
	}
	timer->source = wl_event_loop_add_fd(loop, timer->fd, WL_EVENT_READABLE, handle_readable, timer);
	if (timer->source == NULL) {
		sbx_fd_close(&timer->fd);
		return -ENOMEM;
	}
	return 0;
}

void sbx_timer_finish(struct sbx_timer *timer) {
	if (timer->source != NULL) {
		sbx_timer_arm(timer, 0);
		wl_event_source_remove(timer->source);
		sbx_fd_close(&timer->fd);
		timer->source = NULL;
	}
}

void sbx_timer_arm(struct sbx_timer *timer, int64_t due_ns) {
	if (timer->due_ns != due_ns) {
		timer->due_ns = due_ns;
		set_timer(timer);
	}
}

void sbx_timer_fire(struct sbx_timer *timer) {
	timer->due_ns = 0;
	timer->func(timer->data);
}
