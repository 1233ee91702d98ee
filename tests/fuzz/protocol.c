/*
 * Clients that do what the bytes say, against the real protocol code on a DRM device in memory. Each
 * operation is a byte, its arguments the bytes behind it; what makes no sense at that moment is left out,
 * what is merely forbidden is done.
 *
 * What must hold, whatever the bytes: no crash and no report of a sanitizer; every accepted commit's release
 * point is signalled once, and not while its buffer is being read; nobody has more than the bounds allow;
 * nothing is left when all clients have gone; no "signalbox bug" is logged.
 *
 * Decisions about the format: operations are added at the end, so that the corpus keeps its meaning.
 */
#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wayland-client-protocol.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/util/log.h>
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "protocol.h"
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/uapi.h"
#include "trace/log.h"
#include "xdg-shell-client-protocol.h"

enum { CLIENTS = 2, SURFACES = 3, TIMELINES = 4, BUFFERS = 6, MAX_OPS = 160, MAX_COMMITS = 192, MAX_JOBS = 16,
	MAX_FENCES = 24 };
enum { LIMIT_TIMELINES = 6, LIMIT_HELD = 6, LIMIT_POINTS = 12 };

enum op {
	OP_SURFACE, OP_SURFACE_DESTROY, OP_SYNC, OP_SYNC_DESTROY, OP_WINDOW, OP_TOPLEVEL_DESTROY,
	OP_XDG_DESTROY, OP_SUBSURFACE, OP_SUBSURFACE_DESTROY, OP_DESYNC, OP_SYNCHRONISE, OP_TIMELINE,
	OP_TIMELINE_AGAIN, OP_TIMELINE_DESTROY, OP_DMABUF, OP_SHM, OP_BUFFER_DESTROY, OP_ATTACH, OP_DETACH,
	OP_ACQUIRE, OP_RELEASE, OP_COMMIT, OP_SIGNAL, OP_PEND, OP_SETTLE, OP_RESET, OP_DRAW, OP_DONE, OP_LOCK,
	OP_UNLOCK, OP_POLICY, OP_DISCONNECT, OP_CONNECT, OP_PUMP, OP_FAULT, OP_SHOW, OP_FRAME, OPS,
};

struct timeline {
	struct test_timeline test;
	/** Of the fake; a second import names the first. */
	int id;
};

struct surface {
	struct wl_surface *wl_surface;
	struct wp_linux_drm_syncobj_surface_v1 *sync;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel;
	struct wl_subsurface *subsurface;
	struct wl_callback *callback;
	/** What the next commit has: a buffer's index, -1: nothing was attached, or NULL. */
	int attached;
	struct timeline *release;
	uint64_t release_value;
	bool has_acquire;
};

struct buffer {
	struct wl_buffer *wl_buffer;
	int width; // its name
	unsigned commits;
};

struct client {
	struct test_client *test;
	struct surface surfaces[SURFACES];
	struct timeline timelines[TIMELINES];
	struct buffer buffers[BUFFERS];
};

/** An accepted commit. */
struct commit {
	struct sbx_point point;
	bool certain; // it was accepted for sure
	int width;
};

struct job {
	int fence, fd;
	int widths[CLIENTS * SURFACES];
	int count;
};

struct lock {
	struct wlr_buffer *buffer;
};

static struct fuzz {
	const uint8_t *data;
	size_t size;
	struct sync_lab sync;
	struct protocol_lab lab;
	struct client clients[CLIENTS];
	struct commit commits[MAX_COMMITS];
	int commit_count;
	struct {
		uint32_t handle; // in the test's numbering: by syncobj, not by handle
		uint64_t value;
		unsigned count;
		int fence; // -1: signalled from the CPU
	} released[MAX_COMMITS * 2];
	int released_count;
	struct job jobs[MAX_JOBS];
	int job_count;
	int fences[MAX_FENCES], fence_count;
	struct wlr_buffer *locked[4];
	int next_width;
} fuzz;

