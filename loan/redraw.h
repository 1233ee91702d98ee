/**
 * Make whoever draws an output draw all of it again.
 */
#ifndef SBX_LOAN_REDRAW_H
#define SBX_LOAN_REDRAW_H

struct wlr_output;

/** What was drawn was not shown: the whole output is damaged, and a frame event will come. */
void sbx_redraw(struct wlr_output *output);

#endif
