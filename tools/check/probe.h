#ifndef SBX_CHECK_PROBE_H
#define SBX_CHECK_PROBE_H

#include "check/options.h"

/**
 * Find out what this machine and compositor have, and how fast they are, into env (shared
 * memory). Runs as the story of a check, in a process of its own; env.trouble says why nothing
 * can be tested, if so.
 */
void probe(struct check *check, struct check_env *env, const struct check_options *options);

/** The limits that follow from what was measured. */
void probe_set_limits(struct check_env *env);

/**
 * A second client was served in so many microseconds: env.strain follows, so that limits grow while
 * the machine has more to do than when it was probed, and shrink again afterwards.
 */
void probe_follow(struct check_env *env, unsigned served_us);

#endif
