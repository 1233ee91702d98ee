#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_buffer.h>
#include "loan/offer.h"
#include "loan/promise.h"
#include "loan/loan.h"
#include "render/device.h"
#include "render/format.h"
#include "render/image.h"
#include "render/wlr/buffer.h"
#include "render/wlr/grades.h"
#include "render/wlr/light.h"
#include "render/wlr/pass.h"
#include "render/wlr/renderer.h"
#include "render/wlr/texture.h"
#include "render/wlr/timeline.h"
#include "render/wlr/timer.h"
#include "render/wlr/work.h"
#include "sync/fd.h"
#include "trace/log.h"
#include "trace/recorder.h"

#define SOFTWARE_TIMEOUT_NS UINT64_C(20000000000)

static const struct wlr_render_pass_impl pass_impl;
static uint64_t last_number;

static struct sbx_pass *from_wlr(struct wlr_render_pass *wlr_pass) {
	struct sbx_pass *pass = wl_container_of(wlr_pass, pass, base);
	return pass;
}

static bool grow_ops(struct sbx_pass *pass) {
	if (pass->n_ops < pass->ops_capacity) {
		return true;
	}
	size_t capacity = pass->ops_capacity * 2 + 32;
	struct sbx_pass_op *ops = reallocarray(pass->ops, capacity, sizeof(*ops));
	if (ops == NULL) {
		pass->failed = true;
		return false;
	}
	for (size_t i = pass->ops_capacity; i < capacity; i++) {
		ops[i] = (struct sbx_pass_op){0};
		pixman_region32_init(&ops[i].clip);
	}
	pass->ops = ops;
	pass->ops_capacity = capacity;
	return true;
}

static struct sbx_pass_op *add_op(struct sbx_pass *pass, const pixman_region32_t *clip) {
	if (!grow_ops(pass)) {
		return NULL;
	}
	struct sbx_pass_op *op = &pass->ops[pass->n_ops];
	op->clipped = clip != NULL;
	if (clip != NULL && !pixman_region32_copy(&op->clip, clip)) {
		pass->failed = true;
		return NULL;
	}
	op->texture = NULL;
	op->wait_timeline = NULL;
	op->known = NULL;
	op->acquire = -1;
	op->lost = op->copied = false;
	pass->n_ops++;
	return op;
}

static int32_t clamp_edge(int64_t edge) {
	return (int32_t)(edge > INT32_MAX ? INT32_MAX : edge);
}

static pixman_box32_t to_pixman_box(const struct wlr_box *box) {
	return (pixman_box32_t){
		.x1 = box->x,
		.y1 = box->y,
		.x2 = clamp_edge((int64_t)box->x + box->width),
		.y2 = clamp_edge((int64_t)box->y + box->height),
	};
}

static enum sbx_blend to_blend(enum wlr_render_blend_mode mode) {
	return mode == WLR_RENDER_BLEND_MODE_NONE ? SBX_BLEND_NONE : SBX_BLEND_PREMULTIPLIED;
}

static void pass_add_rect(struct wlr_render_pass *wlr_pass,
		const struct wlr_render_rect_options *options) {
	struct sbx_pass *pass = from_wlr(wlr_pass);
	struct sbx_pass_op *op = add_op(pass, options->clip);
	if (op == NULL) {
		return;
	}
	struct wlr_box box;
	wlr_render_rect_options_get_box(options, pass->target, &box);
	const struct wlr_render_color *color = &options->color;
	op->rect_op = (struct sbx_rect_op){
		.box = to_pixman_box(&box),
		.color = { color->r, color->g, color->b, color->a },
		.blend = to_blend(options->blend_mode),
	};
}

static float clamp_alpha(float alpha) {
	return alpha >= 1 ? 1 : alpha > 0 ? alpha : 0;
}

/*
 * Constant luminance and ICtCp take more than a matrix, and are not in color_encodings: who asks for them
 * all the same gets what is nearest.
 */
static enum sbx_encoding to_encoding(enum wlr_color_encoding encoding) {
	switch (encoding) {
	case WLR_COLOR_ENCODING_NONE:
		return SBX_ENCODING_DEFAULT;
	case WLR_COLOR_ENCODING_IDENTITY:
		return SBX_ENCODING_IDENTITY;
	case WLR_COLOR_ENCODING_BT709:
		return SBX_ENCODING_BT709;
	case WLR_COLOR_ENCODING_FCC:
		return SBX_ENCODING_FCC;
	case WLR_COLOR_ENCODING_BT601:
		return SBX_ENCODING_BT601;
	case WLR_COLOR_ENCODING_SMPTE240:
		return SBX_ENCODING_SMPTE240;
	case WLR_COLOR_ENCODING_BT2020:
	case WLR_COLOR_ENCODING_BT2020_CL:
	case WLR_COLOR_ENCODING_ICTCP:
		return SBX_ENCODING_BT2020;
	}
	return SBX_ENCODING_DEFAULT;
}