enum fuzz_plant fuzz_plant;
static const struct sbx_kernel *below;
static bool bug_logged;

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void wrong(const char *format, ...) {
	va_list args;
	va_start(args, format);
	fprintf(stderr, "fuzz: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

static void note_line(enum sbx_log_level level, const char *format, va_list args) {
	char line[512];
	vsnprintf(line, sizeof(line), format, args);
	if (strstr(line, "signalbox bug") != NULL) {
		bug_logged = true;
		fprintf(stderr, "%s\n", line);
	}
	if (getenv("TEST_VERBOSE") != NULL) {
		fprintf(stderr, "# %s\n", line);
	}
}

static void say_nothing(const char *format, va_list args) {
}

/* What the library tells the kernel about release points */

static bool is_read(int width) {
	for (int i = 0; i < fuzz.job_count; i++) {
		for (int j = 0; j < fuzz.jobs[i].count; j++) {
			if (fuzz.jobs[i].widths[j] == width) {
				return true;
			}
		}
	}
	return false;
}

static void note_release(uint32_t handle, uint64_t value) {
	uint32_t id = kernel_fake_drm_syncobj(handle);
	for (int i = 0; i < fuzz.released_count; i++) {
		if (fuzz.released[i].handle == id && fuzz.released[i].value == value) {
			fuzz.released[i].count++;
			return;
		}
	}
	fuzz.released[fuzz.released_count].handle = id;
	fuzz.released[fuzz.released_count].value = value;
	fuzz.released[fuzz.released_count++].count = 1;
}

static unsigned releases_of(struct sbx_point point) {
	uint32_t id = point.handle;
	for (int i = 0; i < fuzz.released_count; i++) {
		if (fuzz.released[i].handle == id && fuzz.released[i].value == point.value) {
			return fuzz.released[i].count;
		}
	}
	return 0;
}

/* A release from the CPU says that nobody reads. Of a point that was used twice it is not known for whom. */
static void check_not_read(uint32_t handle, uint64_t value) {
	uint32_t id = kernel_fake_drm_syncobj(handle);
	unsigned commits = 0;
	int width = 0;
	for (int i = 0; i < fuzz.commit_count; i++) {
		const struct commit *commit = &fuzz.commits[i];
		if (commit->point.handle == id && commit->point.value == value) {
			commits++;
			width = commit->width;
		}
	}
	if (commits == 1 && width > 0 && is_read(width)) {
		wrong("release point %llu is signalled while buffer %d is being read",
			(unsigned long long)value, width);
	}
}

static int signal_points(int fd, const struct drm_syncobj_timeline_array *arg) {
	const uint32_t *ids = (void *)(uintptr_t)arg->handles;
	const uint64_t *values = (void *)(uintptr_t)arg->points;
	static unsigned calls;
	bool lost = fuzz_plant == FUZZ_PLANT_LOST_RELEASE && ++calls % 2 == 0;
	int ret = lost ? 0 : below->ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, (void *)arg);
	for (uint32_t i = 0; i < arg->count_handles && ret == 0 && !lost; i++) {
		note_release(ids[i], values[i]);
		check_not_read(ids[i], values[i]);
		if (fuzz_plant == FUZZ_PLANT_DOUBLE_RELEASE) {
			note_release(ids[i], values[i]);
		}
	}
	return ret;
}

/* Release points of value 0. */
static int signal_binary(int fd, const struct drm_syncobj_array *arg) {
	const uint32_t *ids = (void *)(uintptr_t)arg->handles;
	int ret = below->ioctl(fd, DRM_IOCTL_SYNCOBJ_SIGNAL, (void *)arg);
	for (uint32_t i = 0; i < arg->count_handles && ret == 0; i++) {
		note_release(ids[i], 0);
		check_not_read(ids[i], 0);
	}
	return ret;
}

static int import_point(int fd, struct sbx_uapi_syncobj_handle *arg) {
	int ret = below->ioctl(fd, SBX_UAPI_FD_TO_HANDLE, arg);
	if (ret == 0 && (arg->flags & SBX_UAPI_HANDLE_SYNC_FILE) != 0) {
		note_release(arg->handle, arg->point);
		struct pollfd pollfd = { .fd = arg->fd, .events = POLLIN };
		if (fuzz_plant == FUZZ_PLANT_EARLY_RELEASE || poll(&pollfd, 1, 0) > 0) {
			check_not_read(arg->handle, arg->point);
		}
	}
	return ret;
}

/* No kernel refuses to destroy a handle that exists: this call does not fail. */
static int destroy_handle(int fd, void *arg) {
	kernel_fake.paused = true;
	int ret = below->ioctl(fd, DRM_IOCTL_SYNCOBJ_DESTROY, arg);
	kernel_fake.paused = false;
	return ret;
}

static int watch_ioctl(int fd, unsigned long request, void *arg) {
	if (kernel_fake.paused) {
		return below->ioctl(fd, request, arg);
	}
	switch (request) {
	case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL:
		return signal_points(fd, arg);
	case DRM_IOCTL_SYNCOBJ_SIGNAL:
		return signal_binary(fd, arg);
	case SBX_UAPI_FD_TO_HANDLE:
		return import_point(fd, arg);
	case DRM_IOCTL_SYNCOBJ_DESTROY:
		return destroy_handle(fd, arg);
	default:
		return below->ioctl(fd, request, arg);
	}
}

static struct sbx_kernel table;

/* Bytes */

static unsigned next(unsigned below_this) {
	if (fuzz.size == 0) {
		return 0;
	}
	fuzz.size--;
	return *fuzz.data++ % below_this;
}

/* Clients */

static bool is_alive(const struct client *client) {
	return client->test != NULL && wl_display_get_error(client->test->display) == 0;
}

static void destroy_proxy(void *proxy) {
	if (proxy != NULL) {
		wl_proxy_destroy(proxy);
	}
}

static void connect_client(struct client *client) {
	if (client->test == NULL) {
		*client = (struct client){ .test = test_client_create(fuzz.lab.compositor, fuzz.sync.sync) };
		for (int i = 0; i < SURFACES; i++) {
			client->surfaces[i].attached = -1;
		}
	}
}

/* Without a word: the socket closes, whatever there is. */
static void disconnect_client(struct client *client) {
	if (client->test == NULL) {
		return;
	}
	for (int i = 0; i < SURFACES; i++) {
		struct surface *surface = &client->surfaces[i];
		destroy_proxy(surface->callback);
		destroy_proxy(surface->sync);
		destroy_proxy(surface->toplevel);
		destroy_proxy(surface->xdg_surface);
		destroy_proxy(surface->subsurface);
		destroy_proxy(surface->wl_surface);
	}
	for (int i = 0; i < BUFFERS; i++) {
		destroy_proxy(client->buffers[i].wl_buffer);
	}
	for (int i = 0; i < TIMELINES; i++) {
		destroy_proxy(client->timelines[i].test.object);
		client->timelines[i].test.object = NULL;
		kernel_fake.paused = true;
		sbx_timeline_destroy(client->timelines[i].test.own);
		kernel_fake.paused = false;
	}
	test_client_destroy(client->test);
	*client = (struct client){0};
}

static void handle_configure(void *data, struct xdg_surface *xdg_surface, uint32_t serial) {
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

static struct wlr_surface *peer_of(struct client *client, struct surface *surface) {
	struct wl_resource *resource = client->test == NULL || client->test->peer == NULL ||
		surface->wl_surface == NULL ? NULL :
		wl_client_get_object(client->test->peer, wl_proxy_get_id((struct wl_proxy *)surface->wl_surface));
	return resource != NULL ? wlr_surface_from_resource(resource) : NULL;
}

/* Operations. Those of surfaces */

static void make_window(struct client *client, struct surface *surface) {
	if (surface->xdg_surface == NULL) {
		surface->xdg_surface = xdg_wm_base_get_xdg_surface(client->test->wm_base, surface->wl_surface);
		xdg_surface_add_listener(surface->xdg_surface, &xdg_surface_listener, NULL);
	}
	if (surface->toplevel == NULL) {
		surface->toplevel = xdg_surface_get_toplevel(surface->xdg_surface);
		xdg_toplevel_add_listener(surface->toplevel, &toplevel_listener, NULL);
	}
	wl_surface_commit(surface->wl_surface);
	test_client_roundtrip(client->test);
	test_pump(fuzz.lab.compositor);
}

static void destroy_surface(struct surface *surface) {
	if (surface->wl_surface != NULL) {
		wl_surface_destroy(surface->wl_surface);
	}
	surface->wl_surface = NULL;
	surface->attached = -1;
	surface->has_acquire = false;
	surface->release = NULL;
}

static void make_subsurface(struct client *client, struct surface *surface) {
	struct surface *parent = &client->surfaces[next(SURFACES)];
	if (surface->subsurface == NULL && parent->wl_surface != NULL) {
		surface->subsurface = wl_subcompositor_get_subsurface(client->test->subcompositor,
			surface->wl_surface, parent->wl_surface);
	}
}

static void attach(struct client *client, struct surface *surface, int index) {
	struct buffer *buffer = &client->buffers[index];
	if (buffer->wl_buffer != NULL) {
		wl_surface_attach(surface->wl_surface, buffer->wl_buffer, 0, 0);
		surface->attached = index;
	}
}

static void set_acquire(struct client *client, struct surface *surface, struct timeline *timeline,
		uint32_t value) {
	if (surface->sync != NULL && timeline->test.object != NULL) {
		wp_linux_drm_syncobj_surface_v1_set_acquire_point(surface->sync, timeline->test.object, 0, value);
		surface->has_acquire = true;
	}
}

static void set_release(struct client *client, struct surface *surface, struct timeline *timeline,
		uint32_t value) {
	if (surface->sync != NULL && timeline->test.object != NULL) {
		wp_linux_drm_syncobj_surface_v1_set_release_point(surface->sync, timeline->test.object, 0, value);
		surface->release = timeline;
		surface->release_value = value;
	}
}

static void commit(struct client *client, struct surface *surface) {
	struct buffer *buffer = surface->attached >= 0 ? &client->buffers[surface->attached] : NULL;
	struct commit *owed = NULL;
	if (buffer != NULL) {
		buffer->commits++;
	}
	if (buffer != NULL && surface->sync != NULL && surface->has_acquire && surface->release != NULL &&
			fuzz.commit_count < MAX_COMMITS) {
		owed = &fuzz.commits[fuzz.commit_count++];
		*owed = (struct commit){
			.point = { (uint32_t)surface->release->id, surface->release_value },
			.width = buffer->width,
		};
	}
	// Which of several commits of a buffer somebody reads is not known here.
	for (int i = 0; i < fuzz.commit_count && buffer != NULL && buffer->commits > 1; i++) {
		fuzz.commits[i].width = fuzz.commits[i].width == buffer->width ? 0 : fuzz.commits[i].width;
	}
	wl_surface_commit(surface->wl_surface);
	surface->attached = -1;
	surface->has_acquire = false;
	surface->release = NULL;
	test_client_roundtrip(client->test);
	if (owed != NULL) {
		owed->certain = is_alive(client);
	}
}

static void do_surface(struct client *client, enum op op) {
	struct surface *surface = &client->surfaces[next(SURFACES)];
	if (op == OP_SURFACE && surface->wl_surface == NULL) {
		surface->wl_surface = wl_compositor_create_surface(client->test->wl_compositor);
		surface->attached = -1;
		return;
	}
	// Role objects may outlive the wl_surface.
	if (op == OP_TOPLEVEL_DESTROY && surface->toplevel != NULL) {
		xdg_toplevel_destroy(surface->toplevel);
		surface->toplevel = NULL;
	} else if (op == OP_XDG_DESTROY && surface->xdg_surface != NULL) {
		xdg_surface_destroy(surface->xdg_surface);
		surface->xdg_surface = NULL;
	} else if (op == OP_SUBSURFACE_DESTROY && surface->subsurface != NULL) {
		wl_subsurface_destroy(surface->subsurface);
		surface->subsurface = NULL;
	} else if (op == OP_SYNC_DESTROY && surface->sync != NULL) {
		wp_linux_drm_syncobj_surface_v1_destroy(surface->sync);
		surface->sync = NULL;
		surface->has_acquire = false;
		surface->release = NULL;
	} else if (op == OP_ACQUIRE) {
		set_acquire(client, surface, &client->timelines[next(TIMELINES)], next(64));
	} else if (op == OP_RELEASE) {
		set_release(client, surface, &client->timelines[next(TIMELINES)], next(64));
	}
	if (surface->wl_surface == NULL) {
		return;
	}
	switch (op) {
	case OP_SURFACE_DESTROY:
		destroy_surface(surface);
		break;
	case OP_SYNC:
		if (surface->sync == NULL) {
			surface->sync = wp_linux_drm_syncobj_manager_v1_get_surface(client->test->syncobj,
				surface->wl_surface);
		}
		break;
	case OP_WINDOW:
		make_window(client, surface);
		break;
	case OP_SUBSURFACE:
		make_subsurface(client, surface);
		break;
	case OP_DESYNC:
	case OP_SYNCHRONISE:
		if (surface->subsurface != NULL && op == OP_DESYNC) {
			wl_subsurface_set_desync(surface->subsurface);
		} else if (surface->subsurface != NULL) {
			wl_subsurface_set_sync(surface->subsurface);
		}
		break;
	case OP_ATTACH:
		attach(client, surface, (int)next(BUFFERS));
		break;
	case OP_DETACH:
		wl_surface_attach(surface->wl_surface, NULL, 0, 0);
		surface->attached = -1;
		break;
	case OP_COMMIT:
		commit(client, surface);
		break;
	case OP_SHOW: {
		// The common case in one: a buffer, both points in order, commit.
		unsigned value = next(64), timeline = next(TIMELINES);
		attach(client, surface, (int)next(BUFFERS));
		set_acquire(client, surface, &client->timelines[timeline], value);
		set_release(client, surface, &client->timelines[(timeline + 1) % TIMELINES], value);
		commit(client, surface);
		break;
	}
	case OP_FRAME:
		if (surface->callback == NULL) {
			surface->callback = wl_surface_frame(surface->wl_surface);
		}
		break;
	case OP_POLICY: {
		struct wlr_surface *peer = peer_of(client, surface);
		if (peer != NULL) {
			sbx_syncobj_surface_set_policy(fuzz.lab.compositor->manager, peer,
				next(2) ? SBX_LATCH_MATERIALISED : SBX_LATCH_SIGNALLED);
		}
		break;
	}
	default:
		break;
	}
}

/* Those of timelines and buffers */

static void make_timeline(struct client *client, struct timeline *timeline) {
	if (timeline->test.own == NULL && timeline->test.object == NULL) {
		test_timeline_create(client->test, &timeline->test);
		timeline->id = (int)kernel_fake_drm_syncobj(test_point(&timeline->test, 0).handle);
	}
}

static void import_again(struct client *client, struct timeline *timeline) {
	struct timeline *first = &client->timelines[next(TIMELINES)];
	if (timeline->test.own == NULL && timeline->test.object == NULL && first->test.own != NULL) {
		test_timeline_import_again(client->test, &first->test, &timeline->test);
		timeline->id = first->id;
	}
}

static void pend(struct timeline *timeline) {
	uint64_t value = next(64);
	if (fuzz.fence_count == MAX_FENCES) {
		return;
	}
	int fd = -1;
	fuzz.fences[fuzz.fence_count++] = kernel_fake_fence_create(&fd);
	kernel_fake.paused = true;
	sbx_point_import_sync_file(fuzz.sync.sync, test_point(&timeline->test, value), fd);
	kernel_fake.paused = false;
	close(fd);
}

static void do_timeline(struct client *client, enum op op) {
	struct timeline *timeline = &client->timelines[next(TIMELINES)];
	struct test_timeline *test = &timeline->test;
	if (op == OP_TIMELINE) {
		make_timeline(client, timeline);
	} else if (op == OP_TIMELINE_AGAIN) {
		import_again(client, timeline);
	} else if (op == OP_TIMELINE_DESTROY && test->object != NULL) {
		wp_linux_drm_syncobj_timeline_v1_destroy(test->object);
		test->object = NULL;
	} else if (test->own == NULL) {
		return;
	} else if (op == OP_SIGNAL) {
		test_signal(client->test, test, 1 + next(63));
	} else if (op == OP_PEND) {
		pend(timeline);
	} else if (op == OP_RESET) {
		kernel_fake.paused = true;
		sbx_point_reset(fuzz.sync.sync, test_point(test, 0));
		kernel_fake.paused = false;
	}
}

static void do_buffer(struct client *client, enum op op) {
	struct buffer *buffer = &client->buffers[next(BUFFERS)];
	if (op == OP_BUFFER_DESTROY && buffer->wl_buffer != NULL) {
		wl_buffer_destroy(buffer->wl_buffer);
		buffer->wl_buffer = NULL;
		for (int i = 0; i < SURFACES; i++) {
			struct surface *surface = &client->surfaces[i];
			if (surface->attached == (int)(buffer - client->buffers)) {
				// Attached and destroyed before the commit: undefined by the protocol.
				surface->attached = -1;
				surface->has_acquire = false;
			}
		}
	} else if (op != OP_BUFFER_DESTROY && buffer->wl_buffer == NULL) {
		int width = ++fuzz.next_width;
		*buffer = (struct buffer){
			.wl_buffer = op == OP_DMABUF ? test_buffer_dmabuf(client->test, width) :
				test_buffer_shm(client->test, width),
			.width = op == OP_DMABUF ? width : 0,
		};
	}
}

/* Those of the compositor */

static void read_surface(struct job *job, struct wlr_surface *surface) {
	struct wlr_buffer *buffer = surface != NULL && surface->buffer != NULL ? surface->buffer->source : NULL;
	if (buffer != NULL && sbx_syncobj_buffer_add_reader(buffer, job->fd)) {
		job->widths[job->count++] = buffer->width;
	}
}

static void draw(void) {
	if (fuzz.job_count == MAX_JOBS) {
		return;
	}
	struct job *job = &fuzz.jobs[fuzz.job_count];
	*job = (struct job){0};
	job->fence = kernel_fake_fence_create(&job->fd);
	for (int i = 0; i < CLIENTS; i++) {
		for (int j = 0; j < SURFACES; j++) {
			read_surface(job, peer_of(&fuzz.clients[i], &fuzz.clients[i].surfaces[j]));
		}
	}
	fuzz.job_count++;
}

static void finish_job(void) {
	if (fuzz.job_count > 0) {
		struct job job = fuzz.jobs[0];
		memmove(&fuzz.jobs[0], &fuzz.jobs[1], sizeof(job) * (size_t)--fuzz.job_count);
		kernel_fake_fence_signal(job.fence, 0);
		close(job.fd);
		test_pump(fuzz.lab.compositor);
	}
}

static void lock_content(void) {
	struct wlr_surface *surface = peer_of(&fuzz.clients[0], &fuzz.clients[0].surfaces[next(SURFACES)]);
	unsigned i = next(4);
	if (fuzz.locked[i] == NULL && surface != NULL && surface->buffer != NULL &&
			surface->buffer->source != NULL) {
		fuzz.locked[i] = wlr_buffer_lock(surface->buffer->source);
	}
}

static void unlock(unsigned i) {
	if (fuzz.locked[i] != NULL) {
		struct wlr_buffer *buffer = fuzz.locked[i];
		fuzz.locked[i] = NULL;
		wlr_buffer_unlock(buffer);
	}
}

static void settle(void) {
	static const int errors[] = { 0, 0, 0, -EIO };
	if (fuzz.fence_count > 0) {
		kernel_fake_fence_signal(fuzz.fences[next((unsigned)fuzz.fence_count)], errors[next(4)]);
		test_pump(fuzz.lab.compositor);
	}
}

static void arm_fault(void) {
	static const int errors[] = { -ENOMEM, -EMFILE, -EINVAL, -EPERM };
	unsigned n = next(16);
	kernel_fake_fail(n, errors[next(4)]);
}

static void do_compositor(enum op op) {
	switch (op) {
	case OP_DRAW:
		draw();
		break;
	case OP_DONE:
		finish_job();
		break;
	case OP_LOCK:
		lock_content();
		break;
	case OP_UNLOCK:
		unlock(next(4));
		break;
	case OP_SETTLE:
		settle();
		break;
	case OP_FAULT:
		arm_fault();
		break;
	default:
		break;
	}
}

static void perform(void) {
	unsigned byte = next(256);
	enum op op = byte % 64 < OPS ? byte % 64 : OP_SHOW;
	struct client *client = &fuzz.clients[byte / 64 % CLIENTS];
	if (op == OP_CONNECT) {
		connect_client(client);
	} else if (op == OP_DISCONNECT) {
		disconnect_client(client);
	} else if (op == OP_PUMP) {
		test_pump(fuzz.lab.compositor);
	} else if (op >= OP_DRAW && op <= OP_UNLOCK) {
		do_compositor(op);
	} else if (op == OP_SETTLE || op == OP_FAULT) {
		do_compositor(op);
	} else if (!is_alive(client)) {
		return;
	} else if ((op >= OP_TIMELINE && op <= OP_TIMELINE_DESTROY) || op == OP_SIGNAL || op == OP_PEND ||
			op == OP_RESET) {
		do_timeline(client, op);
	} else if (op >= OP_DMABUF && op <= OP_BUFFER_DESTROY) {
		do_buffer(client, op);
	} else {
		do_surface(client, op);
	}
}

/* What must hold */

static void check_bounds(void) {
	struct sbx_syncobj_stats stats;
	sbx_syncobj_manager_get_stats(fuzz.lab.compositor->manager, &stats);
	if (stats.held_commits > CLIENTS * LIMIT_HELD) {
		wrong("%zu commits are held, %d is the bound", stats.held_commits, CLIENTS * LIMIT_HELD);
	}
	if (bug_logged) {
		wrong("a \"signalbox bug\" was logged");
	}
}

static bool is_quiet(void *data) {
	struct sbx_syncobj_stats stats;
	sbx_syncobj_manager_get_stats(fuzz.lab.compositor->manager, &stats);
	return stats.loans == 0 && stats.held_commits == 0;
}

static void check_releases(void) {
	for (int i = 0; i < fuzz.commit_count; i++) {
		struct sbx_point point = fuzz.commits[i].point;
		unsigned certain = 0, possible = 0;
		for (int j = 0; j < fuzz.commit_count; j++) {
			bool same = fuzz.commits[j].point.handle == point.handle &&
				fuzz.commits[j].point.value == point.value;
			certain += same && fuzz.commits[j].certain;
			possible += same;
		}
		unsigned releases = releases_of(point);
		if (releases < certain || releases > possible) {
			wrong("release point %llu of syncobj %u: signalled %u times, committed %u to %u times",
				(unsigned long long)point.value, point.handle, releases, certain, possible);
		}
	}
}

static void begin(const uint8_t *data, size_t size) {
	fuzz = (struct fuzz){ .data = data, .size = size };
	bug_logged = false;
	sbx_log_init(SBX_LOG_DEBUG, note_line);
	wl_log_set_handler_server(say_nothing);
	kernel_fake_install();
	kernel_fake_drm_init();
	below = sbx_kernel_use(NULL);
	table = *below;
	table.ioctl = watch_ioctl;
	sbx_kernel_use(&table);
	int drm_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	fuzz.sync.vgem_fd = -1;
	kernel_fake.paused = true;
	if (sbx_sync_create(&drm_fd, &fuzz.sync.sync) < 0) {
		abort();
	}
	struct sbx_syncobj_options options = {
		.keep_fd_limit = true,
		.limits = { .timelines = LIMIT_TIMELINES, .held_commits = LIMIT_HELD, .points = LIMIT_POINTS },
	};
	fuzz.lab.sync = &fuzz.sync;
	fuzz.lab.compositor = test_compositor_create(sbx_sync_get_drm_fd(fuzz.sync.sync), &options);
	kernel_fake.paused = false;
	for (int i = 0; i < CLIENTS; i++) {
		connect_client(&fuzz.clients[i]);
	}
}

static void end(const struct census *census) {
	kernel_fake_failed();
	for (unsigned i = 0; i < 4; i++) {
		unlock(i);
	}
	for (int i = 0; i < CLIENTS; i++) {
		disconnect_client(&fuzz.clients[i]);
	}
	while (fuzz.job_count > 0) {
		finish_job();
	}
	if (!test_pump_until(fuzz.lab.compositor, is_quiet, NULL)) {
		wrong("loans or held commits are left when all clients have gone");
	}
	check_releases();
	check_bounds();
	test_compositor_destroy(fuzz.lab.compositor);
	kernel_fake.paused = true;
	sbx_sync_destroy(fuzz.sync.sync);
	if (kernel_fake_drm_handles() != 0) {
		wrong("%u handles are left", kernel_fake_drm_handles());
	}
	kernel_fake_drm_finish();
	kernel_fake_remove();
	struct census now = census_take();
	if (now.fds != census->fds || now.counted_fds != census->counted_fds ||
			now.counted_handles != census->counted_handles) {
		wrong("%u fds are open, %u were; %d fds and %d handles more are counted", now.fds, census->fds,
			(int)(now.counted_fds - census->counted_fds),
			(int)(now.counted_handles - census->counted_handles));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct census census = census_take();
	begin(data, size);
	for (int i = 0; i < MAX_OPS && fuzz.size > 0; i++) {
		perform();
		check_bounds();
	}
	end(&census);
	return 0;
}
