/*
 * Several clients, processes of their own, commit with points for long; now and then one is killed and
 * another takes its place. In the end the compositor holds what it held at the start: fds, syncobj
 * handles, memory of its own and of the kernel.
 *
 * usage: longrun lab [--commits N] [--plant fd|handle|memory]	needs the lab's DRM device
 *        longrun --client FD SEED				one client, for the program itself
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wayland-client.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include "../sweep/fault.h"
#include "harness/compositor.h"
#include "harness/kernel_fake.h"
#include "harness/sync_lab.h"
#include "linux-dmabuf-v1-client-protocol.h"
#include "linux-drm-syncobj-v1-client-protocol.h"
#include "protocol/manager.h"
#include "sync/fd.h"
#include "sync/waiter.h"
#include "trace/log.h"
#include "xdg-shell-client-protocol.h"

enum { CLIENTS = 4, BUFFERS = 3, SIZE = 16, WARM_UP = 500, PROBED = 32 };

/* A lost release, as a client sees it. The machine may be slow. */
#define PATIENCE_NS INT64_C(60000000000)

/* The client */

struct buffer {
	struct wl_buffer *wl_buffer;
	struct sbx_timeline *release;
	struct wp_linux_drm_syncobj_timeline_v1 *object;
	uint64_t value;
};

struct client {
	struct sbx_sync *sync;
	struct wl_display *display;
	struct wl_compositor *compositor;
	struct xdg_wm_base *wm_base;
	struct zwp_linux_dmabuf_v1 *dmabuf;
	struct wp_linux_drm_syncobj_manager_v1 *manager;
	struct wl_surface *surface;
	struct wp_linux_drm_syncobj_surface_v1 *points;
	struct sbx_timeline *acquire;
	struct wp_linux_drm_syncobj_timeline_v1 *acquire_object;
	struct buffer buffers[BUFFERS];
	bool configured;
};

static void handle_global(void *data, struct wl_registry *registry, uint32_t name, const char *interface,
		uint32_t version) {
	struct client *client = data;
	if (strcmp(interface, "wl_compositor") == 0) {
		client->compositor = wl_registry_bind(registry, name, &wl_compositor_interface, 5);
	} else if (strcmp(interface, "xdg_wm_base") == 0) {
		client->wm_base = wl_registry_bind(registry, name, &xdg_wm_base_interface, 1);
	} else if (strcmp(interface, "zwp_linux_dmabuf_v1") == 0) {
		client->dmabuf = wl_registry_bind(registry, name, &zwp_linux_dmabuf_v1_interface, 3);
	} else if (strcmp(interface, "wp_linux_drm_syncobj_manager_v1") == 0) {
		client->manager = wl_registry_bind(registry, name, &wp_linux_drm_syncobj_manager_v1_interface, 1);
	}
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static void handle_configure(void *data, struct xdg_surface *xdg_surface, uint32_t serial) {
	struct client *client = data;
	xdg_surface_ack_configure(xdg_surface, serial);
	client->configured = true;
}

static const struct xdg_surface_listener xdg_surface_listener = { .configure = handle_configure };

/* The compositor has closed the connection: the end, and a good one. */
static void expect(bool ok) {
	if (!ok) {
		exit(0);
	}
}

static struct wp_linux_drm_syncobj_timeline_v1 *make_timeline(struct client *client,
		struct sbx_timeline **timeline) {
	int fd = -1;
	if (sbx_timeline_create(client->sync, timeline) < 0 || sbx_timeline_export(*timeline, &fd) < 0) {
		exit(3);
	}
	struct wp_linux_drm_syncobj_timeline_v1 *object =
		wp_linux_drm_syncobj_manager_v1_import_timeline(client->manager, fd);
	expect(wl_display_flush(client->display) >= 0);
	close(fd);
	return object;
}

static struct wl_buffer *make_buffer(struct client *client) {
	int fd = memfd_create("longrun", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, SIZE * SIZE * 4) != 0) {
		exit(3);
	}
	struct zwp_linux_buffer_params_v1 *params = zwp_linux_dmabuf_v1_create_params(client->dmabuf);
	zwp_linux_buffer_params_v1_add(params, fd, 0, 0, SIZE * 4, DRM_FORMAT_MOD_LINEAR >> 32,
		DRM_FORMAT_MOD_LINEAR & 0xFFFFFFFF);
	struct wl_buffer *buffer = zwp_linux_buffer_params_v1_create_immed(params, SIZE, SIZE,
		DRM_FORMAT_XRGB8888, 0);
	zwp_linux_buffer_params_v1_destroy(params);
	expect(wl_display_flush(client->display) >= 0);
	close(fd);
	return buffer;
}

