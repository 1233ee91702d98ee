/*
 * What a frame of the composer costs on this device, 1280x720 unless WIDTH HEIGHT are given:
 *
 *   render-cost [WIDTH HEIGHT]
 *
 * For each case the median of 15 frames: wall time from begin until the GPU is done, CPU time of the
 * whole process and of this thread alone, GPU time from timestamps.
 */
#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "render/batch.h"
#include "render/compose.h"
#include "render/device.h"
#include "render/format.h"
#include "render/image.h"
#include "trace/counter.h"
#include "trace/recorder.h"

#define FRAMES 15
#define TIMEOUT_NS 60000000000ull

static int width = 1280, height = 720;

struct bench {
	struct sbx_device *device;
	struct sbx_composer *composer;
	struct sbx_timer *timer;
	struct sbx_image *target, *opaque, *other_order, *alpha, *small;
};

static struct sbx_image *make(struct sbx_device *device, uint32_t drm, int w, int h, bool store) {
	const struct sbx_format *format = sbx_format_from_drm(drm);
	struct sbx_image *image = sbx_image_create(device, format, (uint32_t)w, (uint32_t)h,
		SBX_FORMAT_SAMPLE | (store ? SBX_FORMAT_STORE : 0));
	uint32_t *pixels = malloc((size_t)w * (size_t)h * 4);
	if (image == NULL || pixels == NULL) {
		exit(EXIT_FAILURE);
	}
	for (size_t i = 0; i < (size_t)w * (size_t)h; i++) {
		pixels[i] = 0x80402010u + (uint32_t)i % 7;
	}
	if (sbx_image_write(image, pixels, (uint32_t)w * 4, NULL) < 0) {
		exit(EXIT_FAILURE);
	}
	free(pixels);
	return image;
}

static void add(struct sbx_frame *frame, struct sbx_image *image, int x, int y, int w, int h,
		bool exact) {
	sbx_frame_add_texture(frame, &(struct sbx_texture_op){
		.texture = image,
		.src_width = exact ? w : (int)image->width, .src_height = exact ? h : (int)image->height,
		.box = { x, y, x + w, y + h },
		.alpha = 1,
	});
}

static void nothing(struct bench *b, struct sbx_frame *frame) {
}

static void copy(struct bench *b, struct sbx_frame *frame) {
	add(frame, b->opaque, 0, 0, width, height, true);
}

static void one_opaque(struct bench *b, struct sbx_frame *frame) {
	add(frame, b->other_order, 0, 0, width, height, true);
}

static void one_rect(struct bench *b, struct sbx_frame *frame) {
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){
		.box = { 0, 0, width, height }, .color = { 0.1f, 0.2f, 0.3f, 1 },
	});
}

static void one_alpha(struct bench *b, struct sbx_frame *frame) {
	add(frame, b->alpha, 0, 0, width, height, true);
}

static void layers(struct bench *b, struct sbx_frame *frame) {
	add(frame, b->opaque, 0, 0, width, height, true);
	for (int i = 0; i < 7; i++) {
		add(frame, b->alpha, 0, 0, width, height, true);
	}
}

static void scaled(struct bench *b, struct sbx_frame *frame) {
	add(frame, b->small, 0, 0, width, height, false);
}

static void windows(struct sbx_frame *frame, struct bench *b, int n) {
	one_rect(b, frame);
	for (int i = 0; i < n; i++) {
		int x = i * 37 % (width - width / 3), y = i * 53 % (height - height / 3);
		add(frame, i % 2 == 0 ? b->opaque : b->alpha, x, y, width / 3, height / 3, true);
	}
}

static void ten_windows(struct bench *b, struct sbx_frame *frame) {
	windows(frame, b, 10);
}

static void grid(struct bench *b, struct sbx_frame *frame, int side) {
	int w = width / side, h = height / side;
	for (int i = 0; i < side * side; i++) {
		add(frame, i % 2 == 0 ? b->opaque : b->alpha, i % side * w, i / side * h, w - 2, h - 2,
			true);
	}
}

static void grid_100(struct bench *b, struct sbx_frame *frame) {
	grid(b, frame, 10);
}

static void grid_1000(struct bench *b, struct sbx_frame *frame) {
	grid(b, frame, 32);
}

static void overlapping_100(struct bench *b, struct sbx_frame *frame) {
	windows(frame, b, 100);
}

