/**
 * One renderer in a process of its own.
 *
 * So that threads, memory and fds of one do not count for another, and one that crashes costs its
 * own column only. All workers live at the same time: the bench lets them do each case in turn, so
 * that what else the machine does falls on all of them alike.
 */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include "outputs.h"
#include "peer.h"
#include "scene.h"
#include <sys/types.h>

struct bench_worker {
	const struct bench_peer *peer;
	pid_t pid;
	/** Cases go out, results come back. -1: it is gone. */
	int socket;
	/** From the peer; empty without. */
	char note[80];
};

/**
 * Fork a worker for `peer` with `nodes`. To be called before this process has threads. Returns false
 * when the renderer does not run here; the worker is then finished.
 */
bool bench_worker_start(struct bench_worker *worker, const struct bench_peer *peer,
	const struct bench_nodes *nodes);

/** Measure one case. `result->ok` is false when it failed or the worker died. */
void bench_worker_measure(struct bench_worker *worker, const struct bench_case *what,
	const struct bench_limits *limits, struct bench_result *result);

/** The same for outputs. */
void bench_worker_measure_outputs(struct bench_worker *worker, bool hdr, struct bench_outputs *outputs);

/** Let it end, and wait for that. Fine on a worker that never started. */
void bench_worker_finish(struct bench_worker *worker);

#endif