static void open_window(struct client *client) {
	client->surface = wl_compositor_create_surface(client->compositor);
	client->points = wp_linux_drm_syncobj_manager_v1_get_surface(client->manager, client->surface);
	struct xdg_surface *xdg_surface = xdg_wm_base_get_xdg_surface(client->wm_base, client->surface);
	xdg_surface_add_listener(xdg_surface, &xdg_surface_listener, client);
	xdg_surface_get_toplevel(xdg_surface);
	wl_surface_commit(client->surface);
	while (!client->configured) {
		expect(wl_display_dispatch(client->display) >= 0);
	}
	client->acquire_object = make_timeline(client, &client->acquire);
	for (int i = 0; i < BUFFERS; i++) {
		client->buffers[i].wl_buffer = make_buffer(client);
		client->buffers[i].object = make_timeline(client, &client->buffers[i].release);
	}
}

static void hear(struct client *client) {
	while (wl_display_prepare_read(client->display) != 0) {
		expect(wl_display_dispatch_pending(client->display) >= 0);
	}
	expect(wl_display_flush(client->display) >= 0);
	struct pollfd pollfd = { .fd = wl_display_get_fd(client->display), .events = POLLIN };
	if (poll(&pollfd, 1, 0) > 0) {
		expect(wl_display_read_events(client->display) >= 0);
	} else {
		wl_display_cancel_read(client->display);
	}
	expect(wl_display_dispatch_pending(client->display) >= 0);
}

static void await_release(struct client *client, struct buffer *buffer) {
	struct sbx_point point = sbx_timeline_point(buffer->release, buffer->value);
	int64_t waited_ns = 0;
	int ret;
	do {
		hear(client);
		ret = sbx_points_wait(client->sync, &point, 1, true, 20000000);
		waited_ns += 20000000;
	} while (ret == -ETIME && waited_ns < PATIENCE_NS);
	if (ret != 0) {
		fprintf(stderr, "release point %llu does not come: %d\n", (unsigned long long)point.value, ret);
		exit(2);
	}
}

static void signal_acquire(struct client *client, uint64_t value) {
	struct sbx_point point = sbx_timeline_point(client->acquire, value);
	sbx_points_signal(client->sync, &point, 1);
}

static void commit(struct client *client, uint32_t number) {
	struct buffer *buffer = &client->buffers[number % BUFFERS];
	if (buffer->value > 0) {
		await_release(client, buffer);
	}
	bool late = random() % 2 == 0;
	if (!late) {
		signal_acquire(client, number);
	}
	wl_surface_attach(client->surface, buffer->wl_buffer, 0, 0);
	wl_surface_damage_buffer(client->surface, 0, 0, SIZE, SIZE);
	wp_linux_drm_syncobj_surface_v1_set_acquire_point(client->points, client->acquire_object, 0, number);
	wp_linux_drm_syncobj_surface_v1_set_release_point(client->points, buffer->object, 0,
		(uint32_t)++buffer->value);
	wl_surface_commit(client->surface);
	hear(client);
	if (late) {
		signal_acquire(client, number);
	}
}

