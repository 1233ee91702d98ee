#include <drm_fourcc.h>
#include <stdlib.h>
#include "bench/gpu/scene.h"
#include "render/compose.h"
#include "render/format.h"
#include "render/grade.h"
#include "render/image.h"

/* Each image begins elsewhere in the same noise. */
#define NOISE_STEP 4099
#define N_IMAGES (3 * STAGE_LAYERS + STAGE_WINDOWS + 2)

/* Alpha 0x40 to 0xff, premultiplied, no two neighbours alike: there is nothing to compress. */
static uint32_t *make_noise(size_t n) {
	uint32_t *pixels = malloc(n * sizeof(*pixels)), state = 1;
	for (size_t i = 0; pixels != NULL && i < n; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		pixels[i] = (0x40 + state % 0xc0) << 24 | (state & 0x3f3f3f);
	}
	return pixels;
}

static struct sbx_image *make(struct stage *stage, struct sbx_device *device, uint32_t drm,
		int width, int height, bool store) {
	struct sbx_image *image = sbx_image_create(device, sbx_format_from_drm(drm), (uint32_t)width,
		(uint32_t)height, SBX_FORMAT_SAMPLE | (store ? SBX_FORMAT_STORE : 0));
	const uint32_t *pixels = &stage->noise[NOISE_STEP * stage->n_images++];
	// Of YCbCr each plane is written to by itself.
	for (uint32_t i = 0; image != NULL && i < (image->n_planes > 0 ? image->n_planes : 1); i++) {
		struct sbx_image *plane = image->n_planes > 0 ? image->planes[i] : image;
		if (sbx_image_write(plane, pixels, (uint32_t)width * 4, NULL) < 0) {
			sbx_image_destroy(image);
			image = NULL;
		}
	}
	return image;
}

static void to_srgb(void *data, float out[static 3], const float in[static 3]) {
	for (int i = 0; i < 3; i++) {
		out[i] = sbx_curve_encode(SBX_CURVE_SRGB, in[i]);
	}
}

/* White at 203 cd/m2. */
static void to_hdr(void *data, float out[static 3], const float in[static 3]) {
	static const struct sbx_matrix to_bt2020 = {
		{ 0.6274f, 0.3293f, 0.0433f, 0.0691f, 0.9195f, 0.0114f, 0.0164f, 0.0880f, 0.8956f },
	};
	sbx_matrix_apply(&to_bt2020, out, in);
	for (int i = 0; i < 3; i++) {
		out[i] = sbx_curve_encode(SBX_CURVE_PQ, out[i] * 203 / 10000);
	}
}

/* Each channel takes some of the others after the curve, as no matrix and curve do. */
static void to_profile(void *data, float out[static 3], const float in[static 3]) {
	float coded[3];
	to_srgb(NULL, coded, in);
	for (int i = 0; i < 3; i++) {
		out[i] = 0.94f * coded[i] + 0.06f * coded[(i + 1) % 3] * coded[(i + 2) % 3];
	}
}

static bool make_grades(struct stage *stage, struct sbx_device *device) {
	static const sbx_color_func functions[STAGE_N_GRADES] = {
		[STAGE_SRGB] = to_srgb, [STAGE_HDR] = to_hdr, [STAGE_TABLE] = to_profile,
	};
	for (int i = STAGE_NO_GRADE + 1; i < STAGE_N_GRADES; i++) {
		stage->grades[i] = sbx_grade_create(device, functions[i], NULL);
		if (stage->grades[i] == NULL) {
			return false;
		}
	}
	return true;
}

bool stage_init(struct stage *stage, struct sbx_device *device, int width, int height) {
	*stage = (struct stage){ .width = width, .height = height };
	stage->noise = make_noise((size_t)width * (size_t)height + (size_t)NOISE_STEP * N_IMAGES);
	if (stage->noise == NULL) {
		return false;
	}
	stage->target = make(stage, device, DRM_FORMAT_XRGB8888, width, height, true);
	stage->film = make(stage, device, DRM_FORMAT_NV12, width, height, false);
	bool ok = stage->target != NULL && stage->film != NULL;
	for (int i = 0; i < STAGE_LAYERS && ok; i++) {
		// other channels than the target's: a software device would copy it
		stage->opaque[i] = make(stage, device, DRM_FORMAT_XBGR8888, width, height, false);
		stage->translucent[i] = make(stage, device, DRM_FORMAT_ARGB8888, width, height, false);
		stage->smaller[i] = make(stage, device, DRM_FORMAT_ARGB8888, width * 2 / 3,
			height * 2 / 3, false);
		ok = stage->opaque[i] != NULL && stage->translucent[i] != NULL &&
			stage->smaller[i] != NULL;
	}
	for (int i = 0; i < STAGE_WINDOWS && ok; i++) {
		stage->windows[i] = make(stage, device,
			i % 2 == 0 ? DRM_FORMAT_XBGR8888 : DRM_FORMAT_ARGB8888, width / 10, height / 10,
			false);
		ok = stage->windows[i] != NULL;
	}
	free(stage->noise);
	stage->noise = NULL;
	return ok && make_grades(stage, device);
}

