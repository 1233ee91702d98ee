#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness/peer.h"

void peer_send_fd(int socket, int fd) {
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), 1);
}

int peer_receive_fd(int socket) {
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) {
		return -1;
	}
	int fd = -1;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
		memcpy(&fd, CMSG_DATA(header), sizeof(int));
	}
	return fd;
}

void peer_tell(int socket) {
	assert_int_equal(send(socket, "x", 1, MSG_NOSIGNAL), 1);
}

void peer_await(int socket) {
	struct pollfd poll_fd = { .fd = socket, .events = POLLIN };
	char byte;
	assert_int_equal(poll(&poll_fd, 1, 30000), 1);
	assert_int_equal(read(socket, &byte, 1), 1);
}

void peer_start(struct peer *peer, const char *const argv[]) {
	int sockets[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	peer->pid = fork();
	assert_true(peer->pid >= 0);
	if (peer->pid == 0) {
		if (sockets[1] == PEER_SOCKET) {
			fcntl(PEER_SOCKET, F_SETFD, 0);
		} else {
			dup2(sockets[1], PEER_SOCKET);
		}
		execv("/proc/self/exe", (char *const *)argv);
		_exit(127);
	}
	close(sockets[1]);
	peer->socket = sockets[0];
}

void peer_finish(struct peer *peer) {
	int status = 0;
	assert_int_equal(waitpid(peer->pid, &status, 0), peer->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(peer->socket);
}
