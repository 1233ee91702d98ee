/**
 * Where signalbox's messages go.
 *
 * Every message names its culprit first ("client bug: ", "driver bug: ", "kernel: ",
 * "signalbox bug: ") or, where nobody is at fault, the room that speaks ("render: ").
 */
#ifndef SIGNALBOX_LOG_H
#define SIGNALBOX_LOG_H

#include <signalbox/api.h>
#include <stdarg.h>

enum sbx_log_level {
	SBX_LOG_SILENT,
	SBX_LOG_ERROR,
	SBX_LOG_INFO,
	SBX_LOG_DEBUG,
};

/**
 * Receives one message, without a newline at its end. `format` and `args` are valid during the call
 * only. May be called from any thread; never called with a lock of signalbox held.
 */
typedef void (*sbx_log_func)(enum sbx_log_level level, const char *format, va_list args);

/**
 * Send messages up to and including `verbosity` to `func` (NULL: the default, which is wlroots' log
 * once sbx_renderer_create() was called, and standard error before that or without wlroots). Not
 * thread-safe: call it before anything else. The initial verbosity is SBX_LOG_INFO, or what the
 * environment variable SIGNALBOX_LOG says (silent, error, info, debug).
 */
SBX_API void sbx_log_init(enum sbx_log_level verbosity, sbx_log_func func);

#endif