static int run_client(int fd, unsigned seed) {
	srandom(seed);
	struct client client = { .display = wl_display_connect_to_fd(fd) };
	int drm_fd = drm_node_open();
	expect(client.display != NULL);
	if (sbx_sync_create(&drm_fd, &client.sync) < 0) {
		return 3;
	}
	struct wl_registry *registry = wl_display_get_registry(client.display);
	wl_registry_add_listener(registry, &registry_listener, &client);
	expect(wl_display_roundtrip(client.display) >= 0);
	open_window(&client);
	for (uint32_t number = 1;; number++) {
		commit(&client, number);
	}
}

/* The compositor */

struct peer {
	pid_t pid;
	struct wl_client *client;
	struct wl_listener destroy;
	unsigned commits_left;
};

static struct {
	struct vgem_fence fence;
	bool used;
} reader;

static struct peer peers[CLIENTS];
static struct test_compositor *compositor;
static struct sbx_sync *sync_node;
static int vgem_fd;
static unsigned kills, complaints;
static bool bug_logged;

static void note_line(enum sbx_log_level level, const char *format, va_list args) {
	char line[512];
	vsnprintf(line, sizeof(line), format, args);
	if (strstr(line, "signalbox bug") != NULL) {
		bug_logged = true;
		fprintf(stderr, "%s\n", line);
	}
}

static void say_nothing(const char *format, va_list args) {
}

static void handle_peer_destroy(struct wl_listener *listener, void *data) {
	struct peer *peer = wl_container_of(listener, peer, destroy);
	peer->client = NULL;
}

static void start_peer(struct peer *peer) {
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
		abort();
	}
	char fd[16], seed[16];
	snprintf(fd, sizeof(fd), "%d", fds[1]);
	snprintf(seed, sizeof(seed), "%ld", random());
	peer->pid = fork();
	if (peer->pid == 0) {
		fcntl(fds[1], F_SETFD, 0);
		execl("/proc/self/exe", "longrun", "--client", fd, seed, NULL);
		_exit(3);
	}
	close(fds[1]);
	peer->client = wl_client_create(compositor->display, fds[0]);
	peer->destroy.notify = handle_peer_destroy;
	wl_client_add_destroy_listener(peer->client, &peer->destroy);
	peer->commits_left = 50 + (unsigned)random() % 1500;
}

/* The process is killed, or its connection closed. */
static void end_peer(struct peer *peer) {
	if (peer->client != NULL && random() % 4 == 0) {
		wl_client_destroy(peer->client);
	} else {
		kill(peer->pid, SIGKILL);
	}
	kills++;
	int status = 0;
	waitpid(peer->pid, &status, 0);
	bool well = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0;
	complaints += !well;
	while (peer->client != NULL) {
		wl_event_loop_dispatch(compositor->loop, 10);
	}
}

static void finish_reading(void) {
	if (reader.used) {
		vgem_fence_signal(&reader.fence);
		reader.used = false;
	}
}

/* Something reads what is shown, and is done some rounds later. */
static void begin_reading(void) {
	int fence = -1;
	if (reader.used || vgem_fence_create(vgem_fd, &reader.fence, &fence) != 0) {
		return;
	}
	reader.used = true;
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct wlr_surface *surface = test_compositor_surface(compositor, i);
		if (surface != NULL && surface->buffer != NULL && surface->buffer->source != NULL) {
			sbx_syncobj_buffer_add_reader(surface->buffer->source, fence);
		}
	}
	close(fence);
}

static bool is_quiet(void *data) {
	struct sbx_syncobj_stats stats;
	sbx_syncobj_manager_get_stats(compositor->manager, &stats);
	return stats.loans == 0 && stats.held_commits == 0;
}

/* Commits that were applied since `start`, without the first of each client, which has no buffer. */
static unsigned commits_since(unsigned start, unsigned starts) {
	unsigned applied = compositor->commit_count - start;
	return applied > starts ? applied - starts : 0;
}

