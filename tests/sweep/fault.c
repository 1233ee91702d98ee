#include <drm.h>
#include <errno.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vulkan/vulkan_core.h>
#include "fault.h"
#include "harness/kernel_fake.h"
#include "sync/kernel.h"
#include "sync/uapi.h"

enum { SPELL = 20 };

#define DRM(name, number, ...) { name, .type = DRM_IOCTL_BASE, .nr = number, .errors = { __VA_ARGS__ } }
#define FENCE(name, request, ...) \
	{ name, .type = _IOC_TYPE(request), .nr = _IOC_NR(request), .errors = { __VA_ARGS__ } }
#define VULKAN(name, ...) { "vk" #name, .vulkan = true, .errors = { __VA_ARGS__ } }

/*
 * Errors as Linux 6.12 to 7.2 gives them, from drm_syncobj.c, sync_file.c, dma-buf.c and eventfd.c;
 * -EPERM is what a sandbox's filter says. -ENODEV, a device unplugged, is FAULT_FOR_GOOD: no kernel
 * says it once. The order matters: those in front are tried first where only some are.
 */
const struct fault_call fault_calls[] = {
	DRM("GET_CAP", 0x0C, -EINVAL, -ENOTTY, -EINTR, -EPERM, -ENODEV),
	DRM("SYNCOBJ_CREATE", 0xBF, -ENOMEM, -EINTR, -EPERM, -EINVAL),
	{ "SYNCOBJ_DESTROY", .type = DRM_IOCTL_BASE, .nr = 0xC0, .works = true,
		.errors = { -EINVAL, -EPERM } },
	DRM("SYNCOBJ_HANDLE_TO_FD", 0xC1, -EMFILE, -ENOMEM, -EINVAL, -ENFILE, -EINTR, -EPERM),
	DRM("SYNCOBJ_FD_TO_HANDLE", 0xC2, -ENOMEM, -EINVAL, -EINTR, -EPERM, -ENOSPC),
	DRM("SYNCOBJ_RESET", 0xC4, -ENOMEM, -EPERM),
	DRM("SYNCOBJ_TIMELINE_WAIT", 0xCA, -ENOMEM, -ETIME, -EINVAL, -EINTR, -EPERM, -EFAULT),
	DRM("SYNCOBJ_QUERY", 0xCB, -ENOMEM, -EINTR, -EPERM, -EFAULT),
	DRM("SYNCOBJ_TRANSFER", 0xCC, -ENOMEM, -EINVAL, -EINTR, -EPERM),
	DRM("SYNCOBJ_TIMELINE_SIGNAL", 0xCD, -ENOMEM, -EINTR, -EPERM, -EFAULT),
	DRM("SYNCOBJ_EVENTFD", 0xCF, -ENOMEM, -EINVAL, -EINTR, -EPERM, -ENOTTY),
	FENCE("SYNC_IOC_MERGE", SYNC_IOC_MERGE, -EMFILE, -ENOMEM, -ENFILE, -EINTR, -EPERM),
	FENCE("SYNC_IOC_FILE_INFO", SYNC_IOC_FILE_INFO, -ENOMEM, -EINVAL, -EINTR, -EPERM),
	FENCE("SYNC_IOC_SET_DEADLINE", SYNC_IOC_SET_DEADLINE, -ENOTTY, -EINVAL, -EPERM),
	FENCE("DMA_BUF_EXPORT", DMA_BUF_IOCTL_EXPORT_SYNC_FILE, -EMFILE, -ENOMEM, -ENFILE, -EINTR, -EPERM,
		-ENOTTY),
	FENCE("DMA_BUF_IMPORT", DMA_BUF_IOCTL_IMPORT_SYNC_FILE, -ENOMEM, -EINVAL, -EINTR, -EPERM, -ENOTTY),
	{ "eventfd", .errors = { -EMFILE, -ENOMEM, -ENFILE } },
	{ "eventfd_read", .errors = { -EAGAIN, -EINTR } },
	{ "poll", .errors = { -ENOMEM, -EINTR } },
	{ "dup", .errors = { -EMFILE, -EPERM } },
	VULKAN(GetSemaphoreFdKHR, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_TOO_MANY_OBJECTS, VK_ERROR_DEVICE_LOST),
	VULKAN(ImportSemaphoreFdKHR, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_INVALID_EXTERNAL_HANDLE),
	VULKAN(CreateSemaphore, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY),
	VULKAN(GetMemoryFdPropertiesKHR, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_INVALID_EXTERNAL_HANDLE),
	VULKAN(AllocateMemory, VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_OUT_OF_HOST_MEMORY,
		VK_ERROR_INVALID_EXTERNAL_HANDLE, VK_ERROR_TOO_MANY_OBJECTS),
	VULKAN(QueueSubmit2, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_DEVICE_LOST,
		VK_ERROR_OUT_OF_DEVICE_MEMORY),
	VULKAN(WaitSemaphores, VK_ERROR_OUT_OF_HOST_MEMORY, VK_TIMEOUT, VK_ERROR_DEVICE_LOST),
	VULKAN(GetSemaphoreCounterValue, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_DEVICE_LOST),
	VULKAN(SignalSemaphore, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_DEVICE_LOST),
};
const size_t fault_call_count = sizeof(fault_calls) / sizeof(fault_calls[0]);
enum { CALLS = sizeof(fault_calls) / sizeof(fault_calls[0]) };