static enum sbx_range to_range(enum wlr_color_range range) {
	return range == WLR_COLOR_RANGE_FULL ? SBX_RANGE_FULL :
		range == WLR_COLOR_RANGE_LIMITED ? SBX_RANGE_LIMITED : SBX_RANGE_DEFAULT;
}

/*
 * Whoever tells wlroots that there is nothing to wait for need not be asked again; nothing is ever known of
 * his timeline.
 */
static void add_wait(struct sbx_pass_op *op, struct sbx_renderer *renderer,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point) {
	struct sbx_known_timeline *known = sbx_known_timeline_find(renderer, timeline);
	if (known != NULL || !sbx_offer_is_ready(timeline)) {
		op->wait_timeline = wlr_drm_syncobj_timeline_ref(timeline);
		op->wait_point = point;
		op->known = known;
	}
}

static void pass_add_texture(struct wlr_render_pass *wlr_pass,
		const struct wlr_render_texture_options *options) {
	struct sbx_pass *pass = from_wlr(wlr_pass);
	struct sbx_texture *texture = sbx_texture_from_wlr(options->texture);
	if (texture == NULL || texture->renderer != pass->renderer) {
		sbx_log_error("render: a texture of another renderer cannot be drawn");
		pass->failed = true;
		return;
	}
	struct sbx_pass_op *op = add_op(pass, options->clip);
	if (op == NULL) {
		return;
	}
	struct wlr_fbox src;
	struct wlr_box dst;
	wlr_render_texture_options_get_src_box(options, &src);
	wlr_render_texture_options_get_dst_box(options, &dst);
	op->texture_op = (struct sbx_texture_op){
		.src_x = src.x,
		.src_y = src.y,
		.src_width = src.width,
		.src_height = src.height,
		.box = to_pixman_box(&dst),
		.transform = (enum sbx_transform)options->transform,
		.filter = options->filter_mode == WLR_SCALE_FILTER_NEAREST ? SBX_FILTER_NEAREST :
			SBX_FILTER_BILINEAR,
		.blend = to_blend(options->blend_mode),
		.alpha = clamp_alpha(wlr_render_texture_options_get_alpha(options)),
		.coding = {
			.encoding = to_encoding(options->color_encoding),
			.range = to_range(options->color_range),
		},
	};
	sbx_light_from_options(&op->texture_op.light, options);
	op->texture = texture;
	sbx_texture_record(texture);
	if (options->wait_timeline != NULL) {
		add_wait(op, pass->renderer, options->wait_timeline, options->wait_point);
	}
}

static void draw_op(struct sbx_pass *pass, struct sbx_frame *frame, struct sbx_pass_op *op) {
	const pixman_region32_t *clip = op->clipped ? &op->clip : NULL;
	if (op->texture == NULL) {
		op->rect_op.clip = clip;
		sbx_frame_add_rect(frame, &op->rect_op);
		return;
	}
	op->texture_op.texture = sbx_texture_image(op->texture);
	op->texture_op.clip = clip;
	if (op->texture_op.texture == NULL) {
		return;
	}
	if (op->texture_op.texture == pass->buffer->image) {
		sbx_log_error("render: a target cannot be a texture of its own pass: left out");
		return;
	}
	sbx_frame_add_texture(frame, &op->texture_op);
}

/*
 * A software device does not hang, but compiles its shaders when they first run, which can take seconds.
 * A client's fence is another matter: nobody waits longer for that.
 */
static int wait_for_software(struct sbx_pass *pass, uint64_t value) {
	struct sbx_device *device = pass->renderer->device;
	return device->caps.software && !pass->waits ?
		sbx_device_wait(device, value, SOFTWARE_TIMEOUT_NS) : -ETIME;
}

/*
 * *sent says whether the GPU has the frame. -ETIME and -ENODEV mean that it may have, and that nobody
 * knows when it will be done.
 */
static int draw(struct sbx_pass *pass, int *done_fd, uint64_t *value, bool *sent) {
	sbx_pass_refresh_copies(pass);
	struct sbx_frame *frame =
		sbx_composer_begin(pass->renderer->composer, pass->buffer->image);
	if (frame == NULL) {
		return -ENOMEM;
	}
	int error = sbx_pass_acquire(pass, frame);
	if (error != 0) {
		sbx_frame_cancel(frame);
		return error;
	}
	sbx_frame_set_color(frame, pass->known_grade != NULL ? pass->known_grade->grade : NULL, true);
	sbx_frame_set_timer(frame, pass->timer);
	sbx_frame_trace(frame, pass->number);
	sbx_pass_trace_reads(pass);
	for (size_t i = 0; i < pass->n_ops; i++) {
		if (!pass->ops[i].lost) {
			draw_op(pass, frame, &pass->ops[i]);
		}
	}
	error = sbx_frame_submit(frame, done_fd, value);
	*sent = error == 0 || error == -ETIME || error == -ENODEV;
	return error == -ETIME ? wait_for_software(pass, *value) : error;
}

