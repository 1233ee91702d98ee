#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <wayland-server-core.h>
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/syncobj_priv.h"
#include "sync/waiter.h"

/**
 * An eventfd in the event loop. There is at most one registration of the kernel's for it, so that when
 * it fires there is no question for whom, and then there is none.
 */
struct slot {
	struct sbx_waiter_pool *pool;
	struct wl_list link; // one of the pool's lists: idle, armed, parked
	struct sbx_wait *wait; // while armed
	struct wl_event_source *source;
	int fd;
	bool registered; // with the kernel, which has not fired it
};

struct sbx_wait {
	struct sbx_waiter_pool *pool;
	struct wl_list link; // armed (with a slot), polled, or done: about to be called
	struct slot *slot;
	struct sbx_point point;
	enum sbx_wait_for wait_for;
	sbx_wait_func func;
	void *data;
	int status;
	bool calling;
};

/** Waits are in exactly one of `armed`, `polled` and `done`; slots in `idle`, `in_use` and `parked`. */
struct sbx_waiter_pool {
	struct sbx_sync *sync;
	struct wl_event_loop *loop;
	struct wl_event_source *timer;
	struct wl_list armed, polled, done;
	struct wl_list idle, in_use, parked;
	size_t abandoned;
	int interval_ms;
	/** The pool's owner, and everyone who is in the middle of calling back. */
	int references;
	bool destroyed;
};

/* The event loop watches a duplicate of its own. */
enum { FDS_PER_SLOT = 2 };

static void slot_set_registered(struct slot *slot, bool registered) {
	sbx_count(SBX_COUNT_REGISTERED, registered - slot->registered);
	slot->registered = registered;
}

static void slot_destroy(struct slot *slot) {
	slot_set_registered(slot, false);
	wl_list_remove(&slot->link);
	if (slot->source != NULL) {
		wl_event_source_remove(slot->source);
		sbx_count(SBX_COUNT_FDS, -FDS_PER_SLOT);
	}
	sbx_fd_close(&slot->fd);
	free(slot);
}

static void slot_move(struct slot *slot, struct wl_list *list) {
	wl_list_remove(&slot->link);
	wl_list_insert(list, &slot->link);
}

/* Only for a slot without a registration in the kernel. */
static void slot_release(struct slot *slot) {
	struct sbx_waiter_pool *pool = slot->pool;
	slot->wait = NULL;
	slot_move(slot, &pool->idle);
	if (wl_list_length(&pool->idle) > SBX_WAITER_MAX_IDLE) {
		slot_destroy(slot);
	}
}

/*
 * The kernel holds on to the eventfd, and may fire it at any time or never. Closing it is safe, too:
 * then nobody hears it.
 */
static void slot_park(struct slot *slot) {
	struct sbx_waiter_pool *pool = slot->pool;
	slot->wait = NULL;
	slot_move(slot, &pool->parked);
	if (wl_list_length(&pool->parked) > SBX_WAITER_MAX_PARKED) {
		struct slot *oldest = wl_container_of(pool->parked.prev, oldest, link);
		slot_destroy(oldest);
		pool->abandoned++;
	}
}

static void wait_move(struct sbx_wait *wait, struct wl_list *list) {
	wl_list_remove(&wait->link);
	wl_list_insert(list->prev, &wait->link);
}

static void wait_done(struct sbx_wait *wait, int status) {
	wait->status = status;
	wait_move(wait, &wait->pool->done);
}

static void pool_unref(struct sbx_waiter_pool *pool) {
	if (--pool->references == 0) {
		free(pool);
	}
}

/* A callback may cancel waits that are next in line, add some, or destroy the pool. */
static void call_done(struct sbx_waiter_pool *pool) {
	pool->references++;
	while (!wl_list_empty(&pool->done)) {
		struct sbx_wait *wait = wl_container_of(pool->done.next, wait, link);
		wl_list_remove(&wait->link);
		wait->calling = true;
		wait->func(wait->data, wait->status);
		free(wait);
	}
	pool_unref(pool);
}

static int slot_handle_event(int fd, uint32_t mask, void *data) {
	struct slot *slot = data;
	struct sbx_waiter_pool *pool = slot->pool;
	uint64_t count;
	if (sbx_kernel_eventfd_read(fd, &count) < 0) {
		return 0;
	}
	struct sbx_wait *wait = slot->wait;
	slot_set_registered(slot, false);
	slot_release(slot);
	if (wait != NULL) {
		wait->slot = NULL;
		wait_done(wait, 0);
		call_done(pool);
	}
	return 0;
}

