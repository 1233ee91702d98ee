#include <drm_fourcc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench/gpu/busy.h"
#include "bench/gpu/scene.h"
#include "bench/gpu/stats.h"
#include "render/batch.h"
#include "render/compose.h"
#include "render/device.h"

#define TIMEOUT_NS 60000000000ull
#define MAX_FRAMES 1000
/** Between two frames, as a compositor's; the load has the GPU to itself meanwhile. */
#define PAUSE_NS 3000000
/** Frames that the load has on the queue. */
#define LOAD_AHEAD 12

struct painter {
	struct sbx_device *device;
	struct sbx_composer *composer;
	struct stage stage;
};

struct queue_kind {
	const char *name;
	bool compute_only, high_priority;
};

static const struct queue_kind kinds[] = {
	{ "graphics family", false, false },
	{ "graphics family, high priority", false, true },
	{ "compute-only family", true, false },
	{ "compute-only family, high priority", true, true },
};

static bool open_painter(struct painter *painter, const struct queue_kind *kind, int width, int height) {
	const struct sbx_device_options options = {
		.drm_fd = -1, .compute_only = kind->compute_only, .high_priority = kind->high_priority,
	};
	return sbx_device_create(&options, &painter->device) == 0 &&
		sbx_composer_create(painter->device, &painter->composer) == 0 &&
		stage_init(&painter->stage, painter->device, width, height);
}

static void close_painter(struct painter *painter) {
	stage_finish(&painter->stage);
	sbx_composer_destroy(painter->composer);
	sbx_device_destroy(painter->device);
}

static uint64_t paint(struct painter *painter, const struct scene *scene) {
	uint64_t value = 0;
	struct sbx_frame *frame = sbx_composer_begin(painter->composer, painter->stage.target);
	if (frame == NULL) {
		exit(EXIT_FAILURE);
	}
	scene_draw(scene, &painter->stage, frame);
	if (sbx_frame_submit(frame, NULL, &value) < 0) {
		exit(EXIT_FAILURE);
	}
	return value;
}

static void wait_for(struct painter *painter, uint64_t value) {
	if (sbx_device_wait(painter->device, value, TIMEOUT_NS) < 0) {
		exit(EXIT_FAILURE);
	}
}

static bool input_ended(void) {
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	return poll(&input, 1, 0) != 0;
}

int busy_load(int width, int height) {
	struct painter painter = {0};
	uint64_t values[LOAD_AHEAD] = {0};
	if (!open_painter(&painter, &kinds[0], width, height)) {
		return 77;
	}
	// It works.
	wait_for(&painter, paint(&painter, &busy_scene));
	if (write(STDOUT_FILENO, "x", 1) != 1) {
		return EXIT_FAILURE;
	}
	for (unsigned i = 0; !input_ended(); i++) {
		wait_for(&painter, values[i % LOAD_AHEAD]);
		values[i % LOAD_AHEAD] = paint(&painter, &busy_scene);
	}
	close_painter(&painter);
	return EXIT_SUCCESS;
}

struct load {
	pid_t pid;
	int input;
};

static void start_load(struct load *load, int width, int height) {
	int to[2], from[2];
	char size[32], byte;
	snprintf(size, sizeof(size), "%dx%d", width, height);
	if (pipe(to) != 0 || pipe(from) != 0 || (load->pid = fork()) < 0) {
		exit(EXIT_FAILURE);
	}
	if (load->pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		close(to[0]);
		close(to[1]);
		close(from[0]);
		close(from[1]);
		execl("/proc/self/exe", "signalbox-gpu-bench", "--load", size, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	load->input = to[1];
	if (read(from[0], &byte, 1) != 1) {
		fprintf(stderr, "the load does not start\n");
		exit(EXIT_FAILURE);
	}
	close(from[0]);
}

static void stop_load(struct load *load) {
	close(load->input);
	waitpid(load->pid, NULL, 0);
}

static int64_t now_ns(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void measure(struct painter *painter, const char *beside, int frames) {
	static int64_t times[MAX_FRAMES];
	for (int i = -3; i < frames; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
		int64_t begin = now_ns();
		wait_for(painter, paint(painter, &busy_frame));
		times[i < 0 ? 0 : i] = now_ns() - begin;
	}
	stats_sort(times, (size_t)frames);
	printf(" %s %.0f, %.0f, %.0f |", beside, (double)stats_at(times, (size_t)frames, 0.5) / 1000,
		(double)stats_at(times, (size_t)frames, 0.9) / 1000,
		(double)times[frames - 1] / 1000);
	fflush(stdout);
}

int busy_measure(int width, int height, int frames) {
	printf("%dx%d, one opaque layer, us from submit until done: median, 90%%, longest\n", width,
		height);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct painter painter = {0};
		struct load load;
		if (!open_painter(&painter, &kinds[i], width, height)) {
			return 77;
		}
		printf("| %-35s | family %u, priority %s |", kinds[i].name, painter.device->queue_family,
			painter.device->high_priority ? "high" : "usual");
		measure(&painter, "idle:", frames);
		start_load(&load, width, height);
		measure(&painter, "busy:", frames);
		stop_load(&load);
		printf("\n");
		close_painter(&painter);
	}
	return EXIT_SUCCESS;
}
