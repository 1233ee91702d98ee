#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "harness/suite.h"
#include "trace/event.h"
#include "trace/ring.h"

/* Every field says the same number, so that a mixture of two events can be told. */
static struct sbx_event make(uint64_t number) {
	return (struct sbx_event){
		.time_ns = (int64_t)number,
		.kind = (enum sbx_event_kind)(number % SBX_EVENT_KINDS),
		.output = (uint32_t)number,
		.value = number,
		.extra = number,
		.subject = {
			.loan = number,
			.pid = (int32_t)number,
			.surface = (uint32_t)number,
			.acquire_timeline = (uint32_t)number,
			.release_timeline = (uint32_t)number,
			.acquire_point = number,
			.release_point = number,
		},
	};
}

static bool is_whole(const struct sbx_event *event) {
	uint64_t number = event->value;
	const struct sbx_subject *subject = &event->subject;
	return event->time_ns == (int64_t)number && event->kind == number % SBX_EVENT_KINDS &&
		event->output == (uint32_t)number && event->extra == number && subject->loan == number &&
		subject->pid == (int32_t)number && subject->surface == (uint32_t)number &&
		subject->acquire_timeline == (uint32_t)number &&
		subject->release_timeline == (uint32_t)number && subject->acquire_point == number &&
		subject->release_point == number;
}

static void add(struct sbx_ring *ring, uint64_t from, uint64_t to) {
	for (uint64_t number = from; number < to; number++) {
		struct sbx_event event = make(number);
		sbx_ring_add(ring, &event);
	}
}

/* What is read is from..to, and so many were lost. */
static void expect(const struct sbx_ring *ring, uint64_t first, uint64_t from, uint64_t to,
		uint64_t lost) {
	struct sbx_event *events = calloc(sbx_ring_capacity(ring), sizeof(*events));
	uint64_t said = UINT64_MAX;
	size_t count = sbx_ring_read(ring, first, events, &said);
	assert_int_equal(count, to - from);
	assert_int_equal(said, lost);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(events[i].value, from + i);
		assert_true(is_whole(&events[i]));
	}
	free(events);
}

static void test_in_order(void **state) {
	struct sbx_ring *ring = sbx_ring_create(16);
	assert_int_equal(sbx_ring_capacity(ring), 16);
	expect(ring, 0, 0, 0, 0);
	add(ring, 0, 10);
	expect(ring, 0, 0, 10, 0);
	expect(ring, 4, 4, 10, 0);
	assert_int_equal(sbx_ring_count(ring), 10);
	sbx_ring_destroy(ring);
}

static void test_capacity(void **state) {
	static const size_t wanted[] = { 0, 1, 16, 17, 1000 };
	static const size_t given[] = { 16, 16, 16, 32, 1024 };
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct sbx_ring *ring = sbx_ring_create(wanted[i]);
		assert_int_equal(sbx_ring_capacity(ring), given[i]);
		sbx_ring_destroy(ring);
	}
	sbx_ring_destroy(NULL);
}

static void test_overflow(void **state) {
	struct sbx_ring *ring = sbx_ring_create(16);
	add(ring, 0, 16);
	expect(ring, 0, 0, 16, 0);
	add(ring, 16, 17);
	expect(ring, 0, 1, 17, 1);
	add(ring, 17, 1000);
	expect(ring, 0, 984, 1000, 984);
	expect(ring, 990, 990, 1000, 0);
	expect(ring, 1000, 1000, 1000, 0);
	sbx_ring_destroy(ring);
}

enum { WRITERS = 3, ROUNDS = 200000, ROUNDS_AT_MOST = 100 * ROUNDS };

struct crowd {
	struct sbx_ring *ring;
	uint64_t next, seen;
	int writing;
};

static void *write_many(void *data) {
	struct crowd *crowd = data;
	// On a busy machine it may take a while until the reader gets to run.
	for (int i = 0; i < ROUNDS || (i < ROUNDS_AT_MOST && __atomic_load_n(&crowd->seen, __ATOMIC_RELAXED) == 0);
			i++) {
		uint64_t number = __atomic_add_fetch(&crowd->next, 1, __ATOMIC_RELAXED);
		struct sbx_event event = make(number);
		sbx_ring_add(crowd->ring, &event);
	}
	__atomic_sub_fetch(&crowd->writing, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* A ring so small that writers catch up with readers, and with each other, all the time. */
static void test_crowd(void **state) {
	struct crowd crowd = { .ring = sbx_ring_create(16), .writing = WRITERS };
	pthread_t threads[WRITERS];
	struct sbx_event events[16];
	uint64_t lost = 0;
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &crowd), 0);
	}
	while (__atomic_load_n(&crowd.writing, __ATOMIC_ACQUIRE) > 0) {
		size_t count = sbx_ring_read(crowd.ring, 0, events, &lost);
		assert_true(count <= 16);
		for (size_t i = 0; i < count; i++) {
			assert_true(is_whole(&events[i]));
		}
		__atomic_add_fetch(&crowd.seen, count, __ATOMIC_RELAXED);
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(sbx_ring_count(crowd.ring), crowd.next);
	// A writer that fell asleep for a whole round may have given an event up.
	size_t count = sbx_ring_read(crowd.ring, 0, events, &lost);
	assert_true(count > 0 && count <= 16);
	assert_int_equal(count + lost, crowd.next);
	assert_true(crowd.seen > 0);
	sbx_ring_destroy(crowd.ring);
}

/* The control of is_whole(): each word of another event is noticed. */
static void test_torn(void **state) {
	struct sbx_event first = make(1000001), second = make(2000003);
	assert_true(is_whole(&first) && is_whole(&second));
	for (size_t at = 0; at < sizeof(first); at += 4) {
		struct sbx_event torn = first;
		memcpy((char *)&torn + at, (char *)&second + at, 4);
		// The upper halves of the two numbers are alike.
		assert_int_equal(is_whole(&torn), memcmp(&torn, &first, sizeof(torn)) == 0);
	}
}

static const struct CMUnitTest host[] = {
	{ "ring: in order", test_in_order, NULL, NULL, NULL },
	{ "ring: capacity", test_capacity, NULL, NULL, NULL },
	{ "ring: the oldest is overwritten", test_overflow, NULL, NULL, NULL },
	{ "ring: three writers and a reader", test_crowd, NULL, NULL, NULL },
	{ "ring: a torn event would be noticed", test_torn, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "trace/ring", host, SUITE_COUNT(host), NULL, 0);
}