static int64_t now(clockid_t clock) {
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int by_value(const void *a, const void *b) {
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static double median_us(int64_t *values) {
	qsort(values, FRAMES, sizeof(values[0]), by_value);
	return (double)values[FRAMES / 2] / 1000;
}

static void measure(struct bench *b, const char *name,
		void (*draw)(struct bench *b, struct sbx_frame *frame)) {
	int64_t wall[FRAMES], whole[FRAMES], thread[FRAMES], gpu[FRAMES];
	uint64_t parts = 0, copied = 0;
	for (int i = -2; i < FRAMES; i++) {
		int at = i < 0 ? 0 : i;
		uint64_t value = 0;
		parts = sbx_counter_read(SBX_COUNT_PARTS);
		copied = sbx_counter_read(SBX_COUNT_COPIED_PARTS);
		wall[at] = now(CLOCK_MONOTONIC);
		whole[at] = now(CLOCK_PROCESS_CPUTIME_ID);
		thread[at] = now(CLOCK_THREAD_CPUTIME_ID);
		struct sbx_frame *frame = sbx_composer_begin(b->composer, b->target);
		if (frame == NULL) {
			exit(EXIT_FAILURE);
		}
		sbx_frame_set_timer(frame, b->timer);
		sbx_frame_trace(frame, value + 1);
		draw(b, frame);
		if (sbx_frame_submit(frame, NULL, &value) < 0) {
			exit(EXIT_FAILURE);
		}
		thread[at] = now(CLOCK_THREAD_CPUTIME_ID) - thread[at];
		if (sbx_device_wait(b->device, value, TIMEOUT_NS) < 0) {
			exit(EXIT_FAILURE);
		}
		wall[at] = now(CLOCK_MONOTONIC) - wall[at];
		whole[at] = now(CLOCK_PROCESS_CPUTIME_ID) - whole[at];
		gpu[at] = sbx_timer_duration_ns(b->timer);
	}
	printf("%-34s %5llu %6llu %10.0f %10.0f %10.1f %10.0f\n", name,
		(unsigned long long)(sbx_counter_read(SBX_COUNT_PARTS) - parts),
		(unsigned long long)(sbx_counter_read(SBX_COUNT_COPIED_PARTS) - copied),
		median_us(wall), median_us(whole), median_us(thread), median_us(gpu));
}

int main(int argc, char **argv) {
	if (argc == 3) {
		width = atoi(argv[1]);
		height = atoi(argv[2]);
	}
	struct bench b = {0};
	if (sbx_device_create(&(struct sbx_device_options){ .drm_fd = -1 }, &b.device) < 0 ||
			sbx_composer_create(b.device, &b.composer) < 0) {
		return 77;
	}
	b.timer = sbx_timer_create(b.device);
	b.target = make(b.device, DRM_FORMAT_XRGB8888, width, height, true);
	b.opaque = make(b.device, DRM_FORMAT_XRGB8888, width, height, false);
	b.other_order = make(b.device, DRM_FORMAT_XBGR8888, width, height, false);
	b.alpha = make(b.device, DRM_FORMAT_ARGB8888, width, height, false);
	b.small = make(b.device, DRM_FORMAT_XRGB8888, width * 2 / 3, height * 2 / 3, false);
	printf("%s, %dx%d\n%-34s %5s %6s %10s %10s %10s %10s\n", b.device->name, width, height, "us",
		"parts", "copied", "wall", "CPU", "thread CPU", "GPU");
	measure(&b, "nothing", nothing);
	measure(&b, "1 opaque layer, as it is", copy);
	measure(&b, "1 opaque layer, another format", one_opaque);
	measure(&b, "1 opaque rectangle", one_rect);
	measure(&b, "1 translucent layer", one_alpha);
	measure(&b, "8 layers, 7 translucent", layers);
	measure(&b, "1 layer scaled up bilinear", scaled);
	measure(&b, "10 windows, half translucent", ten_windows);
	measure(&b, "100 textures in a grid", grid_100);
	measure(&b, "1024 textures in a grid", grid_1000);
	measure(&b, "100 windows on each other", overlapping_100);
	// The same again, recorded (trace/): what do the timestamps cost?
	sbx_trace_start(0);
	measure(&b, "recorded: nothing", nothing);
	measure(&b, "recorded: 1 opaque layer, as it is", copy);
	measure(&b, "recorded: 8 layers, 7 translucent", layers);
	measure(&b, "recorded: 100 textures in a grid", grid_100);
	sbx_trace_stop();
	measure(&b, "nothing", nothing);
	measure(&b, "1 opaque layer, as it is", copy);
	measure(&b, "8 layers, 7 translucent", layers);
	measure(&b, "100 textures in a grid", grid_100);
	sbx_image_destroy(b.target);
	sbx_image_destroy(b.opaque);
	sbx_image_destroy(b.other_order);
	sbx_image_destroy(b.alpha);
	sbx_image_destroy(b.small);
	sbx_timer_destroy(b.timer);
	sbx_composer_destroy(b.composer);
	sbx_device_destroy(b.device);
	return EXIT_SUCCESS;
}
