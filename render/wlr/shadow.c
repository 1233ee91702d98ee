#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_buffer.h>
#include "loan/loan.h"
#include "loan/screen.h"
#include "render/format.h"
#include "render/image.h"
#include "render/mapping.h"
#include "render/wlr/buffer.h"
#include "render/wlr/renderer.h"
#include "render/wlr/shadow.h"
#include "render/wlr/texture.h"
#include "sync/fd.h"
#include "sync/sync_file.h"
#include "trace/counter.h"
#include "trace/log.h"

static void damage_whole(struct sbx_shadow *shadow) {
	const struct wlr_buffer *wlr = shadow->buffer->wlr;
	pixman_region32_fini(&shadow->damage);
	pixman_region32_init_rect(&shadow->damage, 0, 0, (unsigned)wlr->width, (unsigned)wlr->height);
}

/* Succession */

static void forget_succession(struct sbx_succession *succession) {
	succession->from = NULL;
	succession->to = NULL;
	wl_list_remove(&succession->to_destroy.link);
	wl_list_init(&succession->to_destroy.link);
}

static void handle_to_destroy(struct wl_listener *listener, void *data) {
	struct sbx_succession *succession = wl_container_of(listener, succession, to_destroy);
	forget_succession(succession);
}

void sbx_succession_init(struct sbx_succession *succession) {
	*succession = (struct sbx_succession){ .to_destroy.notify = handle_to_destroy };
	pixman_region32_init(&succession->damage);
	wl_list_init(&succession->to_destroy.link);
}

void sbx_succession_finish(struct sbx_succession *succession) {
	forget_succession(succession);
	pixman_region32_fini(&succession->damage);
}

void sbx_shadow_announce(struct sbx_wlr_buffer *buffer, struct wlr_buffer *next,
		const pixman_region32_t *damage) {
	struct sbx_succession *succession = &buffer->renderer->succession;
	forget_succession(succession);
	if (!pixman_region32_copy(&succession->damage, damage)) {
		return;
	}
	succession->from = buffer;
	succession->to = next;
	wl_signal_add(&next->events.destroy, &succession->to_destroy);
}

/* Waiting */

static void stop_watching(struct sbx_shadow *shadow) {
	if (shadow->source != NULL) {
		wl_event_source_remove(shadow->source);
		shadow->source = NULL;
	}
	if (shadow->busy_fd >= 0) {
		sbx_count(SBX_COUNT_FDS, -1);
		sbx_fd_close(&shadow->busy_fd);
	}
}

static int handle_idle(int fd, uint32_t mask, void *data) {
	stop_watching(data);
	sbx_screens_redraw();
	return 0;
}

/* Without an event loop, or an fd, the next pass that draws it asks again. */
static void watch(struct sbx_shadow *shadow, int fd) {
	struct wl_event_loop *loop = shadow->buffer->renderer->event_loop;
	stop_watching(shadow);
	if (loop == NULL || sbx_fd_dup(fd, &shadow->busy_fd) != 0) {
		return;
	}
	sbx_count(SBX_COUNT_FDS, 1);
	shadow->source = wl_event_loop_add_fd(loop, shadow->busy_fd, WL_EVENT_READABLE, handle_idle,
		shadow);
	if (shadow->source == NULL) {
		stop_watching(shadow);
	}
}

/* Shadows */

int sbx_shadow_create(struct sbx_wlr_buffer *buffer, const struct sbx_dmabuf *dmabuf) {
	struct sbx_shadow *shadow = calloc(1, sizeof(*shadow));
	if (shadow == NULL) {
		return -ENOMEM;
	}
	int ret = sbx_mapping_create(buffer->renderer->device, dmabuf, SBX_FORMAT_SAMPLE,
		&shadow->mapping);
	if (ret < 0) {
		free(shadow);
		return ret;
	}
	shadow->buffer = buffer;
	shadow->busy_fd = -1;
	pixman_region32_init(&shadow->damage);
	buffer->shadow = shadow;
	buffer->renderer->n_shadows++;
	return 0;
}

void sbx_shadow_destroy(struct sbx_wlr_buffer *buffer) {
	struct sbx_shadow *shadow = buffer->shadow;
	if (shadow == NULL) {
		return;
	}
	if (buffer->renderer->succession.from == buffer) {
		forget_succession(&buffer->renderer->succession);
	}
	stop_watching(shadow);
	sbx_mapping_destroy(shadow->mapping);
	pixman_region32_fini(&shadow->damage);
	free(shadow);
	buffer->shadow = NULL;
	buffer->renderer->n_shadows--;
}

