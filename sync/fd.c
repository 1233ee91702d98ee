#include <errno.h>
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "sync/fd.h"
#include "sync/kernel.h"

int sbx_fd_steal(int *fd) {
	int stolen = *fd;
	*fd = -1;
	return stolen;
}

void sbx_fd_close(int *fd) {
	if (*fd < 0) {
		return;
	}
	int saved_errno = errno;
	sbx_kernel_close(*fd);
	*fd = -1;
	errno = saved_errno;
}

int sbx_fd_dup(int fd, int *copy) {
	*copy = -1;
	if (fd < 0) {
		return 0;
	}
	int ret = sbx_kernel_dup(fd);
	if (ret < 0) {
		return ret;
	}
	*copy = ret;
	return 0;
}

bool sbx_fd_is_same(int a, int b) {
	pid_t pid = getpid();
	return syscall(SYS_kcmp, pid, pid, KCMP_FILE, a, b) == 0;
}