void stage_finish(struct stage *stage) {
	for (int i = 0; i < STAGE_LAYERS; i++) {
		sbx_image_destroy(stage->opaque[i]);
		sbx_image_destroy(stage->translucent[i]);
		sbx_image_destroy(stage->smaller[i]);
	}
	for (int i = 0; i < STAGE_WINDOWS; i++) {
		sbx_image_destroy(stage->windows[i]);
	}
	for (int i = 0; i < STAGE_N_GRADES; i++) {
		sbx_grade_destroy(stage->grades[i]);
	}
	sbx_image_destroy(stage->film);
	sbx_image_destroy(stage->target);
	*stage = (struct stage){0};
}

static void add(struct sbx_frame *frame, struct sbx_image *image, pixman_box32_t box, float alpha,
		enum sbx_transform transform) {
	sbx_frame_add_texture(frame, &(struct sbx_texture_op){
		.texture = image,
		.src_width = image->width, .src_height = image->height,
		.box = box,
		.alpha = alpha,
		.transform = transform,
	});
}

static pixman_box32_t whole(const struct stage *stage) {
	return (pixman_box32_t){ 0, 0, stage->width, stage->height };
}

static void add_rect(struct sbx_frame *frame, pixman_box32_t box) {
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){
		.box = box, .color = { 0.1f, 0.2f, 0.3f, 1 },
	});
}

/* Only what the two timestamps and the barrier between them cost. */
static void draw_nothing(const struct stage *stage, struct sbx_frame *frame, int n) {
}

/* One workgroup: what a dispatch costs. */
static void draw_dot(const struct stage *stage, struct sbx_frame *frame, int n) {
	add_rect(frame, (pixman_box32_t){ 0, 0, n, n });
}

static void draw_rect(const struct stage *stage, struct sbx_frame *frame, int n) {
	add_rect(frame, whole(stage));
}

static void draw_opaque(const struct stage *stage, struct sbx_frame *frame, int n) {
	for (int i = 0; i < n; i++) {
		add(frame, stage->opaque[i], whole(stage), 1, SBX_TRANSFORM_NORMAL);
	}
}

/* `n` layers that are all read: the lowest is opaque. */
static void draw_blended(const struct stage *stage, struct sbx_frame *frame, int n) {
	add(frame, stage->opaque[0], whole(stage), 1, SBX_TRANSFORM_NORMAL);
	for (int i = 1; i < n; i++) {
		add(frame, stage->translucent[i], whole(stage), 1, SBX_TRANSFORM_NORMAL);
	}
}

static void draw_faded(const struct stage *stage, struct sbx_frame *frame, int n) {
	add(frame, stage->opaque[0], whole(stage), 1, SBX_TRANSFORM_NORMAL);
	for (int i = 1; i < n; i++) {
		add(frame, stage->translucent[i], whole(stage), 0.7f, SBX_TRANSFORM_NORMAL);
	}
}

static void draw_over_target(const struct stage *stage, struct sbx_frame *frame, int n) {
	for (int i = 0; i < n; i++) {
		add(frame, stage->translucent[i], whole(stage), 1, SBX_TRANSFORM_NORMAL);
	}
}

static void draw_scaled(const struct stage *stage, struct sbx_frame *frame, int n) {
	add_rect(frame, whole(stage));
	for (int i = 0; i < n; i++) {
		add(frame, stage->smaller[i], whole(stage), 1, SBX_TRANSFORM_NORMAL);
	}
}

static void draw_turned(const struct stage *stage, struct sbx_frame *frame, int n) {
	add(frame, stage->opaque[0], whole(stage), 1, SBX_TRANSFORM_180);
	for (int i = 1; i < n; i++) {
		add(frame, stage->translucent[i], whole(stage), 1, SBX_TRANSFORM_FLIPPED);
	}
}

static void draw_ycbcr(const struct stage *stage, struct sbx_frame *frame, int n) {
	add(frame, stage->film, whole(stage), 1, SBX_TRANSFORM_NORMAL);
}

/* A film in a window of half the target's width and height, on `n` layers of the target's size. */
static void draw_film(const struct stage *stage, struct sbx_frame *frame, int n) {
	int w = stage->width / 2, h = stage->height / 2;
	draw_blended(stage, frame, n);
	add(frame, stage->smaller[0], (pixman_box32_t){ w / 2, h / 2, w / 2 + w, h / 2 + h }, 1,
		SBX_TRANSFORM_NORMAL);
}

