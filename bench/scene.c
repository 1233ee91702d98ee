#include "scene.h"
#include <drm_fourcc.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wlr/render/dmabuf.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/render/pass.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/util/log.h>
#include <xf86drm.h>

#define FRAME_TIMEOUT_MS 30000
#define NS_PER_MS 1000000

struct scene_layer {
	struct wlr_buffer *buffer;
	struct wlr_texture *texture;
	// The client's end, on an fd of its own as a client would have it, and the renderer's
	uint32_t handle;
	struct wlr_drm_syncobj_timeline *timeline;
	struct wlr_box box;
};

struct scene {
	const struct bench_setup *setup;
	const struct bench_case *what;
	int client_fd; // borrowed
	int renderer_fd; // borrowed
	bool explicit_sync;
	struct wlr_color_transform *transform; // NULL: say nothing about colour
	enum wlr_color_transfer_function transfer;

	struct wlr_buffer *targets[2];
	uint32_t done_handle;
	struct wlr_drm_syncobj_timeline *done;
	uint64_t frame;

	struct scene_layer *layers;
	uint32_t *handles; // of all layers, for one call
	uint64_t *points;
	uint64_t point;
};

struct samples {
	int count;
	double main_ms[BENCH_MAX_FRAMES];
	double whole_ms[BENCH_MAX_FRAMES];
	double wall_ms[BENCH_MAX_FRAMES];
};

static const char *const layout_names[BENCH_LAYOUTS] = {
	[BENCH_SMALL] = "small",
	[BENCH_TILES] = "tiles",
	[BENCH_WINDOWS] = "windows",
	[BENCH_BLEND] = "blend",
	[BENCH_VEIL] = "veil",
};

const char *bench_layout_name(enum bench_layout layout) {
	return layout_names[layout];
}

static struct wlr_box layer_box(enum bench_layout layout, int i) {
	switch (layout) {
	case BENCH_SMALL:
		return (struct wlr_box){ i % 40 * 32, i / 40 % 25 * 28, 8, 8 };
	case BENCH_TILES:
	case BENCH_VEIL:
		return (struct wlr_box){ i % 5 * 256, i / 5 % 2 * 360, 256, 360 };
	case BENCH_WINDOWS:
	case BENCH_BLEND:
		return (struct wlr_box){ i % 10 * 96, i % 10 * 54, 320, 180 };
	case BENCH_LAYOUTS:
		break;
	}
	abort();
}

// What is drawn of the picture.
static pixman_box32_t drawn_box(const struct bench_case *what) {
	double side = sqrt(what->percent / 100.0);
	int width = (int)lround(BENCH_WIDTH * side), height = (int)lround(BENCH_HEIGHT * side);
	int x = fmin(480, BENCH_WIDTH - width), y = fmin(270, BENCH_HEIGHT - height);
	return (pixman_box32_t){ x, y, x + width, y + height };
}

static int64_t allocated(void) {
	struct mallinfo2 info = mallinfo2();
	return (int64_t)(info.uordblks + info.hblkhd);
}

static double clock_ms(clockid_t id) {
	struct timespec now;
	clock_gettime(id, &now);
	return now.tv_sec * 1000.0 + now.tv_nsec / 1e6;
}

// Makes a timeline on the client's fd and gives the renderer's side its own handle, as the protocol
// does when a client imports one.
static bool create_timeline(struct scene *scene, uint32_t *handle,
		struct wlr_drm_syncobj_timeline **timeline) {
	int fd = -1;
	if (drmSyncobjCreate(scene->client_fd, 0, handle) != 0 ||
			drmSyncobjHandleToFD(scene->client_fd, *handle, &fd) != 0) {
		wlr_log(WLR_ERROR, "bench: no syncobj: %s", strerror(errno));
		return false;
	}
	*timeline = wlr_drm_syncobj_timeline_import(scene->renderer_fd, fd);
	close(fd);
	return *timeline != NULL;
}

