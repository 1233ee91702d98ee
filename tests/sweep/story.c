#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wayland-client-protocol.h>
#include <wlr/types/wlr_compositor.h>
#include "gpu.h"
#include "harness/buffers.h"
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "linux-dmabuf-v1-client-protocol.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "story.h"
#include "sync/fd.h"
#include "sync/uapi.h"
#include "trace/log.h"
#include "xdg-shell-client-protocol.h"

enum { ACTORS = 5, PICTURES = 4, MAX_PROMISES = 256, MAX_WORK = 16, ROUNDS = 10 };
enum { CLIENTS = 3, SURVIVOR = ACTORS, HANDLES_PROBED = 32 };

#define UNFINISHED 0x00ee00u

enum sort { EXPLICIT, CHILD, SHM, IMPLICIT };

enum how {
	/** Done and signalled before the commit. */
	IN_TIME,
	/** A fence is there, pending. */
	PENDING,
	/** Nothing is there. */
	LATE,
	/** First nothing, then a fence. */
	LATE_FENCE,
};

struct picture {
	struct test_buffer memory;
	ino_t inode;
	uint32_t *pixels;
	struct wl_buffer *wl_buffer;
	/** Each buffer has a timeline of its own for its releases, as the protocol recommends. */
	struct test_timeline release;
	uint64_t value;
	bool busy;
	/** A plane shows it until this fence signals. */
	struct test_fence plane;
	bool on_plane;
};

struct actor {
	enum sort sort;
	int slot, client;
	struct wl_surface *wl_surface;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel;
	struct wl_subsurface *subsurface;
	struct wp_linux_drm_syncobj_surface_v1 *sync;
	unsigned configures;
	struct test_timeline acquire;
	struct picture pictures[PICTURES];
	/** The number of the last commit with a buffer. */
	uint32_t commits;
	/** What each output showed of it last. */
	uint32_t seen[GPU_OUTPUTS];
	struct picture *shown;
};

/** Something that a client has committed and not finished. */
struct work {
	struct actor *actor;
	struct picture *picture;
	uint32_t number;
	enum how how;
	bool has_fence;
	struct test_fence fence;
};

struct promise {
	struct sbx_point point;
	const char *actor;
};

struct story {
	struct gpu *gpu;
	bool lab;
	const struct fault *fault;
	struct sync_lab sync;
	struct protocol_lab protocol;
	struct test_compositor *compositor;
	struct test_client *clients[CLIENTS + 1];
	struct actor actors[ACTORS + 1];
	struct work work[MAX_WORK];
	int work_count;
	struct promise promises[MAX_PROMISES];
	int promise_count;
	/** Frames in which nothing may be amiss. */
	bool strict;
	jmp_buf blamed;
};

static char reason[512];
static bool bug_logged;
/** The first time drivers open files that they keep. */
static bool counting;

void story_count(bool count) {
	counting = count;
}

static void blame(struct story *story, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

static void blame(struct story *story, const char *format, ...) {
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	longjmp(story->blamed, 1);
}

static void note_line(enum sbx_log_level level, const char *format, va_list args) {
	char line[512];
	vsnprintf(line, sizeof(line), format, args);
	bug_logged |= strstr(line, "signalbox bug") != NULL;
	if (getenv("TEST_VERBOSE") != NULL || strstr(line, "signalbox bug") != NULL) {
		fprintf(stderr, "# %s\n", line);
	}
}

static const char *name_of(const struct actor *actor) {
	static const char *const names[] = { "window", "late window", "subsurface", "shm window",
		"implicit window", "survivor" };
	return names[actor->slot];
}

static struct test_client *client_of(struct story *story, const struct actor *actor) {
	return story->clients[actor->client];
}

static bool is_alive(struct story *story, const struct actor *actor) {
	struct test_client *client = client_of(story, actor);
	return client != NULL && wl_display_get_error(client->display) == 0 && actor->wl_surface != NULL;
}

static bool has_points(const struct actor *actor) {
	return actor->sort == EXPLICIT || actor->sort == CHILD;
}

/* The DRM device has gone, and with it everything that depends on points. */
static bool is_gone(const struct story *story) {
	return story->fault->mode == FAULT_FOR_GOOD && fault_happened();
}

/* Pictures */

static void fill(struct picture *picture, uint32_t color) {
	for (int i = 0; i < GPU_TILE * GPU_TILE; i++) {
		picture->pixels[i] = color;
	}
}

static uint32_t color_of(const struct actor *actor, uint32_t number) {
	return 0x500000u + ((uint32_t)actor->slot << 16) + (number << 8) + 0x77;
}

static void picture_open(struct story *story, struct picture *picture, enum sort sort) {
	size_t size = 4096;
	if (story->lab && sort != SHM) {
		if (test_buffer_udmabuf(size, &picture->memory) < 0) {
			abort();
		}
	} else {
		picture->memory = (struct test_buffer){
			.fd = memfd_create("picture", MFD_CLOEXEC), .size = size, .backing_fd = -1,
		};
		if (ftruncate(picture->memory.fd, (off_t)size) != 0) {
			abort();
		}
		picture->memory.data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, picture->memory.fd, 0);
	}
	struct stat stat;
	fstat(picture->memory.fd, &stat);
	picture->inode = stat.st_ino;
	picture->pixels = picture->memory.data;
}