static struct slot *slot_create(struct sbx_waiter_pool *pool) {
	struct slot *slot = calloc(1, sizeof(*slot));
	if (slot == NULL) {
		return NULL;
	}
	slot->pool = pool;
	wl_list_insert(&pool->idle, &slot->link);
	slot->fd = sbx_kernel_eventfd();
	if (slot->fd < 0) {
		goto error;
	}
	slot->source = wl_event_loop_add_fd(pool->loop, slot->fd, WL_EVENT_READABLE,
		slot_handle_event, slot);
	if (slot->source == NULL) {
		goto error;
	}
	sbx_count(SBX_COUNT_FDS, FDS_PER_SLOT);
	return slot;

error:
	slot_destroy(slot);
	return NULL;
}

static struct slot *slot_get(struct sbx_waiter_pool *pool) {
	if (wl_list_empty(&pool->idle)) {
		return slot_create(pool);
	}
	struct slot *slot = wl_container_of(pool->idle.next, slot, link);
	return slot;
}

static bool slot_register(struct slot *slot, const struct sbx_wait *wait) {
	struct drm_syncobj_eventfd arg = {
		.handle = wait->point.handle,
		.point = wait->point.value,
		.flags = wait->wait_for == SBX_WAIT_MATERIALISED ?
			DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE : 0,
		.fd = slot->fd,
	};
	if (sbx_sync_ioctl(slot->pool->sync, SBX_COUNT_IOCTL_SYNCOBJ_EVENTFD,
			DRM_IOCTL_SYNCOBJ_EVENTFD, &arg) < 0) {
		return false;
	}
	sbx_count(SBX_COUNT_REGISTRATIONS, 1);
	slot_set_registered(slot, true);
	return true;
}

/* Wait with an eventfd. On failure the wait is as it was. */
static bool wait_arm(struct sbx_wait *wait) {
	struct sbx_waiter_pool *pool = wait->pool;
	if (!sbx_sync_get_caps(pool->sync)->eventfd) {
		return false;
	}
	struct slot *slot = slot_get(pool);
	if (slot == NULL || !slot_register(slot, wait)) {
		return false;
	}
	slot->wait = wait;
	wait->slot = slot;
	slot_move(slot, &pool->in_use);
	wait_move(wait, &pool->armed);
	return true;
}

static void start_timer(struct sbx_waiter_pool *pool) {
	wl_event_source_timer_update(pool->timer, wl_list_empty(&pool->polled) ? 0 : pool->interval_ms);
}

static bool is_there(enum sbx_wait_for wait_for, enum sbx_point_state state) {
	return state == SBX_POINT_SIGNALLED ||
		(state == SBX_POINT_MATERIALISED && wait_for == SBX_WAIT_MATERIALISED);
}

static void settle(struct sbx_wait *wait, enum sbx_point_state state) {
	if (state == SBX_POINT_INVALID) {
		wait_done(wait, -EBADF);
	} else if (is_there(wait->wait_for, state)) {
		wait_done(wait, 0);
	}
}

/* If the question itself fails (no memory), nothing is known and it is asked again next time. */
static void poll_waits(struct sbx_waiter_pool *pool) {
	enum { PART = 64 };
	struct sbx_point points[PART];
	struct sbx_wait *waits[PART];
	enum sbx_point_state states[PART];
	struct wl_list *next = pool->polled.next;
	while (next != &pool->polled) {
		size_t n = 0;
		for (; n < PART && next != &pool->polled; n++, next = next->next) {
			waits[n] = wl_container_of(next, waits[n], link);
			points[n] = waits[n]->point;
		}
		if (sbx_points_query(pool->sync, points, n, states) < 0) {
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			settle(waits[i], states[i]);
		}
	}
}

/* Back to eventfds, once there are fds and memory again. */
static void arm_polled(struct sbx_waiter_pool *pool) {
	struct sbx_wait *wait, *tmp;
	wl_list_for_each_safe(wait, tmp, &pool->polled, link) {
		if (!wait_arm(wait)) {
			break;
		}
	}
}

static int handle_timer(void *data) {
	struct sbx_waiter_pool *pool = data;
	poll_waits(pool);
	arm_polled(pool);
	pool->interval_ms *= 2;
	if (pool->interval_ms > SBX_WAITER_POLL_MAX_MS) {
		pool->interval_ms = SBX_WAITER_POLL_MAX_MS;
	}
	start_timer(pool);
	call_done(pool);
	return 0;
}

