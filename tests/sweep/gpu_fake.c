/*
 * A GPU that does nothing by itself: what is drawn is written down, with a fence, and done when the story
 * calls finish(). It reads the clients' memory then and not before, as a slow GPU would.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/interface.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include "gpu.h"
#include "harness/kernel_fake.h"
#include "loan/loan.h"
#include "sync/kernel.h"
#include <signalbox/syncobj.h>

enum { MAX_JOBS = 64 };

struct texture {
	struct wlr_texture base;
	/** Locked; of shared memory it is a copy of the first pixel instead. */
	struct wlr_buffer *buffer;
	uint32_t pixel;
};

struct op {
	bool used;
	/** NULL: `pixel`. */
	const uint32_t *memory;
	ino_t inode;
	uint32_t pixel;
	/** What it waits for (the job's own); -1: nothing. */
	int wait_fd;
};

struct job {
	int output;
	struct op ops[GPU_SLOTS];
	int fence, fence_fd;
};

struct fake {
	struct gpu base;
	struct wlr_renderer renderer;
	struct wlr_drm_format_set formats;
	struct job jobs[MAX_JOBS];
	int job_count;
	uint32_t shown[GPU_OUTPUTS][GPU_SLOTS];
};

static void texture_destroy(struct wlr_texture *wlr_texture) {
	struct texture *texture = wl_container_of(wlr_texture, texture, base);
	if (texture->buffer != NULL) {
		wlr_buffer_unlock(texture->buffer);
	}
	free(texture);
}

static const struct wlr_texture_impl texture_impl = { .destroy = texture_destroy };

static struct wlr_texture *texture_from_buffer(struct wlr_renderer *renderer, struct wlr_buffer *buffer) {
	struct texture *texture = calloc(1, sizeof(*texture));
	struct wlr_dmabuf_attributes attributes;
	void *data;
	uint32_t format;
	size_t stride;
	wlr_texture_init(&texture->base, renderer, &texture_impl, (uint32_t)buffer->width,
		(uint32_t)buffer->height);
	if (wlr_buffer_get_dmabuf(buffer, &attributes)) {
		texture->buffer = wlr_buffer_lock(buffer);
	} else if (wlr_buffer_begin_data_ptr_access(buffer, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format,
			&stride)) {
		texture->pixel = *(uint32_t *)data;
		wlr_buffer_end_data_ptr_access(buffer);
	}
	return &texture->base;
}

static const struct wlr_drm_format_set *get_formats(struct wlr_renderer *renderer, uint32_t caps) {
	struct fake *fake = wl_container_of(renderer, fake, renderer);
	return &fake->formats;
}

static struct wlr_render_pass *begin_pass(struct wlr_renderer *renderer, struct wlr_buffer *buffer,
		const struct wlr_buffer_pass_options *options) {
	return NULL;
}

static void renderer_destroy(struct wlr_renderer *renderer) {
}

static const struct wlr_renderer_impl renderer_impl = {
	.get_texture_formats = get_formats,
	.texture_from_buffer = texture_from_buffer,
	.begin_buffer_pass = begin_pass,
	.destroy = renderer_destroy,
};

static const uint32_t *map(int fd, ino_t *inode) {
	struct stat stat;
	fstat(fd, &stat);
	*inode = stat.st_ino;
	const uint32_t *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	return memory != MAP_FAILED ? memory : NULL;
}

/* What a renderer asks the loan; returns false where the content must be left out. */
static bool acquire(struct wlr_buffer *buffer, struct op *op) {
	int fence = -1;
	if (sbx_buffer_get_acquire_fence(buffer, &fence) < 0) {
		return false;
	}
	kernel_fake.paused = true;
	op->wait_fd = fence >= 0 ? sbx_kernel_dup(fence) : -1;
	kernel_fake.paused = false;
	return true;
}

