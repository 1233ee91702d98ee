/**
 * The kernel, as sync/ sees it: every system call of this room goes through one table of functions.
 *
 * Tests put their own table there, to make the n-th call fail or to play a DRM device where there is
 * none. Every ioctl is counted (trace/counter.h).
 *
 * Nothing outside sync/ and the tests needs this header.
 */
#ifndef SBX_SYNC_KERNEL_H
#define SBX_SYNC_KERNEL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "trace/counter.h"

/**
 * Each function returns what the system call returns, but -errno in place of -1 and errno. None of
 * them is called again by itself after -EINTR: that is up to sbx_kernel_ioctl() and its like.
 */
struct sbx_kernel {
	int (*ioctl)(int fd, unsigned long request, void *arg);
	int (*eventfd)(unsigned int value, int flags);
	/** Reads the counter of a non-blocking eventfd: 0, or -EAGAIN when it is 0. */
	int (*eventfd_read)(int fd, uint64_t *value);
	/** timeout_ns is relative. Returns the number of ready entries, 0: time is over. */
	int (*poll)(struct pollfd *fds, nfds_t count, int64_t timeout_ns);
	/** A new fd for the same file, close-on-exec. */
	int (*dup)(int fd);
	/** *data becomes the file's first `size` bytes, shared; to be written to as well if `write`. */
	int (*map)(int fd, size_t size, bool write, void **data);
	/** Never fails as far as the caller is concerned: the fd is gone. */
	void (*close)(int fd);
	/** CLOCK_MONOTONIC. */
	int64_t (*now_ns)(void);
};

/** The system calls themselves. */
extern const struct sbx_kernel sbx_kernel_real;

/**
 * For tests: use `kernel` (lent; NULL: the real one) from now on, and return what was used before.
 * Not while another thread is in sync/.
 */
const struct sbx_kernel *sbx_kernel_use(const struct sbx_kernel *kernel);

/** One ioctl, counted as `kind`, repeated while a signal interrupts it. 0 or more, or -errno. */
int sbx_kernel_ioctl(enum sbx_counter kind, int fd, unsigned long request, void *arg);

/** A non-blocking, close-on-exec eventfd with value 0, or -errno. */
int sbx_kernel_eventfd(void);

/** The rest of the table. sbx_kernel_poll() may return -EINTR. */
int sbx_kernel_eventfd_read(int fd, uint64_t *value);
int sbx_kernel_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ns);
int sbx_kernel_dup(int fd);
int sbx_kernel_map(int fd, size_t size, bool write, void **data);
void sbx_kernel_close(int fd);
int64_t sbx_kernel_now_ns(void);

#endif