int sbx_waiter_pool_create(struct sbx_sync *sync, struct wl_event_loop *loop,
		struct sbx_waiter_pool **out) {
	*out = NULL;
	struct sbx_waiter_pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL) {
		return -ENOMEM;
	}
	pool->sync = sync;
	pool->loop = loop;
	pool->references = 1;
	wl_list_init(&pool->armed);
	wl_list_init(&pool->polled);
	wl_list_init(&pool->done);
	wl_list_init(&pool->idle);
	wl_list_init(&pool->in_use);
	wl_list_init(&pool->parked);
	// Now, since it is needed when there is no fd left.
	pool->timer = wl_event_loop_add_timer(loop, handle_timer, pool);
	if (pool->timer == NULL) {
		free(pool);
		return -ENOMEM;
	}
	*out = pool;
	return 0;
}

static void cancel_all(struct sbx_waiter_pool *pool, struct wl_list *list) {
	struct sbx_wait *wait, *tmp;
	wl_list_for_each_safe(wait, tmp, list, link) {
		wait->slot = NULL;
		wait_done(wait, -ECANCELED);
	}
}

static void destroy_slots(struct wl_list *list) {
	struct slot *slot, *tmp;
	wl_list_for_each_safe(slot, tmp, list, link) {
		slot_destroy(slot);
	}
}

void sbx_waiter_pool_destroy(struct sbx_waiter_pool *pool) {
	if (pool == NULL) {
		return;
	}
	pool->destroyed = true;
	wl_event_source_remove(pool->timer);
	cancel_all(pool, &pool->armed);
	cancel_all(pool, &pool->polled);
	destroy_slots(&pool->in_use);
	destroy_slots(&pool->idle);
	destroy_slots(&pool->parked);
	call_done(pool);
	pool_unref(pool);
}

static int ask_first(struct sbx_waiter_pool *pool, struct sbx_point point, enum sbx_wait_for wait_for) {
	enum sbx_point_state state;
	// If even that fails, the timer will ask again.
	if (sbx_points_query(pool->sync, &point, 1, &state) < 0) {
		return 0;
	}
	if (state == SBX_POINT_INVALID) {
		return -EBADF;
	}
	return is_there(wait_for, state);
}

static void poll_later(struct sbx_wait *wait) {
	struct sbx_waiter_pool *pool = wait->pool;
	wait_move(wait, &pool->polled);
	// At the shortest interval the timer is running: many new waits must not keep putting it off.
	if (pool->interval_ms != SBX_WAITER_POLL_MIN_MS) {
		pool->interval_ms = SBX_WAITER_POLL_MIN_MS;
		start_timer(pool);
	}
}

int sbx_waiter_add(struct sbx_waiter_pool *pool, struct sbx_point point, enum sbx_wait_for wait_for,
		sbx_wait_func func, void *data, struct sbx_wait **out) {
	*out = NULL;
	if (pool->destroyed) {
		return -ECANCELED;
	}
	int ret = ask_first(pool, point, wait_for);
	if (ret != 0) {
		return ret;
	}
	struct sbx_wait *wait = calloc(1, sizeof(*wait));
	if (wait == NULL) {
		return -ENOMEM;
	}
	*wait = (struct sbx_wait){
		.pool = pool,
		.point = point,
		.wait_for = wait_for,
		.func = func,
		.data = data,
	};
	wl_list_init(&wait->link);
	if (!wait_arm(wait)) {
		poll_later(wait);
	}
	*out = wait;
	return 0;
}

void sbx_wait_cancel(struct sbx_wait *wait) {
	if (wait == NULL || wait->calling) {
		return;
	}
	wl_list_remove(&wait->link);
	if (wait->slot != NULL) {
		slot_park(wait->slot);
	}
	free(wait);
}

void sbx_waiter_pool_get_stats(const struct sbx_waiter_pool *pool, struct sbx_waiter_stats *stats) {
	*stats = (struct sbx_waiter_stats){
		.registered = wl_list_length(&pool->armed),
		.polled = wl_list_length(&pool->polled),
		.idle = wl_list_length(&pool->idle),
		.parked = wl_list_length(&pool->parked),
		.abandoned = pool->abandoned,
	};
}
