#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_buffer.h>
#include "loan/desk.h"
#include "loan/loan.h"
#include "loan/reader.h"
#include "loan/timeline.h"
#include "loan/watch.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"
#include "trace/counter.h"
#include "trace/log.h"
#include "trace/recorder.h"

/** The loans of one wlr_buffer. There as long as there is one that is not ENDING. */
struct sbx_loan_book {
	struct wlr_buffer *buffer;
	struct wlr_addon addon;
	struct wl_list loans; // sbx_loan.book_link, oldest first
	struct wl_listener buffer_release;
};

enum loan_event {
	LATCH,
	DROP,
	/** The buffer's locks, or its other loans, have changed. */
	LOOK,
};

static const char *const state_names[] = {
	[SBX_LOAN_HELD] = "held",
	[SBX_LOAN_CURRENT] = "current",
	[SBX_LOAN_REPLACED] = "replaced",
	[SBX_LOAN_ENDING] = "ending",
};

static const char *const event_names[] = {
	[LATCH] = "latch",
	[DROP] = "drop",
	[LOOK] = "look",
};

static void handle(struct sbx_loan *loan, enum loan_event event);

/* Book */

static void look_at_all(struct sbx_loan_book *book) {
	struct sbx_loan *loan, *next;
	wl_list_for_each_safe(loan, next, &book->loans, book_link) {
		if (loan->state == SBX_LOAN_REPLACED) {
			bool last = book->loans.next == book->loans.prev;
			handle(loan, LOOK);
			if (last) {
				return; // and if it has ended, the book is gone
			}
		}
	}
}

static void handle_buffer_release(struct wl_listener *listener, void *data) {
	struct sbx_loan_book *book = wl_container_of(listener, book, buffer_release);
	look_at_all(book);
}

static void book_destroy(struct sbx_loan_book *book) {
	wl_list_remove(&book->buffer_release.link);
	wlr_addon_finish(&book->addon);
	free(book);
}

static void leave_book(struct sbx_loan *loan) {
	struct sbx_loan_book *book = loan->book;
	wl_list_remove(&loan->book_link);
	wl_list_init(&loan->book_link);
	loan->book = NULL;
	if (book != NULL && wl_list_empty(&book->loans)) {
		book_destroy(book);
	}
}

/* The buffer goes: nobody can hold it. */
static void handle_buffer_destroy(struct wlr_addon *addon) {
	struct sbx_loan_book *book = wl_container_of(addon, book, addon);
	struct wl_list loans;
	wl_list_init(&loans);
	wl_list_insert_list(&loans, &book->loans);
	wl_list_init(&book->loans);
	book_destroy(book);
	struct sbx_loan *loan, *next;
	wl_list_for_each(loan, &loans, book_link) {
		loan->book = NULL;
	}
	wl_list_for_each_safe(loan, next, &loans, book_link) {
		wl_list_remove(&loan->book_link);
		wl_list_init(&loan->book_link);
		if (loan->state == SBX_LOAN_REPLACED) {
			handle(loan, LOOK);
		}
	}
}

static const struct wlr_addon_interface book_impl = {
	.name = "sbx_loan_book",
	.destroy = handle_buffer_destroy,
};

static struct sbx_loan_book *find_book(const struct wlr_buffer *buffer) {
	// Looking does not change it, but the set has no const function.
	struct wlr_addon_set *addons = (struct wlr_addon_set *)&buffer->addons;
	struct wlr_addon *addon = wlr_addon_find(addons, NULL, &book_impl);
	struct sbx_loan_book *book = NULL;
	return addon != NULL ? wl_container_of(addon, book, addon) : NULL;
}

static struct sbx_loan_book *get_book(struct wlr_buffer *buffer) {
	struct sbx_loan_book *book = find_book(buffer);
	if (book != NULL) {
		return book;
	}
	book = calloc(1, sizeof(*book));
	if (book == NULL) {
		return NULL;
	}
	book->buffer = buffer;
	wl_list_init(&book->loans);
	wlr_addon_init(&book->addon, &buffer->addons, NULL, &book_impl);
	book->buffer_release.notify = handle_buffer_release;
	wl_signal_add(&buffer->events.release, &book->buffer_release);
	return book;
}

