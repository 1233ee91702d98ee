/**
 * Scenes: a target with some content, textures, and operations on it. Random ones come from a seed.
 */
#ifndef SBX_TESTS_ORACLE_SCENE_H
#define SBX_TESTS_ORACLE_SCENE_H

#include <pixman.h>
#include <stdio.h>
#include "oracle/color.h"
#include "oracle/image.h"
#include "render/compose.h"

#define ORACLE_MAX_OPS 12
#define ORACLE_MAX_TEXTURES 6

/** sbx_rect_op or sbx_texture_op, with a picture in memory for the texture. */
struct oracle_op {
	/** NULL: a rectangle. */
	const struct oracle_image *texture;
	float color[4];
	double src_x, src_y, src_width, src_height;
	pixman_box32_t box;
	enum sbx_transform transform;
	enum sbx_filter filter;
	enum sbx_blend blend;
	float alpha;
	/** Of a YCbCr texture. */
	struct sbx_coding coding;
	/** Of a texture. */
	struct sbx_light light;
	bool has_clip;
	pixman_region32_t clip;
};

struct oracle_scene {
	uint64_t seed;
	/** Its content before the operations. */
	struct oracle_image *target;
	struct oracle_image *textures[ORACLE_MAX_TEXTURES];
	size_t n_textures;
	struct oracle_op ops[ORACLE_MAX_OPS];
	size_t n_ops;
	struct oracle_grade grade;
	bool dither;
};

struct oracle_scene_options {
	/** Formats that may be targets, textures, by DRM fourcc; ends with 0. */
	const uint32_t *target_formats, *texture_formats;
	/** YCbCr textures, of which half of the scenes have some; NULL: none. */
	const uint32_t *ycbcr_formats;
	/** Nothing that pixman cannot do exactly: no bilinear scaling. */
	bool pixman_only;
	/** Parts of textures begin and end between texels. */
	bool whole_sources;
	/** Textures of all curves and primaries, most scenes with a grade; nothing of it otherwise. */
	bool color;
	/**
	 * For other renderers: 2 to 32 pixels each way; YCbCr of even sizes and within the cube of RGB, no colour
	 * above its alpha; and a rectangle over the whole target first, so that nothing depends on what the target
	 * held.
	 */
	bool tame;
};

/** The same seed and options make the same scene, everywhere. */
void oracle_scene_random(struct oracle_scene *scene, uint64_t seed,
	const struct oracle_scene_options *options);
void oracle_scene_finish(struct oracle_scene *scene);

/** Every pixel of the box shows exactly one texel. */
bool oracle_op_is_unscaled(const struct oracle_op *op);

void oracle_scene_print(const struct oracle_scene *scene, FILE *out);

#endif
