#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check/capture.h"
#include "check/device.h"
#include "check/expect.h"
#include "check/probe.h"
#include "linux-dmabuf-v1-client.h"

// A compositor that has just started may still compile its shaders.
#define START_PATIENCE_MS 60000
#define FIRST_PATIENCE_MS 10000
#define SAMPLES 15
// Limits become at most so many percent of what they were at first: a compositor that is slow by its
// own fault is to be found out in the end.
#define MOST_STRAIN 400

struct feedback {
	const struct { uint32_t format, padding; uint64_t modifier; } *table;
	size_t table_size;
	dev_t main_device;
	bool linear; // XRGB8888 is taken with the linear modifier
	bool done;
};

static void handle_done(void *data, struct zwp_linux_dmabuf_feedback_v1 *object) {
	((struct feedback *)data)->done = true;
}

static void handle_format_table(void *data, struct zwp_linux_dmabuf_feedback_v1 *object,
		int32_t fd, uint32_t size) {
	struct feedback *feedback = data;
	void *table = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (table != MAP_FAILED) {
		feedback->table = table;
		feedback->table_size = size / sizeof(*feedback->table);
	}
}

static void handle_main_device(void *data, struct zwp_linux_dmabuf_feedback_v1 *object,
		struct wl_array *device) {
	struct feedback *feedback = data;
	if (device->size == sizeof(feedback->main_device)) {
		memcpy(&feedback->main_device, device->data, sizeof(feedback->main_device));
	}
}

static void handle_tranche_done(void *data, struct zwp_linux_dmabuf_feedback_v1 *object) {
	// What any tranche takes is good enough.
}

static void handle_tranche_device(void *data, struct zwp_linux_dmabuf_feedback_v1 *object,
		struct wl_array *device) {
	// See above.
}

static void handle_tranche_formats(void *data, struct zwp_linux_dmabuf_feedback_v1 *object,
		struct wl_array *indices) {
	struct feedback *feedback = data;
	const uint16_t *index;
	wl_array_for_each(index, indices) {
		if (*index < feedback->table_size &&
				feedback->table[*index].format == DRM_FORMAT_XRGB8888 &&
				feedback->table[*index].modifier == DRM_FORMAT_MOD_LINEAR) {
			feedback->linear = true;
		}
	}
}

static void handle_tranche_flags(void *data, struct zwp_linux_dmabuf_feedback_v1 *object,
		uint32_t flags) {
	// See above.
}

static const struct zwp_linux_dmabuf_feedback_v1_listener feedback_listener = {
	.done = handle_done,
	.format_table = handle_format_table,
	.main_device = handle_main_device,
	.tranche_done = handle_tranche_done,
	.tranche_target_device = handle_tranche_device,
	.tranche_formats = handle_tranche_formats,
	.tranche_flags = handle_tranche_flags,
};

static bool feedback_done(void *data) {
	return ((struct feedback *)data)->done;
}

static void read_feedback(struct client *client, struct feedback *feedback) {
	// Before version 4 nothing says which device it is: the first one with a render node.
	feedback->linear = client->dmabuf_version < 4;
	if (client->dmabuf_version >= 4) {
		struct zwp_linux_dmabuf_feedback_v1 *object =
			zwp_linux_dmabuf_v1_get_default_feedback(client->dmabuf);
		zwp_linux_dmabuf_feedback_v1_add_listener(object, &feedback_listener, feedback);
		check_wait(client->check, feedback_done, feedback, FIRST_PATIENCE_MS);
	}
}

static bool choose_syncobj_node(struct check_env *env, const char *const *candidates) {
	for (; *candidates; candidates++) {
		int fd = device_open_syncobj(*candidates);
		if (fd >= 0) {
			close(fd);
			snprintf(env->syncobj_node, sizeof(env->syncobj_node), "%s", *candidates);
			return true;
		}
	}
	return false;
}

static int compare_unsigned(const void *a, const void *b) {
	unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;
	return left < right ? -1 : left > right;
}

static unsigned median(unsigned *samples, size_t count) {
	qsort(samples, count, sizeof(samples[0]), compare_unsigned);
	return samples[count / 2];
}

static void measure_round_trip(struct client *client, struct check_env *env) {
	unsigned us[SAMPLES];
	for (int i = 0; i < SAMPLES; i++) {
		uint64_t start = now_ns();
		client_roundtrip(client);
		us[i] = (unsigned)((now_ns() - start) / 1000);
	}
	env->round_trip_us = median(us, SAMPLES);
}

static bool frame_is_done(void *data) {
	return ((struct frame *)data)->commit->done;
}

static void measure_frames(struct frame *frame, struct check_env *env) {
	unsigned us[SAMPLES];
	for (int i = 0; i < SAMPLES; i++) {
		frame_next_points(frame);
		frame_signal(frame);
		frame_commit(frame);
		check_wait(frame->surface->client->check, frame_is_done, frame, FIRST_PATIENCE_MS);
		us[i] = (unsigned)((now_ns() - frame->commit->sent_ns) / 1000);
	}
	env->frame_us = median(us, SAMPLES);
}

