#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xf86drm.h>

#include "check/cases.h"
#include "check/device.h"
#include "check/expect.h"
#include "linux-drm-syncobj-v1-client.h"
#include "single-pixel-buffer-v1-client.h"

#define CODE(name) (1u << WP_LINUX_DRM_SYNCOBJ_SURFACE_V1_ERROR_##name)

static void expect_error(struct surface *surface, uint32_t codes) {
	client_expect_error(surface->client, &wp_linux_drm_syncobj_surface_v1_interface,
		wl_proxy_get_id((struct wl_proxy *)surface->sync), codes);
}

static void expect_manager_error(struct client *client,
		struct wp_linux_drm_syncobj_manager_v1 *manager, uint32_t code) {
	client_expect_error(client, &wp_linux_drm_syncobj_manager_v1_interface,
		wl_proxy_get_id((struct wl_proxy *)manager), 1u << code);
}

// The manager.

static void manager_destroyed(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *first = frame_new(window), *second = frame_new(window);
	wp_linux_drm_syncobj_manager_v1_destroy(window->client->syncobj);
	frame_commit(first);
	expect_hidden(first);
	frame_signal(first);
	expect_shown(first);
	frame_signal(second);
	frame_commit(second);
	expect_released(first);
}

static void surface_exists(struct check *check) {
	struct surface *surface = surface_new(client_open(check));
	struct client *client = surface->client;
	wp_linux_drm_syncobj_manager_v1_get_surface(client->syncobj, surface->wl);
	expect_manager_error(client, client->syncobj,
		WP_LINUX_DRM_SYNCOBJ_MANAGER_V1_ERROR_SURFACE_EXISTS);
}

static void surface_exists_second_manager(struct check *check) {
	struct surface *surface = surface_new(client_open(check));
	struct wp_linux_drm_syncobj_manager_v1 *second = client_bind_syncobj(surface->client);
	wp_linux_drm_syncobj_manager_v1_get_surface(second, surface->wl);
	expect_manager_error(surface->client, second,
		WP_LINUX_DRM_SYNCOBJ_MANAGER_V1_ERROR_SURFACE_EXISTS);
}

static void surface_again(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	surface_destroy_sync(window);
	surface_get_sync(window);
	show(window);
}

static void managers_mixed(struct check *check) {
	struct surface *window = a_window(check);
	struct client *client = window->client;
	struct frame *frame = frame_new(window);
	// Timelines of the first manager, surface object of the second.
	surface_destroy_sync(window);
	client->syncobj = client_bind_syncobj(client);
	surface_get_sync(window);
	frame_commit(frame);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
}

static void implicit_beside(struct check *check) {
	struct client *client = client_open(check);
	struct surface *held = window_open(client), *implicit = window_open(client);
	surface_destroy_sync(implicit);
	hold(held);
	struct frame *frame = frame_new(implicit);
	frame_commit(frame);
	expect_shown(frame);
}

// Importing.

static void expect_invalid_timeline(struct check *check, int fd) {
	if (fd < 0) {
		check_trouble(check, "cannot make the file descriptor: %s", strerror(errno));
	}
	struct client *client = client_open(check);
	wp_linux_drm_syncobj_manager_v1_import_timeline(client->syncobj, fd);
	expect_manager_error(client, client->syncobj,
		WP_LINUX_DRM_SYNCOBJ_MANAGER_V1_ERROR_INVALID_TIMELINE);
}

static void import_memory(struct check *check) {
	expect_invalid_timeline(check, memfd_create("signalbox-check", MFD_CLOEXEC));
}

static void import_pipe(struct check *check) {
	int fds[2] = { -1, -1 };
	if (pipe2(fds, O_CLOEXEC) != 0) {
		fds[0] = -1;
	}
	expect_invalid_timeline(check, fds[0]);
}