static void destroy_timeline(struct scene *scene, uint32_t handle,
		struct wlr_drm_syncobj_timeline *timeline) {
	wlr_drm_syncobj_timeline_unref(timeline);
	if (handle != 0) {
		drmSyncobjDestroy(scene->client_fd, handle);
	}
}

// Not darker than wlroots can tell apart after its way through 16-bit linear light.
static uint32_t layer_color(int i) {
	return (((i + 1) * 0x0b1321u) & 0x7f7f7f) | 0x404040;
}

static bool blends(enum bench_layout layout) {
	return layout == BENCH_BLEND || layout == BENCH_VEIL;
}

static bool create_layer(struct scene *scene, int i) {
	struct scene_layer *layer = &scene->layers[i];
	bool blend = blends(scene->what->layout);
	uint32_t format = blend ? DRM_FORMAT_ARGB8888 : DRM_FORMAT_XRGB8888;
	uint32_t pixel = (blend ? 0x80000000 : 0xff000000) | layer_color(i);

	layer->box = layer_box(scene->what->layout, i);
	layer->buffer = bench_buffer_create(scene->setup->memory, layer->box.width, layer->box.height, format, pixel);
	if (layer->buffer == NULL) {
		return false;
	}
	layer->texture = wlr_texture_from_buffer(scene->setup->renderer, layer->buffer);
	if (layer->texture == NULL) {
		wlr_log(WLR_ERROR, "bench: the renderer refuses the buffer of texture %d", i);
		return false;
	}
	if (scene->explicit_sync && !create_timeline(scene, &layer->handle, &layer->timeline)) {
		return false;
	}
	scene->handles[i] = layer->handle;
	return true;
}

static bool signal_layers(struct scene *scene) {
	scene->point++;
	for (int i = 0; i < scene->what->textures; i++) {
		scene->points[i] = scene->point;
	}
	if (drmSyncobjTimelineSignal(scene->client_fd, scene->handles, scene->points,
			scene->what->textures) != 0) {
		wlr_log(WLR_ERROR, "bench: cannot signal the acquire points: %s", strerror(errno));
		return false;
	}
	return true;
}

static bool scene_init(struct scene *scene) {
	if (scene->setup->peer->linear) {
		scene->transfer = WLR_COLOR_TRANSFER_FUNCTION_EXT_LINEAR;
		scene->transform = wlr_color_transform_init_linear_to_inverse_eotf(scene->transfer);
	}
	int count = scene->what->textures;
	scene->layers = calloc(count, sizeof(*scene->layers));
	scene->handles = calloc(count, sizeof(*scene->handles));
	scene->points = calloc(count, sizeof(*scene->points));
	if (scene->layers == NULL || scene->handles == NULL || scene->points == NULL) {
		return false;
	}
	for (int i = 0; i < 2; i++) {
		scene->targets[i] = bench_buffer_create(scene->setup->memory, BENCH_WIDTH, BENCH_HEIGHT,
			DRM_FORMAT_XRGB8888, 0xff000000);
		if (scene->targets[i] == NULL) {
			return false;
		}
	}
	if (scene->explicit_sync && !create_timeline(scene, &scene->done_handle, &scene->done)) {
		return false;
	}
	for (int i = 0; i < count; i++) {
		if (!create_layer(scene, i)) {
			return false;
		}
	}
	return !scene->explicit_sync || signal_layers(scene);
}

static void scene_finish(struct scene *scene) {
	for (int i = 0; scene->layers != NULL && i < scene->what->textures; i++) {
		struct scene_layer *layer = &scene->layers[i];
		destroy_timeline(scene, layer->handle, layer->timeline);
		wlr_texture_destroy(layer->texture);
		wlr_buffer_drop(layer->buffer);
	}
	for (int i = 0; i < 2; i++) {
		wlr_buffer_drop(scene->targets[i]);
	}
	destroy_timeline(scene, scene->done_handle, scene->done);
	wlr_color_transform_unref(scene->transform);
	free(scene->layers);
	free(scene->handles);
	free(scene->points);
}

