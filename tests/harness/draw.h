/**
 * Draw a scene of the oracle with the composer.
 */
#ifndef TESTS_HARNESS_DRAW_H
#define TESTS_HARNESS_DRAW_H

#include "harness/buffers.h"
#include "oracle/scene.h"
#include "render/compose.h"

struct sbx_device;
struct sbx_image;

/** The picture as an image of the device that can be a texture, and a target if `store`. */
struct sbx_image *draw_upload(struct sbx_device *device, const struct oracle_image *picture,
	bool store);

/** What is in `image` now, waiting for the GPU; NULL on failure. */
struct oracle_image *draw_read(struct sbx_image *image);

/** Add the operations of a scene whose textures are `textures`, in the same order. */
void draw_add_ops(struct sbx_frame *frame, const struct oracle_scene *scene,
	struct sbx_image *const *textures);

/** Upload, draw in one frame, read back. NULL on failure. */
struct oracle_image *draw_scene(struct sbx_composer *composer, struct sbx_device *device,
	const struct oracle_scene *scene);

/**
 * The same with target and textures in imported, linear dma-bufs, which the CPU fills and reads. Planes of
 * YCbCr lie in one dma-buf or in one each.
 */
struct oracle_image *draw_scene_in_dmabufs(struct sbx_composer *composer, struct sbx_device *device,
	const struct oracle_scene *scene);

/** A picture in linear dma-bufs: all of it in one, or each plane of YCbCr in one of its own. */
struct draw_memory {
	struct test_buffer buffers[ORACLE_MAX_PLANES];
	int n_buffers;
	/** Its fds are those of the buffers. */
	struct sbx_dmabuf dmabuf;
};

/** False: there are none. In any case to be finished with draw_memory_finish(). */
bool draw_memory_create(struct draw_memory *memory, const struct oracle_image *picture, bool apart);
/** What the CPU sees in it, as a picture of the format and size of `like`. */
struct oracle_image *draw_memory_read(struct draw_memory *memory, const struct oracle_image *like);
void draw_memory_finish(struct draw_memory *memory);

/** Room for all formats that the oracle knows, and the 0 behind them. */
#define DRAW_MAX_FORMATS 128

/** The DRM fourccs of all of them, then 0. */
void draw_list_rgb(uint32_t list[static DRAW_MAX_FORMATS]);
void draw_list_ycbcr(uint32_t list[static DRAW_MAX_FORMATS]);

/** DRM fourccs that are both in `formats` (ends with 0) and usable (enum sbx_format_use), in place. */
void draw_keep_usable(struct sbx_device *device, uint32_t *formats, uint32_t uses);
/** The same for linear dma-bufs. */
void draw_keep_importable(struct sbx_device *device, uint32_t *formats, uint32_t uses);

#endif
