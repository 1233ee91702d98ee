/*
 * --icc: what is drawn for monitors goes through their profile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <wlr/render/color.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/util/log.h>
#include "tiny.h"

#define MAX_PROFILE_SIZE (16 * 1024 * 1024)

static void *read_file(const char *path, size_t *size) {
	FILE *file = fopen(path, "rbe");
	void *content = file != NULL ? malloc(MAX_PROFILE_SIZE) : NULL;
	*size = content != NULL ? fread(content, 1, MAX_PROFILE_SIZE, file) : 0;
	if (file != NULL) {
		fclose(file);
	}
	return content;
}

bool tiny_color_load(struct tiny *tiny) {
	const char *path = tiny->options.icc_path;
	if (path == NULL) {
		return true;
	}
	size_t size;
	void *profile = read_file(path, &size);
	if (size > 0 && tiny->renderer->features.output_color_transform) {
		tiny->color_transform = wlr_color_transform_init_linear_to_icc(profile, size);
	}
	free(profile);
	if (tiny->color_transform == NULL) {
		wlr_log(WLR_ERROR, "%s cannot be used as an ICC profile", path);
	}
	return tiny->color_transform != NULL;
}
