#include <drm_fourcc.h>
#include <pixman.h>
#include <stdlib.h>
#include <wlr/render/color.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>
#include "backend/scanout.h"

static const char *const names[] = {
	[SBX_SCANOUT_ACTIVE] = "active",
	[SBX_SCANOUT_NO_FRAME] = "no frame",
	[SBX_SCANOUT_FORBIDDEN] = "forbidden",
	[SBX_SCANOUT_LOCKED] = "locked",
	[SBX_SCANOUT_CURSOR] = "cursor",
	[SBX_SCANOUT_RECONFIGURED] = "reconfigured",
	[SBX_SCANOUT_NO_BUFFER] = "no buffer",
	[SBX_SCANOUT_SEVERAL] = "several",
	[SBX_SCANOUT_NO_DMABUF] = "no dma-buf",
	[SBX_SCANOUT_TRANSFORM] = "transform",
	[SBX_SCANOUT_COLOR] = "color",
	[SBX_SCANOUT_FORMAT] = "format",
	[SBX_SCANOUT_FENCE] = "fence",
	[SBX_SCANOUT_TEST] = "test",
	[SBX_SCANOUT_COMMIT] = "commit",
};

const char *sbx_scanout_name(enum sbx_scanout scanout) {
	return (size_t)scanout < sizeof(names) / sizeof(names[0]) ? names[scanout] : "unknown";
}

/* What can be seen, front to back. */

struct look {
	pixman_region32_t left; // of the output, not covered yet; in the scene's coordinates
	int count;
	struct wlr_scene_node *first;
};

static void size_of(struct wlr_scene_node *node, int *width, int *height) {
	*width = *height = 0;
	if (node->type == WLR_SCENE_NODE_RECT) {
		struct wlr_scene_rect *rect = wlr_scene_rect_from_node(node);
		*width = rect->width;
		*height = rect->height;
	} else if (node->type == WLR_SCENE_NODE_BUFFER) {
		struct wlr_scene_buffer *buffer = wlr_scene_buffer_from_node(node);
		*width = buffer->dst_width;
		*height = buffer->dst_height;
		if (*width == 0 && buffer->buffer != NULL) {
			bool turned = (buffer->transform & WL_OUTPUT_TRANSFORM_90) != 0;
			*width = turned ? buffer->buffer->height : buffer->buffer->width;
			*height = turned ? buffer->buffer->width : buffer->buffer->height;
		}
	}
}

/* What the surface's own buffer is; wlroots wraps it in one of its own. */
static struct wlr_buffer *source_of(struct wlr_buffer *buffer) {
	struct wlr_client_buffer *client = wlr_client_buffer_get(buffer);
	return client != NULL && client->source != NULL ? client->source : buffer;
}

static bool is_opaque(struct wlr_scene_node *node) {
	if (node->type == WLR_SCENE_NODE_RECT) {
		return wlr_scene_rect_from_node(node)->color[3] == 1;
	}
	struct wlr_scene_buffer *buffer = wlr_scene_buffer_from_node(node);
	return buffer->opacity == 1 && buffer->buffer != NULL && wlr_buffer_is_opaque(buffer->buffer);
}

static void cover(struct look *look, struct wlr_scene_node *node, const struct wlr_box *box) {
	pixman_region32_t opaque;
	pixman_region32_init_rect(&opaque, box->x, box->y, (unsigned)box->width, (unsigned)box->height);
	if (!is_opaque(node)) {
		pixman_region32_t part;
		pixman_region32_init(&part);
		if (node->type == WLR_SCENE_NODE_BUFFER && wlr_scene_buffer_from_node(node)->opacity == 1) {
			pixman_region32_copy(&part, &wlr_scene_buffer_from_node(node)->opaque_region);
		}
		pixman_region32_translate(&part, box->x, box->y);
		pixman_region32_intersect(&opaque, &opaque, &part);
		pixman_region32_fini(&part);
	}
	pixman_region32_subtract(&look->left, &look->left, &opaque);
	pixman_region32_fini(&opaque);
}

/* The scene's background is black anyway. */
static bool is_black(struct wlr_scene_node *node) {
	if (node->type != WLR_SCENE_NODE_RECT) {
		return false;
	}
	const float *color = wlr_scene_rect_from_node(node)->color;
	return color[3] == 0 || (color[0] == 0 && color[1] == 0 && color[2] == 0 && color[3] == 1);
}

static void look_at_leaf(struct look *look, struct wlr_scene_node *node, int x, int y) {
	struct wlr_box box = { .x = x, .y = y };
	size_of(node, &box.width, &box.height);
	pixman_box32_t bounds = { x, y, x + box.width, y + box.height };
	if (box.width <= 0 || box.height <= 0 ||
			pixman_region32_contains_rectangle(&look->left, &bounds) == PIXMAN_REGION_OUT) {
		return;
	}
	if (!is_black(node)) {
		look->count++;
		look->first = look->first != NULL ? look->first : node;
	}
	cover(look, node, &box);
}

static void look_at(struct look *look, struct wlr_scene_node *node, int x, int y) {
	if (!node->enabled || look->count > 1) {
		return;
	}
	x += node->x;
	y += node->y;
	if (node->type != WLR_SCENE_NODE_TREE) {
		look_at_leaf(look, node, x, y);
		return;
	}
	struct wlr_scene_tree *tree = wlr_scene_tree_from_node(node);
	struct wlr_scene_node *child;
	wl_list_for_each_reverse(child, &tree->children, link) {
		look_at(look, child, x, y);
	}
}