static void handle_wl_buffer_release(void *data, struct wl_buffer *wl_buffer) {
	struct picture *picture = data;
	picture->busy = false;
	fill(picture, UNFINISHED);
}

static const struct wl_buffer_listener buffer_listener = { .release = handle_wl_buffer_release };

static struct wl_buffer *create_shm(struct test_client *client, const struct picture *picture) {
	struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, picture->memory.fd, 4096);
	struct wl_buffer *buffer = wl_shm_pool_create_buffer(pool, 0, GPU_TILE, GPU_TILE, GPU_TILE * 4,
		WL_SHM_FORMAT_XRGB8888);
	wl_shm_pool_destroy(pool);
	return buffer;
}

static struct wl_buffer *create_dmabuf(struct test_client *client, const struct picture *picture) {
	struct zwp_linux_buffer_params_v1 *params = zwp_linux_dmabuf_v1_create_params(client->dmabuf);
	zwp_linux_buffer_params_v1_add(params, picture->memory.fd, 0, 0, GPU_TILE * 4,
		DRM_FORMAT_MOD_LINEAR >> 32, DRM_FORMAT_MOD_LINEAR & 0xFFFFFFFF);
	struct wl_buffer *buffer = zwp_linux_buffer_params_v1_create_immed(params, GPU_TILE, GPU_TILE,
		DRM_FORMAT_XRGB8888, 0);
	zwp_linux_buffer_params_v1_destroy(params);
	return buffer;
}

static void pictures_attach(struct story *story, struct actor *actor) {
	struct test_client *client = client_of(story, actor);
	for (int i = 0; i < PICTURES; i++) {
		struct picture *picture = &actor->pictures[i];
		picture->wl_buffer = actor->sort == SHM ? create_shm(client, picture) :
			create_dmabuf(client, picture);
		if (!has_points(actor)) {
			wl_buffer_add_listener(picture->wl_buffer, &buffer_listener, picture);
		}
	}
}

/* Clients */

static bool make_timelines(struct story *story, struct actor *actor) {
	struct test_client *client = client_of(story, actor);
	test_timeline_create(client, &actor->acquire);
	for (int i = 0; i < PICTURES && has_points(actor); i++) {
		test_timeline_create(client, &actor->pictures[i].release);
	}
	return wl_display_get_error(client->display) == 0;
}

static void drop_timelines(struct actor *actor) {
	if (actor->acquire.own != NULL) {
		test_timeline_destroy(&actor->acquire);
	}
	for (int i = 0; i < PICTURES; i++) {
		if (actor->pictures[i].release.own != NULL) {
			test_timeline_destroy(&actor->pictures[i].release);
		}
	}
}

/* An import that the kernel refuses is the client's end: then another one comes. */
static void client_open(struct story *story, int number) {
	for (int tries = 0; tries < 40; tries++) {
		struct test_client *client = test_client_create(story->compositor, story->sync.sync);
		story->clients[number] = client;
		bool ok = true;
		for (int i = 0; i <= ACTORS && ok; i++) {
			if (story->actors[i].client == number && has_points(&story->actors[i])) {
				ok = make_timelines(story, &story->actors[i]);
			}
		}
		if (ok) {
			return;
		}
		for (int i = 0; i <= ACTORS; i++) {
			if (story->actors[i].client == number) {
				drop_timelines(&story->actors[i]);
			}
		}
		test_client_destroy(client);
		story->clients[number] = NULL;
		if (is_gone(story)) {
			return;
		}
	}
	blame(story, "client %d cannot be served: %d connections ended with an error", number, 40);
}

static void handle_configure(void *data, struct xdg_surface *xdg_surface, uint32_t serial) {
	struct actor *actor = data;
	actor->configures++;
	xdg_surface_ack_configure(xdg_surface, serial);
}

