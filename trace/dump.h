/**
 * The recording goes to a file by itself: when the process exits, and when a signal comes.
 */
#ifndef SBX_TRACE_DUMP_H
#define SBX_TRACE_DUMP_H

/**
 * Look at SIGNALBOX_TRACE, SIGNALBOX_TRACE_EVENTS and SIGNALBOX_TRACE_SIGNAL and do what they say. What
 * they say wrong is logged. For sbx_recorder_init().
 */
void sbx_dump_init(void);

#endif
