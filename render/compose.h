/**
 * The composer: a frame is a list of operations on one target, drawn by one compute dispatch in which
 * every pixel is written once.
 *
 * Coordinates are pixels of the target. Colours are premultiplied by alpha and blended as they are
 * stored (electrical), or, in a frame that has a grade, as light (optical): sbx_frame_set_color().
 * Operations later in the list lie above earlier ones. What no operation touches keeps its content.
 *
 * A texture is sampled at the middle of each pixel, mapped through transform and source box. Nearest takes
 * the texel that this point lies in. Bilinear weighs the four around it, beyond the texture's edge those
 * at the edge; software devices do it in floats, others with their sampler, whose weights have 8 bits.
 * Where one texel comes to lie on one pixel, turned or not, both are exact. Of YCbCr textures the planes
 * are sampled so one by one: brightness by the filter asked for, colour difference always bilinear, at the
 * place of that brightness, and what comes out of the matrix is cut to 0..1. Blending is done in floats
 * and rounded once, when the pixel is written; on targets of integers sums are cut at 1 after each layer.
 */
#ifndef SBX_RENDER_COMPOSE_H
#define SBX_RENDER_COMPOSE_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>
#include "render/color.h"
#include "render/ycbcr.h"

struct sbx_composer;
struct sbx_device;
struct sbx_frame;
struct sbx_grade;
struct sbx_image;
struct sbx_timer;

/** Numbered like enum wl_output_transform: how the texture's content is turned before it is drawn. */
enum sbx_transform {
	SBX_TRANSFORM_NORMAL,
	SBX_TRANSFORM_90,
	SBX_TRANSFORM_180,
	SBX_TRANSFORM_270,
	SBX_TRANSFORM_FLIPPED,
	SBX_TRANSFORM_FLIPPED_90,
	SBX_TRANSFORM_FLIPPED_180,
	SBX_TRANSFORM_FLIPPED_270,
};

enum sbx_filter {
	SBX_FILTER_BILINEAR,
	SBX_FILTER_NEAREST,
};

enum sbx_blend {
	/** source + target * (1 - source alpha) */
	SBX_BLEND_PREMULTIPLIED,
	/** source replaces target, alpha included */
	SBX_BLEND_NONE,
};

/**
 * What a texture's values mean. All zero: gamma 2.2 with sRGB primaries, and 1 is the white of everything else.
 */
struct sbx_light {
	enum sbx_curve curve;
	/** From decoded values to light with sRGB primaries, in which white is 1. Not has_matrix: the identity, whatever is in it. */
	struct sbx_matrix matrix;
	bool has_matrix;
};

struct sbx_rect_op {
	pixman_box32_t box;
	float color[4]; /* r, g, b, a; premultiplied, 0..1; gamma 2.2 with sRGB primaries */
	enum sbx_blend blend;
	const pixman_region32_t *clip; /* target coordinates; NULL: no clip. Copied. */
};

struct sbx_texture_op {
	struct sbx_image *texture;
	/** Pixels of the texture, before the transform: x, y, width, height; inside the texture. */
	double src_x, src_y, src_width, src_height;
	pixman_box32_t box;
	enum sbx_transform transform;
	enum sbx_filter filter;
	enum sbx_blend blend;
	float alpha; /* 0..1 */
	const pixman_region32_t *clip; /* target coordinates; NULL: no clip. Copied. */
	/** How a YCbCr texture was encoded; of no meaning for others. */
	struct sbx_coding coding;
	/** Alpha apart, which stays what it is: colours are divided by it, converted, and multiplied again. */
	struct sbx_light light;
};

/**
 * Compiles the pipelines; a software device does so by drawing two small frames, which takes it some
 * tenths of a second. Returns 0 and *composer or a negative errno.
 */
int sbx_composer_create(struct sbx_device *device, struct sbx_composer **composer);
/**
 * All frames must have been submitted or cancelled. What the GPU still uses is destroyed when it is past
 * it, before the device is. NULL is allowed.
 */
void sbx_composer_destroy(struct sbx_composer *composer);

/**
 * Begin a frame on `target` (an image with SBX_FORMAT_STORE, the caller's, alive until the frame is
 * submitted). One frame at a time. NULL: out of memory or lost device.
 */
struct sbx_frame *sbx_composer_begin(struct sbx_composer *composer, struct sbx_image *target);

/**
 * How the frame's colours are treated; before its first operation.
 *
 * `grade` NULL, or one that is SBX_COLOR_DEFAULT: the target is sent to an sRGB monitor of gamma 2.2. Layers
 * are blended as they are stored, those that mean something else are converted to that first. Otherwise all
 * layers become light with sRGB primaries, are blended as such (also over what the target holds), and the
 * grade makes the target's values of it; neither light above 1 nor negative light is cut before that. The
 * grade must live until the frame is submitted.
 *
 * `dither`: on targets of integers of 10 bits or fewer, pixels whose colours have more bits are dithered, by
 * less than half a step: those in frames with a grade, and those with layers that are converted or have a
 * format of more bits.
 *
 * Not called: no grade, no dithering.
 */
void sbx_frame_set_color(struct sbx_frame *frame, struct sbx_grade *grade, bool dither);

/**
 * Add an operation. The texture must live until the frame is submitted (destroying it after that is
 * fine). A failure is kept and returned by sbx_frame_submit().
 *
 * Empty boxes, and what lies outside the target or the clip, draw nothing. Alphas and colours are cut to
 * 0..1. A number that is not finite, an unknown transform, no texture, or the target as a texture fail
 * the frame (-EINVAL); -ENOSPC: more textures at a time than the device takes.
 */
void sbx_frame_add_rect(struct sbx_frame *frame, const struct sbx_rect_op *op);
void sbx_frame_add_texture(struct sbx_frame *frame, const struct sbx_texture_op *op);

/** The GPU work of this frame waits for *sync_file: as sbx_batch_wait(). */
int sbx_frame_wait(struct sbx_frame *frame, int *sync_file);

/** Measure the frame's GPU time. */
void sbx_frame_set_timer(struct sbx_frame *frame, struct sbx_timer *timer);

/** sbx_batch_trace() of the frame's batch. */
void sbx_frame_trace(struct sbx_frame *frame, uint64_t pass);

/**
 * Partition, record, send. Consumes the frame, also on failure. `done_fd` and `value` as in
 * sbx_batch_submit().
 */
int sbx_frame_submit(struct sbx_frame *frame, int *done_fd, uint64_t *value);

/** Drop it; the target is untouched. NULL is allowed. */
void sbx_frame_cancel(struct sbx_frame *frame);

#endif
