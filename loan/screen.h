/**
 * What an output shows, as far as it can be seen from outside: which loans' buffers it scans out itself.
 *
 * wlroots says with `commit` which buffers an output was given, and with `present` when they came to be
 * shown. Its DRM backend takes its lock off the buffer before when the flip is done, and then tells of the
 * flip; so a loan may be given back before we know that it was flipped away, at a time that lies before.
 *
 * The event loop's thread only.
 */
#ifndef SBX_LOAN_SCREEN_H
#define SBX_LOAN_SCREEN_H

#include <stdint.h>

struct wlr_output;

/** Watch the output until it is destroyed. Once is enough; more often does no harm, nor does failing. */
void sbx_screen_watch(struct wlr_output *output);

/** Draw all outputs again that are watched: what was drawn was not the newest. */
void sbx_screens_redraw(void);

/** The name of the output that scans this loan's buffer out, or was given it to do so; NULL: none. */
const char *sbx_screens_find_loan(uint64_t loan);

#endif
