#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <wayland-client.h>
#include "client.h"

/* A late drawing is done in so many pieces. */
#define PIECES 24

uint64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool fail(struct client *client, const char *what, int error) {
	fprintf(stderr, "sync-client: %s: %s\n", what, strerror(-error));
	client->failed = true;
	return false;
}

static bool buffer_init(struct client *client, struct buffer *buffer) {
	*buffer = (struct buffer){
		.client = client,
		.memory = { .dmabuf_fd = -1 },
		.acquire = { .fd = -1 },
		.release = { .fd = -1 },
		.release_fd = -1,
		.source = { .vgem_fd = -1, .dmabuf_fd = -1 },
	};
	if (!client->explicit_sync) {
		return true;
	}
	int ret = timeline_init(&buffer->acquire, client->drm_fd);
	if (ret == 0) {
		ret = timeline_init(&buffer->release, client->drm_fd);
	}
	if (ret == 0) {
		ret = fence_source_init(&buffer->source, client->vgem_fd);
	}
	if (ret != 0) {
		return fail(client, "cannot make timelines", ret);
	}
	buffer->release_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return buffer->release_fd >= 0 && window_import_timelines(client, buffer);
}

static void buffer_finish_memory(struct buffer *buffer) {
	if (buffer->wl_buffer != NULL) {
		wl_buffer_destroy(buffer->wl_buffer);
		buffer->wl_buffer = NULL;
	}
	memory_finish(&buffer->memory);
}

/* The window may have another size than when this buffer was used last. */
static bool buffer_fit(struct client *client, struct buffer *buffer) {
	if (buffer->width == client->width && buffer->height == client->height) {
		return true;
	}
	buffer_finish_memory(buffer);
	buffer->width = client->width;
	buffer->height = client->height;
	int ret = memory_init(&buffer->memory, client->options.memory, client->memory_fd,
		buffer->width, buffer->height);
	if (ret != 0) {
		return fail(client, "no memory that can be shared (dumb buffers, udmabuf)", ret);
	}
	buffer->wl_buffer =
		window_import(client, &buffer->memory, buffer->width, buffer->height);
	return buffer->wl_buffer != NULL;
}

static void draw(struct client *client, struct buffer *buffer, int first, int end) {
	const struct picture picture = {
		.width = buffer->width,
		.height = buffer->height,
		.palette = client->options.palette,
	};
	memory_write(&buffer->memory, true);
	picture_draw(&picture, buffer->frame, buffer->memory.pixels, buffer->memory.stride, first, end);
	memory_write(&buffer->memory, false);
}

/* Released */

void frames_released(struct client *client, struct buffer *buffer) {
	buffer->released = true;
	if (buffer->state == BUFFER_RETIRED) {
		series_add(&client->releases, now_ns() - buffer->replaced_ns);
	} else if (buffer->state != BUFFER_FREE) {
		client->early_releases++;
	}
	if (client->shown == buffer) {
		client->shown = NULL;
	}
	/* One that is still being drawn must not be taken for the next frame too. */
	if (client->drawing != buffer) {
		buffer->state = BUFFER_FREE;
	}
}

static void check_releases(struct client *client) {
	for (int i = 0; client->explicit_sync && i < client->options.buffers; i++) {
		struct buffer *buffer = &client->buffers[i];
		if (buffer->state != BUFFER_FREE && !buffer->released &&
				timeline_is_signalled(&buffer->release, buffer->point)) {
			frames_released(client, buffer);
		}
	}
}

/* Ready */

static void set_ready(struct client *client, uint32_t frame, uint64_t at_ns) {
	struct ready *ready = &client->ready[frame % READY_HISTORY];
	ready->client = client;
	ready->at_ns = at_ns;
}

/*
 * The next frame is committed and its acquire point has a fence, signalled or not: from here on the
 * compositor may let go of the frame before, and not earlier. (One that composes need not keep it
 * until the next is drawn: it can have the GPU wait and leave the monitor as it is.)
 */
static void retire_shown(struct client *client) {
	if (client->shown != NULL) {
		client->shown->state = BUFFER_RETIRED;
		client->shown->replaced_ns = now_ns();
		client->shown = NULL;
	}
}

static bool frame_ready(struct client *client, struct buffer *buffer) {
	check_releases(client);
	uint64_t now = now_ns();
	if (client->explicit_sync && !client->options.no_wait) {
		int ret = fence_source_signal(&buffer->source, &buffer->acquire, buffer->point);
		if (ret != 0) {
			return fail(client, "cannot signal the acquire point", ret);
		}
	}
	set_ready(client, buffer->frame, now);
	retire_shown(client);
	buffer->state = buffer->released ? BUFFER_FREE : BUFFER_SHOWN;
	client->shown = buffer->released ? NULL : buffer;
	client->drawing = NULL;
	client->frames++;
	return true;
}

