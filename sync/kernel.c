#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "sync/kernel.h"

static int result(int ret) {
	return ret < 0 ? -errno : ret;
}

static int real_ioctl(int fd, unsigned long request, void *arg) {
	return result(ioctl(fd, request, arg));
}

static int real_eventfd(unsigned int value, int flags) {
	return result(eventfd(value, flags));
}

static int real_eventfd_read(int fd, uint64_t *value) {
	return result(eventfd_read(fd, value));
}

static int real_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ns) {
	struct timespec timeout = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};
	return result(ppoll(fds, count, &timeout, NULL));
}

static int real_dup(int fd) {
	return result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static int real_map(int fd, size_t size, bool write, void **data) {
	void *start = mmap(NULL, size, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (start == MAP_FAILED) {
		return -errno;
	}
	*data = start;
	return 0;
}

static void real_close(int fd) {
	close(fd);
}

static int64_t real_now_ns(void) {
	struct timespec now = {0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const struct sbx_kernel sbx_kernel_real = {
	.ioctl = real_ioctl,
	.eventfd = real_eventfd,
	.eventfd_read = real_eventfd_read,
	.poll = real_poll,
	.dup = real_dup,
	.map = real_map,
	.close = real_close,
	.now_ns = real_now_ns,
};

static const struct sbx_kernel *in_use = &sbx_kernel_real;

const struct sbx_kernel *sbx_kernel_use(const struct sbx_kernel *kernel) {
	const struct sbx_kernel *before = in_use;
	in_use = kernel != NULL ? kernel : &sbx_kernel_real;
	return before;
}

int sbx_kernel_ioctl(enum sbx_counter kind, int fd, unsigned long request, void *arg) {
	int ret;
	do {
		sbx_count(kind, 1);
		ret = in_use->ioctl(fd, request, arg);
	} while (ret == -EINTR);
	return ret;
}

int sbx_kernel_eventfd(void) {
	return in_use->eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int sbx_kernel_eventfd_read(int fd, uint64_t *value) {
	return in_use->eventfd_read(fd, value);
}

int sbx_kernel_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ns) {
	return in_use->poll(fds, count, timeout_ns);
}

int sbx_kernel_dup(int fd) {
	return in_use->dup(fd);
}

int sbx_kernel_map(int fd, size_t size, bool write, void **data) {
	return in_use->map(fd, size, write, data);
}

void sbx_kernel_close(int fd) {
	in_use->close(fd);
}

int64_t sbx_kernel_now_ns(void) {
	return in_use->now_ns();
}
