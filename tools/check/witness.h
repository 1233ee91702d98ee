#ifndef SBX_CHECK_WITNESS_H
#define SBX_CHECK_WITNESS_H

#include "check/check.h"

/**
 * A second client, in a process of its own, that draws at every frame event. It uses shared
 * memory: what happens to explicit sync must not touch it.
 */
struct witness;

/** Returns once it has drawn a few frames. */
struct witness *witness_start(struct check *check);
void witness_stop(struct witness *witness);

/** Let ms pass (serving our clients) and say how many frames the witness drew a second. */
double witness_rate(struct witness *witness, unsigned ms);
/** The longest time without a frame since the last call, the running one included. */
unsigned witness_longest_gap_ms(struct witness *witness);

/**
 * The witness must keep at least a third of its undisturbed rate over ms (or over one of the
 * two times after that), with no gap longer than a second, twenty of its frames, or four times
 * its longest undisturbed gap. Notes what was measured.
 */
void expect_witness_undisturbed(struct witness *witness, unsigned ms);

/** For the end of every check: connect, show a window, get frames. False if not in time. */
bool witness_is_served(struct check *check);

#endif