/*
 * Each HELD loan's commit has a lock of its own, which says nothing of readers. And where a younger loan
 * of the same buffer is content, whoever holds the buffer holds it for that one.
 */
static bool is_held_by_others(const struct sbx_loan *loan) {
	if (loan->book == NULL) {
		return false;
	}
	size_t held = 0;
	bool younger = false, taken_over = false;
	const struct sbx_loan *other;
	wl_list_for_each(other, &loan->book->loans, book_link) {
		held += other->state == SBX_LOAN_HELD;
		taken_over |= younger && other->state == SBX_LOAN_CURRENT;
		younger |= other == loan;
	}
	return !taken_over && loan->book->buffer->n_locks > held;
}

/* Nothing tells us when the locks fall to the number of commits that wait. */
static bool must_keep_looking(const struct sbx_loan *loan) {
	const struct sbx_loan *other;
	wl_list_for_each(other, &loan->book->loans, book_link) {
		if (other->state == SBX_LOAN_HELD) {
			return true;
		}
	}
	return false;
}

/* Ending */

static void destroy(struct sbx_loan *loan) {
	sbx_gate_withdraw(&loan->gate);
	for (size_t i = 0; i < loan->reader_count; i++) {
		sbx_reader_unref(loan->readers[i]);
	}
	free(loan->readers);
	wlr_drm_syncobj_timeline_unref(loan->offer);
	leave_book(loan);
	wl_list_remove(&loan->link);
	sbx_count(SBX_COUNT_LOANS, -1);
	sbx_quota_give(loan->release->quota, SBX_QUOTA_POINTS);
	sbx_client_timeline_unref(loan->acquire);
	sbx_client_timeline_unref(loan->release);
	free(loan);
}

static void forget_done_readers(struct sbx_loan *loan) {
	size_t kept = 0;
	for (size_t i = 0; i < loan->reader_count; i++) {
		if (sbx_reader_is_done(loan->readers[i])) {
			sbx_reader_unref(loan->readers[i]);
		} else {
			loan->readers[kept++] = loan->readers[i];
		}
	}
	loan->reader_count = kept;
}

static void look_at_promises(struct sbx_loan *loan) {
	for (size_t i = 0; i < loan->reader_count; i++) {
		sbx_reader_look(loan->readers[i]);
	}
}

/* *fence (the caller's) is done when all readers are. -EAGAIN: there is none for one of them yet. */
static int merge_readers(const struct sbx_loan *loan, int *fence) {
	for (size_t i = 0; i < loan->reader_count; i++) {
		int copy = -1;
		int ret = loan->readers[i]->open ? -EAGAIN : sbx_fd_dup(loan->readers[i]->fd, &copy);
		if (ret == 0) {
			ret = sbx_fence_merge(fence, &copy);
		}
		sbx_fd_close(&copy);
		if (ret < 0) {
			return ret;
		}
	}
	return 0;
}

/* Hand the buffer back: the release point signals when the readers are done. On failure nothing is. */
static int hand_back(struct sbx_loan *loan) {
	struct sbx_point point = sbx_client_timeline_point(loan->release, loan->release_value);
	if (loan->reader_count == 1 && !loan->readers[0]->open) {
		return sbx_point_import_sync_file(loan->desk->sync, point, loan->readers[0]->fd);
	}
	int fence = -1;
	int ret = merge_readers(loan, &fence);
	if (ret == 0) {
		ret = sbx_point_import_sync_file(loan->desk->sync, point, fence);
	}
	sbx_fd_close(&fence);
	return ret;
}

static void log_trouble(struct sbx_loan *loan, int error) {
	if (!loan->trouble_logged && error != -EAGAIN) {
		sbx_log_error("kernel: release point %llu of timeline %u cannot be handed back (%s): trying again",
			(unsigned long long)loan->release_value, loan->release->id, strerror(-error));
		loan->trouble_logged = true;
	}
}

