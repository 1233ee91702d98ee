#include <dirent.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "render/device.h"
#include "rig.h"
#include "trace/log.h"

#define MAX_LINES 512

static char *lines[MAX_LINES];
static size_t n_lines;
static const char *expected[8];
static size_t n_expected;

static void record(enum sbx_log_level level, const char *format, va_list args) {
	char *line = NULL;
	if (vasprintf(&line, format, args) < 0) {
		return;
	}
	fprintf(stderr, "# %s\n", line);
	if (n_lines < MAX_LINES) {
		lines[n_lines++] = line;
	} else {
		free(line);
	}
}

static void forget_log(void) {
	while (n_lines > 0) {
		free(lines[--n_lines]);
	}
	n_expected = 0;
}

unsigned rig_log_count(const char *text) {
	unsigned count = 0;
	for (size_t i = 0; i < n_lines; i++) {
		count += strstr(lines[i], text) != NULL;
	}
	return count;
}

void rig_log_expect(const char *text) {
	assert_true(n_expected < sizeof(expected) / sizeof(expected[0]));
	expected[n_expected++] = text;
}

static bool is_blame(const char *line) {
	static const char *const blames[] = {
		"signalbox bug", "client bug", "driver", "kernel:", "vulkan validation",
	};
	bool blame = false;
	for (size_t i = 0; i < sizeof(blames) / sizeof(blames[0]); i++) {
		blame |= strncmp(line, blames[i], strlen(blames[i])) == 0;
	}
	for (size_t i = 0; i < n_expected; i++) {
		blame &= strstr(line, expected[i]) == NULL;
	}
	return blame;
}

unsigned rig_open_fds(void) {
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	unsigned count = 0;
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count;
}

unsigned rig_settled_fds(unsigned wanted) {
	unsigned count = rig_open_fds();
	for (int tries = 0; count != wanted && tries < 100; tries++) {
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		count = rig_open_fds();
	}
	return count;
}

static bool machine_will_do(void) {
	return access("/dev/udmabuf", R_OK | W_OK) == 0 && access("/dev/dri", R_OK) == 0;
}

int rig_main(const struct CMUnitTest tests[], size_t n) {
	if (!machine_will_do()) {
		printf("no /dev/udmabuf or no /dev/dri: skipped\n");
		return getenv("SIGNALBOX_LAB") != NULL ? 1 : 77;
	}
	setenv("SIGNALBOX_VALIDATION", "1", 0);
	sbx_log_init(SBX_LOG_INFO, record);
	return _cmocka_run_group_tests("wlr", tests, n, NULL, NULL);
}

int rig_setup(void **state) {
	static bool warm;
	if (!warm) {
		/* Drivers and layers keep files open once they were loaded. */
		wlr_renderer_destroy(sbx_renderer_create(NULL, NULL));
		warm = true;
	}
	forget_log();
	struct rig *rig = calloc(1, sizeof(*rig));
	rig->fds = rig_open_fds();
	rig->renderer = sbx_renderer_create(NULL, NULL);
	assert_non_null(rig->renderer);
	rig->sbx = sbx_renderer_from_wlr(rig->renderer);
	// Some tests take longer than that on a slow machine.
	rig->sbx->idle_import_ns = INT64_MAX;
	rig->drm_fd = fcntl(wlr_renderer_get_drm_fd(rig->renderer), F_DUPFD_CLOEXEC, 0);
	rig->timeline = wlr_drm_syncobj_timeline_create(rig->drm_fd);
	assert_non_null(rig->timeline);
	*state = rig;
	return 0;
}

int rig_teardown(void **state) {
	struct rig *rig = *state;
	unsigned messages = 0;
	wlr_drm_syncobj_timeline_unref(rig->timeline);
	close(rig->drm_fd);
	if (rig->renderer != NULL) {
		rig_finish(rig);
		messages = rig->sbx->device->validation_messages;
		wlr_renderer_destroy(rig->renderer);
	}
	unsigned fds = rig_settled_fds(rig->fds), blames = 0;
	for (size_t i = 0; i < n_lines; i++) {
		blames += is_blame(lines[i]);
	}
	bool ok = messages == 0 && fds == rig->fds && blames == 0;
	if (!ok) {
		fprintf(stderr, "%u validation messages, %u fds (%u before), %u unexpected lines\n",
			messages, fds, rig->fds, blames);
	}
	free(rig);
	return ok ? 0 : -1;
}

static struct rig_buffer *from_base(struct wlr_buffer *base) {
	struct rig_buffer *buffer = wl_container_of(base, buffer, base);
	return buffer;
}

