#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <wlr/types/wlr_buffer.h>
#include "render/format.h"
#include "render/image.h"
#include "render/wlr/buffer.h"
#include "render/wlr/renderer.h"
#include "render/wlr/texture.h"
#include "trace/log.h"

static void handle_addon_destroy(struct wlr_addon *addon) {
	struct sbx_wlr_buffer *buffer = wl_container_of(addon, buffer, addon);
	sbx_wlr_buffer_destroy(buffer);
}

static const struct wlr_addon_interface addon_impl = {
	.name = "sbx_wlr_buffer",
	.destroy = handle_addon_destroy,
};

void sbx_wlr_buffer_destroy(struct sbx_wlr_buffer *buffer) {
	wlr_addon_finish(&buffer->addon);
	wl_list_remove(&buffer->link);
	sbx_work_finish(&buffer->work);
	if (buffer->texture != NULL) {
		sbx_texture_orphan(buffer->texture);
	} else {
		sbx_image_destroy(buffer->image);
	}
	free(buffer);
}

/* Planes of one dma-buf have the same fences: each dma-buf is asked once. */
static bool same_file(int a, int b) {
	struct stat stat_a, stat_b;
	return a == b || (fstat(a, &stat_a) == 0 && fstat(b, &stat_b) == 0 &&
		stat_a.st_dev == stat_b.st_dev && stat_a.st_ino == stat_b.st_ino);
}

static void collect_fds(struct sbx_wlr_buffer *buffer, const struct wlr_dmabuf_attributes *attributes) {
	for (int i = 0; i < attributes->n_planes; i++) {
		bool known = false;
		for (int j = 0; j < buffer->n_fds && !known; j++) {
			known = same_file(buffer->fds[j], attributes->fd[i]);
		}
		if (!known) {
			buffer->fds[buffer->n_fds++] = attributes->fd[i];
		}
	}
}

static int import(struct sbx_renderer *renderer, const struct wlr_dmabuf_attributes *attributes,
		uint32_t uses, struct sbx_image **image) {
	if (attributes->width <= 0 || attributes->height <= 0 ||
			attributes->n_planes < 1 || attributes->n_planes > SBX_DMABUF_MAX_PLANES) {
		sbx_log_error("render: dma-buf of %dx%d with %d planes refused", attributes->width,
			attributes->height, attributes->n_planes);
		return -EINVAL;
	}
	struct sbx_dmabuf dmabuf = {
		.width = (uint32_t)attributes->width,
		.height = (uint32_t)attributes->height,
		.format = attributes->format,
		.modifier = attributes->modifier,
		.planes = (uint32_t)attributes->n_planes,
	};
	for (int i = 0; i < SBX_DMABUF_MAX_PLANES; i++) {
		bool used = i < attributes->n_planes;
		dmabuf.offset[i] = used ? attributes->offset[i] : 0;
		dmabuf.stride[i] = used ? attributes->stride[i] : 0;
		dmabuf.fd[i] = used ? attributes->fd[i] : -1;
	}
	return sbx_image_import_dmabuf(renderer->device, &dmabuf, uses, image);
}

static struct sbx_wlr_buffer *create(struct sbx_renderer *renderer, struct wlr_buffer *wlr_buffer,
		const struct wlr_dmabuf_attributes *attributes, uint32_t uses) {
	struct sbx_wlr_buffer *buffer = calloc(1, sizeof(*buffer));
	if (buffer == NULL) {
		return NULL;
	}
	if (import(renderer, attributes, uses, &buffer->image) != 0) {
		free(buffer);
		return NULL;
	}
	buffer->renderer = renderer;
	buffer->wlr = wlr_buffer;
	buffer->uses = uses;
	buffer->work.fence_fd = -1;
	collect_fds(buffer, attributes);
	wlr_addon_init(&buffer->addon, &wlr_buffer->addons, renderer, &addon_impl);
	buffer->used_ns = sbx_renderer_now_ns();
	wl_list_insert(&renderer->buffers, &buffer->link);
	return buffer;
}

static void touch(struct sbx_wlr_buffer *buffer, int64_t now_ns) {
	buffer->used_ns = now_ns;
	wl_list_remove(&buffer->link);
	wl_list_insert(&buffer->renderer->buffers, &buffer->link);
}

/* Textures and passes hold locks: what is not locked is in nobody's hands but its owner's. */
static bool is_held(const struct sbx_wlr_buffer *buffer) {
	return buffer->wlr->n_locks > 0 || (buffer->texture != NULL && buffer->texture->recorded > 0);
}

void sbx_wlr_buffer_drop_idle(struct sbx_renderer *renderer) {
	int64_t now_ns = sbx_renderer_now_ns();
	while (!wl_list_empty(&renderer->buffers)) {
		struct sbx_wlr_buffer *oldest = wl_container_of(renderer->buffers.prev, oldest, link);
		if (now_ns - oldest->used_ns < renderer->idle_import_ns) {
			return;
		}
		if (is_held(oldest)) {
			// Not to be looked at again by every pass.
			touch(oldest, now_ns);
		} else {
			sbx_wlr_buffer_destroy(oldest);
		}
	}
}

/* A target can be sampled as well; the other way round it has to be imported anew. */
static bool serves(const struct sbx_wlr_buffer *buffer, uint32_t uses) {
	return (buffer->uses & SBX_FORMAT_STORE) != 0 || (uses & ~buffer->uses) == 0;
}

struct sbx_wlr_buffer *sbx_wlr_buffer_get(struct sbx_renderer *renderer, struct wlr_buffer *wlr_buffer,
		uint32_t uses) {
	struct wlr_addon *addon = wlr_addon_find(&wlr_buffer->addons, renderer, &addon_impl);
	struct sbx_wlr_buffer *buffer = NULL;
	if (addon != NULL) {
		buffer = wl_container_of(addon, buffer, addon);
		touch(buffer, sbx_renderer_now_ns());
		if (serves(buffer, uses)) {
			return buffer;
		}
	}
	struct wlr_dmabuf_attributes attributes;
	if (!wlr_buffer_get_dmabuf(wlr_buffer, &attributes)) {
		return NULL;
	}
	if (buffer == NULL) {
		return create(renderer, wlr_buffer, &attributes, uses);
	}
	struct sbx_image *image = NULL;
	if (import(renderer, &attributes, uses | buffer->uses, &image) != 0) {
		return NULL;
	}
	sbx_image_destroy(buffer->image);
	buffer->image = image;
	buffer->uses |= uses;
	return buffer;
}