/* 0 or a negative errno, as the recording has it. */
static int render(struct sbx_pass *pass) {
	int done_fd = -1;
	uint64_t value = 0;
	bool sent = false;
	int64_t now_ns = sbx_renderer_now_ns();
	int error = pass->failed ? -ENOMEM : draw(pass, &done_fd, &value, &sent);
	if (error == 0) {
		sbx_work_sent(pass, now_ns, done_fd);
		error = sbx_wlr_buffer_deliver(pass->buffer);
	}
	if (error == 0) {
		error = sbx_pass_publish(pass, &done_fd, value);
	}
	sbx_fd_close(&done_fd);
	if (error == 0) {
		return 0;
	}
	if (!sent) {
		sbx_pass_publish_nothing(pass);
	} else if (error == -ETIME || error == -ENODEV) {
		/* It is not known whether what was sent ever began: submitted covers it in any case. */
		sbx_pass_publish_later(pass, pass->renderer->device->submitted);
	}
	return error;
}

/* Back to the shelf, with its memory. */
static void finish(struct sbx_pass *pass) {
	struct wlr_buffer *target = pass->target;
	for (size_t i = 0; i < pass->n_ops; i++) {
		struct sbx_pass_op *op = &pass->ops[i];
		wlr_drm_syncobj_timeline_unref(op->wait_timeline);
		if (op->texture != NULL) {
			sbx_texture_unrecord(op->texture);
		}
	}
	wlr_drm_syncobj_timeline_unref(pass->signal_timeline);
	sbx_grades_put(pass->renderer, pass->known_grade);
	pass->known_grade = NULL;
	pass->n_ops = 0;
	pass->n_acquires = 0;
	pass->next_idle = pass->renderer->idle_passes;
	pass->renderer->idle_passes = pass;
	wlr_buffer_unlock(target);
}

static bool pass_submit(struct wlr_render_pass *wlr_pass) {
	struct sbx_pass *pass = from_wlr(wlr_pass);
	struct sbx_renderer *renderer = pass->renderer;
	int error = render(pass);
	sbx_trace_pass(SBX_EVENT_PASS_ENDED, pass->number, (uint64_t)-error);
	sbx_renderer_check_lost(renderer);
	finish(pass);
	return error == 0;
}

static const struct wlr_render_pass_impl pass_impl = {
	.submit = pass_submit,
	.add_texture = pass_add_texture,
	.add_rect = pass_add_rect,
};

static struct sbx_pass *take_pass(struct sbx_renderer *renderer) {
	struct sbx_pass *pass = renderer->idle_passes;
	if (pass != NULL) {
		renderer->idle_passes = pass->next_idle;
		return pass;
	}
	pass = calloc(1, sizeof(*pass));
	if (pass != NULL) {
		wlr_render_pass_init(&pass->base, &pass_impl);
		pass->renderer = renderer;
	}
	return pass;
}

struct wlr_render_pass *sbx_pass_begin(struct wlr_renderer *wlr_renderer, struct wlr_buffer *buffer,
		const struct wlr_buffer_pass_options *options) {
	struct sbx_renderer *renderer = sbx_renderer_from_wlr(wlr_renderer);
	if (sbx_renderer_check_lost(renderer)) {
		sbx_renderer_tell_lost(renderer);
		return NULL;
	}
	sbx_publish_owed(renderer);
	sbx_wlr_buffer_drop_idle(renderer);
	struct sbx_wlr_buffer *target = sbx_wlr_buffer_get(renderer, buffer, SBX_FORMAT_STORE);
	struct sbx_known_grade *known_grade = NULL;
	if (target != NULL && options->color_transform != NULL) {
		known_grade = sbx_grades_get(renderer, options->color_transform);
		target = known_grade != NULL ? target : NULL;
	}
	struct sbx_pass *pass = target != NULL ? take_pass(renderer) : NULL;
	if (pass == NULL) {
		sbx_grades_put(renderer, known_grade);
		return NULL;
	}
	pass->known_grade = known_grade;
	pass->target = wlr_buffer_lock(buffer);
	pass->buffer = target;
	pass->timer = sbx_render_timer_get(options->timer);
	pass->signal_timeline = options->signal_timeline != NULL ?
		wlr_drm_syncobj_timeline_ref(options->signal_timeline) : NULL;
	pass->signal_point = options->signal_point;
	sbx_promise_spare(pass->signal_timeline);
	pass->serial = ++renderer->pass_serial;
	pass->number = ++last_number;
	pass->failed = pass->waits = false;
	sbx_trace_pass(SBX_EVENT_PASS_BEGAN, pass->number, sbx_buffer_trace_id(buffer));
	sbx_work_begin(pass);
	return &pass->base;
}

void sbx_pass_destroy_idle(struct sbx_renderer *renderer) {
	while (renderer->idle_passes != NULL) {
		struct sbx_pass *pass = renderer->idle_passes;
		renderer->idle_passes = pass->next_idle;
		for (size_t i = 0; i < pass->ops_capacity; i++) {
			pixman_region32_fini(&pass->ops[i].clip);
		}
		free(pass->ops);
		free(pass->acquires);
		free(pass->points);
		free(pass->states);
		free(pass);
	}
}