static const struct xdg_surface_listener xdg_surface_listener = { .configure = handle_configure };

static void handle_toplevel_configure(void *data, struct xdg_toplevel *toplevel, int32_t width,
		int32_t height, struct wl_array *states) {
}

static void handle_close(void *data, struct xdg_toplevel *toplevel) {
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = handle_toplevel_configure,
	.close = handle_close,
};

struct configuring {
	struct story *story;
	struct actor *actor;
	unsigned before;
};

static bool is_configured(void *data) {
	struct configuring *it = data;
	return it->actor->configures > it->before || !is_alive(it->story, it->actor) || is_gone(it->story);
}

/* The commit without a buffer that asks for a configure event. */
static void ask_configure(struct story *story, struct actor *actor) {
	struct configuring it = { story, actor, actor->configures };
	wl_surface_commit(actor->wl_surface);
	test_client_roundtrip(client_of(story, actor));
	if (!test_pump_until(story->compositor, is_configured, &it)) {
		blame(story, "the %s is not configured", name_of(actor));
	}
	test_pump(story->compositor);
}

static void surface_open(struct story *story, struct actor *actor) {
	struct test_client *client = client_of(story, actor);
	if (client == NULL) {
		return;
	}
	actor->wl_surface = wl_compositor_create_surface(client->wl_compositor);
	if (has_points(actor)) {
		actor->sync = wp_linux_drm_syncobj_manager_v1_get_surface(client->syncobj, actor->wl_surface);
	}
	if (actor->sort == CHILD) {
		actor->subsurface = wl_subcompositor_get_subsurface(client->subcompositor, actor->wl_surface,
			story->actors[1].wl_surface);
		return;
	}
	actor->xdg_surface = xdg_wm_base_get_xdg_surface(client->wm_base, actor->wl_surface);
	xdg_surface_add_listener(actor->xdg_surface, &xdg_surface_listener, actor);
	actor->toplevel = xdg_surface_get_toplevel(actor->xdg_surface);
	xdg_toplevel_add_listener(actor->toplevel, &toplevel_listener, actor);
	ask_configure(story, actor);
}

static void surface_close(struct story *story, struct actor *actor) {
	if (actor->sync != NULL) {
		wp_linux_drm_syncobj_surface_v1_destroy(actor->sync);
	}
	if (actor->subsurface != NULL) {
		wl_subsurface_destroy(actor->subsurface);
	}
	if (actor->toplevel != NULL) {
		xdg_toplevel_destroy(actor->toplevel);
	}
	if (actor->xdg_surface != NULL) {
		xdg_surface_destroy(actor->xdg_surface);
	}
	if (actor->wl_surface != NULL) {
		wl_surface_destroy(actor->wl_surface);
	}
	actor->sync = NULL;
	actor->subsurface = NULL;
	actor->toplevel = NULL;
	actor->xdg_surface = NULL;
	actor->wl_surface = NULL;
	test_pump(story->compositor);
}

static struct wlr_surface *peer_of(struct story *story, struct actor *actor) {
	struct test_client *client = client_of(story, actor);
	struct wl_resource *resource = client == NULL || client->peer == NULL || actor->wl_surface == NULL ?
		NULL : wl_client_get_object(client->peer, wl_proxy_get_id((struct wl_proxy *)actor->wl_surface));
	return resource != NULL ? wlr_surface_from_resource(resource) : NULL;
}

static void actor_open(struct story *story, struct actor *actor) {
	if (client_of(story, actor) == NULL) {
		return;
	}
	for (int i = 0; i < PICTURES; i++) {
		picture_open(story, &actor->pictures[i], actor->sort);
	}
	pictures_attach(story, actor);
	surface_open(story, actor);
}

static void actor_close(struct actor *actor) {
	for (int i = 0; i < PICTURES; i++) {
		struct picture *picture = &actor->pictures[i];
		if (picture->wl_buffer != NULL) {
			wl_buffer_destroy(picture->wl_buffer);
			picture->wl_buffer = NULL;
		}
	}
}

/* Releases */

/* The buffer that is the surface's content now, as far as the compositor knows. */
static const struct picture *content_of(struct story *story, struct actor *actor) {
	struct wlr_surface *surface = peer_of(story, actor);
	struct wlr_dmabuf_attributes attributes;
	if (surface == NULL || surface->buffer == NULL || surface->buffer->source == NULL ||
			!wlr_buffer_get_dmabuf(surface->buffer->source, &attributes)) {
		return NULL;
	}
	struct stat stat;
	fstat(attributes.fd[0], &stat);
	for (int i = 0; i < PICTURES; i++) {
		if (actor->pictures[i].inode == stat.st_ino) {
			return &actor->pictures[i];
		}
	}
	return NULL;
}

