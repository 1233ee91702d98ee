#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "trace/dump.h"
#include "trace/recorder.h"
#include "trace/ring.h"

enum {
	MAX_OUTPUTS = 32,
	MAX_CLIENTS = 64,
	NAME_SIZE = 32,
};

struct client_name {
	int32_t pid;
	char name[NAME_SIZE];
};

bool sbx_recorder_running;

/* Made once and never freed: others may be writing to it at any time. */
static struct sbx_ring *ring;
/* The number of the first event of this recording. */
static uint64_t first;

/* Of all that follows, and of starting. Never held while anything is recorded. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char outputs[MAX_OUTPUTS][NAME_SIZE];
static struct client_name clients[MAX_CLIENTS];
static unsigned next_client;
static struct sbx_recorder_source *sources;
static pthread_t sources_thread;

int64_t sbx_recorder_now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void sbx_recorder_add(const struct sbx_event *event) {
	struct sbx_ring *into = __atomic_load_n(&ring, __ATOMIC_ACQUIRE);
	if (into == NULL) {
		return;
	}
	struct sbx_event stamped = *event;
	if (stamped.time_ns == 0) {
		stamped.time_ns = sbx_recorder_now_ns();
	}
	sbx_ring_add(into, &stamped);
}

static int start(size_t events) {
	if (sbx_trace_is_running()) {
		return -EALREADY;
	}
	if (ring == NULL) {
		struct sbx_ring *made = sbx_ring_create(events > 0 ? events : SBX_TRACE_DEFAULT_EVENTS);
		if (made == NULL) {
			return -ENOMEM;
		}
		__atomic_store_n(&ring, made, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&first, sbx_ring_count(ring), __ATOMIC_RELAXED);
	__atomic_store_n(&sbx_recorder_running, true, __ATOMIC_RELAXED);
	return 0;
}

int sbx_trace_start(size_t events) {
	pthread_mutex_lock(&lock);
	int ret = start(events);
	pthread_mutex_unlock(&lock);
	return ret;
}

void sbx_trace_stop(void) {
	__atomic_store_n(&sbx_recorder_running, false, __ATOMIC_RELAXED);
}

bool sbx_trace_is_running(void) {
	return sbx_is_tracing();
}

void sbx_recorder_init(void) {
	static bool done;
	if (!__atomic_exchange_n(&done, true, __ATOMIC_RELAXED)) {
		sbx_dump_init();
	}
}

static void collect(void) {
	// Sources come and go on their own thread only, so the list cannot change under it.
	pthread_mutex_lock(&lock);
	struct sbx_recorder_source *source =
		pthread_equal(sources_thread, pthread_self()) ? sources : NULL;
	pthread_mutex_unlock(&lock);
	for (; source != NULL; source = source->next) {
		source->collect(source->data);
	}
}

int sbx_recorder_read(struct sbx_recording *recording) {
	struct sbx_ring *from = __atomic_load_n(&ring, __ATOMIC_ACQUIRE);
	*recording = (struct sbx_recording){0};
	if (from == NULL) {
		return 0;
	}
	collect();
	recording->events = calloc(sbx_ring_capacity(from), sizeof(*recording->events));
	if (recording->events == NULL) {
		return -ENOMEM;
	}
	recording->count = sbx_ring_read(from, __atomic_load_n(&first, __ATOMIC_RELAXED),
		recording->events, &recording->lost);
	return 0;
}

void sbx_recorder_add_source(struct sbx_recorder_source *source) {
	pthread_mutex_lock(&lock);
	source->next = sources;
	sources = source;
	sources_thread = pthread_self();
	pthread_mutex_unlock(&lock);
}

void sbx_recorder_remove_source(struct sbx_recorder_source *source) {
	pthread_mutex_lock(&lock);
	struct sbx_recorder_source **at = &sources;
	while (*at != NULL && *at != source) {
		at = &(*at)->next;
	}
	if (*at != NULL) {
		*at = source->next;
	}
	pthread_mutex_unlock(&lock);
}

/* Names */

static void copy_name(char *to, const char *name) {
	snprintf(to, NAME_SIZE, "%s", name);
}

static uint32_t find_or_add_output(const char *name) {
	char cut[NAME_SIZE];
	copy_name(cut, name);
	for (uint32_t i = 0; i < MAX_OUTPUTS; i++) {
		if (outputs[i][0] == '\0') {
			copy_name(outputs[i], cut);
		}
		if (strcmp(outputs[i], cut) == 0) {
			return i + 1;
		}
	}
	return 0;
}

uint32_t sbx_recorder_name_output(const char *name) {
	pthread_mutex_lock(&lock);
	uint32_t output = find_or_add_output(name);
	pthread_mutex_unlock(&lock);
	return output;
}

static struct client_name *find_client(int32_t pid) {
	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		if (clients[i].pid == pid) {
			return &clients[i];
		}
	}
	return NULL;
}

void sbx_recorder_name_client(int32_t pid, const char *name) {
	pthread_mutex_lock(&lock);
	struct client_name *client = find_client(pid);
	if (client == NULL) {
		client = &clients[next_client++ % MAX_CLIENTS];
	}
	client->pid = pid;
	copy_name(client->name, name);
	pthread_mutex_unlock(&lock);
}

void sbx_recorder_output_name(uint32_t output, char *name, size_t size) {
	pthread_mutex_lock(&lock);
	bool known = output > 0 && output <= MAX_OUTPUTS && outputs[output - 1][0] != '\0';
	snprintf(name, size, "%s", known ? outputs[output - 1] : "?");
	pthread_mutex_unlock(&lock);
}

void sbx_recorder_client_name(int32_t pid, char *name, size_t size) {
	pthread_mutex_lock(&lock);
	const struct client_name *client = pid != 0 ? find_client(pid) : NULL;
	snprintf(name, size, "%s", client != NULL ? client->name : "?");
	pthread_mutex_unlock(&lock);
}