/* Somebody may still draw `from`: it is copied anew for him, into another image. */
static bool take_over(struct sbx_wlr_buffer *from, struct sbx_wlr_buffer *to,
		const pixman_region32_t *damage) {
	if (from->image == NULL || from->image->format != sbx_mapping_get_format(to->shadow->mapping) ||
			from->wlr->width != to->wlr->width || from->wlr->height != to->wlr->height ||
			!pixman_region32_union(&to->shadow->damage, &from->shadow->damage, damage)) {
		return false;
	}
	sbx_image_destroy(to->image);
	to->image = from->image;
	to->shadow->has_content = from->shadow->has_content;
	from->image = NULL;
	from->shadow->has_content = false;
	damage_whole(from->shadow);
	return true;
}

static bool make_image(struct sbx_wlr_buffer *buffer) {
	if (buffer->image == NULL) {
		buffer->image = sbx_mapping_create_image(buffer->shadow->mapping);
		buffer->shadow->has_content = false;
	}
	return buffer->image != NULL;
}

/* Other textures of the buffer may be of surfaces that showed something else before. */
static bool is_only_changed(const struct sbx_succession *succession, const struct sbx_wlr_buffer *buffer) {
	return succession->from == buffer && buffer->image != NULL && buffer->texture != NULL &&
		buffer->texture->handles == 1;
}

bool sbx_shadow_renew(struct sbx_wlr_buffer *buffer) {
	struct sbx_succession *succession = &buffer->renderer->succession;
	struct sbx_shadow *shadow = buffer->shadow;
	bool known = succession->to == buffer->wlr && succession->from != NULL;
	if (known && is_only_changed(succession, buffer)) {
		known = pixman_region32_union(&shadow->damage, &shadow->damage, &succession->damage);
	} else {
		known = known && succession->from != buffer && (buffer->texture == NULL ||
			buffer->texture->handles == 0) &&
			take_over(succession->from, buffer, &succession->damage);
	}
	forget_succession(succession);
	if (!known) {
		damage_whole(shadow);
	}
	return make_image(buffer);
}

/* Of several planes some may be new by now and some not. */
static void note_failure(struct sbx_shadow *shadow, int error) {
	const struct sbx_wlr_buffer *buffer = shadow->buffer;
	shadow->has_content = shadow->has_content && buffer->image->n_planes == 0;
	if (!shadow->failed) {
		sbx_log_error("render: a buffer of %dx%d cannot be copied: %s; its surface %s", buffer->wlr->width,
			buffer->wlr->height, strerror(-error),
			shadow->has_content ? "keeps what it showed" : "shows nothing");
		shadow->failed = true; // said once
	}
}

static int copy(struct sbx_wlr_buffer *buffer) {
	struct sbx_shadow *shadow = buffer->shadow;
	int ret = sbx_mapping_copy(shadow->mapping, buffer->image, &shadow->damage);
	if (ret < 0 && ret != -EAGAIN) {
		note_failure(shadow, ret);
	}
	if (ret < 0) {
		return ret;
	}
	pixman_region32_clear(&shadow->damage);
	shadow->has_content = true;
	sbx_count(SBX_COUNT_COPIES, 1);
	return 0;
}

/* A fence that failed protects nothing, and says that the content is not what it should be. */
static int check_acquire(struct sbx_shadow *shadow, int acquire_fd) {
	int error = 0;
	int status = acquire_fd >= 0 ? sbx_fence_status(acquire_fd, &error) : 1;
	if (status == 0) {
		watch(shadow, acquire_fd);
		return -EAGAIN;
	}
	return status < 0 ? status : error < 0 ? -ECANCELED : 0;
}

bool sbx_shadow_is_stale(const struct sbx_wlr_buffer *buffer) {
	return buffer->image == NULL || pixman_region32_not_empty(&buffer->shadow->damage);
}

int sbx_shadow_refresh_lent(struct sbx_wlr_buffer *buffer) {
	int fence = -1;
	int ret = sbx_buffer_get_acquire_fence(buffer->wlr, &fence);
	return ret < 0 ? ret : sbx_shadow_refresh(buffer, fence);
}

int sbx_shadow_refresh(struct sbx_wlr_buffer *buffer, int acquire_fd) {
	struct sbx_shadow *shadow = buffer->shadow;
	if (!sbx_shadow_is_stale(buffer)) {
		return 0;
	}
	int ret = make_image(buffer) ? check_acquire(shadow, acquire_fd) : -ENOMEM;
	if (ret == 0) {
		ret = copy(buffer);
		if (ret == -EAGAIN) {
			watch(shadow, sbx_mapping_get_busy_fd(shadow->mapping));
		}
	}
	if (ret == 0) {
		stop_watching(shadow);
	}
	return ret;
}
