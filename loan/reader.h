/**
 * Somebody who reads buffers: one piece of GPU work, shared by all the loans whose buffers it samples,
 * so that it costs one fd however many there are.
 *
 * The event loop's thread only.
 */
#ifndef SBX_LOAN_READER_H
#define SBX_LOAN_READER_H

#include <stdbool.h>
#include <stdint.h>

struct sbx_promise;

struct sbx_reader {
	unsigned references;
	/** Readers of one queue are done in the order of their values; NULL: of no queue. */
	const void *queue;
	uint64_t value;
	/** Whether it is not known yet which fence says when it is done. */
	bool open;
	/** What will tell, while it is open; NULL: sbx_reader_close(). */
	struct sbx_promise *promise;
	/** Signals when it is done; -1: it is, unless it is open. */
	int fd;
};

/**
 * *done_fd (consumed; -1: done already) signals when the work is done. `queue` names where it runs: work
 * of one queue is done in order of `value`, so that the later reader stands for the earlier one. NULL:
 * no such order.
 *
 * Returns it with one reference; NULL: out of memory, *done_fd is as it was.
 */
struct sbx_reader *sbx_reader_create(const void *queue, uint64_t value, int *done_fd);

/**
 * The work may be running, and there is no fence for it: until sbx_reader_close() the loans it reads
 * stay open. NULL: out of memory.
 */
struct sbx_reader *sbx_reader_create_open(const void *queue, uint64_t value);

/**
 * *promise (consumed) says when the work is done. NULL: out of memory, *promise is as it was.
 */
struct sbx_reader *sbx_reader_create_promised(struct sbx_promise **promise, uint64_t value);

/** Ask the promise, if it has one, once nobody holds the buffer any more. Never waits. */
void sbx_reader_look(struct sbx_reader *reader);

/** An open reader is done. */
void sbx_reader_close(struct sbx_reader *reader);

struct sbx_reader *sbx_reader_ref(struct sbx_reader *reader);
/** NULL is allowed. */
void sbx_reader_unref(struct sbx_reader *reader);

/** Never waits. A fence that failed is done, too. */
bool sbx_reader_is_done(struct sbx_reader *reader);

/** Whether `next` cannot be done before `reader` is. */
bool sbx_reader_is_covered(const struct sbx_reader *reader, const struct sbx_reader *next);

#endif