static void import_socket(struct check *check) {
	expect_invalid_timeline(check, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void import_eventfd(struct check *check) {
	expect_invalid_timeline(check, eventfd(0, EFD_CLOEXEC));
}

static void import_folder(struct check *check) {
	expect_invalid_timeline(check, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void import_drm_node(struct check *check) {
	expect_invalid_timeline(check, device_get(check)->sync_fd);
}

static void import_dmabuf(struct check *check) {
	struct client *client = client_open(check);
	expect_invalid_timeline(check, buffer_new(client, 64, 64)->fd);
}

static void import_sync_file(struct check *check) {
	int drm_fd = device_get(check)->sync_fd, fd = -1;
	struct timeline *binary = timeline_new(check);
	if (drmSyncobjSignal(drm_fd, &binary->handle, 1) != 0 ||
			drmSyncobjExportSyncFile(drm_fd, binary->handle, &fd) != 0) {
		fd = -1;
	}
	expect_invalid_timeline(check, fd);
}

static void import_empty(struct check *check) {
	struct client *client = client_open(check);
	for (int i = 0; i < 32; i++) {
		timeline_destroy_object(timeline_open(client));
	}
	client_roundtrip(client);
}

static void import_signalled(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	struct timeline *timeline = timeline_new(check);
	point_signal((struct point){ timeline, 7 });
	timeline->object = timeline_import(timeline, window->client);
	frame->acquire = (struct point){ timeline, 7 };
	frame_commit(frame);
	expect_shown(frame);
}

static void import_again(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	timeline_destroy_object(frame->acquire.timeline);
	frame->acquire.timeline->object = timeline_import(frame->acquire.timeline, window->client);
	frame_commit(frame);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
}

// The surface is gone.

static void no_surface_acquire(struct check *check) {
	struct surface *surface = surface_new(client_open(check));
	struct timeline *timeline = timeline_open(surface->client);
	surface_destroy(surface);
	surface_set_acquire(surface, (struct point){ timeline, 1 });
	expect_error(surface, CODE(NO_SURFACE));
}

static void no_surface_release(struct check *check) {
	struct surface *surface = surface_new(client_open(check));
	struct timeline *timeline = timeline_open(surface->client);
	surface_destroy(surface);
	surface_set_release(surface, (struct point){ timeline, 1 });
	expect_error(surface, CODE(NO_SURFACE));
}

static void no_surface_destroy(struct check *check) {
	struct surface *surface = surface_new(client_open(check));
	surface_destroy(surface);
	surface_destroy_sync(surface);
	expect_served(surface->client);
}

// Buffers.

static void commit_or_unsupported(struct surface *window, struct wl_buffer *buffer) {
	struct timeline *timeline = timeline_open(window->client);
	point_signal((struct point){ timeline, 1 });
	wl_surface_attach(window->wl, buffer, 0, 0);
	wl_surface_damage_buffer(window->wl, 0, 0, WINDOW_SIZE, WINDOW_SIZE);
	surface_set_acquire(window, (struct point){ timeline, 1 });
	surface_set_release(window, (struct point){ timeline, 2 });
	surface_commit(window);
	bool refused = client_expect_error_or_service(window->client,
		&wp_linux_drm_syncobj_surface_v1_interface,
		wl_proxy_get_id((struct wl_proxy *)window->sync), CODE(UNSUPPORTED_BUFFER));
	if (refused) {
		return;
	}
	// Taken: then all of explicit sync holds for it.
	show(window);
	expect_signalled((struct point){ timeline, 2 }, "the release point of the odd buffer");
}

static void unsupported_shm(struct check *check) {
	struct surface *window = a_window(check);
	struct buffer *buffer = buffer_new_shm(window->client, WINDOW_SIZE, WINDOW_SIZE,
		WINDOW_SIZE * 4, WL_SHM_FORMAT_XRGB8888);
	commit_or_unsupported(window, buffer->wl);
}

static void unsupported_single_pixel(struct check *check) {
	struct surface *window = a_window(check);
	struct client *client = window->client;
	if (!client->single_pixel) {
		check_skip(check, "the compositor has no wp_single_pixel_buffer_manager_v1");
	}
	commit_or_unsupported(window,
		wp_single_pixel_buffer_manager_v1_create_u32_rgba_buffer(client->single_pixel,
			UINT32_MAX, 0, 0, UINT32_MAX));
}

// Points without a buffer, buffers without points.

static void no_buffer_both(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	surface_set_acquire(window, frame->acquire);
	surface_set_release(window, frame->release);
	surface_commit(window);
	expect_error(window, CODE(NO_BUFFER));
}

static void no_buffer_acquire(struct check *check) {
	struct surface *window = a_window(check);
	surface_set_acquire(window, frame_new(window)->acquire);
	surface_commit(window);
	expect_error(window, CODE(NO_BUFFER));
}

static void no_buffer_release(struct check *check) {
	struct surface *window = a_window(check);
	surface_set_release(window, frame_new(window)->release);
	surface_commit(window);
	expect_error(window, CODE(NO_BUFFER));
}

static void no_buffer_null(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	surface_attach(window, NULL);
	surface_set_acquire(window, frame->acquire);
	surface_set_release(window, frame->release);
	surface_commit(window);
	expect_error(window, CODE(NO_BUFFER));
}

static void no_buffer_mapped(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	surface_set_acquire(window, frame->acquire);
	surface_set_release(window, frame->release);
	surface_commit(window);
	expect_error(window, CODE(NO_BUFFER));
}

static void no_buffer_taken_back(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct frame *frame = frame_new(window);
	frame_attach(frame);
	surface_attach(window, NULL);
	surface_commit(window);
	expect_error(window, CODE(NO_BUFFER));
}

static void no_acquire_point(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	surface_attach(window, frame->buffer);
	surface_set_release(window, frame->release);
	surface_commit(window);
	expect_error(window, CODE(NO_ACQUIRE_POINT));
}

static void no_release_point(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	surface_attach(window, frame->buffer);
	surface_set_acquire(window, frame->acquire);
	surface_commit(window);
	expect_error(window, CODE(NO_RELEASE_POINT));
}

static void no_points(struct check *check) {
	struct surface *window = a_window(check);
	surface_attach(window, frame_new(window)->buffer);
	surface_commit(window);
	expect_error(window, CODE(NO_ACQUIRE_POINT) | CODE(NO_RELEASE_POINT));
}

static void points_are_used_up(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	surface_attach(window, frame_new(window)->buffer);
	surface_commit(window);
	expect_error(window, CODE(NO_ACQUIRE_POINT) | CODE(NO_RELEASE_POINT));
}

static void points_used_up_same_buffer(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	surface_attach(window, frame->buffer);
	surface_commit(window);
	expect_error(window, CODE(NO_ACQUIRE_POINT) | CODE(NO_RELEASE_POINT));
}

static void subsurface_errors_at_commit(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	surface_attach(child, frame_new(child)->buffer);
	surface_commit(child);
	expect_error(child, CODE(NO_ACQUIRE_POINT) | CODE(NO_RELEASE_POINT));
}

static void subsurface_no_buffer(struct check *check) {
	struct surface *window = a_window(check);
	show(window);
	struct surface *child = subsurface_open(window);
	struct frame *frame = frame_new(child);
	frame_signal(frame);
	frame_commit(frame);
	// The buffer that waits in the cache is no pending buffer.
	struct frame *next = frame_new(child);
	surface_set_acquire(child, next->acquire);
	surface_set_release(child, next->release);
	surface_commit(child);
	expect_error(child, CODE(NO_BUFFER));
}

static void empty_commits(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	for (int i = 0; i < 5; i++) {
		surface_commit_empty(window);
	}
	expect_stays(frame);
	expect_not_released(frame);
}

static void attach_nothing(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = show(window);
	surface_commit_nothing(window);
	expect_served(window->client);
	expect_gone(frame);
}

// Conflicts.

static void commit_on_one_timeline(struct surface *window, uint64_t acquire,
		uint64_t release) {
	struct frame *frame = frame_new(window);
	struct timeline *timeline = frame->acquire.timeline;
	frame->acquire = (struct point){ timeline, acquire };
	frame->release = (struct point){ timeline, release };
	frame_commit(frame);
}

static void expect_conflict(struct check *check, uint64_t acquire, uint64_t release) {
	struct surface *window = a_window(check);
	commit_on_one_timeline(window, acquire, release);
	expect_error(window, CODE(CONFLICTING_POINTS));
}

static void conflict_equal(struct check *check) {
	expect_conflict(check, 3, 3);
}

static void conflict_less(struct check *check) {
	expect_conflict(check, 4, 3);
}

static void conflict_high_word(struct check *check) {
	expect_conflict(check, 0x100000000, 0xffffffff);
}

static void conflict_largest(struct check *check) {
	expect_conflict(check, UINT64_MAX, UINT64_MAX);
}

static void conflict_replaced(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	frame_attach(frame);
	// Fine until here; what counts is what is pending at commit time.
	surface_set_release(window, frame->acquire);
	surface_commit(window);
	expect_error(window, CODE(CONFLICTING_POINTS));
}

// A frame whose points are equal, on one syncobj that was imported as two objects.
static struct frame *frame_on_twins(struct surface *window) {
	struct frame *frame = frame_new(window);
	struct timeline *twin = calloc(1, sizeof(*twin));
	*twin = *frame->acquire.timeline;
	twin->object = timeline_import(frame->acquire.timeline, window->client);
	frame->release = (struct point){ twin, 1 };
	return frame;
}

// The kernel has no call that compares two handles: that they are one syncobj shows only when what
// was signalled on one is seen on the other. So the error may come as late as that.
static void conflict_imported_twice(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_on_twins(window);
	frame_commit(frame);
	if (!client_expect_error_or_service(window->client,
			&wp_linux_drm_syncobj_surface_v1_interface,
			wl_proxy_get_id((struct wl_proxy *)window->sync), CODE(CONFLICTING_POINTS))) {
		frame_signal(frame);
		expect_error(window, CODE(CONFLICTING_POINTS));
	}
}

static void conflict_imported_twice_signalled(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_on_twins(window);
	frame_signal(frame);
	frame_commit(frame);
	expect_error(window, CODE(CONFLICTING_POINTS));
}

static void no_conflict_until_commit(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	surface_set_acquire(window, frame->acquire);
	surface_set_release(window, frame->acquire);
	expect_served(window->client);
	frame_signal(frame);
	frame_commit(frame);
	expect_shown(frame);
}

static void expect_life_on_one_timeline(struct check *check, uint64_t acquire,
		uint64_t release) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	struct timeline *timeline = frame->acquire.timeline;
	frame->acquire = (struct point){ timeline, acquire };
	frame->release = (struct point){ timeline, release };
	frame_commit(frame);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
	expect_not_released(frame);
	show(window);
	expect_released(frame);
}

static void one_timeline(struct check *check) {
	expect_life_on_one_timeline(check, 1, 2);
}

static void one_timeline_high_word(struct check *check) {
	expect_life_on_one_timeline(check, 0xffffffff, 0x100000000);
}

static void one_timeline_largest(struct check *check) {
	expect_life_on_one_timeline(check, UINT64_MAX - 1, UINT64_MAX);
}

static void same_values_two_timelines(struct check *check) {
	struct surface *window = a_window(check);
	struct frame *frame = frame_new(window);
	frame->acquire.value = frame->release.value = 1000;
	frame_commit(frame);
	expect_hidden(frame);
	frame_signal(frame);
	expect_shown(frame);
	show(window);
	expect_released(frame);
}

#define MANAGER "wp_linux_drm_syncobj_manager_v1"
#define SURFACE "wp_linux_drm_syncobj_surface_v1"
#define IF_AND_ONLY_IF TEXT(SURFACE, "Clients must set both acquire and release points if and " \
	"only if a non-null buffer is attached in the same surface commit.")
#define BAD_FD TEXT(MANAGER ".import_timeline", \
	"If the FD cannot be imported, the invalid_timeline error is raised.")
#define NO_BUFFER_ACQUIRE TEXT(SURFACE ".set_acquire_point", "If at surface commit time there " \
	"is a pending acquire timeline point set but no pending buffer attached, a no_buffer " \
	"error is raised.")
