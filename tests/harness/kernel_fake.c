#include <dirent.h>
#include <errno.h>
#include <linux/sync_file.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include "harness/kernel_fake.h"
#include "sync/kernel.h"

struct kernel_fake kernel_fake;

/* 0, or the error with which this call is to fail. */
static int next_call(void) {
	if (kernel_fake.paused) {
		return 0;
	}
	unsigned call = kernel_fake.calls++;
	if (!kernel_fake.armed || call != kernel_fake.fail_at) {
		return 0;
	}
	kernel_fake.failed = true;
	return kernel_fake.fail_error;
}

static bool is_broken(unsigned long request) {
	unsigned long broken = kernel_fake.broken_request;
	return broken != 0 && _IOC_TYPE(request) == _IOC_TYPE(broken) &&
		_IOC_NR(request) == _IOC_NR(broken);
}

static void break_fences(const struct sync_file_info *info) {
	struct sync_fence_info *fences = (void *)(uintptr_t)info->sync_fence_info;
	for (uint32_t i = 0; fences != NULL && i < info->num_fences; i++) {
		if (fences[i].status != 0) {
			fences[i].status = kernel_fake.fence_error;
		}
	}
}

static int fake_ioctl(int fd, unsigned long request, void *arg) {
	int ret = next_call();
	if (ret < 0) {
		return ret;
	}
	if (is_broken(request)) {
		return kernel_fake.broken_error;
	}
	ret = kernel_fake.ioctl != NULL ? kernel_fake.ioctl(fd, request, arg) : KERNEL_FAKE_PASS;
	if (ret == KERNEL_FAKE_PASS) {
		ret = sbx_kernel_real.ioctl(fd, request, arg);
	}
	if (ret == 0 && request == SYNC_IOC_FILE_INFO && kernel_fake.fence_error != 0) {
		break_fences(arg);
	}
	return ret;
}

static int fake_eventfd(unsigned int value, int flags) {
	int ret = next_call();
	if (ret < 0 || kernel_fake.eventfd_error < 0) {
		return ret < 0 ? ret : kernel_fake.eventfd_error;
	}
	return sbx_kernel_real.eventfd(value, flags);
}

static int fake_eventfd_read(int fd, uint64_t *value) {
	int ret = next_call();
	return ret < 0 ? ret : sbx_kernel_real.eventfd_read(fd, value);
}

static int fake_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ns) {
	int ret = next_call();
	return ret < 0 ? ret : sbx_kernel_real.poll(fds, count, timeout_ns);
}

static int fake_dup(int fd) {
	int ret = next_call();
	if (ret < 0 || kernel_fake.dup_error < 0) {
		return ret < 0 ? ret : kernel_fake.dup_error;
	}
	return sbx_kernel_real.dup(fd);
}

static int fake_map(int fd, size_t size, bool write, void **data) {
	int ret = next_call();
	if (ret < 0 || kernel_fake.map_error < 0) {
		return ret < 0 ? ret : kernel_fake.map_error;
	}
	return sbx_kernel_real.map(fd, size, write, data);
}

static void fake_close(int fd) {
	sbx_kernel_real.close(fd);
}

static int64_t fake_now_ns(void) {
	return kernel_fake.now_ns != 0 ? kernel_fake.now_ns : sbx_kernel_real.now_ns();
}

static const struct sbx_kernel table = {
	.ioctl = fake_ioctl,
	.eventfd = fake_eventfd,
	.eventfd_read = fake_eventfd_read,
	.poll = fake_poll,
	.dup = fake_dup,
	.map = fake_map,
	.close = fake_close,
	.now_ns = fake_now_ns,
};

void kernel_fake_install(void) {
	kernel_fake = (struct kernel_fake){0};
	sbx_kernel_use(&table);
}

void kernel_fake_remove(void) {
	sbx_kernel_use(NULL);
}

void kernel_fake_fail(unsigned n, int error) {
	kernel_fake.armed = true;
	kernel_fake.failed = false;
	kernel_fake.fail_at = kernel_fake.calls + n;
	kernel_fake.fail_error = error;
}

bool kernel_fake_failed(void) {
	kernel_fake.armed = false;
	return kernel_fake.failed;
}

unsigned open_fds(void) {
	DIR *dir = opendir("/proc/self/fd");
	if (dir == NULL) {
		return 0;
	}
	unsigned count = 0;
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count - 3 - kernel_fake_drm_fds(); // ".", ".." and the directory's own
}
