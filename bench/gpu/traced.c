#include "bench/gpu/traced.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "bench/gpu/scene.h"
#include "bench/gpu/stats.h"
#include "render/batch.h"
#include "render/compose.h"
#include "render/device.h"
#include "trace/recorder.h"

#define TIMEOUT_NS 60000000000ull
#define BLOCKS 10
/** Frames of a block that count; the one before them collects what the block before it left. */
#define BLOCK 20
#define APART (BLOCKS * BLOCK)
#define ROWS 15
#define IN_A_ROW 40

struct drawer {
	struct sbx_device *device;
	struct sbx_composer *composer;
	struct stage stage;
	uint64_t last_pass;
};

/** Of frames apart: CPU time of the calling thread, time until done; of frames in a row: their time. */
struct times {
	int64_t thread[APART], wall[APART], row[ROWS];
};

static int64_t now_ns(clockid_t clock) {
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static uint64_t draw(struct drawer *drawer, const struct scene *scene, bool recorded) {
	uint64_t value = 0;
	struct sbx_frame *frame = sbx_composer_begin(drawer->composer, drawer->stage.target);
	if (frame == NULL) {
		exit(EXIT_FAILURE);
	}
	if (recorded) {
		sbx_frame_trace(frame, ++drawer->last_pass);
	}
	scene_draw(scene, &drawer->stage, frame);
	if (sbx_frame_submit(frame, NULL, &value) < 0) {
		exit(EXIT_FAILURE);
	}
	return value;
}

static void wait_for(struct drawer *drawer, uint64_t value) {
	if (sbx_device_wait(drawer->device, value, TIMEOUT_NS) < 0) {
		exit(EXIT_FAILURE);
	}
}

static void draw_apart(struct drawer *drawer, const struct scene *scene, bool recorded,
		int64_t *thread, int64_t *wall) {
	int64_t begin = now_ns(CLOCK_MONOTONIC), thread_begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t value = draw(drawer, scene, recorded);
	*thread = now_ns(CLOCK_THREAD_CPUTIME_ID) - thread_begin;
	wait_for(drawer, value);
	*wall = now_ns(CLOCK_MONOTONIC) - begin;
}

static void measure_apart(struct drawer *drawer, const struct scene *scene, bool recorded, int block,
		struct times *times) {
	for (int i = -1; i < BLOCK; i++) {
		int at = block * BLOCK + (i < 0 ? 0 : i);
		draw_apart(drawer, scene, recorded, &times->thread[at], &times->wall[at]);
	}
}

static int64_t measure_row(struct drawer *drawer, const struct scene *scene, bool recorded) {
	int64_t begin = now_ns(CLOCK_MONOTONIC);
	uint64_t value = 0;
	for (int i = 0; i < IN_A_ROW; i++) {
		value = draw(drawer, scene, recorded);
	}
	wait_for(drawer, value);
	return (now_ns(CLOCK_MONOTONIC) - begin) / IN_A_ROW;
}

static double median_us(int64_t *values, size_t n) {
	stats_sort(values, n);
	return (double)stats_at(values, n, 0.5) / 1000;
}

static void measure(struct drawer *drawer, const struct scene *scene) {
	static struct times times[2];
	for (int recorded = 0; recorded < 2; recorded++) {
		measure_row(drawer, scene, recorded);
	}
	for (int i = 0; i < 2 * BLOCKS; i++) {
		measure_apart(drawer, scene, i % 2, i / 2, &times[i % 2]);
	}
	for (int i = 0; i < 2 * ROWS; i++) {
		times[i % 2].row[i / 2] = measure_row(drawer, scene, i % 2);
	}
	printf("| %-31s |", scene->name);
	for (int recorded = 0; recorded < 2; recorded++) {
		printf(" %8.1f | %8.1f | %8.1f |", median_us(times[recorded].thread, APART),
			median_us(times[recorded].wall, APART), median_us(times[recorded].row, ROWS));
	}
	printf("\n");
	fflush(stdout);
}

int traced_measure(int width, int height) {
	struct drawer drawer = {0};
	if (sbx_device_create(&(struct sbx_device_options){ .drm_fd = -1 }, &drawer.device) < 0 ||
			sbx_composer_create(drawer.device, &drawer.composer) < 0 ||
			!stage_init(&drawer.stage, drawer.device, width, height) || sbx_trace_start(0) < 0) {
		return 77;
	}
	printf("%s, %dx%d, us a frame: CPU time of the thread, time until done, time in a row of %d\n\n"
		"| %-31s |   thread |     done | in a row | recorded |     done | in a row |\n"
		"| %-31s | -------: | -------: | -------: | -------: | -------: | -------: |\n",
		drawer.device->name, width, height, IN_A_ROW, "scene", "---");
	for (size_t i = 0; i < n_scenes; i++) {
		measure(&drawer, &scenes[i]);
	}
	sbx_trace_stop();
	stage_finish(&drawer.stage);
	sbx_composer_destroy(drawer.composer);
	sbx_device_destroy(drawer.device);
	return EXIT_SUCCESS;
}