#define NO_BUFFER_RELEASE TEXT(SURFACE ".set_release_point", "If at surface commit time there " \
	"is a pending release timeline point set but no pending buffer attached, a no_buffer " \
	"error is raised.")
#define CONFLICT TEXT(SURFACE, "If at surface commit time the acquire and release DRM syncobj " \
	"timelines are identical, the acquire point value must be strictly less than the release " \
	"point value, or else the conflicting_points protocol error is raised.")
#define ALL_VALUES TEXT(SURFACE ".set_acquire_point", \
	"The 64-bit unsigned value combined from point_hi and point_lo is the point value.")

const struct check_case error_cases[] = {
	{ "conformance/manager-destroyed",
		TEXT(MANAGER ".destroy", "Other objects shall not be affected by this request."),
		"timelines and surface objects made before keep working: wait, show, release",
		manager_destroyed },
	{ "conformance/surface-exists",
		TEXT(MANAGER ".get_surface", "If the given wl_surface already has an explicit "
			"synchronization object associated, the surface_exists protocol error is raised."),
		"error surface_exists on the manager", surface_exists },
	{ "conformance/surface-exists-second-manager",
		TEXT(SURFACE, "Each surface can be associated with only one object of this interface "
			"at any time."),
		"error surface_exists, also when a second manager is asked",
		surface_exists_second_manager },
	{ "conformance/surface-again",
		TEXT(SURFACE, "Each surface can be associated with only one object of this interface "
			"at any time."),
		"after destroying the object, the surface can have a new one", surface_again },
	{ "conformance/managers-mixed",
		QUALITY("a timeline and a surface object of two managers of one client, as two "
			"libraries in one program have them, belong together"),
		"points of one manager's timelines work on the other's surface object",
		managers_mixed },
	{ "conformance/implicit-beside",
		TEXT(MANAGER, "This global is a factory interface, allowing clients to request "
			"explicit synchronization for buffers on a per-surface basis."),
		"a surface without explicit sync is shown while another one's commit is held",
		implicit_beside },
	{ "conformance/import-memory", BAD_FD, "error invalid_timeline for a memfd",
		import_memory },
	{ "conformance/import-pipe", BAD_FD, "error invalid_timeline for a pipe", import_pipe },
	{ "conformance/import-socket", BAD_FD, "error invalid_timeline for a socket",
		import_socket },
	{ "conformance/import-eventfd", BAD_FD, "error invalid_timeline for an eventfd",
		import_eventfd },
	{ "conformance/import-folder", BAD_FD, "error invalid_timeline for a folder",
		import_folder },
	{ "conformance/import-drm-node", BAD_FD, "error invalid_timeline for a DRM device",
		import_drm_node },
	{ "conformance/import-dmabuf", BAD_FD, "error invalid_timeline for a dma-buf",
		import_dmabuf },
	{ "conformance/import-sync-file", BAD_FD, "error invalid_timeline for a sync_file",
		import_sync_file },
	{ "conformance/import-empty",
		TEXT(MANAGER ".import_timeline", "Import a DRM synchronization object timeline."),
		"a syncobj that has no point yet is imported without an error", import_empty },
	{ "conformance/import-signalled",
		TEXT(MANAGER ".import_timeline", "Import a DRM synchronization object timeline."),
		"a point that was signalled before the import counts as signalled",
		import_signalled },
	{ "conformance/import-again",
		TEXT(MANAGER ".import_timeline", "Import a DRM synchronization object timeline."),
		"a syncobj imported a second time after its first object went works as before",
		import_again },
	{ "conformance/no-surface-acquire",
		TEXT(SURFACE ".set_acquire_point", "If the associated wl_surface was destroyed, a "
			"no_surface error is raised."),
		"error no_surface", no_surface_acquire },
	{ "conformance/no-surface-release",
		TEXT(SURFACE ".set_release_point", "If the associated wl_surface was destroyed, a "
			"no_surface error is raised."),
		"error no_surface", no_surface_release },
	{ "conformance/no-surface-destroy",
		TEXT(SURFACE ".destroy", "Destroy this surface synchronization object."),
		"destroying the object after its wl_surface is no error", no_surface_destroy },
	{ "conformance/buffer-shm",
		TEXT(SURFACE, "If at surface commit time the attached buffer does not support "
			"explicit synchronization, an unsupported_buffer error is raised."),
		"a wl_shm buffer gives unsupported_buffer, or is shown and released like any other",
		unsupported_shm },
	{ "conformance/buffer-single-pixel",
		TEXT(SURFACE, "If at surface commit time the attached buffer does not support "
			"explicit synchronization, an unsupported_buffer error is raised."),
		"a single-pixel buffer gives unsupported_buffer, or works like any other",
		unsupported_single_pixel },
	{ "conformance/no-buffer-both", NO_BUFFER_ACQUIRE,
		"error no_buffer for both points without a buffer", no_buffer_both },
	{ "conformance/no-buffer-acquire", NO_BUFFER_ACQUIRE,
		"error no_buffer for an acquire point alone", no_buffer_acquire },
	{ "conformance/no-buffer-release", NO_BUFFER_RELEASE,
		"error no_buffer for a release point alone", no_buffer_release },
	{ "conformance/no-buffer-null", IF_AND_ONLY_IF,
		"error no_buffer for points with an attach of nothing", no_buffer_null },
	{ "conformance/no-buffer-mapped", NO_BUFFER_ACQUIRE,
		"error no_buffer too where the surface has a buffer from an earlier commit",
		no_buffer_mapped },
	{ "conformance/no-buffer-taken-back", IF_AND_ONLY_IF,
		"error no_buffer when the buffer was replaced by nothing before the commit",
		no_buffer_taken_back },
	{ "conformance/no-acquire-point",
		TEXT(SURFACE ".set_acquire_point", "If at surface commit time there is a pending "
			"buffer attached but no pending acquire timeline point set, the no_acquire_point "
			"protocol error is raised."),
		"error no_acquire_point", no_acquire_point },
	{ "conformance/no-release-point",
		TEXT(SURFACE ".set_release_point", "If at surface commit time there is a pending "
			"buffer attached but no pending release timeline point set, the no_release_point "
			"protocol error is raised."),
		"error no_release_point", no_release_point },
	{ "conformance/no-points", IF_AND_ONLY_IF,
		"error no_acquire_point or no_release_point for a buffer alone", no_points },
	{ "conformance/points-used-up",
		TEXT(SURFACE ".set_acquire_point", "Thus, it applies only to the buffer that is "
			"attached to the surface at commit time."),
		"the points of one commit are not those of the next: error no_acquire_point or "
		"no_release_point",
		points_are_used_up },
	{ "conformance/points-used-up-same-buffer",
		TEXT(SURFACE ".set_acquire_point", "Thus, it applies only to the buffer that is "
			"attached to the surface at commit time."),
		"the same for the same buffer attached again", points_used_up_same_buffer },
	{ "conformance/subsurface-error-at-commit",
		TEXT(SURFACE ".set_acquire_point", "If at surface commit time there is a pending "
			"buffer attached but no pending acquire timeline point set, the no_acquire_point "
			"protocol error is raised."),
		"a synchronised subsurface gets the error at its own commit, not at its parent's",
		subsurface_errors_at_commit },
	{ "conformance/subsurface-no-buffer", NO_BUFFER_ACQUIRE,
		"error no_buffer too where a buffer waits in a synchronised subsurface's cache",
		subsurface_no_buffer },
	{ "conformance/empty-commits", IF_AND_ONLY_IF,
		"commits without a buffer and without points are no error and release nothing",
		empty_commits },
	{ "conformance/attach-nothing", IF_AND_ONLY_IF,
		"an attach of nothing without points is no error and unmaps the window",
		attach_nothing },
	{ "conformance/conflict-equal", CONFLICT, "error conflicting_points for 3 and 3",
		conflict_equal },
	{ "conformance/conflict-less", CONFLICT,
		"error conflicting_points for acquire 4, release 3", conflict_less },
	{ "conformance/conflict-high-word", CONFLICT,
		"error conflicting_points for acquire 2^32, release 2^32-1", conflict_high_word },
	{ "conformance/conflict-largest", CONFLICT,
		"error conflicting_points for 2^64-1 and 2^64-1", conflict_largest },
	{ "conformance/conflict-replaced", CONFLICT,
		"error conflicting_points when the last release point set makes the conflict",
		conflict_replaced },
	{ "conformance/conflict-imported-twice", CONFLICT,
		"error conflicting_points too where one syncobj was imported as two objects, at the "
		"latest when its point is signalled",
		conflict_imported_twice },
	{ "conformance/conflict-twice-signalled", CONFLICT,
		"the same at the commit where the point is signalled already",
		conflict_imported_twice_signalled },
	{ "conformance/no-conflict-until-commit", CONFLICT,
		"conflicting points that are replaced before the commit are no error",
		no_conflict_until_commit },
	{ "conformance/one-timeline", CONFLICT,
		"acquire 1 and release 2 of one timeline: waits, shows, releases", one_timeline },
	{ "conformance/one-timeline-high-word", CONFLICT,
		"acquire 2^32-1 and release 2^32 of one timeline: waits, shows, releases",
		one_timeline_high_word },
	{ "conformance/one-timeline-largest", ALL_VALUES,
		"acquire 2^64-2 and release 2^64-1 of one timeline: waits, shows, releases",
		one_timeline_largest },
	{ "conformance/same-values", CONFLICT,
		"the same value on two timelines is no conflict", same_values_two_timelines },
};

const size_t error_case_count = sizeof(error_cases) / sizeof(error_cases[0]);