/* HDR content: PQ, BT.2020's primaries, and white at 203 cd/m2. The lowest is opaque. */
static void draw_pq(const struct stage *stage, struct sbx_frame *frame, int n) {
	static const struct sbx_light light = {
		.curve = SBX_CURVE_PQ,
		.matrix = { { 81.80f, -28.95f, -3.586f, -6.138f, 55.81f, -0.409f, -0.897f, -4.956f, 55.11f } },
		.has_matrix = true,
	};
	for (int i = 0; i < n; i++) {
		struct sbx_image *image = i == 0 ? stage->opaque[0] : stage->translucent[i];
		sbx_frame_add_texture(frame, &(struct sbx_texture_op){
			.texture = image,
			.src_width = image->width, .src_height = image->height,
			.box = whole(stage), .alpha = 1, .light = light,
		});
	}
}

/* Spread over the target by a step that never repeats a place. */
static void draw_windows(const struct stage *stage, struct sbx_frame *frame, int n) {
	int w = stage->width / 10, h = stage->height / 10;
	add_rect(frame, whole(stage));
	for (int i = 0; i < n; i++) {
		int x = i * 397 % (stage->width - w), y = i * 233 % (stage->height - h);
		add(frame, stage->windows[i], (pixman_box32_t){ x, y, x + w, y + h }, 1,
			SBX_TRANSFORM_NORMAL);
	}
}

static double no_read(const struct stage *stage, int n) {
	return 0;
}

static double one_read(const struct stage *stage, int n) {
	return 1;
}

static double n_reads(const struct stage *stage, int n) {
	return n;
}

static double n_and_target(const struct stage *stage, int n) {
	return n + 1;
}

/* A byte and a half a pixel instead of four. */
static double nv12_reads(const struct stage *stage, int n) {
	return n * 1.5 / 4;
}

static double smaller_reads(const struct stage *stage, int n) {
	return n * 4.0 / 9;
}

const struct scene scenes[] = {
	{ "nothing", draw_nothing, 0, NULL },
	{ "one dispatch of 16x16 pixels", draw_dot, 16, NULL },
	{ "1 rectangle", draw_rect, 1, no_read },
	{ "1 opaque layer", draw_opaque, 1, one_read },
	{ "16 opaque layers on each other", draw_opaque, 16, one_read },
	{ "1 translucent over the target", draw_over_target, 1, n_and_target },
	{ "2 layers, blended", draw_blended, 2, n_reads },
	{ "4 layers, blended", draw_blended, 4, n_reads },
	{ "8 layers, blended", draw_blended, 8, n_reads },
	{ "16 layers, blended", draw_blended, 16, n_reads },
	{ "8 layers, blended, alpha 0.7", draw_faded, 8, n_reads },
	{ "1 layer scaled up, bilinear", draw_scaled, 1, smaller_reads },
	{ "8 layers scaled up, bilinear", draw_scaled, 8, smaller_reads },
	{ "8 layers, turned", draw_turned, 8, n_reads },
	{ "1 NV12 layer", draw_ycbcr, 1, nv12_reads },
	{ "3 layers, a scaled window", draw_film, 3, NULL },
	{ "200 windows", draw_windows, 200, NULL },
	{ "1 opaque layer, to sRGB", draw_opaque, 1, one_read, STAGE_SRGB },
	{ "1 opaque layer, to HDR", draw_opaque, 1, one_read, STAGE_HDR },
	{ "1 opaque layer, to a table", draw_opaque, 1, one_read, STAGE_TABLE },
	{ "1 opaque PQ layer, no grade", draw_pq, 1, one_read },
	{ "1 translucent over it, to sRGB", draw_over_target, 1, n_and_target, STAGE_SRGB },
	{ "2 layers, blended, to sRGB", draw_blended, 2, n_reads, STAGE_SRGB },
	{ "4 layers, blended, to sRGB", draw_blended, 4, n_reads, STAGE_SRGB },
	{ "8 layers, blended, to sRGB", draw_blended, 8, n_reads, STAGE_SRGB },
	{ "8 layers, blended, to HDR", draw_blended, 8, n_reads, STAGE_HDR },
	{ "8 layers, blended, to a table", draw_blended, 8, n_reads, STAGE_TABLE },
	{ "8 PQ layers, blended, to HDR", draw_pq, 8, n_reads, STAGE_HDR },
	{ "1 scaled up, bilinear, to sRGB", draw_scaled, 1, smaller_reads, STAGE_SRGB },
	{ "1 NV12 layer, to sRGB", draw_ycbcr, 1, nv12_reads, STAGE_SRGB },
	{ "200 windows, to sRGB", draw_windows, 200, NULL, STAGE_SRGB },
};
const size_t n_scenes = sizeof(scenes) / sizeof(scenes[0]);

const struct scene busy_scene = { "16 layers, blended", draw_blended, 16, n_reads };
const struct scene busy_frame = { "1 opaque layer", draw_opaque, 1, one_read };

void scene_draw(const struct scene *scene, const struct stage *stage, struct sbx_frame *frame) {
	if (scene->grade != STAGE_NO_GRADE) {
		sbx_frame_set_color(frame, stage->grades[scene->grade], true);
	}
	scene->draw(stage, frame, scene->n);
}
