#include "worker.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/util/log.h>

struct request {
	/** What outputs take, and nothing else. */
	bool outputs, hdr;
	struct bench_case what;
	struct bench_limits limits;
};

struct hello {
	bool ok;
	char note[80];
};

static bool send_all(int socket, const void *data, size_t size) {
	return send(socket, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool receive_all(int socket, void *data, size_t size) {
	ssize_t got;
	do {
		got = recv(socket, data, size, MSG_WAITALL);
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t)size;
}

static bool answer(int socket, const struct bench_setup *setup, const struct request *request) {
	if (request->outputs) {
		struct bench_outputs outputs;
		bench_outputs_measure(setup, request->hdr, &outputs);
		return send_all(socket, &outputs, sizeof(outputs));
	}
	struct bench_result result;
	bench_scene_measure(setup, &request->what, &request->limits, &result);
	return send_all(socket, &result, sizeof(result));
}

static void serve(int socket, const struct bench_setup *setup) {
	struct request request;
	while (receive_all(socket, &request, sizeof(request)) && answer(socket, setup, &request)) {
	}
}

// What is opened here, is opened after the fork: an open file of a DRM device is one client of it.
static int run(int socket, const struct bench_peer *peer, const struct bench_nodes *parent_nodes) {
	struct bench_nodes nodes = *parent_nodes;
	struct bench_memory memory;
	nodes.render_fd = nodes.render[0] != '\0' ? open(nodes.render, O_RDWR | O_CLOEXEC) : -1;
	bench_memory_open(&memory, nodes.card[0] != '\0' ? nodes.card : NULL);

	const char *note = NULL;
	struct bench_setup setup = { .peer = peer, .nodes = &nodes, .memory = &memory };
	setup.own_fds = bench_count_fds();
	setup.renderer = peer->create(&nodes, &note);
	struct hello hello = { .ok = setup.renderer != NULL };
	if (note != NULL) {
		strncpy(hello.note, note, sizeof(hello.note) - 1);
	}
	if (send_all(socket, &hello, sizeof(hello)) && hello.ok) {
		serve(socket, &setup);
	}
	wlr_renderer_destroy(setup.renderer);
	bench_memory_close(&memory);
	if (nodes.render_fd >= 0) {
		close(nodes.render_fd);
	}
	return hello.ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

bool bench_worker_start(struct bench_worker *worker, const struct bench_peer *peer,
		const struct bench_nodes *nodes) {
	*worker = (struct bench_worker){ .peer = peer, .pid = -1, .socket = -1 };
	int sockets[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
		return false;
	}
	worker->pid = fork();
	if (worker->pid == 0) {
		close(sockets[0]);
		exit(run(sockets[1], peer, nodes));
	}
	close(sockets[1]);
	worker->socket = sockets[0];

	struct hello hello = {0};
	if (worker->pid < 0 || !receive_all(worker->socket, &hello, sizeof(hello)) || !hello.ok) {
		bench_worker_finish(worker);
		return false;
	}
	memcpy(worker->note, hello.note, sizeof(worker->note));
	return true;
}

/* All zero: it has ended, now or before. */
static void ask(struct bench_worker *worker, const struct request *request, void *result, size_t size) {
	memset(result, 0, size);
	if (worker->socket < 0) {
		return;
	}
	if (!send_all(worker->socket, request, sizeof(*request)) ||
			!receive_all(worker->socket, result, size)) {
		wlr_log(WLR_ERROR, "bench: the process of %s ended", worker->peer->name);
		memset(result, 0, size);
		bench_worker_finish(worker);
	}
}

void bench_worker_measure(struct bench_worker *worker, const struct bench_case *what,
		const struct bench_limits *limits, struct bench_result *result) {
	ask(worker, &(struct request){ .what = *what, .limits = *limits }, result, sizeof(*result));
}

void bench_worker_measure_outputs(struct bench_worker *worker, bool hdr, struct bench_outputs *outputs) {
	ask(worker, &(struct request){ .outputs = true, .hdr = hdr }, outputs, sizeof(*outputs));
}

void bench_worker_finish(struct bench_worker *worker) {
	if (worker->socket >= 0) {
		// Not close() alone: workers started later have inherited this end
		shutdown(worker->socket, SHUT_RDWR);
		close(worker->socket);
		worker->socket = -1;
	}
	if (worker->pid > 0) {
		waitpid(worker->pid, NULL, 0);
		worker->pid = -1;
	}
}
