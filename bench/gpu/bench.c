/*
 * What frames of the composer cost on a GPU, beside what the GPU can do:
 *
 *   signalbox-gpu-bench [--size WIDTHxHEIGHT] [--frames N] [--only WORD]...
 *   signalbox-gpu-bench --busy WIDTHxHEIGHT
 *   signalbox-gpu-bench --traced WIDTHxHEIGHT
 *   signalbox-gpu-bench --start TIMES
 *
 * GPU time of each scene from timestamps, frame by frame: median and the tenth and ninetieth percentile of
 * N frames (default 60). "apart": the GPU is idle before each frame, as it is in a compositor. "in a
 * row": the next frame is on the queue before the last one ends. "moved": the bytes that the frame must
 * read and write at least. "of copy": those bytes in the median time, as a share of what a shader that
 * copies a buffer moved in the same run. "thread": CPU time of the calling thread for a frame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench/gpu/bandwidth.h"
#include "bench/gpu/busy.h"
#include "bench/gpu/scene.h"
#include "bench/gpu/start.h"
#include "bench/gpu/stats.h"
#include "bench/gpu/traced.h"
#include "render/batch.h"
#include "render/compose.h"
#include "render/device.h"
#include "trace/counter.h"

#define MAX_FRAMES 1000
#define MAX_ONLY 16
#define BUSY_FRAMES 300
#define WARM_UP 5
#define TIMEOUT_NS 60000000000ull
/** Frames on their way in a row, each with a timer of its own. */
#define IN_FLIGHT 3

struct bench {
	struct sbx_device *device;
	struct sbx_composer *composer;
	struct sbx_timer *timers[IN_FLIGHT];
	struct stage stage;
	int frames;
	double copy_bandwidth;
};

/** From the command line. */
struct choice {
	int width, height, frames;
	/** Parts of names of scenes; none: all. */
	const char *only[MAX_ONLY];
	int n_only;
};

struct figures {
	int64_t gpu[MAX_FRAMES], row[MAX_FRAMES], thread[MAX_FRAMES];
	int64_t parts;
};

static void die(const char *what) {
	fprintf(stderr, "signalbox-gpu-bench: %s\n", what);
	exit(EXIT_FAILURE);
}

