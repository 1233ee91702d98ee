/**
 * Looks after points that are waited for: one that is older than a bound is reported, once, with whom it
 * waits for (trace/stall.h).
 *
 * What is watched: a loan whose acquire point has not signalled, from its commit on; and one that has been
 * replaced and not given back, from there on. A buffer that is its surface's content may be so for ever.
 * There is a timer while there is something to watch, and then it looks once in a bound's time: what comes
 * in time costs a clock read, and what is there already costs nothing. Where the timer itself is late, by
 * SBX_WATCH_LATE_MS or more, the machine slept or the process was stopped, and maybe those that are waited
 * for as well: then all begin anew. Not twice in a row: a loop that is always late names them, too.
 *
 * The event loop's thread only.
 */
#ifndef SBX_LOAN_WATCH_H
#define SBX_LOAN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct sbx_desk;
struct sbx_loan;
struct wl_event_source;

enum {
	SBX_WATCH_LATE_MS = 100,
};

struct sbx_watch {
	struct sbx_desk *desk;
	struct wl_event_source *timer;
	/** 0: nothing is watched. */
	uint32_t bound_ms;
	bool running, began_anew;
	/** While it is running: when it fires. */
	int64_t due_ns;
};

/** With the bound of signalbox/syncobj.h, or that of the environment. 0 or -ENOMEM. */
int sbx_watch_init(struct sbx_watch *watch, struct sbx_desk *desk);
void sbx_watch_finish(struct sbx_watch *watch);

/** As the compositor wants it; what the environment says goes first. */
void sbx_watch_set_bound(struct sbx_watch *watch, uint32_t bound_ms);

/** The loan's point is waited for, if it was not already: since now. */
void sbx_watch_loan(struct sbx_loan *loan);

#endif
