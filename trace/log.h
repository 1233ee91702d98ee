/**
 * Messages that name the culprit.
 */
#ifndef SBX_TRACE_LOG_H
#define SBX_TRACE_LOG_H

#include <signalbox/log.h>

/**
 * Log one line (printf format, no newline at the end). Any thread. Keeps errno.
 */
void sbx_log(enum sbx_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * Where the messages go while sbx_log_init() has not named a function: the room that faces wlroots
 * sets this to wlroots' log. NULL is standard error.
 */
void sbx_log_set_default(sbx_log_func func);

/**
 * The verbosity where neither SIGNALBOX_LOG nor sbx_log_init() says one. Has no effect after the first
 * message.
 */
void sbx_log_set_default_verbosity(enum sbx_log_level level);

#define sbx_log_error(...) sbx_log(SBX_LOG_ERROR, __VA_ARGS__)
#define sbx_log_info(...) sbx_log(SBX_LOG_INFO, __VA_ARGS__)
#define sbx_log_debug(...) sbx_log(SBX_LOG_DEBUG, __VA_ARGS__)

#endif
