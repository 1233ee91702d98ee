/**
 * A second process of a test program: the same program again, with other arguments and a socket to the
 * first as its fd 3. Failures are cmocka's.
 */
#ifndef TESTS_HARNESS_PEER_H
#define TESTS_HARNESS_PEER_H

#include <sys/types.h>

/** The other's end, in the second process. */
#define PEER_SOCKET 3

struct peer {
	pid_t pid;
	int socket;
};

/** Start this program with the arguments `argv`, the first of which is its name; ends with NULL. */
void peer_start(struct peer *peer, const char *const argv[]);
/** It must end by itself, without a failure. */
void peer_finish(struct peer *peer);

/** `fd` stays the sender's. */
void peer_send_fd(int socket, int fd);
/** -1: there came none. */
int peer_receive_fd(int socket);

/** A byte each way keeps the two in step; a peer that died or hangs is noticed. */
void peer_tell(int socket);
void peer_await(int socket);

#endif