static void buffer_destroy(struct wlr_buffer *base) {
	struct rig_buffer *buffer = from_base(base);
	wl_list_remove(&buffer->release.link);
	wlr_buffer_finish(base);
	munmap(buffer->pixels, buffer->size);
	wlr_dmabuf_attributes_finish(&buffer->dmabuf);
	free(buffer);
}

static bool buffer_get_dmabuf(struct wlr_buffer *base, struct wlr_dmabuf_attributes *attributes) {
	struct rig_buffer *buffer = from_base(base);
	*attributes = buffer->dmabuf;
	return (buffer->caps & RIG_DMABUF) != 0;
}

static bool buffer_begin_data_ptr_access(struct wlr_buffer *base, uint32_t flags, void **data,
		uint32_t *format, size_t *stride) {
	struct rig_buffer *buffer = from_base(base);
	*data = buffer->pixels;
	*format = buffer->format;
	*stride = buffer->stride;
	return (buffer->caps & RIG_DATA_PTR) != 0;
}

static void buffer_end_data_ptr_access(struct wlr_buffer *base) {
}

static const struct wlr_buffer_impl buffer_impl = {
	.destroy = buffer_destroy,
	.get_dmabuf = buffer_get_dmabuf,
	.begin_data_ptr_access = buffer_begin_data_ptr_access,
	.end_data_ptr_access = buffer_end_data_ptr_access,
};

static void handle_release(struct wl_listener *listener, void *data) {
	struct rig_buffer *buffer = wl_container_of(listener, buffer, release);
	buffer->releases++;
}

static int create_udmabuf(size_t size) {
	int memfd = memfd_create("rig", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, (off_t)size), 0);
	assert_int_equal(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	assert_true(device >= 0);
	struct udmabuf_create create = {
		.memfd = (uint32_t)memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	int fd = ioctl(device, UDMABUF_CREATE, &create);
	assert_true(fd >= 0);
	close(device);
	close(memfd);
	return fd;
}

struct rig_buffer *rig_buffer_wrap(uint32_t width, uint32_t height, uint32_t format,
		int *dmabuf_fd) {
	struct rig_buffer *buffer = calloc(1, sizeof(*buffer));
	buffer->caps = RIG_DMABUF;
	buffer->format = format;
	buffer->stride = width * 4;
	buffer->size = ((size_t)buffer->stride * height + 4095) & ~(size_t)4095;
	buffer->dmabuf = (struct wlr_dmabuf_attributes){
		.width = (int32_t)width,
		.height = (int32_t)height,
		.format = format,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.n_planes = 1,
		.stride = { buffer->stride },
		.fd = { *dmabuf_fd, -1, -1, -1 },
	};
	buffer->pixels = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, *dmabuf_fd, 0);
	assert_ptr_not_equal(buffer->pixels, MAP_FAILED);
	*dmabuf_fd = -1;
	wlr_buffer_init(&buffer->base, &buffer_impl, (int)width, (int)height);
	buffer->release.notify = handle_release;
	wl_signal_add(&buffer->base.events.release, &buffer->release);
	return buffer;
}

struct rig_buffer *rig_buffer_create(uint32_t width, uint32_t height, uint32_t format,
		uint32_t caps) {
	int fd = create_udmabuf(((size_t)width * 4 * height + 4095) & ~(size_t)4095);
	struct rig_buffer *buffer = rig_buffer_wrap(width, height, format, &fd);
	buffer->caps = caps;
	return buffer;
}

void rig_buffer_drop(struct rig_buffer *buffer) {
	wlr_buffer_drop(&buffer->base);
}

void rig_buffer_fill(struct rig_buffer *buffer, uint32_t pixel) {
	for (size_t i = 0; i < (size_t)buffer->stride / 4 * (size_t)buffer->base.height; i++) {
		buffer->pixels[i] = pixel;
	}
}

uint32_t rig_buffer_pixel(const struct rig_buffer *buffer, uint32_t x, uint32_t y) {
	return buffer->pixels[y * (buffer->stride / 4) + x];
}

bool rig_draw(struct rig *rig, struct rig_buffer *target, struct wlr_texture *texture,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point) {
	struct wlr_render_pass *pass =
		wlr_renderer_begin_buffer_pass(rig->renderer, &target->base, NULL);
	assert_non_null(pass);
	wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
		.texture = texture,
		.dst_box = { .width = target->base.width, .height = target->base.height },
		.blend_mode = WLR_RENDER_BLEND_MODE_NONE,
		.wait_timeline = timeline,
		.wait_point = point,
	});
	return wlr_render_pass_submit(pass);
}

void rig_finish(struct rig *rig) {
	struct sbx_device *device = rig->sbx->device;
	if (!device->lost) {
		assert_int_equal(sbx_device_wait(device, device->submitted, 20000000000), 0);
	}
}