/* *first is the frontmost thing. */
static int count_visible(struct wlr_scene_output *scene_output, struct wlr_scene_node **first) {
	int width, height;
	wlr_output_effective_resolution(scene_output->output, &width, &height);
	struct look look = { 0 };
	pixman_region32_init_rect(&look.left, scene_output->x, scene_output->y, (unsigned)width,
		(unsigned)height);
	look_at(&look, &scene_output->scene->tree.node, 0, 0);
	pixman_region32_fini(&look.left);
	*first = look.first;
	return look.count;
}

/* Reasons */

static bool needs_color_work(const struct wlr_output *output, const struct wlr_scene_buffer *buffer) {
	bool plain = buffer->transfer_function == 0 && buffer->primaries == 0;
	bool srgb = buffer->transfer_function == WLR_COLOR_TRANSFER_FUNCTION_GAMMA22 &&
		buffer->primaries == WLR_COLOR_NAMED_PRIMARIES_SRGB;
	bool ycbcr = buffer->color_encoding != WLR_COLOR_ENCODING_NONE &&
		buffer->color_encoding != WLR_COLOR_ENCODING_IDENTITY;
	const struct wlr_output_image_description *wanted = output->image_description;
	bool same = wanted == NULL ? plain || srgb : wanted->transfer_function == buffer->transfer_function &&
		wanted->primaries == buffer->primaries;
	return ycbcr || !same;
}

static uint32_t without_alpha(uint32_t format) {
	switch (format) {
	case DRM_FORMAT_ARGB8888:
		return DRM_FORMAT_XRGB8888;
	case DRM_FORMAT_ABGR8888:
		return DRM_FORMAT_XBGR8888;
	case DRM_FORMAT_ARGB2101010:
		return DRM_FORMAT_XRGB2101010;
	case DRM_FORMAT_ABGR2101010:
		return DRM_FORMAT_XBGR2101010;
	case DRM_FORMAT_ABGR16161616F:
		return DRM_FORMAT_XBGR16161616F;
	default:
		return format;
	}
}

enum sbx_scanout sbx_scanout_explain_buffer(struct wlr_output *output, struct wlr_buffer *buffer) {
	struct wlr_dmabuf_attributes dmabuf;
	if (!wlr_buffer_get_dmabuf(source_of(buffer), &dmabuf)) {
		return SBX_SCANOUT_NO_DMABUF;
	}
	const struct wlr_drm_format_set *formats =
		wlr_output_get_primary_formats(output, WLR_BUFFER_CAP_DMABUF);
	if (formats != NULL && !wlr_drm_format_set_has(formats, dmabuf.format, dmabuf.modifier) &&
			!wlr_drm_format_set_has(formats, without_alpha(dmabuf.format), dmabuf.modifier)) {
		return SBX_SCANOUT_FORMAT;
	}
	return SBX_SCANOUT_ACTIVE;
}

static enum sbx_scanout explain_node(struct wlr_output *output, struct wlr_scene_node *node) {
	if (node->type != WLR_SCENE_NODE_BUFFER) {
		return SBX_SCANOUT_NO_BUFFER;
	}
	struct wlr_scene_buffer *buffer = wlr_scene_buffer_from_node(node);
	if (buffer->buffer == NULL) {
		return SBX_SCANOUT_NO_DMABUF; // uploaded and given back
	}
	if (buffer->transform != output->transform) {
		return SBX_SCANOUT_TRANSFORM;
	}
	if (needs_color_work(output, buffer)) {
		return SBX_SCANOUT_COLOR;
	}
	enum sbx_scanout reason = sbx_scanout_explain_buffer(output, buffer->buffer);
	return reason != SBX_SCANOUT_ACTIVE ? reason : SBX_SCANOUT_TEST;
}

static bool is_forbidden(void) {
	const char *value = getenv("WLR_SCENE_DISABLE_DIRECT_SCANOUT");
	return value != NULL && value[0] == '1';
}

enum sbx_scanout sbx_scanout_explain(struct wlr_scene_output *scene_output, uint32_t committed,
		const struct wlr_scene_output_state_options *options) {
	struct wlr_output *output = scene_output->output;
	if (is_forbidden()) {
		return SBX_SCANOUT_FORBIDDEN;
	}
	struct wlr_scene_node *node;
	int count = count_visible(scene_output, &node);
	if (count != 1) {
		return count == 0 ? SBX_SCANOUT_NO_BUFFER : SBX_SCANOUT_SEVERAL;
	}
	if (options != NULL && options->color_transform != NULL) {
		return SBX_SCANOUT_COLOR;
	}
	if ((committed & (WLR_OUTPUT_STATE_MODE | WLR_OUTPUT_STATE_ENABLED |
			WLR_OUTPUT_STATE_RENDER_FORMAT)) != 0) {
		return SBX_SCANOUT_RECONFIGURED;
	}
	if (!wlr_output_is_direct_scanout_allowed(output)) {
		return output->attach_render_locks > 0 ? SBX_SCANOUT_LOCKED : SBX_SCANOUT_CURSOR;
	}
	return explain_node(output, node);
}
