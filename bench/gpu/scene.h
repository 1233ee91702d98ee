/**
 * What the GPU bench draws: each scene is a frame of the real composer on one target.
 */
#ifndef BENCH_GPU_SCENE_H
#define BENCH_GPU_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbx_device;
struct sbx_frame;
struct sbx_grade;
struct sbx_image;

/** Layers of one scene at most; each has an image of its own. */
#define STAGE_LAYERS 16
#define STAGE_WINDOWS 200

/** What the output wants (render/grade.h). */
enum stage_grade {
	/** Nothing: layers are blended as they are stored. */
	STAGE_NO_GRADE,
	/** sRGB's curve. */
	STAGE_SRGB,
	/** BT.2020 and PQ: a matrix and a curve. */
	STAGE_HDR,
	/** Something that only a table can do, as an ICC profile is. */
	STAGE_TABLE,
	STAGE_N_GRADES,
};

/** The images that scenes are made of. No two layers of a scene share one: caches must not help. */
struct stage {
	int width, height;
	struct sbx_image *target;
	/** XRGB8888 and ARGB8888, of the target's size. */
	struct sbx_image *opaque[STAGE_LAYERS], *translucent[STAGE_LAYERS];
	/** ARGB8888, two thirds of the target's width and height. */
	struct sbx_image *smaller[STAGE_LAYERS];
	/** NV12, of the target's size. */
	struct sbx_image *film;
	/** Half of them opaque, a tenth of the target's width and height. */
	struct sbx_image *windows[STAGE_WINDOWS];
	struct sbx_grade *grades[STAGE_N_GRADES];
	/** While they are made: what they are filled with, and how many were. */
	uint32_t *noise;
	size_t n_images;
};

struct scene {
	const char *name;
	void (*draw)(const struct stage *stage, struct sbx_frame *frame, int n);
	int n;
	/** Texels that must be read at least, in pixels of the target. */
	double (*read)(const struct stage *stage, int n);
	/** Frames with a grade are dithered, as the renderer asks for. */
	enum stage_grade grade;
};

extern const struct scene scenes[];
extern const size_t n_scenes;
/** What keeps a GPU busy, and what a compositor wants to be done meanwhile. */
extern const struct scene busy_scene, busy_frame;

/** Begin a frame's operations: its grade, and what the scene draws. */
void scene_draw(const struct scene *scene, const struct stage *stage, struct sbx_frame *frame);

/** False: out of memory (logged). */
bool stage_init(struct stage *stage, struct sbx_device *device, int width, int height);
void stage_finish(struct stage *stage);

#endif
