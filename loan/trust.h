/**
 * Whether a client's predictions are to be relied on.
 *
 *	TRUSTED ──BROKEN──▶ FALLEN ──its time is over──▶ TRUSTED
 *
 * A client whose fence was not signalled when our GPU needed it has stopped the screen for as long as it
 * was late. It falls: its commits are held until they are signalled, as with the policy SIGNALLED, for
 * - SBX_TRUST_MIN_MS after the first time, twice as long after each further one, SBX_TRUST_MAX_MS at the
 *   most, and half as long again after each SBX_TRUST_AMENDS kept predictions;
 * - SBX_TRUST_FACTOR times as long as it was late, if that is longer: so that whoever builds up a good
 *   record to spend it takes less than a sixteenth of the screen's time.
 *
 * One of these belongs to each client, however many surfaces it makes.
 */
#ifndef SBX_LOAN_TRUST_H
#define SBX_LOAN_TRUST_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SBX_TRUST_MIN_MS = 1000,
	SBX_TRUST_MAX_MS = 64000,
	SBX_TRUST_AMENDS = 64,
	SBX_TRUST_FACTOR = 16,
};

enum sbx_trust_state {
	SBX_TRUST_TRUSTED,
	SBX_TRUST_FALLEN,
};

/** All zero: a new client's. */
struct sbx_trust {
	enum sbx_trust_state state;
	/** While FALLEN. */
	int64_t until_ns;
	/** How many times the time out has been doubled. */
	unsigned doublings;
	/** Predictions kept since the last change of `doublings`. */
	unsigned kept;
};

/** Whether to rely on it now. */
bool sbx_trust_is_trusted(struct sbx_trust *trust, int64_t now_ns);

/** A prediction was kept. */
void sbx_trust_keep(struct sbx_trust *trust);

/** A prediction turns out to be broken: the fence is not signalled, and should be. Once for each. */
void sbx_trust_break(struct sbx_trust *trust, int64_t now_ns);

/** A fence whose prediction was broken has signalled in the end, so much too late. */
void sbx_trust_know_delay(struct sbx_trust *trust, int64_t now_ns, int64_t late_ns);

#endif