/* Returns whether the loan has ended, and then it is gone. */
static bool try_to_end(struct sbx_loan *loan) {
	look_at_promises(loan);
	int ret = hand_back(loan);
	if (ret == -ENODEV || ret == -EBADF) {
		// The device has been removed, and with it everybody who could wait for the point.
		ret = 0;
	}
	if (ret < 0) {
		log_trouble(loan, ret);
		return false;
	}
	sbx_trace_loan(SBX_EVENT_RELEASED, &loan->subject, loan->reader_count);
	if (loan->release->released < loan->release_value) {
		loan->release->released = loan->release_value;
	}
	destroy(loan);
	return true;
}

static void end(struct sbx_loan *loan) {
	loan->state = SBX_LOAN_ENDING;
	leave_book(loan);
	if (!try_to_end(loan)) {
		sbx_watch_loan(loan);
		sbx_desk_retry(loan->desk);
	}
}

/* States */

static void impossible(const struct sbx_loan *loan, enum loan_event event) {
	sbx_log_error("signalbox bug: loan of release point %llu is %s and hears \"%s\"",
		(unsigned long long)loan->release_value, state_names[loan->state], event_names[event]);
}

static void handle_held(struct sbx_loan *loan, enum loan_event event) {
	switch (event) {
	case LATCH:
		loan->state = SBX_LOAN_CURRENT;
		sbx_trace_loan(SBX_EVENT_LATCHED, &loan->subject, 0);
		if (loan->book != NULL) {
			look_at_all(loan->book);
		}
		return;
	case DROP:
		sbx_gate_withdraw(&loan->gate);
		sbx_trace_loan(SBX_EVENT_REPLACED, &loan->subject, 0);
		loan->since_ns = 0;
		end(loan);
		return;
	case LOOK:
		break;
	}
	impossible(loan, event);
}

static void look(struct sbx_loan *loan) {
	if (!is_held_by_others(loan)) {
		end(loan);
		return;
	}
	sbx_watch_loan(loan);
	if (must_keep_looking(loan)) {
		sbx_desk_retry(loan->desk);
	}
}

static void handle_current(struct sbx_loan *loan, enum loan_event event) {
	switch (event) {
	case DROP:
		// Whoever holds the buffer still (a snapshot) has to wait for its fence; nobody else cares.
		loan->notify = NULL;
		if (loan->gate.state != SBX_GATE_MATERIALISED) {
			sbx_gate_withdraw(&loan->gate);
		}
		loan->state = SBX_LOAN_REPLACED;
		sbx_trace_loan(SBX_EVENT_REPLACED, &loan->subject, 0);
		loan->since_ns = 0;
		look(loan);
		return;
	case LATCH:
	case LOOK:
		break;
	}
	impossible(loan, event);
}

static void handle_replaced(struct sbx_loan *loan, enum loan_event event) {
	switch (event) {
	case LOOK:
		look(loan);
		return;
	case LATCH:
	case DROP:
		break;
	}
	impossible(loan, event);
}

static void handle_ending(struct sbx_loan *loan, enum loan_event event) {
	switch (event) {
	case LOOK:
		forget_done_readers(loan);
		if (!try_to_end(loan)) {
			sbx_desk_retry(loan->desk);
		}
		return;
	case LATCH:
	case DROP:
		break;
	}
	impossible(loan, event);
}

/* May be the end of the loan. */
static void handle(struct sbx_loan *loan, enum loan_event event) {
	sbx_log_debug("loan: release point %llu of timeline %u: %s -> %s",
		(unsigned long long)loan->release_value, loan->release->id, state_names[loan->state],
		event_names[event]);
	switch (loan->state) {
	case SBX_LOAN_HELD:
		handle_held(loan, event);
		return;
	case SBX_LOAN_CURRENT:
		handle_current(loan, event);
		return;
	case SBX_LOAN_REPLACED:
		handle_replaced(loan, event);
		return;
	case SBX_LOAN_ENDING:
		handle_ending(loan, event);
		return;
	}
}

static void handle_gate(struct sbx_gate *gate) {
	struct sbx_loan *loan = wl_container_of(gate, loan, gate);
	if (loan->notify != NULL) {
		loan->notify(loan, loan->data);
	}
}