static bool has_background(enum bench_layout layout) {
	return layout == BENCH_WINDOWS || layout == BENCH_BLEND || layout == BENCH_VEIL;
}

static void draw_layers(struct scene *scene, struct wlr_render_pass *pass) {
	pixman_box32_t box = drawn_box(scene->what);
	pixman_region32_t clip;
	pixman_region32_init_rect(&clip, box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1);
	if (has_background(scene->what->layout)) {
		wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
			.box = { .width = BENCH_WIDTH, .height = BENCH_HEIGHT },
			.color = { 0.2f, 0.2f, 0.3f, 1.0f },
			.clip = &clip,
		});
	}
	for (int i = 0; i < scene->what->textures; i++) {
		struct scene_layer *layer = &scene->layers[i];
		wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
			.texture = layer->texture,
			.dst_box = layer->box,
			.clip = &clip,
			.transfer_function = scene->transfer,
			.wait_timeline = layer->timeline,
			.wait_point = scene->point,
		});
	}
	pixman_region32_fini(&clip);
}

static bool submit_frame(struct scene *scene) {
	scene->frame++;
	struct wlr_buffer_pass_options options = {
		.color_transform = scene->transform,
		.signal_timeline = scene->done,
		.signal_point = scene->frame,
	};
	struct wlr_buffer *target = scene->targets[scene->frame % 2];
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(scene->setup->renderer, target, &options);
	if (pass == NULL) {
		return false;
	}
	draw_layers(scene, pass);
	return wlr_render_pass_submit(pass);
}

static bool wait_point(struct scene *scene) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t deadline_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec +
		(int64_t)FRAME_TIMEOUT_MS * NS_PER_MS;
	return drmSyncobjTimelineWait(scene->client_fd, &scene->done_handle, &scene->frame, 1,
		deadline_ns, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, NULL) == 0;
}

static bool wait_dmabuf(struct scene *scene) {
	struct wlr_dmabuf_attributes attribs;
	if (!wlr_buffer_get_dmabuf(scene->targets[scene->frame % 2], &attribs)) {
		return false;
	}
	struct pollfd pollfd = { .fd = attribs.fd[0], .events = POLLOUT };
	return poll(&pollfd, 1, FRAME_TIMEOUT_MS) == 1;
}

// Adds one frame to the samples, or none when it failed.
static bool measure_frame(struct scene *scene, struct samples *samples) {
	if (scene->explicit_sync && scene->what->fresh && !signal_layers(scene)) {
		return false;
	}
	double wall = clock_ms(CLOCK_MONOTONIC);
	double whole = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
	double main = clock_ms(CLOCK_THREAD_CPUTIME_ID);
	bench_count_mute(false);
	bool ok = submit_frame(scene);
	bench_count_mute(true);
	main = clock_ms(CLOCK_THREAD_CPUTIME_ID) - main;
	ok = ok && (scene->explicit_sync ? wait_point(scene) : wait_dmabuf(scene));
	if (!ok) {
		wlr_log(WLR_ERROR, "bench: frame %llu failed", (unsigned long long)scene->frame);
		return false;
	}
	samples->main_ms[samples->count] = main;
	samples->whole_ms[samples->count] = clock_ms(CLOCK_PROCESS_CPUTIME_ID) - whole;
	samples->wall_ms[samples->count] = clock_ms(CLOCK_MONOTONIC) - wall;
	samples->count++;
	return true;
}

static bool near(uint32_t a, uint32_t b) {
	for (int shift = 0; shift < 24; shift += 8) {
		if (abs((int)(a >> shift & 0xff) - (int)(b >> shift & 0xff)) > 3) {
			return false;
		}
	}
	return true;
}

