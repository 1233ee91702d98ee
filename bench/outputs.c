#include "outputs.h"
#include <drm_fourcc.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wlr/render/color.h>
#include <wlr/render/dmabuf.h>
#include <wlr/render/pass.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/util/log.h>

/** The first is not counted: what is made when it is first needed, all outputs share. */
#define OUTPUTS 3
/** Little is drawn: pixels take no memory, but an emulated processor seconds. */
#define PATCH 32
#define FRAME_TIMEOUT_MS 30000

struct output {
	struct wlr_buffer *buffers[BENCH_OUTPUT_BUFFERS];
	struct wlr_color_transform *transform; // NULL: say nothing about colour
};

static int64_t heap_now(void) {
	struct mallinfo2 info = mallinfo2();
	return (int64_t)(info.uordblks + info.hblkhd);
}

static bool output_init(struct output *output, const struct bench_setup *setup, bool hdr) {
	if (hdr || setup->peer->linear) {
		output->transform = wlr_color_transform_init_linear_to_inverse_eotf(hdr ?
			WLR_COLOR_TRANSFER_FUNCTION_ST2084_PQ : WLR_COLOR_TRANSFER_FUNCTION_EXT_LINEAR);
	}
	for (int i = 0; i < BENCH_OUTPUT_BUFFERS; i++) {
		output->buffers[i] = bench_buffer_create(setup->memory, BENCH_WIDTH, BENCH_HEIGHT,
			DRM_FORMAT_XRGB8888, 0xff000000);
		if (output->buffers[i] == NULL) {
			return false;
		}
	}
	return true;
}

static void output_finish(struct output *output) {
	for (int i = 0; i < BENCH_OUTPUT_BUFFERS; i++) {
		wlr_buffer_drop(output->buffers[i]);
	}
	wlr_color_transform_unref(output->transform);
}

static bool wait_for(struct wlr_buffer *buffer) {
	struct wlr_dmabuf_attributes attribs;
	if (!wlr_buffer_get_dmabuf(buffer, &attribs)) {
		return false;
	}
	struct pollfd pollfd = { .fd = attribs.fd[0], .events = POLLOUT };
	return poll(&pollfd, 1, FRAME_TIMEOUT_MS) == 1;
}

static bool draw(const struct bench_setup *setup, const struct output *output, struct wlr_buffer *buffer) {
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(setup->renderer, buffer,
		&(struct wlr_buffer_pass_options){ .color_transform = output->transform });
	if (pass == NULL) {
		return false;
	}
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.box = { .width = PATCH, .height = PATCH },
		.color = { 0.2f, 0.2f, 0.3f, 1.0f },
	});
	return wlr_render_pass_submit(pass) && wait_for(buffer);
}

/* Twice: what a renderer makes for the frame before the last is there, too. */
static bool use(const struct bench_setup *setup, const struct output *output) {
	for (int i = 0; i < 2 * BENCH_OUTPUT_BUFFERS; i++) {
		if (!draw(setup, output, output->buffers[i % BENCH_OUTPUT_BUFFERS])) {
			return false;
		}
	}
	return true;
}

static bool measure(const struct bench_setup *setup, const struct output *all,
		struct bench_outputs *outputs) {
	if (!use(setup, &all[0])) {
		return false;
	}
	int64_t heap = heap_now(), device = bench_count_device_bytes();
	for (int i = 1; i < OUTPUTS; i++) {
		if (!use(setup, &all[i])) {
			return false;
		}
	}
	outputs->heap = (double)(heap_now() - heap) / (OUTPUTS - 1);
	outputs->device = device < 0 ? -1 :
		(double)(bench_count_device_bytes() - device) / (OUTPUTS - 1);
	return true;
}

void bench_outputs_measure(const struct bench_setup *setup, bool hdr, struct bench_outputs *outputs) {
	struct output all[OUTPUTS] = {0};
	bool ok = true;
	*outputs = (struct bench_outputs){0};
	for (int i = 0; i < OUTPUTS && ok; i++) {
		ok = output_init(&all[i], setup, hdr);
	}
	outputs->ok = ok && measure(setup, all, outputs);
	for (int i = 0; i < OUTPUTS; i++) {
		output_finish(&all[i]);
	}
}

/* The layer lies beside the program. */
void bench_outputs_prepare(void) {
	char path[PATH_MAX] = "";
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash = length > 0 ? strrchr(path, '/') : NULL;
	if (slash != NULL) {
		*slash = '\0';
		setenv("VK_ADD_LAYER_PATH", path, 1);
		setenv("VK_INSTANCE_LAYERS", "VK_LAYER_SIGNALBOX_bench_memory", 1);
	}
}