static void introduce(struct sbx_loan *loan, const struct sbx_loan_terms *terms) {
	static uint64_t last_number;
	loan->subject = (struct sbx_subject){
		.loan = ++last_number,
		.pid = terms->release->quota->pid,
		.surface = terms->surface_id,
		.acquire_timeline = terms->acquire->id,
		.release_timeline = terms->release->id,
		.acquire_point = terms->acquire_value,
		.release_point = terms->release_value,
	};
	loan->gate.subject = &loan->subject;
	sbx_count(SBX_COUNT_LOANS, 1);
	sbx_count(SBX_COUNT_COMMITS, 1);
	sbx_trace_loan(SBX_EVENT_COMMITTED, &loan->subject, 0);
}

int sbx_loan_open(struct sbx_desk *desk, const struct sbx_loan_terms *terms, struct sbx_loan **out) {
	*out = NULL;
	struct sbx_quota *quota = terms->release->quota;
	int ret = sbx_quota_take(quota, SBX_QUOTA_POINTS);
	if (ret < 0) {
		return ret;
	}
	struct sbx_loan *loan = calloc(1, sizeof(*loan));
	struct sbx_loan_book *book = loan != NULL ? get_book(terms->buffer) : NULL;
	if (book == NULL) {
		sbx_quota_give(quota, SBX_QUOTA_POINTS);
		free(loan);
		return -ENOMEM;
	}
	loan->desk = desk;
	loan->book = book;
	loan->acquire = sbx_client_timeline_ref(terms->acquire);
	loan->release = sbx_client_timeline_ref(terms->release);
	loan->acquire_value = terms->acquire_value;
	loan->release_value = terms->release_value;
	loan->notify = terms->notify;
	loan->data = terms->data;
	wl_list_insert(desk->loans.prev, &loan->link);
	wl_list_insert(book->loans.prev, &loan->book_link);
	introduce(loan, terms);
	sbx_gate_open(&loan->gate, desk, sbx_client_timeline_point(loan->acquire, loan->acquire_value),
		handle_gate);
	if (loan->gate.state != SBX_GATE_SIGNALLED) {
		sbx_watch_loan(loan);
	}
	look_at_all(book);
	*out = loan;
	return 0;
}

void sbx_loan_latch(struct sbx_loan *loan) {
	handle(loan, LATCH);
}

void sbx_loan_give_up(struct sbx_loan *loan, enum sbx_event_kind why) {
	sbx_count(why == SBX_EVENT_SUPERSEDED ? SBX_COUNT_SUPERSEDED : SBX_COUNT_FORCED, 1);
	sbx_trace_loan(why, &loan->subject, 0);
	sbx_gate_withdraw(&loan->gate);
}

void sbx_loan_drop(struct sbx_loan *loan) {
	handle(loan, DROP);
}

struct wlr_buffer *sbx_loan_get_buffer(const struct sbx_loan *loan) {
	return loan->book != NULL ? loan->book->buffer : NULL;
}

void sbx_loan_retry(struct sbx_loan *loan) {
	if (loan->state == SBX_LOAN_REPLACED || loan->state == SBX_LOAN_ENDING) {
		handle(loan, LOOK);
	}
}

void sbx_loan_end_now(struct sbx_loan *loan, int64_t deadline_ns) {
	sbx_count(SBX_COUNT_FORCED, 1);
	sbx_trace_loan(SBX_EVENT_FORCED, &loan->subject, 0);
	if (loan->state != SBX_LOAN_ENDING) {
		loan->state = SBX_LOAN_ENDING;
		leave_book(loan);
	}
	if (try_to_end(loan)) {
		return;
	}
	for (size_t i = 0; i < loan->reader_count; i++) {
		int64_t left_ns = deadline_ns - sbx_kernel_now_ns();
		if (loan->readers[i]->fd >= 0) {
			sbx_fence_wait(loan->readers[i]->fd, left_ns > 0 ? left_ns : 0);
		}
	}
	forget_done_readers(loan);
	if (loan->reader_count > 0) {
		sbx_log_error("driver bug: release point %llu of timeline %u is given up: its readers do not end",
			(unsigned long long)loan->release_value, loan->release->id);
		destroy(loan);
	} else if (!try_to_end(loan)) {
		destroy(loan);
	}
}

