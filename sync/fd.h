/**
 * Who owns a file descriptor is visible at the call: &fd gives it away (it comes back as -1), fd lends
 * it. Any thread.
 */
#ifndef SBX_SYNC_FD_H
#define SBX_SYNC_FD_H

#include <stdbool.h>

/** Takes *fd over: returns it and leaves -1 there. */
int sbx_fd_steal(int *fd);

/** Closes *fd if it is one, and sets it to -1. Keeps errno. */
void sbx_fd_close(int *fd);

/**
 * *copy is a new fd (close-on-exec) for the file behind `fd`, the caller's. A `fd` of -1 gives -1: of a
 * fence that has signalled the copy has signalled, too. 0 or -errno (-EMFILE, -EBADF), then *copy is -1.
 */
int sbx_fd_dup(int fd, int *copy);

/**
 * Whether both are the same open file, as an fd and its duplicate are: then what belongs to the one (the
 * handles of a DRM file) belongs to the other. False where the kernel has no kcmp (its DRM selects that
 * since Linux 5.12).
 */
bool sbx_fd_is_same(int a, int b);

#endif