static enum sbx_point_state point_state(struct story *story, struct sbx_point point) {
	enum sbx_point_state state = SBX_POINT_INVALID;
	kernel_fake.paused = true;
	sbx_points_query(story->sync.sync, &point, 1, &state);
	kernel_fake.paused = false;
	return state;
}

static void check_release(struct story *story, struct actor *actor, struct picture *picture) {
	if (!picture->busy || picture->release.own == NULL ||
			point_state(story, test_point(&picture->release, picture->value)) != SBX_POINT_SIGNALLED) {
		return;
	}
	if (picture->on_plane) {
		blame(story, "early release: a plane shows the %s's buffer", name_of(actor));
	}
	if (story->gpu->is_reading(story->gpu, picture->inode)) {
		blame(story, "early release: the GPU reads the %s's buffer", name_of(actor));
	}
	if (content_of(story, actor) == picture) {
		blame(story, "early release: the %s's buffer is its content", name_of(actor));
	}
	picture->busy = false;
	fill(picture, UNFINISHED);
}

static void check_releases(struct story *story) {
	for (int i = 0; i <= ACTORS; i++) {
		for (int j = 0; j < PICTURES; j++) {
			check_release(story, &story->actors[i], &story->actors[i].pictures[j]);
		}
	}
}

static void leave_plane(struct story *story, struct picture *picture) {
	if (picture->on_plane) {
		picture->on_plane = false;
		test_fence_signal(&story->protocol, &picture->plane, 0);
		sbx_fd_close(&picture->plane.sync_file);
	}
}

struct wish {
	struct story *story;
	struct actor *actor;
	struct picture *found;
};

static bool find_free(void *data) {
	struct wish *wish = data;
	check_releases(wish->story);
	wish->found = NULL;
	for (int i = 0; i < PICTURES; i++) {
		struct picture *picture = &wish->actor->pictures[i];
		wish->found = picture->busy ? wish->found : picture;
	}
	return wish->found != NULL;
}

static void complete_all(struct story *story);

static struct picture *take_picture(struct story *story, struct actor *actor) {
	struct wish wish = { .story = story, .actor = actor };
	if (!find_free(&wish) && !is_gone(story)) {
		complete_all(story);
		story->gpu->finish(story->gpu);
	}
	if (!is_gone(story) && !test_pump_until(story->compositor, find_free, &wish) &&
			is_alive(story, actor)) {
		blame(story, "lost release: the %s gets no buffer back", name_of(actor));
	}
	return wish.found;
}

/* Work */

static void materialise(struct story *story, struct work *work) {
	test_fence_create(&story->protocol, &work->fence);
	work->has_fence = true;
	kernel_fake.paused = true;
	sbx_point_import_sync_file(story->sync.sync, test_point(&work->actor->acquire, work->number),
		work->fence.sync_file);
	kernel_fake.paused = false;
	sbx_fd_close(&work->fence.sync_file);
}

/* The client has finished: first the pixels, then the signal. */
static void complete(struct story *story, struct work *work) {
	fill(work->picture, color_of(work->actor, work->number));
	if (work->has_fence && story->lab) {
		vgem_fence_signal(&work->fence.vgem);
	} else if (work->has_fence) {
		kernel_fake_fence_signal(work->fence.fake, 0);
	} else {
		struct sbx_point point = test_point(&work->actor->acquire, work->number);
		kernel_fake.paused = true;
		sbx_points_signal(story->sync.sync, &point, 1);
		kernel_fake.paused = false;
	}
}

static void complete_all(struct story *story) {
	for (int i = 0; i < story->work_count; i++) {
		complete(story, &story->work[i]);
	}
	story->work_count = 0;
}

/* The GPU waits: the fences that it may be waiting for signal now, no others. */
static void complete_pending(void *data) {
	struct story *story = data;
	int kept = 0;
	for (int i = 0; i < story->work_count; i++) {
		if (story->work[i].has_fence) {
			complete(story, &story->work[i]);
		} else {
			story->work[kept++] = story->work[i];
		}
	}
	story->work_count = kept;
}

/* An implicit client's fence is in the dma-buf. */
static void pend_dmabuf(struct story *story, struct work *work) {
	test_fence_create(&story->protocol, &work->fence);
	work->has_fence = true;
	struct dma_buf_import_sync_file import = {
		.flags = DMA_BUF_SYNC_WRITE, .fd = work->fence.sync_file,
	};
	ioctl(work->picture->memory.fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import);
	sbx_fd_close(&work->fence.sync_file);
}