size_t sbx_loan_count_locks(const struct sbx_loan *loan) {
	size_t held = 0;
	const struct sbx_loan *other;
	if (loan->book == NULL) {
		return 0;
	}
	wl_list_for_each(other, &loan->book->loans, book_link) {
		held += other->state == SBX_LOAN_HELD;
	}
	return loan->book->buffer->n_locks - held;
}

/* The recording */

void sbx_buffer_trace_read(const struct wlr_buffer *buffer, uint64_t pass) {
	const struct sbx_loan_book *book = find_book(buffer);
	struct sbx_loan *loan;
	if (book == NULL) {
		return;
	}
	wl_list_for_each(loan, &book->loans, book_link) {
		if (loan->state != SBX_LOAN_HELD && loan->traced_pass != pass) {
			loan->traced_pass = pass;
			sbx_trace_loan(SBX_EVENT_READ, &loan->subject, pass);
		}
	}
}

const struct sbx_subject *sbx_buffer_get_subject(const struct wlr_buffer *buffer) {
	const struct sbx_loan_book *book = find_book(buffer);
	const struct sbx_loan *loan;
	if (book == NULL) {
		return NULL;
	}
	wl_list_for_each_reverse(loan, &book->loans, book_link) {
		if (loan->state != SBX_LOAN_HELD) {
			return &loan->subject;
		}
	}
	return NULL;
}

/* Enough of the address to tell buffers apart that live at the same time, and not all of it. */
uint64_t sbx_buffer_trace_id(const struct wlr_buffer *buffer) {
	uint32_t part = (uint32_t)((uintptr_t)buffer >> 4);
	return part != 0 ? part : 1;
}

/* Readers */

bool sbx_buffer_is_on_loan(const struct wlr_buffer *buffer) {
	return find_book(buffer) != NULL;
}

static bool is_read(const struct sbx_loan *loan) {
	return loan->state == SBX_LOAN_CURRENT || loan->state == SBX_LOAN_REPLACED;
}

int sbx_buffer_get_acquire_fence(const struct wlr_buffer *buffer, int *fence) {
	*fence = -1;
	const struct sbx_loan_book *book = find_book(buffer);
	if (book == NULL) {
		return 0;
	}
	const struct sbx_loan *loan;
	wl_list_for_each_reverse(loan, &book->loans, book_link) {
		if (!is_read(loan) || loan->gate.state == SBX_GATE_SIGNALLED) {
			continue;
		}
		// Two surfaces showing one buffer under two pending fences: the younger is enough in practice,
		// but not in principle, so the older one is asked for when it is over.
		if (loan->gate.state != SBX_GATE_MATERIALISED || *fence >= 0) {
			return -EAGAIN;
		}
		*fence = loan->gate.fence_fd;
	}
	return 0;
}

static bool reserve_reader(struct sbx_loan *loan) {
	if (loan->reader_count < loan->reader_capacity) {
		return true;
	}
	size_t capacity = loan->reader_capacity * 2 + 2;
	struct sbx_reader **readers = reallocarray(loan->readers, capacity, sizeof(*readers));
	if (readers == NULL) {
		return false;
	}
	loan->readers = readers;
	loan->reader_capacity = capacity;
	return true;
}

static void add_reader(struct sbx_loan *loan, struct sbx_reader *reader) {
	sbx_reader_ref(reader);
	for (size_t i = 0; i < loan->reader_count; i++) {
		if (sbx_reader_is_covered(loan->readers[i], reader)) {
			sbx_reader_unref(loan->readers[i]);
			loan->readers[i] = reader;
			return;
		}
	}
	loan->readers[loan->reader_count++] = reader;
}

bool sbx_buffer_add_reader(struct wlr_buffer *buffer, struct sbx_reader *reader) {
	struct sbx_loan_book *book = find_book(buffer);
	if (book == NULL || (!reader->open && reader->fd < 0)) {
		return true;
	}
	struct sbx_loan *loan;
	wl_list_for_each(loan, &book->loans, book_link) {
		if (is_read(loan) && !reserve_reader(loan)) {
			return false;
		}
	}
	wl_list_for_each(loan, &book->loans, book_link) {
		if (is_read(loan)) {
			add_reader(loan, reader);
		}
	}
	return true;
}