/* Begin */

/* The control breaks the rule here: it says ready and only then begins to draw. */
static bool arm(struct client *client, struct buffer *buffer) {
	int ret = client->options.no_wait ?
		timeline_signal(&buffer->acquire, buffer->point) :
		fence_source_arm(&buffer->source, &buffer->acquire, buffer->point);
	return ret == 0 || fail(client, "cannot make a fence", ret);
}

static void commit(struct client *client, struct buffer *buffer) {
	if (client->explicit_sync) {
		client->must_poll =
			timeline_watch(&buffer->release, buffer->point, buffer->release_fd) != 0;
	}
	buffer->committed_ns = now_ns();
	window_commit(client, buffer);
}

static bool begin_late(struct client *client, struct buffer *buffer) {
	buffer->state = BUFFER_DRAWING;
	client->drawing = buffer;
	client->drawn_rows = 0;
	set_ready(client, buffer->frame, UINT64_MAX);
	if (!arm(client, buffer)) {
		return false;
	}
	commit(client, buffer);
	if (buffer->source.pending != 0 || client->options.no_wait) {
		check_releases(client);
		retire_shown(client);
	}
	return true;
}

static bool begin_ready(struct client *client, struct buffer *buffer) {
	draw(client, buffer, 0, buffer->height);
	buffer->state = BUFFER_DRAWING;
	if (!frame_ready(client, buffer)) {
		return false;
	}
	commit(client, buffer);
	series_add(&client->acquire_waits, 0);
	return true;
}

static struct buffer *find_free(struct client *client) {
	for (int i = 0; i < client->options.buffers; i++) {
		if (client->buffers[i].state == BUFFER_FREE) {
			return &client->buffers[i];
		}
	}
	return NULL;
}

static bool begin(struct client *client, struct buffer *buffer) {
	if (!buffer_fit(client, buffer)) {
		client->failed = true;
		return false;
	}
	client->wants_frame = false;
	buffer->frame = client->next_frame++;
	buffer->point++;
	buffer->released = false;
	return client->options.late_ns > 0 && client->explicit_sync ?
		begin_late(client, buffer) : begin_ready(client, buffer);
}

/* Draw the rows that are due by now; the drawing takes as long as the option says. */
static uint64_t go_on(struct client *client, struct buffer *buffer) {
	uint64_t piece_ns = client->options.late_ns / PIECES;
	uint64_t piece = (now_ns() - buffer->committed_ns) / (piece_ns > 0 ? piece_ns : 1);
	int due = piece < PIECES ? buffer->height * (int)piece / PIECES : buffer->height;
	if (due > client->drawn_rows) {
		draw(client, buffer, client->drawn_rows, due);
		client->drawn_rows = due;
	}
	if (due == buffer->height) {
		if (frame_ready(client, buffer)) {
			series_add(&client->acquire_waits, now_ns() - buffer->committed_ns);
		}
		return 0;
	}
	return buffer->committed_ns + (piece + 1) * piece_ns;
}

uint64_t frames_step(struct client *client) {
	check_releases(client);
	if (client->drawing != NULL) {
		return go_on(client, client->drawing);
	}
	bool holds = client->options.hold > 0 && client->next_frame >= client->options.hold;
	struct buffer *free = client->wants_frame && !holds ? find_free(client) : NULL;
	if (free != NULL && begin(client, free) && client->drawing != NULL) {
		return now_ns();
	}
	return 0;
}

bool frames_init(struct client *client) {
	for (int i = 0; i < client->options.buffers; i++) {
		if (!buffer_init(client, &client->buffers[i])) {
			return false;
		}
	}
	return true;
}

void frames_finish(struct client *client) {
	for (int i = 0; i < client->options.buffers; i++) {
		struct buffer *buffer = &client->buffers[i];
		if (buffer->client == NULL) {
			continue;
		}
		buffer_finish_memory(buffer);
		window_forget_timelines(buffer);
		fence_source_finish(&buffer->source);
		timeline_finish(&buffer->acquire);
		timeline_finish(&buffer->release);
		if (buffer->release_fd >= 0) {
			close(buffer->release_fd);
		}
	}
	series_finish(&client->acquire_waits);
	series_finish(&client->releases);
	series_finish(&client->displays);
	series_finish(&client->latencies);
}