static void set_points(struct actor *actor, struct picture *picture, uint32_t number) {
	wp_linux_drm_syncobj_surface_v1_set_acquire_point(actor->sync, actor->acquire.object, 0, number);
	wp_linux_drm_syncobj_surface_v1_set_release_point(actor->sync, picture->release.object, 0,
		(uint32_t)++picture->value);
}

static void promise(struct story *story, struct actor *actor, struct picture *picture) {
	if (has_points(actor) && is_alive(story, actor) && story->promise_count < MAX_PROMISES) {
		story->promises[story->promise_count++] = (struct promise){
			.point = test_point(&picture->release, picture->value), .actor = name_of(actor),
		};
	}
}

/* One commit with a buffer. Nothing, where the client is gone. */
static void commit(struct story *story, struct actor *actor, enum how how) {
	struct picture *picture = is_alive(story, actor) ? take_picture(story, actor) : NULL;
	if (picture == NULL || !is_alive(story, actor)) {
		return;
	}
	struct work work = { .actor = actor, .picture = picture, .number = ++actor->commits, .how = how };
	fill(picture, UNFINISHED);
	if (how == PENDING && has_points(actor)) {
		materialise(story, &work);
	} else if (how == PENDING && story->lab) {
		pend_dmabuf(story, &work);
	} else if (how == IN_TIME || !has_points(actor)) {
		fill(picture, color_of(actor, work.number));
		how = IN_TIME;
	}
	if (how == IN_TIME && has_points(actor)) {
		complete(story, &work);
	}
	wl_surface_attach(actor->wl_surface, picture->wl_buffer, 0, 0);
	wl_surface_damage_buffer(actor->wl_surface, 0, 0, GPU_TILE, GPU_TILE);
	if (has_points(actor)) {
		set_points(actor, picture, work.number);
	}
	picture->busy = true;
	wl_surface_commit(actor->wl_surface);
	if (how != IN_TIME) {
		story->work[story->work_count++] = work;
	}
	test_client_roundtrip(client_of(story, actor));
	promise(story, actor, picture);
	if (how == LATE_FENCE) {
		materialise(story, &story->work[story->work_count - 1]);
	}
}

static void unmap(struct story *story, struct actor *actor) {
	if (is_alive(story, actor)) {
		wl_surface_attach(actor->wl_surface, NULL, 0, 0);
		wl_surface_commit(actor->wl_surface);
		test_client_roundtrip(client_of(story, actor));
		if (actor->sort == EXPLICIT) {
			// Its next commit waits for what its subsurface has committed.
			complete_all(story);
		}
		ask_configure(story, actor);
	}
}

/* Looking */

static void judge(struct story *story, int output, struct actor *actor) {
	uint32_t pixel = story->gpu->pixel(story->gpu, output, actor->slot);
	uint32_t number = pixel >> 8 & 0xff;
	if (pixel == UNFINISHED) {
		blame(story, "torn: output %d shows unfinished content of the %s", output, name_of(actor));
	}
	if (pixel == GPU_MIXED) {
		blame(story, "torn: output %d shows the %s in several colours", output, name_of(actor));
	}
	if (story->strict && pixel != color_of(actor, actor->commits)) {
		blame(story, "output %d does not show the %s's commit %u, but %06x", output, name_of(actor),
			actor->commits, pixel);
	}
	if (pixel == GPU_BACKGROUND) {
		return;
	}
	if (pixel != color_of(actor, number) || number > actor->commits) {
		blame(story, "output %d shows %06x in place of the %s", output, pixel, name_of(actor));
	}
	if (number < actor->seen[output]) {
		blame(story, "output %d shows the %s's commit %u after %u", output, name_of(actor), number,
			actor->seen[output]);
	}
	actor->seen[output] = number;
}

static void draw(struct story *story) {
	struct wlr_surface *surfaces[GPU_SLOTS] = { NULL };
	for (int i = 0; i <= ACTORS; i++) {
		surfaces[i] = peer_of(story, &story->actors[i]);
	}
	for (int output = 0; output < GPU_OUTPUTS; output++) {
		story->gpu->draw(story->gpu, output, surfaces);
	}
	check_releases(story);
}