static const struct sbx_kernel *below;
static struct fault fault;
static enum fault_plant plant;
static unsigned uses[CALLS];
static bool happened, stopped;
static int lost_fd = -1;

static int find_ioctl(unsigned long request) {
	for (int i = 0; i < CALLS; i++) {
		if (fault_calls[i].type == _IOC_TYPE(request) && fault_calls[i].nr == _IOC_NR(request)) {
			return i;
		}
	}
	return -1;
}

static int find_name(const char *name) {
	for (int i = 0; i < CALLS; i++) {
		if (strcmp(fault_calls[i].name, name) == 0) {
			return i;
		}
	}
	return -1;
}

static bool is_of_drm(int call) {
	return fault_calls[call].type == DRM_IOCTL_BASE;
}

/* One use of `call`: 0, or how it fails. */
static int use(int call) {
	if (call < 0 || kernel_fake.paused) {
		return 0;
	}
	if (happened && fault.mode == FAULT_FOR_GOOD) {
		return is_of_drm(call) ? fault.error : 0;
	}
	if (stopped) {
		return 0;
	}
	unsigned n = uses[call]++;
	if (fault.call < 0) {
		return 0;
	}
	unsigned last = fault.n + (fault.mode == FAULT_SPELL ? SPELL : 0);
	if (call != fault.call || n < fault.n || n > last) {
		return 0;
	}
	happened = true;
	return fault.error;
}

static int answer(int fd, unsigned long request, void *arg);

/* Planted defects: what the library asks for is done in another way, or not at all. */
static int answer_wrongly(int fd, unsigned long request, void *arg, int call) {
	const char *name = call >= 0 ? fault_calls[call].name : "";
	const struct sbx_uapi_syncobj_handle *handle = arg;
	bool imports = strcmp(name, "SYNCOBJ_FD_TO_HANDLE") == 0 &&
		(handle->flags & SBX_UAPI_HANDLE_SYNC_FILE) != 0;
	if (plant == PLANT_IGNORED_WAIT && strcmp(name, "SYNCOBJ_TIMELINE_WAIT") == 0) {
		return 0;
	}
	if (plant == PLANT_LOST_HANDLE && strcmp(name, "SYNCOBJ_DESTROY") == 0 && uses[call] == 5) {
		return 0;
	}
	if (plant == PLANT_LOST_RELEASE && (strcmp(name, "SYNCOBJ_TIMELINE_SIGNAL") == 0) && uses[call] == 5) {
		return 0;
	}
	if (plant == PLANT_EARLY_RELEASE && imports) {
		uint32_t ids[] = { handle->handle };
		uint64_t values[] = { handle->point };
		struct drm_syncobj_timeline_array signal = {
			.handles = (uintptr_t)ids, .points = (uintptr_t)values, .count_handles = 1,
		};
		return below->ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &signal);
	}
	return below->ioctl(fd, request, arg);
}

static int answer(int fd, unsigned long request, void *arg) {
	int call = find_ioctl(request);
	int ret = use(call);
	if (ret < 0) {
		if (fault_calls[call].works) {
			below->ioctl(fd, request, arg);
		}
		return ret;
	}
	return kernel_fake.paused ? below->ioctl(fd, request, arg) : answer_wrongly(fd, request, arg, call);
}

static int do_eventfd(unsigned int value, int flags) {
	int ret = use(find_name("eventfd"));
	return ret < 0 ? ret : below->eventfd(value, flags);
}

static int do_eventfd_read(int fd, uint64_t *value) {
	int ret = use(find_name("eventfd_read"));
	return ret < 0 ? ret : below->eventfd_read(fd, value);
}

static int do_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ns) {
	int ret = use(find_name("poll"));
	return ret < 0 ? ret : below->poll(fds, count, timeout_ns);
}

static int do_dup(int fd) {
	int ret = use(find_name("dup"));
	return ret < 0 ? ret : below->dup(fd);
}

static int do_map(int fd, size_t size, bool write, void **data) {
	return below->map(fd, size, write, data);
}

static void do_close(int fd) {
	if (plant == PLANT_LOST_FD && lost_fd < 0 && !kernel_fake.paused) {
		lost_fd = fd;
		return;
	}
	below->close(fd);
}

static int64_t do_now_ns(void) {
	return below->now_ns();
}

static const struct sbx_kernel table = {
	.ioctl = answer,
	.eventfd = do_eventfd,
	.eventfd_read = do_eventfd_read,
	.poll = do_poll,
	.dup = do_dup,
	.map = do_map,
	.close = do_close,
	.now_ns = do_now_ns,
};

void fault_install(const struct fault *wanted, enum fault_plant defect) {
	fault = *wanted;
	plant = defect;
	memset(uses, 0, sizeof(uses));
	happened = stopped = false;
	lost_fd = -1;
	below = sbx_kernel_use(&table);
}

void fault_remove(void) {
	sbx_kernel_use(below);
}

void fault_pause(bool pause) {
	stopped = pause;
}

bool fault_happened(void) {
	return happened;
}

unsigned fault_uses(int call) {
	return uses[call];
}

bool fault_vulkan(const char *name, int *error) {
	*error = use(find_name(name));
	return *error != 0;
}

enum fault_plant fault_planted(void) {
	return plant;
}