// A renderer that draws nothing would be fast. The top left corner of a layer is never covered by a
// later one; how layers blend is each renderer's own decision.
static bool check_picture(struct scene *scene) {
	if (blends(scene->what->layout)) {
		return true;
	}
	struct wlr_buffer *target = scene->targets[scene->frame % 2];
	pixman_box32_t drawn = drawn_box(scene->what);
	for (int i = 0; i < scene->what->textures; i++) {
		struct wlr_box *box = &scene->layers[i].box;
		if (box->x < drawn.x1 || box->y < drawn.y1 || box->x + 2 >= drawn.x2 || box->y + 2 >= drawn.y2) {
			continue;
		}
		uint32_t seen = bench_buffer_read(target, box->x + 2, box->y + 2);
		if (!near(seen, layer_color(i))) {
			wlr_log(WLR_ERROR, "bench: texture %d shows %06x instead of %06x", i, seen & 0xffffff,
				layer_color(i));
			return false;
		}
	}
	return true;
}

static int compare_double(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, int count) {
	qsort(values, count, sizeof(*values), compare_double);
	return (values[count / 2] + values[(count - 1) / 2]) / 2;
}

static void summarise(struct samples *samples, struct bench_result *result) {
	uint64_t counts[BENCH_KINDS];
	bench_count_read(counts);
	result->frames = samples->count;
	for (size_t i = 0; i < BENCH_KINDS; i++) {
		result->ioctls[i] = (double)counts[i] / samples->count;
		result->ioctls_total += result->ioctls[i];
	}
	result->main_ms = median(samples->main_ms, samples->count);
	result->whole_ms = median(samples->whole_ms, samples->count);
	result->wall_ms = median(samples->wall_ms, samples->count);
}

static bool measure_frames(struct scene *scene, const struct bench_limits *limits,
		struct samples *samples) {
	double end = clock_ms(CLOCK_MONOTONIC) + limits->budget_ms;
	while (samples->count < limits->min_frames ||
			(samples->count < limits->max_frames && clock_ms(CLOCK_MONOTONIC) < end)) {
		if (!measure_frame(scene, samples)) {
			return false;
		}
	}
	return true;
}

// Two frames at least, one for each target: unless that would take far too long.
static bool warm_up(struct scene *scene, const struct bench_limits *limits,
		struct samples *samples) {
	double spent, start = clock_ms(CLOCK_MONOTONIC);
	samples->count = 0;
	do {
		if (!measure_frame(scene, samples)) {
			return false;
		}
		spent = clock_ms(CLOCK_MONOTONIC) - start;
	} while ((samples->count < limits->warm_up && spent < limits->budget_ms) ||
		(samples->count < 2 && spent < 5 * limits->budget_ms));
	samples->count = 0;
	return true;
}

static bool measure(struct scene *scene, const struct bench_limits *limits,
		struct bench_result *result) {
	static struct samples samples;
	if (!warm_up(scene, limits, &samples)) {
		return false;
	}
	int fds = bench_count_fds();
	bench_count_reset();
	if (!measure_frames(scene, limits, &samples)) {
		return false;
	}
	summarise(&samples, result);
	int fds_now = bench_count_fds();
	result->fds = fds_now - scene->setup->own_fds - scene->what->textures - 2;
	result->fds_grown = fds_now - fds;
	return true;
}

void bench_scene_measure(const struct bench_setup *setup, const struct bench_case *what,
		const struct bench_limits *limits, struct bench_result *result) {
	int client_fd = setup->nodes->render_fd;
	int renderer_fd = wlr_renderer_get_drm_fd(setup->renderer);
	struct scene scene = {
		.setup = setup,
		.what = what,
		.client_fd = client_fd,
		.renderer_fd = renderer_fd >= 0 ? renderer_fd : client_fd,
		.explicit_sync = setup->renderer->features.timeline && client_fd >= 0,
	};
	*result = (struct bench_result){ .explicit_sync = scene.explicit_sync };

	// What is set up, signalled and waited for here is the clients' and the display's work
	bench_count_mute(true);
	int fds = bench_count_fds();
	int64_t memory = allocated();
	result->ok = scene_init(&scene) && measure(&scene, limits, result) && check_picture(&scene);
	result->memory = allocated() - memory;
	scene_finish(&scene);
	result->fds_left = bench_count_fds() - fds;
	bench_count_mute(false);
}