static void look(struct story *story) {
	story->gpu->finish(story->gpu);
	for (int output = 0; output < GPU_OUTPUTS; output++) {
		for (int i = 0; i <= ACTORS; i++) {
			bool of_interest = !story->strict || (is_alive(story, &story->actors[i]) &&
				story->actors[i].commits > 0 && (!is_gone(story) || !has_points(&story->actors[i])));
			if (of_interest) {
				judge(story, output, &story->actors[i]);
			}
		}
	}
	test_pump(story->compositor);
	check_releases(story);
	if (story->gpu->fault != NULL) {
		blame(story, "%s", story->gpu->fault);
	}
}

/* What may end a client, through no fault of its own: an import that fails. */
static void check_clients(struct story *story) {
	const char *call = story->fault->call >= 0 ? fault_calls[story->fault->call].name : "";
	bool excused = strcmp(call, "SYNCOBJ_FD_TO_HANDLE") == 0 || is_gone(story);
	for (int i = 0; i <= CLIENTS; i++) {
		struct test_client *client = story->clients[i];
		if (client != NULL && wl_display_get_error(client->display) != 0 && !excused) {
			blame(story, "client %d was disconnected", i);
		}
	}
	if (bug_logged) {
		blame(story, "a \"signalbox bug\" was logged");
	}
}

/* The story */

static void set_policy(struct story *story, struct actor *actor, enum sbx_latch_policy policy) {
	struct wlr_surface *surface = peer_of(story, actor);
	if (surface != NULL) {
		sbx_syncobj_surface_set_policy(story->compositor->manager, surface, policy);
	}
}

/* A plane shows the window's buffer: it reads, with a fence of its own. */
static void put_on_plane(struct story *story, struct actor *actor) {
	struct picture *picture = (struct picture *)content_of(story, actor);
	struct wlr_surface *surface = peer_of(story, actor);
	if (picture == NULL || !picture->busy || picture->on_plane) {
		return;
	}
	test_fence_create(&story->protocol, &picture->plane);
	if (sbx_syncobj_buffer_add_reader(surface->buffer->source, picture->plane.sync_file)) {
		picture->on_plane = true;
	} else {
		test_fence_signal(&story->protocol, &picture->plane, 0);
		sbx_fd_close(&picture->plane.sync_file);
	}
}

static void leave_planes(struct story *story) {
	test_pump(story->compositor);
	check_releases(story);
	for (int i = 0; i < ACTORS; i++) {
		for (int j = 0; j < PICTURES; j++) {
			leave_plane(story, &story->actors[i].pictures[j]);
		}
	}
}

static enum how late_how(int round) {
	static const enum how hows[] = { PENDING, LATE, LATE_FENCE, PENDING };
	return hows[round % 4];
}

static void five_commits(struct story *story, int round) {
	struct actor *actors = story->actors;
	set_policy(story, &actors[1], round % 4 == 3 ? SBX_LATCH_MATERIALISED : SBX_LATCH_SIGNALLED);
	commit(story, &actors[0], round == 6 ? LATE : IN_TIME);
	if (round < 8) {
		commit(story, &actors[2], round % 2 == 0 ? IN_TIME : LATE);
	} else {
		commit(story, &actors[0], IN_TIME);
	}
	commit(story, &actors[1], late_how(round));
	commit(story, &actors[3], IN_TIME);
	commit(story, &actors[4], round % 2 == 1 ? PENDING : IN_TIME);
}

/* What happens besides, between the commits and their signals. */
static void incident(struct story *story, int round) {
	struct actor *actors = story->actors;
	switch (round) {
	case 2:
		put_on_plane(story, &actors[0]);
		break;
	case 4:
		unmap(story, &actors[3]);
		put_on_plane(story, &actors[1]);
		break;
	case 5:
		// A second one behind the one that is held, and then nothing at all.
		unmap(story, &actors[1]);
		break;
	case 6:
		surface_close(story, &actors[0]);
		surface_open(story, &actors[0]);
		break;
	case 8:
		surface_close(story, &actors[2]);
		break;
	default:
		break;
	}
}

static void tell_round(struct story *story, int round) {
	five_commits(story, round);
	leave_planes(story);
	draw(story);
	incident(story, round);
	look(story);
	complete_all(story);
	test_pump(story->compositor);
	draw(story);
	// What is replaced now is still being read.
	commit(story, &story->actors[0], IN_TIME);
	check_releases(story);
	look(story);
	check_clients(story);
}

static bool all_shown(void *data) {
	struct story *story = data;
	for (int i = 0; i <= ACTORS; i++) {
		struct actor *actor = &story->actors[i];
		if (is_alive(story, actor) && has_points(actor) && actor->commits > 0 && actor->shown != NULL &&
				content_of(story, actor) != actor->shown && !is_gone(story)) {
			return false;
		}
	}
	return true;
}

