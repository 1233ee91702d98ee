/*
 * Virtual outputs in place of monitors (--headless).
 */
#include <fcntl.h>
#include <signalbox/headless.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wlr/backend.h>
#include <wlr/util/log.h>
#include "tiny.h"

/* WIDTHxHEIGHT[@HZ[/N]]: "1920x1080", "800x600@144", "1280x720@60000/1001". */
static bool parse_output(const char *text, struct sbx_headless_output_options *output) {
	char rest;
	output->refresh_numerator = 60;
	output->refresh_denominator = 1;
	int count = sscanf(text, "%dx%d@%u/%u%c", &output->width, &output->height,
		&output->refresh_numerator, &output->refresh_denominator, &rest);
	return count == 4 || (count == 3 && strchr(text, '/') == NULL) ||
		(count == 2 && strchr(text, '@') == NULL);
}

static bool add_outputs(struct wlr_backend *backend, const char *list) {
	char *copy = strdup(list), *rest = NULL;
	bool ok = copy != NULL;
	for (char *word = ok ? strtok_r(copy, ",", &rest) : NULL; word != NULL && ok;
			word = strtok_r(NULL, ",", &rest)) {
		struct sbx_headless_output_options output = { 0 };
		ok = parse_output(word, &output) && sbx_headless_add_output(backend, &output) != NULL;
		if (!ok) {
			wlr_log(WLR_ERROR, "no virtual output \"%s\"", word);
		}
	}
	free(copy);
	return ok;
}

/*
 * A render node, for the timelines of wlr_scene: with one, a frame goes to the output with a fence of its
 * own. Without, the fence rides along with the buffer, and buffers in shared memory need none.
 */
static int open_drm_node(void) {
	int fd = -1;
	for (int i = 128; fd < 0 && i < 136; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	return fd;
}

struct wlr_backend *tiny_headless_create(struct wl_event_loop *loop, const char *outputs) {
	int drm_fd = open_drm_node();
	struct wlr_backend *backend = sbx_headless_backend_create(loop,
		&(struct sbx_headless_options){ .has_drm_fd = drm_fd >= 0, .drm_fd = drm_fd });
	if (drm_fd >= 0) {
		close(drm_fd);
	}
	if (backend != NULL && !add_outputs(backend, outputs)) {
		wlr_backend_destroy(backend);
		return NULL;
	}
	return backend;
}
