#ifndef SBX_TRACING_DRAW_H
#define SBX_TRACING_DRAW_H

#include <stdbool.h>
#include <stdint.h>

struct trace_recording;

/** One loan as a drawing of lines of text. False: there is no such loan; said on standard error. */
bool trace_draw(const struct trace_recording *recording, int64_t loan);

#endif
