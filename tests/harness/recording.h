/**
 * What the recorder (trace/recorder.h) has written down, for tests that look at its order.
 */
#ifndef HARNESS_RECORDING_H
#define HARNESS_RECORDING_H

#include "harness/suite.h"
#include "trace/recorder.h"

/** Start anew: what was recorded before is forgotten. */
void recording_start(void);
void recording_stop(void);

/** What is recorded now; lent until the next call. Fails the test if anything was lost. */
const struct sbx_recording *recording_read(void);

/** The youngest loan that was recorded; 0: none. */
uint64_t recording_last_loan(void);

/** When it happened to the loan first; 0: it did not. */
int64_t recording_time(uint64_t loan, enum sbx_event_kind kind);

/**
 * Fails the test unless exactly these things happened to the loan, in this order (by time): names of
 * events separated by spaces, "committed signalled latched". Prints both if they differ.
 */
void recording_expect(uint64_t loan, const char *events);

/** The same without failing. */
bool recording_is(uint64_t loan, const char *events);

#endif