static void choose_capture(struct check *check, struct check_env *env, int wanted) {
	for (int kind = CAPTURE_EXT; kind <= CAPTURE_WLR && !env->capture; kind++) {
		if ((wanted < 0 || wanted == kind) && capture_try(check, kind)) {
			uint64_t start = now_ns();
			env->capture = capture_try(check, kind) ? kind : CAPTURE_NONE;
			env->capture_us = (unsigned)((now_ns() - start) / 1000);
		}
	}
}

// A kind counts when its content arrives on the screen: some pairs of drivers take each
// other's buffers and do not see what the CPU wrote.
static struct frame *try_buffers(struct client *client, struct check_env *env,
		enum buffer_kind kind) {
	struct check *check = client->check;
	if (!buffer_try(client, kind, WINDOW_SIZE, WINDOW_SIZE, env->trouble)) {
		return NULL;
	}
	env->buffers = kind;
	struct surface *window = window_open(client);
	struct frame *frame = put(window);
	bool shown = check_wait(check, frame_is_done, frame, FIRST_PATIENCE_MS);
	if (shown && env->capture) {
		for (int i = 0; i < 50 && !(shown = is_shown(frame)); i++) {
			check_pause(check, 20);
		}
	}
	if (shown) {
		env->trouble[0] = '\0';
		return frame;
	}
	snprintf(env->trouble, sizeof(env->trouble), "%s: the content of such a buffer did not "
		"come to the screen", check_buffer_kind_name(kind));
	env->buffers = BUFFER_NONE;
	surface_destroy_role(window);
	return NULL;
}

static struct frame *choose_buffers(struct client *client, struct check_env *env,
		const struct check_options *options, const char *primary, const char *render) {
	static const enum buffer_kind order[] = { BUFFER_GBM, BUFFER_DUMB, BUFFER_UDMABUF };
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		enum buffer_kind kind = order[i];
		if (options->buffers != BUFFER_NONE && options->buffers != kind) {
			continue;
		}
		const char *node = kind == BUFFER_UDMABUF ? "" :
			kind == BUFFER_GBM && render[0] != '\0' ? render : primary;
		snprintf(env->buffer_node, sizeof(env->buffer_node), "%s",
			options->device && kind != BUFFER_UDMABUF ? options->device : node);
		client->check->device = NULL;
		struct frame *frame = try_buffers(client, env, kind);
		if (frame) {
			return frame;
		}
	}
	return NULL;
}

void probe_set_limits(struct check_env *env) {
	unsigned step_us = env->round_trip_us + env->frame_us + env->capture_us;
	env->patience_ms = (5000 + step_us / 1000 * 30) * env->strain / 100;
	env->quiet_ms = (120 + step_us / 1000 * 4) * env->strain / 100;
}

void probe_follow(struct check_env *env, unsigned served_us) {
	if (env->served_us == 0 || served_us < env->served_us) {
		env->served_us = served_us;
	}
	unsigned now = (unsigned)((uint64_t)served_us * 100 / (env->served_us + 1));
	// What slows a machine down seldom passes at once.
	unsigned before = 100 + (env->strain - 100) * 3 / 4;
	env->strain = now > before ? now : before;
	env->strain = env->strain > MOST_STRAIN ? MOST_STRAIN : env->strain;
}

static const char *missing_global(const struct client *client) {
	return !client->wm_base ? "xdg_wm_base" : !client->dmabuf ? "zwp_linux_dmabuf_v1" :
		!client->subcompositor ? "wl_subcompositor" : !client->shm ? "wl_shm" : NULL;
}

void probe(struct check *check, struct check_env *env, const struct check_options *options) {
	env->patience_ms = START_PATIENCE_MS;
	struct client *client = client_open(check);
	env->patience_ms = FIRST_PATIENCE_MS;
	env->syncobj = client->syncobj != NULL;
	if (!env->syncobj) {
		return;
	}
	if (missing_global(client)) {
		check_trouble(check, "the compositor does not offer %s", missing_global(client));
	}
	struct feedback feedback = { 0 };
	read_feedback(client, &feedback);
	env->modifier = feedback.linear ? DRM_FORMAT_MOD_LINEAR : DRM_FORMAT_MOD_INVALID;

	char primary[64] = "", render[64] = "";
	device_find_nodes(feedback.main_device, primary, render, sizeof(render));
	const char *candidates[] = { options->device ? options->device : render, primary,
		"/dev/dri/renderD128", "/dev/dri/renderD129", NULL };
	if (!choose_syncobj_node(env, candidates)) {
		check_trouble(check, "no DRM node with syncobj timelines can be opened (tried %s, %s)",
			render, primary);
	}
	device_find_vgem(env->vgem_node, sizeof(env->vgem_node));
	measure_round_trip(client, env);
	choose_capture(check, env, options->capture);
	struct frame *frame = choose_buffers(client, env, options, primary, render);
	if (!frame) {
		check_trouble(check, "no kind of buffer works here; the last one tried: %s",
			env->trouble);
	}
	measure_frames(frame, env);
	probe_set_limits(env);
}