/* Whatever has happened: those who are left, and one who comes new, are shown as they should be. */
static void go_on(struct story *story) {
	fault_pause(true);
	// Where the last pass has lost the device, another renderer is made before anything is committed.
	draw(story);
	client_open(story, CLIENTS);
	actor_open(story, &story->actors[SURVIVOR]);
	for (int i = 0; i <= ACTORS; i++) {
		struct actor *actor = &story->actors[i];
		if (is_alive(story, actor) && (!has_points(actor) || !is_gone(story))) {
			commit(story, actor, IN_TIME);
			for (int j = 0; j < PICTURES && has_points(actor); j++) {
				actor->shown = actor->pictures[j].pixels[0] == color_of(actor, actor->commits) ?
					&actor->pictures[j] : actor->shown;
			}
		}
	}
	if (!test_pump_until(story->compositor, all_shown, story)) {
		blame(story, "a commit in time is not latched within five seconds");
	}
	// A frame may be put off once for want of resources.
	for (int i = 0; i < 2; i++) {
		draw(story);
		story->strict = i == 1;
		look(story);
	}
	story->strict = false;
	fault_pause(false);
}

static void cast(struct story *story) {
	static const enum sort sorts[] = { EXPLICIT, EXPLICIT, CHILD, SHM, IMPLICIT, EXPLICIT };
	static const int clients[] = { 0, 1, 1, 2, 2, CLIENTS };
	for (int i = 0; i <= ACTORS; i++) {
		story->actors[i].sort = sorts[i];
		story->actors[i].slot = i;
		story->actors[i].client = clients[i];
	}
}

