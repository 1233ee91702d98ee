#include "bench/gpu/start.h"

#include <drm_fourcc.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench/gpu/driver_time.h"
#include "bench/gpu/stats.h"
#include "render/batch.h"
#include "render/compose.h"
#include "render/device.h"
#include "render/format.h"
#include "render/image.h"

#define SIZE 64
#define MAX_TIMES 100
#define TIMEOUT_NS 60000000000ull
#define NO_DEVICE 77

enum step {
	STEP_DEVICE,
	STEP_COMPOSER,
	STEP_FRAME,
	STEP_COUNT,
};

static const char *const step_names[STEP_COUNT] = { "device", "composer", "first frame" };

/** Nanoseconds, the driver's included, and the driver's alone. */
struct lap {
	int64_t whole, driver;
};

static int64_t now_ns(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int draw_frame(struct sbx_device *device, struct sbx_composer *composer) {
	struct sbx_image *target = sbx_image_create(device, sbx_format_from_drm(DRM_FORMAT_XRGB8888),
		SIZE, SIZE, SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE);
	struct sbx_frame *frame = target != NULL ? sbx_composer_begin(composer, target) : NULL;
	uint64_t value = 0;
	if (frame == NULL) {
		return -1;
	}
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){
		.box = { 0, 0, SIZE, SIZE }, .color = { 0, 0, 0, 1 },
	});
	int ret = sbx_frame_submit(frame, NULL, &value);
	if (ret == 0) {
		ret = sbx_device_wait(device, value, TIMEOUT_NS);
	}
	sbx_image_destroy(target);
	return ret;
}

static int take_step(enum step step, struct sbx_device **device, struct sbx_composer **composer) {
	switch (step) {
	case STEP_DEVICE:
		// all formats included: its report counts them
		return sbx_device_create(&(struct sbx_device_options){ .drm_fd = -1 }, device);
	case STEP_COMPOSER:
		return sbx_composer_create(*device, composer);
	case STEP_FRAME:
		return draw_frame(*device, *composer);
	case STEP_COUNT:
		break;
	}
	return -1;
}

int start_once(void) {
	struct sbx_device *device = NULL;
	struct sbx_composer *composer = NULL;
	struct lap laps[STEP_COUNT];
	int ret = 0;
	for (int step = 0; step < STEP_COUNT && ret == 0; step++) {
		int64_t begin = now_ns(), driver = driver_time_ns();
		ret = take_step((enum step)step, &device, &composer);
		laps[step] = (struct lap){ now_ns() - begin, driver_time_ns() - driver };
	}
	if (ret == 0 && write(STDOUT_FILENO, laps, sizeof(laps)) != (ssize_t)sizeof(laps)) {
		ret = -1;
	}
	sbx_composer_destroy(composer);
	sbx_device_destroy(device);
	return ret == 0 ? EXIT_SUCCESS : NO_DEVICE;
}

/** Runs one; false: it did not come to its end. */
static bool run_once(struct lap laps[static STEP_COUNT]) {
	int ends[2], status = 0;
	if (pipe(ends) != 0) {
		return false;
	}
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl("/proc/self/exe", "signalbox-gpu-bench", "--start-once", NULL);
		_exit(127);
	}
	close(ends[1]);
	ssize_t got = read(ends[0], laps, STEP_COUNT * sizeof(laps[0]));
	close(ends[0]);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 &&
		got == (ssize_t)(STEP_COUNT * sizeof(laps[0]));
}

static void report(const char *name, struct lap all[][STEP_COUNT], int times) {
	int64_t values[MAX_TIMES], ours[MAX_TIMES];
	printf("| %-34s |", name);
	for (int step = 0; step < STEP_COUNT; step++) {
		for (int i = 0; i < times; i++) {
			values[i] = all[i][step].whole;
		}
		stats_sort(values, (size_t)times);
		printf(" %11.2f |", (double)stats_at(values, (size_t)times, 0.5) / 1e6);
	}
	for (int i = 0; i < times; i++) {
		values[i] = ours[i] = 0;
		for (int step = 0; step < STEP_COUNT; step++) {
			values[i] += all[i][step].whole;
			ours[i] += all[i][step].whole - all[i][step].driver;
		}
	}
	stats_sort(values, (size_t)times);
	stats_sort(ours, (size_t)times);
	printf(" %8.2f | %8.2f | %8.2f |\n", (double)stats_at(values, (size_t)times, 0.5) / 1e6,
		(double)stats_at(ours, (size_t)times, 0.5) / 1e6,
		(double)ours[times - 1] / 1e6);
	fflush(stdout);
}

/** What is forgotten before each start. */
enum forget { FORGET_ALL, FORGET_OURS, FORGET_NOTHING };

static void forget(const char *cache, enum forget what) {
	static const char *const patterns[] = {
		[FORGET_ALL] = "rm -rf -- '%s'/*", [FORGET_OURS] = "rm -rf -- '%s/signalbox'",
	};
	char command[PATH_MAX + 32];
	if (what == FORGET_NOTHING) {
		return;
	}
	snprintf(command, sizeof(command), patterns[what], cache);
	if (system(command) != 0) {
		fprintf(stderr, "cannot empty %s\n", cache);
	}
}

static bool measure(const char *name, const char *cache, enum forget what, int times) {
	static struct lap all[MAX_TIMES][STEP_COUNT];
	for (int i = 0; i < times; i++) {
		forget(cache, what);
		if (!run_once(all[i])) {
			return false;
		}
	}
	report(name, all, times);
	return true;
}

int start_measure(int times) {
	char cache[] = "/tmp/signalbox-start-XXXXXX";
	if (times < 1 || times > MAX_TIMES || mkdtemp(cache) == NULL) {
		return EXIT_FAILURE;
	}
	// The drivers' own caches are looked for there, too; these variables would lead them elsewhere.
	setenv("XDG_CACHE_HOME", cache, 1);
	unsetenv("MESA_SHADER_CACHE_DIR");
	setenv("SIGNALBOX_LOG", "error", 0);
	printf("Milliseconds until a frame is drawn, medians of %d starts; \"ours\": without the loader and "
		"the driver\n\n| %-34s |", times, "caches");
	for (int step = 0; step < STEP_COUNT; step++) {
		printf(" %11s |", step_names[step]);
	}
	printf(" %8s | %8s | %8s |\n| %-34s |", "all", "ours", "longest", "---");
	for (int step = 0; step < STEP_COUNT; step++) {
		printf(" ----------: |");
	}
	printf(" -------: | -------: | -------: |\n");
	fflush(stdout);
	bool ok = measure("none", cache, FORGET_ALL, times) &&
		measure("the driver's", cache, FORGET_OURS, times) &&
		measure("the driver's and ours", cache, FORGET_NOTHING, times);
	forget(cache, FORGET_ALL);
	rmdir(cache);
	return ok ? EXIT_SUCCESS : NO_DEVICE;
}
