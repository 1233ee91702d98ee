#include <stdlib.h>
#include "loan/promise.h"
#include "loan/reader.h"
#include "sync/fd.h"
#include "sync/sync_file.h"
#include "trace/counter.h"

static struct sbx_reader *create(const void *queue, uint64_t value, bool open) {
	struct sbx_reader *reader = calloc(1, sizeof(*reader));
	if (reader != NULL) {
		reader->references = 1;
		reader->queue = queue;
		reader->value = value;
		reader->open = open;
		reader->fd = -1;
	}
	return reader;
}

static void close_fence(struct sbx_reader *reader) {
	if (reader->fd >= 0) {
		sbx_count(SBX_COUNT_FDS, -1);
		sbx_fd_close(&reader->fd);
	}
}

struct sbx_reader *sbx_reader_create(const void *queue, uint64_t value, int *done_fd) {
	struct sbx_reader *reader = create(queue, value, false);
	if (reader != NULL && *done_fd >= 0) {
		reader->fd = sbx_fd_steal(done_fd);
		sbx_count(SBX_COUNT_FDS, 1);
	}
	return reader;
}

struct sbx_reader *sbx_reader_create_open(const void *queue, uint64_t value) {
	return create(queue, value, true);
}

struct sbx_reader *sbx_reader_create_promised(struct sbx_promise **promise, uint64_t value) {
	struct sbx_reader *reader = create(sbx_promise_get_order(*promise), value, true);
	if (reader != NULL) {
		reader->promise = *promise;
		*promise = NULL;
	}
	return reader;
}

void sbx_reader_look(struct sbx_reader *reader) {
	if (reader->promise != NULL && sbx_promise_look(reader->promise, &reader->fd) == 0) {
		if (reader->fd >= 0) {
			sbx_count(SBX_COUNT_FDS, 1);
		}
		sbx_promise_destroy(reader->promise);
		reader->promise = NULL;
		reader->open = false;
	}
}

void sbx_reader_close(struct sbx_reader *reader) {
	reader->open = false;
}

struct sbx_reader *sbx_reader_ref(struct sbx_reader *reader) {
	reader->references++;
	return reader;
}

void sbx_reader_unref(struct sbx_reader *reader) {
	if (reader == NULL || --reader->references > 0) {
		return;
	}
	close_fence(reader);
	sbx_promise_destroy(reader->promise);
	free(reader);
}

bool sbx_reader_is_done(struct sbx_reader *reader) {
	sbx_reader_look(reader);
	if (!reader->open && reader->fd >= 0 && sbx_fence_wait(reader->fd, 0) == 0) {
		close_fence(reader);
	}
	return !reader->open && reader->fd < 0;
}

bool sbx_reader_is_covered(const struct sbx_reader *reader, const struct sbx_reader *next) {
	return reader->queue != NULL && reader->queue == next->queue && reader->value <= next->value;
}
