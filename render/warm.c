#include <drm_fourcc.h>
#include <errno.h>
#include "render/device.h"
#include "render/format.h"
#include "render/frame.h"
#include "render/image.h"

#define SIZE 16
#define TIMEOUT_NS 60000000000ull

/** One frame, scaled or not, on top of what is in the target: that takes every way of reading. */
static int draw_once(struct sbx_composer *composer, struct sbx_image *target,
		struct sbx_image *texture, double source_size) {
	struct sbx_frame *frame = sbx_composer_begin(composer, target);
	uint64_t value = 0;
	if (frame == NULL) {
		return -ENOMEM;
	}
	sbx_frame_add_texture(frame, &(struct sbx_texture_op){
		.texture = texture,
		.src_width = source_size,
		.src_height = source_size,
		.box = { 0, 0, SIZE, SIZE },
		.alpha = 0.5f,
	});
	int ret = sbx_frame_submit(frame, NULL, &value);
	return ret < 0 ? ret : sbx_device_wait(composer->device, value, TIMEOUT_NS);
}

/**
 * Not the pipelines for YCbCr and for colour: each takes as long as the other two, and few ever show a film this
 * way.
 */
int sbx_composer_warm_up(struct sbx_composer *composer) {
	const struct sbx_format *format = sbx_format_from_drm(DRM_FORMAT_ARGB8888);
	struct sbx_image *target = sbx_image_create(composer->device, format, SIZE, SIZE,
		SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE);
	struct sbx_image *texture = sbx_image_create(composer->device, format, SIZE, SIZE,
		SBX_FORMAT_SAMPLE);
	int ret = target != NULL && texture != NULL ? 0 : -ENOMEM;
	if (ret == 0) {
		ret = draw_once(composer, target, texture, SIZE);
	}
	if (ret == 0) {
		ret = draw_once(composer, target, texture, SIZE / 2.0);
	}
	sbx_image_destroy(target);
	sbx_image_destroy(texture);
	return ret;
}
