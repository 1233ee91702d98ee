/**
 * The way into a loan: the acquire point.
 *
 *	UNMATERIALISED ──▶ MATERIALISED ──▶ SIGNALLED
 *	       │    │            │
 *	       │    └──▶ FAILED ◀┤     the fence signalled with an error
 *	       └──▶ WITHDRAWN ◀──┘     nobody wants to know any more
 *
 * When the point is materialised its fence is exported, once: what the client then does to its syncobj
 * changes nothing. The fence is an fd one can poll, so that from there on nothing is registered with the
 * kernel. It is closed when it has signalled: the last three states hold no fd, no wait and no memory.
 *
 * A point that cannot be exported stays UNMATERIALISED and is waited for as it is; a wait that cannot be
 * had is tried again on the desk's timer. Nothing is ever taken for signalled because something failed.
 *
 * A failed fence is recognised while it is pending. One that has signalled before the commit arrives
 * counts as signalled: the kernel forgets the error of fences that are over.
 */
#ifndef SBX_LOAN_GATE_H
#define SBX_LOAN_GATE_H

#include <stdbool.h>
#include <wayland-server-core.h>
#include "sync/point.h"

struct sbx_desk;
struct sbx_subject;
struct sbx_wait;

enum sbx_gate_state {
	SBX_GATE_UNMATERIALISED,
	SBX_GATE_MATERIALISED,
	SBX_GATE_SIGNALLED,
	SBX_GATE_FAILED,
	SBX_GATE_WITHDRAWN,
};

struct sbx_gate {
	struct sbx_desk *desk;
	struct sbx_point point;
	enum sbx_gate_state state;
	/** The cached fence, while MATERIALISED. */
	int fence_fd;
	/**
	 * SIGNALLED or FAILED after it was opened: when, CLOCK_MONOTONIC. The kernel's word where there is
	 * a fence, else when we heard of it. 0: it was over when it was opened, or is not.
	 */
	int64_t over_ns;
	/** Since when it is waited for. */
	int64_t since_ns;
	struct wl_event_source *source;
	struct sbx_wait *wait;
	struct wl_list link; // sbx_desk.troubled_gates
	/** For the recording; set before the gate is opened, outlives it. NULL: it is not recorded. */
	const struct sbx_subject *subject;
	/** The state has changed, by itself, to MATERIALISED, SIGNALLED or FAILED. */
	void (*notify)(struct sbx_gate *gate);
};

/**
 * Ask for the point, and if it is not signalled, begin to wait. gate->state is then what is known now;
 * notify() is called for what comes later, from the event loop and never from here. One ioctl, nothing
 * else, where the point is signalled. Cannot fail. The point's handle must stay valid until the gate is
 * withdrawn, or has signalled or failed.
 */
void sbx_gate_open(struct sbx_gate *gate, struct sbx_desk *desk, struct sbx_point point,
	void (*notify)(struct sbx_gate *gate));

/** Stop waiting. A gate that has signalled or failed stays so. May be called again. */
void sbx_gate_withdraw(struct sbx_gate *gate);

/** For the desk: try again what could not be done. */
void sbx_gate_retry(struct sbx_gate *gate);

#endif
