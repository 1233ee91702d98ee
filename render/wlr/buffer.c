#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <wlr/types/wlr_buffer.h>
#include "render/device.h"
#include "render/format.h"
#include "render/image.h"
#include "render/mapping.h"
#include "render/wlr/buffer.h"
#include "render/wlr/renderer.h"
#include "render/wlr/shadow.h"
#include "render/wlr/texture.h"
#include "trace/counter.h"
#include "trace/log.h"

/* For the GPU, and for those who read what was there before. */
#define DELIVERY_TIMEOUT_NS UINT64_C(1000000000)

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
	if (buffer->shadow != NULL && pixman_region32_not_empty(&buffer->shadow->damage)) {
		// Not what a pass that has recorded it should draw.
		sbx_image_destroy(buffer->image);
		buffer->image = NULL;
	}
	sbx_shadow_destroy(buffer);
	sbx_mapping_destroy(buffer->delivery);
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

static int describe(const struct wlr_dmabuf_attributes *attributes, struct sbx_dmabuf *dmabuf) {
	if (attributes->width <= 0 || attributes->height <= 0 ||
			attributes->n_planes < 1 || attributes->n_planes > SBX_DMABUF_MAX_PLANES) {
		sbx_log_error("render: dma-buf of %dx%d with %d planes refused", attributes->width,
			attributes->height, attributes->n_planes);
		return -EINVAL;
	}
	*dmabuf = (struct sbx_dmabuf){
		.width = (uint32_t)attributes->width,
		.height = (uint32_t)attributes->height,
		.format = attributes->format,
		.modifier = attributes->modifier,
		.planes = (uint32_t)attributes->n_planes,
	};
	for (int i = 0; i < SBX_DMABUF_MAX_PLANES; i++) {
		bool used = i < attributes->n_planes;
		dmabuf->offset[i] = used ? attributes->offset[i] : 0;
		dmabuf->stride[i] = used ? attributes->stride[i] : 0;
		dmabuf->fd[i] = used ? attributes->fd[i] : -1;
	}
	return 0;
}

/* Passes may draw a part of it only: the rest is what is there now. */
static bool create_delivery(struct sbx_wlr_buffer *buffer, const struct sbx_dmabuf *dmabuf, uint32_t uses) {
	struct sbx_mapping *mapping = NULL;
	struct sbx_image *image = NULL;
	if (sbx_mapping_create(buffer->renderer->device, dmabuf, uses, &mapping) == 0) {
		image = sbx_mapping_create_image(mapping);
	}
	if (image == NULL || sbx_mapping_copy(mapping, image, NULL) != 0) {
		sbx_image_destroy(image);
		sbx_mapping_destroy(mapping);
		return false;
	}
	sbx_shadow_destroy(buffer);
	sbx_image_destroy(buffer->image);
	buffer->image = image;
	buffer->delivery = mapping;
	return true;
}

/* Another device's memory can be copied. Where fds are short, importing it later is better. */
static bool copy_instead(struct sbx_wlr_buffer *buffer, const struct sbx_dmabuf *dmabuf, uint32_t uses,
		int error) {
	struct sbx_renderer *renderer = buffer->renderer;
	bool target = (uses & SBX_FORMAT_STORE) != 0;
	if (renderer->device->lost || error == -EMFILE ||
			!(target ? create_delivery(buffer, dmabuf, uses) : sbx_shadow_create(buffer, dmabuf) == 0)) {
		return false;
	}
	bool *logged = target ? &renderer->delivering_logged : &renderer->copying_logged;
	if (!*logged) {
		sbx_log_info("render: linear %s that %s cannot import are copied by the CPU",
			target ? "targets" : "buffers", renderer->device->name);
		*logged = true;
	}
	return true;
}

static struct sbx_wlr_buffer *create(struct sbx_renderer *renderer, struct wlr_buffer *wlr_buffer,
		const struct wlr_dmabuf_attributes *attributes, uint32_t uses) {
	struct sbx_dmabuf dmabuf;
	struct sbx_wlr_buffer *buffer = describe(attributes, &dmabuf) == 0 ?
		calloc(1, sizeof(*buffer)) : NULL;
	if (buffer == NULL) {
		return NULL;
	}
	buffer->renderer = renderer;
	buffer->wlr = wlr_buffer;
	buffer->uses = uses;
	int error = sbx_image_import_dmabuf(renderer->device, &dmabuf, uses, &buffer->image);
	if (error != 0 && !copy_instead(buffer, &dmabuf, uses, error)) {
		free(buffer);
		return NULL;
	}
	buffer->work.fence_fd = -1;
	collect_fds(buffer, attributes);
	wlr_addon_init(&buffer->addon, &wlr_buffer->addons, renderer, &addon_impl);
	buffer->used_ns = sbx_renderer_now_ns();
	wl_list_insert(&renderer->buffers, &buffer->link);
	return buffer;
}

int sbx_wlr_buffer_deliver(struct sbx_wlr_buffer *buffer) {
	if (buffer->delivery == NULL) {
		return 0;
	}
	int error = sbx_mapping_store(buffer->delivery, buffer->image, DELIVERY_TIMEOUT_NS);
	if (error == 0) {
		sbx_count(SBX_COUNT_COPIES, 1);
		return 0;
	}
	sbx_log_error("render: a frame cannot be copied into another device's memory: %s", strerror(-error));
	return error == -ENODEV ? error : -ETIME;
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

static bool import_anew(struct sbx_wlr_buffer *buffer, const struct wlr_dmabuf_attributes *attributes,
		uint32_t uses) {
	struct sbx_dmabuf dmabuf;
	struct sbx_image *image = NULL;
	if (describe(attributes, &dmabuf) != 0) {
		return false;
	}
	int error = sbx_image_import_dmabuf(buffer->renderer->device, &dmabuf, uses, &image);
	if (error == 0) {
		sbx_shadow_destroy(buffer);
		sbx_image_destroy(buffer->image);
		buffer->image = image;
	} else if (!copy_instead(buffer, &dmabuf, uses, error)) {
		return false;
	}
	buffer->uses |= uses;
	return true;
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
	return import_anew(buffer, &attributes, uses | buffer->uses) ? buffer : NULL;
}