static void tell(struct story *story) {
	cast(story);
	for (int i = 0; i < CLIENTS; i++) {
		client_open(story, i);
	}
	for (int i = 0; i < ACTORS; i++) {
		actor_open(story, &story->actors[i]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		tell_round(story, round);
	}
	// In the middle of a frame.
	commit(story, &story->actors[1], LATE);
	commit(story, &story->actors[0], PENDING);
	draw(story);
	look(story);
	go_on(story);
	check_clients(story);
}

/* The end: everybody goes, with whatever is held or pending. */

static bool is_quiet(void *data) {
	struct story *story = data;
	struct sbx_syncobj_stats stats;
	sbx_syncobj_manager_get_stats(story->compositor->manager, &stats);
	return stats.loans == 0 && stats.held_commits == 0;
}

static void leave(struct story *story) {
	leave_planes(story);
	for (int i = 0; i <= ACTORS; i++) {
		struct actor *actor = &story->actors[i];
		actor_close(actor);
		if (i != 0) {
			surface_close(story, actor);
			continue;
		}
		// The first client is killed: its side of the socket goes, with all its objects.
		struct test_client *client = client_of(story, actor);
		if (client != NULL && client->peer != NULL) {
			wl_client_destroy(client->peer);
		}
		surface_close(story, actor);
	}
	complete_all(story);
	story->gpu->finish(story->gpu);
	for (int i = 0; i <= ACTORS; i++) {
		struct test_timeline *acquire = &story->actors[i].acquire;
		if (acquire->object != NULL) {
			wp_linux_drm_syncobj_timeline_v1_destroy(acquire->object);
			acquire->object = NULL;
		}
		for (int j = 0; j < PICTURES; j++) {
			struct test_timeline *release = &story->actors[i].pictures[j].release;
			if (release->object != NULL) {
				wp_linux_drm_syncobj_timeline_v1_destroy(release->object);
				release->object = NULL;
			}
		}
	}
	for (int i = 0; i <= CLIENTS; i++) {
		test_client_destroy(story->clients[i]);
		story->clients[i] = NULL;
	}
	if (!test_pump_until(story->compositor, is_quiet, story)) {
		blame(story, "loans or held commits are left when all clients have gone");
	}
}

static void check_promises(struct story *story) {
	for (int i = 0; i < story->promise_count && !is_gone(story); i++) {
		struct promise *promise = &story->promises[i];
		if (point_state(story, promise->point) != SBX_POINT_SIGNALLED) {
			blame(story, "lost release: point %llu of the %s is not signalled at the end",
				(unsigned long long)promise->point.value, promise->actor);
		}
	}
}

static void close_pictures(struct story *story) {
	for (int i = 0; i <= ACTORS; i++) {
		drop_timelines(&story->actors[i]);
		for (int j = 0; j < PICTURES; j++) {
			struct picture *picture = &story->actors[i].pictures[j];
			if (picture->pixels == NULL) {
				continue;
			}
			if (picture->memory.backing_fd >= 0) {
				test_buffer_finish(&picture->memory);
			} else {
				munmap(picture->memory.data, picture->memory.size);
				close(picture->memory.fd);
			}
		}
	}
}

/* Setting */

static void setting_open(struct story *story) {
	kernel_fake_install();
	if (!story->lab) {
		kernel_fake_drm_init();
	}
	kernel_fake.paused = true;
	int drm_fd = story->lab ? drm_node_open() : open("/dev/null", O_RDWR | O_CLOEXEC);
	story->sync.vgem_fd = story->lab ? vgem_open() : -1;
	if (sbx_sync_create(&drm_fd, &story->sync.sync) < 0) {
		abort();
	}
	kernel_fake.paused = false;
	story->protocol.sync = &story->sync;
}

static void setting_close(struct story *story) {
	kernel_fake.paused = true;
	sbx_sync_destroy(story->sync.sync);
	kernel_fake.paused = false;
	if (!story->lab) {
		kernel_fake_drm_finish();
	}
	kernel_fake_remove();
	sbx_fd_close(&story->sync.vgem_fd);
}

/* The kernel gives the lowest free handles first: the last of a few tells whether any below is kept. */
static uint32_t probe_handles(struct story *story) {
	struct sbx_timeline *timelines[HANDLES_PROBED];
	uint32_t last = 0;
	kernel_fake.paused = true;
	for (int i = 0; i < HANDLES_PROBED; i++) {
		if (sbx_timeline_create(story->sync.sync, &timelines[i]) == 0) {
			last = sbx_timeline_point(timelines[i], 0).handle;
		}
	}
	for (int i = 0; i < HANDLES_PROBED; i++) {
		sbx_timeline_destroy(timelines[i]);
	}
	kernel_fake.paused = false;
	return last;
}

static bool census_settles(const struct census *before) {
	for (int tries = 0; tries < 100; tries++) {
		if (census_take().fds == before->fds) {
			return true;
		}
		usleep(20000); // Mesa's shader cache writes files from a thread of its own.
	}
	return false;
}

static void check_census(struct story *story, const struct census *before, uint32_t handle) {
	bool settled = census_settles(before);
	struct census now = census_take();
	if (!settled) {
		blame(story, "%u fds are open, %u were", now.fds, before->fds);
	}
	if (now.counted_fds != before->counted_fds) {
		blame(story, "%d fds more are counted", (int)(now.counted_fds - before->counted_fds));
	}
	if (now.counted_handles != before->counted_handles) {
		blame(story, "%d handles more are counted", (int)(now.counted_handles - before->counted_handles));
	}
	uint32_t last = probe_handles(story);
	if (last != handle) {
		blame(story, "the kernel gives out handle %u, and %u before", last, handle);
	}
}

static void plant_leak(enum fault_plant plant) {
	static void *volatile leak;
	if (plant == PLANT_LOST_MEMORY) {
		leak = malloc(64);
		memset(leak, 1, 64);
	}
}

static void play(struct story *story, enum fault_plant plant) {
	struct census before = census_take();
	uint32_t handle = probe_handles(story);
	fault_install(story->fault, plant);
	plant_leak(plant);
	kernel_fake.paused = false;
	struct sbx_syncobj_options options = { .keep_fd_limit = true };
	story->compositor = test_compositor_create_with(sbx_sync_get_drm_fd(story->sync.sync), &options,
		story->gpu->renderer);
	story->protocol.compositor = story->compositor;
	story->gpu->waiting = complete_pending;
	story->gpu->data = story;
	story->gpu->join(story->gpu, story->compositor);
	if (story->compositor->manager != NULL) {
		tell(story);
		leave(story);
	}
	story->gpu->join(story->gpu, NULL);
	test_compositor_destroy(story->compositor);
	if (story->promise_count > 0) {
		check_promises(story);
	}
	close_pictures(story);
	fault_remove();
	if (counting) {
		check_census(story, &before, handle);
	}
}

bool story_tell(struct gpu *gpu, bool lab, const struct fault *fault, enum fault_plant plant,
		const char **why) {
	static struct story story;
	story = (struct story){ .gpu = gpu, .lab = lab, .fault = fault };
	bug_logged = false;
	sbx_log_init(SBX_LOG_DEBUG, note_line);
	setting_open(&story);
	if (setjmp(story.blamed) != 0) {
		// What is left behind is of no interest: nobody uses this process any more.
		*why = reason;
		return fault_happened();
	}
	play(&story, plant);
	setting_close(&story);
	*why = NULL;
	return fault_happened();
}