/* Returns how many commits were applied. All clients are gone afterwards. */
static unsigned run(unsigned commits) {
	unsigned start = compositor->commit_count, starts = CLIENTS;
	for (int i = 0; i < CLIENTS; i++) {
		start_peer(&peers[i]);
	}
	unsigned rounds = 0, before = start;
	while (commits_since(start, starts) < commits) {
		wl_event_loop_dispatch(compositor->loop, reader.used ? 0 : 20);
		wl_display_flush_clients(compositor->display);
		unsigned done = compositor->commit_count - before;
		before = compositor->commit_count;
		struct peer *peer = &peers[rounds % CLIENTS];
		peer->commits_left -= done < peer->commits_left ? done : peer->commits_left;
		if (peer->commits_left == 0 || peer->client == NULL) {
			end_peer(peer);
			start_peer(peer);
			starts++;
		}
		if (++rounds % 16 == 0) {
			begin_reading();
		} else if (rounds % 16 == 4) {
			finish_reading();
		}
	}
	for (int i = 0; i < CLIENTS; i++) {
		end_peer(&peers[i]);
	}
	finish_reading();
	test_pump_until(compositor, is_quiet, NULL);
	return commits_since(start, starts);
}

/* What there is */

struct stock {
	struct census census;
	uint32_t handle;
	size_t memory;
	long rss_kib, slab_kib;
};

static long read_number(const char *path, const char *word) {
	FILE *file = fopen(path, "re");
	char line[256];
	long number = -1;
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, word, strlen(word)) == 0) {
			number = atol(line + strlen(word));
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return number;
}

/* Handles are given lowest first: the last of a few shows whether any below is kept. */
static uint32_t probe_handles(void) {
	struct sbx_timeline *timelines[PROBED];
	uint32_t last = 0;
	kernel_fake.paused = true;
	for (int i = 0; i < PROBED; i++) {
		if (sbx_timeline_create(sync_node, &timelines[i]) < 0) {
			abort();
		}
		last = sbx_timeline_point(timelines[i], 0).handle;
	}
	for (int i = 0; i < PROBED; i++) {
		sbx_timeline_destroy(timelines[i]);
	}
	kernel_fake.paused = false;
	return last;
}

/* Without the eventfds that are kept for the next wait, two fds each: as many as were once waited for. */
static struct census census_without_spares(void) {
	struct census census = census_take();
	struct sbx_waiter_stats stats;
	sbx_waiter_pool_get_stats(compositor->manager->desk.pool, &stats);
	unsigned spares = 2 * (unsigned)(stats.idle + stats.parked);
	census.fds -= spares;
	census.counted_fds -= spares;
	return census;
}

static struct stock take_stock(void) {
	return (struct stock){
		.census = census_without_spares(),
		.handle = probe_handles(),
		.memory = mallinfo2().uordblks,
		.rss_kib = read_number("/proc/self/status", "VmRSS:"),
		.slab_kib = read_number("/proc/meminfo", "SUnreclaim:"),
	};
}

static unsigned tests;
static bool all_well = true;
/** The number of the test that a planted defect must fail; 0: none. */
static unsigned doomed;