static int64_t thread_time(void) {
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static uint64_t draw(struct bench *bench, const struct scene *scene, struct sbx_timer *timer) {
	uint64_t value = 0;
	struct sbx_frame *frame = sbx_composer_begin(bench->composer, bench->stage.target);
	if (frame == NULL) {
		die("no frame");
	}
	sbx_frame_set_timer(frame, timer);
	scene_draw(scene, &bench->stage, frame);
	if (sbx_frame_submit(frame, NULL, &value) < 0) {
		die("a frame failed");
	}
	return value;
}

static int64_t finish(struct bench *bench, uint64_t value, struct sbx_timer *timer) {
	if (sbx_device_wait(bench->device, value, TIMEOUT_NS) < 0) {
		die("the GPU hangs");
	}
	return sbx_timer_duration_ns(timer);
}

static void measure_apart(struct bench *bench, const struct scene *scene, struct figures *figures) {
	for (int i = -WARM_UP; i < bench->frames; i++) {
		int at = i < 0 ? 0 : i;
		uint64_t parts = sbx_counter_read(SBX_COUNT_PARTS);
		int64_t begin = thread_time();
		uint64_t value = draw(bench, scene, bench->timers[0]);
		figures->thread[at] = thread_time() - begin;
		figures->parts = (int64_t)(sbx_counter_read(SBX_COUNT_PARTS) - parts);
		figures->gpu[at] = finish(bench, value, bench->timers[0]);
	}
}

static void measure_in_a_row(struct bench *bench, const struct scene *scene,
		struct figures *figures) {
	uint64_t values[IN_FLIGHT];
	for (int i = 0; i < bench->frames + IN_FLIGHT; i++) {
		int at = i % IN_FLIGHT;
		if (i >= IN_FLIGHT) {
			figures->row[i - IN_FLIGHT] = finish(bench, values[at], bench->timers[at]);
		}
		if (i < bench->frames) {
			values[at] = draw(bench, scene, bench->timers[at]);
		}
	}
}

static double moved_bytes(const struct bench *bench, const struct scene *scene) {
	double pixels = (double)bench->stage.width * bench->stage.height;
	return scene->read == NULL ? 0 : pixels * 4 * (scene->read(&bench->stage, scene->n) + 1);
}

static void report(const struct bench *bench, const struct scene *scene, struct figures *figures) {
	size_t n = (size_t)bench->frames;
	stats_sort(figures->gpu, n);
	stats_sort(figures->row, n);
	stats_sort(figures->thread, n);
	double us = (double)stats_at(figures->gpu, n, 0.5) / 1000;
	printf("| %-31s | %5d | %7.1f | %7.1f | %7.1f | %7.1f | %7.1f |", scene->name,
		(int)figures->parts, us, (double)stats_at(figures->gpu, n, 0.1) / 1000,
		(double)stats_at(figures->gpu, n, 0.9) / 1000,
		(double)stats_at(figures->row, n, 0.5) / 1000,
		(double)stats_at(figures->thread, n, 0.5) / 1000);
	double moved = moved_bytes(bench, scene);
	if (moved > 0 && bench->copy_bandwidth > 0 && us > 0) {
		printf(" %6.0f | %6.0f%% |\n", moved / 1e6,
			100 * moved / (us * 1000) / bench->copy_bandwidth);
	} else {
		printf(" %6s | %7s |\n", "", "");
	}
	fflush(stdout);
}

static bool is_chosen(const struct choice *choice, const struct scene *scene) {
	for (int i = 0; i < choice->n_only; i++) {
		if (strstr(scene->name, choice->only[i]) != NULL) {
			return true;
		}
	}
	return choice->n_only == 0;
}

static void run_scenes(struct bench *bench, const struct choice *choice) {
	static struct figures figures;
	printf("| %-31s | parts | GPU us |  10%% |  90%% | in a row | thread | moved MB | of copy |\n"
		"| %-31s | ----: | -----: | ---: | ---: | -------: | -----: | -------: | ------: |\n",
		"scene", "---");
	for (size_t i = 0; i < n_scenes; i++) {
		if (!is_chosen(choice, &scenes[i])) {
			continue;
		}
		measure_apart(bench, &scenes[i], &figures);
		measure_in_a_row(bench, &scenes[i], &figures);
		report(bench, &scenes[i], &figures);
	}
}

static bool open_bench(struct bench *bench, const struct choice *choice) {
	if (sbx_device_create(&(struct sbx_device_options){ .drm_fd = -1 }, &bench->device) < 0 ||
			sbx_composer_create(bench->device, &bench->composer) < 0) {
		return false;
	}
	for (int i = 0; i < IN_FLIGHT; i++) {
		bench->timers[i] = sbx_timer_create(bench->device);
		if (bench->timers[i] == NULL) {
			die("no timers");
		}
	}
	if (!stage_init(&bench->stage, bench->device, choice->width, choice->height)) {
		die("no room for the images");
	}
	return true;
}

static void close_bench(struct bench *bench) {
	stage_finish(&bench->stage);
	for (int i = 0; i < IN_FLIGHT; i++) {
		sbx_timer_destroy(bench->timers[i]);
	}
	sbx_composer_destroy(bench->composer);
	sbx_device_destroy(bench->device);
}

static bool parse(int argc, char **argv, struct choice *choice) {
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--size") == 0) {
			if (sscanf(argv[i + 1], "%dx%d", &choice->width, &choice->height) != 2) {
				return false;
			}
		} else if (strcmp(argv[i], "--frames") == 0) {
			choice->frames = atoi(argv[i + 1]);
		} else if (strcmp(argv[i], "--only") == 0 && choice->n_only < MAX_ONLY) {
			choice->only[choice->n_only++] = argv[i + 1];
		} else {
			return false;
		}
	}
	return argc % 2 == 1 && choice->frames > 0 && choice->frames <= MAX_FRAMES &&
		choice->width >= 64 && choice->height >= 64;
}

int main(int argc, char **argv) {
	static struct bench bench;
	int w, h;
	if (argc == 3 && sscanf(argv[2], "%dx%d", &w, &h) == 2 && strcmp(argv[1], "--busy") == 0) {
		return busy_measure(w, h, BUSY_FRAMES);
	}
	if (argc == 3 && sscanf(argv[2], "%dx%d", &w, &h) == 2 && strcmp(argv[1], "--load") == 0) {
		return busy_load(w, h);
	}
	if (argc == 3 && sscanf(argv[2], "%dx%d", &w, &h) == 2 && strcmp(argv[1], "--traced") == 0) {
		return traced_measure(w, h);
	}
	if (argc == 3 && strcmp(argv[1], "--start") == 0) {
		return start_measure(atoi(argv[2]));
	}
	if (argc == 2 && strcmp(argv[1], "--start-once") == 0) {
		return start_once();
	}
	struct choice choice = { .width = 3840, .height = 2160, .frames = 60 };
	if (!parse(argc, argv, &choice)) {
		fprintf(stderr, "usage: %s [--size WIDTHxHEIGHT] [--frames N] [--only WORD]...\n",
			argv[0]);
		return EXIT_FAILURE;
	}
	bench.frames = choice.frames;
	if (!open_bench(&bench, &choice)) {
		fprintf(stderr, "no Vulkan device\n");
		return 77;
	}
	if (!bench.device->caps.software) {
		bench.copy_bandwidth = bandwidth_of_copies(bench.device);
	}
	printf("%s, %dx%d, copying a buffer moves %.0f GB/s (read and written)\n\n", bench.device->name,
		choice.width, choice.height, bench.copy_bandwidth);
	run_scenes(&bench, &choice);
	close_bench(&bench);
	return EXIT_SUCCESS;
}
