#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "trace/log.h"

static enum sbx_log_level verbosity = SBX_LOG_INFO;
static bool verbosity_known;
static sbx_log_func chosen;
static sbx_log_func fallback;

static const char *const level_names[] = {
	[SBX_LOG_SILENT] = "silent",
	[SBX_LOG_ERROR] = "error",
	[SBX_LOG_INFO] = "info",
	[SBX_LOG_DEBUG] = "debug",
};

static void read_environment(void) {
	const char *wanted = getenv("SIGNALBOX_LOG");
	for (int i = 0; wanted != NULL && i <= SBX_LOG_DEBUG; i++) {
		if (strcmp(wanted, level_names[i]) == 0) {
			verbosity = i;
		}
	}
	verbosity_known = true;
}

static void log_stderr(enum sbx_log_level level, const char *format, va_list args) {
	char line[1024];
	vsnprintf(line, sizeof(line), format, args);
	fprintf(stderr, "[signalbox %s] %s\n", level_names[level], line);
}

void sbx_log_init(enum sbx_log_level level, sbx_log_func func) {
	verbosity = level;
	verbosity_known = true;
	chosen = func;
}

void sbx_log_set_default(sbx_log_func func) {
	fallback = func;
}

void sbx_log_set_default_verbosity(enum sbx_log_level level) {
	if (!verbosity_known) {
		verbosity = level;
	}
}

void sbx_log(enum sbx_log_level level, const char *format, ...) {
	if (!verbosity_known) {
		read_environment();
	}
	if (level > verbosity || level == SBX_LOG_SILENT) {
		return;
	}
	int saved_errno = errno;
	sbx_log_func func = chosen != NULL ? chosen : fallback != NULL ? fallback : log_stderr;
	va_list args;
	va_start(args, format);
	func(level, format, args);
	va_end(args);
	errno = saved_errno;
}
