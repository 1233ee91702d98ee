/**
 * What happened to every buffer that was on loan, when, and who read it: a recording of the last few
 * thousand events, to be looked at in Perfetto's viewer (https://ui.perfetto.dev) or with
 * `signalbox trace`. docs/tracing.md explains the events and shows a frame.
 *
 * Recording is off until it is started. One recording for the whole process, in memory of a fixed size;
 * the oldest events give way. While it runs, an event costs a clock read and a hundred bytes of copying;
 * while it does not, a branch.
 *
 * Without a line of code: SIGNALBOX_TRACE=FILE in the compositor's environment starts it with the first
 * sbx_renderer_create() or sbx_syncobj_manager_create() and writes FILE when the process exits, and
 * SIGNALBOX_TRACE_SIGNAL=USR1 also each time that signal comes, even while the event loop hangs.
 *
 * Any thread.
 */
#ifndef SIGNALBOX_TRACE_H
#define SIGNALBOX_TRACE_H

#include <signalbox/api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SBX_TRACE_DEFAULT_EVENTS = 16384 };

/**
 * Start recording, with nothing recorded yet. Room for so many events (0: SBX_TRACE_DEFAULT_EVENTS;
 * rounded up to a power of two) is taken at the first start in the process and kept until its end; later
 * calls keep the size. A frame of one window leaves some 15 events.
 *
 * 0; -ENOMEM; -EALREADY: it is running, and goes on as it was.
 */
SBX_API int sbx_trace_start(size_t events);

/** Stop. What was recorded can be written until the next start. */
SBX_API void sbx_trace_stop(void);

SBX_API bool sbx_trace_is_running(void);

/**
 * Write the recording as Chrome's JSON ("JSON Object Format"), which Perfetto opens. Whether it is running
 * or not, and it goes on running.
 *
 * On the compositor's thread this also asks the GPU for the times of what it has finished meanwhile. On
 * another thread those of the very last passes may be missing.
 *
 * 0; -ENODATA: never started; -ENOMEM; or what writing says (-ENOSPC).
 */
SBX_API int sbx_trace_write(FILE *file);

/** The same to a file descriptor (lent), from where it stands. */
SBX_API int sbx_trace_write_fd(int fd);

/**
 * The same to the file `path`, which is replaced at once when it is complete: nobody ever sees half of it.
 */
SBX_API int sbx_trace_write_path(const char *path);

#endif