static void test(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void test(bool ok, const char *format, ...) {
	va_list args;
	va_start(args, format);
	bool control = ++tests == doomed;
	ok = ok != control;
	printf("%sok %u - %s", ok ? "" : "not ", tests, control ? "control, must differ: " : "");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	all_well &= ok;
}

static void compare(const struct stock *before, const struct stock *after, unsigned commits) {
	test(after->census.fds == before->census.fds, "fds: %u before, %u after", before->census.fds,
		after->census.fds);
	test(after->census.counted_fds == before->census.counted_fds &&
		after->census.counted_handles == before->census.counted_handles,
		"counted fds %llu and handles %llu before, %llu and %llu after",
		(unsigned long long)before->census.counted_fds,
		(unsigned long long)before->census.counted_handles,
		(unsigned long long)after->census.counted_fds,
		(unsigned long long)after->census.counted_handles);
	test(after->handle == before->handle, "the kernel's %uth free handle: %u before, %u after", PROBED,
		before->handle, after->handle);
	// Arrays of wlroots and libwayland grow to their largest size once.
	test(after->memory <= before->memory + 2048, "bytes allocated: %zu before, %zu after", before->memory,
		after->memory);
	test(after->rss_kib < before->rss_kib + 4096, "resident: %ld KiB before, %ld after", before->rss_kib,
		after->rss_kib);
	// A syncobj or a fence that stayed for each commit would be 64 bytes at the least.
	long room_kib = 16384;
	test(after->slab_kib < before->slab_kib + room_kib, "kernel's slabs: %ld KiB before, %ld after %u commits",
		before->slab_kib, after->slab_kib, commits);
}

static void open_everything(enum fault_plant plant) {
	static const struct fault none = { .call = -1 };
	kernel_fake_install();
	int drm_fd = drm_node_open();
	vgem_fd = vgem_open();
	kernel_fake.paused = true;
	if (sbx_sync_create(&drm_fd, &sync_node) < 0) {
		abort();
	}
	kernel_fake.paused = false;
	struct sbx_syncobj_options options = { .keep_fd_limit = true };
	compositor = test_compositor_create(sbx_sync_get_drm_fd(sync_node), &options);
	fault_install(&none, plant);
}

static int run_everything(unsigned commits, const char *planted) {
	enum fault_plant plant = strcmp(planted, "fd") == 0 ? PLANT_LOST_FD :
		strcmp(planted, "handle") == 0 ? PLANT_LOST_HANDLE :
		strcmp(planted, "memory") == 0 ? PLANT_LOST_MEMORY : PLANT_NOTHING;
	doomed = plant == PLANT_LOST_FD ? 2 : plant == PLANT_LOST_HANDLE ? 4 : plant == PLANT_LOST_MEMORY ? 5 : 0;
	sbx_log_init(SBX_LOG_INFO, note_line);
	wl_log_set_handler_server(say_nothing);
	open_everything(PLANT_NOTHING);
	srandom(1);
	run(WARM_UP);
	fault_remove();
	static const struct fault none = { .call = -1 };
	struct stock before = take_stock();
	fault_install(&none, plant);
	if (plant == PLANT_LOST_MEMORY) {
		static void *volatile leak;
		leak = malloc(4096);
		memset(leak, 1, 4096);
	}
	kills = 0;
	unsigned done = run(commits);
	fault_remove();
	struct stock after = take_stock();
	test(done >= commits && complaints == 0 && !bug_logged,
		"%u commits of %d clients, %u of which were killed or cut off, %u of which complained", done,
		CLIENTS, kills, complaints);
	compare(&before, &after, done);
	test_compositor_destroy(compositor);
	printf("1..%u\n", tests);
	return all_well ? 0 : 1;
}

/* To count memory to the byte: what malloc keeps in a thread's cache counts as used. */
static void do_without_cache(char *argv[]) {
	const char *name = "GLIBC_TUNABLES";
	if (getenv(name) == NULL) {
		setenv(name, "glibc.malloc.tcache_count=0", 1);
		execv("/proc/self/exe", argv);
	}
}

static bool have_devices(void) {
	int drm_fd = drm_node_open(), vgem = vgem_open();
	bool have = drm_fd >= 0 && vgem >= 0;
	if (drm_fd >= 0) {
		close(drm_fd);
	}
	if (vgem >= 0) {
		close(vgem);
	}
	return have;
}

int main(int argc, char *argv[]) {
	if (argc == 4 && strcmp(argv[1], "--client") == 0) {
		return run_client(atoi(argv[2]), (unsigned)atoi(argv[3]));
	}
	if (!have_devices()) {
		fprintf(stderr, "skipped: needs a DRM device with syncobj timelines, and vgem\n");
		return getenv("SIGNALBOX_LAB") != NULL ? 1 : 77;
	}
	do_without_cache(argv);
	unsigned commits = 200000;
	const char *planted = "";
	for (int i = 2; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--commits") == 0) {
			commits = (unsigned)atoi(argv[i + 1]);
		} else if (strcmp(argv[i], "--plant") == 0) {
			planted = argv[i + 1];
		}
	}
	return run_everything(commits, planted);
}