static void add_op(struct job *job, int slot, struct wlr_surface *surface) {
	struct op *op = &job->ops[slot];
	*op = (struct op){ .wait_fd = -1, .pixel = GPU_BACKGROUND };
	struct wlr_texture *wlr_texture = surface != NULL ? wlr_surface_get_texture(surface) : NULL;
	if (wlr_texture == NULL) {
		return;
	}
	struct texture *texture = wl_container_of(wlr_texture, texture, base);
	op->pixel = texture->pixel;
	struct wlr_dmabuf_attributes attributes;
	if (texture->buffer == NULL || !wlr_buffer_get_dmabuf(texture->buffer, &attributes)) {
		return;
	}
	if (!acquire(texture->buffer, op)) {
		op->pixel = GPU_BACKGROUND;
		return;
	}
	op->memory = map(attributes.fd[0], &op->inode);
}

static void run_job(struct fake *fake) {
	struct job *job = &fake->jobs[0];
	for (int i = 0; i < GPU_SLOTS; i++) {
		struct op *op = &job->ops[i];
		struct pollfd pollfd = { .fd = op->wait_fd, .events = POLLIN };
		if (op->wait_fd >= 0 && poll(&pollfd, 1, 0) == 0) {
			fake->base.waiting(fake->base.data);
		}
		fake->shown[job->output][i] = (op->memory != NULL ? *op->memory : op->pixel) & 0xffffff;
		if (op->memory != NULL) {
			munmap((void *)op->memory, 4096);
		}
		if (op->wait_fd >= 0) {
			close(op->wait_fd);
		}
	}
	kernel_fake_fence_signal(job->fence, 0);
	close(job->fence_fd);
	fake->job_count--;
	memmove(&fake->jobs[0], &fake->jobs[1], sizeof(fake->jobs[0]) * (size_t)fake->job_count);
}

static void finish(struct gpu *gpu) {
	struct fake *fake = wl_container_of(gpu, fake, base);
	while (fake->job_count > 0) {
		run_job(fake);
	}
}

static bool draw(struct gpu *gpu, int output, struct wlr_surface *const surfaces[GPU_SLOTS]) {
	struct fake *fake = wl_container_of(gpu, fake, base);
	if (fake->job_count == MAX_JOBS) {
		finish(gpu);
	}
	struct job *job = &fake->jobs[fake->job_count++];
	*job = (struct job){ .output = output };
	job->fence = kernel_fake_fence_create(&job->fence_fd);
	bool told = true;
	for (int i = 0; i < GPU_SLOTS; i++) {
		add_op(job, i, surfaces[i]);
		struct wlr_texture *wlr_texture = job->ops[i].memory != NULL ?
			wlr_surface_get_texture(surfaces[i]) : NULL;
		if (wlr_texture != NULL) {
			struct texture *texture = wl_container_of(wlr_texture, texture, base);
			told &= sbx_syncobj_buffer_add_reader(texture->buffer, job->fence_fd);
		}
	}
	if (!told) {
		// Nobody knows that it reads: it has to be done before anybody could unlock a buffer.
		finish(gpu);
	}
	return true;
}

static uint32_t pixel(struct gpu *gpu, int output, int slot) {
	struct fake *fake = wl_container_of(gpu, fake, base);
	return fake->shown[output][slot];
}

static bool is_reading(struct gpu *gpu, ino_t inode) {
	struct fake *fake = wl_container_of(gpu, fake, base);
	for (int i = 0; i < fake->job_count; i++) {
		for (int j = 0; j < GPU_SLOTS; j++) {
			if (fake->jobs[i].ops[j].memory != NULL && fake->jobs[i].ops[j].inode == inode) {
				return true;
			}
		}
	}
	return false;
}

static void join(struct gpu *gpu, struct test_compositor *compositor) {
	finish(gpu);
	gpu->compositor = compositor;
}

static void destroy(struct gpu *gpu) {
	struct fake *fake = wl_container_of(gpu, fake, base);
	finish(gpu);
	wlr_renderer_destroy(&fake->renderer);
	wlr_drm_format_set_finish(&fake->formats);
	free(fake);
}

struct gpu *gpu_fake_create(void) {
	struct fake *fake = calloc(1, sizeof(*fake));
	fake->base = (struct gpu){
		.renderer = &fake->renderer,
		.draw = draw,
		.finish = finish,
		.pixel = pixel,
		.is_reading = is_reading,
		.join = join,
		.destroy = destroy,
	};
	wlr_renderer_init(&fake->renderer, &renderer_impl, WLR_BUFFER_CAP_DMABUF);
	return &fake->base;
}
